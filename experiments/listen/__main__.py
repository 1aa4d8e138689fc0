"""A listening test: the command line.

Each command imports what it needs when it runs, so that --help answers at once.
"""

import sys

from experiments.common.command_line import Program
from experiments.listen.settings import Load, Report, Serve

program = Program(
    "listen",
    """A blind listening test in the browser: pieces of several models, with and without a primer, and of
people, each rated 0 to 5. Without a command: serves the page for the run folders given.""",
    """
    python -m experiments.listen runs/piano-20260101-120000
    python -m experiments.listen runs/piano-lstm runs/piano-rnn --human recordings/ --out runs/listen-1
    python -m experiments.listen runs/piano-lstm --host 0.0.0.0 --port 8080 --per-listener 14
    python -m experiments.listen report runs/listen-1
    python -m experiments.listen load --listeners 200""",
    user_errors=("sqlite3.DatabaseError",),
)


@program.command(default=True)
def serve(config: Serve):
    """Serve the page; answers are stored as they are given, Ctrl-C stops."""
    from experiments.listen.jobs import run_serve

    run_serve(config)


@program.command()
def report(config: Report):
    """What the listeners said: means, intervals, tests; a figure and CSV files."""
    from experiments.listen.jobs import run_report

    run_report(config)


@program.command()
def load(config: Load):
    """Try how many listeners this machine serves at once: made-up ones, on this machine alone."""
    from experiments.listen.jobs import run_load

    run_load(config)


if __name__ == "__main__":
    sys.exit(program.main())
