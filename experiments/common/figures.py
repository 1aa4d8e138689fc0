"""Figures: curves of learning, and what the gates and cells of a network do while it plays.

Matplotlib is imported on the first drawing, and used without pyplot: no window, no global state.
"""

import contextlib
import math
from pathlib import Path

import numpy as np

from experiments.common.errors import UserError, import_extra
from experiments.common.json_files import points
from scratchnet.files import atomic_path

COLORS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#6a3d9a",
    "#5b4a3a",
)  # told apart by colour-blind readers
INK, FAINT = "#222222", "#9a9a9a"
STYLE = {
    "font.size": 9.5,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "svg.hashsalt": "scratchnet",  # equal figures are equal files
}
SUFFIXES = (".png", ".svg")


def draw_curve(path, series, floors=None, xlabel="", ylabel="", title="", logx=False, logy=False):
    """Draw curves over a common axis, with levels to compare them with.

    path : path-like, a .png or .svg file
    series : dict of str to (x, y), curves by label. NaN leaves a gap; a curve of one point is a dot.
    floors : dict of str to float, optional, levels by label, e.g. the lowest loss possible: dashed lines
        across the figure.
    xlabel, ylabel, title : str
    logx, logy : bool, logarithmic axes; what is not above zero is not drawn
    Raises UserError if the suffix is not .png or .svg; ValueError if an x and its y differ in length;
        ImportError if matplotlib is not installed.
    """
    with new_figure(path, (7.2, 4.2)) as figure:
        axes = figure.add_subplot()
        for i, (label, (x, y)) in enumerate(series.items()):
            x, y = np.asarray(x, float), np.asarray(y, float)
            if x.shape != y.shape or x.ndim != 1:
                raise ValueError(f"{label}: expected x and y (N,) of one length, got {x.shape} and {y.shape}")
            x, y = drawable(x, logx), drawable(y, logy)
            marker = "o" if len(x) == 1 else None
            axes.plot(
                x, y, color=COLORS[i % len(COLORS)], label=label, linewidth=1.6, marker=marker, markersize=5
            )
        for label, level in (floors or {}).items():
            axes.axhline(level, color=INK, linewidth=0.9, linestyle=(0, (5, 3)))
            axes.annotate(  # right of the axes, where no curve can be hidden
                f"{label}\n{level:.4g}", (1, level), (5, 0), ("axes fraction", "data"),
                textcoords="offset points", va="center", fontsize=8.5, linespacing=1.15,
            )  # fmt: skip
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
        for axis, set_scale, log in [
            (axes.xaxis, axes.set_xscale, logx),
            (axes.yaxis, axes.set_yscale, logy),
        ]:
            if (
                log and np.isfinite(axis.get_data_interval()).all()
            ):  # Matplotlib warns of a log axis without data
                set_scale("log", nonpositive="mask")
                axis.set_major_formatter("{x:g}")
        axes.margins(x=0.01)
        axes.grid(color="#e6e6e6", linewidth=0.7)
        axes.set_axisbelow(True)
        if len(series) > 1:
            axes.legend(loc="best")


