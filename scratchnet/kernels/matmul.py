"""Matrix products, the bulk of all work, as fast as the processor can multiply.

    add_product(W, x, z)        z += W x                    in a kernel; W (M, K), x (K, N), z (M, N)
    add_outer(dz, x, G, g)      G += sum_t dz(t) x(t)^T     dz (T, M, B), x (T, D, B), G (M, D)
                                g += sum_t,b dz(t)          g (M,)
    apply(W, x, b, y)           y(t) = W x(t) + b           x (T, D, B), b (M,), y (T, M, B)
    transpose(W)                W^T

Tokens. x may be whole numbers (N,) instead of vectors (K, N), or (T, B) instead of (T, D, B): a token k is
the one-hot vector with its one at k. W x is then column x of W, and nothing is multiplied.

How: tile by tile (microkernel.py). A step of a recurrent network is W @ h with B columns, and the tiles'
vectors lie along them. A BLAS would first repack W, at every step; here nothing is copied.

Without compilation all this is NumPy's `@`.
"""

import numba
import numpy as np
from numba.extending import overload

from scratchnet.kernels import team
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.microkernel import PANEL, multiply_panel
from scratchnet.kernels.rows import dot, sum_of
from scratchnet.kernels.team import ROWS_TOGETHER, barrier, worker_slice

PARALLEL_FROM = 2**23  # multiplications; see team.workers_for
PARALLEL_STEP_FROM = 2**19  # the same for one time step, which ends in a barrier round
BLOCK_ROWS, BLOCK_TERMS, PAD = 64, 1024, 16  # of `add_outer`: the block of dz that stays in a core's cache


# --------------------------------------------------------------------------------------------- in kernels


@kernel
def _times_matrix(W, x, z):
    (M, K), N = W.shape, x.shape[1]
    W, x, z, panel = W.reshape(M * K), x.reshape(K * N), z.reshape(M * N), PANEL // x.itemsize
    for n in range(0, N, panel):
        multiply_panel(W, 0, K, x, n, N, z, n, N, K, M, min(panel, N - n))


@kernel
def _times_vector(W, x, z):
    if x.size == 0:
        return
    for m in range(W.shape[0]):
        z[m] += dot(W[m], x)


@kernel(inline=True)
def _gather_add(w, x, z):
    for n in range(x.size):
        z[n] += w[x[n]]


@kernel
def _times_tokens(W, x, z):
    for m in range(W.shape[0]):
        _gather_add(W[m], x, z[m])


def add_product(W, x, z):
    """z += W x, in a kernel. All arrays contiguous.

    Parameters
    ----------
    W : (M, K)
    x : (K, N), or whole numbers (N,) in 0 .. K - 1, tokens
    z : (M, N)
    """
    z += W[:, x] if x.ndim == 1 else W @ x


@overload(add_product)
def _add_product(W, x, z):
    if x.ndim == 1:
        return lambda W, x, z: _times_tokens(W, x, z)

    def multiply(W, x, z):
        if x.shape[1] == 1:
            _times_vector(W, x.reshape(x.size), z.reshape(z.size))
        else:
            _times_matrix(W, x, z)

    return multiply


# ------------------------------------------------------------------------------------ for whole sequences


@kernel
def _apply(p, P, W, x, b, y):
    """y(t) = W x(t) + b; the workers share the rows."""
    lo, hi = worker_slice(p, P, W.shape[0])
    for t in range(y.shape[0]):
        for m in range(lo, hi):
            row = y[t, m]
            for n in range(row.size):
                row[n] = b[m]
        add_product(W[lo:hi], x[t], y[t, lo:hi])


@kernel
def _pack(x, packed, p, P):
    """x (steps, D, B) -> packed (panels, steps B, panel): packed[i, s B + n, j] = x[s, i panel + j, n].

    Only sequential access is fast, and this is a transposition: the workers share the panels.
    """
    (steps, D, B), panel = x.shape, packed.shape[2]
    for i in range(p, packed.shape[0], P):
        for s in range(steps):
            for j in range(min(panel, D - i * panel)):
                row = x[s, i * panel + j]
                for n in range(B):
                    packed[i, s * B + n, j] = row[n]


@kernel
def gather(dz, m, rows, block):
    """Rows m, m + 1, ... of dz (steps, M, B) -> block (rows, steps B or more), contiguous over all steps."""
    steps, _, B = dz.shape
    for s in range(steps):
        for r in range(rows):
            row, out = dz[s, m + r], block[r, s * B : (s + 1) * B]
            for n in range(B):
                out[n] = row[n]


