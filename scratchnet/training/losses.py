"""Cross-entropy on softmax and on independent sigmoid units.

Softmax, for tokens:

    a (T, V, B)     net input of the output units, "logits"         p = exp(a) / sum over V of exp(a)
    t (T, B)        targets, whole numbers in 0 .. V - 1
    w (T, B)        weights, 1 if not given; 0 where the target is ignored

    E = - sum over t, b of w log p[target] / sum of w               nats per token
    dE/da = w (p - onehot(target)) / sum of w

Independent sigmoids, for frames of notes:

    a (T, K, B)     net input of the output units                   y = sigmoid(a)
    t (T, K, B)     targets in [0, 1]
    w (T, B)        mask, 1 for frames that count, all if not given

    E = - sum over t, k, b of w (t log y + (1 - t) log(1 - y)) / sum of w    nats per frame: summed over units
    dE/da = w (y - t) / sum of w                                    (Eck & Schmidhuber 2002: delta = t - y)

Softmax is computed from a - max a, the sigmoids' part as  max(a, 0) - a t + log(1 + exp(-|a|)): neither
overflows nor takes the log of zero. Sums over time and sequences are float64. NaN in a gives a loss that is
NaN, except where w = 0: such places do not count, whatever stands there, and their gradient is zero.

Memory: da, and a few numbers for each of the T B targets.
"""

import numpy as np

from scratchnet.arguments import LARGEST, as_array, whole
from scratchnet.kernels import team
from scratchnet.kernels.activations import exp, log1p
from scratchnet.kernels.jit import kernel
from scratchnet.layers.layer import expect, expect_lengths

LITTLE = 2**22  # numbers; with fewer, waking a second thread takes longer than it saves


@kernel(inline=True)
def row_max(a, m):
    """m = the larger of a and m."""
    for n in range(a.size):
        m[n] = max(a[n], m[n])


@kernel(inline=True)
def row_exp(a, m, p, s):
    """p = exp(a - m), s += p."""
    for n in range(a.size):
        e = exp(a[n] - m[n])
        p[n] = e
        s[n] += e


@kernel(inline=True)
def row_scale(p, scale):
    """p *= scale, 0 where the scale is 0 though p may be NaN."""
    zero = p.dtype.type(0)
    for n in range(p.size):
        p[n] = zero if scale[n] == zero else p[n] * scale[n]


@kernel
def softmax_rows(p, P, a, t, w, da, loss):
    """da, and in loss[p] the sum over this worker's steps; w (T, B) are shares, their sum is 1."""
    T, V, B = a.shape
    zero = a.dtype.type(0)
    m, s = np.empty(B, a.dtype), np.empty(B, a.dtype)
    total = 0.0
    for step in range(p, T, P):
        for n in range(B):
            m[n], s[n] = a[step, 0, n], zero
        for v in range(V):
            row_max(a[step, v], m)
        for v in range(V):
            row_exp(a[step, v], m, da[step, v], s)
        for n in range(B):
            if w[step, n] != zero:
                below_max = np.float64(m[n]) - np.float64(a[step, t[step, n], n])
                total += np.float64(w[step, n]) * (np.log(np.float64(s[n])) + below_max)
            s[n] = zero if w[step, n] == zero else w[step, n] / s[n]
        for v in range(V):
            row_scale(da[step, v], s)
        for n in range(B):
            da[step, t[step, n], n] -= w[step, n]
    loss[p] = total


@kernel(inline=True)
def row_sigmoid(a, t, w, da, s):
    """da = w (sigmoid(a) - t), s += w times the cross-entropy."""
    zero, one = a.dtype.type(0), a.dtype.type(1)
    for n in range(a.size):
        e = exp(-abs(a[n]))
        y = (one if a[n] >= zero else e) / (one + e)
        part = max(a[n], zero) - a[n] * t[n] + log1p(e)
        da[n] = zero if w[n] == zero else w[n] * (y - t[n])
        s[n] += zero if w[n] == zero else w[n] * part


@kernel
def sigmoid_rows(p, P, a, t, w, da, loss):
    """As `softmax_rows`."""
    T, K, B = a.shape
    s = np.empty(B, a.dtype)
    total = 0.0
    for step in range(p, T, P):
        s[:] = 0
        for k in range(K):
            row_sigmoid(a[step, k], t[step, k], w[step], da[step, k], s)
        for n in range(B):
            total += s[n]
    loss[p] = total