def draw_activity(path, panels, bar_length=None, bar_labels=None, row_labels=None, title="", xlabel="bar"):
    """Draw heat maps of gates and cell states over time, one panel above the other.

    path : path-like, a .png or .svg file
    panels : list of (str, ndarray (H, T), (low, high) or None), name, values, and the range of the colours;
        None takes the range from the values. A range on both sides of zero has zero in white, blue below and
        red above; others run from white to dark.
    bar_length : int, optional, time steps in a bar: lines between bars, and their numbers below
    bar_labels : sequence of str, optional, a label for each bar above the first panel, e.g. the chords.
    row_labels : dict of str to sequence of str, optional, labels of the rows of a panel, by its name; other
        panels number their units
    title, xlabel : str
    Raises UserError if the suffix is not .png or .svg; ValueError if there are no panels, or one is not (H,
        T) with a common T; ImportError if matplotlib is not installed.
    """
    panels = [(name, np.asarray(values, float), limits) for name, values, limits in panels]
    steps = {values.shape[1:] for _, values, _ in panels}
    if len(steps) != 1 or any(values.ndim != 2 or values.size == 0 for _, values, _ in panels):
        shapes = ", ".join(f"{name} {values.shape}" for name, values, _ in panels)
        raise ValueError(f"expected panels (H, T) with a common T, got {shapes or 'none'}")
    T = steps.pop()[0]
    heights = [min(max(0.16 * len(values), 0.8), 2.4) for _, values, _ in panels]
    with new_figure(path, (10, sum(heights) + 0.42 * len(panels) + 1.1)) as figure:
        column = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (name, values, limits) in zip(column, panels, strict=True):
            low, high = limits or symmetric(values)
            image = axes.imshow(
                values, aspect="auto", interpolation="nearest", vmin=low, vmax=high,
                cmap="RdBu_r" if low < 0 < high else "Blues", extent=(0, T, len(values), 0),
            )  # fmt: skip
            axes.set_title(name, fontsize=9.5, fontweight="normal", pad=4)
            label_rows(axes, len(values), (row_labels or {}).get(name))
            ticks = [low, 0, high] if low < 0 < high else [low, high]
            bar = figure.colorbar(image, cax=axes.inset_axes([1.012, 0, 0.012, 1]), ticks=ticks)
            bar.ax.set_yticklabels(
                [f"{tick:.3g}".replace("-", "\N{MINUS SIGN}") for tick in ticks], fontsize=8
            )
            bar.outline.set_visible(False)
            bar.ax.tick_params(length=0)
            for line in range(bar_length, T, bar_length) if bar_length else ():
                axes.axvline(line, color=INK, linewidth=0.6, alpha=0.55)
            axes.tick_params(length=0)
        label_bars(column, T, bar_length, bar_labels)
        column[-1].set_xlabel(xlabel if bar_length else "time step")
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")


@contextlib.contextmanager
def new_figure(path, size):
    """Yield a Figure in the house style; write it when the block ends well."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: expected a figure's name to end in {' or '.join(SUFFIXES)}")
    matplotlib = import_extra("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}):
        figure = Figure(figsize=size, layout="constrained", dpi=150)
        FigureCanvasAgg(figure)
        yield figure
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
        with atomic_path(path) as temporary:
            figure.savefig(temporary, metadata=metadata)


def drawable(values, log):
    """A copy with NaN, which leaves a gap, for what has no place on the axis."""
    return np.where(np.isfinite(values) & ((values > 0) | (not log)), values, np.nan)


def symmetric(values):
    """A range for the colours that holds all finite values, zero in the middle if they take both signs."""
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    if low < 0 < high:
        return -max(-low, high), max(-low, high)
    return (low, high) if low < high else (low, low + 1.0)


def label_rows(axes, count, labels):
    """Name each row, or number a few of many."""
    if labels is None:
        step = max(1, math.ceil(count / 8))
        labels = {row: str(row + 1) for row in range(0, count, step)}
    else:
        labels = dict(enumerate(labels))
    axes.set_yticks([row + 0.5 for row in labels], list(labels.values()), fontsize=8)


def label_bars(column, T, bar_length, labels):
    """Number the bars below the last panel and label them above the first."""
    if not bar_length:
        return
    starts = range(0, T, bar_length)
    middles = [(start + min(start + bar_length, T)) / 2 for start in starts]
    every = max(1, math.ceil(len(middles) / 24))
    column[-1].set_xticks(middles[::every], [str(i + 1) for i in range(0, len(middles), every)])
    if labels is not None:
        above = column[0].secondary_xaxis("top")
        above.set_xticks(middles[: len(labels)], list(labels), fontsize=9, fontweight="bold")
        above.tick_params(length=0, pad=2)
        above.spines["top"].set_visible(False)
        column[0].set_title(column[0].get_title(loc="left"), fontsize=9.5, fontweight="normal", pad=18)


def held_out_curve(rows):
    """[[step, nats], ...] of the rows of a log."""
    return points(rows, "step", "held_out")


def mean_curves(curves):
    """The mean over seeds, as far as all of them go, for `draw_curve`.

    curves : dict of name -> list, one for each seed, of [[x, y], ...]
    """
    series = {}
    for name, seeds in curves.items():
        count = min(map(len, seeds))
        if count:
            series[name] = tuple(np.mean([seed[:count] for seed in seeds], axis=0).T)
    return series
