"""The pieces as streams of bits, and their split into training, development and fresh ones."""

import numpy as np

from encoders.tokens.blues import PIECES, BluesFormat, all_melodies, encode_chords

DEVELOPMENT, FRESH = 256, 256  # pieces that are held out, to choose the best network and to judge it


class Pieces:
    """Choruses of chords, or of chords and melody, as the network hears them.

    form : BluesFormat
    with_melody : False for experiment 1, the chords alone
    standardise : whether inputs have mean 0 and standard deviation 1 over all choruses; units that never
    change stay as they are
    rng : numpy Generator for the split
    warm_up : choruses that a network must hear before it plays
    Attributes:
    training, development, fresh : arrays of piece numbers
    scaling : (shift, gain), each (D,): inputs are (bit - shift) gain
    """

    def __init__(self, form=BluesFormat(), with_melody=True, standardise=False, rng=None, warm_up=0):
        self.form, self.with_melody, self.warm_up = form, with_melody, warm_up
        self.chords = encode_chords(form)
        self.melodies = all_melodies(form) if with_melody else None
        order = rng.permutation(PIECES) if rng is not None else np.arange(PIECES)
        self.fresh, self.development = np.split(order[: FRESH + DEVELOPMENT], [FRESH])
        self.training = order[FRESH + DEVELOPMENT :]
        D = form.chord_units + (form.melody_units if with_melody else 0)
        self.scaling = np.zeros(D), np.ones(D)
        if standardise:
            mean = self.chords.mean(0)
            if with_melody:
                mean = np.concatenate([mean, self.melodies.mean((0, 1))])
            deviation = np.sqrt(mean * (1 - mean))
            self.scaling = mean, np.where(deviation > 0, 1 / np.maximum(deviation, 1e-12), 1)

    def stream(self, numbers):
        """The choruses of pieces, one after the other.

        numbers : array (R, B) of piece numbers: R choruses of B streams
        Returns uint8 array (R steps, D, B) of bits.
        """
        R, B = numbers.shape
        chords = np.broadcast_to(
            np.tile(self.chords, (R, 1))[:, :, None], (R * len(self.chords), self.chords.shape[1], B)
        )
        if not self.with_melody:
            return np.ascontiguousarray(chords)
        melodies = self.melodies[numbers]  # (R, B, steps, units)
        melodies = melodies.transpose(0, 2, 3, 1).reshape(len(chords), -1, B)
        return np.concatenate([chords, melodies], 1)

    def scaled(self, bits):
        """Bits (T, D, B) as the network's inputs."""
        shift, gain = self.scaling
        if not shift.any() and (gain == 1).all():
            return bits
        return (bits - shift[:, None]) * gain[:, None]

    def draw(self, rng, choruses, streams):
        """Random training pieces: inputs and targets, the next step's bits, (T, D, B). Streams run on into a
        further piece.
        """
        bits = self.stream(rng.choice(self.training, (choruses + 1, streams)))
        T = choruses * self.form.steps
        return self.scaled(bits[:T]), bits[1 : T + 1]
