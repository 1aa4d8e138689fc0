"""The gated recurrent unit (Cho et al. 2014, in cuDNN's and PyTorch's form) on paper. Fast: layers/gru.py.

    r(t) = sigmoid(W_r x(t) + b_r + R_r h(t-1) + s_r)               reset gate      W_ih = [W_r; W_u; W_n]
    u(t) = sigmoid(W_u x(t) + b_u + R_u h(t-1) + s_u)               update gate     W_hh = [R_r; R_u; R_n]
    q(t) = R_n h(t-1) + s_n                                                         b_ih = [b_r; b_u; b_n]
    n(t) = tanh(W_n x(t) + b_n + r(t) * q(t))                       candidate       b_hh = [s_r; s_u; s_n]
    h(t) = (1 - u(t)) * n(t) + u(t) * h(t-1)                        output

Backward, from T to 1:

    dh(t)  = dy(t) + u(t+1) * dh(t+1) + W_hh^T [dnet_r; dnet_u; dq](t+1)
    dnet_u = dh * (h(t-1) - n) * u (1 - u)
    dnet_n = dh * (1 - u) * (1 - n^2)
    dq     = dnet_n * r
    dnet_r = dnet_n * q * r (1 - r)
"""

import numpy as np

from scratchnet.plain.layer import Layer, column, sigmoid


class GRU(Layer):
    """A layer of H gated recurrent units with D inputs."""

    def __init__(self, input_size, hidden_size, rng):
        D, H = input_size, hidden_size
        shapes = {"weight_ih_l0": (3 * H, D), "weight_hh_l0": (3 * H, H)}
        shapes |= {"bias_ih_l0": (3 * H,), "bias_hh_l0": (3 * H,)}
        super().__init__(shapes, 1 / np.sqrt(H), rng)

    def forward(self, x, state=None):
        """x (T, D, B) -> h (T, H, B); with a state, a tuple of h(0) (H, B), also (h(T),)."""
        W_ih, W_hh, b_ih, b_hh = self.params.values()
        T, _, B = x.shape
        h = np.zeros((T + 1, W_hh.shape[1], B))
        if state is not None:
            h[0] = state[0]
        gates = []
        for t in range(1, T + 1):
            from_x = np.split(W_ih @ x[t - 1] + column(b_ih), 3)
            from_h = np.split(W_hh @ h[t - 1] + column(b_hh), 3)
            r, u, q = sigmoid(from_x[0] + from_h[0]), sigmoid(from_x[1] + from_h[1]), from_h[2]
            n = np.tanh(from_x[2] + r * q)
            h[t] = (1 - u) * n + u * h[t - 1]
            gates.append((r, u, n, q))
        self.kept = x, h, gates
        return h[1:] if state is None else (h[1:], (h[T],))

    def backward(self, dy, dstate=None):
        """dy (T, H, B) -> dx (T, D, B); with dstate, a tuple of dh(T), also (dh(0),)."""
        x, h, gates = self.kept
        W_ih, W_hh, _, _ = self.params.values()
        dW_ih, dW_hh, db_ih, db_hh = self.grads.values()
        dx = np.empty(x.shape)
        dh = np.zeros(h[0].shape) if dstate is None else dstate[0]
        for t in range(len(x), 0, -1):
            r, u, n, q = gates[t - 1]
            dh = dh + dy[t - 1]
            dnet_u = dh * (h[t - 1] - n) * u * (1 - u)
            dnet_n = dh * (1 - u) * (1 - n**2)
            dnet_r = dnet_n * q * r * (1 - r)
            into_x = np.concatenate([dnet_r, dnet_u, dnet_n])
            into_h = np.concatenate([dnet_r, dnet_u, dnet_n * r])
            dW_ih += into_x @ x[t - 1].T
            dW_hh += into_h @ h[t - 1].T
            db_ih += into_x.sum(axis=1)
            db_hh += into_h.sum(axis=1)
            dx[t - 1] = W_ih.T @ into_x
            dh = dh * u + W_hh.T @ into_h
        return dx if dstate is None else (dx, (dh,))
