"""The kernels of attention.py; symbols and equations are explained there.

Every worker of a team owns some rows of H for the whole sequence. In the scalar form the workers sum what
their rows contribute to the score, or to its derivative: one barrier round per step, and each worker updates
its own copy of m and S. In the vector form the rows are independent except for the products with W.
"""

from typing import NamedTuple

import numpy as np

from scratchnet.kernels.activations import exp, tanh
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.matmul import add_product
from scratchnet.kernels.rows import add_scaled, dot, flat
from scratchnet.kernels.team import barrier, worker_slice

LOWEST = np.float32(-1e30)  # a score of no weight; finite, so that the difference of two is not NaN


class Softmax(NamedTuple):
    """The softmax over the steps so far. R = H in the vector form; in the scalar form a row per worker."""

    m: np.ndarray  # (R, B) the largest score
    S: np.ndarray  # (R, B) the sum of exp(e - m)
    c: np.ndarray  # (H, B) the context


class Scores(NamedTuple):
    """The scalar form's scores. Where P comes first every worker has a copy of its own, all the same."""

    e: np.ndarray  # (P, T, B) scores
    a: np.ndarray  # (P, T, B) weights of the newest step
    parts: np.ndarray  # (T, P, B), zeros at first: the contribution of each worker's rows


@kernel(inline=True)
def tanh_scores(e, a):
    """Net inputs e -> scores e, in place, and a copy in a for `weigh`."""
    for k in range(e.size):
        e[k] = tanh(e[k])
        a[k] = e[k]


@kernel
def silence(lengths, t, a):
    """The lowest score in the columns of the sequences that ended before step t: a (rows, B)."""
    for k in range(a.shape[0]):
        row = a[k]
        for n in range(row.size):
            row[n] = row[n] if t < lengths[n] else LOWEST


@kernel(inline=True)
def weigh(a, m, S):
    """One step of the softmax, in place: the scores a become the weights of this step; m and S are updated.

    One of the two exponents is always zero, so only one exp is computed.
    """
    one = a.dtype.type(1)
    for k in range(a.size):
        e, highest = a[k], m[k]
        fraction = exp(-abs(e - highest))
        old, new = (fraction, one) if e > highest else (one, fraction)
        m[k] = e if e > highest else highest
        S[k] = S[k] * old + new
        a[k] = new / S[k]


@kernel(inline=True)
def mean(a, h, c, y_h, y_c):
    """Update the context by one step, and write both halves of the output."""
    one = a.dtype.type(1)
    for k in range(a.size):
        c[k] = (one - a[k]) * c[k] + a[k] * h[k]
        y_c[k] = c[k]
        y_h[k] = h[k]


@kernel(inline=True)
def collect(dc, c, A, K):
    """Add this step's terms to the sums over the later steps."""
    for k in range(dc.size):
        A[k] += dc[k]
        K[k] += dc[k] * c[k]


@kernel(inline=True)
def add_times(a, b, total):
    """total += a * b."""
    for k in range(total.size):
        total[k] += a[k] * b[k]


@kernel(inline=True)
def pass_on(a, dh, A, dx):
    """The derivative by h(t), except for the part through its score."""
    for k in range(dx.size):
        dx[k] = dh[k] + a[k] * A[k]


@kernel(inline=True)
def decay(a, A):
    """A sum over the later steps, as the step before sees it."""
    one = a.dtype.type(1)
    for k in range(a.size):
        A[k] *= one - a[k]


@kernel(inline=True)
def through_tanh(e, d):
    """The derivative by the score e -> that by the net input, in place."""
    one = e.dtype.type(1)
    for k in range(e.size):
        d[k] *= one - e[k] * e[k]


# --------------------------------------------------------------------------------------- the scalar form


@kernel
def sum_parts(parts, start, out):
    """out = start + the sum of the rows of parts; all workers add in the same order."""
    for n in range(out.size):
        out[n] = start
    for q in range(len(parts)):
        for n in range(out.size):
            out[n] += parts[q, n]


