"""Tunes in ABC notation (standard 2.1, one voice): read, checked, played, written.

    for line, text in split_tunes(open("tunes.abc").read()):
        tune = read_tune(text, line)            header, bars, problems
        score = tune.score()                    a Score with all repeats played; repeats=False as written
    text = write_tune(score, title="A tune")    and back

    validate(text)                              what is wrong, with line and column
    read_collection(["folder", "file.abc"])     many files, none of them trusted (collection.py)

Left out or changed, each with a problem that says so: voices beyond the first that sounds, overlays (&), text
that is not music, micro-tones (rounded), jumps such as D.C. Ignored: ornaments, lyrics, typesetting.

From text to music: splitting.py finds the tunes of a file, lines.py tells fields, music and text apart,
scanner.py makes tokens, reader.py (with bar_lines.py and music.py below it) makes events (events.py), bars.py
measures bars and unfolds repeats, in the order of parts of parts.py; this file joins them. writer.py goes
back.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from ..score import Note, Score, Track
from .bars import bars_of, unfold
from .events import WHOLE, AbcError, Bar, BarLine, Change, Part, Problem, Sound
from .reader import Reader
from .scanner import Token
from .splitting import file_header, lines_of, split_tunes, unmailed
from .writer import write_tune

__all__ = ["AbcError", "Problem", "Tune", "file_header", "read_tune", "split_tunes", "validate", "write_tune"]

RESOLUTION = 480  # ticks in a quarter note, times what makes all lengths of a tune whole numbers of ticks
MOST_TICKS = 32767  # in a quarter note, as a Score and a MIDI file can hold
FINEST = RESOLUTION * 63  # ticks in a quarter note where lengths have to be rounded


@dataclass(frozen=True)
class Tune:
    """One tune.

    Attributes
    ----------
    text : str, as it was read, without lines that are not music
    fields : dict, letter -> tuple of str, the header
    events : tuple of Sound, BarLine, Change and Part (events.py), as written
    bars : tuple of Bar
    problems : tuple of Problem, by line and column
    chord_symbols : tuple of (index of the event above which it stands, str)
    first_line : int, number of its first line in the file
    order : str, a letter for each part that sounds, or None
    header : str, fields M: and L: of its file
    """

    text: str
    fields: Mapping[str, tuple[str, ...]]
    events: tuple[Sound | BarLine | Change | Part, ...]
    bars: tuple[Bar, ...]
    problems: tuple[Problem, ...]
    chord_symbols: tuple[tuple[int, str], ...]
    first_line: int = 1
    order: str | None = None
    header: str = ""

    @property
    def title(self) -> str:
        """The first T: field; empty if there is none."""
        return self.fields.get("T", ("",))[0]

    @property
    def number(self) -> int | None:
        """The number of the X: field, or None."""
        digits = re.match(r"[0-9]{1,9}", self.fields.get("X", ("",))[0])
        return int(digits[0]) if digits else None

    @property
    def valid(self) -> bool:
        """Whether it can be played as it is written: no problem is an error."""
        return not any(problem.severity == "error" for problem in self.problems)

    def score(self, repeats: bool = True, ticks_per_beat: int | None = None, graces: bool = True) -> Score:
        """The tune as music: one track, tied notes joined.

        Parameters
        ----------
        repeats : bool, play repeats and endings, instead of everything once as it is written
        ticks_per_beat : int, ticks in a quarter note; None for the smallest multiple of 480 that is exact or,
            if that exceeds MOST_TICKS, for FINEST, to which lengths are rounded
        graces : bool, play grace notes; each takes the time of a 32nd from the note that it adorns, together
            at most half of it

        Returns
        -------
        Score

        Raises
        ------
        AbcError
            If a length is not a whole number of the ticks asked for, or the repeats are too long.
        """
        events = unfold(self.events, self.order, self.first_line) if repeats else self.events
        if ticks_per_beat is None:
            return _score(events, _ticks(self.events) or FINEST, graces)
        if 4 * ticks_per_beat % _denominator(self.events):
            wanted = f"expected lengths in ticks of 1/{ticks_per_beat} of a quarter note"
            raise AbcError(self.first_line, 1, wanted)
        return _score(events, ticks_per_beat, graces)


def read_tune(text: str, first_line: int = 1, header: str = "") -> Tune:
    """Read one tune; where it is sloppy, read on and say so in its `problems`.

    Parameters
    ----------
    text : str, from X: on
    first_line : int, number of its first line in the file, for messages
    header : str, the `file_header` of its file, of which M: and L: are used

    Returns
    -------
    Tune

    Raises
    ------
    AbcError
        If there is no key (K:) or no note.
    """
    text, as_mailed = unmailed(text), text
    lines = lines_of(text)
    reader = Reader(first_line)
    reader.read_defaults(header)
    reader.read(lines)
    if reader.key is None:
        raise AbcError(first_line, 1, "expected a header that ends with a key, K:, found none")
    if not any(type(event) is Sound and event.pitches for event in reader.events):
        raise AbcError(first_line, 1, "expected a tune, found no notes")
    if text != as_mailed:
        reader.lost(Token("mail", "", first_line, 1), "the encoding of mail, =3D and =20, is undone")
    bars = bars_of(reader.events)
    if reader.words:
        text = "\n".join(line for place, line in enumerate(lines) if first_line + place not in reader.words)
    return Tune(
        text.rstrip(),
        {letter: tuple(values) for letter, values in reader.fields.items()},
        tuple(reader.events),
        tuple(bars),
        tuple(sorted(reader.problems + list(_problems_of_the_whole(lines, reader, bars)))),
        tuple(reader.chord_symbols),
        first_line,
        reader.order,
        "\n".join(line for line in lines_of(header) if line[:2] in ("M:", "L:")),
    )


def _problems_of_the_whole(lines, reader, bars):
    """Problems of the tune as a whole, and of its bars."""

    def warning(message, line=reader.first_line, column=1, unheard=False):
        return Problem(line, column, message, "warning", unheard)

    if not lines[0].startswith("X:"):
        yield warning("expected X: and a number first")
    if "T" not in reader.fields:
        yield warning("expected a title, T:")
    if not _ticks(reader.events):
        yield warning(f"lengths are rounded to 1/{FINEST} of a quarter note", unheard=True)
    names = {event.name for event in reader.events if type(event) is Part}
    if names and reader.order:
        for name in sorted(set(reader.order) - names):
            yield warning(f"the order of parts asks for {name!r}, which is not there", unheard=True)
        for name in sorted(names - set(reader.order)):
            yield warning(f"the order of parts leaves out {name!r}", unheard=True)
    for bar in bars:
        if not bar.fills:
            lengths = (Fraction(length, WHOLE) for length in (bar.expected, bar.length))
            message = "expected a bar of {} of a whole note, got {}".format(*lengths)
            yield warning(message, bar.line, bar.column)


def _denominator(events):
    """The smallest n for which all lengths are multiples of 1/n of a whole note."""
    lengths = {event.length for event in events if type(event) is Sound}
    return lcm(*(Fraction(length, WHOLE).denominator for length in lengths))


def _ticks(events):
    """Ticks in a quarter note that make all lengths whole; None if there would be too many."""
    ticks = lcm(RESOLUTION * 4, _denominator(events)) // 4
    return ticks if ticks <= MOST_TICKS else None


def validate(text: str, first_line: int = 1) -> list[Problem]:
    """All problems of one tune, by line and column; a tune that cannot be read at all is one error."""
    try:
        return list(read_tune(text, first_line).problems)
    except AbcError as error:
        return [Problem(error.line, error.column, error.reason)]


def _score(events, ticks_per_beat, graces):
    """A Score of events in the order in which they sound."""
    now, notes, tied, ticks = 0, [], {}, {}
    changes = {"key": {}, "meter": {0: (4, 4)}, "tempo": {0: 120.0}}
    for event in events:
        if type(event) is Change:
            changes[event.name][now] = event.value
        elif type(event) is Sound:
            length = ticks.get(event.length)
            if length is None:
                exactly = Fraction(event.length * 4 * ticks_per_beat, WHOLE)
                length = ticks[event.length] = max(1, round(exactly))
            open_notes, end = {}, now + length
            if graces and event.graces and not any(pitch in tied for pitch in event.pitches):
                each = min(ticks_per_beat // 8, length // (2 * len(event.graces)))
                for pitch in event.graces if event.pitches and each else ():
                    notes.append([now, each, pitch])
                    now += each
                    length -= each
            for pitch in event.pitches:
                if pitch in tied:
                    index = tied[pitch]
                    notes[index][1] += length
                else:
                    index = len(notes)
                    notes.append([now, length, pitch])
                if pitch in event.ties:
                    open_notes[pitch] = index
            tied, now = open_notes, end
    tempos, meters, keys = (_steps(changes[name]) for name in ("tempo", "meter", "key"))
    return Score(
        ticks_per_beat,
        [Track("melody", [Note(*note) for note in notes])],
        tempos,
        [(tick, *meter) for tick, meter in meters],
        keys,
    )


def _steps(changes):
    """[(tick, value)] by rising tick, without repetitions."""
    steps = []
    for tick, value in sorted(changes.items()):
        if value is not None and (not steps or steps[-1][1] != value):
            steps.append((tick, value))
    return steps
