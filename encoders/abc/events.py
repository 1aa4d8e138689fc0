"""What a tune in ABC notation consists of once it is read: sounds, bar lines, changes; and problems."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

# Lengths are counted in these parts of a whole note, so that nearly all are ints; the others, such as those
# of a septuplet of thirds, are Fractions. Both add up exactly.
WHOLE = 2**9 * 3**2 * 5 * 7
SHOWN = 40  # characters of a text in a message
FINE = 10_000  # the largest denominator of such Fractions

# Kinds of bar line.
PLAIN, DOUBLE, START, END, BOTH, MARK = "plain", "double", "start", "end", "both", "mark"


class AbcError(ValueError):
    """Text that cannot be read as a tune; the message is one line that says where and why.

    Attributes
    ----------
    line, column : int, counted from 1
    reason : str
    """

    def __init__(self, line: int, column: int, reason: str):
        super().__init__(f"line {line}, column {column}: {reason}")
        self.line, self.column, self.reason = line, column, reason

    def __reduce__(self):
        return type(self), (self.line, self.column, self.reason)


class Problem(NamedTuple):
    """Something wrong in a tune. An "error" violates the notation; a "warning" does not.

    `unheard` says that what sounds is not what is written: something was left out or changed.
    """

    line: int
    column: int
    message: str
    severity: str = "error"
    unheard: bool = True

    def __str__(self):
        return f"line {self.line}, column {self.column}: {self.severity}: {self.message}"


def quoted(text: str) -> str:
    """A text in quotation marks, cut to a length that fits a message."""
    text = text.strip()
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 2] + "..")


class Sound(NamedTuple):
    """A note, a chord or a rest: MIDI pitches (none for a rest), those tied to the next sound, the length.

    `graces` are the pitches of grace notes before it, which take no time of their own.
    """

    pitches: tuple[int, ...]
    ties: tuple[int, ...]
    length: int | Fraction  # in parts, WHOLE of them to a whole note
    line: int
    column: int
    graces: tuple[int, ...] = ()


class BarLine(NamedTuple):
    """A bar line, and what it says about repeats.

    `kind` is one of PLAIN, DOUBLE, START (of a repeat), END, BOTH, and MARK, which is only the number of an
    ending; `times` is how often what ends here sounds in all; `endings` are the numbers of the ending that
    begins here, () if none does.
    """

    kind: str
    times: int
    endings: tuple[int, ...]
    line: int
    column: int


class Change(NamedTuple):
    """A new key, meter or tempo: `name` is "key", "meter" or "tempo", `value` as in `Score`."""

    name: str
    value: Any
    line: int
    column: int


def exact(length: int | Fraction) -> int | Fraction:
    """The Fraction as an int if it is one; rounded if it is so fine that sums would become slow."""
    if length.denominator == 1:
        return length.numerator
    return length if length.denominator <= FINE else max(1, round(length))


class Part(NamedTuple):
    """Where a part begins: P:A in the body of a tune whose header gives the order of its parts."""

    name: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Bar:
    """What stands between two bar lines.

    Attributes
    ----------
    line, column : where it begins
    length : int or Fraction, WHOLE to a whole note
    expected : int, or None without a meter
    fills : whether the length is right: that of the meter, or, next to a repeat, a double bar or an end of
        the tune, one that makes a whole bar together with the part on the other side
    """

    line: int
    column: int
    length: int | Fraction
    expected: int | None
    fills: bool
