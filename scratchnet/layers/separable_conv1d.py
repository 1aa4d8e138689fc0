"""Depthwise-separable convolution: each feature is convolved on its own, then a linear layer mixes them.

    symbol          what                                                shape of the array
    x               inputs                                              (T, D, B)
    v               inputs convolved, feature by feature                (T', D, B)
    y               outputs                                             (T', C, B)
    w               depthwise weights                                   (D, 1, K)
    W, b            pointwise weight, bias                              (C, D, 1), (C,)
    s, q            stride, padding before the first input: see convolution.py
    d...            derivative of the loss by ...

Forward         v(t) = sum_k w_k * x(t s - q + k)           (* element by element)
                y(t) = W v(t) + b
Backward        dv(t) = W^T dy(t)       dW = sum_t dy(t) v(t)^T         db = sum_t,b dy(t)
                dw_k = sum_t,b dv(t) * x(t s - q + k)
                dx(u) = sum_k w_k * dv(t)  over all k for which t = (u + q - k) / s is a step of v

D K + C D weights instead of C D K (Chollet 2017, "Xception"; Keras' SeparableConv1D with depth multiplier 1).
There is nothing between the two parts, neither a bias nor a nonlinearity.

Memory of a forward and backward pass: T B 2 D + T' B (2 D + 2 C) numbers.
"""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from scratchnet.annotations import Shape, State
from scratchnet.kernels import team
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.rows import add_scaled, dot
from scratchnet.kernels.team import worker_slice
from scratchnet.layers.conv1d import Conv1D
from scratchnet.layers.convolution import Convolution, output_step
from scratchnet.layers.layer import Layer

PARALLEL_FROM = 2**18  # multiplications; see team.workers_for


@kernel
def forward(p, P, w, x, back, stride, v):
    """v(t) = sum_k w(k) * x(t stride - back + k); w (K, D). The workers share the features."""
    lo, hi = worker_slice(p, P, w.shape[1])
    for t in range(len(v)):
        v[t, lo:hi] = 0
        for k in range(len(w)):
            u = t * stride - back + k
            if 0 <= u < len(x):
                for d in range(lo, hi):
                    add_scaled(w[k, d], x[u, d], v[t, d])


@kernel
def backward(p, P, w, dv, back, stride, dx):
    """dx(u) = sum of w(k) * dv(t) where u = t stride - back + k."""
    lo, hi = worker_slice(p, P, w.shape[1])
    for u in range(len(dx)):
        dx[u, lo:hi] = 0
        for k in range(len(w)):
            t = output_step(u, k, back, stride, len(dv))
            if t >= 0:
                for d in range(lo, hi):
                    add_scaled(w[k, d], dv[t, d], dx[u, d])


@kernel
def backward_weights(p, P, dv, x, back, stride, dw):
    """dw(k) += sum_t,b dv(t) * x(t stride - back + k); dw (K, D)."""
    lo, hi = worker_slice(p, P, dw.shape[1])
    for t in range(len(dv)):
        for k in range(len(dw)):
            u = t * stride - back + k
            if 0 <= u < len(x):
                for d in range(lo, hi):
                    dw[k, d] += dot(dv[t, d], x[u, d])


