"""The kernels of attention.py, whose symbols and equations these are.

Every worker of a team owns some rows of H for the whole sequence. In the scalar form the workers add up what
their rows give to the score, or to its derivative, so they meet once per step, and each follows m and S by
itself; in the vector form the rows are independent but for the products with W.
"""

import numpy as np

from scratchnet.kernels.activations import exp, tanh
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.matmul import add_product, dot
from scratchnet.kernels.team import barrier, share
from scratchnet.layers.recurrent import flat

LOWEST = np.float32(-1e30)  # a score that counts nothing; finite, so that differences of two are no NaN


@kernel(inline=True)
def squash_scores(e, a):
    """Net inputs e -> scores e, in place, and a copy for `weigh`."""
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
    """One step of the softmax, in place: a, the scores, become the weights of this step; m and S go on.

    One of the two exponents is always zero, so there is one exp to compute.
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
    """The context goes on one step; both halves of the output."""
    one = a.dtype.type(1)
    for k in range(a.size):
        c[k] = (one - a[k]) * c[k] + a[k] * h[k]
        y_c[k] = c[k]
        y_h[k] = h[k]


@kernel(inline=True)
def collect(dc, c, A, K):
    """The sums over the steps to come get this step's terms."""
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
    """The derivative by h(t), but for what comes through its score."""
    for k in range(dx.size):
        dx[k] = dh[k] + a[k] * A[k]


@kernel(inline=True)
def fade(a, A):
    """A sum over the steps to come, as the step before sees it."""
    one = a.dtype.type(1)
    for k in range(a.size):
        A[k] *= one - a[k]


@kernel(inline=True)
def through_tanh(e, d):
    """The derivative by the net input from that by the score e, in place."""
    one = e.dtype.type(1)
    for k in range(e.size):
        d[k] *= one - e[k] * e[k]


@kernel(inline=True)
def add_score_row(w, dnet, dx):
    """dx += w dnet, for one number w."""
    for n in range(dnet.size):
        dx[n] += w * dnet[n]


# --------------------------------------------------------------------------------------- the scalar form


@kernel
def sum_parts(parts, start, out):
    """out = start + the sum of the rows of parts: all workers add in the same order."""
    for n in range(out.size):
        out[n] = start
    for q in range(len(parts)):
        for n in range(out.size):
            out[n] += parts[q, n]


@kernel
def forward_scalar(p, P, w, b, squashed, x, lengths, m, S, c, parts, e, a, y, count):
    """Fill a, e (P, T, B) and y; m, S (P, B) and c (H, B), given as before the first step, go on to the last.

    w (H,), b (1,). Of what has P in front every worker has its own, all the same. parts (T, P, B), zeros.
    """
    T, H, B = x.shape
    lo, hi = share(p, P, H)
    w = w[lo:hi].reshape(1, hi - lo)
    for t in range(T):
        add_product(w, x[t, lo:hi], parts[t, p].reshape(1, B))
        barrier(count, P, t + 1)
        scores, weights = e[p, t], a[p, t]
        sum_parts(parts[t], b[0], weights)
        if squashed:
            scores[:] = weights
            squash_scores(scores, weights)
        silence(lengths, t, weights.reshape(1, B))
        weigh(weights, m[p], S[p])
        for k in range(lo, hi):
            mean(weights, x[t, k], c[k], y[t, k], y[t, H + k])


@kernel
def backward_scalar(p, P, w, squashed, x, y, dy, e, a, A, K, parts, dnet, dx, dw, count):
    """Fill dnet (P, T, B) and dx, add to dw (H,). dx (0, H, B): it is not needed.

    A (H, B) and K (P, B), of which every worker has a part of the sum over H, hold the terms of the final
    state, and become those of the initial one. parts (T, P, B), zeros.
    """
    T, H, B = x.shape
    lo, hi = share(p, P, H)
    for s in range(T):
        t = T - 1 - s
        weights, part, d = a[p, t], parts[t, p], dnet[p, t]
        for k in range(lo, hi):
            collect(dy[t, H + k], y[t, H + k], A[k], K[p])
            add_times(x[t, k], A[k], part)
            if len(dx) > 0:
                pass_on(weights, dy[t, k], A[k], dx[t, k])
            fade(weights, A[k])
        for n in range(B):
            part[n] -= K[p, n]
        fade(weights, K[p])
        barrier(count, P, s + 1)
        sum_parts(parts[t], w.dtype.type(0), d)
        for n in range(B):
            d[n] *= weights[n]
        if squashed:
            through_tanh(e[p, t], d)
        for k in range(lo, hi):
            dw[k] += dot(d, x[t, k])
            if len(dx) > 0:
                add_score_row(w[k], d, dx[t, k])


# --------------------------------------------------------------------------------------- the vector form


@kernel
def forward_vector(p, P, x, lengths, shortest, m, S, c, e, a, y):
    """Net inputs -> weights, in place in a, or with a tanh from e, where the scores remain; fill y.

    e (T, H, B), or (0, H, B) for no tanh; m, S and c, given as before the first step, go on to the last.
    """
    T, H, _ = x.shape
    lo, hi = share(p, P, H)
    for t in range(T):
        weights = flat(a[t, lo:hi])
        if len(e) > 0:
            squash_scores(flat(e[t, lo:hi]), weights)
        if t >= shortest:
            silence(lengths, t, a[t, lo:hi])
        weigh(weights, flat(m[lo:hi]), flat(S[lo:hi]))
        mean(weights, flat(x[t, lo:hi]), flat(c[lo:hi]), flat(y[t, lo:hi]), flat(y[t, H + lo : H + hi]))


@kernel(inline=True)
def score_backward(h, a, A, K):
    """a becomes the derivative by the score; A and K become what the step before sees."""
    one = a.dtype.type(1)
    for k in range(a.size):
        weight = a[k]
        a[k] = weight * (h[k] * A[k] - K[k])
        A[k] *= one - weight
        K[k] *= one - weight


@kernel
def backward_vector(p, P, WT, x, y, dy, e, a, A, K, dx, count):
    """a becomes dnet; fill dx, if it has T steps and not 0. WT: W^T.

    A and K (H, B) hold the terms of the final state, and become those of the initial one.
    """
    T, H, _ = x.shape
    lo, hi = share(p, P, H)
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
