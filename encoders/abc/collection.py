"""Many files of ABC tunes, none of them trusted: what can be played is kept, the rest is reported.

    collection = read_collection(["folder", "file.abc"])
    collection.kept                    [Kept(path, line, tune, problems), ...]
    print(collection.table())          how many were kept, and what was left out of them, changed or refused

Of a large collection tunes are read in several processes, a chunk at a time, and what `convert` makes of
them may be kept in a folder, by a hash of their text. The folder's name holds a hash of the sources, so that
nothing outlives a change of the reader.
"""

import contextlib
import hashlib
import inspect
import json
import os
import warnings
from collections import Counter
from functools import partial
from pathlib import Path
from typing import NamedTuple

from scratchnet.files import atomic_open, is_regular

from .. import reasons, score
from ..reasons import kind_of
from ..workers import in_workers
from .events import AbcError, Problem
from .splitting import decode
from .tune import file_header, read_tune, split_tunes

MOST_BYTES = 50_000_000  # of a file; the largest collections are some ten million
MOST_CHARACTERS = 100_000  # of a tune
CHUNK = 64  # tunes that are read, and kept, together
FEW = 1000  # tunes that are not worth other processes, each of which takes a second to start
SUFFIX = ".abc"  # of files in folders, in small letters or capitals
MOST_CACHED = 64 * 2**20  # bytes of a chunk in the cache
DIGEST = hashlib.sha256().digest_size


class Kept(NamedTuple):
    """A tune, or what `convert` has made of it; where it stands; its Problems."""

    path: Path
    line: int
    tune: object
    problems: tuple


class Dropped(NamedTuple):
    """A file, or a tune in it, that is left out, and why. Line 0: the whole file."""

    path: Path
    line: int
    reason: str

    def told(self):
        """Where, and why: str."""
        return placed(self.path, self.line, self.reason)


def placed(path, line, what):
    """What is said of a file, or of a line of it if it is not 0: str."""
    return f"{path}{f', line {line}' if line else ''}: {what}"


class Collection(NamedTuple):
    """Lists of Kept and of Dropped, in the order of the files."""

    kept: list
    dropped: list

    def told(self):
        """A line for everything that was refused, left out or changed, by file and line: list of str."""
        rows = [(row.path, row.line, f"left out: {row.reason}") for row in self.dropped]
        for row in self.kept:
            first = {}
            for problem in row.problems:
                if problem.unheard:
                    first.setdefault(kind_of(problem.message), []).append(problem)
            for found in first.values():
                more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
                rows.append((row.path, found[0].line, found[0].message + more))
        return [placed(*row) for row in sorted(rows)]

    def table(self):
        """How many tunes were kept, how many not as they are written, how many dropped; a line for each kind.

        Returns
        -------
        str, several lines; a kind of problem counts once a tune
        """
        refused = Counter(kind_of(row.reason) for row in self.dropped)
        changed, tunes = Counter(), 0
        for row in self.kept:
            kinds = {kind_of(problem.message) for problem in row.problems if problem.unheard}
            changed.update(kinds)
            tunes += bool(kinds)
        lines = [f"{len(self.kept):6,} tunes kept"]
        for count, word, kinds in (
            (tunes, "of them not as they are written", changed),
            (len(self.dropped), "tunes or files dropped", refused),
        ):
            if count:
                lines.append(f"{count:6,} {word}")
                ranked = sorted(kinds.items(), key=lambda row: (-row[1], row[0]))
                lines += [f"{often:12,}  {kind}" for kind, often in ranked]
        return "\n".join(lines)


def read_collection(paths, convert=None, cache=None, workers=0, time_limit=60.0, progress=None):
    """Read ABC files.

    Nothing in a file is an error of the whole: bad files and bad tunes are reported in `dropped`, and what a
    kept tune lacks in its problems.

    Parameters
    ----------
    paths : iterable of path-like: files, and folders whose files *.abc are taken, at any depth
    convert : function of a Tune, or None to keep Tunes
        Called where the tune was read, and so one of a module, with a result that JSON can hold (tuples come
        back as lists). A ValueError drops the tune, with its text as the reason.
    cache : path-like, a folder for what `convert` gives; None for none. It is made if it is not there.
        Several may use it at once; what is damaged in it is read again. If it cannot be written, a
        RuntimeWarning names it, and nothing is kept.
    workers : int, number of processes; the number of cores if None, but none for fewer than FEW tunes; 0 for
        this one alone, where time is not watched
    time_limit : float, in seconds, for a chunk of tunes, or for a tune of a chunk that took longer
    progress : function of two numbers, called after each chunk: tunes done, and tunes that there are

    Returns
    -------
    Collection
    """
    files = [(file, *_tunes_of(file)) for file in files_of(paths)]
    tunes = [tune for _, found, _ in files for tune in found]
    folder, unkept = _cache_folder(cache, convert) if cache and convert else (None, None)
    read = partial(_read_chunk, convert=convert, folder=folder)
    if workers is None and len(tunes) < FEW:
        workers = 0
    outcomes, not_kept = _read_all(read, tunes, workers, time_limit, progress)
    if unkept or not_kept:
        why = f"{cache}: what was read cannot be kept here ({unkept or not_kept})"
        warnings.warn(why, RuntimeWarning, stacklevel=2)
    collection, outcomes = Collection([], []), iter(outcomes)
    for file, found, reason in files:
        if reason:
            collection.dropped.append(Dropped(file, 0, reason))
        for _, line, _ in found:
            made, problems, refusal = next(outcomes)
            if refusal:
                collection.dropped.append(Dropped(file, *refusal))
            else:
                collection.kept.append(Kept(file, line, made, tuple(Problem(*row) for row in problems)))
    return collection


