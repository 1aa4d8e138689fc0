"""What the networks learn from and are evaluated on: the frames of whole pieces, or of windows of them."""

import numpy as np

from experiments.polyphony.data import SPLITS, batches, pad, transpose
from scratchnet.training.batches import Batch, Epochs
from scratchnet.training.losses import sigmoid_cross_entropy

AT_ONCE = 16  # pieces that are evaluated side by side


class Frames(Epochs):
    """Batches of pieces of about one length, in a new order each epoch; all begin with a zero state.

    pieces : list of arrays (T, 88) of 0 and 1
    window : cut them into windows of so many frames; 0 for whole pieces
    batch : B, at most
    semitones : each is transposed at random by up to so many, up or down
    rng : numpy Generator
    Attributes: see Epochs; `done` is how many epochs are complete. x and y of a Batch are (T, 88, B).
    """

    stateful = False
    done = Epochs.epochs_done

    def __init__(self, pieces, window, batch, semitones, rng):
        self.semitones = semitones
        super().__init__(
            lambda rng: windows(pieces, window, rng) if window else pieces, window or 1, batch, rng
        )

    def _arrange(self, pieces):
        self.pieces, self.groups = pieces, batches(pieces, self.batch, self.rng)
        return tuple(pieces), len(self.groups)

    def _batch(self, place):
        chosen = [self.pieces[k] for k in self.groups[place]]
        if self.semitones:
            shifts = self.rng.integers(-self.semitones, self.semitones + 1, len(chosen))
            chosen = [transpose(piece, shift) for piece, shift in zip(chosen, shifts, strict=True)]
        x, y, _, lengths = pad(chosen)
        return Batch(x, y, True, lengths)


class HeldOutPieces:
    """Nats per frame of validation and test pieces, for `Trainer.evaluate`; the former decide.

    music : MusicSet
    frames : Frames, whose epochs are counted
    """

    def __init__(self, music, frames):
        self.music, self.frames = music, frames
        self.batches = [g for split in SPLITS[1:] for g in batches(getattr(music, split), AT_ONCE)]

    def __call__(self, network, progress=None):
        row = {split: nll(network, getattr(self.music, split), progress) for split in SPLITS[1:]}
        return row["valid"], 0.0, {"epoch": self.frames.done} | row


def windows(pieces, length, rng):
    """Pieces cut into windows of `length` predictions, the first cut anywhere; shorter at both ends."""
    cut = []
    for piece in pieces:
        first = -int(rng.integers(length)) if len(piece) > length + 1 else 0
        for start in range(first, len(piece) - 1, length):
            cut.append(piece[max(start, 0) : start + length + 1])
    return [part for part in cut if len(part) > 1]


def nll(network, pieces, progress=None):
    """Nats per frame: the sum over 88 notes, the mean over all frames of all pieces but the first of each.

    `progress` is called without arguments after each group of AT_ONCE pieces. Training is not disturbed.
    """
    total, frames, training = 0.0, 0, network.training
    network.eval()
    try:
        for group in batches(pieces, AT_ONCE):
            x, t, mask, lengths = pad([pieces[k] for k in group])
            with np.errstate(over="ignore", invalid="ignore"):
                loss, _ = sigmoid_cross_entropy(network.forward(x, lengths=lengths), t, mask)
            total, frames = total + loss * mask.sum(), frames + mask.sum()
            if progress is not None:
                progress()
    finally:
        network.train(training)
    return float(total / frames)
