"""The pictures of a run: learning, and a tune as a score."""

import contextlib
import warnings

import numpy as np

from encoders.piano_roll import draw_piano_roll
from experiments.common.figures import COLORS, draw_curve, new_figure
from experiments.common.json_files import points
from experiments.common.progress import Progress
from experiments.folk.engraving import MISSING, engrave_all


def draw_learning(path, rows, levels, title):
    """Nats per character against steps. rows: of log.jsonl."""
    learned, judged = points(rows, "step", "loss"), points(rows, "step", "held_out")
    series = {"training tunes, with dropout": learned, "validation tunes": judged}
    series = {label: tuple(np.array(curve, float).T) for label, curve in series.items() if curve}
    draw_curve(path, series, levels, xlabel="step", ylabel="nats per character", title=title)


def draw_sweep(path, curves, title):
    """Training and held-out loss side by side.

    curves : dict of label -> {"loss": [[step, nats], ...], "held_out": [...]}
    """
    with new_figure(path, (9, 4)) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, kind, name in ((left, "loss", "training tunes"), (right, "held_out", "held-out tunes")):
            for number, (label, both) in enumerate(curves.items()):
                if both[kind]:
                    steps, nats = zip(*both[kind], strict=True)
                    axes.plot(steps, nats, color=COLORS[number % len(COLORS)], label=label, linewidth=1.6)
            axes.set(xlabel="step", title=name)
            axes.grid(color="#e6e6e6", linewidth=0.7)
        left.set_ylabel("nats per character")
        right.legend(loc="best", title=title)


def draw_tunes(folder, tunes, quiet=False):
    """Tunes as scores, NAME.svg, where verovio is installed and makes one; else as piano rolls, NAME.png.

    A RuntimeWarning names a tune of which verovio, though it is there, made no score.

    folder : Path
    tunes : dict of name -> Tune
    """
    names = list(tunes)
    if not names:
        return
    with (
        Progress(len(names), "drawing scores", "tune", quiet) as bar,
        contextlib.closing(engrave_all([tune.text for tune in tunes.values()])) as scores,
    ):
        for place, svg, failure in scores:
            name = names[place]
            if svg is not None:
                (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
            else:
                if failure != MISSING:
                    warnings.warn(f"{name}: a piano roll, no score: {failure}", RuntimeWarning, stacklevel=2)
                score, title = tunes[name].score(repeats=False), tunes[name].title or name
                draw_piano_roll(score, folder / f"{name}.png", title=title, bars_per_row=8)
            bar.update(1)
