"""Compositions: each has a name of its own, and a line of JSON beside it that says how it was made.

    composed-1.mid, .wav, .png  composed-1.json      a piece: blues, polyphony
    composed-2/01.mid, ...      composed-2/composed.json     several: folk, piano, classical

The number goes up, also where several processes compose from one run at a time; nothing is overwritten.
"""

import contextlib
import dataclasses
import datetime
import json
import os
import re
from pathlib import Path

from experiments.common.environment import commit, version_of
from experiments.common.errors import UserError
from experiments.common.json_files import plain
from experiments.common.options import NewRun
from experiments.common.run_folder import COMPOSED
from scratchnet.files import atomic_open, remove

HOW = f"{COMPOSED}.json"
ASIDE = {"run", "out", "wav", "overwrite", "quiet"}  # options that no piece depends on
NUMBERED = re.compile(rf"{COMPOSED}-([0-9]{{1,9}})(\..*)?")


def how_made(experiment, run, reached, config):
    """What the line of JSON says: a dict.

    experiment : its name
    run : path of the run folder, or of the file of weights
    reached : dict, how far the network has learned: {"step": 900}
    config : settings of the command; those of learning, which the run folder has, are left out
    """
    lineage = [kind for kind in type(config).__mro__[1:] if issubclass(kind, NewRun)]
    aside = ASIDE.union(*(kind.__dataclass_fields__ for kind in lineage))
    return {
        "experiment": experiment,
        "run": str(run),
        **reached,
        **{name: getattr(config, name, None) for name in ("temperature", "seed")},
        "options": {k: v for k, v in dataclasses.asdict(config).items() if k not in aside},
        "version": version_of("scratchnet"),
        "commit": commit(),
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }


@contextlib.contextmanager
def new_folder(out, home, overwrite, how):
    """Where several pieces are composed: yields a folder, `out` or a new composed-N in `home`.

    If composing fails, a new folder goes again.

    Raises UserError if there are files in `out`, and nobody asked to overwrite.
    """
    if out is None:
        folder, made = _number(home, Path.mkdir), True
    else:
        folder, made = Path(out), not Path(out).exists()
        expect_free(folder, overwrite)
        folder.mkdir(parents=True, exist_ok=True)
    with _told(folder / HOW, how, overwrite and not made, [folder] if made else []):
        yield folder


@contextlib.contextmanager
def new_piece(out, home, suffixes, overwrite, how):
    """Where one piece is composed: yields the path of its MIDI file, `out` or a new composed-N.mid in `home`.

    suffixes : of the files that will have its name beside .mid: (".wav", ".png")
    Raises UserError if `out` is no such name, or there are such files, and nobody asked to overwrite.
    """
    if out is None:
        line = _number(home, _touch, ".json")
        midi = line.with_suffix(".mid")
    else:
        midi, line = Path(out), Path(out).with_suffix(".json")
        expect_free_names(midi, (*suffixes, ".json"), overwrite)
    made = [midi.with_suffix(s) for s in (".mid", *suffixes)] if out is None else []
    with _told(line, how, overwrite and out is not None, made):
        yield midi


def expect_free(folder, overwrite):
    """A UserError if the folder has files that would be replaced."""
    if not overwrite and Path(folder).is_dir() and any(Path(folder).iterdir()):
        raise UserError(f"{folder}: the folder is not empty; choose another --out or ask to --overwrite")


def expect_free_names(midi, suffixes, overwrite):
    """A UserError unless a MIDI file and those beside it, of other suffixes, can be written."""
    if midi.suffix.lower() not in (".mid", ".midi"):
        raise UserError(f"--out: expected a name that ends in .mid, got {midi}")
    if not midi.parent.is_dir():
        raise UserError(f"--out: no such folder: {midi.parent}")
    for path in (midi, *map(midi.with_suffix, suffixes)):
        if path.is_dir():
            raise UserError(f"--out: expected the name of a file, and {path} is a folder")
        if path.exists() and not overwrite:
            raise UserError(f"{path} is there already; choose another --out or ask to --overwrite it")


def home_of(run):
    """The folder where compositions of a run are: itself, or that of its file of weights."""
    return run if run.is_dir() else run.parent


def write_how(path, how):
    """The line of JSON."""
    with atomic_open(path) as file:
        file.write(json.dumps(plain(how), ensure_ascii=False, allow_nan=False) + "\n")


@contextlib.contextmanager
def _told(line, how, replace, made):
    """The line of JSON at `line` is there in the block, or to `replace` one, after it; on failure it goes and
    `made` with it.
    """
    try:
        if not replace:
            write_how(line, how)
        yield
    except BaseException:
        for path in () if replace else (line, *made):
            remove(path)
        raise
    if replace:
        write_how(line, how)


def _touch(path):
    """Make a file that nobody has made before."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def _number(home, make, suffix=""):
    """Make composed-N with the next N that nobody has; its path."""
    home = Path(home)
    taken = [int(match[1]) for name in os.listdir(home) if (match := NUMBERED.fullmatch(name))]
    number = max(taken, default=0) + 1
    while True:
        path = home / f"{COMPOSED}-{number}{suffix}"
        try:
            make(path)
            return path
        except FileExistsError:
            number += 1
