"""Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000) on paper. Fast: layers/lstm.py.

    i(t) = sigmoid(W_i x(t) + R_i h(t-1) + b_i [+ p_i * c(t-1)])    input gate      W_i .. W_o are stacked in
    f(t) = sigmoid(W_f x(t) + R_f h(t-1) + b_f [+ p_f * c(t-1)])    forget gate     W_ih, R_i .. R_o in W_hh,
    g(t) =    tanh(W_g x(t) + R_g h(t-1) + b_g)                     cell input      b_i .. b_o in b_ih + b_hh
    c(t) = f(t) * c(t-1) + i(t) * g(t)                              cell state
    o(t) = sigmoid(W_o x(t) + R_o h(t-1) + b_o [+ p_o * c(t)])      output gate     [peepholes: Gers et al.
    h(t) = o(t) * tanh(c(t))                                        output           2002]

Backward, from T to 1; the error of the cell state flows on through f alone, and so does not vanish:

    dh(t)  = dy(t) + W_hh^T dnet(t+1)
    dnet_o = dh * tanh(c) * o (1 - o)
    dc(t)  = dh * o * (1 - tanh(c)^2) + dc(t+1) * f(t+1) [+ p_o dnet_o + p_i dnet_i(t+1) + p_f dnet_f(t+1)]
    dnet_i = dc * g * i (1 - i)     dnet_f = dc * c(t-1) * f (1 - f)     dnet_g = dc * i * (1 - g^2)
    [dp_i = sum_t dnet_i * c(t-1)   dp_f = sum_t dnet_f * c(t-1)         dp_o = sum_t dnet_o * c(t)]
"""

import numpy as np

from scratchnet.plain.layer import Layer, column, sigmoid


class LSTM(Layer):
    """A layer of H memory cells with D inputs."""

    def __init__(self, input_size, hidden_size, rng, peepholes=False):
        D, H = input_size, hidden_size
        shapes = {"weight_ih_l0": (4 * H, D), "weight_hh_l0": (4 * H, H)}
        shapes |= {"bias_ih_l0": (4 * H,), "bias_hh_l0": (4 * H,)}
        shapes |= {"peephole_l0": (3, H)} if peepholes else {}
        super().__init__(shapes, 1 / np.sqrt(H), rng)

    def forward(self, x, state=None):
        """x (T, D, B) -> h (T, H, B); with a state, (h(0), c(0)) (H, B) each, also (h(T), c(T))."""
        W_ih, W_hh, b_ih, b_hh, *peephole = self.params.values()
        T, H, B = len(x), W_hh.shape[1], x.shape[2]
        p_i, p_f, p_o = peephole[0][:, :, None] if peephole else (0, 0, 0)
        h, c = np.zeros((2, T + 1, H, B))
        if state is not None:
            h[0], c[0] = state
        gates = []
        for t in range(1, T + 1):
            net = W_ih @ x[t - 1] + column(b_ih) + W_hh @ h[t - 1] + column(b_hh)
            i, f, g, o = np.split(net, 4)
            i, f, g = sigmoid(i + p_i * c[t - 1]), sigmoid(f + p_f * c[t - 1]), np.tanh(g)
            c[t] = f * c[t - 1] + i * g
            o = sigmoid(o + p_o * c[t])
            h[t] = o * np.tanh(c[t])
            gates.append((i, f, g, o))
        self.kept = x, h, c, gates
        return h[1:] if state is None else (h[1:], (h[T], c[T]))

    def backward(self, dy, dstate=None):
        """dy (T, H, B) -> dx (T, D, B); with dstate, (dh(T), dc(T)), also (dh(0), dc(0))."""
        x, h, c, gates = self.kept
        W_ih, W_hh, _, _, *peephole = self.params.values()
        dW_ih, dW_hh, db_ih, db_hh, *dpeephole = self.grads.values()
        p_i, p_f, p_o = peephole[0][:, :, None] if peephole else (0, 0, 0)
        dx = np.empty(x.shape)
        dh, dc = np.zeros((2, *h[0].shape)) if dstate is None else dstate
        for t in range(len(x), 0, -1):
            i, f, g, o = gates[t - 1]
            dh = dh + dy[t - 1]
            dnet_o = dh * np.tanh(c[t]) * o * (1 - o)
            dc = dc + dh * o * (1 - np.tanh(c[t]) ** 2) + p_o * dnet_o
            dnet_i = dc * g * i * (1 - i)
            dnet_f = dc * c[t - 1] * f * (1 - f)
            dnet = np.concatenate([dnet_i, dnet_f, dc * i * (1 - g**2), dnet_o])
            dW_ih += dnet @ x[t - 1].T
            dW_hh += dnet @ h[t - 1].T
            db_ih += dnet.sum(axis=1)
            db_hh += dnet.sum(axis=1)
            for dp in dpeephole:
                dp += [(dnet_i * c[t - 1]).sum(1), (dnet_f * c[t - 1]).sum(1), (dnet_o * c[t]).sum(1)]
            dx[t - 1] = W_ih.T @ dnet
            dh, dc = W_hh.T @ dnet, dc * f + p_i * dnet_i + p_f * dnet_f
        return dx if dstate is None else (dx, (dh, dc))
