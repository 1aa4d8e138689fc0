"""The linear layer on paper. The fast one is scratchnet/layers/linear.py.

y(t) = W x(t) + b

dW = sum_t dy(t) x(t)^T      db = sum_t dy(t)      dx(t) = W^T dy(t)
"""

import numpy as np

from scratchnet.plain.layer import Layer, column


class Linear(Layer):
    """K outputs, each a weighted sum of D inputs."""

    def __init__(self, input_size, output_size, rng):
        shapes = {"weight": (output_size, input_size), "bias": (output_size,)}
        super().__init__(shapes, 1 / np.sqrt(input_size), rng)

    def forward(self, x):
        """x (T, D, B) -> y (T, K, B)."""
        self.kept = x
        return np.array([self.params["weight"] @ now + column(self.params["bias"]) for now in x])

    def backward(self, dy):
        """dy (T, K, B) -> dx (T, D, B)."""
        for now, dnow in zip(self.kept, dy, strict=True):
            self.grads["weight"] += dnow @ now.T
            self.grads["bias"] += dnow.sum(axis=1)
        return np.array([self.params["weight"].T @ dnow for dnow in dy])
