"""Convolution over time: every output sees K steps of the input, with the same weights everywhere.

The same on a page of NumPy: plain/conv1d.py.

    symbol          what                                                shape of the array
    x               inputs: vectors, or tokens                          (T, D, B), or whole numbers (T, B)
    y               outputs                                             (T', C, B)
    W, b            weight, bias                                        (C, D, K), (C,)
    W_k             the weights of tap k, W[:, :, k]                    (C, D)
    s, q            stride, padding before the first input: see convolution.py
    d...            derivative of the loss by ...

Forward         y(t) = sum_k W_k x(t s - q + k) + b
Backward        dW_k = sum_t dy(t) x(t s - q + k)^T         db = sum_t,b dy(t)
                dx(u) = sum_k W_k^T dy(t)  over all k for which t = (u + q - k) / s is a step of y

So it is K linear layers, each on the input shifted by one more step (LeCun 1989; as everywhere in machine
learning it is really a correlation: W_0 multiplies the earliest input). There is no im2col: a step of x is
one contiguous matrix, and a product with W_k reads it in place.

Tokens are one-hot vectors that are never built: W_k x is a column of W_k (see kernels/matmul.py).

Memory of a forward and backward pass: T B 2 D + T' B 2 C numbers, and W twice.
"""

import numba
import numpy as np
from numpy.typing import DTypeLike

from scratchnet.arguments import flag
from scratchnet.kernels import team
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.matmul import (
    BLOCK_ROWS,
    BLOCK_TERMS,
    PAD,
    add_outer,
    add_product,
    gather,
    product_workers,
    transpose,
)
from scratchnet.kernels.microkernel import PANEL, multiply_panel
from scratchnet.kernels.rows import dot, sum_of
from scratchnet.kernels.team import barrier, worker_slice
from scratchnet.layers.convolution import Convolution, output_step

NARROW = 2  # so few inputs would leave panels nearly empty


@kernel
def forward(p, P, W, b, x, back, stride, y):
    """y(t) = sum_k W(k) x(t stride - back + k) + b; W (K, C, D). The workers share the rows."""
    lo, hi = worker_slice(p, P, W.shape[1])
    for t in range(len(y)):
        for m in range(lo, hi):
            y[t, m, :] = b[m]
        for k in range(len(W)):
            u = t * stride - back + k
            if 0 <= u < len(x):
                add_product(W[k, lo:hi], x[u], y[t, lo:hi])


@kernel
def backward(p, P, WT, dy, back, stride, dx):
    """dx(u) = sum of WT(k) dy(t) where u = t stride - back + k; WT (K, D, C), W of each tap transposed."""
    lo, hi = worker_slice(p, P, WT.shape[1])
    for u in range(len(dx)):
        dx[u, lo:hi] = 0
        for k in range(len(WT)):
            t = output_step(u, k, back, stride, len(dy))
            if t >= 0:
                add_product(WT[k, lo:hi], dy[t], dx[u, lo:hi])


