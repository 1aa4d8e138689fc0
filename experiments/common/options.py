"""Settings that several commands have."""

from dataclasses import dataclass
from pathlib import Path

from experiments.common.kinds import Engine, NonNegativeInt, PositiveInt, Temperature, TopP


@dataclass(frozen=True, kw_only=True)
class Quiet:
    quiet: bool = False
    """No progress bar."""


@dataclass(frozen=True, kw_only=True)
class Seed:
    seed: NonNegativeInt = 0
    """Seed of the draws."""


@dataclass(frozen=True, kw_only=True)
class Overwrite:
    overwrite: bool = False
    """Replace files of these names."""


@dataclass(frozen=True, kw_only=True)
class NewRun(Quiet):
    out: Path | None = None
    """The run folder; if not given, a new one in runs/, named after the command and the time."""
    overwrite: bool = False
    """Write into a run folder that is there already."""


@dataclass(frozen=True, kw_only=True)
class Resume:
    resume: Path | None = None
    """Go on with this run, with its own settings."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    temperature: Temperature = 1.0
    """1 samples as the network predicts; lower values favour the likely and make fewer mistakes; higher ones
    are wilder."""
    top_k: PositiveInt | None = None
    """Sample from the k likeliest only; 1 always takes the likeliest."""
    top_p: TopP = 1.0
    """Sample from the likeliest that make up this probability only."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    engine: Engine = "auto"
    """What renders the WAV: a sampled instrument where one is installed, else the built-in one."""


@dataclass(frozen=True, kw_only=True)
class Wav:
    wav: bool = True
    """Whether to write sound, too."""


@dataclass(frozen=True, kw_only=True)
class ComposePiece(Seed, Wav, Overwrite, Quiet):
    run: Path
    """Folder of a trained run."""
    out: Path | None = None
    """The MIDI file; WAV, PNG and JSON get the same name. If not given, composed-1.mid, -2, ... in the run
    folder, the first that is free."""


@dataclass(frozen=True, kw_only=True)
class ComposePieces(Seed, Wav, Overwrite, Quiet):
    run: Path
    """Folder of a trained network, or its best.safetensors."""
    out: Path | None = None
    """Folder for the pieces; if not given, composed-1, -2, ... in the run folder, the first that is free."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    workers: PositiveInt = 2
    """Processes on this machine, one thread each. Start the same command on others to share the work."""
    storage: str | None = None
    """A database that all machines share, postgresql://...; if not given, a journal file in --out."""
