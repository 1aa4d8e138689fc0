"""Runs a fuzzer of files in a child process with limits of time and memory: fuzz_abc.py, fuzz_midi.py.

A fuzzer is a module with `sources(folders)`, the originals; `damaged(originals, number)`, bytes that are
always the same for a number; `examine(data)`, a word for what became of them, or an exception, a fault. It
may have a second kind of damage, `damaged_behind(originals, number)`, which is (original, damaged, where the
damage begins), and `examine_what_came_before` of these three.
"""

import argparse
import importlib
import multiprocessing
import os
import signal
import time
from collections import Counter
from pathlib import Path

MEGABYTES = 500
SECONDS = 10  # for one file
FOLDER = Path("fuzzed")  # for what shows a fault


def alarm(number, frame):
    raise TimeoutError(f"more than {SECONDS} seconds")


def child(pipe, name, folders):
    """Examine the damaged files whose numbers come, in little memory."""
    import resource  # Unix only

    fuzzer = importlib.import_module(name)
    originals = fuzzer.sources(folders)
    resource.setrlimit(resource.RLIMIT_AS, (MEGABYTES * 2**20,) * 2)
    signal.signal(signal.SIGALRM, alarm)
    for number in iter(pipe.recv, None):
        signal.alarm(SECONDS)
        try:
            if hasattr(fuzzer, "damaged_behind"):
                fuzzer.examine_what_came_before(*fuzzer.damaged_behind(originals, number))
            outcome = fuzzer.examine(fuzzer.damaged(originals, number)), None
        except BaseException as error:
            outcome = "FAULT", f"{type(error).__name__}: {error}"
        signal.alarm(0)
        pipe.send(outcome)


def begin(name, folders):
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=child, args=(theirs, name, folders), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def run(name, description, argv=None):
    """Damage, examine, count: the exit status, 1 if there was a fault."""
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=description)
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first damaged file")
    options = parser.parse_args(argv)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # whose threads would take the memory
    fuzzer = importlib.import_module(name)
    outcomes, faults, slowest = Counter(), 0, (0.0, 0)
    process, pipe = begin(name, options.folders)
    for number in range(options.first, options.first + options.files):
        since = time.monotonic()
        try:
            pipe.send(number)
            if not pipe.poll(60 if number == options.first else 3 * SECONDS):
                raise EOFError
            outcome, fault = pipe.recv()
        except (EOFError, OSError):
            process.kill()
            process.join()
            outcome, fault = "FAULT", f"the process died or hung ({process.exitcode})"
            process, pipe = begin(name, options.folders)
        slowest = max(slowest, (time.monotonic() - since, number)) if number > options.first else slowest
        outcomes["".join("." if c.isdigit() else c for c in outcome)[:70]] += 1
        if fault:
            faults += 1
            print(f"{number}: {fault}", flush=True)
            FOLDER.mkdir(exist_ok=True)
            originals = fuzzer.sources(options.folders)
            (FOLDER / str(number)).write_bytes(fuzzer.damaged(originals, number))
            if hasattr(fuzzer, "damaged_behind"):
                (FOLDER / f"{number}-behind").write_bytes(fuzzer.damaged_behind(originals, number)[1])
    pipe.send(None)
    for outcome, count in outcomes.most_common(25):
        print(f"{count:8}  {outcome}")
    print(f"{options.files} files, {faults} faults, slowest {slowest[0]:.1f} s (number {slowest[1]})")
    return int(faults > 0)
