"""From the lines of an ABC tune to tokens: the smallest pieces that mean something.

One regular expression, tried from left to right, so that the time is linear in the length of a line. Which
piece may stand where, and what it does to others, is the reader's business (abc_reader.py).

Source: the ABC music standard 2.1, sections 2 to 4 and 9 ("outdated syntax").
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

LENGTH = r"[0-9]{0,4}/{0,6}[0-9]{0,4}"
BODY_FIELDS = frozenset("IKLMNPQRTUVWmrsw+")  # that may stand in a tune's body, each on its line
ORNAMENTS = ".~HIJKLMNOPQRSTUVWhijklmnopqrstuvw"  # of one letter, and those that U: may define


TOKEN = re.compile(
    rf"""
      (?P<note> (?:\^\^?|__?|=)? [A-Ga-g] [,']{{0,6}} {LENGTH} )
    | (?P<space> [ \t`]+ )
    | (?P<bar> \.?:*(?:\[\||\||::)(?:[|\]:]|\[\|)*  (?:\[?[0-9]{{1,2}}(?:[,-][0-9]{{1,2}})*)? )
    | (?P<rest> [zxZX] {LENGTH} )
    | (?P<tuplet> \([2-9](?::[0-9]?(?::[0-9]{{0,2}})?)? )
    | (?P<broken> >{{1,3}} | <{{1,3}} )
    | (?P<field> \[[A-Za-z]:[^\]]*\] )
    | (?P<ending> \[[0-9]{{1,2}}(?:[,-][0-9]{{1,2}})* )
    | (?P<chord> \[ )
    | (?P<close> \]{LENGTH} )
    | (?P<tie> \.?- )
    | (?P<slur> \.?\( )
    | (?P<unslur> \) )
    | (?P<text> "[^"]*" )
    | (?P<decoration> ![^!\s|\[\]]{{1,32}}! | \+[^+\s|]{{1,32}}\+ )
    | (?P<break> [!$*] )
    | (?P<grace> \{{/?[^{{}}]*\}} )
    | (?P<glued> [KLMQ]:\S+ )
    | (?P<spacer> y{LENGTH} )
    | (?P<microtone> [\^_]{LENGTH}[A-Ga-g][,']*{LENGTH} )
    | (?P<ornament> [{ORNAMENTS}] )
    | (?P<overlay> &+ )
    | (?P<continue> \\(?=\s*$) )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
# Between two line breaks of the old kind there is music, between the marks of a decoration a name: one of
# these, or one that cannot be music.
_NAMES = frozenset("f ff fff ffff D.C. > < <( <) >( >) 0 1 2 3 4 5".split())
_MUSIC = re.compile(r"[A-Ga-gzxZ0-9,'/^_=<>():|.~-]*")
_CHORD = re.compile(rf"\+(?:(?:\^\^?|__?|=)?[A-Ga-g][,']{{0,6}}{LENGTH})+\+")
_PLUS = re.compile(rf"\+{LENGTH}")
_FIELD = re.compile(r"([A-Za-z+]):(.*)", re.DOTALL)
_COMMENT = re.compile(r"(?<!\\)%.*", re.DOTALL)
_NOTE = re.compile(r"([\^_=]*)([A-Ga-g])([,']*)(.*)")
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


class Token(NamedTuple):
    """A piece of a tune: its kind, a name in `TOKEN`; the text; line and column, counted from 1."""

    kind: str
    text: str
    line: int
    column: int


def scan(lines, first_line=1):
    """Tokens of the lines of a tune. A field on a line of its own is of kind "line", text "K:D".

    Parameters
    ----------
    lines : iterable of str, without line ends
    first_line : number of the first one

    Yields
    ------
    Token
        At the end of each line one of kind "end".
    """
    header = True
    for number, line in enumerate(lines, first_line):
        directive = line.startswith("%%")
        text = line if directive else _COMMENT.sub("", line)
        field = None if directive else _FIELD.match(text)
        if directive:
            yield Token("directive", text[2:], number, 1)
        elif field and (header or field[1] in BODY_FIELDS):
            header = header and field[1] != "K"
            yield Token("line", text, number, 1)
        elif header:
            if text.strip():
                yield Token("stray", text, number, 1)
        else:
            yield from scan_music(text, number)
            yield Token("end", "", number, len(text) + 1)


def scan_music(text, line, column=1):
    """Tokens of a line of music, which begins at this column."""
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
            kind, piece = "chord", "+"  # a chord of the old kind: its notes follow, and another +
            plus = True
        if kind != "space":
            yield Token(kind, piece, line, column + place)
        place += len(piece)


def is_chord(decoration):
    """Whether what looks like a decoration, +CEG+, is a chord of the old kind."""
    return decoration[1:-1] not in _NAMES and _CHORD.fullmatch(decoration) is not None


@lru_cache(maxsize=4096)
def parse_length(text):
    """A note's length in unit lengths: "" is 1, "3" is 3, "/" and "/2" a half, "3/4", "//" a quarter.

    Raises
    ------
    ValueError
        If it is zero, or divided by zero.
    """
    numerator, slashes, denominator = re.fullmatch(r"([0-9]*)(/*)([0-9]*)", text).groups()
    below = int(denominator) if denominator else 2 ** len(slashes)
    if int(numerator or 1) == 0 or below == 0 or len(slashes) > 1 and denominator:
        raise ValueError(f"expected a length like '2', '/2' or '3/4', got {text!r}")
    return Fraction(int(numerator or 1), below)


@lru_cache(maxsize=16384)
def parse_note(text):
    """A note, such as "^c'3/2".

    Returns
    -------
    letter : str, "A" .. "G"
    octave : int, 0 for the octave from middle C
    sign : str, an accidental or ""
    length : Fraction, in unit lengths

    Raises
    ------
    ValueError
        If the length is none.
    """
    sign, letter, marks, length = _NOTE.fullmatch(text).groups()
    octave = letter.islower() + marks.count("'") - marks.count(",")
    return letter.upper(), octave, sign, parse_length(length)
