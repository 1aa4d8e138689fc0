"""Products: against NumPy, in many shapes and on other registers."""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest

from scratchnet.kernels import matmul, microkernel, team
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.matmul import add_outer, add_product, apply, transpose
from scratchnet.kernels.microkernel import REGISTER

SHAPES = [
    (1, 1, 1, 1), (3, 8, 5, 1), (2, 33, 7, 2), (4, 13, 25, 8), (1, 64, 64, 16), (2, 9, 70, 17),
    (3, 40, 130, 31),
    (2, 21, 33, 63), (2, 50, 64, 64), (2, 24, 3, 65), (2, 100, 65, 130), (130, 70, 65, 20), (5, 7, 300, 3),
]  # fmt: skip
TOLERANCE = {np.float32: 3e-6, np.float64: 1e-14}


@kernel
def add(W, x, z):
    add_product(W, x, z)


def arrays(shape, dtype, rng):
    T, M, K, B = shape
    sizes = ((M, K), (T, K, B), (M,), (T, M, B))
    return [rng.standard_normal(size).astype(dtype) for size in sizes]


def near(ours, exact, terms):
    tolerance = TOLERANCE[ours.dtype.type] * 4 * terms**0.5 * max(1, np.abs(exact).max())
    np.testing.assert_allclose(ours, exact, rtol=0, atol=tolerance)


def one_hot(tokens, K):
    return np.eye(K)[tokens].swapaxes(1, 2).copy()


