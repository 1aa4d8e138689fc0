"""A comparison (report.py) as tables with a feature a line and a source a column: Markdown, and text for a
terminal.
"""

import shutil
import textwrap

import numpy as np

from experiments.measures.features import NAMES

TITLES = {
    "overlap": "Overlap: distances within the reference, and from a source to the reference",
    "own_overlap": "Overlap: distances within a source, and from it to the reference",
    "kl": "KL divergence, in nats: distances within the reference, and from a source to the reference",
}
LABEL, NARROWEST = 19, 9  # characters: of what stands before a line, of a column


def tables(comparison):
    """What is shown.

    comparison : dict, of report.compare
    Returns list of (title, lines); a line is (what it tells, spread or text of each source).
    """
    rows = comparison["rows"]
    told = (
        f"Mean and standard deviation over {comparison['splits']} splits of the reference; each source is "
        f"compared with {comparison['half']} pieces, one half, and the reference is the other half."
    )
    summary = [
        ("pieces", [str(row["pieces"]) for row in rows]),
        ("left out", [str(row["left_out"]) for row in rows]),
        ("compared", [str(row["compared"]) for row in rows]),
        ("Frechet feature distance", [row["frechet"] for row in rows]),
        ("mean overlap, reference", [mean_of(row["overlap"]) for row in rows]),
        ("mean overlap, own", [mean_of(row["own_overlap"]) for row in rows]),
    ]
    found = [(told, summary)]
    for kind, title in TITLES.items():
        found.append((f"{title}.", [(words(name), [row[kind][name] for row in rows]) for name in NAMES]))
    metrics = list(dict.fromkeys(name for row in rows for name in row["metrics"]))
    lines = [(words(name), [row["metrics"].get(name) for row in rows]) for name in metrics]
    return [*found, ("What the pieces are like: mean and standard deviation over pieces.", lines)]


def markdown(comparison):
    """The tables as Markdown: str."""
    names = [row["name"] for row in comparison["rows"]]
    parts = []
    for title, lines in tables(comparison):
        parts += [title, table(["", *names], [[label, *map(shown, cells)] for label, cells in lines])]
    return "\n\n".join(parts) + "\n"


def as_text(comparison, width=None):
    """The tables for a terminal: str, no line longer than `width`, by default the terminal's or 80.

    What does not fit beside each other comes below each other, as many sources at a time as fit.
    """
    width = width or shutil.get_terminal_size((80, 24)).columns
    names = ["reference", *(row["name"] for row in comparison["rows"][1:])]
    parts = []
    for title, lines in tables(comparison):
        cells = [[shown(cell, short=True) for cell in cells] for _, cells in lines]
        columns = [Column(name, column) for name, column in zip(names, zip(*cells, strict=True), strict=True)]
        parts.append(textwrap.fill(title, min(width, 100)))
        gap = 2 if LABEL + sum(column.width + 2 for column in columns) <= width else 1
        for together in fitting(columns, width - LABEL, gap):
            parts.append("\n".join(text_lines([label for label, _ in lines], together, gap)))
    return "\n\n".join(parts) + "\n"


class Column:
    """A source in text: lines of its heading, cells, width."""

    def __init__(self, name, cells):
        self.cells, widest = cells, max(NARROWEST, *map(len, cells))
        self.heading = textwrap.wrap(name.replace("/", "/ "), widest) or [""]
        self.width = max(widest, *map(len, self.heading))


def fitting(columns, width, gap):
    """Columns in groups that fit a width, a gap before each; at least one in each group."""
    groups, left = [], 0
    for column in columns:
        left -= column.width + gap
        if not groups or left < 0:
            groups.append([])
            left = width - column.width - gap
        groups[-1].append(column)
    return groups


def text_lines(labels, columns, gap):
    """The lines of a table in text."""
    height = max(len(column.heading) for column in columns)
    lines = []
    for k in range(height):
        heading = [[""] * (height - len(column.heading)) + column.heading for column in columns]
        lines.append(one_line("", columns, [texts[k] for texts in heading], gap))
    lines.append("-" * (LABEL + sum(column.width + gap for column in columns)))
    for number, label in enumerate(labels):
        *above, last = textwrap.wrap(label, LABEL, subsequent_indent=" ")
        lines += [*above, one_line(last, columns, [column.cells[number] for column in columns], gap)]
    return lines


def one_line(label, columns, texts, gap):
    cells = (f"{'':{gap}}{text:>{column.width}}" for column, text in zip(columns, texts, strict=True))
    return f"{label:{LABEL}}{''.join(cells)}".rstrip()


def table(heading, rows):
    """A Markdown table; numbers to the right."""
    lines = [heading, ["---"] + ["---:"] * (len(heading) - 1), *rows]
    return "\n".join(f"| {' | '.join(escaped(cell) for cell in line)} |" for line in lines)


def escaped(cell):
    return cell.replace("|", "\\|")


def words(name):
    return name.replace("_", " ")


def shown(spread, short=False):
    """A mean and its spread in three digits or so: "0.81 ± 0.05"; short: "0.81±0.05", and fewer decimals of
    large numbers. Nothing for what is not there; a text as it is.
    """
    if isinstance(spread, str):
        return spread
    if spread is None or np.isnan(spread["mean"]):
        return ""
    mean, sd = spread["mean"], spread["sd"]
    largest = abs(mean) if np.isnan(sd) else max(abs(mean), sd)
    form = f".{2 if largest < (10 if short else 100) else int(short and largest < 100)}f"
    if 100_000 <= largest < np.inf:
        form = ".1e"
    if np.isnan(sd):
        return f"{mean:{form}}"
    return f"{mean:{form}}±{sd:{form}}" if short else f"{mean:{form}} ± {sd:{form}}"


def mean_of(spreads):
    """The mean of the features' means, in two digits."""
    means = [spread["mean"] for spread in spreads.values()]
    return "" if np.isnan(means).all() else f"{np.nanmean(means):.2f}"
