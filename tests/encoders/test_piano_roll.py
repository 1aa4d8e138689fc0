"""Pictures of scores, by what their SVG holds."""

import re
import sys

import pytest

from encoders.piano_roll import COLOURS, MAX_BARS, draw_piano_roll
from encoders.score import Note, Score, Track

pytest.importorskip("matplotlib", reason="needs the extra 'experiments'")

MELODY = [Note(i * 480, 480, 60 + i % 12, 20 + i) for i in range(96)]  # 24 bars of 4/4
SCORE = Score(480, [Track("melody", MELODY), Track("_bass$", [Note(0, 96 * 480, 43)])])


def svg_text(path):
    """The words of an SVG: matplotlib draws letters as shapes and keeps each text in a comment."""
    return [text.strip() for text in re.findall("<!--(.*?)-->", path.read_text(), re.S)]


def svg_bars(path, colour):
    """Number of note shapes of a colour; they are the shapes with a white edge."""
    return len(re.findall(f'"fill: {colour};[^"]*stroke: #ffffff', path.read_text(), re.IGNORECASE))


def test_png_is_a_picture_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "roll.png"
    draw_piano_roll(SCORE, path, title="Blues", labels=[(0, "C7")], highlight=[(0, 1920)])
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(path.read_bytes()[i : i + 4], "big") for i in (16, 20))
    assert 1000 < width < 2500 and 500 < height < 2000
    assert list(tmp_path.iterdir()) == [path]


def test_every_note_bar_number_label_and_name_is_drawn(tmp_path):
    path = tmp_path / "roll.svg"
    draw_piano_roll(SCORE, path, title="A $strange_ title", labels=[(0, "C7"), (1920, "F7"), (10**9, "no")])
    words = svg_text(path)
    assert [word for word in words if word.isdigit()] == [str(bar) for bar in range(1, 25)]
    assert {"A $strange_ title", "C7", "F7", "melody", "_bass$", "C4"} <= set(words)
    assert "no" not in words
    assert svg_bars(path, COLOURS[0]) == 96
    assert svg_bars(path, COLOURS[1]) == 2  # the bass note is drawn in both rows


def test_a_choice_of_bars(tmp_path):
    path = tmp_path / "roll.svg"
    draw_piano_roll(SCORE, path, bars=(5, 8), bars_per_row=3)
    assert [word for word in svg_text(path) if word.isdigit()] == ["5", "6", "7", "8"]
    assert (svg_bars(path, COLOURS[0]), svg_bars(path, COLOURS[1])) == (16, 2)


def test_a_long_piece_is_cut_and_says_so(tmp_path):
    score = Score(4, [Track("a", [Note(0, 1, 60), Note(16 * (MAX_BARS + 5), 4, 60)])])
    draw_piano_roll(score, tmp_path / "roll.svg", bars_per_row=48)
    assert f"bars 1 to {MAX_BARS} of {MAX_BARS + 6}" in svg_text(tmp_path / "roll.svg")


def test_an_empty_score_and_drums(tmp_path):
    draw_piano_roll(Score(480), tmp_path / "empty.png")
    assert (tmp_path / "empty.png").stat().st_size > 1000
    drums = Score(480, [Track("a", [Note(0, 1, 60)]), Track("drums", [Note(0, 9, 36)], channel=9)])
    draw_piano_roll(drums, tmp_path / "drums.svg")
    assert "#777777" in (tmp_path / "drums.svg").read_text()


def test_the_same_score_gives_the_same_bytes(tmp_path):
    for name in ("a.svg", "b.svg"):
        draw_piano_roll(SCORE, tmp_path / name, bars=(1, 2))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("roll.mid", {}, r"must end in \.png, \.svg or \.pdf"),
        ("roll.png", {"bars": (0, 3)}, "bars must be at most 192 between 1 and 24, got 0 to 3"),
        ("roll.png", {"bars": (3, 25)}, "between 1 and 24, got 3 to 25"),
        ("roll.png", {"bars_per_row": 0}, "bars_per_row must be at least 1, got 0"),
    ],
)
def test_senseless_wishes_are_refused(tmp_path, name, options, message):
    with pytest.raises(ValueError, match=message):
        draw_piano_roll(SCORE, tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "scratchnet\[experiments\]"'):
        draw_piano_roll(SCORE, tmp_path / "roll.png")
