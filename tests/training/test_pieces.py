"""Streams in which every piece begins with a zero state."""

import numpy as np
import pytest

from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.sequential import Sequential
from scratchnet.training.batches import IGNORED
from scratchnet.training.losses import softmax_cross_entropy
from scratchnet.training.optimizers import SGD
from scratchnet.training.pieces import Pieces
from scratchnet.training.trainer import Trainer

PIECES = [np.arange(n) + 100 * k for k, n in enumerate((9, 2, 14, 5, 23, 8))]


def pairs(batch):
    """(x, y) of the targets that count."""
    counts = batch.y != IGNORED
    return list(zip(batch.x[counts].tolist(), batch.y[counts].tolist(), strict=True))


@pytest.mark.parametrize("T, B", [(4, 1), (4, 3), (1, 2), (30, 4)])
def test_every_target_comes_once_and_only_few_are_left_out(T, B):
    batches = Pieces(PIECES, T, B, np.random.default_rng(0))
    for _ in range(3):
        found = [pair for _ in range(batches.steps) for pair in pairs(next(batches))]
        wanted = {(int(a), int(b)) for piece in PIECES for a, b in zip(piece[:-1], piece[1:], strict=True)}
        assert len(found) == len(set(found)) and set(found) <= wanted
        assert len(found) > len(wanted) - T * B
        assert batches.place == batches.steps


def test_a_stream_is_fresh_where_a_piece_begins_and_goes_on_where_it_does():
    batches = Pieces(PIECES, 4, 3, np.random.default_rng(0))
    last = [None] * 3
    for epoch in range(3):
        for place in range(batches.steps):
            batch = next(batches)
            assert batch.x.shape == batch.y.shape == (4, 3) and batch.reset_state.shape == (3,)
            for n in range(3):
                first = batch.x[0, n]
                assert batch.reset_state[n] == (place == 0 or first % 100 == 0)
                assert batch.reset_state[n] or first == last[n] + 1
                last[n] = batch.x[-1, n]
        assert batches.epoch == epoch + 1


@pytest.mark.parametrize(
    "kind, expected", [(np.uint8, np.int16), (np.int16, np.int16), (np.uint64, np.int64)]
)
def test_memory_is_that_of_the_sequences_own_integers(kind, expected):
    pieces = [piece % 120 for piece in PIECES]
    batches = Pieces([piece.astype(kind) for piece in pieces], 4, 3, np.random.default_rng(1))
    assert batches.x.dtype == kind and batches.y.dtype == expected
    same = Pieces(pieces, 4, 3, np.random.default_rng(1))
    assert batches.state_dict() == same.state_dict()


def test_going_on_gives_the_same_batches():
    def function(rng):
        return [piece + int(rng.integers(2)) for piece in PIECES]

    whole = Pieces(function, 4, 3, np.random.default_rng(1))
    for _ in range(9):
        next(whole)
    later = Pieces(function, 4, 3, np.random.default_rng(2))
    later.load_state_dict(whole.state_dict())
    for _ in range(9):
        one, other = next(whole), next(later)
        assert all(np.array_equal(a, b) for a, b in zip(one[:3], other[:3], strict=True))
    with pytest.raises(ValueError, match="length"):
        Pieces(function, 5, 3, np.random.default_rng(2)).load_state_dict(whole.state_dict())
    with pytest.raises(ValueError, match="same tokens"):
        Pieces([p + 7 for p in PIECES], 4, 3, np.random.default_rng(2)).load_state_dict(whole.state_dict())


def test_a_stream_that_is_fresh_hears_nothing_of_what_was_before():
    rng = np.random.default_rng(3)
    pieces = [np.array([1, 2, 3, 4, 5]), np.array([6, 5, 4]), np.array([2, 6, 1])]  # two windows, one, one
    batches = Pieces(pieces, 2, 2, np.random.default_rng(0))
    model = Sequential([LSTM(7, 5, rng, dtype=np.float64), Linear(5, 7, rng, np.float64)])
    learner = Trainer(model, batches, SGD(model.params, model.grads, lr=1e-300))
    before, mixed = None, 0
    for _ in range(6 * batches.steps):
        place = batches.place % batches.steps
        loss = learner.step().loss
        batch = batches._batch(batches.place - 1)
        state = model.initial_state(2)
        if before is not None:
            for part, last in zip(state, before, strict=True):
                part[..., ~batch.reset_state] = last[..., ~batch.reset_state]
        a, before = model.forward(batch.x, state)
        assert loss == pytest.approx(float(softmax_cross_entropy(a, batch.y)[0]), rel=1e-12)
        mixed += place > 0 and batch.reset_state.any() and not batch.reset_state.all()
    assert mixed


@pytest.mark.parametrize(
    "pieces, message",
    [([np.arange(3)], "at least 3 windows of 4 tokens"), ([np.arange(1)] * 9, "at least 2 tokens")],
)
def test_too_little(pieces, message):
    with pytest.raises(ValueError, match=message):
        Pieces(pieces, 4, 3, np.random.default_rng(0))
