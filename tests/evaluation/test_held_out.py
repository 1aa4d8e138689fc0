"""Evaluation on a sample of held-out sequences: it is fair, and its standard error is what repeats show."""

import numpy as np
import pytest

from scratchnet.evaluation import held_out as module
from scratchnet.evaluation.held_out import evaluate, held_out, outputs
from scratchnet.evaluation.metrics import surprisal
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.sequential import Sequential
from scratchnet.training.batches import IGNORED, evaluation_batches
from scratchnet.training.losses import softmax_cross_entropy

V = 7


@pytest.fixture
def model():
    rng = np.random.default_rng(1)
    return Sequential([Embedding(V, 4, rng), LSTM(4, 5, rng), Linear(5, V, rng)])


@pytest.fixture
def small_windows(monkeypatch):
    monkeypatch.setattr(module, "LENGTH", 8)
    monkeypatch.setattr(module, "WARM_UP", 3)
    monkeypatch.setattr(module, "FEW", 1)


def some(rng, count=12):
    return [rng.integers(0, V, size) for size in rng.integers(5, 60, count)]


def test_surprisal_is_the_loss_of_each_target(rng):
    a, t = rng.standard_normal((5, V, 3)) * 9, rng.integers(0, V, (5, 3))
    t[1, 2] = IGNORED
    nats = surprisal(a, t)
    assert nats.shape == (5, 3) and nats[1, 2] == 0
    np.testing.assert_allclose(nats.sum() / 14, softmax_cross_entropy(a, t)[0], rtol=1e-12)
    one = [
        [softmax_cross_entropy(a[k : k + 1, :, [b]], t[k : k + 1, [b]])[0] for b in (0, 1)] for k in range(5)
    ]
    np.testing.assert_allclose(nats[:, :2], one, rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_surprisal_of_what_has_gone_astray(bad, rng):
    a, t = rng.standard_normal((2, V, 2)), np.zeros((2, 2), int)
    a[0, 3, 1] = bad
    t[1, 0] = IGNORED
    nats = surprisal(a, t)
    assert np.isnan(nats[0, 1]) and np.isfinite(nats[0, 0]) and nats[1, 0] == 0


@pytest.mark.parametrize("most", [None, 10**6])
def test_all_of_it_is_evaluated_as_by_its_batches(most, model, rng):
    sequences = some(rng)
    part = held_out(sequences, 4, rng, most, context=2)
    targets = sum(map(len, sequences)) - 2 * len(sequences)
    assert part.whole and (part.tokens, part.of_tokens) == (targets, targets)
    assert part(model) == (evaluate(model, evaluation_batches(sequences, 4, context=2)), 0.0)
    assert str(part) == f"all {targets} tokens"


def test_windows_are_stretches_after_a_warm_up(small_windows, rng):
    sequences = [np.arange(size) + first for size, first in ((61, 0), (6, 100), (29, 200))]
    part = held_out(sequences, 4, rng, most=70, context=2)
    assert not part.whole and part.windows < part.of_windows == 8 + 1 + 4
    seen = []
    for batch in part.batches:
        assert batch.reset_state
        for x, y in zip(batch.x.T, batch.y.T, strict=True):
            targets = np.flatnonzero(y != IGNORED)
            first = y[targets[0]]
            place = first % 100
            np.testing.assert_array_equal(y[targets], first + np.arange(len(targets)))
            np.testing.assert_array_equal(
                x[: targets[-1] + 1], first - 1 - targets[0] + np.arange(targets[-1] + 1)
            )
            assert (place - 2) % 8 == 0 and targets[0] + 1 == (min(place, 3) if place > 2 else 2)
            seen += list(y[targets])
    assert len(set(seen)) == len(seen) == part.tokens and part.of_tokens == 59 + 4 + 27
    steps = sum(int((batch.y != IGNORED).sum()) for batch in part.batches) + 3 * part.windows
    assert steps - 11 <= 70
    assert str(part) == f"{part.tokens} of 90 tokens in {part.windows} of 13 windows"


def test_all_windows_where_few_long_sequences_would_be_slow(model, rng):
    """Twice 3,000 tokens side by side take the time of 32 times 3,000; windows of them do not."""
    sequences = [rng.integers(0, V, 3000), rng.integers(0, V, 3001)]
    assert held_out(sequences, 4, rng, most=32 * 3000).whole
    for part in (held_out(sequences, 4, rng, most=7000), held_out(sequences, 4, rng, windows=True)):
        assert part.whole and (part.windows, part.tokens) == (12, 5999)
        assert max(len(batch.x) for batch in part.batches) == 64 + 512 - 1
        nats, error = part(model)
        assert error == 0 and nats == pytest.approx(
            evaluate(model, evaluation_batches(sequences, 2)), abs=0.01
        )
    assert not held_out(sequences, 4, rng, most=4000).whole


def test_the_same_seed_gives_the_same_sample_and_another_one_another(small_windows, rng):
    sequences = some(rng)
    first, again, other = (held_out(sequences, 4, np.random.default_rng(seed), most=60) for seed in (5, 5, 6))
    assert [b.x.tobytes() for b in first.batches] == [b.x.tobytes() for b in again.batches]
    assert [b.x.tobytes() for b in first.batches] != [b.x.tobytes() for b in other.batches]


def test_at_least_two_windows(small_windows, rng):
    part = held_out([np.arange(100) % V], 4, rng, most=1)
    assert part.windows == 2
    assert held_out([np.arange(12) % V], 4, rng, most=1).whole


def test_the_error_is_what_many_samples_show(small_windows, model, rng):
    """Over many samples: the mean is the mean of all windows, the spread the estimated standard error."""
    sequences = [np.full(rng.integers(9, 60), token) for token in range(V)] + some(rng, 10)
    every = held_out(sequences, 8, rng, windows=True)
    drawn = [held_out(sequences, 8, rng, most=200)(model) for _ in range(200)]
    nats, errors = np.array(drawn).T
    assert every.whole and abs(np.mean(nats) - every(model)[0]) < 3 * np.std(nats) / np.sqrt(200)
    assert 0.8 < np.sqrt(np.mean(errors**2)) / np.std(nats) < 1.25


def test_it_can_be_broken_off_and_the_model_is_as_before(model, rng):
    batches = evaluation_batches(some(rng), 4)
    model.train()

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(model, batches, stop)
    assert model.training
    count = []
    evaluate(model, batches, lambda: count.append(1))
    assert len(count) == len(batches) == len(list(outputs(model, batches)))