class DepthwiseConv1D(Convolution):
    """Each feature is convolved on its own; `torch.nn.Conv1d(D, D, K, groups=D, bias=False)`.

    Parameters
    ----------
    input_size : D
    kernel_size : K
    rng : numpy Generator for the initial weights, uniform in [-1, 1] / sqrt(K) as PyTorch's
    padding : "valid", "same" or "causal"
    stride : steps of the input from output to output
    dtype : float32 or float64

    Attributes
    ----------
    params, grads : "weight" (D, 1, K)

    Raises
    ------
    ValueError
        If a size is not positive, or padding or dtype is none of these.
    """

    def __init__(
        self,
        input_size: int,
        kernel_size: int,
        rng: np.random.Generator,
        padding: str = "valid",
        stride: int = 1,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(input_size, input_size, kernel_size, padding, stride, dtype)
        shapes = {"weight": (self.input_size, 1, self.kernel_size)}
        self.add_uniform(rng, 1 / np.sqrt(self.kernel_size), shapes)

    def _taps(self):
        return np.ascontiguousarray(self.params["weight"][:, 0].T)

    def _workers(self, y):
        return team.workers_for(y.size * self.kernel_size, PARALLEL_FROM)

    def convolve(self, x, back, y):
        team.run(forward, self._taps(), x, back, self.stride, y, workers=self._workers(y))

    def add_gradients(self, dy, x, back):
        dw = np.zeros((self.kernel_size, self.input_size), self.dtype)
        team.run(backward_weights, dy, x, back, self.stride, dw, workers=self._workers(dy))
        self.grads["weight"] += dw.T[:, None]

    def input_gradient(self, dy, back, dx):
        team.run(backward, self._taps(), dy, back, self.stride, dx, workers=self._workers(dy))


class SeparableConv1D(Layer):
    """A DepthwiseConv1D, then a Conv1D of width 1; two torch.nn.Conv1d called depthwise and pointwise.

    Parameters
    ----------
    input_size, output_size, kernel_size, rng, padding, stride, bias, dtype : as Conv1D

    Attributes
    ----------
    params, grads : "depthwise.weight" (D, 1, K), "pointwise.weight" (C, D, 1), "pointwise.bias" (C,)
    depthwise, pointwise : the two layers; `layers` lists both

    Raises
    ------
    ValueError
        If a size is not positive, or padding or dtype is none of these.
    """

    skips_dx = True

    def __init__(
        self,
        input_size: int,
        output_size: int,
        kernel_size: int,
        rng: np.random.Generator,
        padding: str = "valid",
        stride: int = 1,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv1D(input_size, kernel_size, rng, padding, stride, dtype)
        self.pointwise = Conv1D(input_size, output_size, 1, rng, bias=bias, dtype=dtype)
        self.pointwise.check_finite = False
        self.layers = [self.depthwise, self.pointwise]
        self.input_size, self.output_size, self.kernel_size = input_size, output_size, kernel_size
        self.padding, self.stride, self.dtype = padding, stride, self.depthwise.dtype
        self.bias = self.pointwise.bias
        self.stateful = self.depthwise.stateful
        for part, layer in zip(("depthwise", "pointwise"), self.layers, strict=True):
            self.params.update({f"{part}.{name}": param for name, param in layer.params.items()})
            self.grads.update({f"{part}.{name}": grad for name, grad in layer.grads.items()})

    def shape_after(self, shape: Shape) -> Shape:
        """See convolution.py."""
        return self.pointwise.shape_after(self.depthwise.shape_after(shape))

    def initial_state(self, B: int) -> State:
        """See convolution.py."""
        return self.depthwise.initial_state(B)

    def lengths_after(self, lengths: Any) -> Any:
        """See convolution.py."""
        return self.depthwise.lengths_after(lengths)

    @overload
    def forward(self, x: ArrayLike, state: None = None, lengths: ArrayLike | None = None) -> np.ndarray: ...

    @overload
    def forward(
        self, x: ArrayLike, state: State, lengths: ArrayLike | None = None
    ) -> tuple[np.ndarray, State]: ...

    def forward(self, x, state=None, lengths=None):
        """Convolve whole sequences of vectors; see convolution.py."""
        self.depthwise.check_finite = self.check_finite
        out = self.depthwise.forward(x, state, lengths)
        v, *after = (out,) if state is None else out
        y = self.pointwise.forward(
            v, lengths=None if lengths is None else self.lengths_after(np.asarray(lengths))
        )
        return y if state is None else (y, *after)

    def backward(self, dy: ArrayLike, dstate: State | None = None, need_dx: bool = True) -> Any:
        """Add the gradients to `grads`; see convolution.py."""
        return self.depthwise.backward(self.pointwise.backward(dy), dstate, need_dx)
