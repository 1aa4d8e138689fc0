"""Nonlinear functions: how exact they are, what becomes of NaN and infinity, and float32 stays float32."""

import math

import numba
import numpy as np
import pytest
from compiled_types import own_kernels, wide_names
from numba.core.dispatcher import Dispatcher

from scratchnet.blocks import learning, network_kernels
from scratchnet.blocks import network as cell_blocks
from scratchnet.blocks.wiring import Blocks, Outputs, Wiring
from scratchnet.kernels import activations
from scratchnet.kernels.activations import activation, activation_slope, exp, log1p, sigmoid, tanh
from scratchnet.kernels.jit import kernel

JIT = not numba.config.DISABLE_JIT
compiled = pytest.mark.skipif(not JIT, reason="nothing is compiled")
POINTS = 1_000_001 if JIT else 10_001


@kernel
def tanh_of(x, y):
    """y = tanh(x), number by number."""
    for k in range(x.size):
        y[k] = tanh(x[k])


@kernel
def sigmoid_of(x, y):
    """y = sigmoid(x), number by number."""
    for k in range(x.size):
        y[k] = sigmoid(x[k])


@kernel
def exp_of(x, y):
    """y = exp(x), number by number."""
    for k in range(x.size):
        y[k] = exp(x[k])


@kernel
def log1p_of(x, y):
    """y = log1p(x), number by number."""
    for k in range(x.size):
        y[k] = log1p(x[k])


@kernel
def activation_of(x, a, b, y, slope):
    """y = activation(x) and its derivative, number by number."""
    for k in range(x.size):
        y[k] = activation(x[k], a, b)
        slope[k] = activation_slope(y[k], a, b)


def applied(function, x):
    y = np.empty_like(x)
    function(x, y)
    return y


def exact_sigmoid(x):
    e = np.exp(-np.abs(np.asarray(x, float)))
    return np.where(np.asarray(x) >= 0, 1, e) / (1 + e)


def many_points(dtype):
    near, far = np.linspace(-12, 12, POINTS), np.geomspace(1e-30, 1e30, 601)
    return np.concatenate([near, far, -far]).astype(dtype)


def test_float64_is_exact():
    x = many_points(np.float64)
    np.testing.assert_allclose(applied(tanh_of, x), [math.tanh(number) for number in x], rtol=0, atol=1e-15)
    np.testing.assert_allclose(applied(sigmoid_of, x), exact_sigmoid(x), rtol=0, atol=1e-15)


def test_float32_is_as_exact_as_the_header_says():
    x = many_points(np.float32)
    y, exact = applied(tanh_of, x), np.tanh(x.astype(float))
    assert y.dtype == np.float32
    assert abs(y - exact).max() < 4e-7
    some = x != 0
    assert (abs(y - exact)[some] / abs(exact)[some]).max() < 4e-7  # small numbers keep their digits
    assert abs(applied(sigmoid_of, x) - exact_sigmoid(x)).max() < 2e-7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_are_bounded_odd_and_never_fall_visibly(dtype):
    x = np.sort(many_points(dtype))
    y, half = applied(tanh_of, x), applied(sigmoid_of, x)
    assert y.min() == -1 and y.max() == 1
    assert half.min() >= 0 and half.max() == 1
    np.testing.assert_array_equal(y, -applied(tanh_of, -x))
    roundings = 8 * np.finfo(dtype).eps
    assert np.diff(y).min() > -roundings and np.diff(half).min() > -roundings


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_and_infinity(dtype):
    x = np.array([np.nan, np.inf, -np.inf, 1000, -1000, 0], dtype)
    np.testing.assert_array_equal(applied(tanh_of, x), np.array([np.nan, 1, -1, 1, -1, 0], dtype))
    np.testing.assert_array_equal(applied(sigmoid_of, x), np.array([np.nan, 1, 0, 1, 0, 0.5], dtype))
    for a in (1, 0):
        y, slope = np.empty_like(x), np.empty_like(x)
        activation_of(x, dtype(a), dtype(1), y, slope)
        assert np.isnan(y[0]) and not np.isnan(y[3:]).any()


