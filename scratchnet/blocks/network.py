"""LSTM memory blocks with forget gates, as Eck & Schmidhuber (2002) used them for the blues.

    symbol          what                                                        shape of the array
    x               inputs                                                      (T, D, B)
    i f o           input, forget and output gate, one a block                  J rows
    g               squashed cell input                                         C rows
    s               cell state, the "constant error carousel"                   (T + 1, C, B)
    y               cell output y^c                                             (T + 1, C, B)
    a               net input of the output units; their output is sigmoid(a)   (T, K, B)
    z               sources of a unit: [x(t); y(t-1); 1]                        (T, Z, B),  Z = D + C + 1
    d...            derivative of the loss by ...

D inputs, J blocks, C cells in all, K outputs. Below, v is a cell and j its block. A unit sees only the
sources that the wiring grants it: all other weights of the matrices W and V are zero and stay zero.

Forward (Gers, Schmidhuber & Cummins 2000; peepholes u from Gers, Schraudolph & Schmidhuber 2002):

    i_j = sigmoid(W_i z + sum_v u_i s_v(t-1))         s_v(t) = f_j s_v(t-1) + i_j g_v
    f_j = sigmoid(W_f z + sum_v u_f s_v(t-1))         y_v(t) = o_j h(s_v(t))
    g_v = g(W_g z)                                    a(t)   = V [x(t); y(t); 1]
    o_j = sigmoid(W_o z + sum_v u_o s_v(t))           after the state update

The squashing functions g in [-2, 2] and h in [-1, 1] are those of the papers; others: kernels/activations.py.

Backward, the full gradient (Graves & Schmidhuber 2005), t = T..1; what comes from t+1 is zero at the end:

    dy_v = V^T da(t) + W^T dnet(t+1)
    do_j = o (1 - o) sum_v h(s_v) dy_v
    ds_v = o_j h'(s_v) dy_v + f_j(t+1) ds_v(t+1) + u_i di_j(t+1) + u_f df_j(t+1) + u_o do_j
    dg_v = i_j g'(net) ds_v       df_j = f (1 - f) sum_v s_v(t-1) ds_v       di_j = i (1 - i) sum_v g_v ds_v
    dW = sum_t dnet(t) z(t)^T

The truncated gradient of the original papers, one weight change a time step, is in learning.py.

Memory: forward keeps T B (2 Z + 3 J + 4 C + K) numbers, backward takes about as many again while it runs.
"""

import numpy as np

from scratchnet.blocks.closed_loop import ClosedLoop
from scratchnet.blocks.learning import OnlineLearning
from scratchnet.blocks.stream import make_stream
from scratchnet.blocks.weights import BlockWeights
from scratchnet.blocks.wiring import Blocks, Outputs, Wiring
from scratchnet.kernels.activations import sigmoid, squash, squash_slope
from scratchnet.kernels.jit import kernel
from scratchnet.layers.layer import batch_size, expect, expect_state

__all__ = ["IDENTITY", "PAPER_G", "PAPER_H", "TANH", "Blocks", "CellBlocks", "Outputs", "Wiring"]

PAPER_G, PAPER_H = (2.0, 0.5), (1.0, 0.5)  # 4 sigmoid(x) - 2 and 2 sigmoid(x) - 1, as a tanh(b x)
TANH, IDENTITY = (1.0, 1.0), (0.0, 1.0)


@kernel
def gates_forward(net):
    """net <- sigmoid(net), for a stretch of units and sequences."""
    for n in range(net.size):
        net[n] = sigmoid(net[n])


@kernel(inline=True)
def cell_forward(g, i, f, s_before, s, ab):
    """g <- squash(g), which held the net input;  s = f s_before + i g.  One cell, B sequences."""
    for n in range(g.size):
        g[n] = squash(g[n], ab[0], ab[1])
        s[n] = f[n] * s_before[n] + i[n] * g[n]


@kernel
def cells_forward(i, f, g, s_before, s, block_of, ab):
    """All cells of a time step; each row holds B sequences."""
    for v in range(g.shape[0]):
        j = block_of[v]
        cell_forward(g[v], i[j], f[j], s_before[v], s[v], ab)


