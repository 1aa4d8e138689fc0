"""Dropout (Srivastava et al. 2014) on paper. The fast one is scratchnet/layers/dropout.py.

    y = x * m / (1 - p)         m = 0 with probability p, else 1: drawn anew in every forward pass
    dx = dy * m / (1 - p)       so that the mean of y is x, and in evaluation y = x

A locked mask is one for all time steps (Gal & Ghahramani 2016).
"""

import numpy as np


class Dropout:
    """Each number is dropped with probability p."""

    def __init__(self, p, rng, locked=False):
        self.params, self.grads = {}, {}
        self.p, self.rng, self.locked, self.training = p, rng, locked, True

    def forward(self, x):
        """x (T, D, B) -> y (T, D, B)."""
        drawn = self.rng.random(x.shape[1:] if self.locked else x.shape, np.float32)
        self.gain = (drawn >= self.p) / (1 - self.p) if self.training else 1
        return x * self.gain

    def backward(self, dy):
        """dy (T, D, B) -> dx (T, D, B)."""
        return dy * self.gain
