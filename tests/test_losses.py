"""Cross-entropy on independent sigmoids: value, gradient, extremes."""

import math

import numpy as np
import pytest

from scratchnet.gradcheck import numeric_gradient
from scratchnet.losses import sigmoid_cross_entropy


def naive(a, t):
    """Nats per frame, one unit at a time, with log(1 + exp(.)) written so that neither side loses digits."""

    def log_1_plus_exp(x):
        return x + math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x))

    T, K, B = a.shape
    total = 0.0
    for step in range(T):
        for n in range(B):
            for k in range(K):
                net, target = float(a[step, k, n]), float(t[step, k, n])
                total += target * log_1_plus_exp(-net) + (1 - target) * log_1_plus_exp(net)
    return total / (T * B)


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 3, 1), (5, 2, 3)])
def test_value_is_the_sum_over_units_and_the_mean_over_frames(shape, rng):
    a, t = 4 * rng.normal(size=shape), rng.random(shape)
    loss, _ = sigmoid_cross_entropy(a, t)
    assert isinstance(loss, float)
    assert abs(loss - naive(a, t)) < 1e-13 * max(1, loss)


def test_known_values():
    assert sigmoid_cross_entropy(np.zeros((3, 5, 2)), np.ones((3, 5, 2)))[0] == pytest.approx(
        5 * math.log(2), rel=1e-15
    )
    loss, da = sigmoid_cross_entropy(np.full((1, 1, 1), math.log(3.0)), np.zeros((1, 1, 1)))  # y = 3/4
    assert loss == pytest.approx(math.log(4), rel=1e-15)
    assert da[0, 0, 0] == pytest.approx(0.75, rel=1e-15)


def test_gradient_against_differences(rng):
    a, t = 3 * rng.normal(size=(3, 2, 2)), rng.random((3, 2, 2))
    _, da = sigmoid_cross_entropy(a, t)
    np.testing.assert_allclose(
        da, numeric_gradient(lambda: sigmoid_cross_entropy(a, t)[0], a), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_extreme_net_inputs_are_finite_and_exact(dtype):
    a = np.array([1000, -1000, 1000, -1000, 0], dtype)[:, None, None]
    t = np.array([1, 0, 0, 1, 1], dtype)[:, None, None]
    loss, da = sigmoid_cross_entropy(a, t)
    assert loss == pytest.approx((0 + 0 + 1000 + 1000 + math.log(2)) / 5, rel=1e-7)
    np.testing.assert_allclose(da.ravel(), np.array([0, 0, 1, -1, -0.5]) / 5, rtol=1e-7)
    assert da.dtype == dtype


def test_a_small_loss_keeps_its_digits():
    loss, da = sigmoid_cross_entropy(np.full((1, 1, 1), -40.0), np.zeros((1, 1, 1)))
    assert loss == pytest.approx(math.exp(-40), rel=1e-12)
    assert da[0, 0, 0] == pytest.approx(math.exp(-40), rel=1e-12)


def test_targets_may_be_bits(rng):
    a = rng.normal(size=(4, 3, 2)).astype(np.float32)
    t = rng.integers(0, 2, size=(4, 3, 2))
    loss, da = sigmoid_cross_entropy(a, t.astype(np.uint8))
    loss_of_floats, da_of_floats = sigmoid_cross_entropy(a, t.astype(np.float32))
    assert loss == pytest.approx(loss_of_floats, rel=1e-6)
    assert da.dtype == np.float32
    np.testing.assert_allclose(da, da_of_floats, rtol=1e-6)


@pytest.mark.parametrize(("a", "t"), [((3, 2, 2), (3, 2, 1)), ((3, 2), (3, 2)), ((2, 3, 4), (3, 2, 4))])
def test_shapes_that_differ_are_refused(a, t):
    with pytest.raises(ValueError, match=r"expected a and t \(T, K, B\) of one shape, got"):
        sigmoid_cross_entropy(np.zeros(a), np.zeros(t))


@pytest.mark.torch
def test_torch_agrees(rng):
    torch = pytest.importorskip("torch")
    a, t = 5 * rng.normal(size=(4, 3, 2)), rng.random((4, 3, 2))
    logits = torch.tensor(a, requires_grad=True)
    theirs = torch.nn.BCEWithLogitsLoss(reduction="sum")(logits, torch.tensor(t)) / (4 * 2)
    theirs.backward()
    loss, da = sigmoid_cross_entropy(a, t)
    assert loss == pytest.approx(theirs.item(), rel=1e-14)
    np.testing.assert_allclose(da, logits.grad.numpy(), rtol=0, atol=1e-15)
