"""The original learning algorithm of LSTM: truncated gradient, one weight change a time step.

Errors are cut as soon as they leave a memory cell or gate: through the recurrent connections nothing flows
back. What is left of the gradient can be carried along in time, one partial derivative a weight (Hochreiter &
Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000, appendix; peepholes: Gers, Schraudolph & Schmidhuber
2002). Symbols as in network.py, and

    e = t - y                          error of the output units (cross-entropy on sigmoids)
    eps_v = sum_k V_kv e_k             error that reaches cell v, of this time step alone
    do_j = o (1 - o) sum_v h(s_v) eps_v                              output gate: truncated BPTT
    es_v = o_j h'(s_v) eps_v                                                         error of the cell state
    P_g(t) = f P_g(t-1) + i g'(net) z                 P = ds_v/dw, for the weights into cell v itself,
    P_i(t) = f P_i(t-1) + g_v i (1 - i) z             into the input gate of its block
    P_f(t) = f P_f(t-1) + s_v(t-1) f (1 - f) z        and into the forget gate
    -dE/dw_g = es_v P_g      -dE/dw_i = sum_v es_v P_i      -dE/dw_f = sum_v es_v P_f      -dE/dw_o = do z

The weights of a peephole are treated alike, with s_v(t-1) (output gate: s_v(t)) in the place of z.
Weights follow by momentum in Plaut's form:  v <- m v - lr dE/dw;  w <- w + v,  after every step ("burned").

Time and memory of a step are proportional to the number of weights, whatever the length of the stream. Tiny
networks are bound by overhead, not arithmetic, so the whole stream runs in one compiled loop over the rows of
one flat vector of weights; there is no BLAS. The starts of rows are unsigned numbers: for a signed index
Numba asks at every access whether it counts from the end, and then the loops over a row are not vectorised
(measured: twice the time).
"""

import numpy as np

from scratchnet.blocks.online import expect_learned, expect_targets, online_settings
from scratchnet.kernels.activations import sigmoid, squash, squash_slope
from scratchnet.kernels.jit import kernel
from scratchnet.layers.layer import expect
from scratchnet.layers.one_thread import alone


@kernel(inline=True)
def dot(w, at, z, source, length):
    """sum_k w[at + k] z[source + k]: the net input of a unit."""
    total = w.dtype.type(0)
    for k in range(length):
        total += w[at + k] * z[source + k]
    return total


@kernel(inline=True)
def burn(w, v, at, length, momentum, d, z, source, change):
    """v <- m v + d z and w <- w + v, for one row of weights; d holds the learning rate."""
    for k in range(length):
        v[at + k] = momentum * v[at + k] + d * z[source + k]
        w[at + k] += change * v[at + k]


@kernel(inline=True)
def carry(P, p, f, c, z, source, v, at, length, momentum, e):
    """P <- f P + c z, the partials of one cell by one row of weights; v <- m v + e P."""
    for k in range(length):
        P[p + k] = f * P[p + k] + c * z[source + k]
        v[at + k] = momentum * v[at + k] + e * P[p + k]


@kernel(inline=True)
def carry_and_move(P, p, f, c, z, source, v, w, at, length, momentum, e, change):
    """`carry`, then w <- w + v."""
    for k in range(length):
        P[p + k] = f * P[p + k] + c * z[source + k]
        v[at + k] = momentum * v[at + k] + e * P[p + k]
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
        units[unit] = dot(w, row[unit, 0], z, row[unit, 1], row[unit, 2])
    for j in range(J):
        if peepholes:
            for v in range(n.first_cell[j], n.first_cell[j + 1]):
                units[j] += w[n.peephole[v, 0]] * s[v]
                units[J + j] += w[n.peephole[v, 1]] * s[v]
        i, f = sigmoid(units[j]), sigmoid(units[J + j])
        units[j], units[J + j] = i, f
        for v in range(n.first_cell[j], n.first_cell[j + 1]):
            g = squash(units[2 * J + v], n.g_ab[0], n.g_ab[1])
            units[2 * J + v] = g
            n.s_before[v] = s[v]
            s[v] = f * s[v] + i * g
            if peepholes:
                units[O + j] += w[n.peephole[v, 2]] * s[v]
        o = sigmoid(units[O + j])
        units[O + j] = o
        for v in range(n.first_cell[j], n.first_cell[j + 1]):
            n.hs[v] = squash(s[v], n.h_ab[0], n.h_ab[1])
            x_y_1[D + v] = o * n.hs[v]
    for k in range(n.blocks_z, z.size):
        z[k] = x_y_1[gather[k]]
    for k in range(n.a.size):
        unit = O + J + k
        n.a[k] = dot(w, row[unit, 0], z, row[unit, 1], row[unit, 2])
        units[unit] = sigmoid(n.a[k])


