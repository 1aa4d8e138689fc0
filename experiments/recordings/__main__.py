"""Recordings small enough to send or to publish: the command line.

The sound that an experiment wrote as WAV becomes MP3, Ogg Vorbis or FLAC, a tenth of its size.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.common.command_line import Program
from experiments.common.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Compress:
    """Write each WAV file anew, compressed, under its own name."""

    wav: tuple[Path, ...]
    """WAV files."""
    kind: Literal["mp3", "ogg", "flac"] = "mp3"
    """mp3 plays everywhere; ogg is a little better at its size; flac loses nothing."""
    out: Path | None = None
    """Folder for the recordings; if not given, each goes beside its WAV file."""
    overwrite: bool = False
    """Replace files of these names."""


def compress(config):
    """`compress`."""
    from encoders.audio.compression import compress as write

    pairs = [(wav, (config.out or wav.parent) / f"{wav.stem}.{config.kind}") for wav in config.wav]
    expect_possible(pairs, config.overwrite)
    if config.out:
        config.out.mkdir(parents=True, exist_ok=True)
    for wav, path in pairs:
        try:
            write(wav, path)
        except ValueError as error:
            raise UserError(str(error)) from None
        print(f"{path}, {path.stat().st_size / 1e6:.2f} MB")


def expect_possible(pairs, overwrite):
    """A UserError before anything is written: no such sound, a name that is taken, two of one name."""
    taken = set()
    for wav, path in pairs:
        if not wav.is_file():
            raise UserError(f"no such file: {wav}")
        if path.is_dir() or path.exists() and not overwrite:
            raise UserError(f"{path} is there already; choose another --out or ask to --overwrite it")
        if path in taken:
            raise UserError(f"two recordings would be called {path}; give them one --out each")
        taken.add(path)


program = Program(
    "recordings",
    "WAV files as MP3, Ogg Vorbis or FLAC, to send or to publish.",
    """
    python -m experiments.recordings runs/blues-20260101-120000/composed.wav
    python -m experiments.recordings runs/folk-20260101-120000/tunes/*.wav --kind ogg --out sent""",
    {Compress: compress},
)

if __name__ == "__main__":
    sys.exit(program.main())