@kernel(inline=True)
def output_forward(o, s, hs, y, ab):
    """y = o h(s).  One cell, B sequences."""
    for n in range(s.size):
        hs[n] = squash(s[n], ab[0], ab[1])
        y[n] = o[n] * hs[n]


@kernel
def outputs_forward(o, s, hs, y, block_of, ab):
    """The outputs of all cells of a time step."""
    for v in range(y.shape[0]):
        output_forward(o[block_of[v]], s[v], hs[v], y[v], ab)


@kernel
def peep(u, s, net, block_of):
    """net_j += u_v s_v: what the gates see of their cells' states; u (C,) or, without peepholes, empty."""
    for v in range(u.size):
        for n in range(s.shape[1]):
            net[block_of[v], n] += u[v] * s[v, n]


@kernel
def sources(x, y, z):
    """z <- [x; y; 1], for B sequences."""
    D, C = x.shape[0], y.shape[0]
    for n in range(z.shape[1]):
        for k in range(D):
            z[k, n] = x[k, n]
        for v in range(C):
            z[D + v, n] = y[v, n]
        z[D + C, n] = 1


@kernel
def forward(x, W, V, u, block_of, g_ab, h_ab, z, net, s, y, hs, zo, a):
    """The whole sequence. `net` (T, 3J + C, B) ends up holding the gates i, f, the squashed g and o."""
    T, D, B = x.shape
    C, R = y.shape[1], net.shape[1]
    J = (R - C) // 3
    for t in range(T):
        sources(x[t], y[t], z[t])
        np.dot(W, z[t], net[t])
        i, f, g, o = net[t, :J], net[t, J : 2 * J], net[t, 2 * J : 2 * J + C], net[t, 2 * J + C :]
        peep(u[0], s[t], i, block_of)
        peep(u[1], s[t], f, block_of)
        gates_forward(net[t, : 2 * J].reshape(2 * J * B))
        cells_forward(i, f, g, s[t], s[t + 1], block_of, g_ab)
        peep(u[2], s[t + 1], o, block_of)
        gates_forward(o.reshape(J * B))
        outputs_forward(o, s[t + 1], hs[t], y[t + 1], block_of, h_ab)
        sources(x[t], y[t + 1], zo[t])
        np.dot(V, zo[t], a[t])


@kernel(inline=True)
def output_backward(o, hs, dy, do, ds, ab):
    """do += h(s) dy;  ds += o h'(s) dy.  One cell, B sequences."""
    for n in range(dy.size):
        do[n] += hs[n] * dy[n]
        ds[n] += o[n] * squash_slope(hs[n], ab[0], ab[1]) * dy[n]


@kernel
def outputs_backward(o, hs, dy, do, ds, block_of, ab):
    """All cells of a time step."""
    for v in range(dy.shape[0]):
        output_backward(o[block_of[v]], hs[v], dy[v], do[block_of[v]], ds[v], ab)


@kernel
def gates_backward(gate, d):
    """d <- d gate (1 - gate), the derivative by the net input, for a stretch of units and sequences."""
    one = gate.dtype.type(1)
    for n in range(gate.size):
        d[n] *= gate[n] * (one - gate[n])


@kernel(inline=True)
def cell_backward(i, f, g, s_before, ds, di, df, dg, ab):
    """di += g ds;  df += s_before ds;  dg = i g' ds;  ds <- f ds, its way back through the carousel."""
    for n in range(ds.size):
        di[n] += g[n] * ds[n]
        df[n] += s_before[n] * ds[n]
        dg[n] = i[n] * squash_slope(g[n], ab[0], ab[1]) * ds[n]
        ds[n] *= f[n]


@kernel
def cells_backward(i, f, g, s_before, ds, di, df, dg, block_of, ab):
    """All cells of a time step."""
    for v in range(ds.shape[0]):
        j = block_of[v]
        cell_backward(i[j], f[j], g[v], s_before[v], ds[v], di[j], df[j], dg[v], ab)


@kernel
def peep_backward(u, dnet, ds, block_of):
    """ds_v += u_v dnet_j."""
    for v in range(u.size):
        for n in range(ds.shape[1]):
            ds[v, n] += u[v] * dnet[block_of[v], n]


@kernel
def add_rows(a, b):
    """a += b, for two matrices."""
    for k in range(a.shape[0]):
        for n in range(a.shape[1]):
            a[k, n] += b[k, n]


