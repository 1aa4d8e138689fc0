"""ABC tunes: what sounds, what is wrong, and the way back."""

import random
import re
import shutil
import subprocess
import time
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encoders.abc_events import WHOLE
from encoders.abc_notation import AbcError, file_header, read_tune, split_tunes, validate, write_tune
from encoders.midi import read_midi
from encoders.score import MAJOR_KEYS, MINOR_KEYS, Note, Score, Track

HEAD = "X:1\nT:A tune\nM:4/4\nL:1/8\nK:C\n"


def notes(body, head=HEAD, repeats=True):
    """[(start, duration, pitch)] in eighths."""
    score = read_tune(head + body).score(repeats)
    eighth = Fraction(score.ticks_per_beat, 2)
    return [(note.start / eighth, note.duration / eighth, note.pitch) for note in score.notes()]


def pitches(body, head=HEAD, repeats=True):
    return [pitch for *_, pitch in notes(body, head, repeats)]


def lengths(body, head=HEAD):
    """Lengths of all sounds in eighths, as exact fractions; rests in brackets."""
    events = read_tune(head + body).events
    return [Fraction(event.length, WHOLE) * 8 for event in events if hasattr(event, "pitches")]


def messages(text):
    return [f"{problem.line}:{problem.column} {problem.message}" for problem in validate(text)]


# ------------------------------------------------------------------------------------------------- pitch


def test_letters_and_octaves():
    assert pitches("C,, C, C c c' c''") == [36, 48, 60, 72, 84, 96]
    assert pitches("C D E F G A B c") == [60, 62, 64, 65, 67, 69, 71, 72]
    assert pitches("c,' C', c,,") == [72, 60, 48]


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


# ---------------------------------------------------------------------------------------------- duration


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
    assert lengths("A3<B") == [Fraction(3, 2), Fraction(3, 2)]


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


# ----------------------------------------------------------------------------------------------- repeats


@pytest.mark.parametrize(
    "body, order",
    [
        ("A :| B", "AAB"),
        ("|: A :| B", "AAB"),
        ("A |: B :| C", "ABBC"),
        ("A || B :| C", "ABBC"),
        ("|: A || B :| C", "ABABC"),
        ("A :: B :|", "AABB"),
        ("A :|: B :|", "AABB"),
        ("|: A ::| B", "AAAB"),
        ("|: A |1 B :|2 C || D", "ABACD"),
        ("|: A |1 B :| [2 C || D :| E", "ABACDDE"),
        ("|: A [1 B :| [2 C |] D", "ABACD"),
        ("|: A |1,3 B :|2 C :|4 D |]", "ABACABAD"),
        ("|: A |1-2 B :|3 C |]", "ABABAC"),
        ("|: A |1 B :|2 C :| D", "ABACD"),
        ("A |1 B :|2 C | D |1 E :|2 F |]", "ABACDEDF"),
        ("|: A || B", "AB"),
        ("A | B |: C", "ABC"),
        ("A |[1 B :|[2 C ||", "ABAC"),
        ("|:: A ::| B", "AAAB"),
        ("A |] B :|", "ABB"),
    ],
)
def test_repeats(body, order):
    letters = [chr(ord("A") + "C D E F G A B".split().index(name)) for name in "CDEFGAB"]
    assert letters[:7] == list("ABCDEFG")
    want = [{"A": 69, "B": 71, "C": 60, "D": 62, "E": 64, "F": 65}[letter] for letter in order]
    assert pitches(body) == want
    assert pitches(body, repeats=False) == [
        {"A": 69, "B": 71, "C": 60, "D": 62, "E": 64, "F": 65}[c] for c in body if c.isalpha()
    ]


def test_a_repeat_says_key_and_meter_again():
    score = read_tune(HEAD + "|: C8 | [K:G] [M:3/4] F6 :| A6 |]").score()
    assert score.keys == ((0, "C"), (1920, "G"), (3360, "C"), (5280, "G"))
    assert score.meters == ((0, 4, 4), (1920, 3, 4), (3360, 4, 4), (5280, 3, 4))


def test_repeats_beyond_all_measure():
    with pytest.raises(AbcError, match="at most 100000"):
        read_tune(HEAD + "|:" + "A" * 3000 + "|1-99 B :|").score()


# ------------------------------------------------------------------------------------------ fields, bars


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


def test_header():
    tune = read_tune("X: 12 of 20\nT:First\nT:Second\nC:Trad.\nK:D dor\nA")
    assert (tune.number, tune.title, tune.fields["T"], tune.fields["C"]) == (
        12,
        "First",
        ("First", "Second"),
        ("Trad.",),
    )
    assert read_tune("X:\nK:C\nA").number is None


