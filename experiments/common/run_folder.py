"""The folder of one run: settings, environment, log, checkpoint, samples, figures and metrics.

    runs/blues-20260101-120000/
        config.yaml             the settings, ready for `--config`
        environment.json        the command line, versions, processor, threads, commit
        log.jsonl               one JSON object per line, written as training goes
        checkpoint.safetensors  all that going on needs (some runs keep earlier ones: checkpoint-STEP)
        best.safetensors        some runs: the network that was best on held-out music
        metrics.json            the figures that count
        composed-1.json         how a composition was made (compositions.py)

It is enough to resume the run or to repeat it. One process at a time works in it, and others may compose.
"""

import contextlib
import datetime
import json
import os
import weakref
from pathlib import Path

from experiments.common import locks
from experiments.common.deprecated import current
from experiments.common.environment import MARK, environment
from experiments.common.errors import UserError
from experiments.common.json_files import is_number, plain, read_json
from experiments.common.settings import Parser, dump_config
from experiments.common.yaml_settings import read_texts
from scratchnet.files import atomic_open, is_regular, remove_leftovers
from scratchnet.messages import cut

CONFIG, ENVIRONMENT, LOG, METRICS = "config.yaml", "environment.json", "log.jsonl", "metrics.json"
CHECKPOINT, BEST, NUMBERED = "checkpoint.safetensors", "best.safetensors", "checkpoint-*.safetensors"
OWN_NAMES = (CONFIG, ENVIRONMENT, LOG, METRICS, CHECKPOINT, BEST)
SETTINGS = "settings"  # in environment.json: the name of the dataclass
LOCK = ".lock"
COMPOSED = "composed"  # names of compositions begin so
MOST_LINE = 2**20  # bytes of a row of the log


class Busy(UserError):
    """Another process works in the folder."""


