"""The nonlinear functions: exact in float64, fast in float32.

    sigmoid(x) = 1 / (1 + exp(-x))          in (0, 1)
    tanh(x)                                 in (-1, 1)
    exp(x), log1p(x) = log(1 + x)           for the losses; log1p for 0 <= x <= 1 only
    activation(x, a, b) = a tanh(b x)       in (-a, a); the identity if a = 0

Every squashing function of the cell-block papers has this form, since 4 sigmoid(x) - 2 = 2 tanh(x/2) and
2 sigmoid(x) - 1 = tanh(x/2); so does the tanh of today's LSTM. It is computed as the papers write it,
2 a sigmoid(2 b x) - a. From y = a tanh(b x) follows dy/dx = b (a - y^2/a).

Numba's wheels turn tanh and exp in a loop into one library call per element. The float32 tanh is therefore
plain arithmetic, which the compiler vectorises: x P(x^2)/Q(x^2), P and Q of degree 4, a minimax fit of the
relative error on [-9, 9] (Loeb's iteration with Lawson's weights); beyond, tanh rounds to 1. Measured on
2 million points: error below 4e-7, and sigmoid, as 1/2 + tanh(x/2)/2, below 2e-7.

The float32 exp is 2^n exp(r) with n = round(x / log 2) and |r| < 0.35: a polynomial of degree 7 in r
(Taylor's with adjusted coefficients, from Moshier's Cephes library), and 2^n assembled from its bits.
Measured likewise: relative error below 4e-7, and below 2e-7 for |x| < 20; below -87.3 it is 0, above 88.3
infinite (float32 ends just beyond). log(1 + x) = 2 artanh(s), s = x / (2 + x) <= 1/3, by its series up to
s^13: error below 3e-7.

Without Numba the same functions take NumPy scalars and arrays.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from scratchnet.kernels.jit import kernel

f4 = np.float32
ONE, HALF, LIMIT = f4(1), f4(0.5), f4(9)
P0, P1, P2, P3, P4 = (
    f4(v)
    for v in (
        0.9999999794643254,
        0.1338102018067984,
        3.4955816640065483e-03,
        2.0608977833221986e-05,
        1.3354522222157435e-08,
    )
)
Q1, Q2, Q3, Q4 = (
    f4(v) for v in (0.46714335775825594, 2.587695754565097e-02, 3.285624315475811e-04, 7.776500037912617e-07)
)


def _tanh32(x):
    x = min(max(x, -LIMIT), LIMIT)  # in this order NaN stays NaN
    s = x * x
    p = (((P4 * s + P3) * s + P2) * s + P1) * s + P0
    q = (((Q4 * s + Q3) * s + Q2) * s + Q1) * s + ONE
    return min(max(x * p / q, -ONE), ONE)


def _sigmoid32(x):
    return HALF + HALF * tanh(HALF * x)


def _sigmoid64(x):
    return 1.0 / (1.0 + math.exp(-x))


def tanh(x):
    """tanh(x) of a number, in its own precision."""
    return _tanh32(x) if isinstance(x, f4) else np.tanh(x)


def sigmoid(x):
    """1 / (1 + exp(-x)) of a number, in its own precision."""
    return _sigmoid32(x) if isinstance(x, f4) else 0.5 + 0.5 * np.tanh(0.5 * x)


E2, E3, E4, E5, E6, E7 = (
    f4(v)
    for v in (
        5.0000001201e-1,
        1.6666665459e-1,
        4.1665795894e-2,
        8.3334519073e-3,
        1.3981999507e-3,
        1.9875691500e-4,
    )
)
LOG2E, LN2_HIGH, LN2_LOW = f4(1.4426950408889634), f4(0.693359375), f4(-2.12194440e-4)  # log 2 in two parts
EXP_LOW, EXP_HIGH = f4(-87.3), f4(88.7)
TWO, ZERO = f4(2), f4(0)
S3, S5, S7, S9, S11, S13 = (f4(1 / k) for k in (3, 5, 7, 9, 11, 13))


def _exp32(x):
    inside = min(max(x, EXP_LOW), EXP_HIGH)  # in this order NaN stays NaN
    n = np.floor(LOG2E * inside + HALF)
    r = inside - n * LN2_HIGH - n * LN2_LOW
    p = ((((E7 * r + E6) * r + E5) * r + E4) * r + E3) * r + E2
    return ZERO if x < EXP_LOW else ((p * r + ONE) * r + ONE) * _power_of_two(n)


@intrinsic
def _power_of_two(typing, n):
    """2^n for a whole number n in float32: its bits are the exponent n + 127, then 23 zeros."""

    def generate(context, builder, signature, args):
        i32 = ir.IntType(32)
        exponent = builder.add(builder.fptosi(args[0], i32), i32(127))
        return builder.bitcast(builder.shl(exponent, i32(23)), ir.FloatType())

    return types.float32(types.float32), generate


def _log1p32(x):
    s = x / (TWO + x)
    q = s * s
    series = (((((S13 * q + S11) * q + S9) * q + S7) * q + S5) * q + S3) * q + ONE
    return TWO * s * series


def exp(x):
    """exp(x) of a number, in its own precision."""
    return np.exp(x)


def log1p(x):
    """log(1 + x) of a number between 0 and 1, in its own precision."""
    return np.log1p(x)


@overload(exp)
def _exp(x):
    return _exp32 if x == types.float32 else lambda x: math.exp(x)


@overload(log1p)
def _log1p(x):
    return _log1p32 if x == types.float32 else lambda x: math.log1p(x)


@overload(tanh)
def _tanh(x):
    return _tanh32 if x == types.float32 else lambda x: math.tanh(x)


@overload(sigmoid)
def _sigmoid(x):
    return _sigmoid32 if x == types.float32 else _sigmoid64


@kernel(inline=True)
def activation(x, a, b):
    """a tanh(b x), or x itself if a = 0; all three of one precision."""
    return (a + a) * sigmoid((b + b) * x) - a if a != 0 else x


@kernel(inline=True)
def activation_slope(y, a, b):
    """The derivative of `activation` at the point where its value is y."""
    return b * (a - y * y / a) if a != 0 else b
