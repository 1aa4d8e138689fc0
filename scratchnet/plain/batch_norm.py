"""Batch normalisation (Ioffe & Szegedy 2015) on paper. The fast one is scratchnet/layers/batch_norm.py.

    mu = mean of x      v = mean of (x - mu)^2          over time and batch, N numbers of each feature
    z  = (x - mu) / sqrt(v + eps)
    y  = gamma z + beta

Backward. z depends on x directly, through mu and through v. The derivatives by these two are
-dz / sqrt(v + eps) and -z dz / (2 (v + eps)), summed; put together:

    dgamma = sum dy z      dbeta = sum dy
    dx     = gamma / sqrt(v + eps) * (dy - dbeta / N - z dgamma / N)

In evaluation mu and v are running means, which do not depend on x: dx = gamma / sqrt(v + eps) dy.
"""

import numpy as np


class BatchNorm:
    """Every one of D features with mean 0 and variance 1, then scaled and shifted."""

    def __init__(self, num_features, momentum=0.1, eps=1e-5):
        D = num_features
        self.params = {"weight": np.ones(D), "bias": np.zeros(D)}
        self.grads = {"weight": np.zeros(D), "bias": np.zeros(D)}
        self.running = {"running_mean": np.zeros(D), "running_var": np.ones(D)}
        self.momentum, self.eps, self.training = momentum, eps, True

    def forward(self, x):
        """x (T, D, B) -> y (T, D, B)."""
        mean, variance = self.running.values()
        if self.training:
            N, p = x.shape[0] * x.shape[2], self.momentum
            mu, v = x.mean(axis=(0, 2)), x.var(axis=(0, 2))
            mean += p * (mu - mean)
            variance += p * (v * N / (N - 1) - variance)
            mean, variance = mu, v
        deviation = np.sqrt(variance + self.eps)
        z = (x - mean[:, None]) / deviation[:, None]
        self.kept = z, deviation
        return self.params["weight"][:, None] * z + self.params["bias"][:, None]

    def backward(self, dy):
        """dy (T, D, B) -> dx (T, D, B)."""
        z, deviation = self.kept
        N = dy.shape[0] * dy.shape[2]
        dgamma, dbeta = (dy * z).sum(axis=(0, 2)), dy.sum(axis=(0, 2))
        self.grads["weight"] += dgamma
        self.grads["bias"] += dbeta
        if self.training:
            dy = dy - dbeta[:, None] / N - z * dgamma[:, None] / N
        return (self.params["weight"] / deviation)[:, None] * dy