class RunFolder:
    """One run's files. `RunFolder.create` begins a run, `RunFolder.resume` goes on with one, `RunFolder.open`
    looks into one.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    @classmethod
    def create(cls, path=None, experiment="run", config=None, overwrite=False):
        """Make the folder and record the settings and the environment.

        path : path-like, optional, by default `runs/EXPERIMENT-DATE-TIME`
        experiment : str
        config : dataclass instance
        overwrite : bool, begin an earlier run's folder afresh: settings, log, metrics and checkpoint go, all
            else stays
        Raises UserError if the folder cannot be made, is not empty, or (to `overwrite`) is not a run's but
            has such files; Busy if another process works in it.
        """
        folder = "runs" if path is None else Path(path)
        try:
            folder = make_default_folder(experiment) if path is None else folder
            folder.mkdir(parents=True, exist_ok=True)
            run = cls(folder)
            run._expect_free(overwrite)
            run.lock()
            run._expect_free(overwrite)  # another process may have come before
        except OSError as error:
            raise UserError(f"{folder}: cannot make a run folder here ({error.strerror})") from None
        ours = is_run(folder)
        if ours:
            run.remove_leftovers()
        # first, and replaced, not removed: it marks the folder as ours
        run.write_json(ENVIRONMENT, environment() | {SETTINGS: type(config).__name__})
        for path in map(run.path, (LOG, METRICS, CHECKPOINT, BEST)):
            path.unlink(missing_ok=True)
        for path in folder.glob(NUMBERED) if ours else ():
            path.unlink()
        with atomic_open(run.path(CONFIG)) as file:
            file.write(dump_config(config))
        return run

    def _expect_free(self, overwrite):
        """A UserError that says why no run can begin in the folder."""
        names = {*os.listdir(self.folder)} - {LOCK}
        if names and not overwrite:
            raise UserError(f"{self.folder}: the folder is not empty; choose another or ask to overwrite it")
        strange = sorted(names.intersection(OWN_NAMES))
        if strange and not is_run(self.folder):
            raise UserError(f"{self.folder}: not overwritten, for {strange[0]} in it is not of a run")

    @classmethod
    def resume(cls, path, wait=False):
        """An earlier run, to go on with: what a process left unfinished that was killed in it is removed.

        path : path-like
        wait : until no other process works in it
        Raises UserError if `path` is not the folder of a run, or figures of it are damaged, to which more are
            to be added; Busy if another process works in it.
        """
        run = cls.open(path)
        run.lock(wait)
        run.metrics()
        run.rows()
        run.remove_leftovers()
        return run

    def lock(self, wait=False):
        """Keep other processes from training in the folder, as long as there is this RunFolder.

        Raises Busy if another process works in it, and is not to be waited for.
        """
        path = self.folder / LOCK
        key = locks.lock(path, wait)
        if key is None:
            who = locks.signature(path)
            raise Busy(
                f"{self.folder}: another process{f' ({cut(who)})' if who else ''} works in this folder"
            )
        locks.sign(key)
        weakref.finalize(self, locks.unlock, key)

    def remove_leftovers(self):
        """Remove what killed processes left unfinished, also in the folders below."""
        for folder, _, _ in os.walk(self.folder):
            remove_leftovers(folder)

    @classmethod
    def open(cls, path):
        """An earlier run.

        Raises UserError if `path` is not the folder of a run.
        """
        folder = Path(path)
        if not folder.is_dir():
            problem = "expected a run folder, got a file" if folder.exists() else "no such run folder"
            raise UserError(f"{folder}: {problem}")
        if not (folder / CONFIG).is_file():
            raise UserError(f"{folder}: expected a run folder, but there is no {CONFIG} in it")
        return cls(folder)

    def path(self, name):
        """The path of a file of the run; folders above it are made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def checkpoint(self):
        """Path of the checkpoint."""
        return self.folder / CHECKPOINT

    def require_checkpoint(self):
        """Path of the checkpoint of a run that has one.

        Raises UserError if there is none yet.
        """
        if not self.checkpoint.is_file():
            raise UserError(f"{self.folder}: expected a trained run, but there is no {CHECKPOINT} in it")
        return self.checkpoint

    def config(self, config_type, *others):
        """The settings of the run, checked as those of a command line are.

        config_type, others : dataclasses; the settings are of the one whose name the run was begun with, or,
            if an earlier version began it, of the first that has all names in the file
        Raises UserError if they are missing or do not fit.
        """
        path, kinds = self.folder / CONFIG, {kind.__name__: kind for kind in (config_type, *others)}
        kind = kinds.get(self.environment().get(SETTINGS))
        if kind is None:
            with contextlib.suppress(UserError):  # what is wrong in it, its parser says
                names = read_texts(path) if others else ()
                fields = {name: k.__dataclass_fields__ for name, k in kinds.items()}
                fits = (k for k, known in fields.items() if all(current(n, known) in known for n in names))
                kind = kinds.get(next(fits, None))
        return Parser(kind or config_type).parse_file(path)

    def environment(self):
        """What environment.json says: versions, processor, the command line; empty if it is damaged."""
        try:
            return read_json(self.folder / ENVIRONMENT, dict)
        except (OSError, UserError):
            return {}

    def log(self, **row):
        """Append one row to log.jsonl. NaN and infinity, which JSON does not know, are written as null."""
        line = json.dumps(plain(row), allow_nan=False) + "\n"
        with open(self.folder / LOG, "ab+") as file:
            if file.tell() and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n":
                line = "\n" + line  # a power cut left half a line: do not spoil this one, too
            file.write(line.encode())

    def rows(self, *numbers):
        """The rows of log.jsonl that have finite numbers under these names.

        Lines that a power cut left unfinished, or that are no rows, are passed over.
        """
        path, rows = self.folder / LOG, []
        with contextlib.suppress(FileNotFoundError):
            if not is_regular(path):
                raise UserError(f"{path}: expected a file of rows")
            with open(path, "rb") as file:
                for line in iter(lambda: file.readline(MOST_LINE), b""):
                    with contextlib.suppress(ValueError, RecursionError):
                        rows.append(json.loads(line))
        return [row for row in rows if isinstance(row, dict) and all(is_number(row.get(n)) for n in numbers)]

    def keep_rows(self, name, most, but=None):
        """Drop the rows of log.jsonl that have no number of this name, or a larger one than `most`: those
        after the checkpoint. Of those with `most` itself, the ones that have `but` are dropped, too.
        """
        rows = [
            row for row in self.rows(name) if row[name] <= most and not (row[name] == most and but in row)
        ]
        with atomic_open(self.path(LOG)) as file:
            file.writelines(json.dumps(plain(row), allow_nan=False) + "\n" for row in rows)

    def sync_log(self):
        """See to it that the rows so far outlive a power cut."""
        with contextlib.suppress(FileNotFoundError), open(self.folder / LOG, "ab") as file:
            os.fsync(file.fileno())

    def metrics(self):
        """What `write_metrics` has written so far.

        Raises UserError if metrics.json is damaged.
        """
        path = self.folder / METRICS
        try:
            return read_json(path, dict)
        except FileNotFoundError:
            return {}

    def write_metrics(self, metrics):
        """Add to metrics.json, replacing figures of the same name. NaN and infinity are written as null."""
        self.write_json(METRICS, {**self.metrics(), **metrics})

    def write_json(self, name, content):
        """Write a JSON file of the run, whole or not at all."""
        text = json.dumps(plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        with atomic_open(self.path(name)) as file:
            file.write(text)


def make_default_folder(experiment):
    """Make a folder named after the experiment and the time; two processes do not get the same."""
    stem, count = f"{experiment}-{datetime.datetime.now():%Y%m%d-%H%M%S}", 1
    while True:
        folder = Path("runs", stem if count == 1 else f"{stem}-{count}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            if not folder.exists():  # "runs" leads nowhere
                raise
            count += 1


def is_run(folder):
    return MARK in RunFolder(folder).environment()
