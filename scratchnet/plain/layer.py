"""What the plain layers share: parameters and their gradients by name, float64.

A layer has `params` and `grads`, two dicts of arrays with equal names and shapes.

    y = layer.forward(x)        keeps what backward needs
    dx = layer.backward(dy)     adds dE/dparam into grads, returns dE/dx

Letters:  T time steps, B sequences, D inputs, H hidden units.  A sequence is an array (T, D, B): step t is a
matrix with the vectors of B sequences as its columns, so that `W @ x[t] + b` reads as in a book.
"""

import numpy as np


class Layer:
    """Parameters, uniform in [-bound, bound]; `shapes` maps their names to their shapes."""

    def __init__(self, shapes, bound, rng):
        self.params = {name: rng.uniform(-bound, bound, shape) for name, shape in shapes.items()}
        self.grads = {name: np.zeros(shape) for name, shape in shapes.items()}

    def zero_grad(self):
        """Set all gradients to zero: `backward` adds to them."""
        for grad in self.grads.values():
            grad[...] = 0


def sigmoid(a):
    """1 / (1 + exp(-a)), without overflow: tanh does not overflow."""
    return (1 + np.tanh(a / 2)) / 2


def column(b):
    """A bias (H,) as a column (H, 1), to be added to each of B columns."""
    return b[:, None]


# name -> a function of the net input, and its derivative, written as a function of its value y
NONLINEARITIES = {
    "tanh": (np.tanh, lambda y: 1 - y**2),
    "sigmoid": (sigmoid, lambda y: y * (1 - y)),
    "relu": (lambda a: np.maximum(a, 0), lambda y: np.where(y > 0, 1.0, 0.0)),
    "identity": (lambda a: a, lambda y: 1.0),
    "paper g": (lambda a: 2 * np.tanh(a / 2), lambda y: 1 - y**2 / 4),  # 4 sigmoid(a) - 2
    "paper h": (lambda a: np.tanh(a / 2), lambda y: (1 - y**2) / 2),  # 2 sigmoid(a) - 1
}
