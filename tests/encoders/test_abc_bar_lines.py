"""Bar lines of all shapes, repeats, endings, overlays; the lengths of bars."""

import pytest
from abc_text import HEAD, A, C, D, E, F, letters, messages, notes, pitches

from encoders.abc import AbcError, read_tune
from encoders.abc.bar_lines import kind_of
from encoders.abc.events import BOTH, DOUBLE, END, PLAIN, START, WHOLE

SHAPES = {
    (PLAIN, 1): "| [|]",
    (DOUBLE, 1): "|| |] [| |||",
    (START, 1): "|: ||: [|: |]: |[|::: |:| |:: [:",
    (END, 2): ":| :|| :|] ||:| |]:| [|]:| :[| :]",
    (END, 3): "::|",
    (BOTH, 2): ":: ::: :|: :||: :|]: :|]|:",
    (BOTH, 3): "::::",
}


@pytest.mark.parametrize("signs, kind", [(signs, kind) for kind in SHAPES for signs in SHAPES[kind].split()])
def test_bar_lines_of_all_shapes(signs, kind):
    assert kind_of(signs) == kind


@pytest.mark.parametrize(
    "body, order",
    [
        ("|: C D |]:|", "CDCD"),
        ("|: C D [|]:|", "CDCD"),
        ("|: C ||:| D", "CCD"),
        ("C |[|: D :|]| E", "CDDE"),
        ("C ||\n:D :|", "CDD"),
        ("C ||\\\n:D :|", "CDD"),
        ("C | : D :|", "CDD"),
        ("C D : | E", "CDCDE"),
        ("C | 2D :|E", "CDCDE"),
        ("C |\n1 D :|\n2 E |]", "CDCE"),
        ("C | 1 D :| 2 E |]", "CDCE"),
        ("C |1 D :|2 E || F :|", "CDCEFF"),
        ("|: C |: D :|", "CCDD"),
        ("|: C |] |: D :|", "CCDD"),
        ("|: |: C :| D", "CCD"),
        ("|: C |]", "C"),
        ("C .| D :|", "CDCD"),
        ("C [|] D :|", "CDCD"),
        ("C [| D :|", "CDD"),
        ("C ||1 D :|2 E |]", "CDCE"),
    ],
)
def test_which_bar_lines_repeat(body, order):
    assert letters(body) == order


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
    assert letters(body) == order
    assert letters(body, repeats=False) == "".join(filter(str.isalpha, body))


def test_endings_that_are_none():
    for body in ("|1-2-3 C", "[1-2-3 C", "|1--2 C", "|1-0 C", "|0 C", "|5-3 C"):
        assert pitches("D " + body) == [D, C]
    assert pitches("C |1-3 D :|4 E |]") == [C, D, C, D, C, D, C, E]


def test_a_repeat_says_key_and_meter_again():
    score = read_tune(HEAD + "|: C8 | [K:G] [M:3/4] F6 :| A6 |]").score()
    assert score.keys == ((0, "C"), (1920, "G"), (3360, "C"), (5280, "G"))
    assert score.meters == ((0, 4, 4), (1920, 3, 4), (3360, 4, 4), (5280, 3, 4))


def test_repeats_beyond_all_measure():
    with pytest.raises(AbcError, match="at most 100000"):
        read_tune(HEAD + "|:" + "A" * 3000 + "|1-99 B :|").score()


def test_overlays_are_left_out_up_to_the_bar_line():
    assert notes("c4 & C4|G A|") == [(0, 4, 72), (4, 1, 67), (5, 1, 69)]
    assert notes("c2 & C2 & E2|G && C2|D|F") == [(0, 2, 72), (2, 1, 67), (3, 1, 65)]
    assert pitches("(&C | D & E | F &) | G") == [C, D, 67]
    assert pitches("(3CD & EFG|E F") == [C, D, E, F] and pitches("[CE & F] | G")[-1] == 67


def test_bars_are_measured():
    bars = read_tune(HEAD + "A2 | A8 | A7 | A9 | A6 |]").bars
    assert [bar.length * 8 // WHOLE for bar in bars] == [2, 8, 7, 9, 6]
    assert [bar.fills for bar in bars] == [True, True, False, False, True]
    # a bar that a repeat cuts in two, and an ending
    assert all(bar.fills for bar in read_tune(HEAD + "|: A2 | A8 | A6 :|: A2 | A8 | A6 :|").bars)
    assert all(bar.fills for bar in read_tune(HEAD + "A8 | A4 :| A4 | A8 |]").bars)
    assert [bar.fills for bar in read_tune(HEAD + "A8 | A4 | A8 |]").bars] == [True, False, True]
    assert all(bar.fills for bar in read_tune(HEAD.replace("4/4", "none") + "A7 | A3 | A |]").bars)


def test_bars_of_rest_fill_their_bars():
    assert notes("Z2|A") == [(16, 1, A)] and notes("X3|A") == [(24, 1, A)]
    assert [bar.fills for bar in read_tune(HEAD + "A8|Z4|A8|").bars] == [True] * 3
    none = HEAD.replace("4/4", "none")
    assert notes("Z|A", none) == [(8, 1, A)] and "4/4 is taken" in str(messages(none + "Z|A"))
