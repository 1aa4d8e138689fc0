"""Many files of ABC tunes, none of them trusted: what can be played is kept, the rest is reported.

    collection = read_collection(["folder", "file.abc"])
    collection.kept                    [Kept(path, line, tune, problems), ...]
    print(collection.table())          how many were kept, and what was left out of them, changed or refused

The tunes of a large collection are read by several processes, a chunk at a time, and what `convert` makes of
them may be cached in a folder (caching.py) under a hash of their text.
"""

import contextlib
import hashlib
import inspect
import json
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from .. import caching, reasons, score
from ..reasons import counted, kind_of
from ..sources import StrPath, find_files, read_bytes
from ..workers import in_workers
from .events import AbcError, Problem
from .splitting import decode
from .tune import Tune, file_header, read_tune, split_tunes

MOST_BYTES = 50_000_000  # of a file; the largest collections are some ten million
MOST_CHARACTERS = 100_000  # of a tune
CHUNK = 64  # tunes that are read, and cached, together
FEW = 1000  # tunes that are not worth other processes, each of which takes a second to start
SUFFIX = ".abc"  # of files in folders, in lower or upper case


class Kept(NamedTuple):
    """A tune, or what `convert` made of it; where it stands; its Problems."""

    path: Path
    line: int
    tune: Any
    problems: tuple[Problem, ...]


class Dropped(NamedTuple):
    """A file, or a tune in it, that was left out, and why. Line 0: the whole file."""

    path: Path
    line: int
    reason: str

    def told(self) -> str:
        """Where, and why."""
        return placed(self.path, self.line, self.reason)


def placed(path: Path, line: int, what: str) -> str:
    """A message about a file, or about a line of it unless that is 0."""
    return f"{path}{f', line {line}' if line else ''}: {what}"


class Collection(NamedTuple):
    """What became of the tunes, in the order of the files."""

    kept: list[Kept]
    dropped: list[Dropped]

    def told(self) -> list[str]:
        """A line for everything that was refused, left out or changed, by file and line."""
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

    def table(self) -> str:
        """How many tunes were kept, changed and dropped, by kind of reason; a kind counts once per tune."""
        refused = Counter(kind_of(row.reason) for row in self.dropped)
        changed, tunes = Counter(), 0
        for row in self.kept:
            kinds = {kind_of(problem.message) for problem in row.problems if problem.unheard}
            changed.update(kinds)
            tunes += bool(kinds)
        lines = counted(len(self.kept), "tunes kept")
        if changed:
            lines += counted(tunes, "of them not as they are written", _ranked(changed))
        if refused:
            lines += counted(len(self.dropped), "tunes or files dropped", _ranked(refused))
        return "\n".join(lines)


def _ranked(kinds):
    return sorted(((often, kind) for kind, often in kinds.items()), key=lambda row: (-row[0], row[1]))


def read_collection(
    paths: Iterable[StrPath],
    convert: Callable[[Tune], Any] | None = None,
    cache: StrPath | None = None,
    workers: int | None = 0,
    time_limit: float = 60.0,
    progress: Callable[[int, int], object] | None = None,
) -> Collection:
    """Read ABC files.

    No file can stop the others: bad files and bad tunes are reported in `dropped`, and what was left out of a
    tune that was kept in its problems.

    Parameters
    ----------
    paths : iterable of path-like: files, and folders whose files *.abc are taken, at any depth
    convert : function of a Tune, or None to keep Tunes
        Called in the process that read the tune, so it must be a function of a module, with a result that
        JSON can hold (tuples come back as lists). A ValueError drops the tune, with its text as the reason.
    cache : path-like, a folder for what `convert` returns; None for none
        It is created if missing, and several processes may share it; damaged entries are read again. If it
        cannot be written, a RuntimeWarning names it, and nothing is cached.
    workers : int, number of processes; the number of cores if None, but none for fewer than FEW tunes; 0 for
        this one alone, where `time_limit` is not enforced
    time_limit : float, in seconds, for a chunk of tunes, or for a single tune of a chunk that took longer
    progress : function of two numbers, called after each chunk: how many tunes are done, and how many
        there are

    Returns
    -------
    Collection
    """
    found = [row for path in paths for row in find_files(path, [SUFFIX])[0]]
    files = [(file, *_tunes_of(file)) if reason is None else (file, [], reason) for file, reason in found]
    tunes = [tune for _, found, _ in files for tune in found]
    folder, unkept = _open_folder(cache, convert) if cache and convert else (None, None)
    read = partial(_read_chunk, convert=convert, folder=folder)
    if workers is None and len(tunes) < FEW:
        workers = 0
    outcomes, not_kept = _read_all(read, tunes, workers, time_limit, progress)
    if unkept or not_kept:
        caching.warn_not_kept(cache, unkept or not_kept)
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

    The tunes of a chunk that hangs, or kills its process, are read again one by one.
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
        with contextlib.suppress(ValueError):  # not there, or damaged
            return _cached(path, len(tunes)), None
    content = json.dumps([_read(*tune, convert) for tune in tunes]).encode()
    unkept = caching.store(path, caching.seal(content)) if path else None
    return json.loads(content), unkept


def _cached(path, count):
    """The outcomes in an entry; a ValueError if it is not there or damaged."""
    outcomes = json.loads(caching.unseal(caching.load(path)))
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


def _open_folder(cache, convert):
    """The cache's folder for this reader and what `convert` makes."""
    others = (caching.__file__, reasons.__file__, score.__file__, inspect.getsourcefile(convert))
    code = [*sorted(Path(__file__).parent.glob("*.py")), *others]
    return caching.open_folder(cache, "abc", convert.__qualname__, code)


def files_of(paths: Iterable[StrPath]) -> list[Path]:
    """The paths themselves, and of folders the .abc files below them; without what cannot be opened."""
    return [file for path in paths for file, reason in find_files(path, [SUFFIX])[0] if reason is None]


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


def text_of(path: StrPath) -> str:
    """The text of a file; ValueError says why there is none."""
    content = read_bytes(path, MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES // 10**6} MB")
    if not content.strip():
        raise ValueError("empty")
    return decode(content)
