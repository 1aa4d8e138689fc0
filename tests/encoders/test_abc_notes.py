"""ABC note by note: pitches, lengths, chords, ties."""

from fractions import Fraction

import pytest
from abc_text import HEAD, A, B, D, E, lengths, messages, notes, pitches

from encoders.abc import AbcError, read_tune


def test_micro_tones_are_rounded_and_take_their_time():
    assert notes("^/c2 _/B ^3/2c _3/4d c") == [(0, 2, 72), (2, 1, 71), (3, 1, 73), (4, 1, 73), (5, 1, 73)]
    assert pitches("{^/c}d")[-1] == 74


def test_no_time_is_lost_by_what_cannot_sound():
    assert notes("A0 B") == [(0, 1, A), (1, 1, B)] and notes("A//2 B/0 A") == [
        (0, 0.25, A),
        (0.25, 1, B),
        (1.25, 1, A),
    ]
    assert notes("C,,,,,, D") == [(1, 1, D)] and notes("[C,,,,,,D] E") == [(0, 1, D), (1, 1, E)]


def test_a_length_that_ticks_cannot_hold():
    tune = read_tune(HEAD + "(3ABC (7ABCDEFG (5ABCDE")
    score = tune.score()
    assert score.ticks_per_beat % (480 * 7) == 0
    with pytest.raises(AbcError, match="expected lengths in ticks of 1/480"):
        tune.score(ticks_per_beat=480)
    with pytest.raises(AbcError, match="expected lengths in ticks"):
        read_tune(HEAD + "A/9973").score(ticks_per_beat=480)
    notes = read_tune(HEAD + "A/9973 B4 | (11ABcdefgABcd A").score().notes()  # rounded, no time lost
    assert [note.start for note in notes[:2]] == [0, 2] and abs(notes[-1].start - 90722) < 6


def test_letters_and_octaves():
    assert pitches("C,, C, C c c' c''") == [36, 48, 60, 72, 84, 96]
    assert pitches("C D E F G A B c") == [60, 62, 64, 65, 67, 69, 71, 72]
    assert pitches("c,' C', c,,") == [72, 60, 48]


def test_accidentals_hold_to_the_bar_in_all_octaves():
    assert pitches("^F F f | F =f F") == [66, 66, 78, 65, 77, 65]
    assert pitches("^F =F F __B ^^C", HEAD) == [66, 65, 65, 69, 62]
    octave = HEAD.replace("K:C", "%%propagate-accidentals octave\nK:C")
    assert pitches("^F F f", octave) == [66, 66, 77]
    assert pitches("^F F f", octave.replace("octave", "not")) == [66, 65, 77]


def test_an_accidental_goes_on_with_a_tie_over_the_bar_line():
    assert notes("^F4- | F4 F4") == [(0, 8, 66), (8, 4, 65)]


def test_a_new_key_ends_accidentals():
    assert pitches("^C C [K:G] C F") == [61, 61, 60, 66]
    assert pitches("F |\nK:G\nF | [K:F] B") == [65, 66, 70]


def test_lengths():
    assert lengths("A2 A A/ A/2 A// A/4 A3/2 A3/ z4 x2") == [2, 1, 0.5, 0.5, 0.25, 0.25, 1.5, 1.5, 4, 2]


@pytest.mark.parametrize(
    "meter, unit",
    [("4/4", 1), ("3/4", 1), ("2/4", Fraction(1, 2)), ("6/8", 1), ("5/8", Fraction(1, 2)), ("none", 1)],
)
def test_the_unit_length_without_a_field(meter, unit):
    assert lengths("A", f"X:1\nM:{meter}\nK:C\n") == [unit]


def test_broken_rhythm():
    half = Fraction(1, 2)
    assert lengths("A>B A<B A>>B") == [3 * half, half, half, 3 * half, 7 * half / 2, half / 2]
    assert lengths("A > {g} B [CE]>z") == [3 * half, half, 3 * half, half]
    assert lengths("A3<B A>B/ A>B>c") == [3, 1, 1, half, 3 * half, half, 1]  # of unlike lengths: as written
    assert "unlike lengths" in messages(HEAD + "A3<B")[0]
    assert lengths("A>|B A") == [3 * half, half, 1]


