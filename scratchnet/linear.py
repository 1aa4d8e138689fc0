"""The linear layer: one product a time step, with no memory.

    symbol          what                            shape of the array
    x               inputs                          (T, D, B)
    y               outputs                         (T, K, B)
    W, b            weight, bias                    (K, D), (K,)
    d...            derivative of the loss by ...

Forward         y(t) = W x(t) + b
Backward        dW = sum_t dy(t) x(t)^T         db = sum_t,b dy(t)         dx(t) = W^T dy(t)

Memory of a forward and backward pass: T B (2 D + K) numbers. NumPy's products do all the work; no kernels.
"""

import numpy as np

from scratchnet.layer import Layer, expect


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
        If a size is not positive, or dtype is another.
    """

    def __init__(self, input_size, output_size, rng, dtype=np.float32):
        super().__init__()
        if min(input_size, output_size) < 1:
            raise ValueError(f"expected sizes D >= 1 and K >= 1, got D = {input_size}, K = {output_size}")
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"expected dtype float32 or float64, got {dtype}")
        self.input_size, self.output_size, self.dtype = input_size, output_size, np.dtype(dtype)
        bound = 1 / np.sqrt(input_size)
        for name, shape in {"weight": (output_size, input_size), "bias": (output_size,)}.items():
            self.params[name] = rng.uniform(-bound, bound, shape).astype(dtype)
            self.grads[name] = np.zeros(shape, dtype)

    def forward(self, x):
        """y = W x + b.

        Parameters
        ----------
        x : array (T, D, B); `backward` reads it again, so it must not change in between

        Returns
        -------
        y : array (T, K, B)

        Raises
        ------
        ValueError
            If the shape differs or a number is not finite.
        """
        x = expect(x, "x", f"T, {self.input_size}, B", (None, self.input_size, None), self.dtype)
        self._kept = x
        y = self.params["weight"] @ x
        y += self.params["bias"][:, None]
        return y

    def backward(self, dy):
        """Add the gradients of weight and bias to `grads`; return dx (T, D, B).

        Parameters
        ----------
        dy : array (T, K, B), derivative of the loss by what `forward` returned
        """
        x = self._kept
        T, _, B = x.shape
        dy = expect(dy, "dy", f"{T}, {self.output_size}, {B}", (T, self.output_size, B), self.dtype)
        self.grads["weight"] += np.tensordot(dy, x, ((0, 2), (0, 2)))  # one product sums over time and batch
        self.grads["bias"] += dy.sum((0, 2))
        return self.params["weight"].T @ dy
