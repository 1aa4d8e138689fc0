"""Batches in which every piece begins as it will when the network composes: with a zero state.

`Streams` (batches.py) carries the state from the end of one sequence into the next, which is right for short
ones: the network sees their beginnings often, if never from silence. Of long pieces it would see few
beginnings, and from zero, where composing sets out, none.
"""

import numpy as np

from scratchnet.training.batches import IGNORED, Batch, Epochs, expect_sequence


class Pieces(Epochs):
    """Contiguous streams as `Streams`, but each sequence begins a window, with a zero state.

    In each epoch all sequences come in a new order, each cut into windows of T, the last one filled up with
    targets that do not count; these are shared out to B streams of equal length. A stream that sets out in
    the middle of a sequence does so with a zero state, too. The few windows, fewer than B, that do not fill
    another batch are left out, at random at the beginning or the end.

    Parameters and attributes: see Epochs. `reset_state` of a Batch is an array of bool (B,).

    Raises
    ------
    ValueError
        If there are fewer than B windows, or a sequence has fewer than two tokens.

    Memory: a copy of the sequences, and of their targets, in the sequences' own integers.
    """

    def _arrange(self, sequences):
        T, B = self.length, self.batch
        sequences = [sequences] if isinstance(sequences, np.ndarray) else sequences
        pieces = [expect_sequence(sequences[k], 2) for k in self.rng.permutation(len(sequences))]
        counts = [-(-(len(piece) - 1) // T) for piece in pieces]
        W = sum(counts)
        if W < B:
            raise ValueError(f"expected at least {B} windows of {T} tokens, one for each stream, got {W}")
        x = np.zeros((W, T), np.result_type(*pieces))
        signed = np.int64 if x.dtype == np.uint64 else np.result_type(x, np.int16)
        y = np.full((W, T), IGNORED, signed)
        begins = np.zeros(W, bool)
        first = 0
        for piece, count in zip(pieces, counts, strict=True):
            x[first : first + count].reshape(-1)[: len(piece) - 1] = piece[:-1]
            y[first : first + count].reshape(-1)[: len(piece) - 1] = piece[1:]
            begins[first] = True
            first += count
        steps = W // B
        used = slice(first := int(self.rng.integers(W - steps * B + 1)), first + steps * B)
        self.x, self.y = x[used].reshape(B, steps, T), y[used].reshape(B, steps, T)
        self.begins = begins[used].reshape(B, steps)
        self.begins[:, 0] = True
        return (*self.x, *self.y), steps

    def _batch(self, place):
        return Batch(self.x[:, place].T, self.y[:, place].T, self.begins[:, place])
