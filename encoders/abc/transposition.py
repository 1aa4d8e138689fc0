"""ABC tunes in another key, as text: only keys, notes and chord symbols change.

All letters move by the same number of steps on the staff, and all keys by the same number of fifths, so that
accidentals stay where they were, spelled anew: =c in A becomes _e in C.
"""

import re

from ..score import MAJOR_KEYS, MINOR_KEYS
from .events import quoted
from .keys import ACCIDENTALS, FIFTHS, parse_key, parse_meter, parse_unit
from .lines import field_of
from .scanner import TOKEN, is_chord

LETTERS = "CDEFGAB"
SIGNS = {value: sign for sign, value in ACCIDENTALS.items()}

_KEY = re.compile(r"(\s*)([A-G][#b]?)(.*)", re.DOTALL)
_CHORD = re.compile(r"([A-G][#b]?)((?:maj|min|dim|aug|sus|add|m|M|[0-9+-])*)(?:/([A-G][#b]?))?")


def transpose_tune(text: str, semitones: int) -> str:
    """A tune transposed up (or down, if negative) by semitones.

    Parameters
    ----------
    text : str, one tune
    semitones : int

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If a key has no tonic to move (none, HP), has accidentals of its own, or would need more than seven
        signs, or a note would need three.
    """
    return _Transposer(text, semitones).text()


class _Transposer:
    def __init__(self, source, semitones):
        self.lines = source.split("\n")
        self.key = None
        keys = re.findall(r"^K:(.*)$|\[K:([^\]]*)\]", source, re.MULTILINE)
        found = [_sharps(line.split("%")[0] or inline) for line, inline in keys]
        # Moving by any of these numbers of fifths sounds the same, spelled differently.
        fifths = [n for n in range(-24, 25) if (n - 7 * semitones) % 12 == 0]
        fitting = [n for n in fifths if all(-7 <= sharps + n <= 7 for sharps in found)]
        if not fitting:
            raise ValueError(f"expected keys of at most seven signs after moving by {semitones}")
        # The fewest signs in the worst key.
        self.fifths = min(fitting, key=lambda n: (max((abs(s + n) for s in found), default=0), abs(n)))
        steps = 4 * self.fifths  # a fifth is four steps; the semitones give the octave
        self.steps = steps + 7 * round((semitones * 7 / 12 - steps) / 7)

    def text(self):
        return "\n".join(map(self.line, self.lines))

    def line(self, line):
        field = None if line.startswith("%%") else field_of(line, self.key is None)
        if line.startswith("%%"):
            return line
        if field:
            return f"{field[0]}:{self.field(*field)}"
        return line if self.key is None else self.music(line)

    def field(self, letter, value):
        """A field's value moved; in the body, music may be glued to it (see reader.py)."""
        parse = {"K": parse_key, "L": parse_unit, "M": parse_meter}.get(letter)
        if parse and self.key is not None and not _fits(parse, value):
            space = value[: len(value) - len(value.lstrip())]
            first, blank, rest = value.lstrip().partition(" ")
            if rest and _fits(parse, first):
                return space + self.field(letter, first) + blank + self.music(rest)
        if letter != "K":
            return value
        bare, mark, comment = value.partition("%")
        found = _KEY.fullmatch(bare)
        if not found:
            raise ValueError(f"expected a key that can be moved, got {quoted(bare)}")
        space, tonic, rest = found.groups()
        self.key = parse_key(bare)
        moved = space + self.name(tonic) + rest
        self.new_key = parse_key(moved)
        return moved + mark + comment

    def music(self, text):
        place, pieces = 0, []
        while place < len(text):
            if text[place] == "%":
                pieces.append(text[place:])
                break
            found = TOKEN.match(text, place)
            piece, kind = found[0], found.lastgroup
            if kind == "microtone":
                raise ValueError(f"expected notes of the piano to move, got {quoted(piece)}")
            if kind == "note":
                piece = self.note(piece)
            elif kind == "grace":
                piece = "{" + self.music(piece[1:-1]) + "}"
            elif kind == "decoration" and is_chord(piece):
                piece = "+" + self.music(piece[1:-1]) + "+"
            elif kind == "text":
                piece = f'"{self.chord(piece[1:-1])}"'
            elif kind == "field":
                piece = f"[{piece[1]}:{self.field(piece[1], piece[3:-1])}]"
            elif kind == "glued" and piece[0] == "K":
                piece = "K:" + self.field("K", piece[2:])
            pieces.append(piece)
            place = found.end()
        return "".join(pieces)

    def note(self, text):
        sign, letter, marks, length = re.fullmatch(r"([\^_=]*)[ \t]*([A-Ga-g])([,']*)(.*)", text).groups()
        octave = letter.islower() + marks.count("'") - marks.count(",")
        octave, index = divmod(7 * octave + LETTERS.index(letter.upper()) + self.steps, 7)
        new = LETTERS[index]
        if sign:
            off = ACCIDENTALS[sign] - self.key.accidentals.get(letter.upper(), 0)
            alter = self.new_key.accidentals.get(new, 0) + off
            if alter not in SIGNS:
                raise ValueError(
                    f"expected notes of at most two signs, got {quoted(text)} moved by {self.steps} steps"
                )
            sign = SIGNS[alter]
        return sign + (new + "," * -octave if octave < 1 else new.lower() + "'" * (octave - 1)) + length

    def name(self, tone):
        """A note name such as F#, moved by the fifths."""
        place = FIFTHS.index(tone[0]) + {"#": 7, "b": -7}.get(tone[1:], 0) + self.fifths
        octave, index = divmod(place, 7)
        if not -1 <= octave <= 1:
            place = (place + 6) % 12 - 6  # the same on the piano, with fewer signs
            octave, index = divmod(place, 7)
        return FIFTHS[index] + {0: "", 1: "#", -1: "b"}[octave]

    def chord(self, text):
        """A chord symbol moved; other texts stay as they are."""
        found = _CHORD.fullmatch(text)
        if not found:
            return text
        root, kind, bass = found.groups()
        return self.name(root) + kind + ("/" + self.name(bass) if bass else "")


def _fits(parse, value):
    try:
        parse(value.split("%")[0])
    except ValueError:
        return False
    return True


def _sharps(text):
    """How many sharps a key has, flats negative; ValueError if it cannot be moved."""
    words = text.strip().split()
    for word in (text.strip(), *words[:1]):
        if _fits(parse_key, word):
            key = parse_key(word)
            own = any(sign in word for sign in "^_=")
            if key.name is None or word in ("HP", "Hp") or own:
                raise ValueError(f"expected a key that can be moved, got {quoted(text)}")
            names = MINOR_KEYS if key.name in MINOR_KEYS else MAJOR_KEYS
            return names.index(key.name) - 7
    raise ValueError(f"expected a key, got {quoted(text)}")
