"""The fully recurrent network (Williams & Zipser 1989) on paper. The fast one: blocks/fully_recurrent.py.

Each of H units sees z(t) = [x(t); y(t-1); 1]: all inputs, and all units a step ago. The first K are outputs.

    a(t) = W z(t)       y(t) = sigmoid(a(t))            R: the columns of W that read y

The loss is cross-entropy, so e(t) = dE/da(t) = y(t) - target(t) for the outputs, zero for other units. The
gradient backwards in time (BPTT), t = T .. 1:

    da(t) = e(t) + y (1 - y) * R^T da(t+1)      dW = sum_t da(t) z(t)^T

and forwards (real-time recurrent learning, RTRL), with p^k_ij = dy_k/dw_ij, zero at first, for all k, i, j:

    q^k_ij(t)  = sum_l R_kl p^l_ij(t-1) + delta_ik z_j(t)           da_k/dw_ij
    dE/dw_ij   = sum_k e_k q^k_ij(t)
    p^k_ij(t)  = y_k (1 - y_k) q^k_ij(t)
"""

import numpy as np

from scratchnet.plain.layer import Layer, sigmoid


class FullyRecurrent(Layer):
    """H units with D inputs, of which the first K are outputs."""

    def __init__(self, input_size, hidden_size, output_size, rng):
        self.D, self.H, self.K = input_size, hidden_size, output_size
        super().__init__({"weight": (self.H, self.D + self.H + 1)}, 0.1, rng)
        self.reset_state()

    def forward(self, x, state=None):
        """x (T, D, B) -> a (T, K, B); with a state, a tuple of y(0) (H, B), also (y(T),)."""
        y, a, self.kept = np.zeros((self.H, x.shape[2])) if state is None else state[0], [], []
        for now in x:
            z = np.concatenate([now, y, np.ones((1, x.shape[2]))])
            a.append(self.params["weight"] @ z)
            y = sigmoid(a[-1])
            self.kept.append((z, y))
        a = np.array(a)[:, : self.K]
        return a if state is None else (a, (y,))

    def backward(self, da, dstate=None):
        """da (T, K, B) -> dx (T, D, B); with dstate, a tuple of dy(T), also (dy(0),)."""
        dy = np.zeros((self.H, da.shape[2])) if dstate is None else dstate[0]
        dx = []
        for (z, y), e in zip(reversed(self.kept), da[::-1], strict=True):
            dnet = y * (1 - y) * dy
            dnet[: self.K] += e
            self.grads["weight"] += dnet @ z.T
            dz = self.params["weight"].T @ dnet
            dx.append(dz[: self.D])
            dy = dz[self.D : -1]
        dx = np.array(dx[::-1])
        return dx if dstate is None else (dx, (dy,))

    def reset_state(self):
        """Begin a new stream."""
        self.y, self.p = np.zeros(self.H), np.zeros((self.H, *self.params["weight"].shape))

    def step(self, x, t):
        """One step of a stream, x (D,), t (K,) -> outputs (K,), gradient of its cross-entropy (H, Z)."""
        W = self.params["weight"]
        z = np.concatenate([x, self.y, [1.0]])
        q = np.tensordot(W[:, self.D : -1], self.p, 1)
        for i in range(self.H):
            q[i, i] += z
        y = self.y = sigmoid(W @ z)
        self.p = (y * (1 - y))[:, None, None] * q
        return y[: self.K], np.tensordot(y[: self.K] - t, q[: self.K], 1)
