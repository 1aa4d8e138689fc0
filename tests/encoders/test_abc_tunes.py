"""ABC tune by tune: header, voices, messages."""

import pytest
from abc_text import HEAD, C, D, E, F, messages, pitches

from encoders.abc import AbcError, read_tune, validate


def test_header():
    tune = read_tune("X: 12 of 20\nT:First\nT:Second\nC:Trad.\nK:D dor\nA")
    assert (tune.number, tune.title, tune.fields["T"], tune.fields["C"]) == (
        12,
        "First",
        ("First", "Second"),
        ("Trad.",),
    )
    assert read_tune("X:\nK:C\nA").number is None


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


def test_the_first_voice_that_sounds_is_read():
    assert pitches("V:1\nz4|\nV:2\nC D|\nV:3\nE|\nV:1\nz4|\nV:2\nE F|") == [C, D, E, F]
    assert pitches("[V:T1] z4 | [V:B] C D |") == [C, D]
    assert pitches("C|\nV:2\nD|\nV:1\nE|") == [C, E]  # music without a voice is the first one's
    head = HEAD.replace("K:C", "V:T\nV:B\nK:C")
    assert pitches("C|\nV:B\nD|\nV:T\nE|", head) == [C, E]
    assert sum("one voice" in message for message in messages(HEAD + "V:1\nC\nV:2\nD\nV:1\nC\nV:2\nD")) == 1


def test_music_glued_to_a_meter_is_heard():
    tune = read_tune(HEAD + "A8 |\nM:3/4 egdB A2| M:4/4 e8 |")
    assert [note.pitch for note in tune.score().notes()] == [69, 76, 79, 74, 71, 69, 76]
    assert tune.score().meters == ((0, 4, 4), (1920, 3, 4), (3360, 4, 4))


@pytest.mark.parametrize("text", ["", "X:1", "X:1\nT:a", "X:1\nK:C\n", "X:1\nK:C\nz4 |", "hello", "\0\0"])
def test_no_tune(text):
    with pytest.raises(AbcError, match="^line 7, column 1: expected"):
        read_tune(text, 7)
    assert [problem.severity for problem in validate(text)] == ["error"]
