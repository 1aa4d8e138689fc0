"""What layers, optimizers and the rest show at a prompt: short, telling, and true."""

import numpy as np
import pytest

from scratchnet.blocks.kalman import DecoupledKalman
from scratchnet.blocks.network import CellBlocks
from scratchnet.checking.every_layer import layers
from scratchnet.evaluation.ngrams import WittenBell
from scratchnet.generation.windows import Windows
from scratchnet.layers.conv1d import Conv1D
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.heads import Flatten
from scratchnet.layers.linear import Linear
from scratchnet.layers.lookup import Lookup
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.sequential import Sequential
from scratchnet.training.batches import RandomWindows, Streams
from scratchnet.training.optimizers import SGD, Adagrad, Adam, RMSprop
from scratchnet.training.schedules import Constant, Cosine, Exponential, Plateau, StepDecay, WarmUp

RNG = np.random.default_rng(0)
LAYERS = {name: (layer, x) for name, layer, x in layers(np.random.default_rng(0))}
WEIGHTS = {"w": np.zeros(1200, np.float32)}
TOKENS = np.arange(30) % 5


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_shows_its_name_and_how_many_parameters_it_has(name):
    layer, _ = LAYERS[name]
    text = repr(layer)
    assert " at 0x" not in text and max(map(len, text.splitlines())) <= 110 and str(layer) == text
    if isinstance(layer, Sequential):
        assert text.splitlines()[-1].strip() == str(layer.parameter_count)
    else:
        assert text.startswith(f"<{type(layer).__name__}(") and "\n" not in text
        assert (f"{layer.parameter_count} parameters>" in text) == bool(layer.params)


@pytest.mark.parametrize("name", LAYERS)
def test_the_shape_that_a_layer_promises_is_that_of_its_outputs(name):
    layer, x = LAYERS[name]
    assert layer.shape_after(x.shape) == layer.forward(x).shape
    T, *features, B = layer.shape_after(("T", *x.shape[1:-1], "B"))
    if name not in ("Flatten", "LastStep"):
        assert [eval(str(T), {"T": len(x)}), *features, B] == [*layer.shape_after(x.shape)[:-1], "B"]


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (LSTM(20, 64, RNG), "<LSTM(20, 64), 22,016 parameters>"),
        (
            LSTM(2, 3, RNG, num_layers=2, peepholes=True),
            "<LSTM(2, 3, num_layers=2, peepholes=True), 198 parameters>",
        ),
        (
            Conv1D(2, 3, 5, RNG, stride=2, bias=False),
            "<Conv1D(2, 3, 5, stride=2, bias=False), 30 parameters>",
        ),
        (Dropout(0.25, RNG, locked=True), "<Dropout(0.25, locked=True)>"),
        (Lookup(np.ones((9, 4))), "<Lookup(9, 4)>"),
        (Linear(1, 1, RNG, np.float64), "<Linear(1, 1, dtype=float64), 2 parameters>"),
        (SGD(WEIGHTS, WEIGHTS, 0.1, momentum=0.9), "<SGD(0.1, momentum=0.9), 1,200 parameters, 0 steps>"),
        (Adagrad(WEIGHTS, WEIGHTS), "<Adagrad(lr=0.01), 1,200 parameters, 0 steps>"),
        (RMSprop(WEIGHTS, WEIGHTS, alpha=0.9), "<RMSprop(lr=0.01, alpha=0.9), 1,200 parameters, 0 steps>"),
        (
            Adam(WEIGHTS, WEIGHTS, betas=(0.8, 0.9)),
            "<Adam(lr=0.001, betas=(0.8, 0.9)), 1,200 parameters, 0 steps>",
        ),
        (Constant(), "Constant()"),
        (StepDecay(10), "StepDecay(10)"),
        (Exponential(0.99), "Exponential(0.99)"),
        (WarmUp(100, Cosine(2000, final=0.1)), "WarmUp(100, then=Cosine(2000, final=0.1))"),
        (Plateau(patience=1), "Plateau(patience=1)"),
        (RandomWindows(TOKENS, 3, 2, RNG), "RandomWindows(an array (30,) of int64, 3, 2)"),
        (Streams([TOKENS], 3, 2, RNG), "Streams(3, 2)"),
        (Windows([TOKENS], 3, 2, RNG, noise=0.1, vocabulary=5), "Windows(3, 2, noise=0.1, vocabulary=5)"),
        (WittenBell(2, 5), "WittenBell(2, 5)"),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
def test_what_differs_from_the_default_is_shown(thing, text):
    assert repr(thing) == text


def test_a_kalman_filter_names_its_network():
    network = next(layer for layer, _ in LAYERS.values() if isinstance(layer, CellBlocks))
    assert repr(DecoupledKalman(network)) == f"DecoupledKalman({network.description()})"


def test_a_network_shows_a_table_before_it_has_run():
    model = Sequential([Embedding(20, 8, RNG), LSTM(8, 64, RNG), Linear(64, 20, RNG)])
    assert str(model).splitlines() == [
        "layer                output      parameters",
        "0  Embedding(20, 8)  (T, 8, B)          160",
        "1  LSTM(8, 64)       (T, 64, B)      18,944",
        "2  Linear(64, 20)    (T, 20, B)       1,300",
        "                                     20,404",
    ]


class Halves:
    """A layer of a user's own: nothing but what makes a layer."""

    def __init__(self):
        self.params, self.grads = {"w": np.ones(2)}, {"w": np.zeros(2)}

    def forward(self, x):
        return x[:, ::2]

    def backward(self, dy):
        return np.repeat(dy, 2, 1)


def test_a_table_of_networks_in_networks_and_of_layers_of_ones_own():
    inner = Sequential([Conv1D(8, 6, 3, RNG, stride=2), Halves()])
    model = Sequential([Conv1D(4, 8, 5, RNG), inner, Flatten(), Linear(18, 2, RNG)])
    rows = [line.split("  ") for line in str(model).splitlines()]
    rows = [[cell.strip() for cell in row if cell] for row in rows]
    assert rows[1:-1] == [
        ["0", "Conv1D(4, 8, 5)", "(T - 4, 8, B)", "168"],
        ["1.0", "Conv1D(8, 6, 3, stride=2)", "((T - 4 - 3) // 2 + 1, 6, B)", "150"],
        ["1.1", "Halves", "(?, ?, ?)", "2"],
        ["2", "Flatten()", "(1, ? ?, ?)", "0"],
        ["3", "Linear(18, 2)", "(1, 2, ?)", "38"],
    ]
    assert rows[-1][-1] == str(model.parameter_count) == "358"
