"""Another process that holds a lock."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

OTHER = """
import sys
from experiments.common import locks
key = locks.lock(sys.argv[1])
locks.sign(key)
print("locked", flush=True)
sys.stdin.readline()
locks.unlock(key)
"""


@contextlib.contextmanager
def another_process(path):
    """A process that holds the lock until it is told, or killed."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", OTHER, str(path)], env=env, **pipes) as process:
        assert process.stdout.readline() == "locked\n"
        try:
            yield process
        finally:
            process.kill()