def softmax_cross_entropy(a, t, weights=None, ignore_index=-100):
    """Cross-entropy of one choice among V, and its gradient; `torch.nn.functional.cross_entropy`.

    Parameters
    ----------
    a : array (T, V, B), logits
    t : whole numbers (T, B), targets
    weights : array (T, B) of numbers >= 0, how much each target counts; None for 1
    ignore_index : targets with this value do not count

    Returns
    -------
    loss : float, nats per token: the weighted mean over the targets that count
    da : array (T, V, B), dE/da

    Raises
    ------
    ValueError
        If a shape differs, a target or a weight is out of range, or no target counts.
    """
    a = _expect_logits(a)
    T, V, B = a.shape
    t = as_array(t, "t")
    if t.shape != (T, B) or t.dtype.kind not in "iu":
        raise ValueError(f"expected targets t ({T}, {B}), whole numbers, got {t.shape} {t.dtype}")
    counts = t != whole(ignore_index, "ignore_index", -LARGEST)
    if ((t < 0) | (t >= V))[counts].any():
        wrong = t[counts & ((t < 0) | (t >= V))][0]
        raise ValueError(f"expected targets in 0 .. {V - 1} (or {ignore_index}, ignored), got {wrong}")
    w = _shares(counts if weights is None else _expect_weights(weights, "weights", T, B) * counts, a.dtype)
    da, loss = np.empty_like(a), np.zeros(team.size())
    targets = np.where(counts, t, 0).astype(np.int64)
    with np.errstate(all="ignore"):  # what has gone astray is seen in the loss, compiled or not
        team.run(softmax_rows, a, targets, w, da, loss, workers=1 if a.size < LITTLE else None)
    return float(loss.sum()), da


def sigmoid_cross_entropy(a, t, mask=None):
    """Cross-entropy of independent binary units, and its gradient.

    Parameters
    ----------
    a : array (T, K, B), net input of the output units ("logits")
    t : array (T, K, B), targets in [0, 1]
    mask : array (T, B), how much each frame counts, 0 or 1; None for all. See `lengths_mask`

    Returns
    -------
    loss : float, nats per frame: summed over the K units, mean over the frames that count
    da : array (T, K, B), dE/da

    Raises
    ------
    ValueError
        If a shape differs, a target is not in [0, 1], a mask is negative or not finite, or no frame counts.
    """
    a, t = as_array(a, "a"), as_array(t, "t")
    if np.ndim(a) != 3 or np.shape(a) != np.shape(t):
        raise ValueError(f"expected a and t (T, K, B) of one shape, got {np.shape(a)} and {np.shape(t)}")
    a = _expect_logits(a)
    T, _, B = a.shape
    w = _shares(np.ones((T, B)) if mask is None else _expect_weights(mask, "mask", T, B), a.dtype)
    da, loss = np.empty_like(a), np.zeros(team.size())
    t = expect(t, "t", "T, K, B", a.shape, a.dtype, finite=False)
    if not 0 <= t.min() <= t.max() <= 1:  # or NaN; where nothing counts there may be anything
        here = t.swapaxes(1, 2)[w > 0]
        if not ((here >= 0) & (here <= 1)).all():
            raise ValueError("expected targets in [0, 1]")
    with np.errstate(all="ignore"):
        team.run(sigmoid_rows, a, t, w, da, loss, workers=1 if a.size < LITTLE else None)
    return float(loss.sum()), da


def lengths_mask(lengths, T):
    """True for the steps of each sequence, False for the padding after its end.

    Parameters
    ----------
    lengths : whole numbers (B,) in 1 .. T

    Returns
    -------
    array (T, B) of bool

    Raises
    ------
    ValueError
        If the shape differs, or a length is out of range.
    """
    lengths = as_array(lengths, "lengths")
    if lengths.size == 0:
        raise ValueError("expected lengths (B,) of at least one sequence")
    T = whole(T, "T")
    return np.arange(T)[:, None] < expect_lengths(lengths, T, lengths.size)


def _expect_logits(a):
    a = np.ascontiguousarray(as_array(a, "logits"))
    if a.ndim != 3 or a.size == 0 or a.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"expected logits (T, units, B), float32 or float64, none of them 0; got {a.shape} {a.dtype}"
        )
    return a


def _expect_weights(weights, name, T, B):
    weights = expect(weights, name, f"{T}, {B}", (T, B), np.float64, finite=False)
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(f"expected finite numbers >= 0 in {name}")
    return weights


def _shares(weights, dtype):
    total = weights.sum(dtype=np.float64)
    if not total > 0:
        raise ValueError("expected at least one target that counts: all are ignored, masked or of weight 0")
    return (weights / total).astype(dtype)
