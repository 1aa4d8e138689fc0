"""The original learning algorithm of LSTM: truncated gradient, computed forwards, one weight change a time step.

Errors are cut as soon as they leave a memory cell or gate: through the recurrent connections nothing flows back. What is left of the
gradient can be carried along in time, one partial derivative a weight (Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000,
appendix; peepholes: Gers, Schraudolph & Schmidhuber 2002). Symbols as in cell_blocks.py, and

    e = t - y                          error of the output units (cross-entropy on sigmoids)
    eps_v = sum_k V_kv e_k             error that reaches cell v, of this time step alone
    do_j = o (1 - o) sum_v h(s_v) eps_v                                              output gate: truncated BPTT
    es_v = o_j h'(s_v) eps_v                                                         error of the cell state
    P_g(t) = f P_g(t-1) + i g'(net) z                 P = ds_v/dw, for the weights into cell v itself,
    P_i(t) = f P_i(t-1) + g_v i (1 - i) z             into the input gate of its block
    P_f(t) = f P_f(t-1) + s_v(t-1) f (1 - f) z        and into the forget gate
    -dE/dw_g = es_v P_g      -dE/dw_i = sum_v es_v P_i      -dE/dw_f = sum_v es_v P_f      -dE/dw_o = do z

The weights of a peephole are treated alike, with s_v(t-1) (output gate: s_v(t)) in the place of z.
Weights follow by momentum in Plaut's form:  v <- m v - lr dE/dw;  w <- w + v,  after every step ("burned").

Time and memory of a step are proportional to the number of weights, whatever the length of the stream. Tiny networks are bound by
overhead, not arithmetic, so the whole stream runs in one compiled loop over the rows of one flat vector of weights; there is no BLAS.
"""

from typing import NamedTuple

import numpy as np

from scratchnet.activations import sigmoid, squash, squash_slope
from scratchnet.jit import kernel
from scratchnet.layer import expect


class Stream(NamedTuple):
    """A network and its state in the middle of a stream, as kernels see it. U units in the order i, f, g, o, outputs.

    z holds one stretch [sources; 1] for each group of blocks, then for each group of outputs.
    """

    w: np.ndarray  # (weights,) all weights in one vector
    v: np.ndarray  # (weights,) velocity
    P: np.ndarray  # partial derivatives, one stretch for each cell and row of weights that leads into its block
    z: np.ndarray  # sources
    dz: np.ndarray  # (len(z),) error by z
    x_y_1: np.ndarray  # (Z,) inputs, cell outputs and the 1 of the bias
    units: np.ndarray  # (U,) i, f, g, o, and the outputs' y
    a: np.ndarray  # (K,) net input of the outputs
    s_before: np.ndarray  # (C,) cell states
    s: np.ndarray  # (C,)
    hs: np.ndarray  # (C,) h(s)
    eps: np.ndarray  # (C,) error that reaches a cell
    es: np.ndarray  # (C,) error of its state
    g_ab: np.ndarray  # (2,) the squashing function g
    h_ab: np.ndarray  # (2,) and h
    row: np.ndarray  # (U, 3) start in w, start in z, length of a unit's weights
    gather: np.ndarray  # (len(z),) index into x_y_1
    blocks_z: int  # length of the part of z that belongs to blocks
    first_cell: np.ndarray  # (J + 1,) the cells of a block
    partial: np.ndarray  # (C, 3) start in P of the partials by the weights into input gate, forget gate, cell
    peephole: np.ndarray  # (C, 3) index in w of the peepholes to i, f, o; empty if there are none
    peephole_partial: np.ndarray  # (C, 2) start in P of the partials by the block's peepholes to i and f


@kernel
def dot(w, z):
    """sum_k w_k z_k."""
    total = w[0] * z[0]
    for k in range(1, w.size):
        total += w[k] * z[k]
    return total


@kernel
def net_input(n, unit):
    """w z of one unit."""
    at, source, length = n.row[unit]
    return dot(n.w[at : at + length], n.z[source : source + length])


