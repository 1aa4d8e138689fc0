"""The neutral form of a piece of music, shared by every file format and every encoder.

Time is counted in integer ticks, `ticks_per_beat` of them to a quarter note; pitch is the MIDI number
(60 is middle C). Everything is immutable and validated on construction: a `Score` that exists is valid.
It holds what a network can learn from: notes, tempo, meter, key and instruments; no pedal, bends or lyrics.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from numbers import Real
from operator import attrgetter, index
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

DRUM_CHANNEL = 9  # the channel that General MIDI keeps for percussion: "channel 10", counted from 0

# Key signatures by position on the circle of fifths, from seven flats to seven sharps.
MAJOR_KEYS = tuple("Cb Gb Db Ab Eb Bb F C G D A E B F# C#".split())
MINOR_KEYS = tuple(f"{key}m" for key in "Ab Eb Bb F C G D A E B F# C# G# D# A#".split())

_in_order = attrgetter("start", "pitch", "duration", "velocity")


def _whole(name, value, lowest, highest=None):
    """`value` as a plain int between the limits, or a ValueError that names it."""
    try:
        whole = index(value)  # accepts NumPy's integers, refuses floats and strings
    except TypeError:
        raise ValueError(f"{name} must be a whole number, got {value!r}") from None
    if whole < lowest or (highest is not None and whole > highest):
        limits = f"at least {lowest}" if highest is None else f"between {lowest} and {highest}"
        raise ValueError(f"{name} must be {limits}, got {whole}")
    return whole


@dataclass(frozen=True, slots=True)
class Note:
    """One note.

    Parameters
    ----------
    start : int >= 0, in ticks
    duration : int >= 1, in ticks
    pitch : int in 0..127, MIDI number
    velocity : int in 1..127, how hard it is struck

    Raises
    ------
    ValueError
        If a value is not whole or out of range.
    """

    start: int
    duration: int
    pitch: int
    velocity: int = 80

    def __post_init__(self):
        kinds = {type(self.start), type(self.duration), type(self.pitch), type(self.velocity)}
        if (
            kinds == {int}
            and self.start >= 0 < self.duration
            and 0 <= self.pitch <= 127
            and 1 <= self.velocity <= 127
        ):
            return  # nothing to convert and nothing to refuse: the fast path
        fix = object.__setattr__
        fix(self, "start", _whole("note start", self.start, 0))
        fix(self, "duration", _whole("note duration", self.duration, 1))
        fix(self, "pitch", _whole("note pitch", self.pitch, 0, 127))
        fix(self, "velocity", _whole("note velocity", self.velocity, 1, 127))

    @property
    def end(self) -> int:
        """First tick after the note."""
        return self.start + self.duration


@dataclass(frozen=True, slots=True)
class Track:
    """The notes of one instrument.

    Parameters
    ----------
    name : str
    notes : iterable of Note, stored as a tuple sorted by start, then pitch
    program : int in 0..127, General MIDI instrument (0 is a piano)
    channel : int in 0..15, or None for "any"; 9 holds drums

    Raises
    ------
    ValueError
        If a value is of the wrong kind or out of range.
    """

    name: str
    notes: Sequence[Note] = ()
    program: int = 0
    channel: int | None = None

    def __post_init__(self):
        fix = object.__setattr__
        if not isinstance(self.name, str):
            raise ValueError(f"track name must be text, got {self.name!r}")
        notes = tuple(self.notes)
        for note in notes:
            if not isinstance(note, Note):
                raise ValueError(f"track {self.name!r} must hold Note objects, got {note!r}")
        fix(self, "notes", tuple(sorted(notes, key=_in_order)))
        fix(self, "program", _whole("program", self.program, 0, 127))
        if self.channel is not None:
            fix(self, "channel", _whole("channel", self.channel, 0, 15))

    @property
    def is_drums(self) -> bool:
        """True if pitches name percussion instruments and not tones."""
        return self.channel == DRUM_CHANNEL


@dataclass(frozen=True, slots=True)
class Score:
    """A piece of music.

    Parameters
    ----------
    ticks_per_beat : int in 1..32767, ticks in a quarter note
    tracks : iterable of Track
    tempos : tuple of (tick, quarter notes per minute), by rising tick from 0
    meters : tuple of (tick, numerator, denominator), by rising tick from 0; (0, 6, 8) is six-eight time
    keys : tuple of (tick, name), by rising tick; names as in `MAJOR_KEYS` and `MINOR_KEYS`

    Raises
    ------
    ValueError
        If a value is of the wrong kind, out of range or out of order.
    """

    ticks_per_beat: int
    tracks: Sequence[Track] = ()
    tempos: Sequence[tuple[int, float]] = ((0, 120.0),)
    meters: Sequence[tuple[int, int, int]] = ((0, 4, 4),)
    keys: Sequence[tuple[int, str]] = ()

    def __post_init__(self):
        fix = object.__setattr__
        fix(self, "ticks_per_beat", _whole("ticks_per_beat", self.ticks_per_beat, 1, 32767))
        fix(self, "tracks", tuple(self.tracks))
        for track in self.tracks:
            if not isinstance(track, Track):
                raise ValueError(f"tracks must be Track objects, got {track!r}")
        tempos = tuple((tick, check_tempo(tempo)) for tick, tempo in self.tempos)
        meters = tuple((tick, *check_meter(meter)) for tick, *meter in self.meters)
        keys = tuple((tick, check_key(key)) for tick, key in self.keys)
        for name, changes in (("tempos", tempos), ("meters", meters), ("keys", keys)):
            changes = tuple((_whole(f"tick in {name}", tick, 0), *value) for tick, *value in changes)
            if name != "keys" and (not changes or changes[0][0] != 0):
                raise ValueError(f"{name} must begin at tick 0, got {changes[:1]}")
            if any(earlier[0] >= later[0] for earlier, later in pairwise(changes)):
                raise ValueError(f"{name} must be ordered by tick, one to a tick")
            fix(self, name, changes)

    def notes(self) -> list[Note]:
        """All notes of all tracks as a list, by start, then pitch."""
        return sorted(chain.from_iterable(track.notes for track in self.tracks), key=_in_order)

    @property
    def end(self) -> int:
        """The tick at which the last note ends; 0 without notes."""
        return max((note.end for track in self.tracks for note in track.notes), default=0)

    @overload
    def seconds(self, tick: float) -> float: ...
    @overload
    def seconds(self, tick: NDArray[Any]) -> NDArray[np.float64]: ...

    def seconds(self, tick):
        """Time of a tick, or of an array of ticks, by the tempo map.

        Parameters
        ----------
        tick : int or float or array of any shape

        Returns
        -------
        float or float64 array of the same shape, in seconds
        """
        ticks, tempos = np.array(self.tempos, dtype=np.float64).T
        per_tick = 60 / (tempos * self.ticks_per_beat)
        begins = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * per_tick[:-1])])  # of each tempo
        at = np.maximum(np.searchsorted(ticks, tick, side="right") - 1, 0)
        result = begins[at] + (tick - ticks[at]) * per_tick[at]
        return float(result) if np.ndim(tick) == 0 else result

    def bar_lines(self, end: int | None = None) -> list[int]:
        """The ticks at which bars begin, up to the line that closes the bar of the last tick before `end`.

        A change of meter begins a new bar. A piece without notes has one bar line, at 0.

        Parameters
        ----------
        end : int, in ticks; the end of the score if None

        Returns
        -------
        list of int
        """
        end = self.end if end is None else end
        lines = []
        for (tick, numerator, denominator), until in zip(
            self.meters, [change[0] for change in self.meters[1:]] + [None], strict=True
        ):
            length = max(1, round(4 * self.ticks_per_beat * numerator / denominator))
            last = end if until is None else min(end, until)
            lines.extend(range(tick, last, length))
            if until is None or until >= end:
                lines.append(lines[-1] + length if lines else 0)
                break
        return lines

    def transpose(self, semitones: int, lowest: int = 0, highest: int = 127) -> "Score":
        """A copy with every pitched note and key transposed; drums stay.

        Parameters
        ----------
        semitones : int, upwards if positive
        lowest, highest : int, the pitches allowed in the result

        Raises
        ------
        ValueError
            If a pitch would leave the range.
        """
        semitones = _whole("semitones", semitones, -127, 127)
        for track in self.tracks:
            for note in () if track.is_drums else track.notes:
                if not lowest <= note.pitch + semitones <= highest:
                    raise ValueError(
                        f"pitch {note.pitch} moved by {semitones} semitones "
                        f"leaves the range {lowest}..{highest}"
                    )
        tracks = (
            track
            if track.is_drums
            else replace(track, notes=[replace(note, pitch=note.pitch + semitones) for note in track.notes])
            for track in self.tracks
        )
        keys = [(tick, _transpose_key(key, semitones)) for tick, key in self.keys]
        return replace(self, tracks=tracks, keys=keys)


def check_tempo(tempo: float) -> float:
    """`tempo` (quarter notes per minute) as a float; a ValueError if it is not a positive finite number."""
    if not isinstance(tempo, Real) or not 0 < tempo < float("inf"):
        raise ValueError(f"tempo must be a positive number of quarter notes per minute, got {tempo!r}")
    return float(tempo)


def check_meter(meter: Sequence[int]) -> tuple[int, int]:
    """`meter` as (numerator, denominator); a ValueError unless 1..255 over a power of two up to 64."""
    numerator, denominator = meter
    numerator = _whole("meter numerator", numerator, 1, 255)
    denominator = _whole("meter denominator", denominator, 1, 64)
    if denominator & (denominator - 1):
        raise ValueError(f"meter denominator must be a power of two, got {denominator}")
    return numerator, denominator


def check_key(key: str) -> str:
    """`key` itself; a ValueError if it is not a name in `MAJOR_KEYS` or `MINOR_KEYS`."""
    if key not in MAJOR_KEYS and key not in MINOR_KEYS:
        raise ValueError(f"key must be one like 'C', 'F#' or 'Bbm', got {key!r}")
    return key


def _transpose_key(key, semitones):
    """The key that many semitones up, spelled with at most six accidentals."""
    names = MAJOR_KEYS if key in MAJOR_KEYS else MINOR_KEYS
    if semitones % 12 == 0:
        return key
    sharps = names.index(key) - 7
    moved = (sharps + 7 * semitones + 5) % 12 - 5  # a semitone is seven fifths; -5..6 sharps
    return names[moved + 7]
