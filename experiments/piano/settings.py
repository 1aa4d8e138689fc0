"""The settings of the piano commands: their flags, and the keys of their YAML files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.common.kinds import Bpm, NonNegativeInt, PositiveFloat, PositiveInt, Temperature
from experiments.common.options import ComposePieces, NewRun, Quiet, Resume, Sampling, Seed, Sound
from experiments.common.recipe import LEARNING, Learning, Share, filled, with_eval_size

Preset = Literal["quick", "paper"]
Model = Literal["rnn", "gru", "lstm", "attention", "vector-attention"]
Split = Literal["piece", "maestro"]
PAPER_MODELS = ("rnn", "lstm", "attention")


@dataclass(frozen=True, kw_only=True)
class Source(Quiet):
    data: tuple[Path, ...] | None = None
    """MIDI files, or folders with them; if not given, MAESTRO's are downloaded once (56 MB)."""
    limit: PositiveInt | None = None
    """Take this many performances, at random but always the same."""
    split: Split = "piece"
    """piece: a tenth of the pieces for testing, another for validation, all files of a piece on one side;
    maestro: as in MAESTRO's own table."""
    pedal: bool = False
    """Let the sustain pedal lengthen notes."""
    grid_bpm: PositiveFloat | None = None
    """Count sixteenth notes at this many quarter notes per minute, whatever the file says; for performances
    that follow no beat."""


@dataclass(frozen=True, kw_only=True)
class Training(NewRun, Source, Learning):
    preset: Preset = "quick"
    """quick: minutes; paper: 512 units, one-hot input, batches of 64, Adam at 1e-3, no regularisation."""
    stretch: Share | None = None
    """Probability with which a piece is learned up to 5 % slower or faster than it was played."""


@dataclass(frozen=True, kw_only=True)
class Drawing(Sampling):
    duration_temperature: Temperature | None = None
    """The temperature of durations; if not given, that of notes."""
    top_k: PositiveInt | None = 30
    bars: PositiveInt = 16
    """Bars to compose, the given ones not counted."""


@dataclass(frozen=True, kw_only=True)
class Playing(Sound, Drawing):
    n: PositiveInt = 3
    """How many pieces."""
    prime: Path | None = None
    """A MIDI file that the pieces begin with."""
    prime_bars: PositiveInt = 4
    """This many bars of it."""
    bpm: Bpm | None = None
    """Quarter notes per minute; if not given, as many as the grid assumes, or 120."""


@dataclass(frozen=True, kw_only=True)
class Run(Resume, Training, Playing):
    """Learn with each network, evaluate, compose and draw; --resume goes on."""

    models: tuple[Model, ...] = PAPER_MODELS
    """Which networks: rnn, gru, lstm, attention (one score per step, as in Raffel & Ellis), vector-attention
    (one score per unit, as the paper writes it)."""
    seeds: PositiveInt = 1
    """How many times each is trained, with seeds from --seed on."""


@dataclass(frozen=True, kw_only=True)
class Train(Resume, Training):
    """Learn with one network; Ctrl-C keeps all steps, --resume goes on exactly where it stopped."""

    model: Model = "lstm"
    """rnn, gru, lstm, attention or vector-attention."""


@dataclass(frozen=True, kw_only=True)
class Compose(ComposePieces, Playing):
    """Compose with a trained network: MIDI, WAV, piano rolls, and what attention looked at."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(Seed, Source, Drawing):
    """Evaluate trained networks: the paper's Figure 5 as a table, with cross-entropy and n-grams."""

    runs: tuple[Path, ...]
    """Folders of trained networks, or of runs of several."""
    n: NonNegativeInt = 0
    """Pieces that each network composes, to be measured beside those of people; 0 for none."""
    out: Path | None = None
    """A folder for the table and the figure; if not given, that of the first run."""


PRESETS = {
    "quick": LEARNING | dict(
        hidden=512, steps=900, embedding=128, dropout=0.3, lr=3e-3, batch=64, stretch=0.3, eval_every=50,
    ),
    "paper": LEARNING | dict(
        hidden=512, steps=2000, dropout=0.0, lr=1e-3, decay=False, weight_decay=0.0, batch=64, transpose=0.0,
        stretch=0.0, ema_decay=0.0,
    ),
}  # fmt: skip


def complete(config):
    """Settings with the preset's values wherever none is given."""
    return with_eval_size(filled(config, PRESETS[config.preset]))
