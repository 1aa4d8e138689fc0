"""The performances: read, written as tokens, shared out by piece."""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from encoders.tokens.note_duration import NoteDuration
from experiments.common.midi_pieces import PARTS, maestro, read_pieces, share_out

QUICK_LIMIT = 60  # performances that the quick preset takes of MAESTRO, if nothing is said
LEAST_NOTES = 32  # of a piece from which something can be learned
SEMITONES = range(-6, 6)  # by which a piece may be moved
STRETCHES = (1.0, 0.95, 0.975, 1.025, 1.05)  # factors of its time; Oore et al. 2018


@dataclass(frozen=True)
class Piece:
    """A performance.

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

    encoder : NoteDuration
    pieces : list of Piece
    account : list of str, lines about files that were dropped, mended or skipped
    parts : dict of part -> list of indices of pieces
    """

    encoder: NoteDuration
    pieces: list
    account: list
    parts: dict

    def sequences(self, part):
        """Tokens of each performance of a part, from its first to its end."""
        return [self.pieces[k].tokens for k in self.parts[part]]

    @cached_property
    def ranges(self):
        """Lowest and highest semitones by which each piece can be moved."""
        found = []
        for piece in self.pieces:
            distinct = np.unique(piece.tokens)
            fits = [s for s in SEMITONES if _fits(self.encoder, distinct, s)]
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
                taken.append(self.encoder.transpose(tokens, by).astype(tokens.dtype) if by else tokens)
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
        return "\n".join(lines + self.account)


def load(config, stretch=0.0):
    """The corpus of the settings.

    config : Source
    stretch : whether slower and faster versions are needed, too
    Raises UserError if there are too few performances to learn from, or the network gives none.
    """
    encoder = NoteDuration(bpm=config.grid_bpm)
    paths, limit = config.data, config.limit
    if paths is None:
        paths = [maestro(config.quiet)]
        if limit is None and getattr(config, "preset", None) == "quick":
            limit = QUICK_LIMIT
    convert = partial(as_tokens, encoder, STRETCHES if stretch else STRETCHES[:1])
    rows, dropped, lines = read_pieces(paths, convert, config.quiet, limit, config.pedal)
    pieces = [Piece(path, title, versions, error, part) for path, title, part, (versions, error) in rows]
    return Corpus(encoder, pieces, lines, share_out(pieces, config.split, dropped))


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


def _fits(encoder, tokens, semitones):
    try:
        encoder.transpose(tokens, semitones)
    except ValueError:
        return False
    return True
