"""What a training costs beside its steps, against the size of the corpus.

    python -m benchmarks.corpora [--json corpora.json] [--only piano folk classical] [--sizes 50 800 ...]
                                 [--maestro FOLDER] [--abc FOLDER ...]
    python -m benchmarks.corpora --json corpora.json --table

For each experiment and size: a first `train` with an empty cache until its first step begins, and a second
one with what the first has kept, of a few steps and two evaluations, to its end. Networks and intervals are
those of the default settings, only the training ends early. Evaluation's share is of steps and evaluations in
turns as the settings have them. Peak memory is that of the process that trains.

Sizes are performances, of MAESTRO or another folder, or tunes: by default those that music21 brings, where it
is installed; more than there are come from the same tunes in other keys. Each figure of --json is kept until
it is measured anew, so that the table can be measured in parts.
"""

import argparse
import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from scratchnet.files import atomic_open

STEPS = 4  # before an evaluation; the first steps and the first evaluation compile, and do not count
SIZES = {"piano": (50, 200, 1100), "folk": (800, 12_000, 40_000), "classical": (50, 200, 1100)}
MUSIC21 = ("oneills1850", "ryansMammoth", "airdsAirs", "essenFolksong")
HEAD = (
    "corpus",
    "chosen by, tokens",
    "first step, nothing read before, s",
    "read before, s",
    "judging, of the time",
    "after the last step, s",
    "peak MB",
)


class Reached(Exception):
    """The first step."""


def timed(function, seconds):
    """The function, with a list to which it adds how long each call took."""

    def call(*arguments):
        began = time.perf_counter()
        result = function(*arguments)
        seconds.append(time.perf_counter() - began)
        return result

    return call


def observe(experiment, flags, began, to_the_end):
    """Figures of one training in this process.

    Parameters
    ----------
    experiment : "piano", "folk" or "classical"
    flags : list of str, of its `train`
    began : time.time() when the user began to wait
    to_the_end : whether to go on after the beginning of the first step

    Returns
    -------
    dict
        first_step_s; to the end also share : evaluation's; judged, of : held-out tokens by which networks are
        chosen, and all there are; after_s : from the last step to the end
    """
    from experiments.common.runner import Session

    program = importlib.import_module(f"experiments.{experiment}.__main__").program
    found, learn = {}, Session.learn

    def watched(session, quiet=False):
        trainer, interval, steps, evaluations = session.trainer, session.pace.eval_every, [], []
        step = timed(trainer.step, steps)

        def first():
            found["first_step_s"] = time.time() - began
            if not to_the_end:
                raise Reached
            trainer.step = step
            return step()

        trainer.step, trainer.evaluate = first, timed(trainer.evaluate, evaluations)
        session.pace = replace(session.pace, total=2 * STEPS, eval_every=STEPS)
        learn(session, quiet)
        evaluated, between = evaluations[-1], interval * statistics.median(steps[STEPS:])
        found.update(judged=session.held_out.tokens, of=session.held_out.of_tokens)
        found.update(share=evaluated / (evaluated + between), done=time.time())

    Session.learn = watched
    try:
        status = program.main(["train", *flags])
        if status:
            raise SystemExit(f"{experiment} train {' '.join(flags)} ended with status {status}")
        found["after_s"] = time.time() - found.pop("done")
    except Reached:
        pass
    finally:
        Session.learn = learn
    return found


def in_a_process(experiment, flags, cache, to_the_end):
    """`observe` in a process of its own, with its peak memory."""
    job = json.dumps([experiment, flags, time.time(), to_the_end])
    command = [sys.executable, "-m", "benchmarks.corpora", "--job", job]
    environment = {**os.environ, "SCRATCHNET_CACHE": cache}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:  # it has said why
        raise SystemExit(f"{experiment} was not measured, with {' '.join(flags)}")
    return json.loads(done.stdout.splitlines()[-1])


def do_job(job):
    """What the process does: the figures, as the last line that it prints."""
    import resource

    found = observe(*json.loads(job))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(found | {"peak_mb": peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024)}))


