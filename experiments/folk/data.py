"""The tunes: kept, grouped, shared out, as characters."""

import contextlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from encoders.abc import read_tune
from encoders.abc.collection import Collection, read_collection
from encoders.abc.transposition import transpose_tune
from encoders.melody import groups, melody, split
from encoders.tokens.characters import END, Characters, normal
from experiments.common.datasets import RemoteFile, cache_folder, fetch
from experiments.common.errors import UserError
from experiments.common.progress import Progress, shown
from experiments.folk.settings import BUILTIN

IRISH = RemoteFile(
    "folk/irish.abc",
    "https://raw.githubusercontent.com/aamini/introtodeeplearning/2023/mitdeeplearning/data/irish.abc",
    "df3782d5f7b5a2f4c66aa7c13f13008d5f48757b3f5f51620cd6c1ceb2c53023",
    8 << 20,
)
TUNES = Path(__file__).with_name("tunes.abc")
PARTS = ("train", "valid", "test")
SHARES = (0.85, 0.05, 0.10)
SPLIT_SEED = 0  # the same tunes are held out in every run, so that runs can be compared
MOVES = (0, *range(-5, 0), *range(1, 7))  # semitones by which a tune may be moved
MOST_KEPT = 100_000  # tunes that were moved: some ten megabytes
SHOWN = 20  # lines about what was not read as it is written


@dataclass(frozen=True)
class Song:
    """What a corpus keeps of a tune.

    text : str, as it is learned
    title : str
    melody : list of (interval, duration), as written
    header : str, fields M: and L: of its file, which hold where it has none of its own
    """

    text: str
    title: str
    melody: list
    header: str

    def read(self):
        """The Tune."""
        return read_tune(self.text, header=self.header)


def as_song(tune):
    """What a Song keeps, as JSON can hold it."""
    pairs = melody(tune.score(repeats=False, graces=False))
    return normal(tune.text), tune.title, pairs, tune.header


@dataclass(frozen=True)
class Corpus:
    """Tunes in three parts that share no tune, no near copy and no transposed one.

    tunes : list of Song
    collection : Collection, for what was dropped or changed
    parts : dict of part -> list of indices of tunes
    """

    tunes: list
    collection: Collection
    parts: dict

    @cached_property
    def texts(self):
        """The tunes as they are learned."""
        return [tune.text for tune in self.tunes]

    @cached_property
    def characters(self):
        """The alphabet of all tunes."""
        return Characters.of([*self.texts, END])

    @cached_property
    def melodies(self):
        """Intervals and durations of each tune, as written."""
        return [tune.melody for tune in self.tunes]

    def sequences(self, part):
        """Each tune of a part with what ends the tune before it and what ends it: arrays of tokens."""
        return [self.characters.encode(END + self.texts[k] + END) for k in self.parts[part]]

    def stream(self, part):
        """All tunes of a part in a row: an array of tokens."""
        return self.characters.encode("".join(self.texts[k] + END for k in self.parts[part]))

    def moved(self, k, semitones):
        """A tune and its end in another key: tokens, int32.

        It stays in its own key if it cannot be moved, or the alphabet lacks a character for it.
        """
        tokens = self._kept.get((k, semitones))
        if tokens is None:
            text, known = self.texts[k], self.characters.numbers.keys()
            with contextlib.suppress(ValueError):  # a key that cannot be moved
                moved = transpose_tune(text, semitones) if semitones else text
                text = moved if set(moved) <= known else text
            tokens = self.characters.encode(text + END)
            if len(self._kept) < MOST_KEPT:
                self._kept[k, semitones] = tokens.astype(np.min_scalar_type(len(known)))
        return tokens.astype(np.int32)

    @cached_property
    def _kept(self):
        """Tunes that were moved before, so far."""
        return {}

    def epoch(self, transpose, quiet=True):
        """The function of Streams that gives the training tunes, some of them in another key."""
        train = self.parts["train"]

        def tunes(rng):
            draws = rng.random(len(train))
            moved = shown(train, "tunes in other keys", "tune", quiet)
            return [
                self.moved(k, MOVES[rng.integers(len(MOVES))] if draw < transpose else 0)
                for k, draw in zip(moved, draws, strict=True)
            ]

        return tunes

    def describe(self):
        """What there is, in a few lines."""
        lines = [
            f"{len(self.tunes)} tunes, {len(self.characters)} different characters, "
            f"{sum(map(len, self.texts)):,} in all; "
            + ", ".join(f"{part} {len(self.parts[part])}" for part in PARTS)
        ]
        told = self.collection.told()
        if told:
            lines += [*told[:SHOWN], *([f"and {len(told) - SHOWN:,} more"] if len(told) > SHOWN else [])]
            lines.append(self.collection.table())
        return "\n".join(lines)


def load(paths=None, quiet=False):
    """The corpus of the user's files, of the tunes that are here, or of the Irish set.

    Raises UserError if there are too few tunes to learn from, or the network gives none.
    """
    if paths is None:
        hint = "--data builtin learns the tunes that are here, --data FILE_OR_FOLDER yours"
        paths = [fetch(IRISH, quiet, hint)]
    collection = read([TUNES if path == BUILTIN else path for path in paths], quiet)
    tunes = [
        Song(text, title, list(map(tuple, pairs)), header)
        for _, _, (text, title, pairs, header), _ in collection.kept
    ]
    try:
        with Progress(len(tunes), "looking for copies", "tune", quiet, passing=True) as bar:
            found = groups([tune.melody for tune in tunes], bar.update)
        parts = split(found, SHARES, np.random.default_rng(SPLIT_SEED))
    except ValueError:
        few = f"expected at least 3 different tunes to learn from, got {len(tunes)}"
        dropped = collection.dropped
        why = f" ({len(dropped)} dropped; the first: {dropped[0].told()})" if dropped else ""
        raise UserError(few + why) from None
    return Corpus(tunes, collection, dict(zip(PARTS, parts, strict=True)))


def read(paths, quiet=False):
    """A Collection of what Songs keep; with a bar, and what was read before from the cache."""
    with contextlib.ExitStack() as stack:
        bar, before = None, 0

        def progress(done, total):
            nonlocal bar, before
            if bar is None and done == total:  # all in the first chunk
                return
            bar = bar or stack.enter_context(Progress(total, "reading", "tune", quiet))
            bar.update(done - before)
            before = done

        try:
            cache = cache_folder() / "abc"
        except ImportError:  # of what knows the place for caches
            cache = None
        return read_collection(paths, as_song, cache, workers=None, progress=progress)
