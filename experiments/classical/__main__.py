"""Classical piano in eight builds: the command line.

Each command imports what it needs when it runs, so that --help answers at once.
"""

import sys

from experiments.classical.settings import Compose, Evaluate, Run, Search, Train, Transfer
from experiments.common.command_line import Program
from experiments.common.streams import say

program = Program(
    "classical",
    """Classical piano from windows of symbols: convolution and recurrence side by side, eight builds of
one table, after a student paper of Stanford's CS230. Without a command:
learns with all of them, judges, composes.""",
    """
    python -m experiments.classical --data my_midi/
    python -m experiments.classical --data my_midi/ --architectures baseline model3 --epochs 5
    python -m experiments.classical search --data my_midi/ --preset paper --seeds 3
    python -m experiments.classical train --architecture model3 --input embedding --data my_midi/
    python -m experiments.classical evaluate runs/classical-20260101-120000
    python -m experiments.classical transfer runs/classical-20260101-120000/model3 --data other/
    python -m experiments.classical compose runs/classical-20260101-120000/model3 --prime piece.mid""",
    user_errors=("encoders.midi.files.MidiError",),
)


@program.command(default=True)
def run(config: Run):
    """Learn with each build, judge, compose and draw; --resume goes on."""
    from experiments.classical.jobs import run_all

    run_all(config)


@program.command()
def search(config: Search):
    """All builds over several seeds, on any number of processes and machines: the paper's Figure 2."""
    from experiments.classical.search import search as run_search

    run_search(config, say)


@program.command()
def train(config: Train):
    """Learn with one build; Ctrl-C keeps all steps, --resume goes on exactly where it stopped."""
    from experiments.classical.jobs import run_train

    run_train(config)


@program.command()
def evaluate(config: Evaluate):
    """Judge trained networks: loss, accuracy, the paper's formula, n-grams."""
    from experiments.classical.jobs import run_evaluate

    run_evaluate(config)


@program.command()
def transfer(config: Transfer):
    """Go on with a trained network on other music; with and without what it knows."""
    from experiments.classical.transfer import run_transfer

    run_transfer(config, say)


@program.command()
def compose(config: Compose):
    """Compose with a trained network: MIDI, WAV, piano rolls, and whether it got stuck."""
    from experiments.classical.jobs import run_compose

    run_compose(config)


if __name__ == "__main__":
    sys.exit(program.main())
