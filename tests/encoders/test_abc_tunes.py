"""ABC notation, tune by tune: repeats, fields, bars, messages."""

import pytest
from abc_text import HEAD, pitches

from encoders.abc import AbcError, file_header, read_tune, split_tunes, validate
from encoders.abc.events import WHOLE

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
        ("A > |", "7:3", "note on each side"),
        ("(3AB", "7:1", "more notes in a tuplet"),
        ("A0", "7:1", "expected a length"),
        ("A/0", "7:1", "expected a length"),
        ("A999", "7:1", "at most 64 whole notes"),
        ("c'''''' A", "7:1", "between MIDI 0 and 127"),
        ("A |1-0 B", "7:3", "numbers of endings"),
        ("A |1-2-3 B", "7:3", "numbers of endings, got '1-2-3'"),
        ("[1-2-3 B", "7:1", "numbers of endings, got '1-2-3'"),
        ("A : B", "7:3", "expected music, got ':'"),
        ("A\nThis is a verse\nB", "8:1", "got words, which are left out"),
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
        ("(3AB | C", "a tuplet or a broken rhythm goes on over a bar line"),
        ("A > | B", "a tuplet or a broken rhythm goes on over a bar line"),
        ("^/c A", "a micro-tone, '^/c', is rounded"),
        ("A & B", "an overlay '&' is left out"),
        ("A9999/9998 A", "rounded to 1/30240"),
        ("A |: B |: c :|", "a repeat without an end"),
        ("M:3/4 A2 B2", "music on the line of the field M"),
        ("A2 !D.C.alfine!", "a jump that is not played: '!D.C.alfine!'"),
        ('A2 "D.S. al coda"', "a jump that is not played"),
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
        read_tune(HEAD + "A/9973").score(ticks_per_beat=480)
    notes = read_tune(HEAD + "A/9973 B4 | (11ABcdefgABcd A").score().notes()  # rounded, no time lost
    assert [note.start for note in notes[:2]] == [0, 2] and abs(notes[-1].start - 90722) < 6


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
