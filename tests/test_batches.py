"""Batches of tokens."""

import json

import numpy as np
import pytest

from scratchnet.batches import IGNORED, RandomWindows, Streams, judged


def test_random_windows(rng):
    tokens = np.arange(50)
    batches = RandomWindows(tokens, 6, 4, rng)
    starts = set()
    for _ in range(300):
        x, y, fresh, lengths = next(batches)
        assert x.shape == y.shape == (6, 4) and fresh and lengths is None
        np.testing.assert_array_equal(y, x + 1)
        np.testing.assert_array_equal(x - x[0], np.arange(6)[:, None] + np.zeros(4))
        starts |= set(x[0])
    assert starts == set(range(44))


def test_streams_go_through_everything_in_order(rng):
    sequences = [np.arange(100 * k, 100 * k + 30 + k) for k in range(7)]
    batches = Streams(sequences, 5, 3, rng)
    epochs = []
    for _ in range(3):
        seen, before = [], None
        for place in range(batches.steps):
            batch = next(batches)
            assert batch.fresh == (place == 0)
            if before is not None:
                np.testing.assert_array_equal(batch.x[0], before)  # the state fits: it goes on
            before = batch.y[-1]
            np.testing.assert_array_equal(batch.x[1:], batch.y[:-1])
            seen.append(batch.x)
        stream = np.concatenate(seen).T.ravel()
        assert len(stream) == len(set(stream)) > sum(map(len, sequences)) - 16
        for token, after in zip(stream, stream[1:], strict=False):
            assert after == token + 1 or token % 100 == 29 + token // 100
        epochs.append(stream.tolist())
    assert epochs[0] != epochs[1] != epochs[2] and batches.epoch == 3


def test_streams_of_a_function(rng):
    asked = []

    def make(rng):
        asked.append(rng.integers(1000))
        return [np.full(20, len(asked))]

    batches = Streams(make, 4, 2, rng)
    values = [int(next(batches).x[0, 0]) for _ in range(3 * batches.steps)]
    assert values == [1] * batches.steps + [2] * batches.steps + [3] * batches.steps and len(set(asked)) == 3


@pytest.mark.parametrize("kind", ["windows", "streams", "function"])
def test_going_on(kind):
    def make(seed):
        rng = np.random.default_rng(seed)
        if kind == "windows":
            return RandomWindows(np.arange(90), 5, 3, rng)
        sequences = [np.arange(40 * k, 40 * k + 30) for k in range(4)]
        if kind == "streams":
            return Streams(sequences, 5, 3, rng)
        return Streams(lambda rng: [s + rng.integers(3) for s in sequences], 5, 3, rng)

    batches = make(0)
    for _ in range(11):
        next(batches)
    state = json.loads(json.dumps(batches.state_dict()))
    other = make(5)
    other.load_state_dict(state)
    for _ in range(25):
        for one, two in zip(next(batches), next(other), strict=True):
            np.testing.assert_array_equal(one, two)
    assert batches.state_dict() == other.state_dict()


def test_judged_counts_every_token_once(rng):
    sequences = [rng.integers(0, 9, length) for length in (5, 3, 12, 4, 7)]
    batches = judged(sequences, 2, heard=2)
    assert [batch.x.shape for batch in batches] == [(3, 2), (6, 2), (11, 1)]
    found = []
    for x, y, fresh, lengths in batches:
        assert fresh
        for n, length in enumerate(lengths):
            assert (y[0, n], *y[length:, n]) == (IGNORED,) * (1 + len(y) - length)
            found.append([*x[:2, n], *y[1:length, n]])
    assert sorted(map(tuple, found)) == sorted(tuple(s) for s in sequences)


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: RandomWindows(np.arange(5), 5, 1, rng),
        lambda rng: RandomWindows(np.zeros((5, 5), int), 2, 1, rng),
        lambda rng: RandomWindows(np.zeros(9), 2, 1, rng),
        lambda rng: RandomWindows(np.arange(9), 0, 1, rng),
        lambda rng: Streams([np.arange(12)], 4, 3, rng),
        lambda rng: Streams([], 4, 3, rng),
        lambda rng: Streams([np.arange(30)], 4, 0, rng),
        lambda rng: judged([np.arange(2)], 3, heard=2),
    ],
)
def test_bad_input(make, rng):
    with pytest.raises(ValueError, match="expected"):
        make(rng)


def test_a_place_beyond_the_end(rng):
    batches = Streams([np.arange(30)], 4, 2, rng)
    with pytest.raises(ValueError, match="expected a place"):
        batches.load_state_dict(batches.state_dict() | {"place": 99})
