"""A small example of every layer and loss, in float64; `python -m scratchnet.checking` checks them all.

for name, report in reports():
    print(name, report.worst)
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from scratchnet.blocks.fully_recurrent import FullyRecurrent
from scratchnet.blocks.network import Blocks, CellBlocks, Outputs, Wiring
from scratchnet.checking.gradcheck import Report, compare, gradcheck, numeric_gradient
from scratchnet.layers.attention import Attention
from scratchnet.layers.batch_norm import BatchNorm
from scratchnet.layers.conv1d import Conv1D
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.gru import GRU
from scratchnet.layers.heads import Flatten, LastStep
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.nonlinearity import Nonlinearity
from scratchnet.layers.rnn import RNN
from scratchnet.layers.separable_conv1d import DepthwiseConv1D, SeparableConv1D
from scratchnet.layers.sequential import Sequential
from scratchnet.training.losses import sigmoid_cross_entropy, softmax_cross_entropy

T, D, H, B, V = 5, 3, 4, 2, 6


def layers(rng: np.random.Generator) -> Iterator[tuple[str, Any, np.ndarray]]:
    """(name, layer, its input) for every layer."""
    x, tokens = rng.standard_normal((T, D, B)), rng.integers(0, V, (T, B))
    options = {"dtype": np.float64}
    for nonlinearity in ("tanh", "relu", "sigmoid"):
        yield f"RNN, {nonlinearity}", RNN(D, H, rng, nonlinearity=nonlinearity, **options), x
    yield "LSTM", LSTM(D, H, rng, **options), x
    yield "LSTM, 3 layers with peepholes", LSTM(D, H, rng, num_layers=3, peepholes=True, **options), x
    yield "GRU", GRU(D, H, rng, **options), x
    yield "GRU, 3 layers, tokens", GRU(V, H, rng, num_layers=3, **options), tokens
    yield "Attention, scalar score", Attention(D, rng, "scalar", **options), x
    yield "Attention, vector score", Attention(D, rng, "vector", tanh=True, **options), x
    yield "Linear", Linear(D, H, rng, **options), x
    for padding in ("valid", "same", "causal"):
        yield f"Conv1D, {padding}", Conv1D(D, H, 3, rng, padding, **options), x
    yield "Conv1D, stride 2, tokens", Conv1D(V, H, 3, rng, "same", stride=2, **options), tokens
    yield "DepthwiseConv1D", DepthwiseConv1D(D, 3, rng, **options), x
    yield "SeparableConv1D", SeparableConv1D(D, H, 3, rng, "same", **options), x
    # reversed: gradcheck's random projection equals x, along which normalised outputs hardly change
    yield "BatchNorm, training", BatchNorm(D, **options), x[::-1]
    settled = BatchNorm(D, **options)
    settled.eval()
    yield "BatchNorm, evaluation", settled, x
    for kind in ("tanh", "relu", "sigmoid"):
        yield f"Nonlinearity, {kind}", Nonlinearity(kind), x
    yield "Flatten", Flatten(), x
    yield "LastStep", LastStep(), x
    yield "Embedding", Embedding(V, D, rng, **options), tokens
    still = Dropout(0.5, rng)
    still.eval()
    yield "Dropout, evaluation", still, x
    parts = [Embedding(V, D, rng, **options), LSTM(D, H, rng, **options), Linear(H, V, rng, **options)]
    yield "Sequential: embedding in a table, LSTM, Linear", Sequential(parts), rng.integers(0, V, (T, B))
    yield "FullyRecurrent", FullyRecurrent(D, H, 2, rng, scale=1.0), x
    wiring = Wiring(
        inputs={"notes": D},
        blocks={"memory": Blocks(2, 2, forget_bias=1.0)},
        outputs={"next": Outputs(2)},
        feeds={"memory": ("notes", "memory"), "next": ("notes", "memory")},
    )
    yield "CellBlocks", CellBlocks(wiring, rng, scale=1.0), x


def losses(rng: np.random.Generator) -> Iterator[tuple[str, Callable[..., Any], np.ndarray]]:
    """(name, function of the logits that returns loss and gradient, logits) for every loss."""
    a, targets, bits = rng.standard_normal((T, V, B)), rng.integers(0, V, (T, B)), rng.random((T, V, B))
    targets[1, 0] = -100
    weights, mask = rng.random((T, B)), rng.random((T, B)) < 0.7
    yield "softmax cross-entropy", lambda a: softmax_cross_entropy(a, targets, weights), a
    yield "sigmoid cross-entropy", lambda a: sigmoid_cross_entropy(a, bits, mask), a


def reports(rng: np.random.Generator | None = None) -> Iterator[tuple[str, Report]]:
    """Yield (name, gradcheck.Report) for every layer and every loss."""
    rng = np.random.default_rng(0) if rng is None else rng
    for name, layer, x in layers(rng):
        yield name, gradcheck(layer, x)
    for name, loss, a in losses(rng):
        numeric = numeric_gradient(lambda loss=loss, a=a: loss(a)[0], a)
        yield name, compare({"logits": (loss(a)[1], numeric)})
