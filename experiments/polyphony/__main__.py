"""Polyphonic music, frame by frame: the command line.

Each command imports what it needs when it runs, so that --help answers at once.
"""

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
    user_errors=("encoders.midi.files.MidiError",),
)


@program.command(default=True)
def run(config: Run):
    """Learn, judge, draw and compose: everything, in a few minutes."""
    from experiments.polyphony.jobs import run_all

    run_all(config)


@program.command()
def train(config: Train):
    """Learn one set with one cell; Ctrl-C keeps all whole epochs, --resume goes on."""
    from experiments.polyphony.jobs import run_train

    run_train(config)


@program.command()
def evaluate(config: Evaluate):
    """Judge a trained network: nats a frame, beside simple models and published numbers."""
    from experiments.polyphony.jobs import run_evaluate

    run_evaluate(config)


@program.command()
def compose(config: Compose):
    """Compose with a trained network: MIDI, WAV and a piano roll."""
    from experiments.polyphony.jobs import run_compose

    run_compose(config)


@program.command()
def table(config: Table):
    """Several seeds of all cells on several sets, as a Markdown table; finished runs are not repeated."""
    from experiments.polyphony.jobs import run_table

    run_table(config)


if __name__ == "__main__":
    sys.exit(program.main())
