"""The networks: notes and durations one-hot, a recurrent layer, with or without attention, a choice.

x(t) token -> [embedding ->] RNN, GRU or LSTM: h(t) -> [attention: h(t), c(t) ->] dropout -> linear -> a(t)

p(token k comes next | tokens 1 .. t) = softmax(a(t))_k, over those that may follow
"""

import numpy as np

from experiments.common.recipe import recurrent_weights
from scratchnet.layers.attention import Attention
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.gru import GRU
from scratchnet.layers.initializers import set_forget_bias
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.rnn import RNN
from scratchnet.layers.sequential import Sequential

# the settings that decide names and shapes of the weights
NETWORK = ("model", "hidden", "layers", "embedding")
SCORES = {"attention": "scalar", "vector-attention": "vector"}
# Deviation of an embedding's first numbers. With PyTorch's 1 tokens look much alike to gates at first, and an
# LSTM takes twice the steps; to units without gates it makes no difference.
SPREAD = {RNN: 1.0, GRU: 3.0, LSTM: 3.0}


def least_weights(settings, vocabulary):
    """How many weights such a network has at least."""
    kind, H, E = settings["model"], settings["hidden"], settings["embedding"]
    gates, choice = {"rnn": 1, "gru": 3}.get(kind, 4), 2 * H if kind in SCORES else H
    recurrent = recurrent_weights(gates, E or vocabulary, H, settings["layers"])
    return E * vocabulary + recurrent + choice * vocabulary


def make_network(settings, vocabulary, rng, dropout=0.0):
    """A network with fresh weights. One with attention begins as the one without: the context counts nothing.

    settings : dict with NETWORK
    vocabulary : V
    rng : numpy Generator; it also draws what dropout drops, ever after
    """
    kind, H, E = settings["model"], settings["hidden"], settings["embedding"]
    below = [Embedding(vocabulary, E, rng)] if E else []
    layer = {"rnn": RNN, "gru": GRU}.get(kind, LSTM)
    for embedding in below:
        embedding.params["weight"] *= SPREAD[layer]
    recurrent = layer(E or vocabulary, H, rng, num_layers=settings["layers"], dropout=dropout)
    if layer is LSTM:
        set_forget_bias(recurrent, 1.0)
    above = [Attention(H, rng, SCORES[kind])] if kind in SCORES else []
    above += [Dropout(dropout, rng)] if dropout else []
    choice = Linear(H, vocabulary, rng)
    if kind in SCORES:
        choice, without = Linear(2 * H, vocabulary, rng), choice
        choice.params["weight"][:] = np.pad(without.params["weight"], ((0, 0), (0, H)))
    return Sequential([*below, recurrent, *above, choice])
