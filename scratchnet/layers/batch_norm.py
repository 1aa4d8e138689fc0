"""Batch normalisation: mean 0 and variance 1 of each feature over time and batch, then a scale and a shift.

The same on a page of NumPy: plain/batch_norm.py.

    symbol          what                                                shape of the array
    x, y            inputs, outputs                                     (T, D, B)
    N               how many values each feature has: T B, or the sum of the lengths
    mu, v           mean and variance                                   (D,)
    gamma, beta     "weight" and "bias", learned                        (D,)
    d...            derivative of the loss by ...

Forward         z = (x - mu) / sqrt(v + eps)        y = gamma z + beta
    training    mu = sum_t,b x / N                  v = sum_t,b (x - mu)^2 / N
                running mean and variance move a fraction `momentum` of the way to mu and v N / (N - 1)
    evaluation  mu, v: the running mean and variance
Backward        dgamma = sum_t,b dy z       dbeta = sum_t,b dy
    training    dx = gamma / sqrt(v + eps) (dy - dbeta / N - z dgamma / N)      mu and v depend on x too
    evaluation  dx = gamma / sqrt(v + eps) dy

Ioffe & Szegedy (2015), with PyTorch's conventions. Keras' momentum is 1 minus this one and moves more slowly,
its eps is larger, and its running variance follows v itself: BatchNorm(D, **KERAS).

Mean and variance are computed in one pass over x: those of a row x[t, d], exact to float32, are merged in
float64 with those of the rows before (Chan, Golub & LeVeque 1979). Nothing is squared before its mean is
subtracted, so a feature far from zero loses no digits. In training the sequences of a batch affect each
other; padding is excluded from all sums.

Memory of a forward and backward pass: T B 4 D numbers.
"""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from scratchnet.arguments import flag, number, whole
from scratchnet.kernels import team
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.team import worker_slice
from scratchnet.layers.layer import (
    Layer,
    check_dtype,
    expect_gradient,
    expect_lengths,
    expect_sequences,
    zero_padding,
)

KERAS = {"momentum": 0.01, "eps": 1e-3, "unbiased": False}  # Keras says momentum=0.99
PARALLEL_FROM = 2**17  # numbers; see team.workers_for


@kernel(inline=True)
def sum_masked(x, m):
    """sum m x, m of zeros and ones."""
    total = x.dtype.type(0)
    for n in range(x.size):
        total += m[n] * x[n]
    return total


@kernel(inline=True)
def sums_of_deviations(x, m, center):
    """sum m (x - center), sum m (x - center)^2."""
    first, second = x.dtype.type(0), x.dtype.type(0)
    for n in range(x.size):
        e = m[n] * (x[n] - center)
        first += e
        second += e * e
    return first, second


@kernel(inline=True)
def normalise_row(x, m, center, scale, shift, y):
    """y = scale (x - center) + shift, 0 where m is 0."""
    for n in range(x.size):
        y[n] = m[n] * (scale * (x[n] - center) + shift)


@kernel(inline=True)
def sums_of_derivatives(dy, x, m, center):
    """sum m dy, sum m dy (x - center)."""
    first, second = x.dtype.type(0), x.dtype.type(0)
    for n in range(x.size):
        e = m[n] * dy[n]
        first += e
        second += e * (x[n] - center)
    return first, second


@kernel(inline=True)
def derivative_row(dy, x, m, center, scale, slope, shift, dx):
    """dx = scale dy - slope (x - center) - shift, 0 where m is 0."""
    for n in range(x.size):
        dx[n] = m[n] * (scale * dy[n] - slope * (x[n] - center) - shift)


@kernel
def moments(p, P, x, mask, mean, squares):
    """Fill mean (D,) and squares (D,), the sum of (x - mean)^2; both float64, and zeros at first.

    mask (T, B): 1 where x counts, 0 in the padding. The workers share the features.
    """
    T, D, _ = x.shape
    lo, hi = worker_slice(p, P, D)
    before = 0.0
    for t in range(T):
        here = 0.0
        for n in range(mask.shape[1]):
            here += mask[t, n]
        if here == 0.0:
            continue
        new = here / (before + here)
        for d in range(lo, hi):
            center = x.dtype.type(sum_masked(x[t, d], mask[t]) / here)
            first, second = sums_of_deviations(x[t, d], mask[t], center)
            off = np.float64(first) / here  # the rounding error of the row's mean
            delta = np.float64(center) + off - mean[d]
            squares[d] += np.float64(second) - first * off + delta * delta * before * new
            mean[d] += delta * new
        before += here


@kernel
def normalise(p, P, x, mask, center, scale, shift, y):
    """y = scale (x - center) + shift; (D,) each."""
    lo, hi = worker_slice(p, P, x.shape[1])
    for t in range(x.shape[0]):
        for d in range(lo, hi):
            normalise_row(x[t, d], mask[t], center[d], scale[d], shift[d], y[t, d])


@kernel
def sum_derivatives(p, P, dy, x, mask, center, total, product):
    """total = sum dy, product = sum dy (x - center), (D,) each, float64 and zeros at first."""
    lo, hi = worker_slice(p, P, x.shape[1])
    for t in range(x.shape[0]):
        for d in range(lo, hi):
            first, second = sums_of_derivatives(dy[t, d], x[t, d], mask[t], center[d])
            total[d] += first
            product[d] += second


@kernel
def backward(p, P, dy, x, mask, center, scale, slope, shift, dx):
    """dx = scale dy - slope (x - center) - shift; (D,) each."""
    lo, hi = worker_slice(p, P, x.shape[1])
    for t in range(x.shape[0]):
        for d in range(lo, hi):
            derivative_row(dy[t, d], x[t, d], mask[t], center[d], scale[d], slope[d], shift[d], dx[t, d])


