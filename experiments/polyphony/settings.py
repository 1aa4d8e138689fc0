"""The settings of the polyphony commands: their flags, and the keys of their YAML files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from experiments.common.settings import (
    Layers,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Range,
    Units,
)

SetName = Literal["jsb", "nottingham", "muse", "piano"]
Cell = Literal["lstm", "gru", "rnn"]
Probability = Annotated[float, Range(least=0, below=1)]
Semitones = Annotated[int, Range(least=0, most=11)]
Engine = Literal["auto", "built-in", "fluidsynth", "symusic"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the music comes from."""

    data: Path | None = None
    """A .mat file of the set, or a folder with one; if not given, it is downloaded once."""
    quiet: bool = False
    """No progress bar."""


@dataclass(frozen=True, kw_only=True)
class Training(Source):
    """A network and how it learns. What is not given comes from the recipe of the set and the cell."""

    set: SetName = "jsb"
    """JSB Chorales, Nottingham, MuseData or Piano-midi.de."""
    cell: Cell = "lstm"
    """The recurrent layer: lstm, gru, or rnn (tanh)."""
    hidden: Units | None = None
    """Units of each recurrent layer."""
    layers: Layers | None = None
    """Recurrent layers, one above the other."""
    dropout: Probability | None = None
    """Share of the outputs of a recurrent layer that is dropped while learning."""
    input_dropout: Probability | None = None
    """Share of the notes that are dropped from the input while learning."""
    input_scale: PositiveFloat | None = None
    """Standard deviation of the first weights from the inputs."""
    lr: PositiveFloat | None = None
    """Adam's learning rate, at first; it falls along half a cosine."""
    weight_decay: NonNegativeFloat | None = None
    """Decoupled: each step shrinks the weights by the learning rate times this."""
    batch: Units | None = None
    """Pieces, or windows of pieces, in a batch."""
    window: NonNegativeInt | None = None
    """Learn from windows of so many frames; 0 for whole pieces."""
    epochs: PositiveInt | None = None
    """How often all pieces are learned from, at most."""
    patience: PositiveInt | None = None
    """Stop after so many epochs without a better validation loss."""
    transpose: Semitones | None = None
    """Move each piece by up to so many semitones, up or down, whenever it is learned from."""
    clip: PositiveFloat | None = None
    """Largest norm of the gradient."""
    ema_decay: Probability | None = None
    """Decay of the moving average of the weights that is evaluated and kept; 0 for the weights themselves."""
    seed: NonNegativeInt = 0
    """Seed of the weights, the order of pieces, dropout, and what is composed."""
    out: Path | None = None
    """The run folder; if not given, runs/polyphony-DATE-TIME."""
    overwrite: bool = False
    """Write into a run folder that is there already."""


@dataclass(frozen=True, kw_only=True)
class Playing:
    """How composed music comes about and sounds."""

    frames: Annotated[int, Range(least=1, most=5000)] = 96
    """Frames to compose, after the given ones."""
    prime: PositiveInt = 1
    """The test piece whose beginning is heard first, counted from 1."""
    prime_frames: PositiveInt = 8
    """How many of its frames."""
    temperature: Annotated[float, Range(least=0.05, most=20)] = 1.0
    """1 draws as the network predicts; below 1, notes are likelier ones and fewer; above, wilder and more."""
    bpm: Annotated[float, Range(least=20, most=400)] = 90.0
    """Quarter notes a minute."""
    engine: Engine = "auto"
    """What renders the WAV: a sampled piano where one is installed, else the built-in instrument."""


@dataclass(frozen=True, kw_only=True)
class Run(Training, Playing):
    """Everything: learn, judge, draw, compose."""


@dataclass(frozen=True, kw_only=True)
class Train(Training):
    """Learning only."""

    resume: Path | None = None
    """Go on with this run, with its own settings."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(Source):
    """Judging a trained run."""

    run: Path
    """Folder of a trained run."""


@dataclass(frozen=True, kw_only=True)
class Compose(Source, Playing):
    """Composing with a trained run."""

    run: Path
    """Folder of a trained run."""
    seed: NonNegativeInt = 0
    """Seed of the draws."""
    out: Path | None = None
    """The MIDI file; WAV, PNG and JSON get the same name. If not given, composed-1.mid, -2, ... in the run
    folder, the first that is free."""
    wav: bool = True
    """Whether to write sound, too."""
    overwrite: bool = False
    """Replace files of these names."""


@dataclass(frozen=True, kw_only=True)
class Table(Source):
    """All cells on several sets with several seeds."""

    sets: tuple[SetName, ...] = ("jsb", "nottingham")
    """The sets."""
    cells: tuple[Cell, ...] = ("lstm", "gru", "rnn")
    """The cells, each with the recipe of the set."""
    seeds: PositiveInt = 3
    """Networks of each kind, with seeds from --seed on."""
    seed: NonNegativeInt = 0
    """The first seed."""
    epochs: PositiveInt | None = None
    """Epochs at most; if not given, the recipe's number."""
    workers: PositiveInt | None = None
    """Processes side by side; if not given, one for each core."""
    out: Path = Path("runs/polyphony-table")
    """A folder with a run folder for each network. Runs that are finished there are not repeated."""
