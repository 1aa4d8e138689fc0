"""Figures against counts done by hand and by slow code."""

import numpy as np
import pytest

from scratchnet.evaluation.metrics import bits, class_scores, perplexity, top_k_accuracy


def test_units():
    assert bits(np.log(8)) == pytest.approx(3) and perplexity(np.log(8)) == pytest.approx(8)


def test_scores_by_hand():
    targets = np.array([[0, 0, 0], [1, 1, 3]])
    predicted = np.array([[0, 0, 1], [1, 2, 3]])
    scores = class_scores(predicted, targets, 6)
    np.testing.assert_array_equal(scores.classes, [0, 1, 2, 3])  # 4 and 5 never occur
    np.testing.assert_allclose(scores.precision, [1, 1 / 2, 0, 1])
    np.testing.assert_allclose(scores.recall, [2 / 3, 1 / 2, 0, 1])
    np.testing.assert_allclose(scores.f1, [0.8, 0.5, 0, 1])
    assert scores.macro_precision == pytest.approx(2.5 / 4)
    assert scores.macro_recall == pytest.approx((2 / 3 + 1.5) / 4)
    p, r = scores.macro_precision, scores.macro_recall
    assert scores.f1_of_means == pytest.approx(2 / (1 / p + 1 / r))
    assert scores.mean_f1 == pytest.approx(2.3 / 4) != scores.f1_of_means


def test_all_wrong_is_zero():
    scores = class_scores(np.array([1, 0]), np.array([0, 1]), 2)
    assert scores.f1_of_means == scores.mean_f1 == 0


def test_scores_against_slow_counts(rng):
    predicted, targets = rng.integers(0, 7, 300), rng.integers(0, 7, 300)
    targets[:150] = predicted[:150]
    scores = class_scores(predicted, targets, 7)
    for k, v in enumerate(scores.classes):
        right = sum(p == t == v for p, t in zip(predicted, targets, strict=True))
        assert scores.precision[k] == pytest.approx(right / sum(predicted == v))
        assert scores.recall[k] == pytest.approx(right / sum(targets == v))
    np.testing.assert_allclose(scores.f1, 2 / (1 / scores.precision + 1 / scores.recall))


def test_top_k_against_sorting(rng):
    a, t = rng.standard_normal((6, 5, 4)).astype(np.float32), rng.integers(0, 5, (6, 4))
    t[2:4, 1] = -100
    for k in range(1, 6):
        best = np.argsort(-a, axis=1)[:, :k]
        right = [t[n, b] in best[n, :, b] for n in range(6) for b in range(4) if t[n, b] != -100]
        assert top_k_accuracy(a, t, k) == pytest.approx(np.mean(right))
    assert top_k_accuracy(a, t, 5) == 1


def test_ties_and_nan_do_not_count_as_right():
    t = np.zeros((1, 1), int)
    assert top_k_accuracy(np.zeros((1, 3, 1)), t) == 0  # a network that says nothing is not right
    assert top_k_accuracy(np.zeros((1, 3, 1)), t, 3) == 1
    assert top_k_accuracy(np.full((1, 3, 1), np.nan), t) == 0


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: top_k_accuracy(np.zeros((2, 3)), np.zeros((2, 3), int)), r"logits \(T, V, B\)"),
        (lambda: top_k_accuracy(np.zeros((2, 3, 1)), np.zeros((2, 2), int)), r"logits \(T, V, B\)"),
        (lambda: top_k_accuracy(np.zeros((2, 3, 1)), np.zeros((2, 1))), r"logits \(T, V, B\)"),
        (lambda: top_k_accuracy(np.zeros((2, 3, 1)), np.zeros((2, 1), int), 4), "k <= 3, got 4"),
        (lambda: top_k_accuracy(np.zeros((2, 3, 1)), np.full((2, 1), 3)), r"targets in 0 \.\. 2"),
        (lambda: top_k_accuracy(np.zeros((2, 3, 1)), np.full((2, 1), -100)), "expected targets, got none"),
        (lambda: class_scores(np.zeros(2, int), np.zeros(3, int), 2), "of one shape"),
        (lambda: class_scores(np.zeros(2), np.zeros(2, int), 2), "whole numbers"),
        (lambda: class_scores(np.full(2, 2), np.zeros(2, int), 2), r"predictions in 0 \.\. 1"),
        (lambda: class_scores(np.zeros(2, int), np.full(2, -1), 2), r"targets in 0 \.\. 1"),
        (lambda: class_scores(np.zeros(0, int), np.zeros(0, int), 2), "got none"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
