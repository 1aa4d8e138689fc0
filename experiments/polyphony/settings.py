"""The settings of the polyphony commands: their flags, and the keys of their YAML files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from experiments.common.kinds import (
    Bpm,
    Layers,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
    Range,
    Temperature,
    Units,
    WeightDecay,
)
from experiments.common.options import ComposePiece, NewRun, Quiet, Resume, Sound

SetName = Literal["jsb", "nottingham", "muse", "piano"]
Cell = Literal["lstm", "gru", "rnn"]
Semitones = Annotated[int, Range(least=0, most=11)]


@dataclass(frozen=True, kw_only=True)
class Source(Quiet):
    data: Path | None = None
    """A .mat file of the set, or a folder with one; if not given, it is downloaded once."""


@dataclass(frozen=True, kw_only=True)
class Training(NewRun, Source):
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
    weight_decay: WeightDecay | None = None
    """Decoupled: each step shrinks the weights by the learning rate times this."""
    batch: Units | None = None
    """Pieces, or windows of pieces, in a batch."""
    window: NonNegativeInt | None = None
    """Learn from windows of so many frames; 0 for whole pieces."""
    epochs: PositiveInt | None = None
    """How often all pieces are learned from, at most."""
    patience: PositiveInt | None = None
    """Stop after this many epochs without a better validation loss."""
    transpose: Semitones | None = None
    """Move each piece by up to so many semitones, up or down, whenever it is learned from."""
    clip: PositiveFloat | None = None
    """Largest norm of the gradient."""
    ema_decay: Probability | None = None
    """Decay of the moving average of the weights that is evaluated and kept; 0 for the weights themselves."""
    seed: NonNegativeInt = 0
    """Seed of the weights, the order of pieces, dropout, and what is composed."""


@dataclass(frozen=True, kw_only=True)
class Playing(Sound):
    frames: Annotated[int, Range(least=1, most=5000)] = 96
    """Frames to compose, after the given ones."""
    prime: PositiveInt = 1
    """The test piece whose beginning is heard first, counted from 1."""
    prime_frames: PositiveInt = 8
    """How many of its frames."""
    temperature: Temperature = 1.0
    """1 samples as the network predicts; below 1, fewer and likelier notes; above, more and wilder ones."""
    bpm: Bpm = 90.0
    """Quarter notes per minute."""


@dataclass(frozen=True, kw_only=True)
class Run(Training, Playing):
    """Learn, evaluate, draw and compose: everything, in a few minutes."""


@dataclass(frozen=True, kw_only=True)
class Train(Resume, Training):
    """Learn one set with one cell; Ctrl-C keeps all whole epochs, --resume goes on."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(Source):
    """Evaluate a trained network: nats per frame, beside simple models and published numbers."""

    run: Path
    """Folder of a trained run."""


@dataclass(frozen=True, kw_only=True)
class Compose(ComposePiece, Source, Playing):
    """Compose with a trained network: MIDI, WAV and a piano roll."""


@dataclass(frozen=True, kw_only=True)
class Table(Source):
    """Several seeds of all cells on several sets, as a Markdown table; finished runs are not repeated."""

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