@kernel
def backward(da, WT, VT, u, block_of, g_ab, h_ab, net, s, hs, dnet, dzo, dz, ds, dx):
    """The whole sequence, backwards.

    ds (C, B) and dz (Z, B) hold what comes from the step after; at last, what goes to the initial state.
    """
    T, D, B = dx.shape
    C, R = s.shape[1], net.shape[1]
    J = (R - C) // 3
    for t in range(T - 1, -1, -1):
        i, f, g, o = net[t, :J], net[t, J : 2 * J], net[t, 2 * J : 2 * J + C], net[t, 2 * J + C :]
        di, df, dg, do = dnet[t, :J], dnet[t, J : 2 * J], dnet[t, 2 * J : 2 * J + C], dnet[t, 2 * J + C :]
        np.dot(VT, da[t], dzo)
        add_rows(dz[D : D + C], dzo[D : D + C])
        dy = dz[D : D + C]
        outputs_backward(o, hs[t], dy, do, ds, block_of, h_ab)
        gates_backward(o.reshape(J * B), do.reshape(J * B))
        peep_backward(u[2], do, ds, block_of)
        cells_backward(i, f, g, s[t], ds, di, df, dg, block_of, g_ab)
        gates_backward(net[t, : 2 * J].reshape(2 * J * B), dnet[t, : 2 * J].reshape(2 * J * B))
        peep_backward(u[0], di, ds, block_of)
        peep_backward(u[1], df, ds, block_of)
        np.dot(WT, dnet[t], dz)
        add_rows(dx[t], dzo[:D])
        add_rows(dx[t], dz[:D])


def columns(array):
    """(T, N, B) -> (N, T B): all frames side by side, so that a sum over time and batch is one product."""
    return np.ascontiguousarray(array.transpose(1, 0, 2)).reshape(array.shape[1], -1)


