"""Batches: every token where it belongs, in the promised order, and again after a break."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnet.training.batches import IGNORED, RandomWindows, Streams, evaluation_batches

TUNES = [np.arange(start, start + size) for start, size in ((100, 30), (200, 7), (300, 21), (400, 1))]


def seed(n=1):
    return np.random.default_rng(n)


TOKENS = np.arange(40)


def windows(tokens=TOKENS, rng=None, length=6, batch=3):
    return RandomWindows(tokens, length, batch, rng or seed())


def streams(sequences=TUNES, rng=None, length=4, batch=3):
    return Streams(sequences, length, batch, rng or seed())


def assert_same(batch, other):
    np.testing.assert_array_equal(batch.x, other.x)
    np.testing.assert_array_equal(batch.y, other.y)
    assert batch.reset_state == other.reset_state


def test_windows_are_stretches_of_the_tokens_from_anywhere():
    batches, starts = windows(), set()
    for _ in range(200):
        x, y, reset_state, _ = next(batches)
        assert x.shape == y.shape == (6, 3) and reset_state
        np.testing.assert_array_equal(x, x[0] + np.arange(6)[:, None])
        np.testing.assert_array_equal(y, x + 1)
        starts |= set(x[0].tolist())
    assert starts == set(range(34))  # the last window's last target is the last token


def test_one_window_is_enough():
    x, y, _, _ = next(windows(np.arange(7)))
    np.testing.assert_array_equal(x[:, 0], np.arange(6))
    np.testing.assert_array_equal(y[:, 2], np.arange(1, 7))


def test_neither_copies_one_array():
    tokens = np.arange(100, dtype=np.uint8)
    batches = streams(tokens)
    assert np.shares_memory(windows(tokens).tokens, tokens) and np.shares_memory(batches.x, tokens)
    assert next(batches).x.dtype == np.uint8


def epoch(batches):
    """The batches of one epoch, from its beginning."""
    found = [next(batches)]
    while batches.place < batches.steps:
        found.append(next(batches))
    return found


def test_streams_go_on_from_batch_to_batch():
    batches = streams()
    for _ in range(3):
        found = epoch(batches)
        assert len(found) == batches.steps == 58 // 12
        assert [batch.reset_state for batch in found] == [True] + [False] * (len(found) - 1)
        x, y = (np.concatenate(part) for part in ([b.x for b in found], [b.y for b in found]))
        np.testing.assert_array_equal(x[1:], y[:-1])
        np.testing.assert_array_equal(x[0, 1:], y[-1, :-1])  # a stream ends where the next one begins
    assert batches.epoch == 3


def test_streams_hold_whole_sequences_in_a_new_order():
    batches, orders = streams(), set()
    for _ in range(20):
        epoch(batches)
        row = batches.tokens
        breaks = np.flatnonzero(np.diff(row) != 1) + 1
        heads = [part[0] // 100 for part in np.split(row, breaks)]
        assert len(set(heads)) == len(heads)  # each in one piece
        orders.add(tuple(heads))
        next(batches)
        batches.place = batches.steps
    assert len(orders) > 5


def test_each_epoch_every_token_but_a_few_is_heard_once():
    heard = np.concatenate([batch.x.reshape(-1) for batch in epoch(streams())])
    assert len(set(heard.tolist())) == len(heard) == 48
    missed = set()
    batches = streams(np.arange(30))  # 24 of 29 fit
    for _ in range(60):
        missed |= set(range(29)) - set(np.concatenate([b.x.reshape(-1) for b in epoch(batches)]).tolist())
    assert missed == {*range(5), *range(24, 29)}  # now at the beginning, now at the end


def test_a_function_makes_each_epoch():
    def moved(rng):
        return [tune + 1000 * rng.integers(1, 9) for tune in TUNES]

    batches = streams(moved)
    first = {int(x) // 1000 for x in epoch(batches)[0].x.reshape(-1)}
    second = {int(x) // 1000 for x in epoch(batches)[0].x.reshape(-1)}
    assert first <= set(range(1, 9)) and first != second


@pytest.mark.parametrize(
    "sequences", [TUNES, np.arange(60), lambda rng: [t + rng.integers(99) for t in TUNES]]
)
@pytest.mark.parametrize("steps", [0, 1, 3, 4, 5, 9])
def test_streams_resume(sequences, steps):
    batches = streams(sequences)
    for _ in range(steps):
        next(batches)
    state = json.loads(json.dumps(batches.state_dict()))
    again = streams(sequences, seed(2))
    again.load_state_dict(state)
    assert again.state_dict() == batches.state_dict()
    for _ in range(10):
        assert_same(next(again), next(batches))
    assert again.epoch == batches.epoch


def test_windows_resume():
    batches, again = windows(), windows(rng=seed(2))
    next(batches)
    again.load_state_dict(json.loads(json.dumps(batches.state_dict())))
    for _ in range(3):
        assert_same(next(again), next(batches))


def test_a_shared_generator_goes_on_too():
    """One generator for the order of tunes and for another's dropout."""
    rng, other = seed(), seed(2)
    batches = streams(rng=rng)
    next(batches)
    rng.random(5)
    again = streams(rng=other)
    again.load_state_dict(batches.state_dict())
    assert other.random() == rng.random()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: [],
        lambda state: None,
        lambda state: {},
        lambda state: state | {"extra": 1},
        lambda state: state | {"tokens": 1},
        lambda state: state | {"generator": {"bit_generator": "PCG64"}},
        lambda state: state | {"generator": np.random.MT19937(1).state},
        lambda state: state | {"generator": 3},
    ],
)
@pytest.mark.parametrize("make", [windows, streams])
def test_strange_states_are_refused(make, spoil):
    batches = make()
    with pytest.raises(ValueError, match="expected|state"):
        batches.load_state_dict(spoil(batches.state_dict()))


