"""The settings of the folk commands: their flags, and the keys of their YAML files."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from experiments.common import options
from experiments.common.kinds import Bpm, NonNegativeInt, PositiveInt, Range, Temperature
from experiments.common.options import (
    ComposePieces,
    NewRun,
    Overwrite,
    Quiet,
    Resume,
    Sampling,
    Seed,
    Sound,
    Wav,
)
from experiments.common.recipe import LEARNING, Learning, filled, with_eval_size

Preset = Literal["quick", "paper", "best", "few"]
Axis = Literal["optimizer", "hidden", "lr", "length", "batch"]
Tunes = Annotated[int, Range(least=1, most=100_000)]
BUILTIN = Path("builtin")  # as --data: the tunes that come with this project, tunes.abc


@dataclass(frozen=True, kw_only=True)
class Source(Quiet):
    data: tuple[Path, ...] | None = None
    """Files of ABC tunes, folders with them, or "builtin", some sixty tunes included here; if not given, the
    Irish set is downloaded once.
    """


@dataclass(frozen=True, kw_only=True)
class Training(NewRun, Source, Learning):
    preset: Preset | None = None
    """quick: a few minutes; paper: the settings of the paper; best: did best on held-out tunes; few: for
    a few dozen tunes. If not given, quick, or few with --data builtin.
    """


@dataclass(frozen=True, kw_only=True)
class Drawing(Sampling):
    temperature: Temperature = 0.8
    length: PositiveInt = 1500
    """Characters of a tune at most, the beginning not counted."""


@dataclass(frozen=True, kw_only=True)
class Playing(Sound, Drawing):
    n: Tunes = 10
    """How many tunes."""
    prime: str | None = None
    """How each tune begins: ABC text, or a file with it."""
    key: str | None = None
    """The key, for instance "D Major" or "A Dorian"."""
    meter: str | None = None
    """The meter, for instance 6/8."""
    title: str | None = None
    """The title."""
    include_primer: bool = True
    """Write the given beginning, too."""
    raw: bool = False
    """Keep tunes that are not valid ABC; otherwise others are drawn instead."""
    bpm: Bpm = 180.0
    """Quarter notes per minute."""


@dataclass(frozen=True, kw_only=True)
class Run(Training, Playing):
    """Learn, compose, draw and evaluate: everything, in a few minutes."""

    length: PositiveInt | None = None
    """Characters of a sequence, from which one step learns."""


@dataclass(frozen=True, kw_only=True)
class Train(Resume, Training):
    """Learn; Ctrl-C keeps all steps, --resume goes on exactly where it stopped."""


@dataclass(frozen=True, kw_only=True)
class Compose(ComposePieces, Playing):
    """Compose with a trained network: ABC, MIDI, WAV and pictures."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(Seed, Source, Drawing):
    """Evaluate a trained network: nats per character, valid tunes, full bars, copies of training tunes."""

    run: Path
    """Folder of a trained run."""
    n: Tunes = 100
    """Tunes to compose, to count the valid ones and look for copies."""


@dataclass(frozen=True, kw_only=True)
class Render(Wav, Sound, Overwrite, Quiet):
    """Play ABC files: MIDI, WAV and pictures."""

    abc: tuple[Path, ...]
    """Files of ABC tunes, or folders with them."""
    out: Path = Path("rendered")
    """Folder for MIDI, WAV and pictures."""


@dataclass(frozen=True, kw_only=True)
class Sweep(options.Sweep, Source):
    """Optimizer, units, learning rate, length, batch, one at a time; processes and machines share it."""

    axes: tuple[Axis, ...] = ("optimizer", "hidden", "lr", "length", "batch")
    """Which settings."""
    steps: PositiveInt = 2000
    """Steps of each run."""
    hidden: PositiveInt | None = None
    """Units of the LSTM in the runs of the other settings; the paper's 1024 if not given."""
    prune: bool = False
    """Stop runs early that are worse than the median of the others at the same step."""
    seed: NonNegativeInt = 0
    """Seed of all runs."""
    out: Path = Path("runs/folk-sweep")
    """A folder for run folders, figures and the table. Finished runs are not repeated."""


PRESETS = {
    "quick": LEARNING | dict(
        hidden=512, steps=600, embedding=256, dropout=0.3, lr=3e-3, length=256, transpose=0.3, eval_every=50,
    ),
    "paper": LEARNING | dict(
        hidden=1024, steps=2000, embedding=256, dropout=0.0, lr=1e-3, decay=False, weight_decay=0.0,
        length=400, stateful=False, transpose=0.0, clip=5.0, ema_decay=0.0,
    ),
    "best": LEARNING | dict(
        hidden=512, steps=1300, layers=2, embedding=256, dropout=0.6, lr=3e-3, length=256, transpose=0.7,
        eval_every=50,
    ),
    "few": LEARNING | dict(
        hidden=256, steps=800, embedding=64, dropout=0.5, lr=4e-3, batch=8, transpose=0.7, ema_decay=0.95,
        eval_every=20,
    ),
}  # fmt: skip


def complete(config):
    """Settings with the preset's values wherever none is given."""
    preset = config.preset or ("few" if config.data == (BUILTIN,) else "quick")
    return with_eval_size(replace(filled(config, PRESETS[preset]), preset=preset))