@kernel
def step(n, x):
    """One time step forward: x (D,) -> the outputs' y, the last K of n.units."""
    D, C, J, U = x.size, n.s.size, n.first_cell.size - 1, n.units.size
    O = 2 * J + C
    peepholes = n.peephole.size > 0
    n.x_y_1[:D] = x
    for k in range(n.blocks_z):
        n.z[k] = n.x_y_1[n.gather[k]]
    for unit in range(O + J):
        n.units[unit] = net_input(n, unit)
    for j in range(J):
        if peepholes:
            for v in range(n.first_cell[j], n.first_cell[j + 1]):
                n.units[j] += n.w[n.peephole[v, 0]] * n.s[v]
                n.units[J + j] += n.w[n.peephole[v, 1]] * n.s[v]
        i, f = sigmoid(n.units[j]), sigmoid(n.units[J + j])
        n.units[j], n.units[J + j] = i, f
        for v in range(n.first_cell[j], n.first_cell[j + 1]):
            g = squash(n.units[2 * J + v], n.g_ab[0], n.g_ab[1])
            n.units[2 * J + v] = g
            n.s_before[v] = n.s[v]
            n.s[v] = f * n.s[v] + i * g
            if peepholes:
                n.units[O + j] += n.w[n.peephole[v, 2]] * n.s[v]
        o = sigmoid(n.units[O + j])
        n.units[O + j] = o
        for v in range(n.first_cell[j], n.first_cell[j + 1]):
            n.hs[v] = squash(n.s[v], n.h_ab[0], n.h_ab[1])
            n.x_y_1[D + v] = o * n.hs[v]
    for k in range(n.blocks_z, n.z.size):
        n.z[k] = n.x_y_1[n.gather[k]]
    for k in range(n.a.size):
        n.a[k] = net_input(n, O + J + k)
        n.units[O + J + k] = sigmoid(n.a[k])


@kernel
def burn(w, v, momentum, d, z, change):
    """v <- m v + d z and w <- w + v, for one row of weights; d holds the learning rate."""
    for k in range(w.size):
        v[k] = momentum * v[k] + d * z[k]
        w[k] += change * v[k]


@kernel
def carry(P, f, c, z, v, momentum, e):
    """P <- f P + c z, the partials of one cell by one row of weights; v <- m v + e P."""
    for k in range(P.size):
        P[k] = f * P[k] + c * z[k]
        v[k] = momentum * v[k] + e * P[k]


@kernel
def move(w, v, change):
    """w <- w + v."""
    for k in range(w.size):
        w[k] += change * v[k]


@kernel
def weights(n, unit):
    """The weights, velocities and sources of one unit."""
    at, source, length = n.row[unit]
    return n.w[at : at + length], n.v[at : at + length], n.z[source : source + length]


@kernel
def learn_outputs(n, t, lr, momentum, change):
    """Change the output units' weights; n.eps <- the errors that reach the cells. t: targets (K,)."""
    first, D = n.units.size - t.size, n.x_y_1.size - n.s.size - 1
    n.dz[n.blocks_z :] = 0
    for k in range(t.size):
        at, source, length = n.row[first + k]
        e = t[k] - n.units[first + k]
        for m in range(length):
            n.dz[source + m] += e * n.w[at + m]
        w, v, z = weights(n, first + k)
        burn(w, v, momentum, lr * e, z, change)
    n.eps[:] = 0
    for m in range(n.blocks_z, n.z.size):
        cell = n.gather[m] - D
        if 0 <= cell < n.eps.size:
            n.eps[cell] += n.dz[m]


