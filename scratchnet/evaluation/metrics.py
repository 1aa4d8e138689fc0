"""Figures that say how well a network predicts tokens.

    bits = nats / ln 2                      perplexity = exp(nats)
    top-k accuracy                          share of targets among the k likeliest tokens

    precision of class v = right v / all v predicted            recall of class v = right v / all v that were

Two figures go by the name of macro F1 and differ: the harmonic mean of the mean precision and the mean
recall, and the mean of the classes' own harmonic means (Opitz & Burst 2019). Both are here.
"""

import math
from typing import NamedTuple

import numpy as np

from scratchnet.arguments import LARGEST, as_array, number, whole
from scratchnet.training.batches import IGNORED


def bits(nats):
    """Nats as bits."""
    return (
        number(nats, "nats", infinite=True) / math.log(2)
        if np.ndim(nats) == 0
        else np.asarray(nats) / np.log(2)
    )


def perplexity(nats):
    """Among how many equally likely tokens one would be as uncertain."""
    nats = number(nats, "nats", infinite=True)
    return math.exp(nats) if nats < 709 else math.inf


def top_k_accuracy(a, t, k=1, ignore_index=IGNORED):
    """Share of the targets that are among the k largest logits. A tie counts against the target.

    Parameters
    ----------
    a : array (T, V, B), logits
    t : whole numbers (T, B), targets
    k : at least 1
    ignore_index : targets with this value do not count

    Raises
    ------
    ValueError
        If a shape differs, a target or k is out of range, or no target counts.
    """
    a, t, counts = _expect_predictions(a, t, ignore_index)
    k = whole(k, "k", most=a.shape[1])
    if not counts.any():
        raise ValueError("expected targets, got none")
    target = np.take_along_axis(a, np.where(counts, t, 0)[:, None].astype(np.int64), axis=1)
    rank = (~(a < target)).sum(axis=1)  # how many are as large, itself among them; NaN is never right
    return float((rank[counts] <= k).mean())


def surprisal(a, t, ignore_index=IGNORED):
    """Nats of each target, -log p.

    Parameters
    ----------
    a : array (T, V, B), logits
    t : whole numbers (T, B), targets in 0 .. V - 1
    ignore_index : targets with this value do not count

    Returns
    -------
    float64 array (T, B), 0 where the target does not count, NaN where a logit is NaN or infinity

    Raises
    ------
    ValueError
        If a shape differs, or a target is out of range.
    """
    a, t, counts = _expect_predictions(a, t, ignore_index)
    with np.errstate(invalid="ignore"):  # what has gone astray is seen in the sum
        below = a - a.max(axis=1, keepdims=True)
        own = np.take_along_axis(below, np.where(counts, t, 0)[:, None].astype(np.int64), axis=1)[:, 0]
        total = np.exp(below, out=below).sum(axis=1, dtype=np.float64)
        return np.where(counts, np.log(total) - own, 0.0)


class ClassScores(NamedTuple):
    """Scores (C,) of the classes that occur, and their means.

    classes : the numbers of those that occur among targets or predictions; the others do not count
    precision, recall, f1 : arrays (C,); 0 where nothing was predicted, or nothing was there
    macro_precision, macro_recall : their means
    f1_of_means : the harmonic mean of these two
    mean_f1 : the mean of `f1`
    """

    classes: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    macro_precision: float
    macro_recall: float
    f1_of_means: float
    mean_f1: float


def class_scores(predicted, targets, V):
    """Precision, recall and F1 of each class.

    Parameters
    ----------
    predicted, targets : whole numbers in 0 .. V - 1, arrays of one shape
    V : how many classes there are

    Returns
    -------
    ClassScores

    Raises
    ------
    ValueError
        If the shapes differ, a number is out of range, or there is none.
    """
    predicted, targets = as_array(predicted, "predicted"), as_array(targets, "targets")
    V = whole(V, "V")
    if predicted.shape != targets.shape or {predicted.dtype.kind, targets.dtype.kind} - set("iu"):
        raise ValueError(f"expected whole numbers of one shape, got {predicted.shape} and {targets.shape}")
    _expect_classes(predicted, V, "predictions")
    _expect_classes(targets, V, "targets")
    right = np.bincount(targets[predicted == targets], minlength=V)
    said, were = (np.bincount(numbers.reshape(-1), minlength=V) for numbers in (predicted, targets))
    classes = np.flatnonzero(said + were)
    right, said, were = right[classes], said[classes], were[classes]
    precision, recall = right / np.maximum(said, 1), right / np.maximum(were, 1)
    f1 = 2 * right / (said + were)
    p, r = float(precision.mean()), float(recall.mean())
    return ClassScores(classes, precision, recall, f1, p, r, harmonic_mean(p, r), float(f1.mean()))


def harmonic_mean(a, b):
    """2 a b / (a + b), and 0 for zeros."""
    a, b = number(a, "a", least=0), number(b, "b", least=0)
    return 2 * a * b / (a + b) if a + b else 0.0


def _expect_predictions(a, t, ignore_index):
    """Logits (T, V, B) and targets (T, B) as arrays, and which targets count."""
    a, t = as_array(a, "a"), as_array(t, "t")
    if a.ndim != 3 or t.shape != (len(a), a.shape[2]) or t.dtype.kind not in "iu":
        raise ValueError(
            f"expected logits (T, V, B) and targets (T, B), got {a.shape} and {t.shape} {t.dtype}"
        )
    if a.dtype.kind not in "fiu":
        raise ValueError(f"expected logits (T, V, B) of real numbers, got {a.dtype}")
    counts = t != whole(ignore_index, "ignore_index", -LARGEST)
    if counts.any():
        _expect_classes(t[counts], a.shape[1], "targets")
    return a, t, counts


def _expect_classes(numbers, V, name):
    if not numbers.size:
        raise ValueError(f"expected {name}, got none")
    if numbers.min() < 0 or numbers.max() >= V:
        raise ValueError(f"expected {name} in 0 .. {V - 1}, got {numbers.min()} .. {numbers.max()}")