def _read_all(read, tunes, workers, time_limit, progress):
    """([(what was made, problems, (line, reason) or None), ...] of all tunes, why some are not in the cache).

    What hangs, or kills its process, costs its chunk: the tunes of that are read one by one.
    """
    outcomes, unkept, todo = [None] * len(tunes), None, range(len(tunes))
    for size in (CHUNK, 1):
        chunks = [todo[first : first + size] for first in range(0, len(todo), size)]
        failed = []
        jobs = [[tunes[place] for place in places] for places in chunks]
        with contextlib.closing(in_workers(read, jobs, workers, time_limit)) as results:
            for chunk, result, failure in results:
                found, why = result or ([(None, [], (tunes[k][1], failure)) for k in chunks[chunk]], None)
                unkept = unkept or why
                failed += chunks[chunk] if failure else ()
                for place, outcome in zip(chunks[chunk], found, strict=True):
                    outcomes[place] = outcome
                if progress is not None and not failure:
                    progress(sum(outcome is not None for outcome in outcomes), len(tunes))
        todo = failed
    return outcomes, unkept


def _read_chunk(tunes, convert, folder):
    """([(what was made, problems, (line, reason) or None), ...], why it is not in the cache or None).

    Parameters
    ----------
    tunes : list of (text, line, header)
    """
    if convert is None:
        return [_read(*tune, convert) for tune in tunes], None
    content = json.dumps(tunes).encode()
    path = folder and folder / f"{hashlib.sha256(content).hexdigest()}.json"
    if path:
        with contextlib.suppress(OSError, ValueError):  # not there, or damaged
            return _unpack(path, len(tunes)), None
    content = json.dumps([_read(*tune, convert) for tune in tunes]).encode()
    unkept = None
    if path:
        try:
            with atomic_open(path, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
        except OSError as error:  # which only costs time
            unkept = error.strerror or str(error)
    return json.loads(content), unkept


def _unpack(path, count):
    """What such a file holds; a ValueError if it is damaged."""
    with open(path, "rb") as file:
        content = file.read(MOST_CACHED + 1)
    if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
        raise ValueError("damaged")
    outcomes = json.loads(content[DIGEST:])
    if len(outcomes) != count:
        raise ValueError("damaged")
    return outcomes


def _read(text, line, header, convert):
    """(what was made, problems, None) of a tune, or (None, [], (line, reason))."""
    try:
        if len(text) > MOST_CHARACTERS:
            return None, [], (line, f"a tune of {len(text):,} characters, more than {MOST_CHARACTERS:,}")
        tune = read_tune(text, line, header)
        tune.score()
        return tune if convert is None else convert(tune), tune.problems, None
    except AbcError as error:
        return None, [], (error.line, error.reason)
    except ValueError as error:
        return None, [], (line, str(error))


def _cache_folder(cache, convert):
    """(folder in the cache for these sources, None), or (None, why it cannot be made)."""
    version = hashlib.sha256(convert.__qualname__.encode())
    others = (reasons.__file__, score.__file__, inspect.getsourcefile(convert))
    for source in [*sorted(Path(__file__).parent.glob("*.py")), *map(Path, others)]:
        version.update(source.read_bytes())
    folder = Path(cache, f"abc-{version.hexdigest()[:16]}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return None, error.strerror or str(error)
    return folder, None


def files_of(paths):
    """The paths themselves, and of folders the .abc files below them."""
    found = []
    for path in map(Path, paths):
        if not os.path.isdir(path):
            found.append(path)
            continue
        for folder, folders, names in os.walk(path):  # does not follow links, which might go round
            folders.sort()
            found += [Path(folder, name) for name in sorted(names) if name.lower().endswith(SUFFIX)]
    return found


def _tunes_of(path):
    """([(text, line, header), ...], None) of a file, or ([], why there is none)."""
    try:
        content = text_of(path)
    except ValueError as error:
        return [], str(error)
    header, tunes = file_header(content), split_tunes(content)
    if not tunes:
        return [], "no tune in it: no line begins with X:, nor with K:"
    return [(text, line, header) for line, text in tunes], None


def text_of(path):
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
