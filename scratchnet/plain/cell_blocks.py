"""LSTM memory blocks of 2002 with forget gates, on paper: full gradient. The fast ones: cell_blocks.py.

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

from scratchnet.plain.layer import column, sigmoid


class CellBlocks:
    """W (3J + C, Z) with the rows i, f, g, o; V (K, Z); Z = D + C + 1; peepholes u (3, C), zeros for none."""

    def __init__(self, W, V, block_of, u=None):
        self.block_of = np.asarray(block_of)
        self.J, self.C = self.block_of.max() + 1, len(self.block_of)
        u = np.zeros((3, self.C)) if u is None else u
        self.params = {"W": W, "V": V, "u": u}
        self.grads = {name: np.zeros(param.shape) for name, param in self.params.items()}
        self.blocks = (np.arange(self.J)[:, None] == self.block_of).astype(
            float
        )  # @: sum over a block's cells

    def forward(self, x):
        """x (T, D, B) -> a (T, K, B)."""
        W, V, u = self.params.values()
        (T, _, B), J, C, j = x.shape, self.J, self.C, self.block_of
        s, y, one = np.zeros((T + 1, C, B)), np.zeros((T + 1, C, B)), np.ones((1, B))
        a, steps = [], []
        for t in range(1, T + 1):
            z = np.concatenate([x[t - 1], y[t - 1], one])
            i, f, g, o = np.split(W @ z, [J, 2 * J, 2 * J + C])
            i = sigmoid(i + self.blocks @ (column(u[0]) * s[t - 1]))
            f = sigmoid(f + self.blocks @ (column(u[1]) * s[t - 1]))
            g = 2 * np.tanh(g / 2)
            s[t] = f[j] * s[t - 1] + i[j] * g
            o = sigmoid(o + self.blocks @ (column(u[2]) * s[t]))
            y[t] = o[j] * np.tanh(s[t] / 2)
            a.append(V @ np.concatenate([x[t - 1], y[t], one]))
            steps.append((z, i, f, g, o))
        self.kept = x, s, y, steps
        return np.array(a)

    def backward(self, da):
        """da (T, K, B) -> dx (T, D, B)."""
        x, s, y, steps = self.kept
        W, V, u = self.params.values()
        (T, D, B), j, blocks = x.shape, self.block_of, self.blocks
        dx, ds, dz, one = np.empty(x.shape), np.zeros(s[0].shape), np.zeros((len(W[0]), B)), np.ones((1, B))
        for t in range(T, 0, -1):
            z, i, f, g, o = steps[t - 1]
            hs, seen = np.tanh(s[t] / 2), np.concatenate([x[t - 1], y[t], one])
            from_outputs = V.T @ da[t - 1]
            self.grads["V"] += da[t - 1] @ seen.T
            dy = from_outputs[D:-1] + dz[D:-1]
            do = o * (1 - o) * (blocks @ (hs * dy))
            ds = ds + o[j] * (1 - hs**2) / 2 * dy + column(u[2]) * do[j]
            dg = i[j] * (1 - g**2 / 4) * ds
            df = f * (1 - f) * (blocks @ (s[t - 1] * ds))
            di = i * (1 - i) * (blocks @ (g * ds))
            dnet = np.concatenate([di, df, dg, do])
            self.grads["W"] += dnet @ z.T
            du = di[j] * s[t - 1], df[j] * s[t - 1], do[j] * s[t]
            self.grads["u"] += [each.sum(axis=1) for each in du]
            dz = W.T @ dnet
            dx[t - 1] = from_outputs[:D] + dz[:D]
            ds = f[j] * ds + column(u[0]) * di[j] + column(u[1]) * df[j]
        return dx
