"""LSTM memory blocks of 2002 with forget gates, on paper: full gradient. The fast one: blocks/network.py.

Of C cells in J blocks, cell v belongs to block j = block_of[v]. Units see z(t) = [x(t); y(t-1); 1].

    i_j = sigmoid(W_i z [+ sum_v u_i s_v(t-1)])         s_v(t) = f_j s_v(t-1) + i_j g_v         cell state
    f_j = sigmoid(W_f z [+ sum_v u_f s_v(t-1)])         y_v(t) = o_j h(s_v(t))                  cell output
    g_v = g(W_g z)                                      a(t)   = V [x(t); y(t); 1]              net outputs
    o_j = sigmoid(W_o z [+ sum_v u_o s_v(t)])           g = 2 tanh(./2), h = tanh(./2): the papers'

Backward, from T to 1 (sums over v: the cells of a block):

    dy_v = V^T da(t) + W^T dnet(t+1)
    do_j = o (1 - o) sum_v h(s_v) dy_v
    ds_v = o_j h'(s_v) dy_v + f_j(t+1) ds_v(t+1) [+ u_i di_j(t+1) + u_f df_j(t+1) + u_o do_j]
    dg_v = i_j g'(net) ds_v      df_j = f (1 - f) sum_v s_v(t-1) ds_v      di_j = i (1 - i) sum_v g_v ds_v
    dW   = sum_t dnet(t) z(t)^T
"""

import numpy as np

from scratchnet.plain.layer import NONLINEARITIES, column, sigmoid


class CellBlocks:
    """W (3J + C, Z) with the rows i, f, g, o; V (K, Z); Z = D + C + 1; peepholes u (3, C), zeros for none."""

    def __init__(self, W, V, block_of, u=None, g=NONLINEARITIES["paper g"], h=NONLINEARITIES["paper h"]):
        self.j, self.J, self.C = np.asarray(block_of), max(block_of) + 1, len(block_of)
        self.g, self.h = g, h
        self.params = {"W": W, "V": V, "u": np.zeros((3, self.C)) if u is None else u}
        self.grads = {name: np.zeros(param.shape) for name, param in self.params.items()}
        self.blocks = np.eye(self.J)[self.j].T  # (J, C): blocks @ q sums q over the cells of each block

    def forward(self, x, state=None, constants=None):
        """x (T, D, B) -> a (T, K, B); with a state, (s(0), y(0)) (C, B) each, also (s(T), y(T)).

        Given constants (s, y), (T + 1, C, B) each, recurrent weights and peepholes read these instead.
        """
        W, V, u = self.params.values()
        (T, _, B), J, C, j = x.shape, self.J, self.C, self.j
        s, y = np.zeros((2, T + 1, C, B))
        if state is not None:
            s[0], y[0] = state
        s_seen, y_seen = constants or (s, y)
        a, steps, one = [], [], np.ones((1, B))
        for t in range(1, T + 1):
            z = np.concatenate([x[t - 1], y_seen[t - 1], one])
            i, f, g, o = np.split(W @ z, [J, 2 * J, 2 * J + C])
            i = sigmoid(i + self.blocks @ (column(u[0]) * s_seen[t - 1]))
            f = sigmoid(f + self.blocks @ (column(u[1]) * s_seen[t - 1]))
            g = self.g[0](g)
            s[t] = f[j] * s[t - 1] + i[j] * g
            o = sigmoid(o + self.blocks @ (column(u[2]) * s_seen[t]))
            y[t] = o[j] * self.h[0](s[t])
            a.append(V @ np.concatenate([x[t - 1], y[t], one]))
            steps.append((z, i, f, g, o))
        self.kept = x, s, y, steps
        return np.array(a) if state is None else (np.array(a), (s[T], y[T]))

    def backward(self, da, dstate=None):
        """da (T, K, B) -> dx (T, D, B); with dstate, (ds(T), dy(T)), also (ds(0), dy(0))."""
        x, s, y, steps = self.kept
        W, V, u = self.params.values()
        (T, D, B), j, blocks = x.shape, self.j, self.blocks
        dx, (ds, dy) = np.empty(x.shape), np.zeros((2, *s[0].shape)) if dstate is None else dstate
        for t in range(T, 0, -1):
            z, i, f, g, o = steps[t - 1]
            hs, from_outputs = self.h[0](s[t]), V.T @ da[t - 1]
            self.grads["V"] += da[t - 1] @ np.concatenate([x[t - 1], y[t], np.ones((1, B))]).T
            dy = dy + from_outputs[D:-1]
            do = o * (1 - o) * (blocks @ (hs * dy))
            ds = ds + o[j] * self.h[1](hs) * dy + column(u[2]) * do[j]
            dg = i[j] * self.g[1](g) * ds
            df = f * (1 - f) * (blocks @ (s[t - 1] * ds))
            di = i * (1 - i) * (blocks @ (g * ds))
            dnet = np.concatenate([di, df, dg, do])
            self.grads["W"] += dnet @ z.T
            du = di[j] * s[t - 1], df[j] * s[t - 1], do[j] * s[t]
            self.grads["u"] += [each.sum(axis=1) for each in du]
            dx[t - 1], dy, _ = np.split(W.T @ dnet, [D, len(z) - 1])
            dx[t - 1] += from_outputs[:D]
            ds = f[j] * ds + column(u[0]) * di[j] + column(u[1]) * df[j]
        return dx if dstate is None else (dx, (ds, dy))
