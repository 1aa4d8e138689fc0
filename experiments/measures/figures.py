"""The picture of a comparison: how much each feature's distances overlap."""

import numpy as np

from experiments.common.figures import COLORS, FAINT, new_figure
from experiments.measures.features import NAMES

PANELS = {"overlap": "with distances within the reference", "own_overlap": "with distances within the set"}


def draw_overlap(path, comparison, title="Distances to the reference: overlap"):
    """A dot for each feature and set, its spread over splits; the reference row is the grey band behind.

    path : path-like, a .png or .svg file
    comparison : dict, of report.compare
    title : str
    Raises UserError if the suffix is neither; ImportError if matplotlib is not installed.
    """
    reference, *sets = comparison["rows"]
    y = np.arange(len(NAMES))
    shift = np.linspace(-0.3, 0.3, len(sets)) if len(sets) > 1 else [0.0]
    with new_figure(path, (9.5, 0.8 + max(0.36, 0.14 * len(sets) + 0.12) * len(NAMES))) as figure:
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, (kind, name) in zip(panels, PANELS.items(), strict=True):
            mean, sd = columns(reference, kind)
            axes.barh(y, 2 * sd, 0.9, mean - sd, color="#e2e2e2", label=f"{reference['name']}, ±1 s.d.")
            axes.plot(mean, y, "|", color=FAINT, markersize=13)
            for number, row in enumerate(sets):
                mean, sd = columns(row, kind)
                axes.errorbar(
                    mean, y + shift[number], xerr=sd, fmt="o", markersize=4.5, elinewidth=1,
                    color=COLORS[number % len(COLORS)], label=row["name"],
                )  # fmt: skip
            axes.set(xlim=(-0.02, 1.02), xlabel="overlap")
            axes.set_title(name, fontsize=9.5, fontweight="normal", pad=4)
            axes.grid(axis="x", color="#e6e6e6", linewidth=0.7)
            axes.set_axisbelow(True)
        panels[0].set_yticks(y, [name.replace("_", " ") for name in NAMES], fontsize=8.5)
        panels[0].set_ylim(len(NAMES) - 0.5, -0.5)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8.5)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")


def columns(row, kind):
    """Means and deviations by feature, each (12,); a deviation that is not known is 0."""
    spreads = [row[kind][name] for name in NAMES]
    return np.array([s["mean"] for s in spreads]), np.nan_to_num([s["sd"] for s in spreads])
