"""The settings of the classical commands: their flags, and the keys of their YAML files."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from experiments.common.recipe import Optimising, Probability, filled
from experiments.common.settings import NonNegativeInt, PositiveFloat, PositiveInt, Range, Units

Preset = Literal["quick", "paper"]
Build = Literal["baseline", "model1", "model2", "model3", "model4", "model5", "model6", "model7"]
BUILDS = ("baseline", "model1", "model2", "model3", "model4", "model5", "model6", "model7")
Engine = Literal["auto", "built-in", "fluidsynth", "symusic"]
Temperature = Annotated[float, Range(least=0.05, most=20)]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the music comes from, and how it is written down."""

    data: tuple[Path, ...] | None = None
    """MIDI files, or folders with them; one with the subfolders train, dev and test is shared out so. If not
    given, MAESTRO's are downloaded once (56 MB)."""
    limit: PositiveInt | None = None
    """Take so many files, at random but always the same; not with the three subfolders."""
    chords: Literal["normal", "exact"] = "normal"
    """Notes that start together: their pitch classes in normal order, as the paper, or exact pitches."""
    durations: Literal["length", "onset", "none"] = "length"
    """Type of a symbol's length, as the paper; of the time until the next symbol, which keeps the rhythm; or
    none, as the project before it."""
    window: Units = 100
    """Symbols from which the next one is predicted."""
    quiet: bool = False
    """No progress bar."""


@dataclass(frozen=True, kw_only=True)
class Training(Source, Optimising):
    """How networks learn. What is not given comes from the preset."""

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
    out: Path | None = None
    """The run folder; if not given, runs/classical-DATE-TIME."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How symbols are drawn."""

    temperature: Temperature = 1.0
    """1 draws as the network predicts; below 1, likelier symbols; above, wilder ones."""
    top_k: PositiveInt | None = None
    """Only the so many likeliest; 1 always takes the likeliest, as the paper."""
    top_p: Annotated[float, Range(least=0.01, most=1)] = 0.95
    """Only the likeliest that make up this probability."""
    length: Annotated[int, Range(least=4)] = 200
    """Symbols to compose."""


@dataclass(frozen=True, kw_only=True)
class Playing(Drawing):
    """What is composed, and how it sounds."""

    n: PositiveInt = 1
    """How many pieces."""
    prime: Path | None = None
    """A MIDI file whose beginning is heard first; if not given, windows of test pieces are."""
    bpm: Annotated[float, Range(least=20, most=400)] = 100.0
    """Quarter notes a minute."""
    engine: Engine = "auto"
    """What renders the WAV: a sampled instrument where one is installed, else the built-in one."""


@dataclass(frozen=True, kw_only=True)
class Run(Training, Playing):
    """Everything: learn, judge, compose, draw."""

    architectures: tuple[str, ...] = BUILDS
    """Which architectures: baseline, model1 to model7."""
    resume: Path | None = None
    """Go on with this run, with its own settings."""


@dataclass(frozen=True, kw_only=True)
class Train(Training):
    """Learning only, one architecture."""

    architecture: str = "model1"
    """baseline, or model1 to model7."""
    resume: Path | None = None
    """Go on with this run, with its own settings."""


@dataclass(frozen=True, kw_only=True)
class Search(Training):
    """All architectures over several seeds, shared by processes and machines."""

    architectures: tuple[str, ...] = BUILDS
    """Which architectures: baseline, model1 to model7."""
    seeds: PositiveInt = 3
    """How many times each is trained, with seeds that follow on --seed."""
    workers: PositiveInt = 2
    """Processes on this machine, one thread each. Start the same command on others to share the work."""
    storage: str | None = None
    """A database that all machines share, postgresql://...; if not given, a journal file in --out."""
    out: Path = Path("runs/classical-search")
    """A folder for run folders, the figure and the table. Finished runs are not repeated."""


@dataclass(frozen=True, kw_only=True)
class Transfer(Optimising):
    """Going on, on other music."""

    run: Path
    """Folder of a trained network."""
    data: tuple[Path, ...] | None = None
    """The other music, as for train; if not given, MAESTRO's."""
    limit: PositiveInt | None = None
    """Take so many files."""
    epochs: PositiveFloat | None = None
    """How often every window is learned, if not as often as in the run."""
    freeze: NonNegativeInt = 0
    """So many of the network's layers with weights, from below, stay as they are."""
    scratch: bool = True
    """Also learn the other music from nothing, to compare with."""
    quiet: bool = False
    """No progress bar."""
    out: Path | None = None
    """The run folder; if not given, runs/classical-DATE-TIME."""


@dataclass(frozen=True, kw_only=True)
class Compose(Playing):
    """Composing with a trained network."""

    run: Path
    """Folder of a trained network, or its best.safetensors."""
    data: tuple[Path, ...] | None = None
    """Music for the windows to begin with, if not that of the run."""
    seed: NonNegativeInt = 0
    """Seed of the draws."""
    out: Path | None = None
    """Folder for the pieces; if not given, composed-1, -2, ... in the run folder, the first that is free."""
    wav: bool = True
    """Whether to write sound, too."""
    quiet: bool = False
    """No progress bar."""
    overwrite: bool = False
    """Replace files of these names."""


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Judging trained networks."""

    runs: tuple[Path, ...]
    """Folders of trained networks, or of runs of several."""
    data: tuple[Path, ...] | None = None
    """Other music than that of the runs."""
    quiet: bool = False
    """No progress bar."""
    out: Path | None = None
    """A folder for the table and the figures; if not given, that of the first run."""


@dataclass(frozen=True)
class ClassicalRecipe:
    """What `Training` leaves open; the same names."""

    width: float = 1.0
    head: str = "last"
    epochs: float = 6.0
    noise: float = 0.0
    eval_size: int = 600
    optimizer: str = "adam"
    lr: float = 2e-3
    decay: bool = True
    weight_decay: float = 0.01
    batch: int = 64
    transpose: float = 0.0
    clip: float = 1.0
    ema_decay: float = 0.99
    patience: int = 0


PRESETS = {
    "quick": ClassicalRecipe(width=0.25),
    "paper": ClassicalRecipe(
        head="flatten", epochs=200.0, eval_size=5000, optimizer="rmsprop", lr=1e-3, decay=False,
        weight_decay=0.0, batch=100, clip=5.0, ema_decay=0.0,
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
