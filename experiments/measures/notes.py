"""The notes of a score as arrays, from which everything here is counted. Ticks stay whole numbers: what is
counted is the same at any resolution.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import attrgetter

import numpy as np

from encoders.score import Score

_fields = attrgetter("start", "end", "pitch")


@dataclass(frozen=True, eq=False)
class NoteArrays:
    """The notes of a piece: N tones and the hits of drums.

    score : Score they are of
    start, end, pitch : int64 (N,), tones of all tracks but drums, by start, then pitch; ticks and MIDI
        numbers
    hit_start, hit_end : int64 (M,), notes of drum tracks, in ticks
    """

    score: Score
    start: np.ndarray
    end: np.ndarray
    pitch: np.ndarray
    hit_start: np.ndarray
    hit_end: np.ndarray

    def __len__(self):
        return len(self.start)

    @property
    def ticks_per_beat(self):
        return self.score.ticks_per_beat

    @cached_property
    def pitch_class(self):
        """int64 (N,), 0 for C to 11 for B."""
        return self.pitch % 12

    @cached_property
    def first(self):
        """int64 (O,), for each onset (all notes that begin in one tick) the index of its lowest note."""
        return np.flatnonzero(np.diff(self.start, prepend=-1))

    @cached_property
    def highest(self):
        """int64 (O,), for each onset the index of its highest note: the piece's upper line."""
        return np.append(self.first[1:], len(self))[: len(self.first)] - 1

    @cached_property
    def bar_lines(self):
        """int64 (bars + 1,), ticks; the last one closes the bar in which the last note sounds."""
        return np.array(self.score.bar_lines(), dtype=np.int64)

    @property
    def bars(self):
        """The number of bars. A piece that ends on a bar line has no empty bar after it."""
        return len(self.bar_lines) - 1

    def bar_of(self, ticks):
        """The bars, counted from 0, in which ticks lie."""
        return np.searchsorted(self.bar_lines, ticks, side="right") - 1

    @cached_property
    def played(self):
        """(start, end), each int64 (N + M,): tones and drums."""
        return np.append(self.start, self.hit_start), np.append(self.end, self.hit_end)


def note_arrays(music):
    """The NoteArrays of a Score; NoteArrays are returned as they are."""
    if isinstance(music, NoteArrays):
        return music
    start, end, pitch = _columns(track for track in music.tracks if not track.is_drums)
    order = np.lexsort((end, pitch, start))
    hits = _columns(track for track in music.tracks if track.is_drums)
    return NoteArrays(music, start[order], end[order], pitch[order], hits[0], hits[1])


def _columns(tracks):
    """Starts, ends and pitches of the notes of some tracks: int64 (3, N)."""
    notes = chain.from_iterable(track.notes for track in tracks)
    flat = np.fromiter(chain.from_iterable(map(_fields, notes)), dtype=np.int64)
    return flat.reshape(-1, 3).T
