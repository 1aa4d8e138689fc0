"""The settings of the piano commands: their flags, and the keys of their YAML files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from experiments.common.recipe import Learning, Recipe, Share, filled, with_eval_size
from experiments.common.settings import NonNegativeInt, PositiveFloat, PositiveInt, Range

Preset = Literal["quick", "paper"]
Model = Literal["rnn", "gru", "lstm", "attention", "vector-attention"]
Engine = Literal["auto", "built-in", "fluidsynth", "symusic"]
Split = Literal["piece", "maestro"]
Temperature = Annotated[float, Range(least=0.05, most=20)]
PAPER_MODELS = ("rnn", "lstm", "attention")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the music comes from, and how it is written down."""

    data: tuple[Path, ...] | None = None
    """MIDI files, or folders with them; if not given, MAESTRO's are downloaded once (56 MB)."""
    limit: PositiveInt | None = None
    """Take so many performances, at random but always the same."""
    split: Split = "piece"
    """piece: a tenth of the pieces to judge by, another to choose by, as files of one piece stay together;
    maestro: as MAESTRO's own table says."""
    pedal: bool = False
    """Let the sustain pedal lengthen notes."""
    grid_bpm: PositiveFloat | None = None
    """Count sixteenth notes at so many quarter notes a minute, whatever the file says; for performances that
    follow no beat."""
    quiet: bool = False
    """No progress bar."""


@dataclass(frozen=True, kw_only=True)
class Training(Source, Learning):
    """A network and how it learns. What is not given comes from the preset."""

    preset: Preset = "quick"
    """quick: minutes; paper: 512 units, one-hot input, batches of 64, Adam at 1e-3, no regularisation."""
    stretch: Share | None = None
    """Probability with which a piece is learned up to 5 % slower or faster than it was played."""
    out: Path | None = None
    """The run folder; if not given, runs/piano-DATE-TIME."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How notes are drawn."""

    temperature: Temperature = 1.0
    """Of notes: 1 draws as the network predicts; below 1, likelier notes; above, wilder ones."""
    duration_temperature: Temperature | None = None
    """Of durations; as of notes if not given."""
    top_k: PositiveInt | None = 30
    """Only the so many likeliest."""
    top_p: Annotated[float, Range(least=0.01, most=1)] = 1.0
    """Only the likeliest that make up this probability."""
    bars: PositiveInt = 16
    """Bars to compose, the given ones not counted."""


@dataclass(frozen=True, kw_only=True)
class Playing(Drawing):
    """What is composed, and how it sounds."""

    n: PositiveInt = 3
    """How many pieces."""
    prime: Path | None = None
    """A MIDI file that the pieces begin with."""
    prime_bars: PositiveInt = 4
    """So many bars of it."""
    bpm: Annotated[float, Range(least=20, most=400)] | None = None
    """Quarter notes a minute; if not given, as many as the grid assumes, or 120."""
    engine: Engine = "auto"
    """What renders the WAV: a sampled instrument where one is installed, else the built-in one."""


@dataclass(frozen=True, kw_only=True)
class Run(Training, Playing):
    """Everything: learn, judge, compose, draw."""

    models: tuple[Model, ...] = PAPER_MODELS
    """Which networks: rnn, gru, lstm, attention (one score a step, as Raffel & Ellis), vector-attention (one
    score for each unit, as the paper writes it)."""
    seeds: PositiveInt = 1
    """How many times each is trained, with seeds that follow on --seed."""
    resume: Path | None = None
    """Go on with this run, with its own settings."""


@dataclass(frozen=True, kw_only=True)
class Train(Training):
    """Learning only, one network."""

    model: Model = "lstm"
    """rnn, gru, lstm, attention or vector-attention."""
    resume: Path | None = None
    """Go on with this run, with its own settings."""


@dataclass(frozen=True, kw_only=True)
class Compose(Playing):
    """Composing with a trained network."""

    run: Path
    """Folder of a trained network, or its best.safetensors."""
    seed: NonNegativeInt = 0
    """Seed of the draws."""
    out: Path | None = None
    """Folder for the pieces; if not given, composed-1, -2, ... in the run folder, the first that is free."""
    wav: bool = True
    """Whether to write sound, too."""
    overwrite: bool = False
    """Replace files of these names."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(Source, Drawing):
    """Judging trained networks."""

    runs: tuple[Path, ...]
    """Folders of trained networks, or of runs of several."""
    n: NonNegativeInt = 0
    """Pieces that each network composes, to be measured beside those of people; 0 for none."""
    seed: NonNegativeInt = 0
    """Seed of the draws."""
    out: Path | None = None
    """A folder for the table and the figure; if not given, that of the first run."""


@dataclass(frozen=True)
class PianoRecipe(Recipe):
    """What `Training` leaves open; the same names."""

    stretch: float = 0.0


PRESETS = {
    "quick": PianoRecipe(
        512, 900, embedding=128, dropout=0.3, lr=3e-3, batch=64, length=128, transpose=0.5, stretch=0.3,
        eval_every=50,
    ),
    "paper": PianoRecipe(
        512, 2000, dropout=0.0, lr=1e-3, decay=False, weight_decay=0.0, batch=64, length=128, transpose=0.0,
        ema_decay=0.0, eval_every=100,
    ),
}  # fmt: skip


def complete(config):
    """Settings with the preset's values wherever none is given."""
    return with_eval_size(filled(config, PRESETS[config.preset]))