@kernel
def learn_block(n, j, lr, momentum, change):
    """Change the weights into the gates and cells of block j."""
    J, C = n.first_cell.size - 1, n.s.size
    O = 2 * J + C
    one = n.w.dtype.type(1)
    i, f, o = n.units[j], n.units[J + j], n.units[O + j]
    start, stop = n.first_cell[j], n.first_cell[j + 1]
    do = n.w.dtype.type(0)
    for c in range(start, stop):
        do += n.hs[c] * n.eps[c]
        n.es[c] = lr * o * squash_slope(n.hs[c], n.h_ab[0], n.h_ab[1]) * n.eps[c]
    do *= lr * o * (one - o)
    w, v, z = weights(n, O + j)
    burn(w, v, momentum, do, z, change)
    w_i, v_i, z = weights(n, j)
    w_f, v_f, _ = weights(n, J + j)
    for c in range(start, stop):
        g = n.units[2 * J + c]
        p_i, p_f, p_g = n.partial[c]
        keep = momentum if c == start else one  # the velocity decays once, and every cell adds to it
        carry(n.P[p_i : p_i + z.size], f, g * i * (one - i), z, v_i, keep, n.es[c])
        carry(n.P[p_f : p_f + z.size], f, n.s_before[c] * f * (one - f), z, v_f, keep, n.es[c])
        w, v, z_g = weights(n, 2 * J + c)
        carry(n.P[p_g : p_g + z_g.size], f, i * squash_slope(g, n.g_ab[0], n.g_ab[1]), z_g, v, momentum, n.es[c])
        move(w, v, change)
    move(w_i, v_i, change)
    move(w_f, v_f, change)
    if n.peephole.size > 0:
        learn_peepholes(n, i, f, do, start, stop, J, momentum, change)


@kernel
def learn_peepholes(n, i, f, do, start, stop, J, momentum, change):
    """Change the weights from a block's cell states, start..stop, to its gates."""
    one = n.w.dtype.type(1)
    for source in range(start, stop):
        u_i, u_f, u_o = n.peephole[source]
        n.v[u_i] *= momentum
        n.v[u_f] *= momentum
        n.v[u_o] = momentum * n.v[u_o] + do * n.s[source]
        for c in range(start, stop):
            p_i, p_f = n.peephole_partial[c]
            p_i, p_f = p_i + source - start, p_f + source - start
            n.P[p_i] = f * n.P[p_i] + n.units[2 * J + c] * i * (one - i) * n.s_before[source]
            n.P[p_f] = f * n.P[p_f] + n.s_before[c] * f * (one - f) * n.s_before[source]
            n.v[u_i] += n.es[c] * n.P[p_i]
            n.v[u_f] += n.es[c] * n.P[p_f]
        for u in (u_i, u_f, u_o):
            n.w[u] += change * n.v[u]


@kernel
def run(n, x, t, y, lr, momentum, change, gross_error):
    """A whole stream, learning after every step.

    x (T, D), t (T, K) targets; y (T, K) receives the outputs. Stops after a step in which an output is wrong by more than
    gross_error. Returns (steps done, cross-entropy in nats, number of outputs wrong by 1/2 or more).
    """
    first = n.units.size - t.shape[1]
    loss, wrong = 0.0, 0
    for at in range(x.shape[0]):
        step(n, x[at])
        worst = 0.0
        for k in range(t.shape[1]):
            a, target = n.a[k], t[at, k]
            y[at, k] = n.units[first + k]
            error = abs(target - y[at, k])
            worst = max(worst, error)
            wrong += error >= 0.5
            loss += max(a, 0.0) - a * target + np.log1p(np.exp(-abs(a)))
        learn_outputs(n, t[at], lr, momentum, change)
        for j in range(n.first_cell.size - 1):
            learn_block(n, j, lr, momentum, change)
        if worst > gross_error:
            return at + 1, loss, wrong
    return x.shape[0], loss, wrong


