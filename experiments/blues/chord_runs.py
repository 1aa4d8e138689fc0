"""`chords`: experiment 1 with one seed after the other; what is interrupted goes on where it was."""

import time

import numpy as np

from experiments.blues import figures, runs
from experiments.blues.chords import chord_trainer, learn_alone
from experiments.blues.recipes import RECIPES
from experiments.common.errors import UserError
from experiments.common.interrupts import deferred_interrupt
from experiments.common.json_files import is_number
from experiments.common.progress import Progress
from experiments.common.run_folder import LOG
from experiments.common.runner import SECONDS, go_on_with
from experiments.common.trained import does_not_fit
from scratchnet.messages import brief
from scratchnet.training.checkpoint import load_checkpoint, save_checkpoint

COLUMNS = ("seed", "success", "choruses", "steps", "seconds", "goes_on")


def run_seeds(config, run, say):
    """Learn with every seed that the run's log does not have yet; a table, a picture, metrics.json."""
    rows = finished(config, run)
    say(f"{'seed':>4} {'success':>8} {'choruses':>9} {'steps':>11} {'seconds':>8} {'goes on':>8}")
    for row in rows:
        say(line(row))
    with deferred_interrupt() as interrupt:
        for seed in range(config.seed + len(rows), config.seed + config.seeds):
            row, trainer = learn_seed(config, run, seed, interrupt)
            if row["success"] and not any(earlier["success"] for earlier in rows):
                title = "Experiment 1: gates and cell states over a chorus"
                pieces = trainer.batches.pieces
                figures.draw_gates(run.path("gates.png"), trainer.model, pieces, pieces.chords, title)
            rows.append(row)
            run.log(**row)
            run.checkpoint.unlink(missing_ok=True)
            say(line(row))
            if interrupt.is_set():
                raise KeyboardInterrupt(f"after seed {seed}; {go_on(run)}")
    right = [row for row in rows if row["success"]]
    summary = {"recipe": config.recipe, "succeeded": len(right), "seeds": len(rows), "rows": rows}
    if right:
        summary["median_steps"] = int(np.median([row["steps"] for row in right]))
    run.write_metrics({"experiment 1": summary})
    say(f"{len(right)} of {len(rows)} networks play the twelve bars by themselves.")
    say(f"The run is in {run.folder}.")


def line(row):
    """A seed's row of the table."""
    success = "yes" if row["success"] else "no"
    return (
        f"{row['seed']:4} {success:>8} {row['choruses']:9,} {row['steps']:11,} "
        f"{row['seconds']:8.1f} {row['goes_on']:8}"
    )


def finished(config, run):
    """The rows of the seeds that are done.

    Raises UserError if the log does not hold such rows, of the first seeds.
    """
    rows = run.rows()
    whole = all(isinstance(row.get(name), int | float) for row in rows for name in COLUMNS)
    seeds = range(config.seed, config.seed + config.seeds)
    if not whole or [row["seed"] for row in rows] != list(seeds[: len(rows)]):
        raise UserError(f"{run.folder / LOG}: expected a row for each of the first seeds of {seeds[0]} to "
                        f"{seeds[-1]}")  # fmt: skip
    return rows


def go_on(run):
    """How to resume a run, in words."""
    return f"go on with: {go_on_with('python -m experiments.blues chords --resume', run.folder)}"


def learn_seed(config, run, seed, interrupt):
    """One network, from its beginning or from the checkpoint: (its row, its trainer).

    When `interrupt` is set, the checkpoint is written and KeyboardInterrupt raised.
    """
    recipe = RECIPES[config.recipe]
    limit = config.limit or recipe.chord_choruses
    trainer = chord_trainer(recipe, seed, runs.form_of(config), limit, config.gross_error)
    before = restore(trainer, run, seed)
    saved = began = time.monotonic()
    with Progress(limit, f"seed {seed}", "chorus", config.quiet, initial=trainer.batches.done) as bar:

        def progress(count, loss):
            nonlocal saved
            bar.update(count, loss=loss)
            now = time.monotonic()
            if interrupt.is_set() or now - saved > SECONDS:
                save(trainer, run, seed, before + now - began)
                saved = now
            if interrupt.is_set():
                raise KeyboardInterrupt(
                    f"seed {seed}, {trainer.batches.done} of {limit} choruses; {go_on(run)}"
                )

        return learn_alone(trainer, recipe.repeats, seed, progress, before), trainer


def save(trainer, run, seed, seconds):
    """Write the checkpoint of a seed in the middle of its learning."""
    tensors, state = trainer.state()
    save_checkpoint(run.checkpoint, tensors, {"trainer": state, "seed": seed, "seconds": seconds})


def restore(trainer, run, seed):
    """Let a new trainer go on from the checkpoint, if there is one of its seed.

    Returns float : the seconds that it had learned for.
    Raises CheckpointError if the checkpoint is damaged or is not of these settings.
    """
    if not run.checkpoint.exists():
        return 0.0
    tensors, metadata = load_checkpoint(run.checkpoint)
    try:
        if metadata["seed"] != seed:  # of the seed before, whose row was the last to be written
            return 0.0
        trainer.load_state(tensors, metadata["trainer"])
        if not is_number(metadata["seconds"]):
            raise ValueError(f"expected seconds, got {brief(metadata['seconds'])}")
        return float(metadata["seconds"])
    except (KeyError, ValueError, TypeError) as error:
        raise does_not_fit(run.checkpoint, error) from None
