"""Cross-entropy on independent sigmoid units.

    a (T, K, B)  net input of the output units        y = sigmoid(a)
    t (T, K, B)  targets in [0, 1]

    E = -1/(T B) sum over t, k, b of  t log y + (1 - t) log(1 - y)    nats: sum over units, mean over frames
    dE/da = (y - t) / (T B)                                           (Eck & Schmidhuber 2002: delta = t - y)

Computed as  max(a, 0) - a t + log(1 + exp(-|a|)), which neither overflows nor takes the log of zero.
"""

import numpy as np


def sigmoid_cross_entropy(a, t):
    """Cross-entropy of independent binary units, and its gradient.

    Parameters
    ----------
    a : array (T, K, B), net input of the output units ("logits")
    t : array (T, K, B), targets in [0, 1]

    Returns
    -------
    loss : float, nats per frame: summed over the K units, mean over the T B frames
    da : array (T, K, B), dE/da

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if a.ndim != 3 or a.shape != t.shape:
        raise ValueError(f"expected a and t (T, K, B) of one shape, got {a.shape} and {t.shape}")
    frames = a.shape[0] * a.shape[2]
    e = np.exp(-np.abs(a))
    loss = (np.maximum(a, 0) - a * t + np.log1p(e)).sum(dtype=np.float64) / frames
    y = np.where(a >= 0, 1, e) / (1 + e)
    return float(loss), ((y - t) / frames).astype(a.dtype, copy=False)
