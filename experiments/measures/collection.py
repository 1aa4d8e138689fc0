"""The pieces of a folder or file; what cannot be read is listed, not fatal.

Not by encoders/midi/collection.py, which keeps one of several equal files: that a network has composed one
piece ten times has to be seen.
"""

import os
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from encoders.abc.collection import read_collection
from encoders.midi import MidiError, MidiWarning, read_midi
from encoders.midi.collection import SUFFIXES as MIDI_SUFFIXES
from experiments.common.errors import UserError
from experiments.common.progress import Progress
from experiments.common.samples import LIST, refuse_runs_below

SUFFIXES = (*MIDI_SUFFIXES, ".abc")
MOST_NOTES, MOST_BARS = 200_000, 20_000  # of a piece: far beyond music, and measured in a second


class Pieces(NamedTuple):
    """What was found.

    scores : list of Score
    dropped : list of (where, why), both str
    mended : list of (file, what), both str: what was damaged in files of which the rest is there
    """

    scores: list
    dropped: list
    mended: list


def read_pieces(path, quiet=False):
    """All pieces in a folder, at any depth: MIDI files, and the tunes in ABC files (.abc).

    A MIDI file that sounds like a tune of an ABC file beside it is that tune, and counted once.

    path : Path of a folder, or of one such file
    quiet : bool, no progress bar
    Returns Pieces.
    Raises UserError if there is no such path, nothing in it that can be read, or runs in it that have lists
        of their own.
    """
    return read_files(music_files(path), path, quiet, [])


def read_files(files, path, quiet, dropped):
    """Pieces of these files, found in `path`; a UserError if there are none."""
    scores, mended, tunes = [], [], {}
    midi = [file for file in files if file.suffix.lower() in MIDI_SUFFIXES]
    collection = read_collection([file for file in files if file not in set(midi)])
    dropped += [
        (f"{file}, line {line}" if line else str(file), why) for file, line, why in collection.dropped
    ]
    for file, line, tune, problems in collection.kept:
        dropped += [
            (f"{file}, line {row.line}", f"in part: {row.message}") for row in problems if row.unheard
        ]
        try:
            score = _checked(tune.score())
        except ValueError as error:
            dropped.append((f"{file}, line {line}", str(error)))
        else:
            scores.append(score)
            tunes.setdefault(Path(file).parent, Counter())[_notes(score)] += 1
    with Progress(len(midi), f"reading {path.name}", "file", quiet or not midi) as bar:
        for file in midi:
            try:
                if not file.is_file():
                    raise ValueError("not a file")
                with warnings.catch_warnings(record=True) as damages:
                    warnings.simplefilter("always", MidiWarning)
                    score = _checked(read_midi(file))
            except MidiError as error:
                dropped.append((str(file), str(error).removeprefix(f"cannot read {file} as MIDI: ")))
            except OSError as error:
                dropped.append((str(file), f"cannot be read ({error.strerror})"))
            except ValueError as error:
                dropped.append((str(file), str(error)))
            else:
                mended += [(str(file), str(w.message).removeprefix(f"{file}: ")) for w in damages]
                beside = tunes.get(file.parent, {})
                if beside and beside[_notes(score)] > 0:
                    beside[_notes(score)] -= 1
                else:
                    scores.append(score)
            bar.update(1)
    if not scores:
        reason = f"; {len(dropped)} left out, the first: {dropped[0][1]}" if dropped else ""
        raise UserError(f"{path}: expected music (MIDI or .abc), found none that can be read{reason}")
    return Pieces(scores, dropped, mended)


def _notes(score):
    """What a score sounds like, in quarter notes."""
    beat = score.ticks_per_beat
    rows = ((n.start / beat, n.duration / beat, n.pitch) for track in score.tracks for n in track.notes)
    return tuple(sorted((round(start, 3), round(length, 3), pitch) for start, length, pitch in rows))


def music_files(path):
    """The path itself if it is no folder, or all files of music below it. Raises UserError."""
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    if not path.is_dir():
        return [path]
    found = []
    for folder, folders, names in os.walk(path):  # does not follow links, which might go round
        folders.sort()
        if Path(folder) != path:
            refuse_runs_below(path, [Path(folder, LIST)])
        found += [Path(folder, name) for name in sorted(names) if name.lower().endswith(SUFFIXES)]
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
