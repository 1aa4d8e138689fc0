"""The settings of the command: its flags, and the keys of its YAML file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.common.kinds import NonNegativeInt, PositiveInt
from experiments.common.options import NewRun


@dataclass(frozen=True, kw_only=True)
class Compare(NewRun):
    """Compare sets of pieces with a reference."""

    sets: tuple[Path, ...]
    """Folders of MIDI or ABC files, or single files: each is a set, and a run folder one for each source."""
    reference: Path | None = None
    """The folder to compare with: human pieces that no network learned from (of a run, its human ones)."""
    bars: PositiveInt | None = None
    """Measure only so many bars of each piece, from its first note on."""
    steps_per_beat: PositiveInt | None = None
    """Move all notes to a grid of so many steps in a quarter note: performances beside quantised music."""
    line: Literal["highest", "notes"] = "highest"
    """The next note after a note: of what begins together the highest, or each note in turn as mgeval."""
    splits: PositiveInt = 10
    """How many times the reference is divided into random halves."""
    seed: NonNegativeInt = 0
    """Seed of the halves."""

    def __post_init__(self):
        if self.reference is None:
            raise ValueError("--reference: expected a folder to compare with")
        if not self.sets:
            raise ValueError("expected at least one folder of pieces beside --reference")
