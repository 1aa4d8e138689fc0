"""Many MIDI files, none of them trusted: what can be read is kept, the rest is reported.

    collection = read_collection(["maestro"], pedal=True, convert=NoteDuration().encode)
    collection.kept                    [Kept(path, music), ...]
    print(collection.table())          how many were kept, mended, dropped and skipped, and why

Files are read by several processes, and the results may be cached in a folder (caching.py) under a hash of
the file's bytes: a file that was renamed is not read again, one that was changed is.
"""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from .. import caching, reasons, score, score_bytes, sources
from ..reasons import counted, kind_of
from ..score import Score
from ..score_bytes import pack, unpack
from ..sources import StrPath
from ..workers import in_workers
from .reader import MAX_BYTES, parse

SUFFIXES = (".mid", ".midi", ".kar", ".rmi", ".smf")  # of files in folders, in small letters or capitals
SHOWN = 3  # names of files that are skipped


class Kept(NamedTuple):
    """A file, and its Score or what `convert` made of it."""

    path: Path
    music: Any


class Dropped(NamedTuple):
    """A file that was left out, and why."""

    path: Path
    reason: str


class Mended(NamedTuple):
    """A file that was kept, and a line about what was mended or left out in it; see `read_midi`."""

    path: Path
    line: str


class Collection(NamedTuple):
    """What became of the files, in their order; `skipped` are paths that no suffix names as MIDI."""

    kept: list[Kept]
    dropped: list[Dropped]
    mended: list[Mended]
    skipped: list[Path]

    def table(self) -> str:
        """How many files were kept, mended, dropped and skipped; a line for each kind of reason."""
        lines = counted(len(self.kept), "kept")
        if self.mended:
            mended = len({path for path, _ in self.mended})
            lines += counted(mended, "of them mended", _kinds(self.mended))
        lines += counted(len(self.dropped), "dropped", _kinds(self.dropped))
        if self.skipped:
            lines += counted(len(self.skipped), f"skipped: {names_of(self.skipped)}")
        return "\n".join(lines)


def by_kind(rows: Iterable[tuple[Path, str]]) -> list[str]:
    """A line for each kind of reason: how often it occurred, and the first file for which it did.

    Parameters
    ----------
    rows : list of (path, reason)

    Returns
    -------
    list of str, the most frequent first
    """
    return [f"{count:6,}  {line}" for count, line in _kinds(rows)]


def _kinds(rows):
    """[(count, the reason or its kind: the first file), ...], the most frequent first."""
    first, counts = {}, Counter()
    for path, reason in rows:
        kind = kind_of(reason)
        first.setdefault(kind, (path, reason))
        counts[kind] += 1
    lines = []
    for kind, count in counts.most_common():
        path, reason = first[kind]
        lines.append((count, f"{kind}: {path} .." if count > 1 else f"{reason}: {path}"))
    return lines


def names_of(paths: Sequence[Path]) -> str:
    """The names of the first few files."""
    names = [path.name for path in paths[:SHOWN]]
    return ", ".join(names) + (" .." if len(paths) > SHOWN else "")


