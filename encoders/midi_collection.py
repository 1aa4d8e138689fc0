"""Many MIDI files, none of them trusted: what can be read is kept, the rest is reported.

    collection = read_collection(["maestro"], pedal=True, convert=NoteDuration().encode)
    collection.kept                    [Kept(path, music), ...]
    print(collection.table())          how many were kept, and why the others were not

Each file is read in one of several processes, and what was read may be kept in a folder, by a hash of the
file's bytes: a file that is renamed is not read again, one that is changed is. The folder's name holds a hash
of the reader's own source, so that nothing outlives a change of the reader.
"""

import contextlib
import hashlib
import os
import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import NamedTuple

from encoders import midi_events, midi_pedal, midi_reader, score, score_bytes
from encoders.midi_reader import MAX_BYTES, parse
from encoders.score_bytes import pack, unpack
from encoders.workers import in_workers
from scratchnet.files import atomic_open, is_regular

SUFFIXES = (".mid", ".midi")  # of files in folders, in small letters or capitals


class Kept(NamedTuple):
    """A file, and the Score that it holds or what `convert` has made of it."""

    path: Path
    music: object


class Dropped(NamedTuple):
    """A file that is left out, and why."""

    path: Path
    reason: str


class Collection(NamedTuple):
    """Lists of Kept and of Dropped, in the order of the files."""

    kept: list
    dropped: list

    def table(self):
        """Numbers of kept and dropped files, and a line for each kind of reason with the first such file.

        Returns
        -------
        str, several lines
        """
        first, counts = {}, Counter()
        for path, reason in self.dropped:
            kind = re.sub(r"'[^']*'|0x\w+|\d[\d,.]*", "..", reason)  # but for names and numbers the same
            first.setdefault(kind, (path, reason))
            counts[kind] += 1
        lines = [f"{len(self.kept):6,} kept", f"{len(self.dropped):6,} dropped"]
        for kind, count in counts.most_common():
            path, reason = first[kind]
            lines.append(f"{count:10,}  {reason if count == 1 else kind}: {path}{' ..' if count > 1 else ''}")
        return "\n".join(lines)


def read_collection(
    paths, pedal=False, convert=None, cache=None, workers=None, time_limit=60.0, progress=None
):
    """Read MIDI files.

    Nothing in a file is an error of the whole: a file that cannot be read or converted, has no notes, is the
    same as one before, takes too long, or even ends the process that reads it, is reported in `dropped`.

    Parameters
    ----------
    paths : iterable of path-like: files, and folders whose files *.mid and *.midi are taken, at any depth
    pedal : bool, let the sustain pedal lengthen notes; see `read_midi`
    convert : function of a Score, or None to keep scores
        Called where the file was read, and so of a module or a method, and with a result that can be pickled.
        Scores of a large collection fill a gigabyte; what a network is to learn is far smaller. A ValueError
        drops the file, with its text as the reason.
    cache : path-like, a folder for what was read; None for none. It is made if it is not there. Several may
        use it at once; what is damaged in it is not used.
    workers : int, number of processes; the number of cores if None, 0 for this one, one file after the other
    time_limit : float, in seconds, for a file; not watched with 0 workers
    progress : function of two numbers, called after each file: how many are done, and how many there are

    Returns
    -------
    Collection

    Raises
    ------
    OSError
        If the cache folder cannot be made.
    """
    files = [file for path in paths for file in _files(Path(path))]
    job = partial(_read, pedal=pedal, convert=convert, cache=cache and _cache_folder(cache, pedal))
    todo = [place for place, (_, reason) in enumerate(files) if reason is None]
    jobs = [files[place][0] for place in todo]
    outcomes = [(None, None, reason) for _, reason in files]  # (hash of the file, what it holds, reason)
    with contextlib.closing(in_workers(job, jobs, workers, time_limit)) as results:
        for done, (place, outcome, failure) in enumerate(results, 1):
            outcomes[todo[place]] = outcome or (None, None, failure)
            if progress is not None:
                progress(done, len(jobs))

    collection, seen = Collection([], []), {}
    for (path, _), (digest, music, reason) in zip(files, outcomes, strict=True):
        if reason is None and digest in seen:
            reason = f"the same file as '{seen[digest]}'"
        if reason is None:
            seen[digest] = path
            collection.kept.append(Kept(path, unpack(music) if convert is None else music))
        else:
            collection.dropped.append(Dropped(path, " ".join(reason.split())))
    return collection


def _files(path):
    """[(file, reason why it is none or None), ...]: the path itself, or the MIDI files below a folder."""
    try:
        if not path.is_dir():
            return [(path, None)]
        found, errors = [], []
        # links to folders are not followed, they might go round
        for folder, folders, names in os.walk(path, onerror=errors.append):
            folders.sort()
            found += [(Path(folder, name), None) for name in sorted(names) if name.lower().endswith(SUFFIXES)]
        found += [(Path(error.filename), _why(error)) for error in errors]
        return found or [(path, "no file *.mid or *.midi in this folder")]
    except OSError as error:
        return [(path, _why(error))]


def _why(error):
    return f"cannot be read ({error.strerror})"


def _read(path, pedal, convert, cache):
    """(hash of the file, packed score or what `convert` makes of it, None) or (None, None, reason)."""
    try:
        content = _content(path)
        digest = hashlib.sha256(content).hexdigest()
        score = _score(content, pedal, cache and Path(cache, f"{digest}.score"))
        if not any(track.notes for track in score.tracks):
            raise ValueError("it has no notes")
        return digest, pack(score) if convert is None else convert(score), None
    except ValueError as error:
        return None, None, str(error)


def _content(path):
    """The bytes of a file; ValueError says why there are none."""
    try:
        if not is_regular(path):
            raise ValueError("not a file")
        with open(path, "rb") as file:
            return file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError("no such file") from None
    except OSError as error:
        raise ValueError(_why(error)) from None


def _score(content, pedal, cached):
    """The score in these bytes, from the file `cached` if that has it; if not it is put there."""
    if cached is None:
        return parse(content, pedal)
    with contextlib.suppress(OSError, ValueError):  # not there, or damaged
        return unpack(cached.read_bytes())
    score = parse(content, pedal)
    with contextlib.suppress(OSError), atomic_open(cached, "wb") as file:  # a full disk only costs time
        file.write(pack(score))
    return score


def _cache_folder(cache, pedal):
    """The folder in the cache for this reader with these settings; it is made if need be."""
    version = hashlib.sha256(repr(pedal).encode())
    for module in (midi_events, midi_pedal, midi_reader, score, score_bytes):
        version.update(Path(module.__file__).read_bytes())
    folder = Path(cache, f"midi-{version.hexdigest()[:16]}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
