"""Cross-entropy on a softmax and on independent sigmoids, on paper. The fast ones: training/losses.py.

One choice among V (softmax), for tokens:

    p = exp(a) / sum_v exp(a_v)         E = -log p[target]                      dE/da = p - onehot(target)

K units that are on or off (sigmoids), for frames of notes:

    y = sigmoid(a)                      E = -sum_k t log y + (1 - t) log(1 - y)         dE/da = y - t

Both are means over the N = T B targets or frames, in nats.
"""

import numpy as np

from scratchnet.plain.layer import sigmoid


def softmax_cross_entropy(a, target):
    """a (T, V, B), target (T, B) whole numbers -> mean loss, da (T, V, B)."""
    T, _, B = a.shape
    loss, da = 0.0, np.empty(a.shape)
    for t in range(T):
        for b in range(B):
            p = np.exp(a[t, :, b] - a[t, :, b].max())
            p /= p.sum()
            loss -= np.log(p[target[t, b]]) / (T * B)
            da[t, :, b] = p / (T * B)
            da[t, target[t, b], b] -= 1 / (T * B)
    return loss, da


def sigmoid_cross_entropy(a, t):
    """a and t (T, K, B), t in [0, 1] -> mean loss of a frame, da (T, K, B)."""
    N = a.shape[0] * a.shape[2]
    y, not_y = sigmoid(a), sigmoid(-a)
    loss = -(t * np.log(y) + (1 - t) * np.log(not_y)).sum() / N
    return loss, (y - t) / N
