"""A comparison (report.py) as Markdown."""

import numpy as np

from experiments.measures.features import NAMES

TITLES = {
    "overlap": "Overlap: distances within the reference, and from a source to the reference",
    "own_overlap": "Overlap: distances within a source, and from it to the reference",
    "kl": "KL divergence, in nats: distances within the reference, and from a source to the reference",
}


def markdown(comparison):
    """Tables with a source a line.

    Parameters
    ----------
    comparison : dict, of report.compare

    Returns
    -------
    str
    """
    rows = comparison["rows"]
    summary = [
        [
            row["name"], str(row["pieces"]), str(row["left_out"]), str(row["compared"]),
            shown(row["frechet"]), mean_of(row["overlap"]), mean_of(row["own_overlap"]),
        ]
        for row in rows
    ]  # fmt: skip
    heading = [
        "source", "pieces", "left out", "compared", "Frechet feature distance", "mean overlap, reference",
        "mean overlap, own",
    ]  # fmt: skip
    told = (
        f"Mean and standard deviation over {comparison['splits']} splits of the reference; "
        f"each row is compared with {comparison['half']} pieces."
    )
    parts = [told, table(heading, summary)]
    for kind, title in TITLES.items():
        cells = [[row["name"], *(shown(row[kind][name]) for name in NAMES)] for row in rows]
        parts += [f"{title}.", table(["source", *map(words, NAMES)], cells)]
    metrics = list(dict.fromkeys(name for row in rows for name in row["metrics"]))
    cells = [[row["name"], *(shown(row["metrics"].get(name)) for name in metrics)] for row in rows]
    parts += [
        "What the pieces are like: mean and standard deviation over pieces.",
        table(["source", *map(words, metrics)], cells),
    ]
    return "\n\n".join(parts) + "\n"


def table(heading, rows):
    """A Markdown table; numbers to the right."""
    lines = [heading, ["---"] + ["---:"] * (len(heading) - 1), *rows]
    return "\n".join(f"| {' | '.join(escaped(cell) for cell in line)} |" for line in lines)


def escaped(cell):
    return cell.replace("|", "\\|")


def words(name):
    return name.replace("_", " ")


def shown(spread):
    """A mean and its spread in three digits or so: "0.81 ± 0.05"; nothing for what is not there."""
    if spread is None or np.isnan(spread["mean"]):
        return ""
    mean, sd = spread["mean"], spread["sd"]
    digits = 2 if abs(mean) < 100 else 0
    return f"{mean:.{digits}f}" if np.isnan(sd) else f"{mean:.{digits}f} ± {sd:.{digits}f}"


def mean_of(spreads):
    """The mean of the features' means, in two digits."""
    means = [spread["mean"] for spread in spreads.values()]
    return "" if np.isnan(means).all() else f"{np.nanmean(means):.2f}"
