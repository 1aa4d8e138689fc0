"""The original learning algorithm of LSTM: truncated gradient, one weight change per time step.

The same on a page of NumPy: plain/cell_blocks_online.py.

Errors are truncated as soon as they leave a memory cell or gate: nothing flows back through the recurrent
connections. What is left of the gradient can be propagated forwards in time, one partial derivative per
weight (Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000, appendix; peepholes: Gers,
Schraudolph & Schmidhuber 2002). Symbols as in network.py, and

    e = t - y                          error of the output units (cross-entropy on sigmoids)
    eps_v = sum_k V_kv e_k             error that reaches cell v, of this time step alone
    do_j = o (1 - o) sum_v h(s_v) eps_v                              output gate: truncated BPTT
    es_v = o_j h'(s_v) eps_v                                         error of the cell state
    S_g(t) = f S_g(t-1) + i g'(net) z                 S = ds_v/dw, for the weights into cell v itself,
    S_i(t) = f S_i(t-1) + g_v i (1 - i) z             into the input gate of its block
    S_f(t) = f S_f(t-1) + s_v(t-1) f (1 - f) z        and into the forget gate
    -dE/dw_g = es_v S_g      -dE/dw_i = sum_v es_v S_i      -dE/dw_f = sum_v es_v S_f      -dE/dw_o = do z

Peephole weights are treated alike, with s_v(t-1) (output gate: s_v(t)) in place of z.
The update is momentum in Plaut's form, after every step:  v <- m v - lr dE/dw;  w <- w + v.

Time and memory of a step are proportional to the number of weights, whatever the length of the stream. Tiny
networks are bound by overhead, not arithmetic, so the whole stream runs in one compiled loop over the rows of
one flat vector of weights, without BLAS. The starts of rows are unsigned: for a signed index Numba checks at
every access whether it counts from the end, and then the loops over a row are not vectorised (measured: twice
the time). For the same reason rows are addressed by offsets and not sliced.
"""

import numpy as np

from scratchnet.kernels.activations import activation, activation_slope, sigmoid
from scratchnet.kernels.jit import kernel


@kernel(inline=True)
def net_input(w, at, z, source, length):
    """sum_k w[at + k] z[source + k]: the net input of a unit."""
    total = w.dtype.type(0)
    for k in range(length):
        total += w[at + k] * z[source + k]
    return total


@kernel(inline=True)
def momentum_step(w, v, at, length, momentum, d, z, source, change):
    """v <- m v + d z and w <- w + v, for one row of weights; d includes the learning rate."""
    for k in range(length):
        v[at + k] = momentum * v[at + k] + d * z[source + k]
        w[at + k] += change * v[at + k]


@kernel(inline=True)
def propagate(n, start, row, f, c, momentum, e):
    """S <- f S + c z, one cell's partials by one row of weights, from `start` on; v <- m v + e S."""
    S, z, v, at, source = n.partials, n.z, n.v, row[0], row[1]
    for k in range(row[2]):
        S[start + k] = f * S[start + k] + c * z[source + k]
        v[at + k] = momentum * v[at + k] + e * S[start + k]


@kernel(inline=True)
def propagate_and_update(n, start, row, f, c, momentum, e, change):
    """`propagate`, then w <- w + v."""
    S, z, v, w, at, source = n.partials, n.z, n.v, n.w, row[0], row[1]
    for k in range(row[2]):
        S[start + k] = f * S[start + k] + c * z[source + k]
        v[at + k] = momentum * v[at + k] + e * S[start + k]
        w[at + k] += change * v[at + k]


