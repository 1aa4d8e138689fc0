"""How weights follow gradients.

    Momentum (Plaut, Nowlan & Hinton 1986)      v <- m v - lr dE/dw ;   w <- w + v   (in effect lr / (1 - m))
    Adam (Kingma & Ba 2015, algorithm 1)        m <- b1 m + (1-b1) g ;  v <- b2 v + (1-b2) g^2
                                                w <- w - lr (m / (1 - b1^n)) / (sqrt(v / (1 - b2^n)) + eps)

An optimizer holds references to the arrays of `params` and `grads` and changes the params in place.
"""

import abc

import numpy as np


def clip_global_norm(grads, limit):
    """Scale all gradients so that their common Euclidean norm is at most `limit`. Returns the norm before.

    Raises
    ------
    ValueError
        If `limit` is not positive.
    """
    if not limit > 0:
        raise ValueError(f"expected limit > 0, got {limit}")
    norm = float(np.sqrt(sum(np.square(grad, dtype=np.float64).sum() for grad in grads.values())))
    if norm > limit:
        for grad in grads.values():
            grad *= limit / norm
    return norm


class Optimizer(abc.ABC):
    """Base class. `lr`, the learning rate, may be changed between steps.

    Parameters
    ----------
    params, grads : dicts of arrays with equal keys and shapes
    lr : learning rate, positive

    Raises
    ------
    ValueError
        If lr is not a positive number.
    """

    slots = ()  # names of the arrays kept beside every parameter

    def __init__(self, params, grads, lr):
        if not 0 < lr < float("inf"):
            raise ValueError(f"expected lr > 0, got {lr}")
        self.params, self.grads, self.lr, self.steps = params, grads, lr, 0
        self.memory = {
            slot: {name: np.zeros_like(param) for name, param in params.items()} for slot in self.slots
        }

    def step(self):
        """Change every parameter once, by its gradient."""
        self.steps += 1
        for name, w in self.params.items():
            self.update(w, self.grads[name], *(self.memory[slot][name] for slot in self.slots))

    @abc.abstractmethod
    def update(self, w, g, *memory):
        """Change the array w in place, given its gradient g and what is remembered of it."""


class SGD(Optimizer):
    """Gradient descent with momentum, in Plaut's form."""

    slots = ("velocity",)

    def __init__(self, params, grads, lr, momentum=0.0):
        super().__init__(params, grads, lr)
        if not 0 <= momentum < 1:
            raise ValueError(f"expected 0 <= momentum < 1, got {momentum}")
        self.momentum = momentum

    def update(self, w, g, v):
        v *= self.momentum
        v -= self.lr * g
        w += v


class Adam(Optimizer):
    """Adaptive moments."""

    slots = ("m", "v")

    def __init__(self, params, grads, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, grads, lr)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"expected betas in [0, 1), got {betas}")
        self.betas, self.eps = betas, eps

    def update(self, w, g, m, v):
        b1, b2 = self.betas
        m += (1 - b1) * (g - m)
        v += (1 - b2) * (g * g - v)
        w -= (self.lr / (1 - b1**self.steps)) * m / (np.sqrt(v / (1 - b2**self.steps)) + self.eps)
