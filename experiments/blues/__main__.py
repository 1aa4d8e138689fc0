"""Twelve-bar blues, composed by LSTM cell blocks: the command line."""

import sys

from experiments.blues.settings import Chords, Compare, Compose, Evaluate, Repeat, Run, Train
from experiments.common.command_line import Program

program = Program(
    "blues",
    """Twelve-bar blues by the LSTM cell blocks of Eck & Schmidhuber (2002): learn chords and melody, compose,
    listen.
Without a command: learns for a minute, composes, and writes a run folder: MIDI, WAV, pictures, figures.""",
    """
    python -m experiments.blues
    python -m experiments.blues chords --recipe paper
    python -m experiments.blues compose runs/blues-20260101-120000 --choruses 8 --prime 1234 --temperature 1.2
    python -m experiments.blues compare --seeds 3""",
    {
        Run: "jobs.run_all",
        Chords: "jobs.run_chords",
        Train: "jobs.run_train",
        Compose: "jobs.run_compose",
        Evaluate: "jobs.run_evaluate",
        Repeat: "jobs.run_repeat",
        Compare: "jobs.run_compare",
    },
)

if __name__ == "__main__":
    sys.exit(program.main())
