"""Which pieces a run folder offers, and whose they are.

A run may say so itself, in `samples.json`:

    [{"file": "composed/3.wav", "source": "lstm", "primed": true, "title": "...", "primer_seconds": 8.0}, ...]

`file` is relative to the run folder; `source` is who made the piece, "human" for people; `primed`, whether it
begins with a primer; title and primer_seconds may be missing. Of a folder inside a run, such as its samples/,
the run's list says whose they are, too. Of a folder without such a list, all WAV files in it and in the
folders directly inside are taken, with the folder's name as their source; what was composed later, in folders
composed-1, composed-2, ..., has sources of its own.

Files are hostile until they have been read: a list may name anything.
"""

import json
import math
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from experiments.common.compositions import HOW, NUMBERED
from experiments.common.errors import UserError
from experiments.common.json_files import read_json
from experiments.common.run_folder import is_run
from scratchnet.messages import cut

LIST = "samples.json"
LIST_BYTES = 1_000_000
MOST_SAMPLES = 1000
MOST_CHARACTERS = 200
MOST_SECONDS = 3600
HUMAN = "human"


@dataclass(frozen=True)
class Sample:
    """A piece. path : Path; source : str, who made it; primed : bool; title : str; primer_seconds : float or
    None
    """

    path: Path
    source: str
    primed: bool = False
    title: str = ""
    primer_seconds: float | None = None

    @property
    def kind(self):
        """Whose piece, and whether it begins with a primer, in words: "lstm", "lstm primed"."""
        return f"{self.source} primed" if self.primed else self.source


def read_runs(runs, human=None):
    """The WAV files of several run folders.

    runs : sequence of Path
    human : Path, optional, a folder of WAV files made by people; of a run, those that its list says to be by
        people
    Returns list of Sample.
    Raises UserError if a folder offers nothing to hear, or lists what cannot be taken.
    """
    samples = []
    for run, name in zip(runs, unique_names(runs), strict=True):
        listed = read_list(run)
        samples += found_in(run, name) if listed is None else listed
    if human is not None:
        listed = read_list(human)
        samples += found_in(human, HUMAN) if listed is None else by_people(listed, human)
    return samples


def by_people(samples, folder):
    """Those of the samples that people made. Raises UserError if there is none."""
    found = [sample for sample in samples if sample.source == HUMAN]
    if not found:
        raise UserError(f"{folder}: expected pieces by people, and its {LIST} lists none")
    return found


def unique_names(paths):
    """The last part of each path, or as many as tell it from others that end in the same."""
    parts, names = [Path(path).resolve().parts for path in paths], []
    for own in parts:
        length = 1
        while length < len(own) and sum(other[-length:] == own[-length:] for other in parts) > 1:
            length += 1
        names.append(Path(*own[-length:]).as_posix())
    return names


def read_list(folder, suffixes=(), missing=None):
    """What the samples.json of a run folder, or of the run that the folder is in, says about its pieces.

    folder : Path
    suffixes : tuple of str, take, for each sound file, the file beside it that has the first of these:
        (".mid", ".abc")
    missing : list, optional, gets (file, why), both str, of pieces that cannot be taken, which are an error
        otherwise
    Returns list of Sample, or None if there is no list.
    Raises UserError.
    """
    folder = Path(folder)
    listed = folder / LIST
    if listed.exists() or listed.is_symlink():
        return entries_of(listed, suffixes, missing)
    home = folder.resolve().parent
    if folder.is_dir() and is_run(home) and (home / LIST).is_file():
        inside = folder.resolve()
        within = [s for s in entries_of(home / LIST, suffixes, missing) if s.path.is_relative_to(inside)]
        return within or None
    return None


def entries_of(listed, suffixes=(), missing=None):
    """The samples in a list. Raises UserError."""
    folder = listed.parent
    check_regular(listed, folder)
    if listed.stat().st_size > LIST_BYTES:
        raise UserError(f"{listed}: expected at most {LIST_BYTES:,} bytes")
    try:
        entries = json.loads(listed.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise UserError(f"{listed}: not a JSON file") from None
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_SAMPLES:
        raise UserError(f"{listed}: expected a list of 1 to {MOST_SAMPLES} samples")
    samples = []
    for number, entry in enumerate(entries, 1):
        where = f"{listed}, sample {number}"
        sample = as_sample(entry, where, folder)
        beside = [path for s in suffixes if os.path.exists(path := other_suffix(sample.path, s))]
        sample = replace(sample, path=beside[0] if beside else sample.path)
        try:
            if suffixes and not beside:
                raise UserError(f"{where}: no {' or '.join(suffixes)} beside {sample.path.name}")
            check_regular(sample.path, folder, where)
        except UserError as error:
            if missing is None:
                raise
            missing.append((where, str(error).removeprefix(f"{where}: ")))
        else:
            samples.append(sample)
    return samples


def other_suffix(path, suffix):
    return path.parent / (path.stem + suffix)


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
        raise UserError(f"{where}: expected a path inside the run folder, got {cut(file)!r}")
    return Sample(folder.joinpath(*parts), source, primed, title, seconds)


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

    Raises UserError.
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
    refuse_runs_below(folder, [place / LIST for place in folder.glob("*")])
    visible = [path for path in sorted(folder.glob("*")) if not path.name.startswith(".")]
    inner = [path for place in visible if place.is_dir() for path in sorted(place.glob("*"))]
    found = [p for p in visible + inner if p.suffix.lower() == ".wav" and not p.name.startswith(".")]
    if not found:
        raise UserError(f"{folder}: nothing to hear, neither a {LIST} nor WAV files")
    if len(found) > MOST_SAMPLES:
        raise UserError(f"{folder}: expected at most {MOST_SAMPLES} WAV files, found {len(found)}")
    for path in found:
        check_regular(path, folder)
    return [as_found(path, folder, source) for path in found]


def as_found(path, folder, source):
    """A WAV file that no list tells of, below a folder of `source`."""
    if path.parent != folder and NUMBERED.fullmatch(path.parent.name):
        source = f"{source} {path.parent.name}"
    return Sample(path, source, is_primed(path.parent), as_title(path.stem))


def is_primed(folder):
    """Whether a folder holds what was composed after a primer, as the line of JSON in it says."""
    try:
        how = read_json(folder / HOW, dict)
        return how["experiment"] == "classical" or how["options"]["prime"] is not None
    except (OSError, UserError, LookupError, TypeError):
        return False


def refuse_runs_below(folder, lists):
    """A folder of runs is not one source: a UserError if one of these lists is there."""
    for listed in lists:
        if listed.is_file():
            inner = cut(listed.parent.name)
            raise UserError(f"{folder}: {inner} in it has a {LIST}; name the run folders one by one")


def as_title(stem):
    return "".join(c if c.isprintable() else "?" for c in stem)[:MOST_CHARACTERS]


def seconds_text(seconds):
    """75 as "1:15"."""
    return f"{math.floor(seconds / 60)}:{math.floor(seconds % 60):02d}"
