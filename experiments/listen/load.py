"""How many listeners does this machine serve at once? (`load`)

The real server, in a process of its own, with a test of made-up tones in a folder that goes away. Listeners
rate all at once, again and again (visitors.py); the same pages for one listener alone, before, say what this
machine needs for them.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

from experiments.common.errors import UserError
from experiments.common.progress import Progress
from experiments.listen.server import open_files
from experiments.listen.storage import NAME, Study
from experiments.listen.visitors import visit

PIECES, SECONDS, RATE = 6, 10, 44_100
ALONE = 5  # listeners, one after the other
LONG = 1.0  # seconds for a page


def try_load(config, say):
    """Print how long pages took, and whether anything was lost.

    Raises UserError if so many connections cannot be had, or the server does not start.
    """
    others = {name: getattr(config, name) for name in ("waiting", "halves", "untaken")}
    wanted = config.listeners + sum(others.values()) + 100
    if open_files(wanted) < wanted:
        raise UserError(f"{wanted} connections are more than a process may have here (ulimit -n)")
    with tempfile.TemporaryDirectory() as folder:
        out, errors = Path(folder, "study"), Path(folder, "errors")
        with open(errors, "wb") as file:
            server, port = start(write_tones(Path(folder, "tones")), out, file)
            try:
                alone = {}
                for _ in range(ALONE):
                    for page, seconds in asyncio.run(visit(port, 1))[1].items():
                        alone.setdefault(page, []).extend(seconds)
                with Progress(config.listeners, "listening", "listener", config.quiet) as bar:
                    done = lambda: bar.update(1)  # noqa: E731
                    listeners, times = asyncio.run(visit(port, config.listeners, done=done, **others))
            finally:
                server.terminate()
                server.communicate()
        stored = stored_answers(Study(out / NAME))
        lines = errors.read_text(errors="replace").splitlines()
    say(table(alone, times))
    say(verdict(listeners, times, stored, lines))


def write_tones(folder):
    """A folder of tones to listen to, stereo."""
    folder.mkdir()
    for number in range(PIECES):
        tone = 8000 * np.sin(2 * np.pi * (220 + 20 * number) * np.arange(SECONDS * RATE) / RATE)
        with wave.open(str(folder / f"{number}.wav"), "wb") as file:
            file.setparams((2, 2, RATE, 0, "NONE", ""))
            file.writeframes(np.repeat(tone, 2).astype("<i2").tobytes())
    return folder


def start(run, out, errors):
    """A server for this run: the process, and its port."""
    command = [
        sys.executable,
        "-m",
        "experiments.listen",
        "serve",
        str(run),
        "--out",
        str(out),
        "--port",
        "0",
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    for line in server.stdout:
        if found := re.search(r"Listen: http\S+:(\d+)/", line):
            return server, int(found[1])
    raise UserError(f"the server did not start (exit status {server.wait()})")


def stored_answers(study):
    """What the database holds: dict of piece -> score."""
    rows = (row for listener in range(1, study.counts()[0] + 1) for row in study.playlist(listener))
    return {row.piece: row.score for row in rows if row.score is not None}


def table(alone, times):
    """Milliseconds of each page, alone and with all; lines."""
    lines = [
        f"{'milliseconds':12} {'alone':>8} {'all: median':>12} {'99 %':>8} {'longest':>8} {'/ alone':>8}"
    ]
    for page, seconds in times.items():
        mine = np.median(alone[page])
        row = 1000 * np.array([mine, *np.percentile(seconds, [50, 99, 100])])
        lines.append(
            f"{page:12} {row[0]:8.1f} {row[1]:12.1f} {row[2]:8.1f} {row[3]:8.1f} {row[3] / row[0]:8.1f}"
        )
    return "\n".join(lines)


def verdict(listeners, times, stored, lines):
    """What was lost, and what took long; a few lines."""
    acknowledged = {piece: score for listener in listeners for piece, score in listener.acknowledged.items()}
    lost = sum(stored.get(piece) != score for piece, score in acknowledged.items())
    wanted, unanswered = PIECES * len(listeners), sum(listener.unanswered for listener in listeners)
    pages = [seconds for page in times.values() for seconds in page]
    long = sum(seconds > LONG for seconds in pages)
    return (
        f"{len(acknowledged)} of {wanted} answers acknowledged, {lost} of them lost\n"
        f"{len(pages)} requests answered, {unanswered} not; {long} took over {LONG:.0f} s\n"
        f"{len(lines)} lines of errors from the server{''.join(f'{chr(10)}  {line}' for line in lines[:5])}"
    )