def read_collection(
    paths: Iterable[StrPath],
    pedal: bool = False,
    convert: Callable[[Score], Any] | None = None,
    cache: StrPath | None = None,
    workers: int | None = None,
    time_limit: float = 60.0,
    progress: Callable[[int, int], object] | None = None,
    strict: bool = False,
) -> Collection:
    """Read MIDI files.

    No file can stop the others: one that cannot be read or converted, has no notes, equals an earlier one,
    takes too long, or even kills the process that reads it, is reported in `dropped`. What `read_midi` would
    warn about is in `mended`.

    Parameters
    ----------
    paths : iterable of path-like: files, and folders whose files with SUFFIXES are taken, at any depth
    pedal : bool, let the sustain pedal lengthen notes; see `read_midi`
    convert : function of a Score, or None to keep scores
        Called in the process that read the file, so it must be a function of a module or a method, and its
        result must be picklable. The Scores of a large collection fill a gigabyte; what a network learns
        from is far smaller. A ValueError drops the file, with its text as the reason.
    cache : path-like, a folder for what was read; None for none
        It is created if missing, and several processes may share it; damaged entries are read again and
        replaced. If it cannot be created or written, a RuntimeWarning names it, and nothing is cached.
    workers : int, number of processes; the number of cores if None, 0 for this one, one file after the other
    time_limit : float, in seconds, for a file; not enforced with 0 workers
    progress : function of two numbers, called after each file: how many are done, and how many there are
    strict : bool, drop a file in which anything would be mended

    Returns
    -------
    Collection
    """
    found = [find_files(path) for path in paths]
    files = [row for rows, _ in found for row in rows]
    folder, unkept = _open_folder(cache, pedal) if cache else (None, None)
    job = partial(_read, pedal=pedal, convert=convert, folder=folder, strict=strict)
    todo = [place for place, (_, reason) in enumerate(files) if reason is None]
    jobs = [files[place][0] for place in todo]
    outcomes = [_Outcome(reason=reason) for _, reason in files]
    with contextlib.closing(in_workers(job, jobs, workers, time_limit)) as results:
        for done, (place, outcome, failure) in enumerate(results, 1):
            outcomes[todo[place]] = outcome or _Outcome(reason=failure)
            unkept = unkept or outcomes[todo[place]].unkept
            if progress is not None:
                progress(done, len(jobs))
    if unkept:
        caching.warn_not_kept(cache, unkept)
    return _collected(files, outcomes, convert, [path for _, skipped in found for path in skipped])


class _Outcome(NamedTuple):
    """What came of a file."""

    digest: str | None = None  # of its bytes
    music: Any = None  # a packed score, or what `convert` made of it
    mended: tuple[str, ...] = ()
    reason: str | None = None  # why there is no music
    unkept: str | None = None  # why it is not in the cache


def _collected(files, outcomes, convert, skipped):
    """The Collection of files [(path, reason), ...] and their outcomes."""
    collection, seen = Collection([], [], [], skipped), {}
    for (path, _), outcome in zip(files, outcomes, strict=True):
        reason = outcome.reason
        if reason is None and outcome.digest in seen:
            reason = f"the same file as '{seen[outcome.digest]}'"
        if reason is None:
            seen[outcome.digest] = path
            music = unpack(outcome.music)[0] if convert is None else outcome.music
            collection.kept.append(Kept(path, music))
            collection.mended.extend(Mended(path, line) for line in outcome.mended)
        else:
            collection.dropped.append(Dropped(path, " ".join(reason.split())))
    return collection


def find_files(path: StrPath) -> tuple[list[tuple[Path, str | None]], list[Path]]:
    """What a path stands for: itself, or the MIDI files below a folder; see `sources.find_files`."""
    return sources.find_files(path, SUFFIXES)


def _read(path, pedal, convert, folder, strict):
    """The _Outcome of a file."""
    try:
        content = sources.read_bytes(path, MAX_BYTES + 1)
        digest = hashlib.sha256(content).hexdigest()
        score, mended, unkept = _score(content, pedal, folder and folder / f"{digest}.score")
        if strict and mended:
            raise ValueError(mended[0])
        if not any(track.notes for track in score.tracks):
            raise ValueError("it has no notes")
        music = pack(score) if convert is None else convert(score)
        return _Outcome(digest, music, mended, unkept=unkept)
    except ValueError as error:
        return _Outcome(reason=str(error))


def _score(content, pedal, cached):
    """(score, what was mended, why it is not kept) of these bytes, from the entry `cached` if there is one.

    If not, it is put there.
    """
    if cached is None:
        return *parse(content, pedal), None
    with contextlib.suppress(ValueError):  # not there, or damaged
        return *unpack(caching.load(cached)), None
    score, mended = parse(content, pedal)
    return score, mended, caching.store(cached, pack(score, mended))


def _open_folder(folder, pedal):
    """The cache's folder for this reader with these settings."""
    others = (module.__file__ for module in (caching, reasons, score, score_bytes))
    code = [*sorted(Path(__file__).parent.glob("*.py")), *others]
    return caching.open_folder(folder, "midi", repr(pedal), code)
