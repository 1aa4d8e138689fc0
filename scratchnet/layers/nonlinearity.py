"""A nonlinear function as a layer, to follow a linear layer or a convolution.

    symbol          what                                            shape of the array
    x, y            inputs, outputs                                 (T, D, B)
    f               tanh, relu or sigmoid
    d...            derivative of the loss by ...

Forward         y = f(x)            relu(x) = max(x, 0)             (functions: kernels/activations.py)
Backward        dx = f'(x) * dy, of y:
                tanh    f' = 1 - y^2
                relu    f' = 1 where y > 0, otherwise 0 (PyTorch's choice at x = 0)
                sigmoid f' = y (1 - y)

Memory of a forward and backward pass: T B 3 D numbers (y is kept, x is not).
"""

import numpy as np
from numpy.typing import ArrayLike

from scratchnet.arguments import as_array, one_of
from scratchnet.kernels import team
from scratchnet.kernels.activations import sigmoid, tanh
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.team import worker_slice
from scratchnet.layers.layer import Layer, check_dtype, expect, expect_gradient
from scratchnet.layers.rnn import NONLINEARITIES, RELU, TANH

PARALLEL_FROM = 2**18  # numbers; see team.workers_for


@kernel
def forward(p, P, x, y, f):
    """y = f(x); flat arrays, of which a worker takes a slice."""
    lo, hi = worker_slice(p, P, x.size)
    x, y, zero = x[lo:hi], y[lo:hi], x.dtype.type(0)
    if f == TANH:
        for k in range(x.size):
            y[k] = tanh(x[k])
    elif f == RELU:
        for k in range(x.size):
            y[k] = max(x[k], zero)  # in this order NaN stays NaN
    else:
        for k in range(x.size):
            y[k] = sigmoid(x[k])


@kernel
def backward(p, P, y, dy, dx, f):
    """dx = f' dy; flat arrays."""
    lo, hi = worker_slice(p, P, y.size)
    y, dy, dx = y[lo:hi], dy[lo:hi], dx[lo:hi]
    one, zero = y.dtype.type(1), y.dtype.type(0)
    if f == TANH:
        for k in range(y.size):
            dx[k] = (one - y[k] * y[k]) * dy[k]
    elif f == RELU:
        for k in range(y.size):
            d = dy[k]  # read in any case: a select is faster than a branch
            dx[k] = zero if y[k] <= zero else d
    else:
        for k in range(y.size):
            dx[k] = y[k] * (one - y[k]) * dy[k]


class Nonlinearity(Layer):
    """y = f(x), element by element; `torch.nn.Tanh`, `ReLU`, `Sigmoid`. It has no parameters.

    Parameters
    ----------
    kind : "tanh", "relu" or "sigmoid"

    Raises
    ------
    ValueError
        If the kind is none of these.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = one_of(kind, "kind", NONLINEARITIES)

    def forward(self, x: ArrayLike) -> np.ndarray:
        """y = f(x).

        Parameters
        ----------
        x : array (T, D, B), float32 or float64

        Returns
        -------
        y : array (T, D, B) of the same precision; `backward` reads it again, so it must not change

        Raises
        ------
        ValueError
            If the shape differs or a number is not finite.
        """
        dtype = check_dtype(as_array(x, "x").dtype)
        x = expect(x, "x", "T, D, B", (None, None, None), dtype, finite=self.check_finite)
        self._kept = y = np.empty_like(x)
        self._run(forward, x, y)
        return y

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """dx (T, D, B).

        Parameters
        ----------
        dy : array (T, D, B), derivative of the loss by what `forward` returned

        Raises
        ------
        ValueError
            If the shape differs, or there was no forward pass.
        """
        y = self.last_pass()
        dy = expect_gradient(dy, y.shape, y.dtype)
        dx = np.empty_like(y)
        self._run(backward, y, dy, dx)
        return dx

    def _run(self, job, *arrays):
        flat = (array.reshape(-1) for array in arrays)
        workers = team.workers_for(arrays[0].size, PARALLEL_FROM)
        team.run(job, *flat, NONLINEARITIES[self.kind], workers=workers)
