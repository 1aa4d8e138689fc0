"""Nonlinear functions as layers."""

import math

import numba
import numpy as np
import pytest
from compiled_types import own_kernels, promotions

from scratchnet.checking.gradcheck import gradcheck
from scratchnet.kernels import team
from scratchnet.layers import nonlinearity
from scratchnet.layers.nonlinearity import Nonlinearity

T, D, B = 5, 3, 4
NAIVE = {
    "tanh": (math.tanh, lambda x: 1 - math.tanh(x) ** 2),
    "relu": (lambda x: max(x, 0.0), lambda x: float(x > 0)),
    "sigmoid": (
        lambda x: 1 / (1 + math.exp(-x)),
        lambda x: math.exp(-x) / (1 + math.exp(-x)) ** 2,
    ),
}
TOLERANCE = {np.float32: 1e-6, np.float64: 1e-14}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", NAIVE)
def test_number_by_number(kind, dtype, rng):
    x, dy = rng.normal(0, 2, (2, T, D, B)).astype(dtype)
    x[0, 0, 0] = 0
    f, slope = NAIVE[kind]
    layer = Nonlinearity(kind)
    y, dx = layer.forward(x), layer.backward(dy)
    assert y.dtype == dx.dtype == dtype
    np.testing.assert_allclose(y, np.vectorize(f)(x.astype(float)), rtol=0, atol=TOLERANCE[dtype])
    np.testing.assert_allclose(
        dx, np.vectorize(slope)(x.astype(float)) * dy, rtol=0, atol=5 * TOLERANCE[dtype]
    )


@pytest.mark.parametrize("kind", NAIVE)
def test_gradients(kind, rng):
    report = gradcheck(Nonlinearity(kind), rng.standard_normal((T, D, B)))
    assert report.ok, str(report)


@pytest.mark.parametrize("kind", NAIVE)
def test_nan_stays_and_nothing_is_learned(kind):
    layer = Nonlinearity(kind)
    layer.check_finite = False
    assert np.isnan(layer.forward(np.full((T, 40, B), np.nan, np.float32))).all()
    assert layer.params == layer.grads == {}


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="one worker only")
@pytest.mark.parametrize("kind", NAIVE)
def test_the_number_of_workers_does_not_matter(kind, monkeypatch, rng):
    monkeypatch.setattr(nonlinearity, "PARALLEL_FROM", 0)
    x, found = rng.standard_normal((T, 20, B)), []
    try:
        for size in (1, 2, 3):
            team.set_size(size)
            layer = Nonlinearity(kind)
            found.append((layer.forward(x), layer.backward(x)))
    finally:
        team.set_size(None)
    for result in found[1:]:
        np.testing.assert_array_equal(result, found[0])


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="looks at compiled types")
def test_no_kernel_promotes_float32():
    layer = Nonlinearity("relu")
    layer.backward(layer.forward(np.zeros((T, D, B), np.float32)))
    assert promotions(nonlinearity) == {kernel.__name__: [] for kernel in own_kernels(nonlinearity)}


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="kind in tanh, relu, sigmoid, got 'gelu'"):
        Nonlinearity("gelu")
    layer = Nonlinearity("relu")
    with pytest.raises(ValueError, match="expected a forward pass"):
        layer.backward(np.zeros((T, D, B)))
    with pytest.raises(ValueError, match=r"expected x \(T, D, B\), got \(5, 3\)"):
        layer.forward(np.zeros((T, D)))
    with pytest.raises(ValueError, match="float32 or float64"):
        layer.forward(np.zeros((T, D, B), int))
    with pytest.raises(ValueError, match="finite"):
        layer.forward(np.full((T, D, B), np.inf))
    layer.forward(np.zeros((T, D, B)))
    with pytest.raises(ValueError, match=r"expected dy \(5, 3, 4\)"):
        layer.backward(np.zeros((T, D, 2)))


@pytest.mark.torch
@pytest.mark.parametrize("kind", NAIVE)
def test_parity_with_torch(kind, rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    x, dy = rng.standard_normal((2, T, D, B))
    x[0] = 0
    theirs, layer = torch.from_numpy(x).requires_grad_(), Nonlinearity(kind)
    y = getattr(torch, kind)(theirs)
    y.backward(torch.from_numpy(dy))
    np.testing.assert_allclose(layer.forward(x), y.detach().numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(layer.backward(dy), theirs.grad.numpy(), rtol=0, atol=1e-12)