class OnlineLearning:
    """The part of `CellBlocks` that lives in the middle of a stream: one step at a time, learning or not."""

    def reset(self):
        """Forget the stream: cell outputs, cell states and partial derivatives become zero. Weights and momentum stay."""
        stream = self._stream
        for array in (stream.x_y_1, stream.s, stream.P):
            array.fill(0)
        stream.x_y_1[-1] = 1

    def learn_online(self, x, t, lr, momentum=0.0, gross_error=np.inf):
        """Learn from a stream, changing all weights after every time step; goes on from where the last call ended.

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
            If a shape differs, a number is not finite, or lr or momentum is out of range.
        """
        if not 0 <= lr < np.inf or not 0 <= momentum < 1:
            raise ValueError(f"expected lr >= 0 and 0 <= momentum < 1, got {lr} and {momentum}")
        return self._run(x, t, lr, momentum, 1, gross_error)

    def truncated_gradient(self, x, t):
        """The truncated gradient of the stream's summed cross-entropy, with fixed weights: name -> array.

        Starts from a `reset`, and leaves the network reset. What `learn_online` follows is this sum's last term at every step.
        """
        self.reset()
        velocity = self._stream.v.copy()
        self._stream.v.fill(0)
        self._run(x, t, -1, 1, 0, np.inf)  # v <- 1 v + dE/dw, and no change of w
        self.reset()
        gradient = self._views(self._stream.v.copy())
        self._stream.v[:] = velocity
        return gradient

    def _run(self, x, t, lr, momentum, change, gross_error):
        w = self.wiring
        x = expect(x, "x", f"T, {w.input_size}", (None, w.input_size), self.dtype)
        t = expect(t, "t", f"{len(x)}, {w.output_size}", (len(x), w.output_size), self.dtype)
        y = np.empty_like(t)
        lr, momentum, change = (self.dtype.type(number) for number in (lr, momentum, change))
        steps, loss, wrong = run(self._stream, x, t, y, lr, momentum, change, float(gross_error))
        return y[:steps], loss, wrong

    def _make_stream(self):
        """The flat vectors and tables of `Stream`."""
        w, dtype = self.wiring, self.dtype
        D, J, C, K = w.input_size, w.block_count, w.cell_count, w.output_size
        one = D + C  # the bias's place in [x; y; 1]
        gather, row = [], np.zeros((3 * J + C + K, 3), np.int64)
        kinds = ("input_gate", "forget_gate", "cell", "output_gate")
        firsts = dict(zip(kinds, (0, J, 2 * J, 2 * J + C), strict=True))
        blocks, cells, outputs = w.slices("blocks"), w.slices("cells"), w.slices("outputs")
        rows = [(name, kind, firsts[kind] + (cells if kind == "cell" else blocks)[name].start) for name in w.blocks for kind in kinds]
        rows += [(name, "weight", 3 * J + C + outputs[name].start) for name in w.outputs]
        place, blocks_z = {}, 0
        for name in [*w.blocks, *w.outputs]:
            place[name] = len(gather)
            gather += [*w.sources(name), one]
            blocks_z = len(gather) if name in w.blocks else blocks_z
        for name, kind, unit in rows:
            start = self._starts[f"{name}.{kind}"]
            count, length = self.params[f"{name}.{kind}"].shape
            for k in range(count):
                row[unit + k] = start + k * length, place[name], length
        first_cell = np.searchsorted(self.block_of, np.arange(J + 1))
        size, partial = 0, np.zeros((C, 3), np.int64)
        peephole_partial = np.zeros((C, 2), np.int64)
        for c, j in enumerate(self.block_of):
            for k, unit in enumerate((j, J + j, 2 * J + c)):
                partial[c, k] = size
                size += row[unit, 2]
            for k in range(2 * self.peepholes):
                peephole_partial[c, k] = size
                size += first_cell[j + 1] - first_cell[j]
        peephole = np.zeros((C if self.peepholes else 0, 3), np.int64)
        for name, group in cells.items() if self.peepholes else ():
            for k, gate in enumerate(("input", "forget", "output")):
                peephole[group, k] = self._starts[f"{name}.{gate}_peephole"] + np.arange(group.stop - group.start)

        def zeros(*shape):
            return np.zeros(shape, dtype)

        return Stream(
            w=self.flat, v=zeros(self.flat.size), P=zeros(size), z=zeros(len(gather)), dz=zeros(len(gather)),
            x_y_1=zeros(D + C + 1), units=zeros(len(row)), a=zeros(K), s_before=zeros(C), s=zeros(C), hs=zeros(C),
            eps=zeros(C), es=zeros(C), g_ab=self.g_ab, h_ab=self.h_ab, row=row, gather=np.array(gather), blocks_z=blocks_z,
            first_cell=first_cell, partial=partial, peephole=peephole, peephole_partial=peephole_partial,
        )  # fmt: skip
