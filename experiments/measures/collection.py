"""The pieces of a folder or file; what cannot be read is listed, not fatal.

Not by encoders/midi_collection.py, which keeps one of several equal files: that a network has composed one
piece ten times has to be seen.
"""

import os
from pathlib import Path
from typing import NamedTuple

from encoders.abc_collection import read_collection
from encoders.midi import MidiError, read_midi
from experiments.errors import UserError
from experiments.progress import Progress

MIDI_SUFFIXES = (".mid", ".midi")
MOST_NOTES, MOST_BARS = 200_000, 20_000  # of a piece: far beyond music, and measured in a second


class Pieces(NamedTuple):
    """What was found.

    scores : list of Score
    dropped : list of (where, why), both str
    """

    scores: list
    dropped: list


def read_pieces(path, quiet=False):
    """All pieces in a folder, at any depth: MIDI files (.mid, .midi), and the tunes in ABC files (.abc).

    Parameters
    ----------
    path : Path of a folder, or of one such file
    quiet : bool
        No progress bar.

    Returns
    -------
    Pieces

    Raises
    ------
    UserError
        If there is no such path, or nothing in it that can be read.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    files = _midi_files(path)
    scores, dropped = [], []
    with Progress(len(files), f"reading {path.name}", "file", quiet or not files) as bar:
        for file in files:
            try:
                if not file.is_file():
                    raise ValueError("not a file")
                scores.append(_checked(read_midi(file)))
            except MidiError as error:
                dropped.append((str(file), str(error).removeprefix(f"cannot read {file} as MIDI: ")))
            except OSError as error:
                dropped.append((str(file), f"cannot be read ({error.strerror})"))
            except ValueError as error:
                dropped.append((str(file), str(error)))
            bar.update(1)
    if path.is_dir() or not files:
        tunes = read_collection([path])
        dropped += [(f"{file}, line {line}" if line else str(file), why) for file, line, why in tunes.dropped]
        for file, line, tune in tunes.kept:
            try:
                scores.append(_checked(tune.score()))
            except ValueError as error:
                dropped.append((f"{file}, line {line}", str(error)))
    if not scores:
        reason = f"; {len(dropped)} left out, the first: {dropped[0][1]}" if dropped else ""
        raise UserError(f"{path}: expected music (.mid, .midi, .abc), found none that can be read{reason}")
    return Pieces(scores, dropped)


def _midi_files(path):
    """The path itself if it is a MIDI file's, or all MIDI files below it."""
    if not path.is_dir():
        return [path] if path.suffix.lower() in MIDI_SUFFIXES else []
    found = []
    for folder, folders, names in os.walk(path):  # does not follow links, which might go round
        folders.sort()
        found += [Path(folder, name) for name in sorted(names) if name.lower().endswith(MIDI_SUFFIXES)]
    return found


def _checked(score):
    """The score; a ValueError if it is no music of a size that can be measured."""
    notes = sum(len(track.notes) for track in score.tracks)
    if notes == 0:
        raise ValueError("no notes in it")
    if notes > MOST_NOTES:
        raise ValueError(f"{notes:,} notes, more than {MOST_NOTES:,}")
    bars = len(score.bar_lines()) - 1
    if bars > MOST_BARS:
        raise ValueError(f"{bars:,} bars, more than {MOST_BARS:,}")
    return score
