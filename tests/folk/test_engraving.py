"""Scores of tunes: what native code does not survive costs no other tune its score."""

import os

import pytest

from encoders.abc import read_tune
from experiments.folk import engraving, figures

HEAD = "X:1\nM:4/4\nL:1/8\nK:C\nT:"
TUNES = {name: read_tune(f"{HEAD}{name}\nCDEF GABc|\n") for name in ("first", "deadly", "last")}


def dying(text):
    """An engraver that does not survive one of the tunes."""
    if "deadly" in text:
        os._exit(11)
    return "<svg>"


def test_a_tune_that_kills_the_engraver_costs_the_others_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(engraving, "engrave", dying)
    monkeypatch.setattr(engraving.importlib.util, "find_spec", lambda name: True)
    with pytest.warns(RuntimeWarning, match="deadly: a piano roll, no score: its process died"):
        figures.draw_tunes(tmp_path, TUNES, quiet=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deadly.png", "first.svg", "last.svg"]


def test_without_verovio_there_are_piano_rolls(tmp_path, monkeypatch):
    monkeypatch.setattr(engraving.importlib.util, "find_spec", lambda name: None)
    figures.draw_tunes(tmp_path, {"first": TUNES["first"]}, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["first.png"]


def test_the_same_tune_is_the_same_score():
    pytest.importorskip("verovio", reason="needs the extra 'score'")
    text = TUNES["first"].text
    assert engraving.engrave(text) == engraving.engrave(text)