@pytest.mark.parametrize(
    "wrong",
    [{"place": 5}, {"place": -1}, {"place": 1.5}, {"epoch": 0}, {"epoch": "1"}, {"length": 5}, {"batch": 2}],
)
def test_strange_places_are_refused(wrong):
    batches = streams()
    with pytest.raises(ValueError, match=f"expected {next(iter(wrong))}"):
        batches.load_state_dict(batches.state_dict() | wrong)


def test_other_tokens_are_refused():
    with pytest.raises(ValueError, match="the same tokens"):
        streams([*TUNES, np.arange(3)]).load_state_dict(streams().state_dict())
    with pytest.raises(ValueError, match="the same tokens"):
        windows(np.arange(1, 41)).load_state_dict(windows().state_dict())


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: windows(np.arange(6)), "at least 7 tokens, got 6"),
        (lambda: windows(np.arange(40.0)), "whole numbers"),
        (lambda: windows(np.zeros((9, 9), int)), r"tokens \(L,\)"),
        (lambda: windows(length=0), "length >= 1"),
        (lambda: streams(batch=0), "batch >= 1"),
        (lambda: streams([]), "at least 13 tokens .*, got 0"),
        (lambda: streams([np.arange(6), np.arange(6)]), "at least 13 tokens .*3 streams of 4.*, got 12"),
        (lambda: streams([np.arange(60.0)]), "whole numbers"),
        (lambda: evaluation_batches([], 3), "at least one sequence"),
        (lambda: evaluation_batches([np.arange(1)], 3), "at least 2 tokens"),
        (lambda: evaluation_batches(TUNES[:2], 3, context=7), "at least 8 tokens"),
        (lambda: evaluation_batches(TUNES, 3, context=0), "context >= 1"),
        (lambda: evaluation_batches(TUNES, 0), "batch >= 1"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(3, 25), min_size=1, max_size=9),
    batch=st.integers(1, 5),
    context=st.integers(1, 2),
    length=st.integers(1, 30),
)
def test_each_target_is_predicted_once(sizes, batch, context, length):
    sequences = [np.arange(1000 * k, 1000 * k + size) for k, size in enumerate(sizes, 1)]
    found, rows = [], None
    for x, y, reset_state, _ in evaluation_batches(sequences, batch, context, length):
        assert x.shape == y.shape and len(x) <= length and x.shape[1] <= batch
        if not reset_state:
            going = y[0] != IGNORED
            np.testing.assert_array_equal(x[0, going], rows[going] + 1)  # each row goes on where it was
        rows = x[-1]
        counts = y != IGNORED
        np.testing.assert_array_equal(y[counts], x[counts] + 1)
        found += y[counts].tolist()
    assert sorted(found) == sorted(token for s in sequences for token in s[context:].tolist())
