"""One training step, or one sampled token: scratchnet, PyTorch, JAX and Keras, side by side.

    python -m benchmarks.compare [--json PATH] [--cases NAME ...] [--rounds N] [--threads N] [--no-memory]

Every framework has a process of its own and the same number of threads, weights and data; the processes take
turns, so that a busy machine is busy for all. What they compute is compared before it is timed: outputs,
gradients, the loss of the first steps. Of the ways in which a framework can do the same, the fastest counts.
Medians. A framework that is not installed is a blank.

"of sgemm" is the share of the machine's own rate, measured in the same sitting with the fastest product of
large float32 matrices at hand, that the necessary arithmetic reaches (`Case.arithmetic`).
"""

import os
import platform
import re
import statistics
import sys
import time
from pathlib import Path

from benchmarks import command
from benchmarks.cases import CASES
from benchmarks.contest import PAUSE, Contest, say
from benchmarks.table import format_table
from benchmarks.workers import FRAMEWORKS, MULTIPLIERS, SIDES, Failed, Missing, launch


def compare(case, workers, rounds, memory=None):
    """Measure one case.

    Parameters
    ----------
    case : Case
    workers : dict of `Process` or `Side` by side
    rounds : turns of each side
    memory : function of (side, case, mode) that returns megabytes, or None

    Returns
    -------
    row : dict, see `main`; what is unknown is None
    wrong : whether a side failed, or computed something else than the first
    """
    contest = Contest(case, workers)
    contest.check()
    contest.choose()
    times = contest.time(rounds)
    for side, cores in contest.restless().items():
        say(f"  {side} used {cores:.0%} of a core while others had their turn")
    ms = {side: statistics.median(times[side]) if side in times else None for side in SIDES}
    row = {"case": case.name, "per": "token" if case.sampling else "step"}
    row |= {f"{side}_ms": ms[side] for side in SIDES}
    row |= {
        f"ratio_{side}": ms[side] / ms["ours"] if ms[side] and ms["ours"] else None for side in FRAMEWORKS
    }
    seconds = ms["ours"] and ms["ours"] * case.units / 1e3
    row["gflops_ours"] = case.arithmetic / seconds / 1e9 if seconds else None
    row["tokens_per_s"] = case.T * case.B / seconds if seconds else None
    row |= {f"{side}_mode": contest.mode.get(side) for side in FRAMEWORKS}
    row |= {f"{side}_least_ms": min(times[side]) if side in times else None for side in SIDES}
    for side in ("ours", "torch"):
        row[f"peak_mb_{side}"] = None
        if memory and side in times:
            job = lambda side=side: memory(side, case, contest.mode[side])  # noqa: E731
            row[f"peak_mb_{side}"] = contest.attempt(side, job)
    return row, contest.wrong


def machine():
    """What the figures were measured on."""
    info = Path("/proc/cpuinfo")
    name = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return f"{name[1] if name else platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def peak_megabytes(threads):
    """The function (side, case, mode) that measures memory, in a fresh process each time."""

    def measure(side, case, mode):
        worker = launch(side, threads)
        try:
            return worker("memory", case, mode)
        finally:
            worker.close()

    return measure


def start(sides, threads):
    """Processes by side, of those that are installed, and their names and versions."""
    workers, about = {}, {}
    for side in sides:
        worker = launch(side, threads)
        try:
            about[side] = " ".join(worker("about"))
            workers[side] = worker
        except (Missing, Failed) as error:
            say(f"{side}: {error}")
            worker.close()
    return workers, about


def parse(argv):
    parser = command.parser("compare", __doc__)
    parser.add_argument("--cases", nargs="+", metavar="NAME", choices=CASES, default=list(CASES))
    parser.add_argument(
        "--rounds", type=int, default=9, metavar="N", help="turns of each framework (default: 9)"
    )
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of each framework (default: 2)")
    parser.add_argument("--no-memory", action="store_true", help="do not measure peak memory")
    arguments = parser.parse_args(argv)
    if min(arguments.rounds, arguments.threads) < 1:
        parser.error("expected --rounds and --threads of at least 1")
    return arguments


def main(argv=None):
    """Measure and print; with --json also write the figures after each case. Returns the exit status.

    A row of the file: case, per ("step" or "token"), ours_ms, torch_ms, jax_ms, keras_ms and their least
    times, ratio_torch (theirs to ours) and so on, torch_mode (which way was the fastest), tokens_per_s,
    gflops_ours, sgemm_gflops (of the machine), sgemm_by, sgemm_share, peak_mb_ours, peak_mb_torch, threads,
    rounds, machine, versions. Blanks are null.
    """
    arguments = parse(argv)
    workers, about = start(dict.fromkeys((*SIDES, *MULTIPLIERS)), arguments.threads)
    rows, rates, wrong = [], {}, False
    constants = {
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "machine": machine(),
        "versions": about,
    }

    def measure_rates():
        for side in MULTIPLIERS:
            if side in workers:
                time.sleep(PAUSE)
                rates[about[side]] = max(rates.get(about[side], 0), workers[side]("rate"))

    def report():
        fastest = max(rates, key=rates.get)
        for row in rows:
            row |= {"sgemm_gflops": rates[fastest], "sgemm_by": fastest}
            row["sgemm_share"] = row["gflops_ours"] and row["gflops_ours"] / rates[fastest]
        command.save(arguments.json, rows)

    try:
        takers = {side: workers[side] for side in SIDES if side in workers}
        for name in arguments.cases:
            say(name)
            measure_rates()
            memory = None if arguments.no_memory else peak_megabytes(arguments.threads)
            row, failed = compare(CASES[name], takers, arguments.rounds, memory)
            rows.append(row | constants)
            wrong = wrong or failed
            report()
            say("  " + ", ".join(f"{s} {row[f'{s}_ms']:.3g} ms" for s in SIDES if row[f"{s}_ms"]))
        measure_rates()
        report()
    finally:
        for worker in workers.values():
            worker.close()
    print(format_table(rows))
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
