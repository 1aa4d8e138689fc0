"""An embedding on paper: a vector for each token. The fast one is scratchnet/layers/embedding.py.

y(t) = W[token(t)], the same as W^T onehot(token(t))        backward: dW[token(t)] += dy(t)
"""

import numpy as np

from scratchnet.plain.layer import Layer


class Embedding(Layer):
    """V vectors of D numbers."""

    def __init__(self, vocabulary_size, size, rng):
        super().__init__({"weight": (vocabulary_size, size)}, 1, rng)

    def forward(self, tokens):
        """tokens (T, B) whole numbers -> y (T, D, B)."""
        self.kept = tokens
        return np.array([self.params["weight"][now].T for now in tokens])

    def backward(self, dy):
        """dy (T, D, B) -> None: a token has no derivative."""
        for t, b in np.ndindex(self.kept.shape):
            self.grads["weight"][self.kept[t, b]] += dy[t, :, b]
