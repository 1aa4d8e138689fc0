"""The networks: one or more recurrent layers, and 88 independent sigmoid units on top.

    x(t) frame (88,) -> dropout -> recurrent layers -> dropout -> linear -> a(t), net input of the outputs

    p(note k sounds in frame t + 1 | frames 1 .. t) = sigmoid(a_k(t))

How the weights begin matters here. A frame holds some four notes, and with the usual small weights from the
inputs every unit is almost linear: for a long time the net learns no more than logistic regression on the
last frame. Here they are normal, with the standard deviation `input_scale` of the settings. (In the search
for settings, one seed each, wide ones were among those that helped most; it was no clean comparison.)
Recurrent weights begin orthogonal, gate by gate (Saxe et al. 2014), and biases at zero, but for the gates
that let a cell remember: the LSTM's forget gate (Gers et al. 2000), the GRU's update gate.
"""

from experiments.common.recipe import recurrent_weights
from experiments.polyphony.data import NOTES
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.gru import GRU
from scratchnet.layers.initializers import orthogonal
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.rnn import RNN
from scratchnet.layers.sequential import Sequential

LAYERS = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
OPEN = {"lstm": 1.0, "gru": 1.0}  # bias of the second gate, which remembers: f of i f g o, z of r z n


def least_weights(config):
    """How many weights a network of complete settings has, but for its biases."""
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[config.cell]
    return recurrent_weights(gates, NOTES, config.hidden, config.layers) + config.hidden * NOTES


def make_network(config, rng):
    """A network with fresh weights, by complete settings; `rng` also draws what dropout drops, ever after."""
    H = config.hidden
    recurrent = LAYERS[config.cell](NOTES, H, rng, num_layers=config.layers, dropout=config.dropout)
    W_ih = recurrent.params["weight_ih_l0"]
    W_ih[...] = config.input_scale * rng.standard_normal(W_ih.shape)
    for layer in range(config.layers):
        W_hh = recurrent.params[f"weight_hh_l{layer}"]
        W_hh[...] = orthogonal(rng, W_hh.shape, blocks=recurrent.gates)
        for name in ("bias_ih", "bias_hh"):
            recurrent.params[f"{name}_l{layer}"].fill(0)
        if config.cell in OPEN:
            recurrent.params[f"bias_ih_l{layer}"][H : 2 * H] = OPEN[config.cell]
    return Sequential(
        [Dropout(config.input_dropout, rng), recurrent, Dropout(config.dropout, rng), Linear(H, NOTES, rng)]
    )
