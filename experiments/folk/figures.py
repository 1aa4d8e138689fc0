"""The pictures of a run: learning, and a tune as a score."""

import numpy as np

from encoders.piano_roll import draw_piano_roll
from experiments.figures import COLORS, draw_curve, new_figure
from experiments.json_files import points


def draw_learning(path, rows, levels, title):
    """Nats a character against steps. rows: of log.jsonl."""
    learned, judged = points(rows, "step", "loss"), points(rows, "step", "held_out")
    series = {"training tunes, with dropout": learned, "validation tunes": judged}
    series = {label: tuple(np.array(curve, float).T) for label, curve in series.items() if curve}
    draw_curve(path, series, levels, xlabel="step", ylabel="nats a character", title=title)


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
        left.set_ylabel("nats a character")
        right.legend(loc="best", title=title)


def draw_tune(folder, name, tune):
    """A tune as a score, NAME.svg, where verovio is installed; else as a piano roll, NAME.png. Its path."""
    try:
        import verovio
    except ImportError:
        path = folder / f"{name}.png"
        draw_piano_roll(tune.score(repeats=False), path, title=tune.title or name, bars_per_row=8)
        return path
    verovio.enableLog(verovio.LOG_OFF)
    engraver = verovio.toolkit()
    options = {"inputFrom": "abc", "pageHeight": 60000, "adjustPageHeight": True, "footer": "none"}
    engraver.setOptions({**options, "xmlIdSeed": 1})  # the same tune, the same bytes
    # The line breaks of old would be decorations today.
    engraver.loadData(tune.text.replace("!\n", "\n").removesuffix("!"))
    path = folder / f"{name}.svg"
    paper = '>\n   <rect width="100%" height="100%" fill="white"/>'  # notes are black, and a page may be dark
    path.write_text(engraver.renderToSVG(1).replace(">", paper, 1), encoding="utf-8")
    return path
