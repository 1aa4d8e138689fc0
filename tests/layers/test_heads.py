"""One output for a whole sequence: Flatten and LastStep, and networks that end with them."""

import numpy as np
import pytest

from scratchnet.checking.gradcheck import gradcheck
from scratchnet.layers.conv1d import Conv1D
from scratchnet.layers.gru import GRU
from scratchnet.layers.heads import Flatten, LastStep
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.sequential import Sequential
from scratchnet.training.losses import softmax_cross_entropy
from scratchnet.training.optimizers import Adam

T, D, H, B, V = 5, 3, 4, 2, 6


def test_flatten_is_time_by_time_then_feature_by_feature(rng):
    x = rng.standard_normal((T, D, B))
    y = Flatten().forward(x)
    assert y.shape == (1, T * D, B)
    for t, d, n in np.ndindex(x.shape):
        assert y[0, t * D + d, n] == x[t, d, n]
    keras = x.transpose(2, 0, 1).reshape(B, T * D)  # (B, T, D) in rows: what Keras' Flatten does
    np.testing.assert_array_equal(y[0].T, keras)


def test_last_step(rng):
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((1, D, B))
    layer = LastStep()
    np.testing.assert_array_equal(layer.forward(x), x[-1:])
    dx = layer.backward(dy)
    np.testing.assert_array_equal(dx[-1:], dy)
    assert not dx[:-1].any()
    y = layer.forward(x, [3, T])
    np.testing.assert_array_equal(y[0], np.stack([x[2, :, 0], x[4, :, 1]], -1))
    dx = layer.backward(dy)
    np.testing.assert_array_equal(dx[2, :, 0], dy[0, :, 0])
    assert np.count_nonzero(dx) == D * B


@pytest.mark.parametrize("lengths", [None, [2, T]])
def test_the_last_step_is_the_final_state_of_a_recurrent_layer(lengths, rng):
    x = rng.standard_normal((T, D, B))
    for kind in (GRU, LSTM):
        layer = kind(D, H, rng, num_layers=2, dtype=np.float64)
        y, state = layer.forward(x, layer.initial_state(B), lengths)
        last = LastStep().forward(y, lengths)
        np.testing.assert_array_equal(last[0], state[0][-1])
        whole = Sequential([layer, LastStep()])
        np.testing.assert_array_equal(whole.forward(x, lengths=lengths), last)


@pytest.mark.parametrize("head", [Flatten, LastStep])
def test_gradients(head, rng):
    layer, x = head(), rng.standard_normal((T, D, B))
    report = gradcheck(layer, x, tolerance=1e-7)
    assert report.ok, str(report)
    assert layer.params == {} == layer.grads


def test_precision_is_kept(rng):
    for head in (Flatten(), LastStep()):
        y = head.forward(rng.standard_normal((T, D, B)).astype(np.float32))
        assert y.dtype == head.backward(y).dtype == np.float32


@pytest.mark.parametrize("head", ["flatten", "last"])
def test_a_network_that_predicts_once_a_window_learns(head, rng):
    """Logits (1, V, B) against targets (1, B): the first token of each window."""
    network = Sequential([
        Conv1D(V, H, 3, rng, "same", dtype=np.float64),
        GRU(H, 8, rng, dtype=np.float64),
        Flatten() if head == "flatten" else LastStep(),
        Linear(8 * T if head == "flatten" else 8, V, rng, np.float64),
    ])  # fmt: skip
    x = rng.integers(0, V, (T, 30))
    adam, losses = Adam(network.params, network.grads, 0.05), []
    for _ in range(60):
        a = network.forward(x)
        assert a.shape == (1, V, 30)
        loss, da = softmax_cross_entropy(a, x[:1])
        losses.append(loss)
        network.zero_grad()
        network.backward(da, need_dx=False)
        adam.step()
    assert losses[-1] < 0.3 * losses[0]


def test_what_does_not_fit_is_refused():
    for head in (Flatten(), LastStep()):
        with pytest.raises(ValueError, match="expected a forward pass"):
            head.backward(np.zeros((1, D, B)))
        for shape in ((T, D), (0, D, B), (T, D, 0)):
            with pytest.raises(ValueError, match=r"expected x \(T, D, B\)"):
                head.forward(np.zeros(shape))
        with pytest.raises(ValueError, match="float32 or float64"):
            head.forward(np.zeros((T, D, B), int))
        with pytest.raises(ValueError, match="finite"):
            head.forward(np.full((T, D, B), np.nan))
        size = head.forward(np.zeros((T, D, B))).shape[1]
        with pytest.raises(ValueError, match=rf"expected dy \(1, {size}, 2\)"):
            head.backward(np.zeros((T, D, B + 1)))
    with pytest.raises(ValueError, match="equal length 5 to flatten, got 2"):
        Flatten().forward(np.zeros((T, D, B)), [T, 2])
    with pytest.raises(ValueError, match=r"lengths in 1 \.\. 5"):
        LastStep().forward(np.zeros((T, D, B)), [0, T])
