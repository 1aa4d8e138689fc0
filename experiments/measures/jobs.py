"""What the command does."""

import numpy as np

from experiments.measures.figures import draw_overlap
from experiments.measures.report import compare
from experiments.measures.sources import read_reference, read_sets
from experiments.measures.tables import as_text, markdown
from experiments.run_folder import RunFolder
from scratchnet.files import atomic_open

SHOWN = 20  # dropped files that are printed; all are in metrics.json


def say(text=""):
    print(text, flush=True)


def run_compare(config):
    """`compare`."""
    reference = read_reference(config.reference, config.quiet)
    found = read_sets(config.sets, config.quiet)
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
    with atomic_open(run.path("tables.md")) as file:
        file.write(markdown(comparison))
    run.write_metrics(comparison | {"dropped": dropped})
    draw_overlap(run.path("overlap.png"), comparison)
    say(as_text(comparison))
    say(f"The tables, metrics.json and the figure are in {run.folder}.")
