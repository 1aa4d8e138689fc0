"""The performances: read, written as tokens, shared out by piece."""

import csv
import zipfile
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from encoders.midi_collection import read_collection
from encoders.note_duration import NoteDuration
from experiments.datasets import RemoteFile, cache_folder, fetch
from experiments.errors import UserError
from experiments.progress import Progress

MAESTRO = RemoteFile(
    "maestro/maestro-v3.0.0-midi.zip",
    "https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/maestro-v3.0.0-midi.zip",
    "70470ee253295c8d2c71e6d9d4a815189e35c89624b76d22fce5a019d5dde12c",
    1 << 27,
)
QUICK_LIMIT = 60  # performances that the quick preset takes of MAESTRO, if nothing is said
PARTS = ("train", "valid", "test")
MAESTRO_PARTS = {"train": "train", "validation": "valid", "test": "test"}
SHARES = (0.8, 0.1, 0.1)
SPLIT_SEED = 0  # the same pieces are held out in every run, so that runs can be compared
FEW = 12  # files
LEAST_NOTES = 32  # of a piece from which something can be learned
SEMITONES = range(-6, 6)  # by which a piece may be moved
STRETCHES = (1.0, 0.95, 0.975, 1.025, 1.05)  # factors of its time; Oore et al. 2018


@dataclass(frozen=True)
class Piece:
    """A performance.

    Attributes
    ----------
    path : Path
    title : str; performances of one title are one piece
    versions : list of arrays of tokens: as it was played, then slower and faster
    error : mean distance of the notes' beginnings from the grid, in milliseconds
    part : str, where MAESTRO's table puts it; None without one
    """

    path: Path
    title: str
    versions: list
    error: float
    part: str | None = None

    @property
    def tokens(self):
        return self.versions[0]


@dataclass(frozen=True)
class Corpus:
    """Performances in three parts that share no piece.

    Attributes
    ----------
    encoder : NoteDuration
    pieces : list of Piece
    dropped : list of Dropped
    parts : dict of part -> list of indices of pieces
    """

    encoder: NoteDuration
    pieces: list
    dropped: list
    parts: dict

    def sequences(self, part):
        """Tokens of each performance of a part, from its first to its end."""
        return [self.pieces[k].tokens for k in self.parts[part]]

    @cached_property
    def ranges(self):
        """Lowest and highest semitones by which each piece can be moved."""
        found = []
        for piece in self.pieces:
            fits = [s for s in SEMITONES if _fits(self.encoder, piece.tokens, s)]
            found.append((min(fits), max(fits)))
        return found

    def epoch(self, transpose, stretch):
        """The function of Streams that gives the training pieces, some of them moved or stretched."""
        train = self.parts["train"]

        def pieces(rng):
            moves, stretches = rng.random((2, len(train)))
            taken = []
            for k, move, pull in zip(train, moves, stretches, strict=True):
                piece, (low, high) = self.pieces[k], self.ranges[k]
                versions = piece.versions
                tokens = versions[rng.integers(1, len(versions))] if pull < stretch else versions[0]
                by = int(rng.integers(low, high + 1)) if move < transpose else 0
                taken.append(self.encoder.transpose(tokens, by) if by else tokens)
            return taken

        return pieces

    def describe(self):
        """What there is, in a few lines."""
        count = sum(len(piece.tokens) for piece in self.pieces)
        error = np.mean([piece.error for piece in self.pieces])
        lines = [
            f"{len(self.pieces)} performances, {count:,} tokens; "
            + ", ".join(f"{part} {len(self.parts[part])}" for part in PARTS)
            + f"; notes are {error:.0f} ms off the grid in the mean"
        ]
        if self.dropped:
            lines.append(f"{len(self.dropped)} files dropped:")
            lines += [f"  {path}: {reason}" for path, reason in self.dropped[:20]]
            lines += [f"  and {len(self.dropped) - 20} more"] if len(self.dropped) > 20 else []
        return "\n".join(lines)


def load(config, stretch=0.0):
    """The corpus of the settings.

    Parameters
    ----------
    config : Source
    stretch : whether slower and faster versions are needed, too

    Raises
    ------
    UserError
        If there are too few performances to learn from, or the network gives none.
    """
    encoder = NoteDuration(bpm=config.grid_bpm)
    paths, limit = config.data, config.limit
    if paths is None:
        paths = [maestro(config.quiet)]
        if limit is None and getattr(config, "preset", None) == "quick":
            limit = QUICK_LIMIT
    rows = tables(paths)
    files = [file for path in map(Path, paths) for file in midi_files(path)]
    if limit is not None and limit < len(files):
        chosen = np.random.default_rng(SPLIT_SEED).permutation(len(files))[:limit]
        files = [files[k] for k in sorted(chosen)]
    convert = partial(as_tokens, encoder, STRETCHES if stretch else STRETCHES[:1])
    few = len(files) <= FEW  # not worth other processes, each of which takes seconds to start
    with Progress(len(files), "reading", "file", config.quiet) as bar:
        kept, dropped = read_collection(
            files, config.pedal, convert, cache_folder() / "midi", workers=0 if few else None,
            progress=lambda done, _: bar.update(1),
        )  # fmt: skip
    pieces = []
    for path, (versions, error) in kept:
        title, part = rows.get((path.parent.name, path.name), (path.stem, None))
        pieces.append(Piece(path, title, versions, error, part))
    return Corpus(encoder, pieces, dropped, share_out(pieces, config.split, dropped))


def as_tokens(encoder, stretches, score):
    """([tokens, ...], mean error in ms) of a Score, for each stretch; ValueError if it is too short."""
    notes = sum(len(track.notes) for track in score.tracks if not track.is_drums)
    if notes < LEAST_NOTES:
        raise ValueError(f"only {notes} notes, fewer than {LEAST_NOTES}")
    versions = [encoder.encode(stretched(score, factor), end=True).astype(np.int16) for factor in stretches]
    return versions, float(np.abs(encoder.timing_error(score).onsets).mean())


def stretched(score, factor):
    """A score whose time is so many times as long: of the same ticks, fewer make a beat."""
    return replace(score, ticks_per_beat=max(1, round(score.ticks_per_beat / factor)))


def share_out(pieces, split, dropped):
    """dict of part -> indices of pieces; UserError if a part would be empty."""
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
        why = (
            f" ({len(dropped)} dropped; the first: {dropped[0].path}: {dropped[0].reason})" if dropped else ""
        )
        empty = next(part for part in PARTS if not parts[part])
        raise UserError(
            f"expected at least 3 different pieces, some in each part, got {len(pieces)} and none in "
            f"{empty}{why}"
        )
    return parts


def midi_files(path):
    """The path itself, or the MIDI files in a folder, at any depth."""
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in (".mid", ".midi") and p.is_file())
    return found or [path]


def tables(paths):
    """Rows of MAESTRO's tables in these folders: (folder, file name) -> (title, part)."""
    found = {}
    for folder in map(Path, paths):
        for table in sorted(folder.glob("maestro-*.csv")) if folder.is_dir() else ():
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
    if not (folder / "unpacked").exists():
        try:
            with zipfile.ZipFile(archive) as file:
                file.extractall(archive.parent)
            (folder / "unpacked").touch()
        except (OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{archive}: cannot be unpacked ({error})") from None
    return folder


def _fits(encoder, tokens, semitones):
    try:
        encoder.transpose(tokens, semitones)
    except ValueError:
        return False
    return True
