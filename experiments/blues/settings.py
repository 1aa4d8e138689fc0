"""The settings of the blues commands: their flags, and the keys of their YAML files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from experiments.common.settings import NonNegativeInt, PositiveInt, Range

Bpm = Annotated[float, Range(least=20, most=400)]
Temperature = Annotated[float, Range(least=0.05, most=20)]
Engine = Literal["auto", "built-in", "fluidsynth", "symusic"]


@dataclass(frozen=True, kw_only=True)
class Format:
    """How music becomes bits."""

    steps_per_bar: Literal[8, 16, 32] = 8
    """Time steps a bar; 8 is the report's."""
    endings: Literal["merged", "gap", "onset"] = "merged"
    """Two equal notes in a row: merged as in the report, the last step of each silent, or Todd's onset units.
    """
    literal_bar_6: bool = False
    """Bar 6 with the notes as printed (C D F# A), not as labelled (C D# F# A)."""


@dataclass(frozen=True, kw_only=True)
class Training(Format):
    """Learning chords and melody (Experiment 2)."""

    recipe: Literal["default", "paper", "icann", "kalman"] = "default"
    """default: full BPTT and Adam; paper: online, truncated gradient, momentum, as the report; icann: as its
    ICANN version; kalman: as the report, with a Kalman filter instead of momentum.
    """
    seed: NonNegativeInt = 0
    """Seed of the weights, the pieces and what is composed."""
    learn: PositiveInt | None = None
    """How many choruses to learn from; if not given, the recipe's number."""
    melody_blocks: Annotated[int, Range(least=1, most=1000)] = 4
    """Memory blocks for the melody, of two cells each; the report has 4."""
    gross_error: Annotated[float, Range(above=0, most=1)] | None = None
    """Online recipes: reset and begin a new piece when an output is wrong by more than this (0.49 in Gers et
    al. 2000).
    """
    out: Path | None = None
    """The run folder; if not given, runs/blues-DATE-TIME."""
    overwrite: bool = False
    """Write into a run folder that is there already."""
    quiet: bool = False
    """No progress bar."""


@dataclass(frozen=True, kw_only=True)
class Playing:
    """How composed music sounds."""

    temperature: Temperature = 1.0
    """Above 1 for wilder melodies, below for safer ones; 1 is the report's rule."""
    bpm: Bpm = 110.0
    """Quarter notes a minute."""
    engine: Engine = "auto"
    """What renders the WAV: a sampled piano where one is installed, else the built-in instrument."""


@dataclass(frozen=True, kw_only=True)
class Run(Training, Playing):
    """Everything: learn, compose, draw, evaluate."""

    choruses: PositiveInt = 4
    """Choruses to compose."""


@dataclass(frozen=True, kw_only=True)
class Train(Training):
    """Learning only."""

    resume: Path | None = None
    """Go on with this run, with its own settings."""


@dataclass(frozen=True, kw_only=True)
class Compose(Playing):
    """Composing from a trained run."""

    run: Path
    """Folder of a trained run."""
    choruses: PositiveInt = 4
    """Choruses to compose; the primer is part of the first."""
    prime: str | None = None
    """What is heard first: the number of a piece, 0..4095, or a MIDI file of up to 24 melody notes."""
    prime_notes: Annotated[int, Range(least=1, most=24)] = 24
    """With the number of a piece: how many of its quarter notes."""
    seed: NonNegativeInt = 0
    """Seed of the melody's draws."""
    out: Path | None = None
    """The MIDI file; WAV, PNG and JSON get the same name. If not given, composed-1.mid, -2, ... in the run
    folder, the first that is free."""
    wav: bool = True
    """Whether to write sound, too."""
    overwrite: bool = False
    """Replace files of these names."""
    quiet: bool = False
    """No progress bar."""


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Judging a trained run."""

    run: Path
    """Folder of a trained run."""
    choruses: PositiveInt = 1000
    """Choruses of free composition."""
    seed: NonNegativeInt = 0
    """Seed of the draws."""


@dataclass(frozen=True, kw_only=True)
class Repeat(Training):
    """Experiment 2, several times."""

    seeds: PositiveInt = 10
    """How many networks, with seeds from --seed on."""
    choruses: PositiveInt = 1000
    """Choruses of free composition for each."""


@dataclass(frozen=True, kw_only=True)
class Chords(Format):
    """Experiment 1."""

    recipe: Literal["default", "paper", "icann", "kalman"] = "default"
    """How to learn, as for train."""
    seeds: PositiveInt = 10
    """How many networks to train, one after the other."""
    seed: NonNegativeInt = 0
    """The first one's seed."""
    limit: PositiveInt | None = None
    """Give up after so many choruses; if not given, the recipe's number."""
    gross_error: Annotated[float, Range(above=0, most=1)] | None = None
    """Online recipes: reset and begin anew when an output is wrong by more than this."""
    resume: Path | None = None
    """Go on with this interrupted run, with its own settings."""
    out: Path | None = None
    """The run folder; if not given, runs/blues-chords-DATE-TIME."""
    overwrite: bool = False
    """Write into a run folder that is there already."""
    quiet: bool = False
    """No progress bar."""


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Who can learn the blues?"""

    seeds: PositiveInt = 3
    """Networks of each kind."""
    seed: NonNegativeInt = 0
    """The first one's seed."""
    chord_choruses: PositiveInt = 50_000
    """Budget of Experiment 1: choruses that each network may learn from."""
    learn: PositiveInt = 40_000
    """Budget of Experiment 2."""
    only: tuple[str, ...] = ()
    """Names of the networks to compare; if not given, all."""
    out: Path | None = None
    """The run folder; if not given, runs/blues-compare-DATE-TIME."""
    overwrite: bool = False
    """Write into a run folder that is there already."""
    quiet: bool = False
    """No progress bar."""
