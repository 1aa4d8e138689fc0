"""Witten-Bell smoothing against the n-gram of the textbook."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.abc import split_tunes
from encoders.tokens.characters import Characters, stream
from scratchnet import plain
from scratchnet.evaluation.ngrams import WittenBell

sequences = st.lists(st.lists(st.integers(0, 3), max_size=12), min_size=1, max_size=4)


@given(sequences.filter(any), sequences, st.integers(0, 4))
def test_against_the_textbook(train, test, order):
    model = WittenBell(order, 4).fit(train)
    expected = [
        [slow.probability(w, tokens[:n]) for tokens in test for n, w in enumerate(tokens)]
        for slow in (plain.NGram(k, 4).fit(train) for k in range(order + 1))
    ]
    np.testing.assert_allclose(model.probabilities(test), expected, rtol=1e-12)


def test_probabilities_sum_to_one(rng):
    train = [rng.integers(0, 5, 200)]
    model = WittenBell(3, 5).fit(train)
    for context in ([], [1], [2, 2], [4, 0, 1]):
        last = [model.probabilities([[*context, w]])[:, -1] for w in range(5)]
        np.testing.assert_allclose(np.sum(last, 0), 1)


def test_nats(rng):
    train, test = [rng.integers(0, 7, 300)], [rng.integers(0, 7, 50), rng.integers(0, 7, 1)]
    model = WittenBell(2, 7).fit(train)
    np.testing.assert_allclose(model.nats(test), -np.log(model.probabilities(test)).mean(1))


@pytest.mark.parametrize(
    "order, vocabulary, train", [(-1, 3, [[1]]), (1, 0, [[1]]), (1, 3, []), (1, 3, [[3]]), (1, 3, [[-1]])]
)
def test_bad_input(order, vocabulary, train):
    with pytest.raises(ValueError, match="expected"):
        WittenBell(order, vocabulary).fit(train)


@pytest.mark.data
def test_the_irish_set(data_folder):
    """The last tenth of the file after the first nine: 4-grams are the best, at about 1.76 nats."""
    text = (data_folder / "irish_mit" / "irish.abc").read_text(encoding="utf-8")
    tunes = [tune for _, tune in split_tunes(text)]
    letters, cut = Characters.of(tunes), len(tunes) * 9 // 10
    train, test = (letters.encode(stream(part)) for part in (tunes[:cut], tunes[cut:]))
    nats = WittenBell(5, len(letters)).fit([train]).nats([test])
    assert nats.argmin() == 3 and 1.7 < nats.min() < 1.85