def test_bars_are_measured():
    bars = read_tune(HEAD + "A2 | A8 | A7 | A9 | A6 |]").bars
    assert [bar.length * 8 // WHOLE for bar in bars] == [2, 8, 7, 9, 6]
    assert [bar.fills for bar in bars] == [True, True, False, False, True]
    # a bar that a repeat cuts in two, and an ending
    assert all(bar.fills for bar in read_tune(HEAD + "|: A2 | A8 | A6 :|: A2 | A8 | A6 :|").bars)
    assert all(bar.fills for bar in read_tune(HEAD + "A8 | A4 :| A4 | A8 |]").bars)
    assert [bar.fills for bar in read_tune(HEAD + "A8 | A4 | A8 |]").bars] == [True, False, True]
    assert all(bar.fills for bar in read_tune(HEAD.replace("4/4", "none") + "A7 | A3 | A |]").bars)


@pytest.mark.parametrize(
    "body, place, message",
    [
        ("A # B", "7:3", "expected music, got '#'"),
        ("A ? B", "7:3", "expected music, got '?'"),
        ("[CE", "7:1", "the end of a chord"),
        ("C]", "7:2", "']' without a chord"),
        ("A >", "7:3", "note on each side"),
        ("> A", "7:1", "note on each side"),
        ("A > | B", "7:3", "note on each side"),
        ("(3AB", "7:1", "more notes in a tuplet"),
        ("A0", "7:1", "expected a length"),
        ("A/0", "7:1", "expected a length"),
        ("A999", "7:1", "at most 64 whole notes"),
        ("^/c A", "7:1", "expected semitones"),
        ("A & B", "7:3", "an overlay"),
        ("c'''''' A", "7:1", "between MIDI 0 and 127"),
        ("A |1-0 B", "7:3", "numbers of endings"),
        ("- A", "7:1", "expected a note before a tie"),
        ("A [K:Q] B", "7:3", "expected a key"),
        ("A [M:9/7] B", "7:3", "expected a meter"),
        ("A [L:2/3] B", "7:3", "expected a unit length"),
        ("A [Q:fast] B", "7:3", "expected a tempo"),
    ],
)
def test_errors_have_a_place(body, place, message):
    problems = [problem for problem in validate(HEAD + "A8 |\n" + body) if problem.severity == "error"]
    assert len(problems) == 1
    assert f"{problems[0].line}:{problems[0].column}" == place and message in problems[0].message
    assert str(problems[0]).startswith(f"line {place.replace(':', ', column ')}: error: ")
    assert not read_tune(HEAD + "A8 |\n" + body).valid


@pytest.mark.parametrize(
    "body, message",
    [
        ("A) B", "')' without a slur"),
        ("(A B", "slur without an end"),
        ("A7 | A | A8", "a bar of 1 of a whole note"),
        ("A |\nV:2\nB", "one voice"),
        ("(3AB | C", "more notes in a tuplet, got a bar line"),
        ("M:3/4 A2 B2", "music on the line of the field M"),
        ("A2 !D.C.alfine!", "a jump that is not played: !D.C.alfine!"),
    ],
)
def test_warnings(body, message):
    problems = validate(HEAD + body)
    assert problems and all(problem.severity == "warning" for problem in problems)
    assert any(message in problem.message for problem in problems)


def test_of_several_voices_the_first_is_read():
    assert pitches("V:1\nA B |\nV:2\nC D |\nV:1\nA |[V:2] E [V:1] B") == [69, 71, 69, 71]


def test_music_glued_to_a_meter_is_heard():
    tune = read_tune(HEAD + "A8 |\nM:3/4 egdB A2| M:4/4 e8 |")
    assert [note.pitch for note in tune.score().notes()] == [69, 76, 79, 74, 71, 69, 76]
    assert tune.score().meters == ((0, 4, 4), (1920, 3, 4), (3360, 4, 4))


@pytest.mark.parametrize("text", ["", "X:1", "X:1\nT:a", "X:1\nK:C\n", "X:1\nK:C\nz4 |", "hello", "\0\0"])
def test_no_tune(text):
    with pytest.raises(AbcError, match="^line 7, column 1: expected"):
        read_tune(text, 7)
    assert [problem.severity for problem in validate(text)] == ["error"]


def test_a_length_that_ticks_cannot_hold():
    tune = read_tune(HEAD + "(3ABC (7ABCDEFG (5ABCDE")
    score = tune.score()
    assert score.ticks_per_beat % (480 * 7) == 0
    with pytest.raises(AbcError, match="expected lengths in ticks of 1/480"):
        tune.score(ticks_per_beat=480)
    with pytest.raises(AbcError, match="expected lengths in ticks"):
        read_tune(HEAD + "A/9973").score()


def test_fields_of_the_file():
    text = "%abc-2.1\nM:6/8\nL:1/16 % short\n\nL:1/2\nX:1\nT:one\nK:C\nA\nX:2\nL:1/4\nK:C\nA"
    header = file_header(text)
    assert header == "%abc-2.1\nM:6/8\nL:1/16 % short"
    first, second = (read_tune(tune, line, header).score() for line, tune in split_tunes(text))
    assert first.meters == second.meters == ((0, 6, 8),)
    assert (4 * first.end, second.end) == (first.ticks_per_beat, second.ticks_per_beat)
    assert file_header("X:1\nK:C\nA") == file_header("") == ""


def test_splitting():
    text = "free text\n\nX:1\nT:a\nK:C\nA\n\n\nX:2\nK:C\nB\nX:3\n\nK:C\n\nC"
    assert split_tunes(text) == [(3, "X:1\nT:a\nK:C\nA"), (9, "X:2\nK:C\nB"), (12, "X:3\n\nK:C\n\nC")]
    assert split_tunes("no tunes\n X:1") == []
    assert all(read_tune(tune, line) for line, tune in split_tunes(text))


# ------------------------------------------------------------------------------------------ there and back


@st.composite
def scores(draw):
    ticks = draw(st.sampled_from([24, 96, 480, 960]))
    length = st.integers(1, 6 * ticks) | st.sampled_from(
        [ticks // 3, ticks // 2, ticks, 2 * ticks, ticks // 4]
    )
    voice, now = [], draw(st.integers(0, 2 * ticks))
    for _ in range(draw(st.integers(1, 20))):
        duration = draw(length)
        for pitch in draw(st.sets(st.integers(0, 127), min_size=1, max_size=3)):
            voice.append(Note(now, duration, pitch))
        now += duration + draw(st.sampled_from([0, 0, 0, 1, ticks]))

    def steps(values, first):
        found, before = [], None
        for tick in sorted({0, *draw(st.sets(st.integers(1, now + ticks), max_size=3))} if first else set()):
            value = draw(values.filter(lambda value, before=before: value != before))
            found.append((tick, value))
            before = value
        return found

    meters = st.tuples(st.integers(1, 12), st.sampled_from([1, 2, 4, 8, 16]))
    return Score(
        ticks,
        [Track("melody", voice)],
        steps(st.floats(1, 10000) | st.integers(30, 300), True),
        [(tick, *meter) for tick, meter in steps(meters, True)],
        steps(st.sampled_from(MAJOR_KEYS + MINOR_KEYS), draw(st.booleans())),
    )


def music(score):
    return [(n.start, n.duration, n.pitch) for n in score.notes()], score.tempos, score.meters, score.keys


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(scores())
def test_there_and_back(score):
    text = write_tune(score, "100% here\nand there")
    tune = read_tune(text)
    assert tune.valid and music(tune.score(ticks_per_beat=score.ticks_per_beat)) == music(score)
    assert tune.title.replace("\\", "") == "100% here and there"


def test_what_is_written():
    triplets = [Note(160 * k, 160, pitch) for k, pitch in enumerate((66, 69, 74))]
    rest = [Note(480, 480, 65), Note(960, 1440, 62), Note(2880, 120, 64), Note(3000, 120, 60)]
    score = Score(480, [Track("", triplets + rest)], ((0, 90),), ((0, 4, 4),), ((0, "D"),))
    assert write_tune(score, "Name", 3) == (
        "X:3\nT:Name\nM:4/4\nL:1/8\nQ:1/4=90\nK:D\n(3FAd =F2 D4- | D2 z2 E/=C/z3 |]\n"
    )


def test_what_cannot_be_written():
    with pytest.raises(ValueError, match="one track with notes"):
        write_tune(Score(480))
    with pytest.raises(ValueError, match="overlap at tick 5"):
        write_tune(Score(480, [Track("", [Note(0, 10, 60), Note(5, 10, 62)])]))
    with pytest.raises(ValueError, match="no drums"):
        write_tune(Score(480, [Track("", [Note(0, 10, 60)], channel=9)]))
    with pytest.raises(ValueError, match="expected tempos"):
        write_tune(Score(480, [Track("", [Note(0, 10, 60)])], ((0, 0.5),)))
    with pytest.raises(ValueError, match="lengths that ABC can write"):
        write_tune(Score(32749, [Track("", [Note(0, 1, 60)])]))


# ------------------------------------------------------------------------------------------ strange text

ALPHABET = "ABCDEFGabcdefgz^_=,'0123456789/|:[](){}<>-!\"+~.&*%\\ \nXKLMQTV#xyZ$"


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(st.sampled_from(ALPHABET), max_size=120) | st.text(max_size=60))
def test_any_text_is_read_or_refused(body):
    for text in (body, HEAD + body):
        problems = validate(text)
        assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)
        try:
            tune = read_tune(text)
            tune.score(), tune.score(repeats=False)
        except AbcError as error:
            assert str(error).startswith("line ") and "\n" not in str(error)