@kernel
def _pack(x, first, stride, packed, p, P):
    """x (T, D, B) from step `first` on -> packed (panels, places, B, panel), columns contiguous.

    Every stride-th step is contiguous, so that each tap finds its inputs in one piece. Steps that x does not
    have are zeros. The workers share the panels.
    """
    (T, D, B), (panels, places, _, panel) = x.shape, packed.shape
    for i in range(p, panels, P):
        for j in range(places):
            u, columns = first + j, min(panel, D - i * panel)
            place = packed[i, j % stride * (places // stride) + j // stride]
            for c in range(columns):
                if 0 <= u < T:
                    row = x[u, i * panel + c]
                    for n in range(B):
                        place[n, c] = row[n]
                else:
                    for n in range(B):
                        place[n, c] = 0


@kernel
def backward_weights(p, P, dy, x, back, stride, dW, db, packed, blocks, count):
    """dW(k) += sum_t dy(t) x(t stride - back + k)^T, db += sum_t,b dy(t); dW (K, C, D).

    As matmul.add_outer, some steps at a time, but x is packed only once for all taps: the next tap reads the
    same columns from one step further on. The workers share the rows.
    """
    (T, C, B), (K, _, D) = dy.shape, dW.shape
    panels, places, _, panel = packed.shape
    each, wide, rounds = places // stride, blocks.shape[2], 0  # each: places of every stride-th step
    steps = each - (K - 1) // stride
    lo, hi = worker_slice(p, P, C)
    block, c = blocks[p], dW.reshape(dW.size)
    a, b = block.reshape(block.size), packed.reshape(packed.size)
    for t in range(0, T, steps):
        now = min(steps, T - t)
        _pack(x, t * stride - back, stride, packed, p, P)
        rounds += 1
        barrier(count, P, rounds)
        for m in range(lo, hi, BLOCK_ROWS):
            rows = min(BLOCK_ROWS, hi - m)
            gather(dy[t : t + now], m, rows, block)
            for r in range(rows):
                db[m + r] += sum_of(block[r, : now * B])
            for i in range(panels):
                for k in range(K):
                    seen = (i * places + k % stride * each + k // stride) * B * panel
                    out = (k * C + m) * D + i * panel
                    columns = min(panel, D - i * panel)
                    multiply_panel(a, 0, wide, b, seen, panel, c, out, D, now * B, rows, columns)
        rounds += 1
        barrier(count, P, rounds)


@kernel
def backward_weights_narrow(p, P, dy, x, back, stride, dW, db):
    """As backward_weights, for few inputs: dy is read row by row."""
    lo, hi = worker_slice(p, P, dy.shape[1])
    for t in range(len(dy)):
        for m in range(lo, hi):
            row = dy[t, m]
            db[m] += sum_of(row)
            for k in range(len(dW)):
                u = t * stride - back + k
                if 0 <= u < len(x):
                    for d in range(x.shape[1]):
                        dW[k, m, d] += dot(row, x[u, d])


class Conv1D(Convolution):
    """Convolution over time; `torch.nn.Conv1d` with (T, features, B) for (B, features, T).

    Parameters
    ----------
    input_size, output_size : D and C; for tokens D is the size of the vocabulary
    kernel_size : K
    rng : numpy Generator for the initial weights and biases, uniform in [-1, 1] / sqrt(D K) as PyTorch's
    padding : "valid", "same" or "causal"
    stride : steps of the input from output to output
    bias : whether there is a bias
    dtype : float32 or float64

    Attributes
    ----------
    params, grads : "weight" (C, D, K), "bias" (C,)

    Raises
    ------
    ValueError
        If a size is not positive, or padding or dtype is none of these.
    """

    takes_tokens = True

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
        super().__init__(input_size, output_size, kernel_size, padding, stride, dtype)
        self.bias = flag(bias, "bias")
        shapes = {
            "weight": (self.output_size, self.input_size, self.kernel_size),
            "bias": (self.output_size,),
        }
        if not self.bias:
            del shapes["bias"]
        self.add_uniform(rng, 1 / np.sqrt(self.input_size * self.kernel_size), shapes)

    def _taps(self, columns):
        """The weights tap by tap, (K, C, columns), each a contiguous matrix; zeros beyond column D."""
        C, D, K = self.params["weight"].shape
        taps = self.scratch("taps", (K, C, columns))
        taps[:, :, :D] = self.params["weight"].transpose(2, 0, 1)
        taps[:, :, D:] = 0
        return taps

    def _columns(self, x):
        """D, or for tokens D + 1: the last is the token of padding."""
        return self.input_size + (x.ndim == 2)

    def convolve(self, x, back, y):
        b = self.params.get("bias")
        b = np.zeros(self.output_size, self.dtype) if b is None else b
        W = self._taps(self._columns(x))
        workers = product_workers(y.size * self.kernel_size * (1 if x.ndim == 2 else self.input_size))
        team.run(forward, W, b, x, back, self.stride, y, workers=workers)

    def add_gradients(self, dy, x, back):
        K, C, B = self.kernel_size, self.output_size, dy.shape[2]
        dW = np.zeros((K, C, self._columns(x)), self.dtype)
        db = self.grads["bias"] if "bias" in self.grads else np.zeros(C, self.dtype)
        if x.ndim == 2 or numba.config.DISABLE_JIT:
            self._add_gradients_by_tap(dy, x, back, dW, db)
        elif self.input_size <= NARROW:
            workers = product_workers(dy.size * K * self.input_size)
            team.run(backward_weights_narrow, dy, x, back, self.stride, dW, db, workers=workers)
        else:
            panel = PANEL // x.itemsize
            steps = min(len(dy), max(1, BLOCK_TERMS // B))
            places = (steps + (K - 1) // self.stride) * self.stride
            packed = np.empty((-(-self.input_size // panel), places, B, panel), self.dtype)
            workers = product_workers(dy.size * K * self.input_size)
            blocks = np.empty((workers, BLOCK_ROWS, steps * B + PAD), self.dtype)
            job = dy, x, back, self.stride, dW, db, packed, blocks, team.counter()
            team.run(backward_weights, *job, workers=workers)
        self.grads["weight"] += dW[:, :, : self.input_size].transpose(1, 2, 0)

    def _add_gradients_by_tap(self, dy, x, back, dW, db):
        """The same, one tap after the other: K linear layers."""
        for k in range(self.kernel_size):
            moved = k - back
            first = max(0, -(moved // self.stride))  # the steps of y at which this tap sees an input
            last = min(len(dy), (len(x) - 1 - moved) // self.stride + 1)
            if first < last:
                seen = x[first * self.stride + moved :: self.stride][: last - first]
                # the tap k = back sees an input at every step of y: with it the bias's gradient is complete
                add_outer(dy[first:last], np.ascontiguousarray(seen), dW[k], db if moved == 0 else None)

    def input_gradient(self, dy, back, dx):
        WT = np.stack([transpose(W) for W in self._taps(self.input_size)])
        workers = product_workers(dy.size * self.kernel_size * self.input_size)
        team.run(backward, WT, dy, back, self.stride, dx, workers=workers)
