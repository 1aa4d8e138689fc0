"""The pictures of a blues run."""

import numpy as np

from encoders.tokens.blues import encode_chords
from experiments.blues import composing, figures


def test_the_piano_roll_names_the_chords_that_sound(tmp_path, monkeypatch):
    """Not those that should."""
    drawn = {}
    monkeypatch.setattr(figures, "draw_piano_roll", lambda score, path, **options: drawn.update(options))
    form = composing.BluesFormat()
    bits = np.hstack([encode_chords(form), np.zeros((96, 13), np.uint8)])
    bits[8:16, :12] = 0  # F7 is left out, and the next C has a wrong note
    bits[16:24, 1] = 1
    figures.draw_choruses(tmp_path / "a.png", [bits, bits], form, 110.0, "title", given=5)
    tick = composing.TICKS // 2
    names = "C Gm7 C F7 F#dim C Em A7 Dm7 G7 C A7 Dm G7".split()
    starts = [0, 24, 28, 32, 40, 48, 56, 60, 64, 72, 80, 84, 88, 92]
    first = [(start * tick, name) for start, name in zip(starts, names, strict=True)]
    assert drawn["labels"] == first + [(tick * 96 + start, name) for start, name in first]
    assert drawn["highlight"] == [(0, 5 * tick)]


def test_a_curve_over_a_stretch_that_was_learned_twice(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(figures, "draw_curve", lambda path, series, floors, **options: drawn.update(series))
    row = {"chord_loss": 1.0, "melody_loss": 2.0, "chord_errors": 0}
    rows = [
        {"choruses": n, "loss": loss, **row} for n, loss in ((2, 9.0), (4, 8.0), (2, 9.0), (4, 8.5), (6, 7.0))
    ]
    figures.draw_training(tmp_path / "a.png", rows, composing.BluesFormat())
    assert drawn["both, training pieces"] == ([2, 4, 6], [9.0, 8.5, 7.0])
