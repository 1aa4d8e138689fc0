"""What a number is worth: three models that need no recurrence, and what others have published.

All numbers are negative log-likelihoods in nats per frame: the sum over 88 notes, the mean over all frames of
all pieces of a part. The first two models score every frame, as Boulanger-Lewandowski et al. (2012) do. What
predicts a frame from those before it (logistic regression, all nets here) scores no first frame, as Bai et
al. (2018) do: a piece of T frames has T - 1 predictions.
"""

import math
from dataclasses import dataclass

import numpy as np

from experiments.common.progress import Progress
from experiments.polyphony.data import NOTES, SPLITS
from scratchnet.kernels.blas import one_blas_thread

RANDOM, UNIGRAM, LOGISTIC = "random, p = 1/2", "frequency of each note", "logistic regression, last frame"
PENALTY = 1e-5  # on squared weights: without one, those of notes that never sound together grow for ever
NEWTON_STEPS = 30
RARE = 1e-6  # the least probability of a note: one that never sounds in training is not impossible


@dataclass(frozen=True)
class Published:
    """A row of somebody's table; test nats per frame by set."""

    model: str
    source: str
    nll: dict


CHUNG = "Chung et al. 2014"
BAI = "Bai et al. 2018"
BOULANGER = "Boulanger-Lewandowski et al. 2012"
PUBLISHED = [
    Published(
        "frequency of each note", BOULANGER, dict(jsb=11.06, nottingham=10.25, muse=11.51, piano=11.05)
    ),
    Published("RNN, SGD", BOULANGER, dict(jsb=8.71, nottingham=4.46, muse=8.13, piano=8.37)),
    Published("RNN, Hessian-free", BOULANGER, dict(jsb=8.58, nottingham=3.89, muse=7.19, piano=7.66)),
    Published("RNN-RBM, joint outputs", BOULANGER, dict(jsb=6.27, nottingham=2.39, muse=6.01, piano=7.09)),
    Published("tanh, 100 units", CHUNG, dict(jsb=9.10, nottingham=3.13, muse=6.23, piano=9.03)),
    Published("GRU, 46 units", CHUNG, dict(jsb=8.54, nottingham=3.23, muse=5.99, piano=8.82)),
    Published("LSTM, 36 units", CHUNG, dict(jsb=8.67, nottingham=3.20, muse=6.23, piano=9.03)),
    Published("RNN", BAI, dict(jsb=8.91, nottingham=4.05)),
    Published("GRU", BAI, dict(jsb=8.43, nottingham=3.46)),
    Published("LSTM", BAI, dict(jsb=8.45, nottingham=3.29)),
    Published("TCN", BAI, dict(jsb=8.10, nottingham=3.07)),
]
SCORED = (
    "nats per frame: sum over 88 notes, mean over all frames. Nets and logistic regression do not score the\n"
    "first frame of a piece (as Bai et al. 2018); random and frequency score all frames."
)


def anchors(music, quiet=True):
    """The three models on one set.

    music : MusicSet
    quiet : no progress bar
    Returns dict of str to dict, for each model the nats per frame of each part.
    """
    return {
        RANDOM: dict.fromkeys(SPLITS, NOTES * math.log(2)),
        UNIGRAM: unigram(music),
        LOGISTIC: logistic_regression(music, quiet),
    }


def unigram(music):
    """Every note by itself, as often as it sounds in training: nats per frame of each part."""
    p = np.clip(np.concatenate(music.train).mean(0, dtype=np.float64), RARE, 1 - RARE)
    nll = {}
    for split in SPLITS:
        on = np.concatenate(getattr(music, split)).mean(0, dtype=np.float64)
        nll[split] = float(-(on * np.log(p) + (1 - on) * np.log1p(-p)).sum())
    return nll


def logistic_regression(music, quiet=True):
    """Each note from the frame before, by the largest likelihood: nats per frame of each part.

    Newton's method, a note at a time; the loss is convex, and a step that does not lower it is halved.
    """
    one_blas_thread()
    x, t, weight = pairs(music.train)
    frequency = np.clip(weight @ t, RARE, 1 - RARE)
    W = np.zeros((NOTES, NOTES + 1))  # the last column multiplies the 1 at the end of x
    W[:, -1] = np.log(frequency / (1 - frequency))
    known = x.any(0)  # other notes keep the weight zero, and the frequency RARE
    x, penalty = x[:, known], np.append(np.full(known.sum() - 1, PENALTY), 1e-9)
    notes = np.flatnonzero(t.any(0))
    with Progress(len(notes), "logistic regression", "note", quiet, passing=True) as bar:
        for note in notes:
            W[note, known] = fitted(W[note, known], x, t[:, note], weight, penalty)
            bar.update(1)
    nll = {}
    for split in SPLITS:
        x, t, weight = pairs(getattr(music, split))
        a = x @ W.T
        nll[split] = float(weight @ (np.logaddexp(0, a) - a * t).sum(1))
    return nll


def fitted(w, x, t, weight, penalty):
    """The weights (89,) of one note with the least loss, from w on."""
    loss, y = note_loss(w, x, t, weight, penalty)
    for _ in range(NEWTON_STEPS):
        gradient = x.T @ (weight * (y - t)) + 2 * penalty * w
        curvature = (x.T * (weight * y * (1 - y))) @ x + 2 * np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        before, decrease = loss, gradient @ step / 2
        for _ in range(20):
            loss, y = note_loss(w - step, x, t, weight, penalty)
            if loss <= before:
                w = w - step
                break
            step /= 2
        if decrease < 1e-8:
            break
    return w


def note_loss(w, x, t, weight, penalty):
    """Loss of one note with weights w (89,), penalty included, and its probabilities (N,)."""
    a = x @ w
    loss = weight @ (np.logaddexp(0, a) - a * t) + penalty @ np.square(w)
    return loss, 1 / (1 + np.exp(-a))


def pairs(pieces):
    """Every pair of neighbouring frames once: the first and a 1, x (N, 89), the second, t (N, 88), and how
    often, (N,), which sums to 1.
    """
    both = np.concatenate([np.hstack([piece[:-1], piece[1:]]) for piece in pieces])
    packed = np.packbits(both, axis=1)
    # Rows as single items: unique sorts them many times faster than rows of numbers.
    items = packed.view([("", packed.dtype)] * packed.shape[1]).ravel()
    _, first, count = np.unique(items, return_index=True, return_counts=True)
    x = np.hstack([both[first, :NOTES], np.ones((len(first), 1))])
    return x, both[first, NOTES:].astype(np.float64), count / count.sum()
