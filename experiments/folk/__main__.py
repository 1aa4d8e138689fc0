"""Irish tunes, character by character: the command line.

Each command imports what it needs when it runs, so that --help answers at once.
"""

import sys

from experiments.common.command_line import Program
from experiments.common.streams import say
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
    user_errors=("encoders.midi.files.MidiError",),
)


@program.command(default=True)
def run(config: Run):
    """Learn, compose, draw and judge: everything, in a few minutes."""
    from experiments.folk.jobs import run_all

    run_all(config)


@program.command()
def train(config: Train):
    """Learn; Ctrl-C keeps all steps, --resume goes on exactly where it stopped."""
    from experiments.folk.jobs import run_train

    run_train(config)


@program.command()
def compose(config: Compose):
    """Compose with a trained network: ABC, MIDI, WAV and pictures."""
    from experiments.folk.jobs import run_compose

    run_compose(config)


@program.command()
def evaluate(config: Evaluate):
    """Judge a trained network: nats a character, valid tunes, full bars, copies of training tunes."""
    from experiments.folk.jobs import run_evaluate

    run_evaluate(config)


@program.command()
def render(config: Render):
    """Play ABC files: MIDI, WAV and pictures."""
    from experiments.folk.jobs import run_render

    run_render(config)


@program.command()
def sweep(config: Sweep):
    """Optimizer, units, learning rate, length, batch, one at a time; processes and machines share it."""
    from experiments.folk.sweep import sweep as run_sweep

    run_sweep(config, say)


if __name__ == "__main__":
    sys.exit(program.main())