@kernel(inline=True)
def step(n, x, at):
    """One time step forward: x[at] (D,) -> the outputs' y, the last K of n.units."""
    w, z, x_y_1, units, s, gather, row = n.w, n.z, n.x_y_1, n.units, n.s, n.gather, n.row
    D, C, J = x.shape[1], s.size, n.first_cell.size - 1
    O = 2 * J + C
    peepholes = n.peephole.size > 0
    for k in range(D):
        x_y_1[k] = x[at, k]
    for k in range(n.blocks_z):
        z[k] = x_y_1[gather[k]]
    for unit in range(O + J):
        units[unit] = net_input(w, row[unit, 0], z, row[unit, 1], row[unit, 2])
    for j in range(J):
        if peepholes:
            for v in range(n.first_cell[j], n.first_cell[j + 1]):
                units[j] += w[n.peephole[v, 0]] * s[v]
                units[J + j] += w[n.peephole[v, 1]] * s[v]
        i, f = sigmoid(units[j]), sigmoid(units[J + j])
        units[j], units[J + j] = i, f
        for v in range(n.first_cell[j], n.first_cell[j + 1]):
            g = activation(units[2 * J + v], n.g_ab[0], n.g_ab[1])
            units[2 * J + v] = g
            n.s_before[v] = s[v]
            s[v] = f * s[v] + i * g
            if peepholes:
                units[O + j] += w[n.peephole[v, 2]] * s[v]
        o = sigmoid(units[O + j])
        units[O + j] = o
        for v in range(n.first_cell[j], n.first_cell[j + 1]):
            n.hs[v] = activation(s[v], n.h_ab[0], n.h_ab[1])
            x_y_1[D + v] = o * n.hs[v]
    for k in range(n.blocks_z, z.size):
        z[k] = x_y_1[gather[k]]
    for k in range(n.a.size):
        unit = O + J + k
        n.a[k] = net_input(w, row[unit, 0], z, row[unit, 1], row[unit, 2])
        units[unit] = sigmoid(n.a[k])


@kernel(inline=True)
def cross_entropy(n, t, now):
    """-sum_k t log y + (1 - t) log(1 - y) at the targets t[now], in nats.

    With p the smaller of y and 1 - y, each unit costs -log(1 - p), plus |a| times the part of t that lies on
    the other side. One logarithm is taken of a product of many numbers between 1/2 and 1.
    """
    total, product = 0.0, 1.0
    first = n.units.size - n.a.size
    for k in range(n.a.size):
        a, y = n.a[k], n.units[first + k]
        total += a * (1.0 - t[now, k]) if a > 0 else -a * t[now, k]
        product *= max(y, 1.0 - y)
        if product < 1e-200:
            total -= np.log(product)
            product = 1.0
    return total - np.log(product)


@kernel(inline=True)
def learn_outputs(n, t, now, lr, momentum, change):
    """Update the output units' weights; n.eps <- the errors that reach the cells. t: targets (T, K)."""
    w, v, z, dz, row, gather, eps = n.w, n.v, n.z, n.dz, n.row, n.gather, n.eps
    K = t.shape[1]
    first, D = n.units.size - K, n.x_y_1.size - n.s.size - 1
    for m in range(n.blocks_z, z.size):
        dz[m] = 0
    for k in range(K):
        at, source, length = row[first + k, 0], row[first + k, 1], row[first + k, 2]
        e = t[now, k] - n.units[first + k]
        d = lr * e
        for m in range(length):
            dz[source + m] += e * w[at + m]  # before w changes
            v[at + m] = momentum * v[at + m] + d * z[source + m]
            w[at + m] += change * v[at + m]
    for c in range(eps.size):
        eps[c] = 0
    for m in range(n.blocks_z, z.size):
        cell = gather[m] - D
        if 0 <= cell < eps.size:
            eps[cell] += dz[m]


