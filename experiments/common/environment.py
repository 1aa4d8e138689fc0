"""What a run's numbers may depend on besides its settings: versions, processor, threads, commit."""

import contextlib
import datetime
import importlib.metadata
import os
import platform
import shlex
import subprocess
from pathlib import Path

COMMAND = "command"  # the key of the command line
given = []  # the command line of this process, as `Program` was given it

PACKAGES = ("scratchnet", "numpy", "numba", "scipy", "mido", "safetensors")
MARK = (
    "scratchnet run"  # a key of environment.json: without it, a folder with a config.yaml is somebody else's
)


def environment():
    """What a run's numbers may depend on besides its settings."""
    import numpy  # noqa: F401  loaded before BLAS is asked for its threads
    import threadpoolctl

    pools = threadpoolctl.threadpool_info()
    shown = ("user_api", "internal_api", "version", "num_threads", "threading_layer", "architecture")
    return {
        MARK: 1,
        COMMAND: shlex.join(given) or None,
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
    root = Path(__file__).resolve().parents[2]
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
