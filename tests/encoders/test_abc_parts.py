"""Parts of ABC tunes in the order of their header."""

import pytest
from abc_text import HEAD, letters, messages

from encoders.abc import read_tune
from encoders.abc.parts import MOST_PARTS, parse_order


@pytest.mark.parametrize(
    "text, order",
    [
        ("ABA", "ABA"),
        ("A2B3", "AABBB"),
        ("A.B.A", "ABA"),
        ("(AB)3", "ABABAB"),
        ("((AB)2C)2A", "ABABCABABCA"),
        ("A B  C", "ABC"),
        ("(A(BC)2)2", "ABCBCABCBC"),
        ("A12", 12 * "A"),
        ("A0B", "B"),
        ("a", "a"),
    ],
)
def test_orders_of_parts(text, order):
    assert parse_order(text) == order


@pytest.mark.parametrize("text", ["", "A(", "A)", "()", "(2A)", "A,B", "A-B", "2", "A!", "A0"])
def test_what_is_no_order(text):
    with pytest.raises(ValueError, match="an order of parts"):
        parse_order(text)


def test_orders_beyond_measure():
    assert len(parse_order(f"A{MOST_PARTS}")) == MOST_PARTS
    for text in (f"A{MOST_PARTS + 1}", "((((A99)99)99)99)99", "(" * 5000 + "A" + ")2" * 5000):
        with pytest.raises(ValueError, match="at most 1000 parts"):
            parse_order(text)


@pytest.mark.parametrize(
    "order, body, heard",
    [
        ("ABA", "P:A\nC|D|\nP:B\nE|F|]", "CDEFCD"),
        ("((AB)2A)2", "[P:A]C|[P:B]E|", "CECECCECEC"),
        ("AB", "C|\nP:A\nD|\nP:B\nE|", "CDE"),
        ("AAB", "P:A\n|:C:|\nP:B\nD|1E:|2F|]", "CCCCDEDF"),
        ("AB", "P:A\nC|\nP:B\nD:|", "CDD"),
        ("AX", "P:A\nC|\nP:B\nD|", "C"),
        ("BA", "C|D|", "CD"),
        ("what, now", "P:A\nC|\nP:B\nD|", "CD"),
        ("AB", "V:1\nP:A\nC|\nV:2\nF|\nP:B\nV:1\nD|\nV:2\nF|", "CD"),
    ],
)
def test_parts_in_their_order(order, body, heard):
    assert letters(body, HEAD.replace("K:C", f"P:{order}\nK:C")) == heard


def test_parts_that_are_missing_or_left_out_are_named():
    head = HEAD.replace("K:C", "P:AXA\nK:C")
    told = messages(head + "P:A\nC|\nP:B\nD|")
    assert "1:1 the order of parts asks for 'X', which is not there" in told
    assert "1:1 the order of parts leaves out 'B'" in told
    score = read_tune(head.replace("AXA", "ABA") + "P:A\nC8|\nP:B\n[K:G][M:3/4]F6|").score()
    assert score.keys == ((0, "C"), (1920, "G"), (3360, "C"))
    assert score.meters == ((0, 4, 4), (1920, 3, 4), (3360, 4, 4))
