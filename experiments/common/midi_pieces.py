"""Where pieces of music come from, and how they are shared out: MAESTRO or MIDI files of one's own."""

import csv
import os
import zipfile
from pathlib import Path

import numpy as np

from encoders.midi.collection import by_kind, find_files, names_of, read_collection
from experiments.common import locks
from experiments.common.datasets import RemoteFile, cache_folder, fetch
from experiments.common.errors import UserError
from experiments.common.progress import Progress

MAESTRO = RemoteFile(
    "maestro/maestro-v3.0.0-midi.zip",
    "https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/maestro-v3.0.0-midi.zip",
    "70470ee253295c8d2c71e6d9d4a815189e35c89624b76d22fce5a019d5dde12c",
    1 << 27,
)
TABLE = "maestro-*.csv"  # of MAESTRO's titles and splits
PARTS = ("train", "valid", "test")
MAESTRO_PARTS = {"train": "train", "validation": "valid", "test": "test"}
SHARES = (0.8, 0.1, 0.1)
FEW = 16  # files: not worth other processes, each of which takes seconds to start
SHOWN = 20  # files that are named with what was wrong in them
SPLIT_SEED = 0  # the same pieces are held out in every run, so that runs can be compared


def share_out(pieces, split, dropped):
    """Pieces in three parts, those of one title in one part.

    pieces : list of objects with path, title and part ("train", "valid", "test" or None)
    split : "piece": at random, but always the same; "maestro": as the table says
    dropped : list of Dropped, for the message
    Returns dict of part -> list of indices of pieces.
    Raises UserError if a part would be empty, or a piece has none.
    """
    if split == "maestro":
        missing = [piece.path for piece in pieces if piece.part is None]
        if missing:
            raise UserError(
                f"--split maestro: no table of MAESTRO, maestro-*.csv, has a row for {missing[0]}"
            )
        parts = {part: [k for k, p in enumerate(pieces) if p.part == part] for part in PARTS}
    else:
        titles = sorted({piece.title for piece in pieces})
        order = np.random.default_rng(SPLIT_SEED).permutation(len(titles))
        held = max(1, round(SHARES[2] * len(titles))), max(1, round(SHARES[1] * len(titles)))
        places = dict(zip((titles[k] for k in order), range(len(titles)), strict=True))
        parts = {part: [] for part in PARTS}
        for k, piece in enumerate(pieces):
            place = places[piece.title]
            part = "test" if place < held[0] else "valid" if place < sum(held) else "train"
            parts[part].append(k)
    if not all(parts.values()):
        empty = next(part for part in PARTS if not parts[part])
        raise UserError(
            f"expected at least 3 different pieces, some in each part, got {len(pieces)} and none in "
            f"{empty}{first_dropped(dropped)}"
        )
    return parts


def first_dropped(dropped):
    """How many files were dropped and why the first was, to end a message; empty if none was."""
    if not dropped:
        return ""
    return f" ({len(dropped)} dropped; the first: {dropped[0].path}: {dropped[0].reason})"


def midi_files(paths):
    """Paths, instead of folders the MIDI files in them, at any depth; and the other files in these."""
    found = [find_files(path) for path in paths]
    files = [path for rows, _ in found for path in sorted(path for path, _ in rows)]
    return files, [path for _, skipped in found for path in skipped if not path.match(TABLE)]


def read_pieces(paths, convert, quiet, limit=None, pedal=False):
    """What `convert` makes of MIDI files; with a bar, and what was read before from the cache.

    paths : files and folders
    convert, pedal : see encoders.midi.collection.read_collection
    limit : take so many files, at random but always the same
    Returns rows (path, title, part, content), of one without a row in MAESTRO's table the file's name and
        None; what was dropped, as it gives it; lines about files that were not read as they are.
    """
    rows = tables(paths)
    files, skipped = midi_files(paths)
    if limit is not None and limit < len(files):
        chosen = np.random.default_rng(SPLIT_SEED).permutation(len(files))[:limit]
        files = [files[k] for k in sorted(chosen)]
    with Progress(len(files), "reading", "file", quiet) as bar:
        collection = read_collection(
            files, pedal, convert, cache_folder() / "midi", workers=0 if len(files) <= FEW else None,
            progress=lambda done, _: bar.update(1),
        )  # fmt: skip
    found = [
        (path, *rows.get((path.parent.name, path.name), (path.stem, None)), content)
        for path, content in collection.kept
    ]
    return found, collection.dropped, account(collection, skipped)


def account(collection, skipped):
    """What became of the files that were not read as they are.

    collection : Collection
    skipped : list of Path
    Returns list of str, lines: each file with what was wrong, if they are not too many, and how often each
        kind came.
    """
    lines = listed("files dropped", collection.dropped) + listed("files mended", collection.mended)
    if skipped:
        lines.append(f"files skipped, no MIDI by their names: {len(skipped)} ({names_of(skipped)})")
    return lines


def listed(heading, rows):
    """Lines about (file, reason) rows: how many files, the first of them, and if there are more each kind."""
    lines = [f"{heading}: {len({file for file, _ in rows})}"] if rows else []
    lines += [f"  {file}: {reason}" for file, reason in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines += [f"  and {len(rows) - SHOWN} more; in all:", *(f"  {line}" for line in by_kind(rows))]
    return lines


def tables(paths):
    """Rows of MAESTRO's tables in these folders: (folder, file name) -> (title, part)."""
    found = {}
    for folder in map(Path, paths):
        for table in sorted(folder.glob(TABLE)) if folder.is_dir() else ():
            try:
                with open(table, encoding="utf-8", newline="") as file:
                    for row in csv.DictReader(file):
                        path = Path(row["midi_filename"])
                        title = f"{row['canonical_composer']}: {row['canonical_title']}"
                        found[path.parent.name, path.name] = title, MAESTRO_PARTS[row["split"]]
            except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
                raise UserError(f"{table}: cannot be read as MAESTRO's table ({error!r})") from None
    return found


def maestro(quiet):
    """The folder of MAESTRO's MIDI files, fetched and unpacked once."""
    archive = fetch(MAESTRO, quiet, "give MIDI files with --data FOLDER")
    folder = archive.with_name("maestro-v3.0.0")
    try:
        if not (folder / "unpacked").exists():
            unpack(archive, folder / "unpacked")
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{archive}: cannot be unpacked ({error})") from None
    return folder


def unpack(archive, mark):
    """Unpack an archive beside it, once, whatever processes begin at the same time; then `mark` is there."""
    key = locks.lock(archive.with_name(".unpacking"), wait=True)
    try:
        if not mark.exists():
            with zipfile.ZipFile(archive) as file:
                file.extractall(archive.parent)
            if hasattr(os, "sync"):
                os.sync()  # the mark is not to outlive a power cut that the files do not
            mark.touch()
    finally:
        locks.unlock(key)
