"""Batches of tokens, for training and for evaluation.

    RandomWindows       windows that begin anywhere, each from a zero state (as in MIT's lab)
    Streams             B parallel streams through all sequences, cut into windows, the state carried from one
                        to the next: truncated BPTT
    Pieces              (pieces.py) such streams in which each sequence begins with a zero state
    Windows             (generation/windows.py) windows of T tokens, each predicting the one that follows
    evaluation_batches  whole sequences side by side, padded at the end, each target exactly once

All but the last are endless: `next(batches)` gives a Batch. Inputs x (T, B) and targets y (T, B) are the same
tokens, one step apart. `state_dict` and `load_state_dict` let a later run see the same batches.

Memory: RandomWindows and Streams of one array hold that array and no copy; Streams of many sequences hold one
copy of them, in a row, in the sequences' own integers (np.uint8 is enough for 256 tokens).
"""

import zlib
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from scratchnet.arguments import as_array, generator, listed, room, whole
from scratchnet.described import Described
from scratchnet.training.checkpoint import generator_state, set_generator

IGNORED = -100  # a target that does not count; see softmax_cross_entropy


class Batch(NamedTuple):
    """A training batch: inputs x and targets y. Of tokens both are (T, B), of frames (T, units, B).

    reset_state : whether it begins with a zero state, not the one after the previous batch; one bool, or one
        for each sequence (B,)
    lengths : steps of each sequence (B,), what follows is padding; None for T
    """

    x: np.ndarray
    y: np.ndarray
    reset_state: bool | np.ndarray = True
    lengths: np.ndarray | None = None


class RandomWindows(Described):
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
        self.length, self.batch = _expect_sizes(length, batch)
        self.tokens = expect_sequence(tokens, self.length + 1)
        self.rng, self._sum = generator(rng), None

    def __iter__(self):
        return self

    def __next__(self):
        starts = self.rng.integers(0, len(self.tokens) - self.length, self.batch)
        windows = self.tokens[starts + np.arange(self.length + 1)[:, None]]
        return Batch(windows[:-1], windows[1:])

    def state_dict(self):
        """What JSON can hold of where it stands, and a check sum by which other tokens are refused."""
        self._sum = checksum(self.tokens) if self._sum is None else self._sum
        return {"tokens": self._sum, "generator": generator_state(self.rng)}

    def load_state_dict(self, state):
        """Go on from a `state_dict`.

        Raises
        ------
        ValueError
            If it is not one of such batches, or of other tokens.
        """
        _expect_same(state, self.state_dict(), ("tokens",))
        set_generator(self.rng, state["generator"])


class Epochs(Described, ABC):
    """Batches of sequences that are gone through in epochs: what Streams, Pieces and Windows share.

    A subclass has `_arrange`, which makes the batches of an epoch, and `_batch`, which gives one of them;
    both take chance from `rng` alone.

    Parameters
    ----------
    sequences : list of arrays of whole numbers, or one such array, or a function (rng) -> either, called for
        each epoch; it may change them (transposition), and take chance from that rng alone
    length : T
    batch : B
    rng : numpy Generator

    Attributes
    ----------
    epoch : how many epochs have begun
    epochs_done : how many are complete
    steps : batches in this epoch
    place : how many of these are behind
    """

    def __init__(self, sequences, length, batch, rng):
        self.length, self.batch = _expect_sizes(length, batch)
        self.make, self.rng = sequences if callable(sequences) else lambda rng: sequences, generator(rng)
        self.epoch = 0
        self._begin()

    def _begin(self):
        self.before, self._sum = generator_state(self.rng), None
        made = self.make(self.rng)
        sequences = made if isinstance(made, np.ndarray) else listed(made, "sequences")
        self.tokens, self.steps = self._arrange(sequences)
        self.place = 0
        self.epoch += 1

    @abstractmethod
    def _arrange(self, sequences):
        """(all tokens of the epoch, an array or a tuple of them, number of batches)."""

    @abstractmethod
    def _batch(self, place):
        """The Batch at this place of the epoch."""

    @property
    def epochs_done(self):
        return self.epoch - (self.place < self.steps)

    def __iter__(self):
        return self

    def __next__(self):
        if self.place == self.steps:
            self._begin()
        self.place += 1
        return self._batch(self.place - 1)

    def state_dict(self):
        """What JSON can hold of where it stands: the generator before this epoch, the place in it, the
        generator now, and a check sum by which other tokens are refused.
        """
        self._sum = checksum(self.tokens) if self._sum is None else self._sum
        return {
            "tokens": self._sum,
            "length": self.length,
            "batch": self.batch,
            "before": self.before,
            "generator": generator_state(self.rng),
            "epoch": self.epoch,
            "place": self.place,
        }

    def load_state_dict(self, state):
        """Go on from a `state_dict`.

        Raises
        ------
        ValueError
            If it is not one of such batches, or of other tokens. These batches are then not to be used.
        """
        _expect_same(state, self.state_dict(), ("length", "batch"))
        set_generator(self.rng, state["before"])
        self.epoch = _expect_count(state, "epoch", 1) - 1
        self._begin()
        _expect_same(state, self.state_dict(), ("tokens",))
        self.place = _expect_count(state, "place", 0, self.steps)
        set_generator(self.rng, state["generator"])


