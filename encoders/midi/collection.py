"""Many MIDI files, none of them trusted: what can be read is kept, the rest is reported.

    collection = read_collection(["maestro"], pedal=True, convert=NoteDuration().encode)
    collection.kept                    [Kept(path, music), ...]
    print(collection.table())          how many were kept, mended, dropped and skipped, and why

Each file is read in one of several processes, and what was read may be kept in a folder, by a hash of the
file's bytes: a file that is renamed is not read again, one that is changed is. The folder's name holds a hash
of the reader's own source, so that nothing outlives a change of the reader.
"""

import contextlib
import hashlib
import os
import time
import warnings
from collections import Counter
from functools import partial
from pathlib import Path
from typing import NamedTuple

from scratchnet.files import atomic_open, is_regular

from .. import reasons, score, score_bytes
from ..reasons import kind_of
from ..score_bytes import pack, unpack
from ..workers import in_workers
from .reader import MAX_BYTES, parse

SUFFIXES = (".mid", ".midi", ".kar", ".rmi", ".smf")  # of files in folders, in small letters or capitals
MAX_CACHED = 64 * 2**20  # bytes; a score with the most notes and changes has fewer
OLD = 24 * 3600  # seconds: no process writes a file of the cache for so long
SHOWN = 3  # names of files that are skipped


class Kept(NamedTuple):
    """A file, and the Score that it holds or what `convert` has made of it."""

    path: Path
    music: object


class Dropped(NamedTuple):
    """A file that is left out, and why."""

    path: Path
    reason: str


class Mended(NamedTuple):
    """A file that is kept, and a line about what in it was mended or left out; see `read_midi`."""

    path: Path
    line: str


class Collection(NamedTuple):
    """Lists of Kept, Dropped and Mended, in the order of the files, and of paths that are skipped."""

    kept: list
    dropped: list
    mended: list
    skipped: list

    def table(self):
        """How many files were kept, mended, dropped and skipped; a line for each kind of reason.

        Returns
        -------
        str, several lines
        """
        lines = [f"{len(self.kept):6,} kept"]
        mended = len({path for path, _ in self.mended})
        for word, count, rows in (
            ("of them mended", mended, self.mended),
            ("dropped", len(self.dropped), self.dropped),
        ):
            if count or word == "dropped":
                lines += [f"{count:6,} {word}", *(f"    {line}" for line in by_kind(rows))]
        if self.skipped:
            lines.append(f"{len(self.skipped):6,} skipped: {names_of(self.skipped)}")
        return "\n".join(lines)


def by_kind(rows):
    """A line for each kind of reason: how often it came, and the first file for which it did.

    Parameters
    ----------
    rows : list of (path, reason)

    Returns
    -------
    list of str, the most frequent first
    """
    first, counts = {}, Counter()
    for path, reason in rows:
        kind = kind_of(reason)
        first.setdefault(kind, (path, reason))
        counts[kind] += 1
    lines = []
    for kind, count in counts.most_common():
        path, reason = first[kind]
        lines.append(f"{count:6,}  {reason if count == 1 else kind}: {path}{' ..' if count > 1 else ''}")
    return lines


def names_of(paths):
    """The names of the first few files, as a text."""
    names = [path.name for path in paths[:SHOWN]]
    return ", ".join(names) + (" .." if len(paths) > SHOWN else "")


def read_collection(
    paths, pedal=False, convert=None, cache=None, workers=None, time_limit=60.0, progress=None, strict=False
):
    """Read MIDI files.

    Nothing in a file is an error of the whole: a file that cannot be read or converted, has no notes, is the
    same as one before, takes too long, or even ends the process that reads it, is reported in `dropped`. What
    `read_midi` warns of is in `mended`.

    Parameters
    ----------
    paths : iterable of path-like: files, and folders whose files with SUFFIXES are taken, at any depth
    pedal : bool, let the sustain pedal lengthen notes; see `read_midi`
    convert : function of a Score, or None to keep scores
        Called where the file was read, and so of a module or a method, and with a result that can be pickled.
        Scores of a large collection fill a gigabyte; what a network is to learn is far smaller. A ValueError
        drops the file, with its text as the reason.
    cache : path-like, a folder for what was read; None for none. It is made if it is not there. Several may
        use it at once; what is damaged in it is read again and replaced. If it cannot be made or written, a
        RuntimeWarning names it, and nothing is kept.
    workers : int, number of processes; the number of cores if None, 0 for this one, one file after the other
    time_limit : float, in seconds, for a file; not watched with 0 workers
    progress : function of two numbers, called after each file: how many are done, and how many there are
    strict : bool, drop a file of which anything would be mended

    Returns
    -------
    Collection
    """
    found = [find_files(path) for path in paths]
    files = [row for rows, _ in found for row in rows]
    folder, unkept = _cache_folder(cache, pedal) if cache else (None, None)
    job = partial(_read, pedal=pedal, convert=convert, cache=folder, strict=strict)
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
        warnings.warn(f"{cache}: what was read cannot be kept here ({unkept})", RuntimeWarning, stacklevel=2)
    return _collected(files, outcomes, convert, [path for _, skipped in found for path in skipped])


