"""Piano from MIDI: the command line."""

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
    {
        Run: "jobs.run_all",
        Train: "jobs.run_train",
        Evaluate: "jobs.run_evaluate",
        Compose: "jobs.run_compose",
    },
)

if __name__ == "__main__":
    sys.exit(program.main())