@kernel
def _add_outer(p, P, dz, x, G, g, packed, blocks, count):
    """G += sum_t dz(t) x(t)^T, g += sum_t,b dz(t); the workers share the rows of G.

    One product with T B terms per sum, computed some steps at a time: their x is packed once, then dz is
    read block by block, each of which stays in the cache while the panels of x pass by.
    """
    (T, _, B), (M, D) = dz.shape, G.shape
    panels, terms, panel = packed.shape
    steps, rounds, wide = terms // B, 0, blocks.shape[2]
    lo, hi = worker_slice(p, P, M)
    block, c = blocks[p], G.reshape(M * D)
    a, b = block.reshape(block.size), packed.reshape(packed.size)
    for t in range(0, T, steps):
        now = min(steps, T - t)
        _pack(x[t : t + now], packed, p, P)
        rounds += 1
        barrier(count, P, rounds)
        for m in range(lo, hi, BLOCK_ROWS):
            rows = min(BLOCK_ROWS, hi - m)
            gather(dz[t : t + now], m, rows, block)
            for r in range(rows):
                g[m + r] += sum_of(block[r, : now * B])
            for i in range(panels):
                columns = min(panel, D - i * panel)
                first = m * D + i * panel
                multiply_panel(a, 0, wide, b, i * terms * panel, panel, c, first, D, now * B, rows, columns)
        rounds += 1
        barrier(count, P, rounds)


@kernel(inline=True)
def _scatter_add(dz, x, row):
    for n in range(x.size):
        row[x[n]] += dz[n]


@kernel
def _add_outer_tokens(p, P, dz, x, G, g):
    """The same for tokens: dz is added to column x of G. Some rows at a time, which stay in the cache."""
    T, M = len(dz), len(G)
    lo, hi = worker_slice(p, P, M)
    for m in range(lo, hi, ROWS_TOGETHER):
        for t in range(T):
            for k in range(m, min(m + ROWS_TOGETHER, hi)):
                _scatter_add(dz[t, k], x[t], G[k])
                g[k] += sum_of(dz[t, k])


@kernel
def _transpose(p, P, W, out):
    """Some rows at a time: a column of `out` then gets neighbouring numbers, which share cache lines."""
    M, K = W.shape
    for m in range(p * ROWS_TOGETHER, M, P * ROWS_TOGETHER):
        for k in range(K):
            for r in range(m, min(m + ROWS_TOGETHER, M)):
                out[k, r] = W[r, k]


def product_workers(multiplications):
    """How many workers are to share a product of so many multiplications."""
    return team.workers_for(multiplications, PARALLEL_FROM)


def apply(W, x, b, y):
    """y(t) = W x(t) + b at every time step.

    Parameters
    ----------
    W : (M, K)
    x : (T, K, B), or tokens (T, B)
    b : (M,)
    y : (T, M, B), overwritten
    """
    if numba.config.DISABLE_JIT:
        y[...] = b[:, None]
        y += W[:, x].swapaxes(0, 1) if x.ndim == 2 else W @ x
    else:
        team.run(_apply, W, x, b, y, workers=product_workers(y.size * W.shape[1]))


def add_outer(dz, x, G, g=None):
    """G += sum over t of dz(t) x(t)^T, g += sum of dz over t and b: the gradients in z(t) = W x(t) + b.

    Parameters
    ----------
    dz : (T, M, B); rows beyond M are ignored
    x : (T, D, B), or tokens (T, B)
    G : (M, D)
    g : (M,), or None
    """
    g = np.zeros(len(G), G.dtype) if g is None else g
    T, _, B = dz.shape
    if numba.config.DISABLE_JIT:
        g += dz[:, : len(G)].sum((0, 2))
        if x.ndim == 2:
            np.add.at(G.T, x, dz[:, : len(G)].swapaxes(1, 2))
        else:
            G += np.tensordot(dz[:, : len(G)], x, ((0, 2), (0, 2)))
    elif x.ndim == 2:
        team.run(_add_outer_tokens, dz, x, G, g, workers=product_workers(dz.size))
    else:
        D, panel = x.shape[1], PANEL // x.itemsize
        terms = min(T, max(1, BLOCK_TERMS // B)) * B
        packed = np.empty((-(-D // panel), terms, panel), x.dtype)
        workers = product_workers(T * B * G.size)
        # PAD: rows whose addresses are 4096 bytes apart would evict each other from the cache.
        blocks = np.empty((workers, BLOCK_ROWS, terms + PAD), x.dtype)
        team.run(_add_outer, dz, x, G, g, packed, blocks, team.counter(), workers=workers)


def transpose(W):
    """W^T (K, M), contiguous, of W (M, K)."""
    if numba.config.DISABLE_JIT:
        return np.ascontiguousarray(W.T)
    out = np.empty(W.shape[::-1], W.dtype)
    team.run(_transpose, W, out, workers=product_workers(W.size))
    return out


def recurrent_workers(W, B):
    """How many workers are to share the steps of a recurrent layer with weights W and B sequences.

    A barrier round takes about a microsecond, and waits for the slowest worker: a step has to be worth it.
    """
    return team.workers_for(W.size * B, PARALLEL_STEP_FROM)
