"""A grid of equal time steps to which encoders round notes, and by how much it moves them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..score import Score


class Tones(NamedTuple):
    """The notes of a score without its drums, by start, then pitch: int64 arrays (N,), times in ticks."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    pitches: NDArray[np.int64]


class TimingError(NamedTuple):
    """By how many milliseconds a grid moves and lengthens each of the `tones` of a score: float64 (N,).

    Positive means later, and longer.
    """

    onsets: NDArray[np.float64]
    durations: NDArray[np.float64]

    def __str__(self) -> str:
        if not len(self.onsets):
            return "no notes"
        onsets, durations = np.abs(self.onsets), np.abs(self.durations)
        return (
            f"onsets moved by {onsets.mean():.0f} ms on average and {onsets.max():.0f} at most, "
            f"durations changed by {durations.mean():.0f} and {durations.max():.0f}"
        )


@dataclass(frozen=True)
class TimeGrid:
    """A grid of time steps.

    Parameters
    ----------
    steps_per_beat : int, steps in a quarter note
    bpm : float, quarter notes per minute, or None
        None: the grid follows the beats of the score. A number: it is a grid of real time, with
        60 / bpm / steps_per_beat seconds per step, whatever the tempos of the score.
    longest : int, in steps; longer durations are cut
    """

    steps_per_beat: int
    bpm: float | None
    longest: int

    def round(self, score: Score, tones: Tones) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Onsets and durations in steps: int64 arrays (N,).

        Each is rounded by itself, halves to the even number; no duration is less than one step.
        """
        if self.bpm is None:
            per_tick = self.steps_per_beat
            onsets = tones.starts * per_tick / score.ticks_per_beat
            durations = (tones.ends - tones.starts) * per_tick / score.ticks_per_beat
        else:
            per_second = self.bpm * self.steps_per_beat / 60
            onsets = score.seconds(tones.starts) * per_second
            durations = score.seconds(tones.ends) * per_second - onsets
        durations = np.clip(np.rint(durations), 1, self.longest)
        return np.rint(onsets).astype(np.int64), durations.astype(np.int64)

    def seconds(self, score: Score, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """When steps begin, in seconds of the score; float64 with the shape of `steps`."""
        if self.bpm is None:
            return score.seconds(steps * score.ticks_per_beat / self.steps_per_beat)
        return steps * 60 / (self.bpm * self.steps_per_beat)

    def timing_error(self, score: Score) -> TimingError:
        """By how much rounding moves and lengthens the `tones` of a score."""
        notes = tones(score)
        onsets, durations = self.round(score, notes)
        starts, ends = score.seconds(notes.starts), score.seconds(notes.ends)
        begin, end = self.seconds(score, onsets), self.seconds(score, onsets + durations)
        return TimingError(1000 * (begin - starts), 1000 * ((end - begin) - (ends - starts)))


def tones(score: Score) -> Tones:
    """The notes of a score, without its drums, as arrays."""
    notes = [note for track in score.tracks if not track.is_drums for note in track.notes]
    rows = [(note.start, note.start + note.duration, note.pitch) for note in notes]
    starts, ends, pitches = np.array(rows, np.int64).reshape(-1, 3).T
    order = np.lexsort((ends, pitches, starts))
    return Tones(starts[order], ends[order], pitches[order])