@kernel
def forward_scalar(p, P, w, b, use_tanh, x, lengths, softmax, scores, y, count):
    """Fill scores and y; softmax, given before the first step, becomes that of the last. w (H,), b (1,)."""
    T, H, B = x.shape
    m, S, c, parts = softmax.m, softmax.S, softmax.c, scores.parts
    lo, hi = worker_slice(p, P, H)
    w = w[lo:hi].reshape(1, hi - lo)
    for t in range(T):
        add_product(w, x[t, lo:hi], parts[t, p].reshape(1, B))
        barrier(count, P, t + 1)
        e, weights = scores.e[p, t], scores.a[p, t]
        sum_parts(parts[t], b[0], weights)
        if use_tanh:
            e[:] = weights
            tanh_scores(e, weights)
        silence(lengths, t, weights.reshape(1, B))
        weigh(weights, m[p], S[p])
        for k in range(lo, hi):
            mean(weights, x[t, k], c[k], y[t, k], y[t, H + k])


@kernel
def backward_scalar(p, P, w, use_tanh, x, y, dy, scores, A, K, dnet, dx, dw, count):
    """Fill dnet (P, T, B) and dx, add to dw (H,). dx (0, H, B) if it is not needed.

    A (H, B) and K (P, B), of which every worker has its part of the sum over H, hold the terms of the final
    state, and become those of the initial state.
    """
    T, H, B = x.shape
    parts = scores.parts
    lo, hi = worker_slice(p, P, H)
    for s in range(T):
        t = T - 1 - s
        weights, part, d = scores.a[p, t], parts[t, p], dnet[p, t]
        for k in range(lo, hi):
            collect(dy[t, H + k], y[t, H + k], A[k], K[p])
            add_times(x[t, k], A[k], part)
            if len(dx) > 0:
                pass_on(weights, dy[t, k], A[k], dx[t, k])
            decay(weights, A[k])
        for n in range(B):
            part[n] -= K[p, n]
        decay(weights, K[p])
        barrier(count, P, s + 1)
        sum_parts(parts[t], w.dtype.type(0), d)
        for n in range(B):
            d[n] *= weights[n]
        if use_tanh:
            through_tanh(scores.e[p, t], d)
        for k in range(lo, hi):
            dw[k] += dot(d, x[t, k])
            if len(dx) > 0:
                add_scaled(w[k], d, dx[t, k])


# --------------------------------------------------------------------------------------- the vector form


@kernel
def forward_vector(p, P, x, lengths, shortest, softmax, e, a, y):
    """Net inputs -> weights, in place in a, or with a tanh from e, where the scores remain; fill y.

    e (T, H, B), or (0, H, B) for no tanh; softmax, given before the first step, becomes that of the last.
    """
    T, H, _ = x.shape
    m, S, c = softmax.m, softmax.S, softmax.c
    lo, hi = worker_slice(p, P, H)
    for t in range(T):
        weights = flat(a[t, lo:hi])
        if len(e) > 0:
            tanh_scores(flat(e[t, lo:hi]), weights)
        if t >= shortest:
            silence(lengths, t, a[t, lo:hi])
        weigh(weights, flat(m[lo:hi]), flat(S[lo:hi]))
        mean(weights, flat(x[t, lo:hi]), flat(c[lo:hi]), flat(y[t, lo:hi]), flat(y[t, H + lo : H + hi]))


@kernel(inline=True)
def score_backward(h, a, A, K):
    """a becomes the derivative by the score; A and K decay to what the step before sees."""
    one = a.dtype.type(1)
    for k in range(a.size):
        weight = a[k]
        a[k] = weight * (h[k] * A[k] - K[k])
        A[k] *= one - weight
        K[k] *= one - weight


@kernel
def backward_vector(p, P, WT, x, y, dy, e, a, A, K, dx, count):
    """a becomes dnet; fill dx, unless it has 0 steps. WT: W^T.

    A and K (H, B) hold the terms of the final state, and become those of the initial state.
    """
    T, H, _ = x.shape
    lo, hi = worker_slice(p, P, H)
    sum_A, sum_K = flat(A[lo:hi]), flat(K[lo:hi])
    for s in range(T):
        t = T - 1 - s
        weights = flat(a[t, lo:hi])
        collect(flat(dy[t, H + lo : H + hi]), flat(y[t, H + lo : H + hi]), sum_A, sum_K)
        if len(dx) > 0:
            pass_on(weights, flat(dy[t, lo:hi]), sum_A, flat(dx[t, lo:hi]))
        score_backward(flat(x[t, lo:hi]), weights, sum_A, sum_K)
        if len(e) > 0:
            through_tanh(flat(e[t, lo:hi]), weights)
    barrier(count, P, 1)
    for t in range(len(dx)):
        add_product(WT[lo:hi], a[t], dx[t, lo:hi])
