"""The settings of the blues commands: their flags, and the keys of their YAML files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from experiments.common.kinds import Bpm, NonNegativeInt, PositiveInt, Range, Temperature
from experiments.common.options import ComposePiece, NewRun, Resume, Seed, Sound

RecipeName = Literal["default", "paper", "icann", "kalman"]
GrossError = Annotated[float, Range(above=0, most=1)]


@dataclass(frozen=True, kw_only=True)
class Format:
    """How music becomes bits."""

    steps_per_bar: Literal[8, 16, 32] = 8
    """Time steps per bar; 8 is the report's."""
    endings: Literal["merged", "gap", "onset"] = "merged"
    """Two equal notes in a row: merged as in the report, the last step of each silent, or Todd's onset units.
    """
    literal_bar_6: bool = False
    """Bar 6 with the notes as printed (C D F# A), not as labelled (C D# F# A)."""


@dataclass(frozen=True, kw_only=True)
class Training(NewRun, Format):
    recipe: RecipeName = "default"
    """default: full BPTT and Adam; paper: online, truncated gradient, momentum, as in the report; icann: as
    in its ICANN version; kalman: as in the report, with a Kalman filter instead of momentum.
    """
    seed: NonNegativeInt = 0
    """Seed of the weights, the pieces and what is composed."""
    learn: PositiveInt | None = None
    """How many choruses to learn from; if not given, the recipe's number."""
    melody_blocks: Annotated[int, Range(least=1, most=1000)] = 4
    """Memory blocks for the melody, of two cells each; the report has 4."""
    gross_error: GrossError | None = None
    """Online recipes: reset and begin a new piece when an output is wrong by more than this (0.49 in Gers et
    al. 2000).
    """


@dataclass(frozen=True, kw_only=True)
class Playing(Sound):
    temperature: Temperature = 1.0
    """Above 1 for wilder melodies, below for safer ones; 1 is the report's rule."""
    bpm: Bpm = 110.0
    """Quarter notes per minute."""
    choruses: PositiveInt = 4
    """Choruses to compose; the primer is part of the first."""


@dataclass(frozen=True, kw_only=True)
class Run(Training, Playing):
    """Learn, compose, draw and evaluate: everything, in two minutes."""


@dataclass(frozen=True, kw_only=True)
class Train(Resume, Training):
    """Experiment 2: learn chords and melody; Ctrl-C keeps what was learned, --resume goes on."""


@dataclass(frozen=True, kw_only=True)
class Compose(ComposePiece, Playing):
    """Compose with a trained network: MIDI, WAV and a piano roll."""

    prime: str | None = None
    """The opening: the number of a piece, 0..4095, or a MIDI file of up to 24 melody notes."""
    prime_notes: Annotated[int, Range(least=1, most=24)] = 24
    """With the number of a piece: how many of its quarter notes."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(Seed):
    """Evaluate a trained network: chord drift, melody loss against the exact floor, copies."""

    run: Path
    """Folder of a trained run."""
    choruses: PositiveInt = 1000
    """Choruses of free composition."""


@dataclass(frozen=True, kw_only=True)
class Repeat(Training):
    """Experiment 2 with several seeds, two at a time: how sure is success?"""

    seeds: PositiveInt = 10
    """How many networks, with seeds from --seed on."""
    choruses: PositiveInt = 1000
    """Choruses of free composition for each."""


@dataclass(frozen=True, kw_only=True)
class Chords(Resume, NewRun, Format):
    """Experiment 1: can the network learn the chords, and how soon?"""

    recipe: RecipeName = "default"
    """How to learn, as for train."""
    seeds: PositiveInt = 10
    """How many networks to train, one after the other."""
    seed: NonNegativeInt = 0
    """The first one's seed."""
    limit: PositiveInt | None = None
    """Give up after so many choruses; if not given, the recipe's number."""
    gross_error: GrossError | None = None
    """Online recipes: reset and begin anew when an output is wrong by more than this."""


@dataclass(frozen=True, kw_only=True)
class Compare(NewRun):
    """The table the report calls for: cell blocks, other gradients, other networks, a random walk."""

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