class _Outcome(NamedTuple):
    """What came of a file."""

    digest: str = None  # of its bytes
    music: object = None  # a packed score, or what `convert` has made of it
    mended: tuple = ()
    reason: str = None  # why there is no music
    unkept: str = None  # why it is not in the cache


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


def find_files(path):
    """What a path stands for: itself, or the MIDI files below a folder.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    files : list of (path, reason why it is no MIDI file or None)
    skipped : list of paths in the folder that have other names
    """
    path = Path(path)
    try:
        if not path.is_dir():
            return [(path, None)], []
        found, skipped, errors = [], [], []
        # links to folders are not followed, they might go round
        for folder, folders, names in os.walk(path, onerror=errors.append):
            folders.sort()
            for name in sorted(names):
                known = name.lower().endswith(SUFFIXES)
                (found if known else skipped).append(Path(folder, name))
        rows = [(file, None) for file in found] + [(Path(error.filename), _why(error)) for error in errors]
        *most, last = (f"*{suffix}" for suffix in SUFFIXES)
        return rows or [(path, f"no file {', '.join(most)} or {last} in this folder")], skipped
    except OSError as error:
        return [(path, _why(error))], []


def _why(error):
    return f"cannot be read ({error.strerror})"


def _read(path, pedal, convert, cache, strict):
    """The _Outcome of a file."""
    try:
        content = _content(path, MAX_BYTES + 1)
        digest = hashlib.sha256(content).hexdigest()
        score, mended, unkept = _score(content, pedal, cache and Path(cache, f"{digest}.score"))
        if strict and mended:
            raise ValueError(mended[0])
        if not any(track.notes for track in score.tracks):
            raise ValueError("it has no notes")
        music = pack(score) if convert is None else convert(score)
        return _Outcome(digest, music, mended, unkept=unkept)
    except ValueError as error:
        return _Outcome(reason=str(error))


def _content(path, most):
    """So many bytes of a file; ValueError says why there are none."""
    try:
        if not is_regular(path):
            raise ValueError("not a file")
        with open(path, "rb") as file:
            return file.read(most)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError("no such file") from None
    except OSError as error:
        raise ValueError(_why(error)) from None


def _score(content, pedal, cached):
    """(score, what was mended, why it is not kept) of these bytes, from the file `cached` if that has them.

    If not, it is put there.
    """
    if cached is None:
        return *parse(content, pedal), None
    with contextlib.suppress(ValueError):  # not there, or damaged
        return *unpack(_content(cached, MAX_CACHED)), None
    score, mended = parse(content, pedal)
    try:
        with atomic_open(cached, "wb") as file:
            file.write(pack(score, mended))
    except OSError as error:  # which only costs time
        return score, mended, error.strerror or str(error)
    return score, mended, None


def _cache_folder(cache, pedal):
    """(folder in the cache for this reader with these settings, None), or (None, why it cannot be made)."""
    version = hashlib.sha256(repr(pedal).encode())
    others = (Path(module.__file__) for module in (reasons, score, score_bytes))
    for source in [*sorted(Path(__file__).parent.glob("*.py")), *others]:
        version.update(source.read_bytes())
    folder = Path(cache, f"midi-{version.hexdigest()[:16]}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
    except OSError as error:
        return None, error.strerror or str(error)
    return folder, None


def _remove_leftovers(folder):
    """Remove what processes that were killed while they wrote left behind."""
    for path in folder.glob(".*.score"):
        with contextlib.suppress(OSError):  # another process removes it, too
            if path.stat().st_mtime < time.time() - OLD:
                path.unlink()