class BatchNorm(Layer):
    """Batch normalisation over time and batch; `torch.nn.BatchNorm1d` with (T, D, B) for (B, D, T).

    Parameters
    ----------
    num_features : D
    momentum : the fraction by which the running statistics move at each step, in (0, 1]; None for the plain
        mean over all batches
    eps : added to the variance, > 0
    affine : whether gamma and beta are learned; otherwise they are 1 and 0
    unbiased : whether the running variance has N - 1 degrees of freedom (PyTorch) or follows v (Keras)
    dtype : float32 or float64

    Attributes
    ----------
    params, grads : "weight", "bias" (D,)
    buffers : "running_mean", "running_var" (D,), "num_batches_tracked" (); part of `state_dict`, not learned
        by gradients

    Raises
    ------
    ValueError
        If D is not positive, momentum or eps is out of range, or dtype is neither.
    """

    skips_dx = True

    def __init__(
        self,
        num_features: int,
        momentum: float | None = 0.1,
        eps: float = 1e-5,
        affine: bool = True,
        unbiased: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.num_features, self.dtype = whole(num_features, "num_features"), check_dtype(dtype)
        self.momentum = None if momentum is None else number(momentum, "momentum", above=0, most=1)
        self.eps, self.unbiased = number(eps, "eps", above=0), flag(unbiased, "unbiased")
        self.affine = flag(affine, "affine")
        if affine:
            self.add_param("weight", np.ones(num_features))
            self.add_param("bias", np.zeros(num_features))
        self.buffers |= {
            "running_mean": np.zeros(num_features, dtype),
            "running_var": np.ones(num_features, dtype),
            "num_batches_tracked": np.zeros((), np.int64),
        }

    def forward(self, x: ArrayLike, lengths: ArrayLike | None = None) -> np.ndarray:
        """Normalise.

        Parameters
        ----------
        x : array (T, D, B); `backward` reads it again, so it must not change in between
        lengths : whole numbers (B,), the length of each sequence; None for T

        Returns
        -------
        y : array (T, D, B), zeros in the padding

        Raises
        ------
        ValueError
            If a shape differs, a number is not finite, a length is out of range, training sees only one value
            of each feature, or a running variance is negative.
        """
        x = expect_sequences(x, self.num_features, self.dtype, self.check_finite)
        T, _, B = x.shape
        ends = expect_lengths(lengths, T, B)
        x, mask = zero_padding(x, ends), (np.arange(T)[:, None] < ends).astype(self.dtype)
        mean, variance = self._learn(x, mask, int(ends.sum())) if self.training else self._learned()
        deviation = np.sqrt(variance + self.eps)
        center = mean.astype(self.dtype)
        scale = self.params.get("weight", 1) / deviation
        shift = self.params.get("bias", 0) - scale * (mean - center)  # the rounding error of the mean
        y = np.empty_like(x)
        self._run(normalise, x, mask, center, scale.astype(self.dtype), shift.astype(self.dtype), y)
        self._kept = x, mask, ends, mean, center, deviation, self.training
        return y

    def backward(self, dy: ArrayLike, need_dx: bool = True) -> np.ndarray | None:
        """Add the gradients of weight and bias to `grads`; return dx (T, D, B), or None if it is not needed.

        Parameters
        ----------
        dy : array (T, D, B), derivative of the loss by what `forward` returned

        Raises
        ------
        ValueError
            If the shape differs, or there was no forward pass.
        """
        x, mask, ends, mean, center, deviation, training = self.last_pass()
        dy = zero_padding(expect_gradient(dy, x.shape, self.dtype), ends)
        dbeta, product = np.zeros((2, self.num_features))
        self._run(sum_derivatives, dy, x, mask, center, dbeta, product)
        off = mean - center
        dgamma = (product - off * dbeta) / deviation
        for name, grad in {"weight": dgamma, "bias": dbeta}.items():
            if name in self.grads:
                self.grads[name] += grad.astype(self.dtype)
        if not need_dx:
            return None
        scale = self.params.get("weight", 1) / deviation
        slope = scale * dgamma / deviation / ends.sum() if training else np.zeros_like(scale)
        shift = scale * dbeta / ends.sum() - slope * off if training else np.zeros_like(scale)
        dx = np.empty_like(x)
        factors = (factor.astype(self.dtype) for factor in (scale, slope, shift))
        self._run(backward, dy, x, mask, center, *factors, dx)
        return dx

    def _learn(self, x, mask, N):
        """Mean and variance of x in float64; the running statistics move towards them."""
        if N < 2:
            raise ValueError("expected in training at least two numbers of each feature, got one")
        mean, squares = np.zeros((2, self.num_features))
        self._run(moments, x, mask, mean, squares)
        self.buffers["num_batches_tracked"] += 1
        part = 1 / float(self.buffers["num_batches_tracked"]) if self.momentum is None else self.momentum
        seen = {"running_mean": mean, "running_var": squares / (N - 1 if self.unbiased else N)}
        for name, now in seen.items():
            self.buffers[name][...] = (1 - part) * self.buffers[name] + part * now
        return mean, squares / N

    def _learned(self):
        mean, variance = (self.buffers[f"running_{name}"].astype(np.float64) for name in ("mean", "var"))
        if (variance < 0).any():
            raise ValueError("expected running_var >= 0, got a negative variance")
        return mean, variance

    def _run(self, job, *arrays):
        team.run(job, *arrays, workers=team.workers_for(arrays[0].size, PARALLEL_FROM))