@kernel(inline=True)
def cross_entropy(n, t, now):
    """-sum_k t log y + (1 - t) log(1 - y) at the targets t[now], in nats.

    With p the smaller of y and 1 - y, each unit costs -log(1 - p), and |a| more for the part of t that lies
    on the other side. The logarithms are taken together, of a product of numbers between 1/2 and 1.
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
    """Change the output units' weights; n.eps <- the errors that reach the cells. t: targets (K,)."""
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
    """Change the weights into the gates and cells of block j."""
    w, v, P, z, row = n.w, n.v, n.P, n.z, n.row
    J, C = n.first_cell.size - 1, n.s.size
    O = 2 * J + C
    one = w.dtype.type(1)
    i, f, o = n.units[j], n.units[J + j], n.units[O + j]
    start, stop = n.first_cell[j], n.first_cell[j + 1]
    do = w.dtype.type(0)
    for c in range(start, stop):
        do += n.hs[c] * n.eps[c]
        n.es[c] = lr * o * squash_slope(n.hs[c], n.h_ab[0], n.h_ab[1]) * n.eps[c]
    do *= lr * o * (one - o)
    source, length = row[O + j, 1], row[O + j, 2]
    burn(w, v, row[O + j, 0], length, momentum, do, z, source, change)
    at_i, at_f = row[j, 0], row[J + j, 0]
    for c in range(start, stop):
        g = n.units[2 * J + c]
        at_g, length_g = row[2 * J + c, 0], row[2 * J + c, 2]
        keep = momentum if c == start else one  # the velocity decays once, and every cell adds to it
        if c < stop - 1:
            carry(P, n.partial[c, 0], f, g * i * (one - i), z, source, v, at_i, length, keep, n.es[c])
            carry(
                P,
                n.partial[c, 1],
                f,
                n.s_before[c] * f * (one - f),
                z,
                source,
                v,
                at_f,
                length,
                keep,
                n.es[c],
            )
        else:
            carry_and_move(
                P, n.partial[c, 0], f, g * i * (one - i), z, source, v, w, at_i, length, keep, n.es[c], change
            )
            carry_and_move(
                P,
                n.partial[c, 1],
                f,
                n.s_before[c] * f * (one - f),
                z,
                source,
                v,
                w,
                at_f,
                length,
                keep,
                n.es[c],
                change,
            )
        slope = squash_slope(g, n.g_ab[0], n.g_ab[1])
        carry_and_move(
            P, n.partial[c, 2], f, i * slope, z, source, v, w, at_g, length_g, momentum, n.es[c], change
        )
    if n.peephole.size > 0:
        learn_peepholes(n, i, f, do, start, stop, J, momentum, change)


