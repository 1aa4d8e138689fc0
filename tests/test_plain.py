"""The plain layers: right by central differences, the same as the fast ones, and plain."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scratchnet import plain
from scratchnet.blocks.network import Blocks, CellBlocks, Outputs, Wiring
from scratchnet.checking.gradcheck import compare, gradcheck, numeric_gradient
from scratchnet.evaluation.ngrams import WittenBell
from scratchnet.layers.attention import Attention
from scratchnet.layers.batch_norm import BatchNorm
from scratchnet.layers.conv1d import Conv1D
from scratchnet.layers.gru import GRU
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.rnn import RNN
from scratchnet.training.losses import sigmoid_cross_entropy, softmax_cross_entropy

T, D, H, B, V = 6, 3, 4, 2, 5
FOLDER = Path(plain.__file__).parent
F64 = {"dtype": np.float64}

PAIRS = {  # name -> plain layer, fast layer
    "RNN": lambda rng: (plain.RNN(D, H, rng), RNN(D, H, rng, **F64)),
    "LSTM": lambda rng: (plain.LSTM(D, H, rng), LSTM(D, H, rng, **F64)),
    "GRU": lambda rng: (plain.GRU(D, H, rng), GRU(D, H, rng, **F64)),
    "Linear": lambda rng: (plain.Linear(D, H, rng), Linear(D, H, rng, **F64)),
    "attention, scalar": lambda rng: (plain.Attention(D, rng), Attention(D, rng, **F64)),
    "attention, vector": lambda rng: (
        plain.Attention(D, rng, "vector", tanh=False),
        Attention(D, rng, "vector", **F64),
    ),
    "attention, vector, tanh": lambda rng: (
        plain.Attention(D, rng, "vector"),
        Attention(D, rng, "vector", tanh=True, **F64),
    ),
    "batch norm": lambda rng: (plain.BatchNorm(D), BatchNorm(D, **F64)),
    **{
        f"conv1d, {padding}, stride {stride}": lambda rng, padding=padding, stride=stride: (
            plain.Conv1D(D, H, 3, rng, padding, stride),
            Conv1D(D, H, 3, rng, padding, stride, **F64),
        )
        for padding in ("valid", "same", "causal")
        for stride in (1, 2)
    },
}
RECURRENT = {"RNN": 1, "LSTM": 2, "GRU": 1}  # how many arrays a state has


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-13)


def pair(name, rng):
    slow, fast = PAIRS[name](rng)
    assert {n: p.shape for n, p in slow.params.items()} == {n: p.shape for n, p in fast.params.items()}
    for param, other in zip(slow.params.values(), fast.params.values(), strict=True):
        param[...] = other[...] = rng.standard_normal(param.shape)
    return slow, fast


@pytest.mark.parametrize("name", PAIRS)
def test_gradients_by_central_differences(name, rng):
    slow, _ = pair(name, rng)
    x = rng.standard_normal((T, D, B))
    report = gradcheck(slow, x[::-1] ** 3)
    if name == "attention, vector":  # a bias cancels in the softmax: its gradient is nothing but rounding
        assert np.abs(slow.grads["bias"]).max() < 1e-12
        report = replace(report, rows=tuple(row for row in report.rows if row.name != "bias"))
    assert report.ok
    if name in RECURRENT:
        state = tuple(rng.standard_normal((H, B)) for _ in range(RECURRENT[name]))
        assert gradcheck(slow, x, state).ok


@pytest.mark.parametrize("name", PAIRS)
def test_the_fast_layer_computes_the_same(name, rng):
    slow, fast = pair(name, rng)
    x = rng.standard_normal((T, D, B))
    for _ in range(2):  # gradients are added up, running statistics move on
        y = slow.forward(x)
        close(fast.forward(x), y)
        dy = rng.standard_normal(y.shape)
        close(fast.backward(dy), slow.backward(dy))
    for n, grad in slow.grads.items():
        close(fast.grads[n], grad)
    for n, array in getattr(slow, "running", {}).items():
        close(fast.buffers[n], array)


@pytest.mark.parametrize("name", RECURRENT)
def test_the_fast_layer_carries_the_same_state(name, rng):
    slow, fast = pair(name, rng)
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B))
    state, dstate = rng.standard_normal((2, RECURRENT[name], H, B))
    (y, last), (fast_y, fast_last) = slow.forward(x, tuple(state)), fast.forward(x, tuple(state[:, None]))
    close(fast_y, y)
    close(np.array(fast_last)[:, 0], np.array(last))
    (dx, dfirst), (fast_dx, fast_dfirst) = (
        slow.backward(dy, tuple(dstate)),
        fast.backward(dy, tuple(dstate[:, None])),
    )
    close(fast_dx, dx)
    close(np.array(fast_dfirst)[:, 0], np.array(dfirst))


def test_batch_norm_in_evaluation(rng):
    slow, fast = pair("batch norm", rng)
    x, dy = rng.standard_normal((2, T, D, B))
    slow.forward(x), fast.forward(x)
    slow.training = fast.training = False
    close(fast.forward(x), slow.forward(x))
    close(fast.backward(dy), slow.backward(dy))


def test_losses(rng):
    a, tokens, bits = rng.standard_normal((T, V, B)), rng.integers(0, V, (T, B)), rng.random((T, V, B))
    for slow, fast, target in (
        (plain.softmax_cross_entropy, softmax_cross_entropy, tokens),
        (plain.sigmoid_cross_entropy, sigmoid_cross_entropy, bits),
    ):
        loss, da = slow(a, target)
        numeric = numeric_gradient(lambda slow=slow, target=target: slow(a, target)[0], a)
        assert compare({"a": (da, numeric)}).ok
        fast_loss, fast_da = fast(a, target)
        close(fast_loss, loss)
        close(fast_da, da)


@pytest.mark.parametrize("order", [0, 1, 3])
def test_ngrams(order, rng):
    heard = [rng.integers(0, V, n) for n in (30, 1, 50)]
    unheard = [rng.integers(0, V, n) for n in (20, 2)]
    slow, fast = plain.NGram(order, V).fit(heard), WittenBell(order, V).fit(heard)
    for sequences in (heard, unheard):
        close(fast.nats(sequences)[order], slow.nats(sequences))
    assert sum(slow.probability(w, [0, 1, 2]) for w in range(V)) == pytest.approx(1)


def wired(rng, peepholes):
    """A network in which not all groups feed all others, and the weights of its plain twin."""
    wiring = Wiring(
        inputs={"chords": 2, "melody": D},
        blocks={"slow": Blocks(2, 2), "quick": Blocks(1, 3, cell_bias=True)},
        outputs={"next": Outputs(3), "last": Outputs(2)},
        feeds={
            "slow": ("chords", "slow", "quick"),
            "quick": ("melody", "quick"),
            "next": ("quick",),
            "last": ("melody", "slow"),
        },
    )
    network = CellBlocks(wiring, rng, scale=1.0, peepholes=peepholes, dtype=np.float64)
    W, V, u = network.matrices()
    return network, (W, V, network.block_of, u if peepholes else None)


@pytest.mark.parametrize("peepholes", [False, True])
def test_cell_blocks(peepholes, rng):
    network, weights = wired(rng, peepholes)
    slow = plain.CellBlocks(*weights)
    x, t = rng.random((T, D + 2, B)), rng.random((T, 5, B))
    a = slow.forward(x)
    close(network.forward(x), a)
    da = plain.sigmoid_cross_entropy(a, t)[1]
    dx = slow.backward(da)
    network.backward(da)
    gradient = np.concatenate([slow.grads[n].ravel() for n in ("W", "V", "u")])
    close(network.flat_grad, gradient[network.where])

    def loss():
        return plain.sigmoid_cross_entropy(slow.forward(x), t)[0]

    pairs = {n: (slow.grads[n], numeric_gradient(loss, slow.params[n])) for n in ("W", "V")}
    if peepholes:
        pairs["u"] = slow.grads["u"], numeric_gradient(loss, slow.params["u"])
    pairs["x"] = dx, numeric_gradient(loss, x)
    assert compare(pairs).ok


@pytest.mark.parametrize("peepholes", [False, True])
def test_online_learning(peepholes, rng):
    """Weights change after every step, as those of the fast network do."""
    network, (W, V, block_of, u) = wired(rng, peepholes)
    slow = plain.OnlineCellBlocks(W, V, block_of, u)
    x, t, lr = rng.random((30, D + 2)), rng.random((30, 5)), 0.1
    wanted = np.zeros(W.size + V.size + 3 * network.wiring.cell_count)  # 1 where there is a weight
    wanted[network.where] = 1
    parts = np.split(wanted, [W.size, W.size + V.size])
    mask = {n: part.reshape(slow.params[n].shape) for n, part in zip(("W", "V", "u"), parts, strict=True)}
    outputs = []
    for now, target in zip(x, t, strict=True):
        y, gradient = slow.step(now, target)
        outputs.append(y)
        for n, param in slow.params.items():
            param += lr * mask[n] * gradient[n]
    y, _, _ = network.learn_online(x, t, lr=lr, momentum=0.0)
    close(y, np.array(outputs))
    weights = np.concatenate([slow.params[n].ravel() for n in ("W", "V", "u")])
    close(network.flat, weights[network.where])


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_they_are_plain(path):
    """NumPy and nothing else, and no file longer than a page or two."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 85
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            assert [name.name for name in node.names] == ["numpy"]
        if isinstance(node, ast.ImportFrom):
            assert node.module == "collections" or node.module.startswith("scratchnet.plain")
