"""The original learning algorithm of LSTM, on paper: truncated RTRL. The fast one: blocks/learning.py.

Errors are cut where they leave a block: nothing flows back through recurrent weights and peepholes, as if
what they read were constants. What is left can be carried forward, one partial derivative P = ds_v/dw for
each cell and weight, so that all weights may change after every step (Gers, Schmidhuber & Cummins 2000).
Symbols as in cell_blocks.py; e = dE/da = sigmoid(a) - t, the papers' error with the other sign:

    eps_v  = sum_k V_kv e_k                             dE/dy_v, from this step alone
    es_v   = o_j h'(s_v) eps_v                          dE/ds_v
    P_g(t) = f_j P_g(t-1) + i_j g'(net_v) z             weights into the cell
    P_i(t) = f_j P_i(t-1) + g_v i_j (1 - i_j) z         weights into its input gate
    P_f(t) = f_j P_f(t-1) + s_v(t-1) f_j (1 - f_j) z    weights into its forget gate

    dE/dW_g = es_v P_g       dE/dW_i = sum_v es_v P_i       dE/dW_f = sum_v es_v P_f
    dE/dW_o = o (1 - o) sum_v h(s_v) eps_v z            dE/dV = e [x; y; 1]^T

Peepholes are treated like other weights, with s_v(t-1), for the output gate s_v(t), in the place of z.
"""

import numpy as np

from scratchnet.plain.cell_blocks import CellBlocks
from scratchnet.plain.layer import column, sigmoid


class OnlineCellBlocks(CellBlocks):
    """Blocks whose weights W, V, u may change between the steps of a stream."""

    def __init__(self, *weights, **nonlinearities):
        super().__init__(*weights, **nonlinearities)
        self.reset_state()

    def reset_state(self):
        """Begin a new stream."""
        Z = self.params["W"].shape[1]
        self.s, self.y = np.zeros((2, self.C))
        self.P = {gate: np.zeros((self.C, Z)) for gate in "gif"}  # ds_v/dw for each cell v and source
        self.P_u = {gate: np.zeros((self.C, self.C)) for gate in "if"}  # ds_v/du

    def step(self, x, t):
        """One step: inputs x (D,), targets t (K,) -> outputs (K,), gradients of its cross-entropy by name."""
        W, V, u = self.params.values()
        J, C, j, blocks = self.J, self.C, self.j, self.blocks
        z, s_before = np.concatenate([x, self.y, [1.0]]), self.s
        i, f, g, o = np.split(W @ z, [J, 2 * J, 2 * J + C])
        i, f = sigmoid(i + blocks @ (u[0] * s_before)), sigmoid(f + blocks @ (u[1] * s_before))
        g = self.g[0](g)
        self.s = f[j] * s_before + i[j] * g
        o, hs = sigmoid(o + blocks @ (u[2] * self.s)), self.h[0](self.s)
        self.y = o[j] * hs
        seen = np.concatenate([x, self.y, [1.0]])
        outputs = sigmoid(V @ seen)

        e = outputs - t
        eps = (V.T @ e)[len(x) : -1]
        do = o * (1 - o) * (blocks @ (hs * eps))
        es = o[j] * self.h[1](hs) * eps
        into = {"g": i[j] * self.g[1](g), "i": g * (i * (1 - i))[j], "f": s_before * (f * (1 - f))[j]}
        same_block = blocks[j]  # (C, C): which cells the peepholes of a cell's gates look at
        for gate in "gif":
            self.P[gate] = column(f[j]) * self.P[gate] + np.outer(into[gate], z)
        for gate in "if":
            self.P_u[gate] = column(f[j]) * self.P_u[gate] + np.outer(into[gate], s_before) * same_block
        cells = [es @ self.P_u["i"], es @ self.P_u["f"], do[j] * self.s]
        rows = [blocks @ (column(es) * self.P["i"]), blocks @ (column(es) * self.P["f"])]
        rows += [column(es) * self.P["g"], np.outer(do, z)]
        return outputs, {"W": np.concatenate(rows), "V": np.outer(e, seen), "u": np.array(cells)}