@pytest.fixture(params=[1, 2, 3])
def workers(request, monkeypatch):
    monkeypatch.setattr(matmul, "PARALLEL_FROM", 0)
    team.set_size(request.param)
    yield request.param
    team.set_size(None)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_add_product(shape, dtype, rng):
    W, x, _, z = arrays(shape, dtype, rng)
    before = z[0].copy()
    add(W, x[0], z[0])
    near(z[0], before + W.astype(float) @ x[0], shape[2])
    tokens, z[0] = rng.integers(0, shape[2], shape[3]), before
    add(W, tokens, z[0])
    near(z[0], before + W[:, tokens], 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_apply_and_add_outer(shape, dtype, workers, rng):
    T, M, K, B = shape
    W, x, b, dz = arrays(shape, dtype, rng)
    y = np.full((T, M, B), np.nan, dtype)
    apply(W, x, b, y)
    near(y, W.astype(float) @ x + b[:, None], K)
    G, g = rng.standard_normal((M, K)).astype(dtype), rng.standard_normal(M).astype(dtype)
    G0, g0 = G.copy(), g.copy()
    add_outer(dz, x, G, g)
    near(G, G0 + np.tensordot(dz.astype(float), x, ((0, 2), (0, 2))), T * B)
    near(g, g0 + dz.sum((0, 2), dtype=float), T * B)

    tokens = rng.integers(0, K, (T, B))
    apply(W, tokens, b, y)
    near(y, W.astype(float) @ one_hot(tokens, K) + b[:, None], 1)
    G[...], g[...] = G0, g0
    add_outer(dz, tokens, G, g)
    near(G, G0 + np.tensordot(dz.astype(float), one_hot(tokens, K), ((0, 2), (0, 2))), T * B)
    near(g, g0 + dz.sum((0, 2), dtype=float), T * B)
    np.testing.assert_array_equal(transpose(W), W.T)


@pytest.mark.parametrize("tokens", [False, True])
def test_rows_beyond_the_gradient_do_not_count(tokens, rng):
    _, x, _, dz = arrays((3, 12, 5, 4), np.float64, rng)
    x = rng.integers(0, 5, (3, 4)) if tokens else x
    whole, part = np.zeros((12, 5)), np.zeros((9, 5))
    add_outer(dz, x, whole)
    add_outer(dz, x, part)
    np.testing.assert_allclose(part, whole[:9], rtol=0, atol=1e-14)


@pytest.mark.parametrize("B", [1, 3, 16, 17, 64, 70])
def test_nothing_is_written_beside_the_result(B, rng):
    M, K = 11, 6
    W, x = rng.standard_normal((M, K)), rng.standard_normal((1, K, B))
    around = np.full(M * B + 200, 7.0)
    y = around[100:-100].reshape(1, M, B)
    apply(W, x, np.zeros(M), y)
    np.testing.assert_allclose(y[0], W @ x[0], rtol=0, atol=1e-14)
    assert (around[:100] == 7).all() and (around[-100:] == 7).all()


@pytest.mark.parametrize("B", [2, 16, 30, 65])
def test_nan_stays_in_its_column(B, rng):
    W, x, y = rng.standard_normal((9, 5)), rng.standard_normal((1, 5, B)), np.empty((1, 9, B))
    x[0, 2, B // 2] = np.nan
    apply(W, x, np.zeros(9), y)
    assert np.isnan(y[0, :, B // 2]).all()
    assert np.isfinite(np.delete(y[0], B // 2, axis=1)).all()


def among(array, guard):
    """A copy of an array in the midst of others' numbers, all of them `guard`; and those numbers."""
    around = np.full(array.size + 300, guard, array.dtype)
    copy = around[151 : 151 + array.size].reshape(array.shape)  # an odd place: vectors are not aligned
    copy[...] = array
    return copy, (around[:151], around[151 + array.size :])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_shape_among_the_numbers_of_others(dtype, rng):
    """What stands beside the arrays is neither read (it is NaN) nor written."""
    for case in range(60):
        T, (M, K, B) = rng.integers(1, 4), rng.integers(1, 71, 3)
        B = 1 if case % 6 == 0 else B
        W, x, b, z = arrays((T, M, K, B), dtype, rng)
        G, g, exact = rng.standard_normal((M, K)).astype(dtype), b.copy(), W.astype(float)
        expected = z[0] + exact @ x[0], exact @ x + b[:, None], G + np.tensordot(z, x, ((0, 2), (0, 2)))
        (W, _), (x, _), (b, _), (dz, _) = (among(array, np.nan) for array in (W, x, b, z))
        (z, left), (y, over), (G, beside), (g, below) = (
            among(array, np.nan) for array in (z[0], np.empty_like(z), G, g)
        )
        add(W, x[0], z)
        apply(W, x, b, y)
        add_outer(dz, x, G, g)
        near(z, expected[0], K)
        near(y, expected[1], K)
        near(G, expected[2], T * B)
        near(g, b + dz.sum((0, 2), dtype=float), T * B)
        np.testing.assert_array_equal(transpose(W), W.T)
        for guard in (*left, *over, *beside, *below):
            assert np.isnan(guard).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_column_of_the_gradient(value, rng):
    _, x, _, dz = arrays((3, 20, 70, 5), np.float64, rng)
    x[1, 33, 2] = value
    G = np.zeros((20, 70))
    add_outer(dz, x, G)
    assert not np.isfinite(G[:, 33]).any()
    assert np.isfinite(np.delete(G, 33, axis=1)).all()


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="NumPy multiplies any two")
def test_two_precisions_are_not_multiplied(rng):
    W, x = rng.standard_normal((9, 5)), rng.standard_normal((5, 4)).astype(np.float32)
    with pytest.raises(numba.TypingError, match="one precision"):
        add(W, x, np.zeros((9, 4)))


@pytest.mark.parametrize(
    ("features", "size"),
    [("+sse2,+avx,+avx512f", 64), ("+avx,-avx512f", 32), ("-avx,-avx512f", 16), ("+neon", 16), ("", 16)],
)
def test_registers_are_those_that_numba_compiles_for(features, size, monkeypatch):
    monkeypatch.setattr(numba.config, "CPU_FEATURES", features)
    assert microkernel._register_bytes() == size
    monkeypatch.setattr(numba.config, "CPU_FEATURES", None)
    for name in (None, "haswell"):  # the name alone does not say what Numba uses
        monkeypatch.setattr(numba.config, "CPU_NAME", name)
        monkeypatch.setattr(microkernel, "get_host_cpu_features", lambda: features)
        assert microkernel._register_bytes() == size


OTHER_REGISTERS = {
    32: {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma"},
    16: {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
}
CHECK = """
import numpy as np
from scratchnet.kernels.matmul import add_outer, apply
from scratchnet.kernels.microkernel import REGISTER
rng = np.random.default_rng(0)
for T, M, K, B in [(2, 13, 25, 8), (2, 33, 40, 33), (3, 21, 20, 70)]:
    for dtype, tolerance in ((np.float32, 1e-4), (np.float64, 1e-12)):
        W, x, b = (rng.standard_normal(size).astype(dtype) for size in ((M, K), (T, K, B), (M,)))
        y, G = np.empty((T, M, B), dtype), np.zeros((M, K), dtype)
        apply(W, x, b, y)
        add_outer(y, x, G)
        assert np.abs(y - (W.astype(float) @ x + b[:, None])).max() < tolerance
        assert np.abs(G - np.tensordot(y.astype(float), x, ((0, 2), (0, 2)))).max() < 100 * tolerance
print(REGISTER)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT) or REGISTER == 16, reason="needs other registers to turn to"
)
@pytest.mark.parametrize("size", [size for size in OTHER_REGISTERS if size < REGISTER])
def test_other_registers(size, tmp_path):
    environment = {**os.environ, **OTHER_REGISTERS[size], "SCRATCHNET_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", CHECK], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.stdout == f"{size}\n", done.stderr
