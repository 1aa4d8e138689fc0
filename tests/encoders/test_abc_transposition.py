"""ABC tunes in other keys."""

import pytest

from encoders.abc import read_tune, split_tunes
from encoders.abc.transposition import transpose_tune

HEAD = "X:1\nT:Abc in D\nM:4/4\nL:1/8\n"


@pytest.mark.parametrize(
    "key, body, semitones, expected",
    [
        ("C", "CDEFGABc c'C,", 2, ("D", "DEFGABcd d'D,")),
        ("C", "B, C, c", -1, ("B", "A, B,, B")),
        ("A Major", "A =c ^d", 3, ("C Major", "c _e ^f")),
        ("Dm", "A ^c d =B", 1, ("Ebm", "B =d e =c")),
        (
            "Ador",
            '"Am7/G"A !trill!B {cd}e [Ac] "soft"z (3ABc a2>b2 % A',
            2,
            ("Bdor", '"Bm7/A"B !trill!c {de}f [Bd] "soft"z (3Bcd b2>c\'2 % A'),
        ),
        ("G", "G |\nK:D % up\nD [K:Em]E |\nw:a b c", 2, ("A", "A |\nK:E % up\nE [K:F#m]F |\nw:a b c")),
        ("G", "M:3/4 GAB | M:4/4 G4", 5, ("C", "M:3/4 cde | M:4/4 c4")),
        ("G", "G", 0, ("G", "G")),
        ("C", "C", 12, ("C", "c")),
        ("F#", "F", 1, ("G", "G")),
    ],
)
def test_what_moves_and_what_stays(key, body, semitones, expected):
    moved = transpose_tune(f"{HEAD}K:{key}\n{body}", semitones)
    assert moved == f"{HEAD}K:{expected[0]}\n{expected[1]}"


def sounds(text, semitones=0):
    return [(note.start, note.duration, note.pitch + semitones) for note in read_tune(text).score().notes()]


@pytest.mark.parametrize("semitones", range(-13, 14))
def test_every_note_moves_as_far(semitones):
    text = HEAD + "K:E Minor\nE^d=dG | _B=c'B,E [K:Bb] B_d=e^f | [E_G]2- [EG]2 A4 |]"
    assert sounds(transpose_tune(text, semitones)) == sounds(text, semitones)


@pytest.mark.parametrize("key", ["none", "HP", "D phr ^f", "Q", ""])
def test_keys_that_cannot_be_moved(key):
    with pytest.raises(ValueError, match="expected a key"):
        transpose_tune(f"{HEAD}K:{key}\nA", 1)


def test_too_many_signs():
    with pytest.raises(ValueError, match="at most seven signs"):
        transpose_tune(HEAD + "K:Cb\nA [K:C#] B", 1)
    with pytest.raises(ValueError, match="at most two signs"):
        transpose_tune(HEAD + "K:E\n__C", 3)


@pytest.mark.data
def test_the_irish_tunes(irish):
    for number, (_, tune) in enumerate(split_tunes(irish)[::6]):
        semitones = number % 12 - 5
        assert sounds(transpose_tune(tune, semitones)) == sounds(tune, semitones)
        assert transpose_tune(tune, 0) == tune


def test_chords_of_the_old_kind_move():
    assert transpose_tune("X:1\nK:C\n+CE+2 +ff+{g}A", 2) == "X:1\nK:D\n+DF+2 +ff+{a}B"
