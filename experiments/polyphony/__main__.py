"""Polyphonic music, frame by frame: the command line."""

import sys

from experiments.common.command_line import Program
from experiments.polyphony.settings import Compose, Evaluate, Run, Table, Train

program = Program(
    "polyphony",
    """Which notes sound next? LSTM, GRU and tanh nets on the polyphonic sets of Boulanger-Lewandowski et al.
    (2012): JSB Chorales, Nottingham, MuseData, Piano-midi.de; next to published numbers.
Without a command: learns the chorales in a few minutes, judges, composes, and writes a run folder.""",
    """
    python -m experiments.polyphony
    python -m experiments.polyphony --data JSB_Chorales.mat
    python -m experiments.polyphony train --set nottingham --cell gru --seed 1
    python -m experiments.polyphony compose runs/polyphony-20260101-120000 --prime 5 --temperature 0.7
    python -m experiments.polyphony table --seeds 3""",
    {
        Run: "jobs.run_all",
        Train: "jobs.run_train",
        Evaluate: "jobs.run_evaluate",
        Compose: "jobs.run_compose",
        Table: "jobs.run_table",
    },
)

if __name__ == "__main__":
    sys.exit(program.main())
