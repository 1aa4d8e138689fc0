"""The pieces: read, written as symbols, shared out."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from encoders.tokens.note_chords import Losses, NoteChords
from encoders.tokens.vocabulary import SymbolVocabulary
from experiments.common.errors import UserError
from experiments.common.midi_pieces import PARTS, first_dropped, maestro, read_pieces, share_out

FOLDERS = {"train": "train", "dev": "valid", "valid": "valid", "validation": "valid", "test": "test"}
MAESTRO_LIMIT = 16  # performances that are taken of MAESTRO, if nothing is said: as many as the paper had
SEMITONES = range(-5, 7)  # by which a piece may be moved


@dataclass(frozen=True)
class Piece:
    """A piece: Path, title, symbols (list of str), Losses of writing it so, part or None."""

    path: Path
    title: str
    symbols: list
    losses: Losses
    part: str | None = None


@dataclass(frozen=True)
class Corpus:
    """Pieces in three parts that share no piece.

    encoder : NoteChords
    vocabulary : SymbolVocabulary, of the training pieces, and if asked for of them in other keys
    pieces : list of Piece
    account : list of str, lines about files that were dropped, mended or skipped
    parts : dict of part -> list of indices of pieces
    window : symbols from which the next one is predicted
    moved : whether training pieces are learned in other keys, too
    """

    encoder: NoteChords
    vocabulary: SymbolVocabulary
    pieces: list
    account: list
    parts: dict
    window: int
    moved: bool = False

    @cached_property
    def tokens(self):
        """Tokens of each piece: list of arrays."""
        return [self.vocabulary.encode(piece.symbols) for piece in self.pieces]

    def sequences(self, part):
        """Tokens of each piece of a part: list of arrays."""
        return [self.tokens[k] for k in self.parts[part]]

    def windows(self, part):
        """How many windows a part has."""
        return sum(max(0, len(self.pieces[k].symbols) - self.window) for k in self.parts[part])

    def unknown(self, part):
        """Share of the targets of a part that are not in the vocabulary."""
        targets = np.concatenate([tokens[self.window :] for tokens in self.sequences(part)])
        return float((targets == self.vocabulary.unknown).mean())

    @cached_property
    def moved_tokens(self):
        """What tokens become in other keys: dict of semitones -> array (V,), -1 for what MIDI cannot say."""
        names, found = self.vocabulary.names, {0: np.arange(len(self.vocabulary), dtype=np.int32)}
        for by in SEMITONES:
            rows = [self.encoder.transpose(name, by) for name in names]
            off = [row is None for row in rows]
            found[by] = np.where(off, np.int32(-1), self.vocabulary.encode(rows))
        return found

    @cached_property
    def keys(self):
        """Of each training piece the semitones by which it can be moved; the first is 0."""
        found = []
        for tokens in self.sequences("train"):
            distinct = np.unique(tokens)
            fits = [by for by, moved in self.moved_tokens.items() if moved[distinct].min() >= 0]
            found.append(sorted(fits, key=lambda by: (by != 0, by)))
        return found

    def epoch(self, transpose):
        """What Windows learns from: the training pieces, each with some probability in another key."""
        if not transpose:
            return self.sequences("train")

        def pieces(rng):
            moves = rng.random(len(self.keys))
            return [
                self.moved_tokens[keys[rng.integers(len(keys))]][tokens] if move < transpose else tokens
                for tokens, keys, move in zip(self.sequences("train"), self.keys, moves, strict=True)
            ]

        return pieces

    def describe(self):
        """What there is, in a few lines."""
        counts = Counter(name for k in self.parts["train"] for name in self.pieces[k].symbols)
        once = sum(count == 1 for count in counts.values())
        lines = [
            f"{len(self.pieces)} pieces, {sum(len(p.symbols) for p in self.pieces):,} symbols; windows of "
            f"{self.window}: " + ", ".join(f"{part} {self.windows(part):,}" for part in PARTS),
            f"{len(self.vocabulary) - 1:,} different symbols in training pieces, {once:,} of them once; not "
            "among them: "
            + ", ".join(f"{part} {self.unknown(part):.1%}" for part in PARTS[1:])
            + " of what is to be predicted",
            self._lost(),
        ]
        return "\n".join(lines + self.account)

    def _lost(self):
        notes = np.array([piece.losses.notes for piece in self.pieces])
        symbols = np.array([piece.losses.symbols for piece in self.pieces])

        def mean(name, weights):
            return np.average([getattr(piece.losses, name) for piece in self.pieces], weights=weights)

        return (
            f"of the notes {mean('pitches', notes):.0%} come back at their pitch; the time between symbols "
            f"is off by {mean('onsets', symbols):.3f} quarter notes in the mean, "
            f"{mean('exact', symbols):.0%} are exact"
        )


def load(config, vocabulary=None, encoder=None):
    """The corpus of the settings.

    config : with the fields of Source, and transpose if pieces may be moved
    vocabulary : SymbolVocabulary to use; None to build it from the training pieces
    encoder : NoteChords; None for that of the settings
    Raises UserError if a part has no piece that is long enough, or its symbols cannot be learned or judged.
    """
    encoder = encoder or NoteChords(config.chords, config.durations)
    limit = config.limit
    paths = config.data
    if paths is None:
        paths, limit = [maestro(config.quiet)], limit or MAESTRO_LIMIT
    parts_of = subfolders(paths)
    convert = partial(as_symbols, encoder, config.window)
    rows, dropped, lines = read_pieces(paths, convert, config.quiet, None if parts_of else limit)
    pieces = []
    for path, title, _, (symbols, losses) in rows:
        part = next((p for folder, p in parts_of.items() if folder in path.parents), None)
        pieces.append(Piece(path, title, symbols, losses, part))
    if parts_of:
        pieces = [piece for piece in pieces if piece.part]
        parts = {part: [k for k, p in enumerate(pieces) if p.part == part] for part in PARTS}
        expect_filled(parts, dropped)
    else:
        parts = share_out(pieces, "piece", dropped)
    moved = bool(getattr(config, "transpose", 0))
    if vocabulary is None:
        vocabulary = vocabulary_of(encoder, [pieces[k].symbols for k in parts["train"]], moved)
    corpus = Corpus(encoder, vocabulary, pieces, lines, parts, config.window, moved)
    if len(vocabulary) < 3:
        raise UserError(f"the training pieces have one symbol only, {vocabulary.names[-1]}: nothing to learn")
    for part in PARTS[1:]:
        if corpus.unknown(part) == 1:
            raise UserError(
                f"no symbol of the {part} pieces occurs in the training pieces: nothing to judge by"
            )
    return corpus


def as_symbols(encoder, window, score):
    """(symbols, Losses) of a Score; ValueError if it has no window."""
    symbols = encoder.symbols(score)
    if len(symbols) <= window:
        raise ValueError(f"only {len(symbols)} symbols, no more than the window of {window}")
    return symbols, encoder.losses(score)


def vocabulary_of(encoder, pieces, moved=False):
    """The SymbolVocabulary of training pieces, lists of symbols; with `moved`, also of them in other keys."""
    names = {name for symbols in pieces for name in symbols}
    if moved:
        names |= {encoder.transpose(name, by) for name in names for by in SEMITONES} - {None}
    return SymbolVocabulary(names)


def subfolders(paths):
    """dict of folder -> part, if one folder is given that has a subfolder for each; else empty."""
    if len(paths) != 1 or not Path(paths[0]).is_dir():
        return {}
    found = {
        path: FOLDERS[path.name.lower()]
        for path in sorted(Path(paths[0]).iterdir())
        if path.is_dir() and path.name.lower() in FOLDERS
    }
    return found if set(found.values()) == set(PARTS) else {}


def expect_filled(parts, dropped):
    """A UserError if a part is empty."""
    for part in PARTS:
        if not parts[part]:
            raise UserError(
                f"expected MIDI files in each of the folders train, dev and test, none in {part}"
                f"{first_dropped(dropped)}"
            )
