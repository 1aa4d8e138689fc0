"""Many files of ABC tunes, none of them trusted: what can be played is kept, the rest is reported."""

import os
from pathlib import Path
from typing import NamedTuple

from scratchnet.files import is_regular

from .abc_events import AbcError
from .abc_notation import Tune, file_header, read_tune, split_tunes

MOST_BYTES = 50_000_000  # of a file; the largest collections are some ten million
MOST_CHARACTERS = 100_000  # of a tune


class Kept(NamedTuple):
    """A tune, and where it stands."""

    path: Path
    line: int
    tune: Tune


class Dropped(NamedTuple):
    """A file, or a tune in it, that is left out, and why. Line 0: the whole file."""

    path: Path
    line: int
    reason: str


class Collection(NamedTuple):
    """Lists of Kept and of Dropped, in the order of the files."""

    kept: list
    dropped: list


def read_collection(paths):
    """Read ABC files.

    Nothing in a file is an error of the whole: bad files and bad tunes are reported in `dropped`.

    Parameters
    ----------
    paths : iterable of path-like: files, and folders whose files *.abc are taken, at any depth

    Returns
    -------
    Collection
    """
    collection = Collection([], [])
    for path in map(Path, paths):
        for file in _files(path):
            try:
                content = _text(file)
                header, tunes = file_header(content), split_tunes(content)
                if not tunes:
                    raise ValueError("no tune in it: no line begins with X:")
            except ValueError as error:
                collection.dropped.append(Dropped(file, 0, str(error)))
                continue
            for line, text in tunes:
                try:
                    if len(text) > MOST_CHARACTERS:
                        raise AbcError(
                            line, 1, f"a tune of {len(text):,} characters, more than {MOST_CHARACTERS:,}"
                        )
                    tune = read_tune(text, line, header)
                    tune.score()
                    collection.kept.append(Kept(file, line, tune))
                except AbcError as error:
                    collection.dropped.append(Dropped(file, error.line, error.reason))
    return collection


def _files(path):
    """The path itself, or if it is a folder the .abc files below it."""
    if not os.path.isdir(path):
        return [path]
    found = []
    for folder, folders, names in os.walk(path):  # does not follow links, which might go round
        folders.sort()
        found += [Path(folder, name) for name in sorted(names) if name.lower().endswith(".abc")]
    return found


def _text(path):
    """The text of a file; ValueError says why there is none."""
    try:
        if not is_regular(path):
            raise ValueError("not a file")
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError("no such file") from None
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    if len(content) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES // 10**6} MB")
    if not content.strip():
        raise ValueError("empty")
    return decode(content)


def decode(content):
    """Text of the bytes of a file: UTF-8 or, where it is no such, Latin-1, the encoding of old ABC files.

    Raises
    ------
    ValueError
        If it is no text.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    else:
        if b"\0" in content:
            raise ValueError("not a text file")
        encoding = "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        if encoding == "utf-16":
            raise ValueError("not a text file") from None
        return content.decode("latin-1")
