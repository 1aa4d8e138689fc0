"""The simple recurrent layer (Elman 1990) on paper. The fast one is scratchnet/layers/rnn.py.

    h(t) = f(W_ih x(t) + b_ih + W_hh h(t-1) + b_hh)         f = tanh, or another        t = 1 .. T

Backpropagation through time walks from T to 1. The error of h(t) comes from above, dy(t), and from the step
after:

    dh(t)   = dy(t) + W_hh^T dnet(t+1)
    dnet(t) = f'(net) * dh(t)                               tanh' = 1 - tanh^2 = 1 - h(t)^2
    dx(t)   = W_ih^T dnet(t)
    dW_ih   = sum_t dnet(t) x(t)^T      dW_hh = sum_t dnet(t) h(t-1)^T      db_ih = db_hh = sum_t dnet(t)

Sums over t run over the B sequences, too.
"""

import numpy as np

from scratchnet.plain.layer import NONLINEARITIES, Layer, column


class RNN(Layer):
    """A layer of H hidden units that see D inputs and their own last outputs."""

    def __init__(self, input_size, hidden_size, rng, nonlinearity="tanh"):
        D, H = input_size, hidden_size
        self.f, self.slope = NONLINEARITIES[nonlinearity]
        shapes = {"weight_ih_l0": (H, D), "weight_hh_l0": (H, H), "bias_ih_l0": (H,), "bias_hh_l0": (H,)}
        super().__init__(shapes, 1 / np.sqrt(H), rng)

    def forward(self, x, state=None):
        """x (T, D, B) -> h (T, H, B); with a state, a tuple of h(0) (H, B), also (h(T),)."""
        W_ih, W_hh, b_ih, b_hh = self.params.values()
        T, _, B = x.shape
        h = np.zeros((T + 1, len(W_hh), B))
        if state is not None:
            h[0] = state[0]
        for t in range(1, T + 1):
            h[t] = self.f(W_ih @ x[t - 1] + column(b_ih) + W_hh @ h[t - 1] + column(b_hh))
        self.kept = x, h
        return h[1:] if state is None else (h[1:], (h[T],))

    def backward(self, dy, dstate=None):
        """dy (T, H, B) -> dx (T, D, B); with dstate, a tuple of dh(T), also (dh(0),)."""
        x, h = self.kept
        W_ih, W_hh, _, _ = self.params.values()
        dW_ih, dW_hh, db_ih, db_hh = self.grads.values()
        dx = np.empty(x.shape)
        dh = np.zeros(h[0].shape) if dstate is None else dstate[0]
        for t in range(len(x), 0, -1):
            dnet = self.slope(h[t]) * (dy[t - 1] + dh)
            dW_ih += dnet @ x[t - 1].T
            dW_hh += dnet @ h[t - 1].T
            db_ih += dnet.sum(axis=1)
            db_hh += dnet.sum(axis=1)
            dx[t - 1] = W_ih.T @ dnet
            dh = W_hh.T @ dnet
        return dx if dstate is None else (dx, (dh,))