class Streams(Epochs):
    """Contiguous streams: in each epoch all sequences in a new order, in a row, cut into B equal streams.

    The first batch of an epoch begins with a zero state. The few tokens (fewer than T B + 1) that do not fill
    another batch are left out, at random at the beginning or the end.

    Parameters and attributes: see Epochs.

    Raises
    ------
    ValueError
        If there are fewer than T B + 1 tokens.
    """

    def _arrange(self, sequences):
        tokens, T, B = self._in_a_row(sequences), self.length, self.batch
        tokens = expect_sequence(tokens, T * B + 1, f"{B} streams of {T} tokens and one more")
        steps = (len(tokens) - 1) // (T * B)
        used = steps * T * B
        first = int(self.rng.integers(len(tokens) - used))
        tokens = tokens[first : first + used + 1]
        self.x, self.y = tokens[:-1].reshape(B, -1), tokens[1:].reshape(B, -1)  # views
        return tokens, steps

    def _in_a_row(self, sequences):
        if isinstance(sequences, np.ndarray):
            return sequences
        parts = (expect_sequence(sequences[k], 0) for k in self.rng.permutation(len(sequences)))
        parts = [part for part in parts if len(part)]  # an empty one could be of another type
        return np.concatenate(parts) if parts else np.zeros(0, int)

    def _batch(self, place):
        window = slice(place * self.length, (place + 1) * self.length)
        return Batch(self.x[:, window].T, self.y[:, window].T, place == 0)


def evaluation_batches(sequences, batch, context=1, length=1024):
    """Batches in which every token of every sequence but the first `context` is a target once.

    Each sequence begins with a zero state, whatever stands beside it, so that a loss over all targets does
    not depend on `batch` (but for rounding).

    Parameters
    ----------
    sequences : list of arrays of whole numbers, each longer than `context`
    batch : B, at most; sequences of similar length come together
    context : tokens at the beginning of each sequence that are given, not predicted, at least 1; one number,
        or one for each sequence
    length : T, at most; longer sequences go on in the next batch, which carries their state

    Returns
    -------
    list of Batch

    Raises
    ------
    ValueError
        If there is no sequence, or one is too short.
    """
    length, batch = _expect_sizes(length, batch)
    sequences = listed(sequences, "sequences")
    several = isinstance(context, (list, tuple, np.ndarray))
    given = [whole(k, "context") for k in (context if several else [context] * len(sequences))]
    if len(given) != len(sequences):
        raise ValueError(f"expected context of {len(sequences)} sequences, got {len(given)}")
    sequences = [expect_sequence(sequence, k + 1) for sequence, k in zip(sequences, given, strict=True)]
    if not sequences:
        raise ValueError("expected at least one sequence to evaluate on")
    order = sorted(range(len(sequences)), key=lambda k: len(sequences[k]))
    batches = []
    for first in range(0, len(order), batch):
        places = order[first : first + batch]
        chosen = [sequences[k] for k in places]
        x = np.zeros((len(chosen[-1]) - 1, len(chosen)), np.int64)
        y = np.full(x.shape, IGNORED, np.int64)
        for n, sequence in enumerate(chosen):
            x[: len(sequence) - 1, n] = sequence[:-1]
            begin = given[places[n]]
            y[begin - 1 : len(sequence) - 1, n] = sequence[begin:]
        for start in range(0, len(x), length):
            batches.append(Batch(x[start : start + length], y[start : start + length], start == 0))
    return batches


def checksum(tokens):
    """A number that differs, most probably, for other tokens: an array, or a tuple as one array of int64."""
    if not isinstance(tokens, tuple):
        return zlib.crc32(np.ascontiguousarray(tokens))
    found = 0
    for row in tokens:
        found = zlib.crc32(np.ascontiguousarray(row, np.int64), found)
    return found


def expect_sequence(tokens, least, meaning=None):
    """A sequence of tokens (L,) as an array.

    Parameters
    ----------
    least : the least L
    meaning : what so many are needed for, for the message

    Raises
    ------
    ValueError
        If the shape differs, they are not whole numbers, or there are too few.
    """
    tokens = as_array(tokens, "tokens")
    if tokens.ndim != 1 or (tokens.dtype.kind not in "iu" and len(tokens)):
        raise ValueError(f"expected tokens (L,), whole numbers, got {tokens.shape} {tokens.dtype}")
    if len(tokens) < least:
        why = f" ({meaning})" if meaning else ""
        raise ValueError(f"expected at least {least} tokens{why}, got {len(tokens)}")
    return tokens


def _expect_sizes(length, batch):
    length, batch = whole(length, "length"), whole(batch, "batch")
    room(length * batch, "a batch")
    return length, batch


def _expect_same(state, wanted, names):
    if not isinstance(state, dict) or state.keys() != wanted.keys():
        raise ValueError(f"expected the place in batches, a dict of {sorted(wanted)}")
    for name in names:
        if state[name] != wanted[name]:
            what = "the same tokens to learn from" if name == "tokens" else f"{name} {state[name]}"
            raise ValueError(
                f"expected {what} as before, got {'others' if name == 'tokens' else wanted[name]}"
            )


def _expect_count(state, name, least, most=None):
    value = state[name]
    if type(value) is not int or value < least or (most is not None and value > most):
        raise ValueError(f"expected {name} to be a whole number from {least} to {most}, got {value!r}")
    return value