def tunes(paths, count, folder):
    """A file with so many tunes of ABC files, in other keys if there are too few of them. Its path."""
    from encoders.abc.collection import read_collection
    from encoders.abc.transposition import transpose_tune

    texts = [kept.tune.text for kept in read_collection(paths).kept]
    found = texts[:: max(1, len(texts) // count)][:count]  # from all over
    for semitones in (2, -2, 4, -3, 5, -5, 3, -4, 1, -1, 6):
        for text in texts:
            if len(found) == count:
                break
            try:
                found.append(transpose_tune(text, semitones))
            except ValueError:  # a key that cannot be moved
                continue
    path = Path(folder, f"{len(found)}.abc")
    path.write_text("\n\n".join(text.strip("\n") for text in found) + "\n", encoding="utf-8")
    return path


def of_music21():
    """Folders of tunes that music21 brings; SystemExit if it is not installed."""
    found = importlib.util.find_spec("music21")
    if found is None:
        raise SystemExit("music21 is not installed; give tunes with --abc FOLDER")
    return [Path(found.origin).parent / "corpus" / name for name in MUSIC21]


def measure(experiment, flags):
    """Figures of one experiment and size: both runs, with a cache and run folders of their own."""
    with tempfile.TemporaryDirectory() as folder:
        flags = [*flags, "--quiet", "--overwrite", "--out", str(Path(folder, "run"))]
        first, second = (in_a_process(experiment, flags, folder, end) for end in (False, True))
    peak = max(first["peak_mb"], second["peak_mb"])
    return second | {"first_step_cold_s": first["first_step_s"], "peak_mb": peak}


def format_table(rows):
    """Markdown.

    Parameters
    ----------
    rows : dict of "EXPERIMENT SIZE" -> what `measure` gives
    """
    lines = ["| " + " | ".join(HEAD) + " |", "|---" + "|---:" * (len(HEAD) - 1) + "|"]
    for experiment, sizes in SIZES.items():
        for size in sizes:
            if row := rows.get(f"{experiment} {size}"):
                what = "tunes" if experiment == "folk" else "performances"
                judged = "all" if row["judged"] == row["of"] else f"{row['judged']:,}"
                lines.append(
                    f"| {experiment}, {size:,} {what} | {judged} of {row['of']:,} | "
                    f"{row['first_step_cold_s']:.1f} | {row['first_step_s']:.1f} | {row['share']:.1%} | "
                    f"{row['after_s']:.1f} | {row['peak_mb']:,.0f} |"
                )
    return "\n".join(lines)


def flags_of(experiment, size, options, folder):
    """The flags that name so much music."""
    if experiment == "folk":
        return ["--data", str(tunes(options.abc or of_music21(), size, folder))]
    from experiments.common.midi_pieces import maestro

    data = options.maestro or maestro(quiet=False)
    return ["--data", str(data), "--limit", str(size)]


def read(path):
    """The figures that were measured before, if any."""
    if path is None or not Path(path).exists():
        return {}
    return json.loads(Path(path).read_text(encoding="utf-8"))


def main(argv=None):
    """Measure and print; with --json also keep the figures in a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpora", description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="PATH", help="a file that keeps the figures, old and new")
    parser.add_argument("--only", nargs="+", choices=list(SIZES), default=list(SIZES), help="experiments")
    parser.add_argument("--sizes", nargs="+", type=int, help="of the corpora, instead of all")
    parser.add_argument("--maestro", metavar="FOLDER", help="performances, if not MAESTRO's, downloaded once")
    parser.add_argument("--abc", nargs="+", metavar="FOLDER", type=Path, help="tunes, if not music21's")
    parser.add_argument("--table", action="store_true", help="only print the table of --json")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.job:
        do_job(options.job)
        return
    rows = read(options.json)
    for experiment in () if options.table else options.only:
        for size in SIZES[experiment]:
            if options.sizes and size not in options.sizes:
                continue
            with tempfile.TemporaryDirectory() as folder:
                row = measure(experiment, flags_of(experiment, size, options, folder))
            rows[f"{experiment} {size}"] = row
            print(experiment, size, json.dumps(row), file=sys.stderr, flush=True)
            if options.json:
                with atomic_open(options.json) as file:
                    json.dump(rows, file, indent=2)
    print(format_table(rows))


if __name__ == "__main__":
    main()
