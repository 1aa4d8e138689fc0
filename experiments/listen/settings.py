"""The settings of the listening test's commands: their flags, and the keys of their YAML files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from experiments.common.kinds import NonNegativeInt, PositiveInt, Range
from experiments.common.options import Quiet


@dataclass(frozen=True, kw_only=True)
class Serve:
    """Serve the page; answers are stored as they are given, Ctrl-C stops."""

    runs: tuple[Path, ...]
    """Run folders, each with a samples.json that lists its WAV files, or just with WAV files."""
    human: Path | None = None
    """A folder of WAV files played by people, heard among the others."""
    out: Path | None = None
    """The folder of the test: its database, and copies of the pieces; if not given, runs/listen- and the
    names of the runs. Started again, the test goes on."""
    change_runs: bool = False
    """Let a test that is there go on with other pieces than it had, for new listeners."""
    per_listener: PositiveInt | None = None
    """Pieces that each listener hears; if not given, as many of each kind alike as make 24 at most."""
    level: bool = True
    """Bring all pieces to one loudness: louder music is liked better."""
    seed: NonNegativeInt = 0
    """Seed of who hears what in which order."""
    host: str = "127.0.0.1"
    """The address to listen on: 127.0.0.1 for this machine only, 0.0.0.0 for all that can reach it."""
    name: tuple[str, ...] = ()
    """More names by which browsers may ask for this machine, such as that of a web server before it."""
    port: Annotated[int, Range(least=0, most=65535)] = 8000
    """The port; 0 for any that is free."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the listeners said: means, intervals, tests; a figure and CSV files."""

    study: Path
    """The folder of a listening test, or its study.sqlite."""
    out: Path | None = None
    """A folder for the figure and the CSV files; if not given, the test's own."""


@dataclass(frozen=True, kw_only=True)
class Load(Quiet):
    """Try how many listeners this machine serves at once: made-up ones, on this machine alone."""

    listeners: PositiveInt = 200
    """Listeners, who rate all at once."""
    waiting: NonNegativeInt = 600
    """Connections that wait after an answer, as browsers keep some."""
    halves: NonNegativeInt = 200
    """Connections that send half a request, half of them in drips."""
    untaken: NonNegativeInt = 20
    """Connections that ask for pieces and do not take them."""
