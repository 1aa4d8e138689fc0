"""What the command does."""

import numpy as np

from experiments.measures.collection import read_pieces
from experiments.measures.figures import draw_overlap
from experiments.measures.report import compare
from experiments.measures.tables import markdown
from experiments.run_folder import RunFolder
from scratchnet.files import atomic_open

SHOWN = 20  # dropped files that are printed; all are in metrics.json


def say(text=""):
    print(text, flush=True)


def run_compare(config):
    """`compare`."""
    reference = read_pieces(config.reference, config.quiet)
    found = {
        name: read_pieces(path, config.quiet)
        for name, path in zip(names(config.sets), config.sets, strict=True)
    }
    dropped = [row for pieces in (reference, *found.values()) for row in pieces.dropped]
    for where, why in dropped[:SHOWN]:
        say(f"left out: {where}: {why}")
    if len(dropped) > SHOWN:
        say(f"left out: {len(dropped) - SHOWN} more")
    comparison = compare(
        {name: pieces.scores for name, pieces in found.items()},
        reference.scores,
        np.random.default_rng(config.seed),
        config.splits,
        config.line,
        config.bars,
        config.steps_per_beat,
        config.quiet,
    )
    run = RunFolder.create(config.out, "measures", config, config.overwrite)
    text = markdown(comparison)
    with atomic_open(run.path("tables.md")) as file:
        file.write(text)
    run.write_metrics(comparison | {"dropped": dropped})
    draw_overlap(run.path("overlap.png"), comparison)
    say(text)
    say(f"The tables, metrics.json and the figure are in {run.folder}.")


def names(paths):
    """A name for each set: the last part of its path, or all of it where two would be called the same."""
    short = [path.resolve().name for path in paths]
    return [name if short.count(name) == 1 else str(path) for name, path in zip(short, paths, strict=True)]