class CellBlocks(OnlineLearning, ClosedLoop, BlockWeights):
    """A network of LSTM memory blocks and sigmoid output units, wired as you like.

    Two ways of learning: `forward` and `backward`, the full gradient over whole sequences and batches, for an
    optimizer; `learn_online`, the original algorithm: truncated gradient, one weight change a time step, on a
    stream of any length. `listen` and `play` go through a stream without learning: the one hears, the other
    goes on alone.

    Parameters
    ----------
    wiring : Wiring
    rng : numpy Generator for the initial weights, uniform in [-scale, scale]
    scale : a number, or None for 1 / sqrt(number of sources) of each unit
    peepholes : whether gates see the states of their own block's cells
    squash_g, squash_h : (a, b) of the function a tanh(b x); IDENTITY for none, TANH for today's LSTM
    dtype : float64 or float32

    Attributes
    ----------
    params, grads : name -> array. For a group of blocks "memory": "memory.input_gate" (J, n + 1),
        "memory.forget_gate", "memory.cell" (C, n), "memory.output_gate"; with peepholes also
        "memory.input_peephole" (C,) and so on. For outputs "next": "next.weight" (K, n + 1). Rows are units,
        columns their sources as in wiring.py, the bias last. All are views of one vector.
    """

    def __init__(
        self, wiring, rng, scale=0.1, peepholes=False, squash_g=PAPER_G, squash_h=PAPER_H, dtype=np.float64
    ):
        super().__init__(wiring, rng, scale, peepholes, squash_g, squash_h, dtype)
        self._stream = make_stream(self)
        self.reset()

    def description(self):
        """Name, and how many units of each kind."""
        w, peepholes = self.wiring, ", peepholes=True" if self.peepholes else ""
        sizes = (
            f"{w.input_size} inputs, {w.block_count} blocks, {w.cell_count} cells, {w.output_size} outputs"
        )
        return f"CellBlocks({sizes}{peepholes})"

    def shape_after(self, shape):
        """(T, K, B)."""
        return shape[0], self.wiring.output_size, shape[-1]

    def initial_state(self, B):
        """(s, y), both zero: cell states and cell outputs (C, B) before the first step."""
        shape = (self.wiring.cell_count, batch_size(B))
        return np.zeros(shape, self.dtype), np.zeros(shape, self.dtype)

    def forward(self, x, state=None):
        """Run whole sequences.

        Parameters
        ----------
        x : array (T, D, B)
        state : (s, y), each (C, B); None for zeros

        Returns
        -------
        a : array (T, K, B), net input of the output units: take `sigmoid_cross_entropy(a, t)`, or sigmoid(a)
        for probabilities
        state : (s, y) after the last step; returned only if a state was given

        Raises
        ------
        ValueError
            If a shape differs or a number is not finite.
        """
        w = self.wiring
        C = w.cell_count
        x = expect(x, "x", f"T, {w.input_size}, B", (None, w.input_size, None), self.dtype)
        T, D, B = x.shape
        if T == 0 or B == 0:
            raise ValueError(f"expected x (T, {D}, B) with at least one step and one sequence, got {x.shape}")
        s0, y0 = self.initial_state(B) if state is None else self._expect_state(state, "state", B)

        def new(*shape):
            return np.empty((*shape, B), self.dtype)

        W, V, u = self.matrices()
        z, zo, net, hs, a = (
            new(T, D + C + 1),
            new(T, D + C + 1),
            new(T, len(W)),
            new(T, C),
            new(T, w.output_size),
        )
        s, y = new(T + 1, C), new(T + 1, C)
        s[0], y[0] = s0, y0
        forward(x, W, V, u, self.block_of, self.g_ab, self.h_ab, z, net, s, y, hs, zo, a)
        self._kept = W, V, u, z, net, s, y, hs, zo
        self._state_given = state is not None
        return a if state is None else (a, (s[-1].copy(), y[-1].copy()))

    def backward(self, da, dstate=None):
        """Add the gradient of all weights to `grads`; return dx, or (dx, (ds, dy)) if forward had a state.

        Parameters
        ----------
        da : array (T, K, B), derivative of the loss by what `forward` returned
        dstate : (ds, dy), derivative by the final state; None for zeros
        """
        W, V, u, z, net, s, y, hs, zo = self.last_pass()
        w, (T, _, B) = self.wiring, z.shape
        D, J, C = w.input_size, w.block_count, w.cell_count
        da = expect(da, "da", f"{T}, {w.output_size}, {B}", (T, w.output_size, B), self.dtype)
        ds, dy = (
            self.initial_state(B)
            if dstate is None
            else (part.copy() for part in self._expect_state(dstate, "dstate", B))
        )
        dz = np.zeros((D + C + 1, B), self.dtype)
        dz[D : D + C] = dy
        dnet, dx = np.zeros_like(net), np.zeros((T, D, B), self.dtype)
        WT, VT = np.ascontiguousarray(W.T), np.ascontiguousarray(V.T)
        dzo = np.empty_like(dz)
        backward(da, WT, VT, u, self.block_of, self.g_ab, self.h_ab, net, s, hs, dnet, dzo, dz, ds, dx)
        dnet_columns = columns(dnet)
        dW, dV = dnet_columns @ columns(z).T, columns(da) @ columns(zo).T
        s_columns, gates = columns(s[:-1]), self.block_of
        du = np.stack([
            (s_columns * dnet_columns[gates]).sum(1),
            (s_columns * dnet_columns[J + gates]).sum(1),
            (columns(s[1:]) * dnet_columns[2 * J + C + gates]).sum(1),
        ])  # fmt: skip
        self.flat_grad += np.concatenate([dW.ravel(), dV.ravel(), du.ravel()])[self.where]
        return (dx, (ds, dz[D : D + C].copy())) if self._state_given else dx

    def _expect_state(self, state, name, B):
        letters = ("s", "y") if name == "state" else ("ds", "dy")
        return expect_state(state, name, letters, [(self.wiring.cell_count, B)] * 2, self.dtype)

    def record(self):
        """What the last `forward` computed.

        Returns
        -------
        dict of arrays (T, units, B): "input gate", "forget gate", "cell input", "output gate", "state",
        "cell output"
        """
        _, _, _, _, net, s, y, _, _ = self.last_pass()
        J, C = self.wiring.block_count, self.wiring.cell_count
        parts = np.split(net, [J, 2 * J, 2 * J + C], axis=1)
        return dict(zip(("input gate", "forget gate", "cell input", "output gate"), parts, strict=True)) | {
            "state": s[1:],
            "cell output": y[1:],
        }
