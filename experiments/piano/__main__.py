"""Piano from MIDI: the command line.

Each command imports what it needs when it runs, so that --help answers at once.
"""

import sys

from experiments.common.command_line import Program
from experiments.piano.settings import Compose, Evaluate, Run, Train

program = Program(
    "piano",
    """Piano music from networks that read MIDI as notes and durations: RNN, LSTM and LSTM with attention,
learned from MAESTRO or your own files. Without a command: learns, judges and composes, in a run folder.""",
    """
    python -m experiments.piano
    python -m experiments.piano --data my_midi/ --n 5
    python -m experiments.piano --seeds 3 --models rnn lstm attention vector-attention
    python -m experiments.piano train --model lstm --data my_midi/
    python -m experiments.piano evaluate runs/piano-20260101-120000
    python -m experiments.piano compose runs/piano-20260101-120000/lstm-0 --prime piece.mid --bars 32""",
    user_errors=("encoders.midi.files.MidiError",),
)


@program.command(default=True)
def run(config: Run):
    """Learn with each network, judge, compose and draw; --resume goes on."""
    from experiments.piano.jobs import run_all

    run_all(config)


@program.command()
def train(config: Train):
    """Learn with one network; Ctrl-C keeps all steps, --resume goes on exactly where it stopped."""
    from experiments.piano.jobs import run_train

    run_train(config)


@program.command()
def evaluate(config: Evaluate):
    """Judge trained networks: the paper's Figure 5 as a table, with cross-entropy and n-grams."""
    from experiments.piano.jobs import run_evaluate

    run_evaluate(config)


@program.command()
def compose(config: Compose):
    """Compose with a trained network: MIDI, WAV, piano rolls, and what attention looked at."""
    from experiments.piano.jobs import run_compose

    run_compose(config)


if __name__ == "__main__":
    sys.exit(program.main())
