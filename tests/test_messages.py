"""Values in messages are cut."""

import pytest

from scratchnet.messages import MOST, brief, cut


@pytest.mark.parametrize("text", ["", "short", "ä" * MOST])
def test_what_is_short_stays(text):
    assert cut(text) == text


def test_beginning_and_end_of_a_long_text_are_shown():
    text = cut("begin " + "x" * 1000 + " end")
    assert len(text) == MOST and text.startswith("begin x") and text.endswith("x end") and "x...x" in text
    assert cut("abcdefghijklmnop", 9) == "abcd...op"


def test_one_line():
    assert cut("a\n b\r\n\tc") == "a b c"
    assert cut(ValueError("a\nb")) == "a b"
    assert cut("two  blanks") == "two  blanks"


def nested(depth, value):
    for _ in range(depth):
        value = [value] * 9
    return value


def test_values_that_cannot_be_written_out():
    endless = []
    endless.append(endless)
    for value in (endless, nested(40, "lol"), {"a": nested(40, {})}, "x" * 10**6, list(range(10**6))):
        assert len(brief(value)) <= MOST
    assert brief(10**5000) == "an integer of 16610 bits"
    assert brief([10**5000]) == "[an integer of 16610 bits]"


@pytest.mark.parametrize("value", [3, 1.5, None, "text", ["a", 2], {"a": 1}, (1,), True])
def test_ordinary_values_look_as_in_python(value):
    assert brief(value) == repr(value)
