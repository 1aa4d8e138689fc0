"""The network: characters, one or more LSTM layers, a choice among all characters.

x(t) character -> [embedding ->] LSTM layers -> dropout -> linear -> a(t)

p(character k comes next | characters 1 .. t) = softmax(a(t))_k
"""

from experiments.common.recipe import recurrent_weights
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.initializers import set_forget_bias
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.sequential import Sequential

NETWORK = ("hidden", "layers", "embedding")  # the settings that decide names and shapes of the weights


def least_weights(settings, vocabulary):
    """How many weights such a network has, but for its biases."""
    H, E = settings["hidden"], settings["embedding"]
    return E * vocabulary + recurrent_weights(4, E or vocabulary, H, settings["layers"]) + H * vocabulary


def make_network(settings, vocabulary, rng, dropout=0.0):
    """A network with fresh weights.

    settings : dict with NETWORK
    vocabulary : V
    rng : numpy Generator; it also draws what dropout drops, ever after
    """
    H, E = settings["hidden"], settings["embedding"]
    below = [Embedding(vocabulary, E, rng)] if E else []
    lstm = LSTM(E or vocabulary, H, rng, num_layers=settings["layers"], dropout=dropout)
    set_forget_bias(lstm, 1.0)
    above = [Dropout(dropout, rng)] if dropout else []
    return Sequential([*below, lstm, *above, Linear(H, vocabulary, rng)])