@pytest.mark.parametrize(
    "piece",
    [
        "(",
        "[",
        "{",
        "|:",
        ":|",
        "A>",
        "(3A",
        "[A",
        "!a",
        '"',
        "A-",
        "A&",
        "[1",
        "|1 A :|",
        "A9999",
        "K:G",
        "^",
        "\\",
        "%",
    ],
)
def test_time_is_linear(piece):
    def seconds(count):
        began = time.process_time()
        validate(HEAD + piece * count)
        return time.process_time() - began

    few, many = 4000, 32000
    assert min(seconds(many) for _ in range(2)) < 40 * max(seconds(few), 0.01)  # quadratic: 64 times


# ---------------------------------------------------------------------------------------- the Irish tunes


@pytest.fixture(scope="module")
def irish(data_folder):
    path = data_folder / "irish_mit" / "irish.abc"
    if not path.exists():
        pytest.skip("needs irish_mit")
    return path.read_text(encoding="utf-8")


@pytest.mark.data
def test_all_irish_tunes(irish):
    tunes = [read_tune(text, line) for line, text in split_tunes(irish)]
    assert len(tunes) == 804 and all(tune.valid for tune in tunes)
    scores = [tune.score() for tune in tunes]
    assert min(len(score.notes()) for score in scores) > 30
    bars = [bar for tune in tunes for bar in tune.bars]
    assert (len(bars), sum(not bar.fills for bar in bars)) == (16098, 23)
    for tune, score in list(zip(tunes, scores, strict=True))[::10]:
        again = read_tune(write_tune(score, tune.title))
        assert music(again.score(ticks_per_beat=score.ticks_per_beat)) == music(score)


