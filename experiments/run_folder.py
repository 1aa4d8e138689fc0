"""The folder of one run: settings, environment, log, checkpoint, samples, figures and metrics.

    runs/blues-20260101-120000/
        config.yaml             the settings, ready for `--config`
        environment.json        versions, processor, threads, commit
        log.jsonl               one JSON object per line, written as training goes
        checkpoint.safetensors  all that going on needs (some runs keep earlier ones: checkpoint-STEP)
        best.safetensors        some runs: the network that was best on held-out music
        metrics.json            the figures that count

It is enough to resume the run or to repeat it.
"""

import contextlib
import datetime
import importlib.metadata
import json
import math
import os
import platform
import subprocess
from pathlib import Path

from experiments.errors import UserError
from experiments.settings import dump_config, make_parser
from scratchnet.files import atomic_open

CONFIG, ENVIRONMENT, LOG, METRICS = "config.yaml", "environment.json", "log.jsonl", "metrics.json"
CHECKPOINT, BEST, NUMBERED = "checkpoint.safetensors", "best.safetensors", "checkpoint-*.safetensors"
OWN_NAMES = (CONFIG, ENVIRONMENT, LOG, METRICS, CHECKPOINT, BEST)
PACKAGES = ("scratchnet", "numpy", "numba", "scipy", "mido", "safetensors")
MARK = (
    "scratchnet run"  # a key of environment.json: without it, a folder with a config.yaml is somebody else's
)


class RunFolder:
    """One run's files. Use `RunFolder.create` to begin a run and `RunFolder.open` to come back to one."""

    def __init__(self, folder):
        self.folder = Path(folder)

    @classmethod
    def create(cls, path=None, experiment="run", config=None, overwrite=False):
        """Make the folder and record the settings and the environment.

        Parameters
        ----------
        path : path-like, optional
            By default `runs/EXPERIMENT-DATE-TIME`.
        experiment : str
        config : dataclass instance
        overwrite : bool
            Begin an earlier run's folder afresh: settings, log, metrics and checkpoint go, all else stays.

        Raises
        ------
        UserError
            If the folder cannot be made, is not empty, or (to `overwrite`) is not a run's but has such files.
        """
        folder = default_folder(experiment) if path is None else Path(path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            names = set(os.listdir(folder))
        except OSError as error:
            raise UserError(f"{folder}: cannot make a run folder here ({error.strerror})") from None
        if names and not overwrite:
            raise UserError(f"{folder}: the folder is not empty; choose another or ask to overwrite it")
        strange = sorted(names.intersection(OWN_NAMES))
        ours = is_run(folder)
        if strange and not ours:
            raise UserError(f"{folder}: not overwritten, for {strange[0]} in it is not of a run")
        run = cls(folder)
        run.write_json(
            ENVIRONMENT, environment()
        )  # first, and replaced, not removed: it marks the folder as ours
        for path in map(run.path, (LOG, METRICS, CHECKPOINT, BEST)):
            path.unlink(missing_ok=True)
        for path in folder.glob(NUMBERED) if ours else ():
            path.unlink()
        with atomic_open(run.path(CONFIG)) as file:
            file.write(dump_config(config))
        return run

    @classmethod
    def open(cls, path):
        """An earlier run.

        Raises
        ------
        UserError
            If `path` is not the folder of a run.
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

        Raises
        ------
        UserError
            If there is none yet.
        """
        if not self.checkpoint.is_file():
            raise UserError(f"{self.folder}: expected a trained run, but there is no {CHECKPOINT} in it")
        return self.checkpoint

    def config(self, config_type):
        """The settings of the run, checked as those of a command line are.

        Raises
        ------
        UserError
            If they are missing or do not fit `config_type`.
        """
        return make_parser(config_type).parse_file(self.folder / CONFIG)

    def log(self, **row):
        """Append one row to log.jsonl. NaN and infinity, which JSON does not know, are written as null."""
        line = json.dumps(plain(row), allow_nan=False) + "\n"
        with open(self.folder / LOG, "ab+") as file:
            if file.tell() and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n":
                line = "\n" + line  # a power cut left half a line: do not spoil this one, too
            file.write(line.encode())

    def rows(self):
        """The rows of log.jsonl, without lines that a power cut left unfinished."""
        rows = []
        with contextlib.suppress(FileNotFoundError), open(self.folder / LOG, encoding="utf-8") as file:
            for line in file:
                with contextlib.suppress(json.JSONDecodeError):
                    rows.append(json.loads(line))
        return rows

    def keep_rows(self, wanted):
        """Drop the rows of log.jsonl for which `wanted` is false, such as those after the checkpoint."""
        rows = [row for row in self.rows() if isinstance(row, dict) and wanted(row)]
        with atomic_open(self.path(LOG)) as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def sync_log(self):
        """See to it that the rows so far outlive a power cut."""
        with contextlib.suppress(FileNotFoundError), open(self.folder / LOG, "ab") as file:
            os.fsync(file.fileno())

    def metrics(self):
        """What `write_metrics` has written so far.

        Raises
        ------
        UserError
            If metrics.json is damaged.
        """
        try:
            metrics = json.loads((self.folder / METRICS).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            metrics = None
        if not isinstance(metrics, dict):
            raise UserError(f"{self.folder / METRICS}: expected a JSON object")
        return metrics

    def write_metrics(self, metrics):
        """Add to metrics.json, replacing figures of the same name. NaN and infinity are written as null."""
        self.write_json(METRICS, {**self.metrics(), **metrics})

    def write_json(self, name, content):
        """Write a JSON file of the run, whole or not at all."""
        text = json.dumps(plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        with atomic_open(self.path(name)) as file:
            file.write(text)


def default_folder(experiment):
    """A folder that does not exist yet, named after the experiment and the time."""
    stem = f"{experiment}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    folder, count = Path("runs", stem), 1
    while folder.exists():
        count += 1
        folder = Path("runs", f"{stem}-{count}")
    return folder


def is_run(folder):
    try:
        return MARK in json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def plain(value):
    """`value` as JSON can hold it: NumPy's numbers as Python's, paths as text, NaN and infinity as None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def environment():
    """What a run's numbers may depend on besides its settings."""
    import numpy  # noqa: F401  loaded before BLAS is asked for its threads
    import threadpoolctl

    pools = threadpoolctl.threadpool_info()
    shown = ("user_api", "internal_api", "version", "num_threads", "threading_layer", "architecture")
    return {
        MARK: 1,
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: version_of(name) for name in PACKAGES},
        "commit": commit(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "cores available": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "thread pools": [{key: pool[key] for key in shown if key in pool} for pool in pools],
        "thread variables": {k: v for k, v in sorted(os.environ.items()) if k.endswith("_NUM_THREADS")},
    }


def version_of(package):
    if package == "scratchnet":
        import scratchnet

        return scratchnet.__version__  # also when run from a checkout that is not installed
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def commit():
    """The commit of the checkout that holds this file, "+changes" if files differ from it; else None."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():  # installed: a repository further up would be somebody else's
        return None

    def git(*arguments):
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def processor():
    """The name of the CPU."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
