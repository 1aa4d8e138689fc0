"""What the command does."""

import numpy as np

from experiments.common.midi_pieces import listed
from experiments.common.run_folder import RunFolder
from experiments.common.streams import say
from experiments.measures.figures import draw_overlap
from experiments.measures.report import compare
from experiments.measures.sources import read_reference, read_sets
from experiments.measures.tables import as_text, markdown
from scratchnet.files import atomic_open


def run_compare(config):
    """`compare`."""
    reference = read_reference(config.reference, config.quiet)
    found = read_sets(config.sets, config.quiet)
    read = (reference, *found.values())
    dropped, mended = (
        [row for pieces in read for row in getattr(pieces, kind)] for kind in ("dropped", "mended")
    )
    for line in listed("left out", dropped) + listed("mended", mended):
        say(line)
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
    run.write_metrics(comparison | {"dropped": dropped, "mended": mended})
    draw_overlap(run.path("overlap.png"), comparison)
    say(as_text(comparison))
    say(f"The tables, metrics.json and the figure are in {run.folder}.")