def test_tuplets():
    third = Fraction(2, 3)
    assert lengths("(3ABC D") == [third, third, third, 1]
    assert lengths("(2AB (4ABCD") == [Fraction(3, 2)] * 2 + [Fraction(3, 4)] * 4
    assert lengths("(5ABCDE") == [Fraction(2, 5)] * 5
    assert lengths("(5ABCDE", HEAD.replace("4/4", "6/8")) == [Fraction(3, 5)] * 5
    assert lengths("(3:2:4ABCD E") == [third] * 4 + [1]
    assert lengths("(3::2AB C (3:4A B C") == [third, third, 1] + [Fraction(4, 3)] * 3
    assert lengths("(3A>BC") == [1, Fraction(1, 3), third]
    assert lengths("(3[CE]zA B") == [third] * 3 + [1]
    assert lengths("(10:6:4A2BcdA") == [Fraction(6, 5)] + [Fraction(3, 5)] * 3 + [1]
    assert lengths("(12:8:13" + 13 * "A" + "B") == [third] * 13 + [1]
    assert lengths("(1:2:2AB c (3:0:0ABc") == [2, 2, 1] + [third] * 3
    assert lengths("(3AB|c d") == [third] * 3 + [1]  # over a bar line


def test_chords():
    assert notes("[CEG]2 [c2e2] A") == [
        (0, 2, 60),
        (0, 2, 64),
        (0, 2, 67),
        (2, 2, 72),
        (2, 2, 76),
        (4, 1, 69),
    ]
    assert "unequal length" in messages(HEAD + "[C2E]|")[0]


def test_chords_of_the_old_kind():
    assert notes("+CE+2 +CG+") == notes("[CE]2 [CG]")
    assert notes("+CE+A+CG+") == notes("[CE]A[CG]")
    assert notes("+f+C +ff+E") == notes("C E")  # how loud
    assert "6:8 expected music" in messages(HEAD + "+CE+ A +CE B")[0]


def test_grace_notes_take_time_from_the_note_that_they_adorn():
    assert notes("A2 {gf}A2 B") == [(0, 2, 69), (2, 0.25, 79), (2.25, 0.25, 77), (2.5, 1.5, 69), (4, 1, 71)]
    assert notes("{/g}A/ B") == [(0, 0.25, 79), (0.25, 0.25, 69), (0.5, 1, 71)]  # at most half of it
    assert notes("{^g2}[Ac]2 g") == [(0, 0.25, 80), (0.25, 1.75, 69), (0.25, 1.75, 72), (2, 1, 80)]
    plain = [(0, 2, 69), (2, 1, 71)]
    assert notes("A-{g}A B") == plain  # within a tied note
    assert notes("{x}A2 {}B") == plain
    without = read_tune(HEAD + "{g}A2 {ab}B").score(graces=False)
    assert [(n.start, n.pitch) for n in without.notes()] == [(0, 69), (without.ticks_per_beat, 71)]
    assert [bar.fills for bar in read_tune(HEAD + "A4 {gab}A4 | A8 |]").bars] == [True, True]


def test_ties():
    assert notes("C2-C C") == [(0, 3, 60), (3, 1, 60)]
    assert notes("[CE]-[CE] [C-E][CE]") == [(0, 2, 60), (0, 2, 64), (2, 2, 60), (2, 1, 64), (3, 1, 64)]
    assert notes("C4- | C4- | C2 D") == [(0, 10, 60), (10, 1, 62)]
    assert notes("C-D") == [(0, 1, 60), (1, 1, 62)]
    assert "tie" in messages(HEAD + "C-D")[0]


def test_rests_of_whole_bars():
    assert notes("Z2 | C8") == [(16, 8, 60)]
    assert notes("Z | C6", HEAD.replace("4/4", "6/8")) == [(6, 6, 60)]


def test_what_does_not_sound_changes_nothing():
    plain = notes("A2 B2 c2 d2")
    assert notes('"Am"A2 !trill!B2 c2 "^slowly"~d2') == plain
    assert notes("(A2 B2) .c2 ud2 % a comment") == plain
    assert notes("A2 B2!\nc2 d2!") == plain  # line breaks of the old kind
    assert notes("A2 !B2! c2 d2") == plain
    assert notes("!ff!A2 !D.C.!B2 !3!c2 !>!d2 !fine!") == plain
    assert notes("A2 B2 \\\nc2 d2\nw: la la la la") == plain
    assert notes("A2 y B2 `c2 d2 +f+") == plain
    assert read_tune(HEAD + '"Am"A2 "^slow""G7"B2').chord_symbols[0][1] == "Am"
    assert [text for _, text in read_tune(HEAD + '"Am"A2 "^slow""G7"B2').chord_symbols] == ["Am", "G7"]
