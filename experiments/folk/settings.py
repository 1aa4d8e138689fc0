"""The settings of the folk commands: their flags, and the keys of their YAML files."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from experiments.common.recipe import Learning, Recipe, filled, with_eval_size
from experiments.common.settings import NonNegativeInt, PositiveInt, Range

Preset = Literal["quick", "paper", "best", "few"]
Engine = Literal["auto", "built-in", "fluidsynth", "symusic"]
Axis = Literal["optimizer", "hidden", "lr", "length", "batch"]
BUILTIN = Path("builtin")  # as --data: the tunes that come with this project, tunes.abc


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the tunes come from."""

    data: tuple[Path, ...] | None = None
    """Files of ABC tunes, folders with them, or "builtin", some sixty tunes that are here; if not given, the
    Irish set is downloaded once.
    """
    quiet: bool = False
    """No progress bar."""


@dataclass(frozen=True, kw_only=True)
class Training(Source, Learning):
    """A network and how it learns. What is not given comes from the preset."""

    preset: Preset | None = None
    """quick: a few minutes; paper: the settings of the paper; best: what did best on held-out tunes; few: for
    some dozens of tunes. If not given, quick, or few with --data builtin.
    """
    out: Path | None = None
    """The run folder; if not given, runs/folk-DATE-TIME."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How characters are drawn."""

    temperature: Annotated[float, Range(least=0.05, most=20)] = 0.8
    """1 draws as the network predicts; below 1, likelier characters and fewer mistakes; above, wilder."""
    top_k: PositiveInt | None = None
    """Only the so many likeliest characters."""
    top_p: Annotated[float, Range(least=0.01, most=1)] = 1.0
    """Only the likeliest characters that make up this probability."""
    length: PositiveInt = 1500
    """Characters of a tune at most, the beginning not counted."""


@dataclass(frozen=True, kw_only=True)
class Playing(Drawing):
    """What is composed, and how it sounds."""

    n: PositiveInt = 10
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
    bpm: Annotated[float, Range(least=20, most=400)] = 180.0
    """Quarter notes a minute."""
    engine: Engine = "auto"
    """What renders the WAV: a sampled instrument where one is installed, else the built-in one."""


@dataclass(frozen=True, kw_only=True)
class Run(Training, Playing):
    """Everything: learn, compose, draw, judge."""

    length: PositiveInt | None = None
    """Characters of a sequence, from which one step learns."""


@dataclass(frozen=True, kw_only=True)
class Train(Training):
    """Learning only."""

    resume: Path | None = None
    """Go on with this run, with its own settings."""


@dataclass(frozen=True, kw_only=True)
class Compose(Playing):
    """Composing with a trained network."""

    run: Path
    """Folder of a trained run, or its best.safetensors."""
    seed: NonNegativeInt = 0
    """Seed of the draws."""
    out: Path | None = None
    """Folder for the tunes; if not given, composed-1, -2, ... in the run folder, the first that is free."""
    wav: bool = True
    """Whether to write sound, too."""
    overwrite: bool = False
    """Replace files of these names."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(Source, Drawing):
    """Judging a trained network."""

    run: Path
    """Folder of a trained run."""
    n: PositiveInt = 100
    """Tunes to compose, for the share of valid ones and for copies."""
    seed: NonNegativeInt = 0
    """Seed of the draws."""


@dataclass(frozen=True, kw_only=True)
class Render:
    """Playing ABC files."""

    abc: tuple[Path, ...]
    """Files of ABC tunes, or folders with them."""
    out: Path = Path("rendered")
    """Folder for MIDI, WAV and pictures."""
    wav: bool = True
    """Whether to write sound, too."""
    engine: Engine = "auto"
    """What renders the WAV."""
    overwrite: bool = False
    """Replace files of these names."""
    quiet: bool = False
    """No progress bar."""


@dataclass(frozen=True, kw_only=True)
class Sweep(Source):
    """The paper's five figures: one setting at a time."""

    axes: tuple[Axis, ...] = ("optimizer", "hidden", "lr", "length", "batch")
    """Which settings."""
    steps: PositiveInt = 2000
    """Steps of each run."""
    hidden: PositiveInt | None = None
    """Units of the LSTM in the runs of the other settings; the paper's 1024 if not given."""
    workers: PositiveInt = 2
    """Processes on this machine, one thread each. Start the same command on others to share the work."""
    storage: str | None = None
    """A database that all machines share, postgresql://...; if not given, a journal file in --out."""
    prune: bool = False
    """Stop runs early that are worse than the median of the others at the same step."""
    seed: NonNegativeInt = 0
    """Seed of all runs."""
    out: Path = Path("runs/folk-sweep")
    """A folder for run folders, figures and the table. Finished runs are not repeated."""


PRESETS = {
    "quick": Recipe(
        512, 600, embedding=256, dropout=0.3, lr=3e-3, length=256, transpose=0.3, eval_every=50,
    ),
    "paper": Recipe(
        1024, 2000, embedding=256, dropout=0.0, lr=1e-3, decay=False, weight_decay=0.0, length=400,
        stateful=False, transpose=0.0, clip=5.0, ema_decay=0.0,
    ),
    "best": Recipe(
        512, 1300, layers=2, embedding=256, dropout=0.6, lr=3e-3, length=256, transpose=0.7, eval_every=50,
    ),
    "few": Recipe(
        256, 800, embedding=64, dropout=0.5, lr=4e-3, batch=8, transpose=0.7, ema_decay=0.95, eval_every=20,
    ),
}  # fmt: skip


def complete(config):
    """Settings with the preset's values wherever none is given."""
    preset = config.preset or ("few" if config.data == (BUILTIN,) else "quick")
    return with_eval_size(replace(filled(config, PRESETS[preset]), preset=preset))
