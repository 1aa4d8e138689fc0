"""Keys, meters, unit lengths and tempos, from the fields K:, M:, L: and Q: of ABC notation.

Source: the ABC music standard 2.1, sections 3.1.6 to 3.1.8, 3.1.14 and 4.6.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from ..score import MAJOR_KEYS, MINOR_KEYS
from .events import quoted

FIFTHS = "FCGDAEB"  # the order in which sharps come; flats come from the other end
# How many more sharps a mode has than the major key on the same tonic, by its first three letters.
MODES = dict(maj=0, ion=0, mix=-1, dor=-2, m=-3, min=-3, aeo=-3, phr=-4, loc=-5, lyd=1)
ACCIDENTALS = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}

# German names of notes, as in collections of German songs: H is B, Es is E flat, Fis is F sharp.
_TONIC = r"(?P<tonic>[A-Ga-gH])(?P<sign>#|b|is\b|es\b|(?<=[EA])s\b)?"
_KEY = re.compile(
    rf"(?:(?:exp\b\s*)?(?=[_=^])|{_TONIC}\s*(?P<mode>[A-Za-z]*)(?![A-Za-z]))(?P<rest>.*)",
    re.ASCII | re.DOTALL,
)
_EXTRA = re.compile(r"(\^\^|\^|__|_|=)([A-Ga-g])")
_OPTION = re.compile(
    r"(?<!\S)(?:clef|octave|transpose|middle|t|stafflines|staffscale|score|sound|shift|style|cue|name|nm)=\S*"
)
_CLEF = re.compile(
    r"(?<!\S)(?:clef=\"?)?(?:treble|bass|baritone|tenor|alto|mezzosoprano|soprano|perc|none)[1-5]?"
    r"(?P<octaves>[+-](?:8|15)(?:va)?)?\"?(?=\s|$)",
    re.IGNORECASE,
)
_SHIFT = re.compile(r"(?<!\S)(octave|transpose)=([+-]?[0-9]{1,3})(?=\s|$)")
_FRACTION = re.compile(r"([0-9]{1,3})\s*/\s*([0-9]{1,3})")


@dataclass(frozen=True)
class Key:
    """A key signature.

    Parameters
    ----------
    name : str or None, a major or minor key with this signature as in `Score.keys`; None for no key
    accidentals : dict, letter -> semitones, of the letters that the signature alters
    tonic : str, such as "A" or "F#"
    """

    name: str | None
    accidentals: dict[str, int]
    tonic: str


def parse_shift(text: str) -> dict[str, int]:
    """By how many semitones a field K: or V: makes notes sound higher than written.

    Returns
    -------
    dict : "clef", "octave" and "transpose" -> semitones, of those that the text names
    """
    shifts = {name: int(n) * (12 if name == "octave" else 1) for name, n in _SHIFT.findall(text)}
    for clef in _CLEF.finditer(text):
        octaves = re.match("[+-][0-9]+", clef["octaves"] or "")
        shifts["clef"] = {"+8": 12, "-8": -12, "+15": 24, "-15": -24}[octaves[0]] if octaves else 0
    return shifts


@lru_cache(maxsize=1024)
def parse_key(text: str, liberal: bool = False) -> Key:
    """The key of a K: field, such as "A Dorian", "Em", "F#min", "D Phr ^f", "Dmix=c", "^f", "HP" or "none".

    Parameters
    ----------
    text : str, what follows K:
    liberal : whether German names, lower-case letters and words that name no mode are read, too

    Returns
    -------
    Key

    Raises
    ------
    ValueError
        If the text names no key.
    """
    rest = _OPTION.sub("", _CLEF.sub("", text)).strip()
    if rest in ("", "none"):
        return Key(None, {}, "C")
    if rest in ("HP", "Hp"):  # Highland pipes: F and C sharp, which HP does not print
        return Key("D", {"F": 1, "C": 1}, "A")
    found = _KEY.fullmatch(rest)
    letter, sign, mode = (found["tonic"] or "C", found["sign"] or "", found["mode"] or "") if found else "C  "
    mode = mode if mode == "m" else mode.lower()[:3]
    known, international = mode in MODES or mode in ("", "exp"), letter in FIFTHS and sign in ("", "#", "b")
    if not found or not (known and international or liberal and (known or letter in FIFTHS)):
        raise ValueError(f"expected a key like 'G', 'Em' or 'A Dorian', got {quoted(text)}")
    letter, sign = letter.upper().replace("H", "B"), sign and ("#" if sign in ("#", "is") else "b")
    major = FIFTHS.index(letter) - 1 + {"#": 7, "b": -7, "": 0}[sign]
    sharps = 0 if mode == "exp" or not found["tonic"] else major + MODES.get(mode, 0)
    if not -7 <= sharps <= 7:
        raise ValueError(f"expected a key with at most seven sharps or flats, got {quoted(text)}")
    accidentals = dict.fromkeys(FIFTHS[:sharps], 1) if sharps > 0 else dict.fromkeys(FIFTHS[7 + sharps :], -1)
    for sign_of, note in _EXTRA.findall(found["rest"]):
        accidentals[note.upper()] = ACCIDENTALS[sign_of]
    names = MINOR_KEYS if MODES.get(mode) == -3 else MAJOR_KEYS
    return Key(names[sharps + 7], {k: v for k, v in accidentals.items() if v}, letter + sign)


@lru_cache(maxsize=1024)
def parse_meter(text: str) -> tuple[int, int] | None:
    """The meter of an M: field, such as "6/8", "C|" or "(2+3)/8".

    Returns
    -------
    (int, int) or None
        Numerator and denominator; None for "none".

    Raises
    ------
    ValueError
        If it is not a meter, or one that a `Score` cannot hold.
    """
    text = text.strip()
    if text in ("", "none"):
        return None
    if text in ("C", "c", "C|", "c|"):
        return (4, 4) if len(text) == 1 else (2, 2)
    found = re.fullmatch(r"\(?([0-9]{1,3}(?:\s*\+\s*[0-9]{1,3})*)\)?\s*/\s*([0-9]{1,2})", text)
    numerator = found and sum(map(int, found[1].split("+")))
    if not found or not 1 <= numerator <= 255 or int(found[2]) not in (1, 2, 4, 8, 16, 32, 64):
        raise ValueError(f"expected a meter like '6/8', 'C' or 'none', got {quoted(text)}")
    return numerator, int(found[2])


def default_unit(meter: tuple[int, int] | None) -> Fraction:
    """The unit length without an L: field: 1/16 if a bar is shorter than 3/4 of a whole note, else 1/8."""
    return Fraction(1, 16) if meter and Fraction(*meter) < Fraction(3, 4) else Fraction(1, 8)


@lru_cache(maxsize=256)
def parse_unit(text: str) -> Fraction:
    """The unit length of an L: field as a Fraction of a whole note; ValueError if it is none."""
    found = re.fullmatch(r"1(?:\s*/\s*([0-9]{1,3}))?", text.strip())
    length = int(found[1] or 1) if found else 0
    if length not in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512):
        raise ValueError(f"expected a unit length like '1/8', got {quoted(text)}")
    return Fraction(1, length)


@lru_cache(maxsize=256)
def parse_tempo(text: str, unit: Fraction) -> float | None:
    """The tempo of a Q: field in quarter notes per minute.

    Forms: "1/4=120", "3/8=80", "1/4 3/8=40" (lengths are added), "C=100" and "C3=40" (unit lengths, an old
    form), "120" (quarter notes), each with or without a text in quotes; None if there is only a text.

    Raises
    ------
    ValueError
        If it is not a tempo, or not between 1 and 10000.
    """
    bare = re.sub(r'"[^"]*"', "", text).strip()
    if not bare and text.strip():
        return None
    beat, equals, number = bare.rpartition("=")
    found = re.fullmatch(r"\s*([0-9]{1,5}(?:\.[0-9]{1,20})?)\s*", number)
    old = re.fullmatch(r"\s*C([0-9]{0,3})\s*", beat)
    if not equals:
        length = Fraction(1, 4)
    elif old:
        length = unit * int(old[1] or 1)
    else:
        parts = _FRACTION.findall(beat)
        proper = parts and all(int(d) for _, d in parts) and not _FRACTION.sub("", beat).strip()
        length = sum(Fraction(int(n), int(d)) for n, d in parts) if proper else Fraction(0)
    tempo = float(Fraction(found[1]) * length * 4) if found else 0.0
    if not 1 <= tempo <= 10000:
        raise ValueError(f"expected a tempo like '1/4=120', got {quoted(text)}")
    return tempo
