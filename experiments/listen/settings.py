"""The settings of the listening test's commands: their flags, and the keys of their YAML files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from experiments.settings import NonNegativeInt, PositiveInt, Range

OUT = Path("runs/listen")


@dataclass(frozen=True, kw_only=True)
class Serve:
    """A listening test."""

    runs: tuple[Path, ...]
    """Run folders, each with a samples.json that lists its WAV files, or just with WAV files."""
    human: Path | None = None
    """A folder of WAV files played by people, heard among the others."""
    out: Path = OUT
    """The folder of the test: its database, and copies of the pieces. Started again, the test goes on."""
    per_listener: PositiveInt | None = None
    """Pieces that each listener hears; if not given, as many of each kind alike as make 24 at most."""
    level: bool = True
    """Bring all pieces to one loudness: louder music is liked better."""
    seed: NonNegativeInt = 0
    """Seed of who hears what in which order."""
    host: str = "127.0.0.1"
    """The address to listen on: 127.0.0.1 for this machine only, 0.0.0.0 for all that can reach it."""
    port: Annotated[int, Range(least=0, most=65535)] = 8000
    """The port; 0 for any that is free."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came out."""

    study: Path
    """The folder of a listening test, or its study.sqlite."""
    out: Path | None = None
    """A folder for the figure and the CSV files; if not given, the test's own."""