def relative_error(y, exact):
    return (abs(y - exact) / exact).max()


def test_exp_of_float32_is_as_exact_as_the_header_says():
    for low, high, error in ((-87.3, 88.29, 4e-7), (-20, 20, 2e-7), (-1e-3, 1e-3, 2e-7)):
        x = np.linspace(low, high, POINTS).astype(np.float32)
        y = applied(exp_of, x)
        assert y.dtype == np.float32 and relative_error(y, np.exp(x.astype(float))) < error
    tiny = np.geomspace(1e-30, 1e-9, 99).astype(np.float32)
    assert (applied(exp_of, np.concatenate([tiny, -tiny, [np.float32(0)]])) == 1).all()


def test_exp_never_falls_visibly():
    x = np.linspace(-90, 88.29, POINTS).astype(np.float32)
    y = applied(exp_of, x).astype(float)
    assert (np.diff(y) >= -8 * np.finfo(np.float32).eps * y[1:]).all()


def test_log1p_of_float32_is_as_exact_as_the_header_says():
    x = np.concatenate([np.linspace(0, 1, POINTS), np.geomspace(1e-37, 1, 999)]).astype(np.float32)
    y, exact = applied(log1p_of, x), np.log1p(x.astype(float))
    assert y.dtype == np.float32 and y[0] == 0
    assert relative_error(y[1:], exact[1:]) < 3e-7  # small numbers keep their digits


def test_exp_and_log1p_of_float64_are_exact():
    x = np.concatenate([np.linspace(-700, 700, 4001), np.geomspace(1e-30, 1, 99)])
    np.testing.assert_allclose(applied(exp_of, x), [math.exp(number) for number in x], rtol=4e-16)
    x = np.concatenate([np.linspace(0, 1, 4001), np.geomspace(1e-30, 1, 99)])
    np.testing.assert_allclose(applied(log1p_of, x), [math.log1p(number) for number in x], rtol=4e-16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exp_and_log1p_of_nan_and_infinity(dtype):
    x = np.array([np.nan, np.inf, -np.inf, 1000, -1000, 0] * 9, dtype)  # nine: some of them in one vector
    with np.errstate(over="ignore"):
        y = applied(exp_of, x)
    np.testing.assert_array_equal(y, np.array([np.nan, np.inf, 0, np.inf, 0, 1] * 9, dtype))
    y = applied(log1p_of, np.array([np.nan, 0, 1] * 9, dtype))
    assert np.isnan(y[::3]).all() and (y[1::3] == 0).all() and not np.isnan(y[2::3]).any()


def test_without_numba_they_take_numbers_and_arrays(rng):
    x = rng.normal(size=(2, 3))
    np.testing.assert_allclose(sigmoid(x), exact_sigmoid(x), rtol=0, atol=1e-15)
    np.testing.assert_array_equal(tanh(x), np.tanh(x))
    assert sigmoid(x.astype(np.float32)).dtype == np.float32
    np.testing.assert_array_equal(exp(x), np.exp(x))
    np.testing.assert_array_equal(log1p(abs(x)), np.log1p(abs(x)))
    assert type(exp(np.float32(0.5))) is type(log1p(np.float32(0.5))) is np.float32
    assert type(tanh(np.float32(0.5))) is np.float32 and type(sigmoid(np.float32(0.5))) is np.float32
    assert sigmoid(0.0) == 0.5 and sigmoid(np.array([-1e4, 1e4])).tolist() == [0, 1]


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-15), (np.float32, 2e-6)])
@pytest.mark.parametrize(("a", "b"), [(2.0, 0.5), (1.0, 0.5), (1.0, 1.0), (2.0, 1.0), (1.7159, 2 / 3)])
def test_activation_is_a_tanh_b_x(a, b, dtype, tolerance):
    x = np.linspace(-9, 9, 2001).astype(dtype)
    y, slope = np.empty_like(x), np.empty_like(x)
    activation_of(x, dtype(a), dtype(b), y, slope)
    exact = a * np.tanh(b * x.astype(float))
    np.testing.assert_allclose(y, exact, rtol=0, atol=tolerance * a)
    np.testing.assert_allclose(
        slope, a * b / np.cosh(b * x.astype(float)) ** 2, rtol=0, atol=2 * tolerance * a * b
    )


