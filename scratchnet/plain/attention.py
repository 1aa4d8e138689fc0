"""Feed-forward attention over the past (Raffel & Ellis 2015) on paper: O(T^2). Fast: layers/attention.py.

    e(t)       = tanh(W h(t) + b)                               scores, R = 1 of them a step, or R = H
    alpha_t(k) = exp(e(k)) / sum_{j<=t} exp(e(j))               a softmax over the past, k <= t
    c(t)       = sum_{k<=t} alpha_t(k) * h(k)                   context
    y(t)       = [h(t); c(t)]

Backward. c(t) depends on h(k) directly, and through e(k) by the softmax, whose derivative is
dalpha_t(k)/de(j) = alpha_t(k) (delta_kj - alpha_t(j)):

    de(k) = sum_{t>=k} alpha_t(k) * (dc(t) . h(k) - dc(t) . c(t))         . summed over H if R = 1, else * (1)
    dh(k) = dy_h(k) + sum_{t>=k} alpha_t(k) * dc(t) + W^T dnet(k)         dnet = de * (1 - e^2)          (2)
    dW    = sum_k dnet(k) h(k)^T      db = sum_k dnet(k)

Why the fast one needs one pass only. Write a(k) = alpha_k(k), the weight of the newest step. A new step
shrinks all older weights alike: alpha_t(k) = (1 - a(t)) alpha_(t-1)(k). Hence, for k <= t,

    alpha_t(k) = a(k) (1 - a(k+1)) ... (1 - a(t))

In (1) and (2) a(k) can be taken out of the sums over t, and what is left are two sums for all k at once:

    A(k) = sum_{t>=k} (1 - a(k+1)) ... (1 - a(t)) dc(t)         = dc(k)        + (1 - a(k+1)) A(k+1)
    K(k) = sum_{t>=k} (1 - a(k+1)) ... (1 - a(t)) dc(t) . c(t)  = dc(k) . c(k) + (1 - a(k+1)) K(k+1)

    de(k) = a(k) (h(k) . A(k) - K(k))           sum_{t>=k} alpha_t(k) * dc(t) = a(k) A(k)
"""

import numpy as np

from scratchnet.plain.layer import Layer, column


class Attention(Layer):
    """Each h(t), and below it the weighted mean of h(1) .. h(t)."""

    def __init__(self, hidden_size, rng, score="scalar", tanh=True):
        self.R, self.tanh = (1 if score == "scalar" else hidden_size), tanh
        shapes = {"weight": (self.R, hidden_size), "bias": (self.R,)}
        super().__init__(shapes, 1 / np.sqrt(hidden_size), rng)

    def forward(self, h):
        """h (T, H, B) -> y (T, 2 H, B)."""
        W, b = self.params.values()
        net = np.array([W @ now + column(b) for now in h])
        e = np.tanh(net) if self.tanh else net
        c, alpha = np.zeros(h.shape), []
        for t in range(len(h)):
            past = np.exp(e[: t + 1] - e[: t + 1].max(axis=0))
            alpha.append(past / past.sum(axis=0))
            c[t] = (alpha[t] * h[: t + 1]).sum(axis=0)
        self.kept = h, e, c, alpha
        return np.concatenate([h, c], axis=1)

    def backward(self, dy):
        """dy (T, 2 H, B) -> dh (T, H, B)."""
        h, e, c, alpha = self.kept
        dh, dc = np.split(dy, 2, axis=1)
        dh, de = dh.copy(), np.zeros(e.shape)
        for t in range(len(h)):
            for k in range(t + 1):
                gain = dc[t] * (h[k] - c[t])
                de[k] += alpha[t][k] * (gain.sum(axis=0) if self.R == 1 else gain)
                dh[k] += alpha[t][k] * dc[t]
        dnet = de * (1 - e**2) if self.tanh else de
        for k in range(len(h)):
            self.grads["weight"] += dnet[k] @ h[k].T
            self.grads["bias"] += dnet[k].sum(axis=1)
            dh[k] += self.params["weight"].T @ dnet[k]
        return dh
