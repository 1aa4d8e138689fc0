"""The plain layers: right by central differences, the same as the fast ones, and plain."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plain_twins import by_name, wired

from scratchnet import plain
from scratchnet.blocks.fully_recurrent import FullyRecurrent
from scratchnet.blocks.network import Blocks, CellBlocks, Outputs, Wiring
from scratchnet.checking.gradcheck import compare, gradcheck, numeric_gradient
from scratchnet.evaluation.ngrams import WittenBell
from scratchnet.layers.attention import Attention
from scratchnet.layers.batch_norm import BatchNorm
from scratchnet.layers.conv1d import Conv1D
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.gru import GRU
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.rnn import RNN
from scratchnet.training.losses import sigmoid_cross_entropy, softmax_cross_entropy

T, D, H, B, V = 6, 3, 4, 2, 5
FOLDER = Path(plain.__file__).parent
F64 = {"dtype": np.float64}

PAIRS = {  # name -> plain layer, fast layer
    **{
        f"RNN, {f}": lambda rng, f=f: (
            plain.RNN(D, H, rng, nonlinearity=f),
            RNN(D, H, rng, nonlinearity=f, **F64),
        )
        for f in ("tanh", "sigmoid", "relu")
    },
    **{
        f"LSTM{', peepholes' * peepholes}": lambda rng, peepholes=peepholes: (
            plain.LSTM(D, H, rng, peepholes),
            LSTM(D, H, rng, peepholes=peepholes, **F64),
        )
        for peepholes in (False, True)
    },
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
RECURRENT = {
    name: 1 + ("LSTM" in name) for name in PAIRS if name[:3] in ("RNN", "LST", "GRU")
}  # arrays of a state


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


def test_embedding(rng):
    slow, fast = plain.Embedding(V, D, rng), Embedding(V, D, rng, **F64)
    fast.params["weight"][...] = slow.params["weight"]
    tokens, dy = rng.integers(0, V, (T, B)), rng.standard_normal((T, D, B))
    close(fast.forward(tokens), slow.forward(tokens))
    assert slow.backward(dy) is None and fast.backward(dy) is None
    close(fast.grads["weight"], slow.grads["weight"])
    numeric = numeric_gradient(lambda: (slow.forward(tokens) * dy).sum(), slow.params["weight"])
    assert compare({"weight": (slow.grads["weight"], numeric)}).ok


def differences(slow, f):
    """df/dparam for every parameter, by name."""
    return {name: numeric_gradient(f, param) for name, param in slow.params.items()}


NET = Wiring(  # not all groups feed all others
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


def blocks(cls, rng, peepholes):
    """The fast network of NET and its plain twin."""
    network = CellBlocks(NET, rng, scale=1.0, peepholes=peepholes, dtype=np.float64)
    return network, wired(cls, NET, network.params)


@pytest.mark.parametrize("peepholes", [False, True])
def test_cell_blocks(peepholes, rng):
    network, slow = blocks(plain.CellBlocks, rng, peepholes)
    x, t = rng.random((3, D + 2, B)), rng.random((3, 5, B))
    (s, y), (ds, dy) = state, dstate = rng.standard_normal((2, 2, NET.cell_count, B))
    (a, last), (fast_a, fast_last) = slow.forward(x, (s, y)), network.forward(x, (s, y))
    close(fast_a, a)
    close(np.array(fast_last), np.array(last))
    da = plain.sigmoid_cross_entropy(a, t)[1]
    dx, dfirst = slow.backward(da, (ds, dy))
    fast_dx, fast_dfirst = network.backward(da, (ds, dy))
    close(fast_dx, dx)
    close(np.array(fast_dfirst), np.array(dfirst))
    for name, grad in by_name(NET, slow.grads, network.params).items():
        close(network.grads[name], grad)

    def loss():
        a, last = slow.forward(x, state)
        return plain.sigmoid_cross_entropy(a, t)[0] + (np.array(last) * dstate).sum()

    numeric = differences(slow, loss)
    pairs = {name: (slow.grads[name], numeric[name]) for name in ("W", "V", "u")[: 2 + peepholes]}
    pairs |= {
        "x": (dx, numeric_gradient(loss, x)),
        "state": (np.array(dfirst), numeric_gradient(loss, state)),
    }
    assert compare(pairs).ok


@pytest.mark.parametrize("peepholes", [False, True])
def test_the_truncated_gradient_takes_recurrent_sources_for_constants(peepholes, rng):
    _, slow = blocks(plain.OnlineCellBlocks, rng, peepholes)
    x, t = rng.random((4, D + 2)), rng.random((4, 5))
    steps = [slow.step(now, target)[1] for now, target in zip(x, t, strict=True)]
    slow.forward(x[:, :, None])
    constants = slow.kept[1:3]

    def loss():
        a = slow.forward(x[:, :, None], constants=constants)
        return plain.sigmoid_cross_entropy(a, t[:, :, None])[0] * len(x)

    numeric = differences(slow, loss)
    assert compare({name: (sum(step[name] for step in steps), numeric[name]) for name in numeric}).ok


@pytest.mark.parametrize("peepholes", [False, True])
def test_online_learning(peepholes, rng):
    """Weights change after every step, as those of the fast network do."""
    network, slow = blocks(plain.OnlineCellBlocks, rng, peepholes)
    is_wired = wired(plain.CellBlocks, NET, {n: np.ones(p.shape) for n, p in network.params.items()}).params
    x, t, lr, outputs = rng.random((30, D + 2)), rng.random((30, 5)), 0.1, []
    for now, target in zip(x, t, strict=True):
        y, gradient = slow.step(now, target)
        outputs.append(y)
        for n, param in slow.params.items():
            param -= lr * is_wired[n] * gradient[n]
    y, _, _ = network.learn_online(x, t, lr=lr, momentum=0.0)
    close(y, np.array(outputs))
    for name, param in by_name(NET, slow.params, network.params).items():
        close(network.params[name], param)


def test_fully_recurrent(rng):
    """Both passes with a state; then real-time recurrent learning is backpropagation through time."""
    K = 2
    slow, fast = plain.FullyRecurrent(D, H, K, rng), FullyRecurrent(D, H, K, rng, **F64)
    slow.params["weight"][...] = fast.params["weight"][...] = rng.standard_normal((H, D + H + 1))
    x, state, dstate = rng.standard_normal((T, D, B)), (rng.random((H, B)),), (rng.random((H, B)),)
    assert gradcheck(slow, x, state).ok
    (a, last), (fast_a, fast_last) = slow.forward(x, state), fast.forward(x, state)
    slow.zero_grad(), fast.zero_grad()
    (dx, dfirst), (fast_dx, fast_dfirst) = slow.backward(a**3, dstate), fast.backward(a**3, dstate)
    close(fast_a, a), close(fast_last[0], last[0]), close(fast_dx, dx), close(fast_dfirst[0], dfirst[0])
    close(fast.grads["weight"], slow.grads["weight"])

    x, t = x[:, :, :1], rng.random((T, K, 1))
    slow.zero_grad()
    slow.backward(plain.sigmoid_cross_entropy(slow.forward(x), t)[1] * T)
    forwards = sum(slow.step(now, target)[1] for now, target in zip(x[:, :, 0], t[:, :, 0], strict=True))
    close(forwards, slow.grads["weight"])


def test_all_of_them_are_compared(rng):
    compared = {type(make(rng)[0]).__name__ for make in PAIRS.values()}
    elsewhere = {
        "CellBlocks",
        "Embedding",
        "FullyRecurrent",
        "NGram",
        "OnlineCellBlocks",
    }  # tests of their own
    in_room = {"Dropout"}  # tests/layers/test_dropout.py
    classes = {
        node.name
        for path in FOLDER.glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    } - {"Layer"}
    assert classes <= set(plain.__all__), "scratchnet/plain/__init__.py does not name them all"
    assert classes == compared | elsewhere | in_room, "a plain layer without its pair in PAIRS"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_they_are_plain(path):
    """No file is longer than a page or two; that they import nothing but NumPy: test_architecture.py."""
    assert path.read_text(encoding="utf-8").count("\n") <= 85
