"""Irish tunes, character by character: the command line."""

import sys

from experiments.common.command_line import Program
from experiments.folk.settings import Compose, Evaluate, Render, Run, Sweep, Train

program = Program(
    "folk",
    """Irish folk tunes from a character LSTM on ABC notation, after Cohn's paper: trained, composed, judged.
Without a command: learns the Irish set in a few minutes, composes ten tunes, and writes a run folder.""",
    """
    python -m experiments.folk
    python -m experiments.folk --data builtin
    python -m experiments.folk --data my_tunes/ --n 20
    python -m experiments.folk train --preset best
    python -m experiments.folk compose runs/folk-20260101-120000 --key "A Dorian" --meter 6/8
    python -m experiments.folk compose best.safetensors --prime "X:1\\nT:My tune\\n" --temperature 1
    python -m experiments.folk evaluate runs/folk-20260101-120000
    python -m experiments.folk sweep --steps 200 --hidden 256
    python -m experiments.folk render tunes.abc --out sound""",
    {
        Run: "jobs.run_all",
        Train: "jobs.run_train",
        Compose: "jobs.run_compose",
        Evaluate: "jobs.run_evaluate",
        Render: "jobs.run_render",
        Sweep: "jobs.run_sweep",
    },
)

if __name__ == "__main__":
    sys.exit(program.main())
