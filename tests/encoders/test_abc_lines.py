"""Lines of ABC: fields, music, and text that is neither."""

import pytest
from abc_text import HEAD, C, D, E, F, messages, pitches

from encoders.abc import read_tune, split_tunes
from encoders.abc.lines import field_of, is_prose, text_blocks


@pytest.mark.parametrize(
    "text",
    [
        "A bad cabbage, added by me.",
        ":1646",
        "See also the other one",
        "Added by me",
        "A bad cabbage",
        "Cafe Bee",
    ],
)
def test_prose_after_an_empty_line_is_left_out(text):
    tune = read_tune(HEAD + f"C D|\n\n{text}\n\n{text}")
    assert [note.pitch for note in tune.score().notes()] == [C, D] and tune.valid
    assert tune.text == HEAD + "C D|"
    told = f"text after an empty line is left out: {text!r}"
    assert [problem.message for problem in tune.problems if "text" in problem.message] == [told, told]


@pytest.mark.parametrize(
    "music", ["E F|", "E2 F", "|: E F :|", "z E F2", "E/F/", "[M:3/4] E F|", '"Am"E F|', "TE .F|", "(E F)|"]
)
def test_music_after_an_empty_line_is_read(music):
    body = f"C D|\n\n{music}\n"
    assert {E, F} <= set(pitches(body)) and pitches(body)[:2] == [C, D]
    assert any("music after an empty line" in message for message in messages(HEAD + body))
    assert pitches(f"C D|\n\nSome text here\n\n{music}\n")[:2] == [C, D]


def test_an_empty_line_before_the_music_ends_nothing():
    assert pitches("\nC D E") == [C, D, E] and not any("empty" in m for m in messages(HEAD + "\nC D E"))
    assert pitches("\nPlayed by a band\n\nC D E") == [C, D, E]


def test_blocks_of_text_are_no_music():
    assert pitches("C|\n%%begintext\nA B c\n%%endtext\nD|") == [C, D]
    assert pitches("C|\n%%beginps\nA B c\n%%endtext\n%%endps\nD|") == [C, D]
    assert pitches("C|\n%%begintext\nD|") == [C, D]  # no end, no block
    assert text_blocks(["%%begintext", "%%begintext", "%%endtext", "%%endtext"]) == {0, 1, 2}
    text = "X:1\nK:C\nC|\n%%begintext\nX:2\nK:C\nD\n%%endtext\n\nX:3\nK:C\nE|"
    assert [line for line, _ in split_tunes(text)] == [1, 10]


def test_fields_in_the_body_are_no_music():
    for field in (
        "Z: by me",
        "C: Trad.",
        "A: Donegal",
        "B:a book",
        "G:grp",
        "H: a cab",
        "N:bed",
        "w: la la",
        "F:",
    ):
        assert pitches(f"C|\n{field}\nD|") == [C, D]
    assert pitches("d:|\nB:|:c:|\nA : :|") == pitches("d:|B:|:c:|A::|")
    assert field_of("A: |: b") is None and field_of("z:|") is None and field_of("A: b") == ("A", " b")
    assert field_of("A:|", header=True) == ("A", "|")


def test_words_within_the_music():
    assert pitches("C D\nThis is what they sang\nE F") == [C, D, E, F]
    assert not read_tune(HEAD + "C D\nThis is what they sang\nE").valid
    assert pitches("nC nD\nE", HEAD + "U:n = !tenuto!\n") == [C, D, E]
    assert not is_prose("kbB hc | mA", False, True) and is_prose("A2 lots of C", True, True) is not False
