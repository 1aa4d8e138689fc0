"""The settings of the folk commands: their flags, and the keys of their YAML files."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from experiments.settings import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Range

Preset = Literal["quick", "paper", "best"]
Optimizer = Literal["sgd", "momentum", "adagrad", "rmsprop", "adam"]
Probability = Annotated[float, Range(least=0, below=1)]
Share = Annotated[float, Range(least=0, most=1)]
Engine = Literal["auto", "built-in", "fluidsynth", "symusic"]
Axis = Literal["optimizer", "hidden", "lr", "length", "batch"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the tunes come from."""

    data: tuple[Path, ...] | None = None
    """Files of ABC tunes, or folders with them; if not given, the Irish set is downloaded once."""
    quiet: bool = False
    """No progress bar."""


@dataclass(frozen=True, kw_only=True)
class Training(Source):
    """A network and how it learns. What is not given comes from the preset."""

    preset: Preset = "quick"
    """quick: a few minutes; paper: the settings of the paper; best: what did best on held-out tunes."""
    hidden: PositiveInt | None = None
    """Units of each LSTM layer."""
    layers: PositiveInt | None = None
    """LSTM layers, one above the other."""
    embedding: NonNegativeInt | None = None
    """Numbers by which a character is embedded; 0 for none."""
    dropout: Probability | None = None
    """Share of the outputs of each LSTM layer that is dropped while learning."""
    optimizer: Optimizer | None = None
    """sgd, momentum (0.9), adagrad, rmsprop or adam."""
    lr: PositiveFloat | None = None
    """The learning rate, at first."""
    decay: bool | None = None
    """Let the learning rate rise over the first steps and fall along half a cosine."""
    weight_decay: NonNegativeFloat | None = None
    """Adam only, decoupled: each step shrinks the weights by the learning rate times this."""
    batch: PositiveInt | None = None
    """Sequences side by side."""
    length: PositiveInt | None = None
    """Characters of a sequence, from which one step learns."""
    streams: bool | None = None
    """Go through all tunes and carry the state from one sequence to the next; else windows anywhere."""
    transpose: Share | None = None
    """Probability with which a tune is learned in another key than its own."""
    steps: PositiveInt | None = None
    """Steps in all."""
    clip: PositiveFloat | None = None
    """Largest norm of the gradient."""
    average: Probability | None = None
    """A running mean of the weights is judged and kept; this part of it stays at each step, 0 for no mean."""
    patience: NonNegativeInt | None = None
    """Stop after so many judgements without a better one; 0 for never."""
    judge_every: PositiveInt | None = None
    """Steps from one judgement by held-out tunes to the next."""
    save_every: PositiveInt = 100
    """Steps from one checkpoint to the next."""
    keep: NonNegativeInt = 0
    """How many earlier checkpoints stay."""
    seed: NonNegativeInt = 0
    """Seed of the weights, the order of tunes, dropout, and what is composed."""
    out: Path | None = None
    """The run folder; if not given, runs/folk-DATE-TIME."""
    overwrite: bool = False
    """Write into a run folder that is there already."""


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
    """Folder for the tunes; if not given, composed-SEED in the run folder."""
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
class Render(Source):
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


@dataclass(frozen=True)
class Recipe:
    """What `Training` leaves open; the same names."""

    hidden: int
    steps: int
    layers: int = 1
    embedding: int = 0
    dropout: float = 0.5
    optimizer: str = "adam"
    lr: float = 2e-3
    decay: bool = True
    weight_decay: float = 0.01
    batch: int = 32
    length: int = 128
    streams: bool = True
    transpose: float = 0.5
    clip: float = 1.0
    average: float = 0.99
    patience: int = 0
    judge_every: int = 100


PRESETS = {
    "quick": Recipe(512, 1500, dropout=0.3, lr=3e-3),
    "paper": Recipe(
        1024, 2000, embedding=256, dropout=0.0, lr=1e-3, decay=False, weight_decay=0.0, length=400,
        streams=False, transpose=0.0, clip=5.0, average=0.0,
    ),
    "best": Recipe(512, 6000, layers=2, judge_every=200),
}  # fmt: skip


def complete(config):
    """Settings with the preset's values wherever none is given."""
    recipe = asdict(PRESETS[config.preset])
    return replace(config, **{k: v for k, v in recipe.items() if getattr(config, k) is None})
