"""The linear layer: one matrix product per time step, with no memory.

The same on a page of NumPy: plain/linear.py.

    symbol          what                            shape of the array
    x               inputs                          (T, D, B)
    y               outputs                         (T, K, B)
    W, b            weight, bias                    (K, D), (K,)
    d...            derivative of the loss by ...

Forward         y(t) = W x(t) + b
Backward        dW = sum_t dy(t) x(t)^T         db = sum_t,b dy(t)         dx(t) = W^T dy(t)

x may be tokens (T, B), whole numbers: W x(t) is then a column of W (see kernels/matmul.py).

Memory of a forward and backward pass: T B (2 D + 2 K) numbers. It has no kernels of its own: all is products.
"""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from scratchnet.annotations import Shape
from scratchnet.arguments import whole
from scratchnet.kernels.matmul import add_outer, apply, transpose
from scratchnet.layers.layer import Layer, check_dtype, expect, expect_gradient, expect_tokens, is_tokens


class Linear(Layer):
    """y = W x + b at every time step; `torch.nn.Linear` with features before the batch.

    Parameters
    ----------
    input_size, output_size : D and K
    rng : numpy Generator for the initial weights and biases, uniform in [-1, 1] / sqrt(D) as PyTorch's
    dtype : float32 or float64

    Attributes
    ----------
    params, grads : "weight" (K, D), "bias" (K,)

    Raises
    ------
    ValueError
        If a size is not positive, or dtype is neither.
    """

    skips_dx = True

    def __init__(
        self, input_size: int, output_size: int, rng: np.random.Generator, dtype: DTypeLike = np.float32
    ) -> None:
        super().__init__()
        self.input_size, self.output_size = whole(input_size, "input_size"), whole(output_size, "output_size")
        self.dtype = check_dtype(dtype)
        shapes = {"weight": (self.output_size, self.input_size), "bias": (self.output_size,)}
        self.add_uniform(rng, 1 / np.sqrt(self.input_size), shapes)

    def shape_after(self, shape: Shape) -> Shape:
        """(T, K, B)."""
        return shape[0], self.output_size, shape[-1]

    def forward(self, x: ArrayLike) -> np.ndarray:
        """y = W x + b.

        Parameters
        ----------
        x : array (T, D, B), or tokens (T, B); `backward` reads it again, so it must not change in between

        Returns
        -------
        y : array (T, K, B)

        Raises
        ------
        ValueError
            If the shape differs, a token is out of range or a number is not finite.
        """
        D = self.input_size
        if is_tokens(x):
            x = expect_tokens(x, D)
        else:
            x = expect(x, "x", f"T, {D}, B", (None, D, None), self.dtype, finite=self.check_finite)
        self._kept = x
        y = np.empty((len(x), self.output_size, x.shape[-1]), self.dtype)
        apply(self.params["weight"], x, self.params["bias"], y)
        return y

    def backward(self, dy: ArrayLike, need_dx: bool = True) -> np.ndarray | None:
        """Add the gradients of weight and bias to `grads`.

        Parameters
        ----------
        dy : array (T, K, B), derivative of the loss by what `forward` returned
        need_dx : whether to compute the derivative by the input

        Returns
        -------
        dx : array (T, D, B); None for tokens, or if it is not needed

        Raises
        ------
        ValueError
            If the shape differs, or there was no forward pass.
        """
        x, K = self.last_pass(), self.output_size
        dy = expect_gradient(dy, (len(x), K, x.shape[-1]), self.dtype)
        add_outer(dy, x, self.grads["weight"], self.grads["bias"])
        if x.ndim == 2 or not need_dx:
            return None
        dx = np.empty_like(x)
        apply(transpose(self.params["weight"]), dy, np.zeros(self.input_size, self.dtype), dx)
        return dx
