"""Composing several pieces at once."""

import numpy as np
import pytest

from scratchnet import generation
from scratchnet.generation import generate
from scratchnet.linear import Linear
from scratchnet.lstm import LSTM
from scratchnet.sampling import sample
from scratchnet.sequential import Sequential

V, H = 6, 10


@pytest.fixture
def model(rng):
    net = Sequential([LSTM(V, H, rng, num_layers=2), Linear(H, V, rng)])
    for w in net.params.values():
        w *= 4
    return net


def test_without_an_end_it_is_sampling(model):
    start = np.array([1, 3, 0])
    tokens, _ = sample(model, start, 40, np.random.default_rng(0))
    pieces = generate(model, start[:, None], 40, np.random.default_rng(0))
    np.testing.assert_array_equal(np.stack(pieces, 1), tokens)


def test_primers_of_unequal_length_are_heard(model, monkeypatch):
    primers = [[1, 2, 3], [4], [5, 0, 1, 2, 2], [3, 3, 3]]
    together = generate(model, primers, 25, np.random.default_rng(0), temperature=1e-3)
    for primer, piece in zip(primers, together, strict=True):
        (alone,) = generate(model, [primer], 25, np.random.default_rng(1), temperature=1e-3)
        np.testing.assert_array_equal(piece, alone)
        text = [*primer, *alone]
        for k in range(len(primer), len(text)):  # each is the likeliest one after all before
            assert model.forward(np.array(text[:k])[:, None])[-1, :, 0].argmax() == text[k]


def test_every_piece_has_its_own_end(model, monkeypatch):
    monkeypatch.setattr(generation, "STRETCH", 7)
    pieces = generate(model, [[k % V] for k in range(30)], 60, np.random.default_rng(2), stop=[2, 2])
    ended = 0
    for n, piece in enumerate(pieces):
        text = [n % V, *piece]
        places = [k for k in range(len(piece)) if text[k] == text[k + 1] == 2]
        assert places == [len(piece) - 1] or not places and len(piece) == 60
        ended += bool(places)
    assert ended > 5 and len({len(piece) for piece in pieces}) > 5


def test_an_end_that_the_primer_begins(model):
    pieces = generate(model, [[1, 2]] * 40, 30, np.random.default_rng(0), stop=[2, 2])
    assert any(len(piece) == 1 and piece[0] == 2 for piece in pieces)


@pytest.mark.parametrize("primers", [[[]], [[[1]]], [[V]], [[-1, 2]]])
def test_bad_primers(model, primers):
    with pytest.raises(ValueError, match="expected"):
        generate(model, primers, 5, np.random.default_rng(0))
