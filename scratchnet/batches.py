"""Batches of tokens to learn from, and to be judged by.

    RandomWindows   windows that begin anywhere; each begins with a zero state (the habit of MIT's lab)
    Streams         B parallel streams through all sequences, cut into windows, the state carried from one to
                    the next: truncated BPTT, and nothing is left out
    judged          whole sequences one beside the other, filled up at the end, each target exactly once

Both of the first kind are endless: `next(batches)` gives a Batch. Inputs x (T, B) and targets y (T, B) are the
same tokens, one step apart. `state_dict` and `load_state_dict` let a later run see the same batches.
"""

from typing import NamedTuple

import numpy as np

from scratchnet.checkpoint import generator_state

IGNORED = -100  # a target that does not count; see softmax_cross_entropy


class Batch(NamedTuple):
    """What a network hears, x (T, B), and shall say, y (T, B).

    fresh : whether it begins with a zero state, not the one after the batch before
    lengths : steps of each sequence (B,); None for T
    """

    x: np.ndarray
    y: np.ndarray
    fresh: bool = True
    lengths: np.ndarray | None = None


def _expect_tokens(tokens, least):
    tokens = np.asarray(tokens)
    if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
        raise ValueError(f"expected tokens (L,), whole numbers, got {tokens.shape} {tokens.dtype}")
    if len(tokens) < least:
        raise ValueError(f"expected at least {least} tokens, got {len(tokens)}")
    return tokens


def _expect_sizes(length, batch):
    if length < 1 or batch < 1:
        raise ValueError(f"expected length >= 1 and batch >= 1, got {length} and {batch}")


class RandomWindows:
    """Windows of tokens with uniformly random beginnings.

    Parameters
    ----------
    tokens : whole numbers (L,)
    length : T
    batch : B
    rng : numpy Generator

    Raises
    ------
    ValueError
        If there are fewer than T + 1 tokens.
    """

    def __init__(self, tokens, length, batch, rng):
        _expect_sizes(length, batch)
        self.tokens, self.length, self.batch, self.rng = (
            _expect_tokens(tokens, length + 1),
            length,
            batch,
            rng,
        )

    def __iter__(self):
        return self

    def __next__(self):
        starts = self.rng.integers(0, len(self.tokens) - self.length, self.batch)
        windows = self.tokens[starts + np.arange(self.length + 1)[:, None]]
        return Batch(windows[:-1], windows[1:])

    def state_dict(self):
        """What JSON can hold of where it stands."""
        return {"generator": generator_state(self.rng)}

    def load_state_dict(self, state):
        """Go on from a `state_dict`; ValueError or KeyError if it is not of such batches."""
        self.rng.bit_generator.state = state["generator"]


class Streams:
    """Contiguous streams: in each epoch all sequences in a new order, in a row, cut into B equal stretches.

    Parameters
    ----------
    sequences : list of arrays of whole numbers, or a function (rng) -> such a list, called for each epoch, that
        may change them (transposition)
    length : T
    batch : B
    rng : numpy Generator

    Attributes
    ----------
    epoch : how many epochs have begun
    steps : batches in this epoch; the tokens that do not fill another one are left out

    Raises
    ------
    ValueError
        If there are fewer than T B + 1 tokens.
    """

    def __init__(self, sequences, length, batch, rng):
        _expect_sizes(length, batch)
        self.make = sequences if callable(sequences) else lambda rng: sequences
        self.length, self.batch, self.rng = length, batch, rng
        self.epoch = 0
        self._begin()

    def _begin(self):
        self.before = generator_state(self.rng)
        sequences = self.make(self.rng)
        order = self.rng.permutation(len(sequences))
        tokens = np.concatenate([np.zeros(0, np.int64), *(sequences[k] for k in order)])
        tokens = _expect_tokens(tokens, self.length * self.batch + 1)
        self.steps = (len(tokens) - 1) // (self.length * self.batch)
        size = self.steps * self.length
        rows = np.arange(self.batch)[:, None] * size + np.arange(size + 1)
        self.streams = tokens[rows].T  # (steps T + 1, B): the last one is the next stretch's first
        self.place = 0
        self.epoch += 1

    def __iter__(self):
        return self

    def __next__(self):
        if self.place == self.steps:
            self._begin()
        first = self.place * self.length
        self.place += 1
        window = self.streams[first : first + self.length + 1]
        return Batch(window[:-1], window[1:], self.place == 1)

    def state_dict(self):
        """What JSON can hold of where it stands: the generator before this epoch, and the place in it."""
        return {"generator": self.before, "place": self.place, "epoch": self.epoch}

    def load_state_dict(self, state):
        """Go on from a `state_dict`; ValueError or KeyError if it is not of such batches."""
        self.rng.bit_generator.state = state["generator"]
        self.epoch = int(state["epoch"]) - 1
        self._begin()
        if not 0 <= int(state["place"]) <= self.steps:
            raise ValueError(f"expected a place in 0 .. {self.steps}, got {state['place']}")
        self.place = int(state["place"])


def judged(sequences, batch, heard=1):
    """Batches in which every token of every sequence but the first `heard` is a target once.

    Parameters
    ----------
    sequences : list of arrays of whole numbers, each longer than `heard`
    batch : B, at most; sequences of like length come together
    heard : tokens at the beginning of each sequence that are given, not predicted; at least 1

    Returns
    -------
    list of Batch
    """
    sequences = [_expect_tokens(sequence, heard + 1) for sequence in sequences]
    order = sorted(range(len(sequences)), key=lambda k: len(sequences[k]))
    batches = []
    for first in range(0, len(order), batch):
        chosen = [sequences[k] for k in order[first : first + batch]]
        lengths = np.array([len(sequence) - 1 for sequence in chosen])
        x = np.zeros((lengths.max(), len(chosen)), np.int64)
        y = np.full(x.shape, IGNORED, np.int64)
        for n, sequence in enumerate(chosen):
            x[: lengths[n], n] = sequence[:-1]
            y[heard - 1 : lengths[n], n] = sequence[heard:]
        batches.append(Batch(x, y, True, lengths))
    return batches