def test_activation_is_the_papers_functions():
    x = np.linspace(-9, 9, 201)
    y, slope = np.empty_like(x), np.empty_like(x)
    activation_of(x, *cell_blocks.PAPER_G, y, slope)
    np.testing.assert_allclose(y, 4 / (1 + np.exp(-x)) - 2, rtol=0, atol=2e-15)
    activation_of(x, *cell_blocks.PAPER_H, y, slope)
    np.testing.assert_allclose(y, 2 / (1 + np.exp(-x)) - 1, rtol=0, atol=1e-15)
    activation_of(x, *cell_blocks.IDENTITY, y, slope)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(slope, 1)
    activation_of(x, *cell_blocks.TANH, y, slope)
    np.testing.assert_allclose(y, np.tanh(x), rtol=0, atol=1e-15)


# ---------------------------------------------------------------------------- types: float32 stays float32


@kernel
def careless(x, y):
    """What the tests below are for."""
    for k in range(x.size):
        y[k] = 1 - x[k] * x[k]


@compiled
def test_promotion_is_noticed():
    row = numba.float32[::1]
    assert wide_names(careless, (row, row))
    assert not wide_names(tanh_of, (row, row))


@compiled
@pytest.mark.parametrize("function", [tanh_of, sigmoid_of, exp_of, log1p_of])
def test_functions_of_float32_are_float32(function):
    row = numba.float32[::1]
    assert wide_names(function, (row, row)) == []


@compiled
@pytest.mark.parametrize("function", [activation, activation_slope])
def test_activation_of_float32_is_float32(function):
    assert wide_names(function, (numba.float32,) * 3) == []


@compiled
def test_polynomials_of_float32_are_float32():
    for function in (
        activations._tanh32,
        activations._sigmoid32,
        activations._exp32,
        activations._log1p32,
    ):
        assert wide_names(kernel(function), (numba.float32,)) == []


@pytest.fixture
def calls(monkeypatch):
    """With which types the kernels of cell blocks are called on a float32 network: (kernel, types) pairs.

    Found by running the kernels as plain Python.
    """
    found = {}

    def recorder(function):
        def record(*arguments):
            found[function, tuple(numba.typeof(argument) for argument in arguments)] = None
            return function.py_func(*arguments)

        return record

    wiring = Wiring(
        {"in": 2}, {"a": Blocks(1, 2)}, {"out": Outputs(2)}, {"a": ("in", "a"), "out": ("in", "a")}
    )
    net = cell_blocks.CellBlocks(wiring, np.random.default_rng(0), peepholes=True, dtype=np.float32)
    for module in (cell_blocks, network_kernels, learning):
        for name, function in list(vars(module).items()):
            if isinstance(function, Dispatcher):
                monkeypatch.setattr(module, name, recorder(function))
    net.backward(net.forward(np.ones((2, 2, 3))))
    net.learn_online(np.ones((2, 2)), np.ones((2, 2)), 0.1, 0.9)
    net.listen(np.ones((2, 2)))
    monkeypatch.undo()
    return list(found)


@compiled
def test_kernels_of_cell_blocks_keep_float32(calls):
    called = {function.__name__ for function, _ in calls}
    own = {k.__name__ for module in (network_kernels, learning) for k in own_kernels(module)}
    assert own | {"activation", "activation_slope", "add_row", "add_scaled"} == called
    sums_the_loss_in_float64 = ("run", "compare", "cross_entropy")
    wrong = {}
    for function, types in calls:
        assert "float32" in str(types)
        if function.__name__ not in sums_the_loss_in_float64 and (names := wide_names(function, types)):
            wrong[function.__name__] = names
    assert wrong == {}
