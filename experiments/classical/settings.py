"""The settings of the classical commands: their flags, and the keys of their YAML files."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from experiments.common import options
from experiments.common.kinds import (
    Bpm,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
    Range,
    TopP,
    Units,
)
from experiments.common.options import ComposePieces, NewRun, Quiet, Resume, Sampling, Sound
from experiments.common.recipe import OPTIMISING, Optimising, filled

Preset = Literal["quick", "paper"]
BUILDS = ("baseline", "model1", "model2", "model3", "model4", "model5", "model6", "model7")


@dataclass(frozen=True, kw_only=True)
class Source(Quiet):
    data: tuple[Path, ...] | None = None
    """MIDI files, or folders with them; one with the subfolders train, dev and test is split so. If not
    given, MAESTRO's are downloaded once (56 MB)."""
    limit: PositiveInt | None = None
    """Take this many files, at random but always the same; not with the three subfolders."""
    chords: Literal["normal", "exact"] = "normal"
    """Notes that start together: their pitch classes in normal order, as the paper, or exact pitches."""
    durations: Literal["length", "onset", "none"] = "length"
    """Type of a symbol's length, as the paper; of the time until the next symbol, which keeps the rhythm; or
    none, as the project before it."""
    window: Units = 100
    """Symbols from which the next one is predicted."""


@dataclass(frozen=True, kw_only=True)
class Training(NewRun, Source, Optimising):
    preset: Preset = "quick"
    """quick: a quarter of the units, about a minute each; paper: full size, 200 epochs of RMSprop."""
    width: Annotated[float, Range(above=0, most=100)] | None = None
    """The architecture's units are multiplied by this."""
    head: Literal["flatten", "last"] | None = None
    """What the choice is made from: the outputs at all steps side by side, as in the paper's code, or at the
    last step."""
    conv: Units | None = None
    """Units of the convolutions; if not given, each architecture's own."""
    kernel: Units | None = None
    """Steps that a convolution sees; if not given, each architecture's own (3, and 5 in model7)."""
    input: Literal["one-hot", "number", "embedding", "chroma"] = "one-hot"
    """How a symbol enters: one-hot; as one number, its place in the vocabulary, as the paper; an embedding;
    or one-hot and features of its pitches on the chroma circle and the circle of fifths."""
    embedding: Units = 64
    """Numbers of the embedding."""
    noise: Probability | None = None
    """Share of the symbols of a window that are replaced by any symbol while learning."""
    epochs: PositiveFloat | None = None
    """How often every window is learned; --steps counts instead, if given."""
    eval_size: PositiveInt | None = None
    """Windows by which the best network is chosen, at most, evenly spread; the table takes all."""


@dataclass(frozen=True, kw_only=True)
class Drawing(Sampling):
    top_p: TopP = 0.95
    length: Annotated[int, Range(least=4)] = 200
    """Symbols to compose."""


@dataclass(frozen=True, kw_only=True)
class Playing(Sound, Drawing):
    n: PositiveInt = 1
    """How many pieces."""
    prime: Path | None = None
    """A MIDI file whose beginning is heard first; if not given, windows of test pieces are."""
    bpm: Bpm = 100.0
    """Quarter notes per minute."""


@dataclass(frozen=True, kw_only=True)
class Run(Resume, Training, Playing):
    """Learn with each architecture, evaluate, compose and draw; --resume goes on."""

    architectures: tuple[str, ...] = BUILDS
    """Which architectures: baseline, model1 to model7."""


@dataclass(frozen=True, kw_only=True)
class Train(Resume, Training):
    """Learn with one architecture; Ctrl-C keeps all steps, --resume goes on exactly where it stopped."""

    architecture: str = "model1"
    """baseline, or model1 to model7."""


@dataclass(frozen=True, kw_only=True)
class Search(options.Sweep, Training):
    """All architectures over several seeds, on any number of processes and machines: the paper's Figure 2."""

    architectures: tuple[str, ...] = BUILDS
    """Which architectures: baseline, model1 to model7."""
    seeds: PositiveInt = 3
    """How many times each is trained, with seeds from --seed on."""
    out: Path = Path("runs/classical-search")
    """A folder for run folders, the figure and the table. Finished runs are not repeated."""


@dataclass(frozen=True, kw_only=True)
class Transfer(NewRun, Optimising):
    """Go on with a trained network on other music; with and without what it knows."""

    run: Path
    """Folder of a trained network."""
    data: tuple[Path, ...] | None = None
    """The other music, as for train; if not given, MAESTRO's."""
    limit: PositiveInt | None = None
    """Take this many files."""
    epochs: PositiveFloat | None = None
    """How often every window is learned, if not as often as in the run."""
    freeze: NonNegativeInt = 0
    """This many of the network's layers with weights, from below, stay as they are."""
    scratch: bool = True
    """Also learn the other music from nothing, to compare with."""


@dataclass(frozen=True, kw_only=True)
class Compose(ComposePieces, Playing):
    """Compose with a trained network: MIDI, WAV, piano rolls, and whether it got stuck."""

    data: tuple[Path, ...] | None = None
    """Music for the windows to begin with, if not that of the run."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(Quiet):
    """Evaluate trained networks: loss, accuracy, the paper's formula, n-grams."""

    runs: tuple[Path, ...]
    """Folders of trained networks, or of runs of several."""
    data: tuple[Path, ...] | None = None
    """Other music than that of the runs."""
    out: Path | None = None
    """A folder for the table and the figures; if not given, that of the first run."""


PRESETS = {
    "quick": OPTIMISING | dict(
        width=0.25, head="last", epochs=6.0, noise=0.0, eval_size=600, batch=64, transpose=0.0,
    ),
    "paper": OPTIMISING | dict(
        width=1.0, head="flatten", epochs=200.0, noise=0.0, eval_size=5000, optimizer="rmsprop", lr=1e-3,
        decay=False, weight_decay=0.0, batch=100, transpose=0.0, clip=5.0, ema_decay=0.0,
    ),
}  # fmt: skip


def complete(config):
    """Settings with the preset's values wherever none is given."""
    return filled(config, PRESETS[config.preset])


def counted(config, windows):
    """Complete settings with their numbers of steps, for so many windows to learn from.

    An evaluation comes after each epoch, and at least twenty times in all.
    """
    each = max(1, windows // config.batch)
    steps = config.steps or max(1, round(config.epochs * each))
    often = config.eval_every or max(1, min(each, -(-steps // 20)))
    return replace(config, steps=steps, eval_every=often)
