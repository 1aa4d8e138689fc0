"""Keys, clefs and tempos of ABC tunes, and how much they move what is written."""

import pytest
from abc_text import HEAD, C, D, pitches

from encoders.abc import read_tune
from encoders.abc.keys import parse_key, parse_shift


@pytest.mark.parametrize(
    "key, expected",
    [
        ("C", [60, 62, 64, 65, 67, 69, 71]),
        ("G", [60, 62, 64, 66, 67, 69, 71]),
        ("A Dorian", [60, 62, 64, 66, 67, 69, 71]),
        ("C treble-8", [48, 50, 52, 53, 55, 57, 59]),
        ("C clef=treble+8 middle=d", [72, 74, 76, 77, 79, 81, 83]),
        ("ADOR", [60, 62, 64, 66, 67, 69, 71]),
        ("D Mixolydian", [60, 62, 64, 66, 67, 69, 71]),
        ("Em", [60, 62, 64, 66, 67, 69, 71]),
        ("E minor", [60, 62, 64, 66, 67, 69, 71]),
        ("F Lydian", [60, 62, 64, 65, 67, 69, 71]),
        ("B Locrian", [60, 62, 64, 65, 67, 69, 71]),
        ("EPhr", [60, 62, 64, 65, 67, 69, 71]),
        ("Bb", [60, 62, 63, 65, 67, 69, 70]),
        ("F#m", [61, 62, 64, 66, 68, 69, 71]),
        ("HP", [61, 62, 64, 66, 67, 69, 71]),
        ("none", [60, 62, 64, 65, 67, 69, 71]),
        ("D Phr ^f", [60, 62, 63, 66, 67, 69, 70]),
        ("C exp _B", [60, 62, 64, 65, 67, 69, 70]),
        ("G clef=bass", [60, 62, 64, 66, 67, 69, 71]),
        ("G treble", [60, 62, 64, 66, 67, 69, 71]),
        ("C octave=-1", [48, 50, 52, 53, 55, 57, 59]),
        ("C transpose=2", [62, 64, 66, 67, 69, 71, 73]),
    ],
)
def test_keys_and_modes(key, expected):
    assert pitches("CDEFGAB", HEAD.replace("K:C", f"K:{key}")) == expected


@pytest.mark.parametrize(
    "key, name, accidentals",
    [
        ("Dmix=c", "G", {"F": 1}),
        ("D mix =c", "G", {"F": 1}),
        ("Gm^f", "Gm", {"E": -1, "B": -1, "F": 1}),
        ("Gm=e", "Gm", {"B": -1}),
        ("D^g_e", "D", {"F": 1, "C": 1, "G": 1, "E": -1}),
        ("^f_b", "C", {"F": 1, "B": -1}),
        ("exp _b", "C", {"B": -1}),
        ("Am clef=bass ^g", "Am", {"G": 1}),
        ("G treble-8", "G", {"F": 1}),
        ("D mix=c octave=-1", "G", {"F": 1}),
        ("G __b", "G", {"F": 1, "B": -2}),
    ],
)
def test_accidentals_of_keys(key, name, accidentals):
    found = parse_key(key)
    assert (found.name, found.accidentals) == (name, accidentals)


@pytest.mark.parametrize(
    "key, name",
    [("H", "B"), ("Es", "Eb"), ("Fis", "F#"), ("gm", "Gm"), ("Bn", "B"), ("Hm", "Bm"), ("As", "Ab")],
)
def test_keys_of_other_countries_are_read_with_a_word(key, name):
    with pytest.raises(ValueError, match="expected a key"):
        parse_key(key)
    assert parse_key(key, liberal=True).name == name
    (problem,) = read_tune(HEAD.replace("K:C", f"K:{key}") + "C8|").problems
    assert f"read as '{name}'" in problem.message and problem.severity == "warning" and problem.unheard


def test_what_clefs_shift():
    assert parse_shift("1 clef=treble-8 name=x") == {"clef": -12} and parse_shift("bass") == {"clef": 0}
    assert parse_shift("G treble+8va octave=-1 transpose=+3") == {"clef": 12, "octave": -12, "transpose": 3}
    assert parse_shift('V clef="treble-15"') == {"clef": -24} and parse_shift("trebles octave=x") == {}


@pytest.mark.parametrize(
    "voice, key, shift",
    [
        ("clef=treble-8", "C", -12),
        ("treble-8", "C", -12),
        ("octave=-1", "C", -12),
        ("transpose=2", "C", 2),
        ("bass", "C", 0),
        ("", "C treble-8", -12),
        ("clef=treble-8", "C treble-8", -12),
        ("octave=1", "C octave=-1", 12),
        ("transpose=2", "C octave=-1", -10),
    ],
)
def test_clef_octave_and_transpose_of_a_voice(voice, key, shift):
    head = HEAD.replace("K:C", f"V:1 {voice}\nK:{key}")
    assert pitches("V:1\nC D", head) == pitches("C D", head) == [C + shift, D + shift]
    body = f"V:1 {voice}\nC D|V:2\nE"
    assert pitches(body, HEAD.replace("K:C", f"K:{key}"))[:2] == [C + shift, D + shift]


def test_a_shift_goes_on_in_another_key():
    assert pitches("C [K:G] F|", HEAD.replace("K:C", "K:C treble-8")) == [48, 54]
    assert pitches("%%MIDI transpose -12\nC\nI:MIDI transpose 0\nD") == [48, 62]
    assert pitches("%%MIDI nobarlines\n^C C") == [61, 60]


@pytest.mark.parametrize(
    "field, tempo",
    [
        ("1/4=100", 100),
        ("3/8=80", 120),
        ("1/4 3/8=40", 100),
        ("100", 100),
        ("C=100", 50),
        ("C3=40", 60),
        ('"Allegro" 1/4=96.5', 96.5),
        ('"Slow"', 120),
    ],
)
def test_tempo(field, tempo):
    assert read_tune(HEAD.replace("K:", f"Q:{field}\nK:") + "A").score().tempos == ((0, tempo),)