@pytest.mark.data
def test_spoilt_irish_tunes(irish):
    rng = random.Random(0)
    tunes = split_tunes(irish)
    for _ in range(150):
        text = rng.choice(tunes)[1]
        for _ in range(rng.randrange(1, 6)):
            place, other = rng.randrange(len(text)), rng.choice(tunes)[1]
            cut = rng.randrange(len(other))
            text = rng.choice(
                [
                    text[:place] + text[place + 1 :],
                    text[:place] + text[place] * 3 + text[place:],
                    text[:place] + other[cut : cut + 40] + text[place:],
                    text[:place] + rng.choice(ALPHABET) + text[place + 1 :],
                ]
            )
        for _, tune in split_tunes(text):
            validate(tune)
            if re.search("^K:", tune, re.MULTILINE):
                try:
                    read_tune(tune).score()
                except AbcError:
                    pass


@pytest.mark.data
@pytest.mark.skipif(not shutil.which("abc2midi"), reason="needs abc2midi")
def test_what_another_program_plays(irish, tmp_path):
    """abc2midi plays the same notes, except where it repeats across the end of a part, "|]"."""
    equal, tunes = 0, split_tunes(irish)[::8]
    for line, text in tunes:
        source, target = tmp_path / "tune.abc", tmp_path / "tune.mid"
        source.write_text(text + "\n", encoding="utf-8")
        subprocess.run(["abc2midi", source, "-o", target, "-quiet"], capture_output=True, check=False)
        theirs = read_midi(target) if target.exists() else Score(480)
        ours = read_tune(text, line).score()
        mine = [(n.start / ours.ticks_per_beat, n.pitch) for n in ours.notes()]
        others = [(n.start / theirs.ticks_per_beat, n.pitch) for n in theirs.notes()]
        target.unlink(missing_ok=True)
        equal += len(mine) == len(others) and all(
            abs(a - b) < 0.03 and p == q for (a, p), (b, q) in zip(mine, others, strict=True)
        )
    assert equal >= 0.93 * len(tunes)