@kernel(inline=True)
def learn_peepholes(n, i, f, do, start, stop, J, momentum, change):
    """Change the weights from a block's cell states, start..stop, to its gates."""
    w, v, P, s_before = n.w, n.v, n.P, n.s_before
    one = w.dtype.type(1)
    for source in range(start, stop):
        u_i, u_f, u_o = n.peephole[source, 0], n.peephole[source, 1], n.peephole[source, 2]
        v[u_i] *= momentum
        v[u_f] *= momentum
        v[u_o] = momentum * v[u_o] + do * n.s[source]
        for c in range(start, stop):
            p_i = n.peephole_partial[c, 0] + source - start
            p_f = n.peephole_partial[c, 1] + source - start
            P[p_i] = f * P[p_i] + n.units[2 * J + c] * i * (one - i) * s_before[source]
            P[p_f] = f * P[p_f] + s_before[c] * f * (one - f) * s_before[source]
            v[u_i] += n.es[c] * P[p_i]
            v[u_f] += n.es[c] * P[p_f]
        w[u_i] += change * v[u_i]
        w[u_f] += change * v[u_f]
        w[u_o] += change * v[u_o]


@kernel(inline=True)
def compare(n, t, y, now):
    """y[now] (K,) becomes what the outputs are; how far they are off the targets t[now].

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


class OnlineLearning:
    """The part of `CellBlocks` that lives in the middle of a stream: one step at a time, learning or not."""

    @alone
    def reset(self):
        """Cell outputs, cell states and partial derivatives become zero. Weights and momentum stay."""
        stream = self._stream
        for array in (stream.x_y_1, stream.s, stream.P):
            array.fill(0)
        stream.x_y_1[-1] = 1

    def stream_state(self):
        """All but the weights that the stream carries from step to step, by name; the arrays themselves."""
        stream = self._stream
        return {"velocity": stream.v, "partials": stream.P, "states": stream.s, "sources": stream.x_y_1}

    def learn_online(self, x, t, lr, momentum=0.0, gross_error=np.inf):
        """Learn from a stream, changing all weights after every step; goes on from where the last call ended.

        Parameters
        ----------
        x : array (T, D), inputs
        t : array (T, K), targets in [0, 1]
        lr, momentum : of gradient descent in Plaut's form
        gross_error : stop after the first step in which an output is wrong by more than this
            (Gers, Schmidhuber & Cummins 2000 took 0.49); `reset` then, and begin anew

        Returns
        -------
        y : array (steps done, K), the outputs as they were before each weight change
        loss : cross-entropy of these steps, in nats, summed over units and steps
        wrong : number of outputs on the wrong side of 1/2

        Raises
        ------
        ValueError
            If a shape differs, a number is not finite, a target is not in [0, 1], or a setting out of range.
        Diverged
            If the weights are no longer finite. They are lost.
        """
        y, loss, wrong = self._run(x, t, *online_settings(lr, momentum, gross_error, self.dtype))
        expect_learned(self.flat, len(y))
        return y, loss, wrong

    @alone
    def listen(self, x):
        """Let the stream x (T, D) go by without learning; returns the outputs y (T, K) of every step."""
        x = expect(x, "x", f"T, {self.wiring.input_size}", (None, self.wiring.input_size), self.dtype)
        y = np.empty((len(x), self.wiring.output_size), self.dtype)
        listen(self._stream, x, y)
        return y

    @alone
    def truncated_gradient(self, x, t):
        """The truncated gradient of the stream's summed cross-entropy, with fixed weights: name -> array.

        Starts from a `reset`, and leaves the network reset. What `learn_online` follows is this sum's last
        term at every step.
        """
        velocity = self._stream.v.copy()
        self.reset()
        self._stream.v.fill(0)
        try:
            self._run(x, t, -1, 1, 0, np.inf)  # v <- 1 v + dE/dw, and no change of w
            return self._views(self._stream.v.copy())
        finally:
            self._stream.v[:] = velocity
            self.reset()

    @alone
    def _run(self, x, t, lr, momentum, change, gross_error):
        w = self.wiring
        x = expect(x, "x", f"T, {w.input_size}", (None, w.input_size), self.dtype)
        t = expect_targets(t, len(x), w.output_size, self.dtype)
        y = np.empty_like(t)
        lr, momentum, change = (self.dtype.type(number) for number in (lr, momentum, change))
        with np.errstate(all="ignore"):  # as when compiled: what has gone astray is looked at afterwards
            steps, loss, wrong = run(self._stream, x, t, y, lr, momentum, change, float(gross_error))
        return y[:steps], loss, wrong
