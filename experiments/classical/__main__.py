"""Classical piano in eight builds: the command line."""

import sys

from experiments.classical.settings import Compose, Evaluate, Run, Search, Train, Transfer
from experiments.common.command_line import Program

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
    {
        Run: "jobs.run_all",
        Search: "jobs.run_search",
        Train: "jobs.run_train",
        Evaluate: "jobs.run_evaluate",
        Transfer: "jobs.run_transfer",
        Compose: "jobs.run_compose",
    },
)

if __name__ == "__main__":
    sys.exit(program.main())
