"""Objective measures: the command line."""

import sys

from experiments.common.command_line import Program
from experiments.measures.settings import Compare

program = Program(
    "measures",
    """How like human music are these pieces? Features of Yang & Lerch (2018), their distances within and
    between sets, MusPy's metrics, repetition, and a Frechet distance on features; beside human against
    human.""",
    """
    python -m experiments.measures --reference held_out/ runs/piano-20260101-120000
    python -m experiments.measures --reference held_out/ --steps-per-beat 4 --bars 32 lstm/ rnn/
    python -m experiments.measures --reference tunes.abc composed.abc --out measured""",
    {Compare: "jobs.run_compare"},
)

if __name__ == "__main__":
    sys.exit(program.main())
