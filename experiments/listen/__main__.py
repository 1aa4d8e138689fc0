"""A listening test: the command line."""

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
    {Serve: "jobs.run_serve", Report: "jobs.run_report", Load: "jobs.run_load"},
)

if __name__ == "__main__":
    sys.exit(program.main())