@kernel(inline=True)
def learn_block(n, j, lr, momentum, change):
    """Update the weights into the gates and cells of block j."""
    w, v, z, row = n.w, n.v, n.z, n.row
    J, C = n.first_cell.size - 1, n.s.size
    O = 2 * J + C
    one = w.dtype.type(1)
    i, f, o = n.units[j], n.units[J + j], n.units[O + j]
    start, stop = n.first_cell[j], n.first_cell[j + 1]
    do = w.dtype.type(0)
    for c in range(start, stop):
        do += n.hs[c] * n.eps[c]
        n.es[c] = lr * o * activation_slope(n.hs[c], n.h_ab[0], n.h_ab[1]) * n.eps[c]
    do *= lr * o * (one - o)
    momentum_step(w, v, row[O + j, 0], row[O + j, 2], momentum, do, z, row[O + j, 1], change)
    for c in range(start, stop):
        g, e, starts = n.units[2 * J + c], n.es[c], n.partial_start[c]
        into_i, into_f = g * i * (one - i), n.s_before[c] * f * (one - f)
        keep = momentum if c == start else one  # the velocity decays once, and every cell adds to it
        if c < stop - 1:
            propagate(n, starts[0], row[j], f, into_i, keep, e)
            propagate(n, starts[1], row[J + j], f, into_f, keep, e)
        else:
            propagate_and_update(n, starts[0], row[j], f, into_i, keep, e, change)
            propagate_and_update(n, starts[1], row[J + j], f, into_f, keep, e, change)
        into_g = i * activation_slope(g, n.g_ab[0], n.g_ab[1])
        propagate_and_update(n, starts[2], row[2 * J + c], f, into_g, momentum, e, change)
    if n.peephole.size > 0:
        learn_peepholes(n, i, f, do, start, stop, J, momentum, change)


@kernel(inline=True)
def learn_peepholes(n, i, f, do, start, stop, J, momentum, change):
    """Update the peepholes from a block's cells start .. stop - 1 to its gates."""
    w, v, S, s_before = n.w, n.v, n.partials, n.s_before
    one = w.dtype.type(1)
    for source in range(start, stop):
        u_i, u_f, u_o = n.peephole[source, 0], n.peephole[source, 1], n.peephole[source, 2]
        v[u_i] *= momentum
        v[u_f] *= momentum
        v[u_o] = momentum * v[u_o] + do * n.s[source]
        for c in range(start, stop):
            p_i = n.peephole_partial[c, 0] + source - start
            p_f = n.peephole_partial[c, 1] + source - start
            S[p_i] = f * S[p_i] + n.units[2 * J + c] * i * (one - i) * s_before[source]
            S[p_f] = f * S[p_f] + s_before[c] * f * (one - f) * s_before[source]
            v[u_i] += n.es[c] * S[p_i]
            v[u_f] += n.es[c] * S[p_f]
        w[u_i] += change * v[u_i]
        w[u_f] += change * v[u_f]
        w[u_o] += change * v[u_o]


@kernel(inline=True)
def compare(n, t, y, now):
    """Copy the outputs to y[now] (K,), and compare them with the targets t[now].

    Returns (the largest error, number of outputs wrong by 1/2 or more, cross-entropy in nats).
    """
    first = n.units.size - t.shape[1]
    worst, wrong = 0.0, 0
    for k in range(t.shape[1]):
        y[now, k] = n.units[first + k]
        error = abs(t[now, k] - y[now, k])
        worst = max(worst, error)
        wrong += error >= 0.5
    return worst, wrong, cross_entropy(n, t, now)


@kernel
def run(n, x, t, y, lr, momentum, change, gross_error):
    """A whole stream, learning after every step.

    x (T, D), t (T, K) targets; y (T, K) receives the outputs. Stops after a step in which an output is wrong
    by more than gross_error. Returns (steps done, cross-entropy in nats, number of outputs wrong by 1/2 or
    more).
    """
    loss, wrong = 0.0, 0
    for now in range(x.shape[0]):
        step(n, x, now)
        worst, misses, entropy = compare(n, t, y, now)
        wrong += misses
        loss += entropy
        learn_outputs(n, t, now, lr, momentum, change)
        for j in range(n.first_cell.size - 1):
            learn_block(n, j, lr, momentum, change)
        if worst > gross_error:
            return now + 1, loss, wrong
    return x.shape[0], loss, wrong


@kernel
def listen(n, x, y):
    """A whole stream without learning; y (T, K) receives the outputs."""
    for now in range(x.shape[0]):
        step(n, x, now)
        for k in range(y.shape[1]):
            y[now, k] = n.units[n.units.size - y.shape[1] + k]
