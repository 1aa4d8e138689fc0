"""The paper's Figure 6: how much each source is liked, without and with a primer."""

from experiments.common.figures import COLORS, FAINT, new_figure
from experiments.listen.analysis import HIGHEST, Kind

LABELS = {False: "without primer", True: "with primer"}


def draw_means(path, means, by_listener):
    """Draw means with their intervals, and each listener's mean as a pale dot.

    path : path-like, .png or .svg
    means : list of Mean
    by_listener : dict Kind -> dict of listener -> mean score
    """
    sources = list(dict.fromkeys(row.kind.source for row in means))
    cells = {row.kind: row for row in means}
    both = len({row.kind.primed for row in means}) == 2
    with new_figure(path, (max(6.0, 1.6 + 1.1 * len(sources)), 4.2)) as figure:
        axes = figure.add_subplot()
        for primed, label in LABELS.items():
            shift = (0.17 if primed else -0.17) if both else 0.0
            shown = [(i, Kind(source, primed)) for i, source in enumerate(sources)]
            shown = [(i + shift, kind) for i, kind in shown if kind in cells]
            for x, kind in shown:
                row, color = cells[kind], COLORS[primed]
                values = sorted(by_listener[kind].values())
                spread = [x - 0.05 * (k % 3 + 1) for k in range(len(values))]  # beside the mean
                axes.plot(spread, values, "o", color=color, alpha=0.25, markersize=4, markeredgewidth=0)
                if row.low is not None:
                    axes.vlines(x, row.low, row.high, color=color, linewidth=2.2)
                axes.annotate(f"{row.mean:.2f}", (x, row.mean), (7, 0), textcoords="offset points",
                              va="center", fontsize=8.5)  # fmt: skip
            if shown:
                xs, ys = zip(*[(x, cells[kind].mean) for x, kind in shown], strict=True)
                axes.plot(xs, ys, "o", color=COLORS[primed], markersize=8, label=label)
        axes.set_xticks(range(len(sources)), sources)
        axes.set(xlim=(-0.6, len(sources) - 0.4), ylim=(-0.15, HIGHEST + 0.15), ylabel="rating, 0 to 5")
        axes.set_title("How much listeners like it")
        axes.set_yticks(range(HIGHEST + 1))
        axes.grid(axis="y", color=FAINT, alpha=0.25, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(axis="x", length=0)
        if both:
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=8.5)
