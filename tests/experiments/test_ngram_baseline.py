"""N-grams to be beaten: all tokens where that is bearable, else some sequences, and that is said."""

import numpy as np
import pytest

pytest.importorskip("tqdm", reason="needs the extra 'experiments'")
from experiments.common import ngram_baseline
from experiments.common.ngram_baseline import best_ngram, ngrams, to_beat
from scratchnet.evaluation.ngrams import WittenBell

V = 5


@pytest.fixture
def sequences(rng):
    return [rng.integers(0, V, size) for size in (40, 30, 60, 20, 50)]


def test_rows_are_the_models(sequences, rng):
    test = [rng.integers(0, V, 30), rng.integers(0, V, 12)]
    nats = WittenBell(2, V).fit(sequences).nats(test)
    assert ngrams(2, V, sequences, test, True) == dict(
        zip(("unigram", "2-gram", "3-gram"), nats, strict=True)
    )
    counted = np.arange(42) % 3 == 0
    p = WittenBell(2, V).fit(sequences).probabilities(test)[:, counted]
    rows = ngrams(2, V, sequences, test, True, counted)
    np.testing.assert_allclose(list(rows.values()), -np.log(p).mean(1))


@pytest.mark.parametrize("most, least", [(100, 41), (1, 20)])
def test_of_too_many_tokens_some_sequences_count(most, least, sequences, monkeypatch):
    monkeypatch.setattr(ngram_baseline, "MOST", most)
    rows = ngrams(1, V, sequences, [sequences[0]], True)
    name, _ = best_ngram(rows)
    taken = int(name.partition("from ")[2].split()[0])
    assert name.endswith(f", from {taken} of 200 tokens") and least <= taken <= max(most, 60)
    assert rows == ngrams(1, V, sequences, [sequences[0]], True)
    ((unigram, _),) = [row for row in rows.items() if row[0].startswith("unigram")]
    assert to_beat({"uniform": 1.6} | rows).keys() == {"uniform", unigram, name}
