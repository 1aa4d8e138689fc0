"""From a line of music in ABC to tokens, the smallest pieces with a meaning.

One regular expression is matched from left to right, in time linear in the length of the line. lines.py knows
which lines are music; reader.py knows which token may stand where, and what it does to others.

Source: the ABC music standard 2.1, section 4 and section 9 ("outdated syntax").
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from .events import quoted

LENGTH = r"[0-9]{0,4}/{0,6}[0-9]{0,4}"
_BLANK = r"(?:[ \t]+(?=[0-9/]))?"  # before a length, as written by folk-rnn
ORNAMENTS = ".~HIJKLMNOPQRSTUVWhijklmnopqrstuvw"  # of one letter, and those that U: may define

TOKEN = re.compile(
    rf"""
      (?P<note> (?:(?:\^\^?|__?|=)[ \t]*)? [A-Ga-g] [,']{{0,6}} {_BLANK} {LENGTH} )
    | (?P<space> [ \t`]+ )
    | (?P<bar> \.?:*(?:\[\||\||::|\[:|:\])(?:[|\]:]|\[\|)*  (?:\[?[0-9]{{1,2}}(?:[,-][0-9]{{1,2}})*)? )
    | (?P<rest> [zxZX] {_BLANK} {LENGTH} )
    | (?P<tuplet> \((?:[2-9]|[1-9][0-9]{{1,2}}|1(?=:))(?::[0-9]{{0,3}}(?::[0-9]{{0,3}})?)? )
    | (?P<broken> >{{1,3}} | <{{1,3}} )
    | (?P<field> \[[A-Za-z]:[^\]]{{0,400}}\] )
    | (?P<ending> \[[0-9]{{1,2}}(?:[,-][0-9]{{1,2}})* )
    | (?P<chord> \[ )
    | (?P<close> \]{_BLANK}{LENGTH} )
    | (?P<overlay> \(& | &\) | &+ )
    | (?P<tie> \.?- )
    | (?P<slur> \.?\( )
    | (?P<unslur> \) )
    | (?P<text> "[^"]*" )
    | (?P<decoration> ![^!\s|\[\]]{{1,32}}! | \+[^+\s|]{{1,32}}\+ )
    | (?P<break> [!$*] )
    | (?P<grace> \{{/?[^{{}}]*\}} )
    | (?P<glued> [KLMQ]:\S+ )
    | (?P<spacer> y{LENGTH} )
    | (?P<microtone> [\^_]{LENGTH}[A-Ga-g][,']{{0,6}}{_BLANK}{LENGTH} )
    | (?P<ornament> [{ORNAMENTS}] )
    | (?P<continue> \\(?=\s*$) )
    | (?P<number> [1-9](?=[ \t]) )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
# Old files end lines with "!". What stands between two of them is music unless it is one of these names of
# decorations, or cannot be music.
_NAMES = frozenset("f ff fff ffff D.C. > < <( <) >( >) 0 1 2 3 4 5".split())
_MUSIC = re.compile(r"[A-Ga-gzxZ0-9,'/^_=<>():|.~-]*")
_CHORD = re.compile(rf"\+(?:(?:\^\^?|__?|=)?[A-Ga-g][,']{{0,6}}{LENGTH})+\+")
_PLUS = re.compile(rf"\+{LENGTH}")
_NOTE = re.compile(r"([\^_=]*)[ \t]*([0-9/]*)([A-Ga-g])([,']*)(.*)")
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


class Token(NamedTuple):
    """A token: its kind, a name in `TOKEN` or `lines.scan`; the text; line and column, counted from 1."""

    kind: str
    text: str
    line: int
    column: int


def scan_music(text: str, line: int, column: int = 1) -> Iterator[Token]:
    """Tokens of a line of music that begins at this column."""
    place, plus = 0, False
    while place < len(text):
        found = plus and _PLUS.match(text, place)
        if found:
            kind, piece, plus = "close", found[0], False
        else:
            found = TOKEN.match(text, place)
            kind, piece = found.lastgroup, found[0]
        name = piece[1:-1] if kind == "decoration" and piece[0] == "!" else ""
        if name and name not in _NAMES and _MUSIC.fullmatch(name):
            kind, piece = "break", "!"
        elif kind == "decoration" and is_chord(piece):
            kind, piece = "chord", "+"  # a chord in the old notation: its notes follow, and another +
            plus = True
        if kind != "space":
            yield Token(kind, piece, line, column + place)
        place += len(piece)


def is_chord(decoration: str) -> bool:
    """Whether what looks like a decoration, +CEG+, is a chord in the old notation."""
    return decoration[1:-1] not in _NAMES and _CHORD.fullmatch(decoration) is not None


@lru_cache(maxsize=4096)
def parse_length(text: str) -> tuple[Fraction, str]:
    """A note's length in unit lengths: "" is 1, "3" is 3, "/" and "/2" a half, "3/4", "//" a quarter.

    Returns
    -------
    length : Fraction, 1 if the text is not a length
    wrong : str, why it is not one, or ""
    """
    numerator, slashes, denominator = re.fullmatch(r"\s*([0-9]*)(/*)([0-9]*)", text).groups()
    below = 2 ** (len(slashes) - 1) * int(denominator) if denominator else 2 ** len(slashes)
    if int(numerator or 1) == 0 or below == 0:
        return Fraction(1), f"expected a length like '2', '/2' or '3/4', got {quoted(text)}"
    return Fraction(int(numerator or 1), below), ""


@lru_cache(maxsize=16384)
def parse_note(text: str) -> tuple[str, int, str | int, Fraction, str]:
    """A note, such as "^c'3/2"; the sign of a micro-tone, "^3/2c", becomes a whole number of semitones.

    Returns
    -------
    letter : str, "A" .. "G"
    octave : int, 0 for the octave above middle C
    sign : str, an accidental or "", or int, semitones
    length : Fraction, in unit lengths
    wrong : str, what is wrong with the length or the sign, or ""
    """
    sign, above, letter, marks, length = _NOTE.fullmatch(text).groups()
    octave = letter.islower() + marks.count("'") - marks.count(",")
    length, wrong = parse_length(length)
    if above:
        semitones, wrong_sign = parse_length(above)
        sign = (1 if sign == "^" else -1) * ceil(semitones - Fraction(1, 2))
        wrong = wrong or wrong_sign
    return letter.upper(), octave, sign, length, wrong
