"""Piano music as a sequence of symbols: notes that start together are one symbol with a duration type.

    E5_eighth        a note, by pitch name
    0.4.7_quarter    notes that start together: their pitch classes in normal order (C E G)
    C3.E5_quarter    the same as exact pitches, from the lowest to the highest (chords="exact")
    E5               without durations, as in the earlier project (durations="none")

    score --symbols--> names --score--> score         (vocabulary.py: names <-> tokens)

After a student paper on classical piano (Stanford CS230, 2018) and S. Skuli's project before it. Pitch names:
60 is C4, the black keys are C# Eb F# G# Bb.

Normal order: among the rotations of a chord's pitch classes, in rising order, the one that spans the fewest
semitones from first to last; among equals, the one with the smallest distance from the first to the last but
one, then to the last but two, and so on; among symmetric ones that are still equal (the diminished seventh),
the one that begins with the lowest pitch class. {C, E, G, Bb} is 4.7.10.0.

Duration types: 32nd, 16th, eighth, quarter, half, whole, breve; the nearest in ratio, so that a note played
slightly short counts as what was written, a dotted quarter as a half, a triplet eighth as a 16th.

What gets lost (`losses` measures it):

- Time. A symbol follows when the previous one is over: with "length" (the paper), after the length of its
  shortest note. Rests, and notes that are held beneath others, have no symbol. With "onset", the type is that
  of the time until the next symbol, which keeps the rhythm of the onsets as far as types go. With "none" all
  symbols last an eighth.
- With normal order, the octave and doublings of all notes in chords. A decoded chord rises from octave 4;
  notes of a single class, as in octaves, have its number alone, and come back as one octave.
- Different lengths within a chord; loudness, tempo, meter, pedal; drums.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..score import Note, Score, Track
from .stored_settings import StoredSettings
from .time_grid import tones
from .vocabulary import UNKNOWN

NAMES = "C C# D Eb E F F# G G# A Bb B".split()
TYPES = {"32nd": 0.125, "16th": 0.25, "eighth": 0.5, "quarter": 1.0, "half": 2.0, "whole": 4.0, "breve": 8.0}
PITCHES = {f"{NAMES[pitch % 12]}{pitch // 12 - 1}": pitch for pitch in range(128)}
PITCH_NAMES = tuple(PITCHES)
TICKS = 480  # in a quarter note of decoded scores
MIDDLE = 60  # a chord in normal order is played upwards from this octave
EIGHTH = "eighth"
TOGETHER = 1 / 16  # quarter notes: half of the shortest duration type


class Losses(NamedTuple):
    """What `symbols` keeps of a score, drums aside.

    notes : how many notes there are
    symbols : how many symbols they make
    pitches : share of the notes that come back at their exact pitch
    onsets : mean error of the time between successive symbols, in quarter notes
    exact : share of the times between successive symbols with an error below a 64th note
    """

    notes: int
    symbols: int
    pitches: float
    onsets: float
    exact: float


@dataclass(frozen=True)
class NoteChords(StoredSettings):
    """The encoder and its settings.

    Parameters
    ----------
    chords : "normal" (pitch classes in normal order) or "exact" (pitches)
    durations : "length" (as the paper), "onset" (time until the next symbol) or "none"
    together : float in [0, 4], notes that start within this many quarter notes of the first are one symbol

    Raises
    ------
    ValueError
        If a setting is none of these.

    Examples
    --------
    >>> notes = [Note(0, 480, 60), Note(0, 480, 64), Note(0, 480, 67), Note(480, 240, 76)]
    >>> NoteChords().symbols(Score(480, [Track("", notes)]))
    ['0.4.7_quarter', 'E5_eighth']
    """

    chords: str = "normal"
    durations: str = "length"
    together: float = TOGETHER

    def __post_init__(self):
        for name, choices in (("chords", ("normal", "exact")), ("durations", ("length", "onset", "none"))):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")
        if isinstance(self.together, bool) or not isinstance(self.together, int | float):
            raise ValueError(f"together must be a number, got {self.together!r}")
        if not 0 <= self.together <= 4:
            raise ValueError(f"together must be in 0..4, got {self.together!r}")
        object.__setattr__(self, "together", float(self.together))

    def symbols(self, score: Score) -> list[str]:
        """The names of a score's symbols, in order of time.

        Parameters
        ----------
        score : Score

        Returns
        -------
        list of str, empty for a score without pitched notes
        """
        groups = self._groups(score)
        starts = [group[0][0] for group in groups]
        names = []
        for k, group in enumerate(groups):
            length = min(end - start for start, end, _ in group)
            if self.durations == "onset" and k + 1 < len(groups):
                length = starts[k + 1] - starts[k]
            kind = "" if self.durations == "none" else f"_{duration_type(length / score.ticks_per_beat)}"
            names.append(self._sound({pitch for _, _, pitch in group}) + kind)
        return names

    def score(self, symbols: Iterable[str], bpm: float = 120.0, program: int = 0) -> Score:
        """The score of a sequence of symbols: one after the other, without rests, all with one velocity.

        Parameters
        ----------
        symbols : iterable of str; `UNKNOWN` is an eighth of silence
        bpm : float, quarter notes per minute
        program : int in 0..127, General MIDI instrument

        Returns
        -------
        Score
            With one track, in 4/4 time.

        Raises
        ------
        ValueError
            If a name is not a symbol of these settings.
        """
        notes, now = [], 0
        for name in symbols:
            pitches, length = self.parse(name)
            ticks = round(length * TICKS)
            notes += [Note(now, ticks, pitch) for pitch in pitches]
            now += ticks
        return Score(TICKS, [Track("piano", notes, program)], ((0, bpm),))

    def parse(self, name: str) -> tuple[tuple[int, ...], float]:
        """Pitches and length of a symbol: a rising tuple of MIDI numbers, and a float in quarter notes.

        Raises
        ------
        ValueError
            If it is not a symbol of these settings.
        """
        if name == UNKNOWN:
            return (), TYPES[EIGHTH]
        sound, mark, kind = name.partition("_")
        timed = self.durations != "none"
        if bool(mark) != timed or (timed and kind not in TYPES):
            raise ValueError(f"expected a symbol like {self._example()}, got {name!r:.40}")
        parts = sound.split(".")
        if len(parts) == 1 and sound in PITCHES:
            pitches = (PITCHES[sound],)
        elif self.chords == "exact" and all(part in PITCHES for part in parts):
            pitches = tuple(PITCHES[part] for part in parts)
        elif self.chords == "normal" and all(part in _CLASSES for part in parts):
            pitches = rising([int(part) for part in parts])
        else:
            pitches = ()
        if not pitches or self._sound(set(pitches)) != sound:
            # what `symbols` would write otherwise: 7.0.4, C5.C4
            raise ValueError(f"expected a symbol like {self._example()}, got {name!r:.40}")
        return pitches, TYPES[kind if timed else EIGHTH]

    def transpose(self, name: str, semitones: int) -> str | None:
        """A symbol transposed by semitones; None if a pitch would leave 0..127.

        Raises
        ------
        ValueError
            If it is not a symbol of these settings.
        """
        pitches, _ = self.parse(name)
        sound, mark, kind = name.partition("_")
        if not pitches or not semitones:
            return name
        if self.chords == "normal" and sound not in PITCHES:  # without octave, nothing can leave the range
            return normal_order({(p + semitones) % 12 for p in pitches}) + mark + kind
        moved = {pitch + semitones for pitch in pitches}
        if min(moved) < 0 or max(moved) > 127:
            return None
        return self._sound(moved) + mark + kind

    def losses(self, score: Score) -> Losses:
        """What `symbols` keeps of a score.

        Raises
        ------
        ValueError
            If there is no pitched note.
        """
        groups = self._groups(score)
        if not groups:
            raise ValueError("it has no notes")
        names = self.symbols(score)
        decoded = [self.parse(name) for name in names]
        kept = sum(
            len({pitch for _, _, pitch in group} & set(pitches))
            for group, (pitches, _) in zip(groups, decoded, strict=True)
        )
        starts = np.array([group[0][0] for group in groups]) / score.ticks_per_beat
        off = np.abs(np.diff(starts) - [length for _, length in decoded[:-1]])
        return Losses(
            sum(map(len, groups)),
            len(names),
            kept / sum(map(len, groups)),
            float(off.mean()) if len(off) else 0.0,
            float((off < TOGETHER).mean()) if len(off) else 1.0,
        )

    def _groups(self, score):
        """Notes that start together: a list of lists of (start, end, pitch), in ticks."""
        within, groups = self.together * score.ticks_per_beat, []
        for row in zip(*(array.tolist() for array in tones(score)), strict=True):
            if groups and row[0] - groups[-1][0][0] <= within:
                groups[-1].append(row)
            else:
                groups.append([row])
        return groups

    def _sound(self, pitches):
        """The name of pitches that start together: a set of MIDI numbers."""
        if len(pitches) == 1:
            return PITCH_NAMES[next(iter(pitches))]
        if self.chords == "exact":
            return ".".join(PITCH_NAMES[pitch] for pitch in sorted(pitches))
        return normal_order({pitch % 12 for pitch in pitches})

    def _example(self):
        chord = "0.4.7" if self.chords == "normal" else "C3.E5"
        return f"C4 or {chord}" if self.durations == "none" else f"C4_quarter or {chord}_half"


def normal_order(classes: Collection[int]) -> str:
    """The name of pitch classes, integers in 0..11: "4.7.10.0". The rule is in the header."""
    ordered = sorted(classes)
    rotations = [ordered[k:] + ordered[:k] for k in range(len(ordered))]
    best = min(
        rotations,
        key=lambda order: (*((last - order[0]) % 12 for last in reversed(order)), order[0]),
    )
    return ".".join(map(str, best))


def rising(classes: Sequence[int]) -> tuple[int, ...]:
    """Pitches of pitch classes, each above the previous one, from octave 4; of a single class, an octave."""
    if len(classes) == 1:
        return MIDDLE + classes[0], MIDDLE + classes[0] + 12
    pitches = [MIDDLE + classes[0]]
    for before, after in pairwise(classes):
        pitches.append(pitches[-1] + (after - before - 1) % 12 + 1)
    return tuple(pitches)


def duration_type(quarters: float) -> str:
    """The type nearest, in ratio, to a length in quarter notes above 0."""
    exponent = int(np.clip(np.rint(np.log2(quarters)), -3, 3))
    return list(TYPES)[exponent + 3]


_CLASSES = {str(number) for number in range(12)}
