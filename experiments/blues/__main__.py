"""Twelve-bar blues, composed by LSTM cell blocks: the command line.

Each command imports what it needs when it runs, so that --help answers at once.
"""

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
    user_errors=("encoders.midi.files.MidiError",),
)


@program.command(default=True)
def run(config: Run):
    """Learn, compose, draw and evaluate: everything, in two minutes."""
    from experiments.blues.jobs import run_all

    run_all(config)


@program.command()
def chords(config: Chords):
    """Experiment 1: can the network learn the chords, and how soon?"""
    from experiments.blues.jobs import run_chords

    run_chords(config)


@program.command()
def train(config: Train):
    """Experiment 2: learn chords and melody; Ctrl-C keeps what was learned, --resume goes on."""
    from experiments.blues.jobs import run_train

    run_train(config)


@program.command()
def compose(config: Compose):
    """Compose with a trained network: MIDI, WAV and a piano roll."""
    from experiments.blues.jobs import run_compose

    run_compose(config)


@program.command()
def evaluate(config: Evaluate):
    """Judge a trained network: chord drift, melody loss against the exact floor, copies."""
    from experiments.blues.jobs import run_evaluate

    run_evaluate(config)


@program.command()
def repeat(config: Repeat):
    """Experiment 2 with several seeds, two at a time: how sure is success?"""
    from experiments.blues.jobs import run_repeat

    run_repeat(config)


@program.command()
def compare(config: Compare):
    """The table the report calls for: cell blocks, other gradients, other networks, a random walk."""
    from experiments.blues.jobs import run_compare

    run_compare(config)


if __name__ == "__main__":
    sys.exit(program.main())
