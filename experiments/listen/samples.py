"""Which pieces a run folder offers to listeners.

A run may say so itself, in `samples.json`:

    [{"file": "composed/3.wav", "source": "lstm", "primed": true, "title": "...", "primer_seconds": 8.0}, ...]

`file` is relative to the run folder; `source` is who made the piece, "human" for people; `primed`, whether it
begins with a primer; title and primer_seconds may be missing. Of a folder without such a list, all WAV files
in it and in the folders directly inside are taken, unprimed, with the folder's name as their source.

Files are hostile until they have been read: a list may name anything.
"""

import json
import math
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from experiments.errors import UserError

LIST = "samples.json"
LIST_BYTES = 1_000_000
MOST_SAMPLES = 1000
MOST_CHARACTERS = 200
MOST_SECONDS = 3600
HUMAN = "human"


@dataclass(frozen=True)
class Sample:
    """A WAV file that listeners may hear.

    path : Path; source : str, who made it; primed : bool; title : str; primer_seconds : float or None
    """

    path: Path
    source: str
    primed: bool = False
    title: str = ""
    primer_seconds: float | None = None


def read_runs(runs, human=None):
    """The samples of several run folders.

    Parameters
    ----------
    runs : iterable of Path
    human : Path, optional
        A folder of WAV files made by people.

    Returns
    -------
    list of Sample

    Raises
    ------
    UserError
        If a folder offers nothing to hear, or lists what cannot be taken.
    """
    samples = [sample for run in runs for sample in read_run(run)]
    if human is not None:
        samples += found_in(human, HUMAN)
    return samples


def read_run(folder):
    """The samples of one run folder, listed or found. Raises UserError, as `read_runs`."""
    folder = Path(folder)
    listed = folder / LIST
    if not listed.exists() and not listed.is_symlink():
        return found_in(folder, folder.resolve().name)
    check_regular(listed, folder)
    if listed.stat().st_size > LIST_BYTES:
        raise UserError(f"{listed}: expected at most {LIST_BYTES:,} bytes")
    try:
        entries = json.loads(listed.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise UserError(f"{listed}: not a JSON file") from None
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_SAMPLES:
        raise UserError(f"{listed}: expected a list of 1 to {MOST_SAMPLES} samples")
    return [as_sample(entry, f"{listed}, sample {i}", folder) for i, entry in enumerate(entries, 1)]


def as_sample(entry, where, folder):
    """One entry of samples.json as a Sample; `where` begins the messages."""
    if not isinstance(entry, dict):
        raise UserError(f"{where}: expected an object with file, source and primed")
    file = wanted_text(entry, "file", where)
    source = wanted_text(entry, "source", where)
    title = wanted_text(entry, "title", where) if entry.get("title") else ""
    primed, seconds = entry.get("primed"), entry.get("primer_seconds")
    if not isinstance(primed, bool):
        raise UserError(f"{where}: expected primed to be true or false")
    if seconds is not None:
        is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        if not is_number or not 0 <= seconds <= MOST_SECONDS:  # NaN fails, too
            raise UserError(f"{where}: expected primer_seconds from 0 to {MOST_SECONDS}")
        seconds = float(seconds)
    parts = PurePosixPath(file).parts
    if ".." in parts or PurePosixPath(file).is_absolute() or "\\" in file or ":" in file:
        raise UserError(f"{where}: expected a path inside the run folder, got {shortened(file)!r}")
    path = folder.joinpath(*parts)
    check_regular(path, folder, where)
    return Sample(path, source, primed, title, seconds)


def wanted_text(entry, key, where):
    value = entry.get(key)
    fits = isinstance(value, str) and value.strip() and len(value) <= MOST_CHARACTERS and value.isprintable()
    if not fits:
        raise UserError(
            f"{where}: expected {key} to be a text of 1 to {MOST_CHARACTERS} printable characters"
        )
    return value.strip()


def check_regular(path, folder, where=None):
    """Refuse what is no regular file inside `folder`, wherever links lead; reading a pipe would never end.

    Raises
    ------
    UserError
    """
    where = f"{path}" if where is None else f"{where}: {path.name}"
    try:
        real = path.resolve(strict=True)
        mode = real.stat().st_mode
    except (OSError, ValueError, RuntimeError):  # no such file; a NUL; links in a circle
        raise UserError(f"{where}: no such file in {folder}") from None
    if not real.is_relative_to(folder.resolve()):
        raise UserError(f"{where}: expected a file inside {folder}, but it is a link that leads out of it")
    if not stat.S_ISREG(mode):
        raise UserError(f"{where}: expected a file")


def found_in(folder, source):
    """The WAV files in a folder and in those directly inside it, as unprimed samples of `source`."""
    folder = Path(folder)
    if not folder.is_dir():
        problem = "expected a folder, got a file" if folder.exists() else "no such folder"
        raise UserError(f"{folder}: {problem}")
    if not source.isprintable() or not 0 < len(source) <= MOST_CHARACTERS:
        raise UserError(f"{folder}: expected a folder with a printable name")
    visible = [path for path in sorted(folder.glob("*")) if not path.name.startswith(".")]
    inner = [path for place in visible if place.is_dir() for path in sorted(place.glob("*"))]
    found = [p for p in visible + inner if p.suffix.lower() == ".wav" and not p.name.startswith(".")]
    if not found:
        raise UserError(f"{folder}: nothing to hear, neither a {LIST} nor WAV files")
    if len(found) > MOST_SAMPLES:
        raise UserError(f"{folder}: expected at most {MOST_SAMPLES} WAV files, found {len(found)}")
    for path in found:
        check_regular(path, folder)
    return [Sample(path, source, title=as_title(path.stem)) for path in found]


def as_title(stem):
    return "".join(c if c.isprintable() else "?" for c in stem)[:MOST_CHARACTERS]


def shortened(text, most=60):
    return text if len(text) <= most else text[:most] + "..."


def seconds_text(seconds):
    """75 as "1:15"."""
    return f"{math.floor(seconds / 60)}:{math.floor(seconds % 60):02d}"
