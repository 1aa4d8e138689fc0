"""Convolution over time on paper: K linear layers, each on a shifted input. The fast one: layers/conv1d.py.

    y(t) = sum_k W_k x(t s - q + k) + b                 k = 0 .. K - 1;  x is zero where there is no such step

s is the stride. q steps of padding stand before the first input: none ("valid"), K - 1 ("causal", no output
sees a later input), or half of what makes T outputs of T inputs ("same").

    dW_k = sum_t dy(t) x(t s - q + k)^T      db = sum_t dy(t)      dx(t s - q + k) += W_k^T dy(t)
"""

import numpy as np

from scratchnet.plain.layer import Layer, column


class Conv1D(Layer):
    """C outputs a step, each from K steps of D inputs."""

    def __init__(self, input_size, output_size, kernel_size, rng, padding="valid", stride=1):
        D, C, K = input_size, output_size, kernel_size
        super().__init__({"weight": (C, D, K), "bias": (C,)}, 1 / np.sqrt(D * K), rng)
        self.K, self.padding, self.stride = K, padding, stride

    def forward(self, x):
        """x (T, D, B) -> y (T', C, B)."""
        T, K, s = len(x), self.K, self.stride
        steps = (T - K) // s + 1 if self.padding == "valid" else (T - 1) // s + 1
        missing = max(0, (steps - 1) * s + K - T)
        before = {"valid": 0, "causal": K - 1, "same": missing // 2}[self.padding]
        padded = np.pad(x, ((before, max(0, missing - before)), (0, 0), (0, 0)))
        self.kept = padded, before, T
        W, b = self.params.values()
        return np.array(
            [sum(W[:, :, k] @ padded[t * s + k] for k in range(K)) + column(b) for t in range(steps)]
        )

    def backward(self, dy):
        """dy (T', C, B) -> dx (T, D, B)."""
        padded, before, T = self.kept
        dpadded = np.zeros(padded.shape)
        for t, dnow in enumerate(dy):
            for k in range(self.K):
                u = t * self.stride + k
                self.grads["weight"][:, :, k] += dnow @ padded[u].T
                dpadded[u] += self.params["weight"][:, :, k].T @ dnow
            self.grads["bias"] += dnow.sum(axis=1)
        return dpadded[before : before + T]
