"""What the commands of every experiment on tokens do in the same way."""

import contextlib
from statistics import mean, stdev

from experiments.common.compositions import home_of, how_made, new_folder
from experiments.common.errors import UserError
from experiments.common.run_folder import BEST, RunFolder
from experiments.common.streams import say
from scratchnet.training.trainer import Diverged


def learn(session, quiet, program, pieces, unit):
    """Train a Session to the end; say with what, and how it went.

    Parameters
    ----------
    quiet : no progress bar
    program : name of the experiment, for the message if it diverges
    pieces, unit : by what is judged, and in nats for each of what: "validation tunes", "character"

    Raises
    ------
    SystemExit
        If it diverges: status 1, and one line.
    """
    trainer, held_out = session.trainer, session.held_out
    say(f"{trainer.model.parameter_count:,} weights, {session.steps} steps")
    say(f"judged every {session.judge_every} steps by {held_out} of the {pieces}")
    try:
        session.learn(quiet)
    except Diverged as error:
        raise SystemExit(f"{program}: error: {error}") from None
    best = trainer.best
    error = f" ± {best['error']:.3f}, the standard error of the sample" if "error" in best else ""
    say(
        f"stopped after step {trainer.steps}; the best on {pieces}: step {best['step']}, {best['nats']:.3f} "
        f"nats a {unit}{error}; judging took {session.judging / session.seconds:.0%} of the time"
    )
    session.run.write_metrics({"chosen by": held_out.counts() | best})


@contextlib.contextmanager
def afterwards(session):
    """What comes after learning: Ctrl-C ends it, and is told that the network is kept, and how to go on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        kept = f"the trained network is kept in {session.run.folder}"
        raise KeyboardInterrupt(str(stop) or f"{kept}; for the rest: {session.again}") from None


def network_folders(path):
    """The folders of trained networks in a run: itself, or those below it.

    Raises
    ------
    UserError
        If there is none.
    """
    run = RunFolder.open(path)
    if (run.folder / BEST).is_file():
        return [run.folder]
    found = sorted(path.parent for path in run.folder.glob(f"*/{BEST}"))
    if not found:
        raise UserError(f"{path}: expected a trained run, but there is no {BEST} in it")
    return found


def composition(experiment, config, metadata):
    """Where `compose` writes, and what is told of it: see `compositions.new_folder`.

    Parameters
    ----------
    config : Compose
    metadata : of the network (token_training.py)
    """
    reached = {"step": metadata["best"]["step"]} if metadata["best"] else {}
    how = how_made(experiment, config.run, reached, config)
    return new_folder(config.out, home_of(config.run), config.overwrite, how)


def percent(share, digits=0):
    """A share in percent; a dash where there is none, of nothing."""
    return "–" if share is None or share != share else f"{share:.{digits}%}"


def best_ngram(rows):
    """Name and nats of the best n-gram, of a dict of name -> nats."""
    return min(((name, nats) for name, nats in rows.items() if "gram" in name), key=lambda row: row[1])


def to_beat(rows):
    """What a table shows of such a dict: the uniform and the unigram model, and the best n-gram."""
    name, nats = best_ngram(rows)
    return {label: value for label, value in rows.items() if label.startswith("uni")} | {name: nats}


def spread(values, digits=3):
    """A figure over seeds: its mean, and with more than one value the standard deviation."""
    text = f"{mean(values):.{digits}f}"
    return f"{text} ± {stdev(values):.{digits}f}" if len(values) > 1 else text
