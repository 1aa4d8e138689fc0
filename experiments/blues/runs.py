"""One run of experiment 1 or 2: learn, keep the best, resume, load."""

import math
import shlex
import time
from dataclasses import asdict

import numpy as np

from encoders.tokens.blues import BluesFormat
from experiments.blues.chords import learn_chords
from experiments.blues.recipes import RECIPES, blues_wiring, make_network
from experiments.blues.training import losses, make_learner, make_pieces
from experiments.common.errors import UserError
from experiments.common.interrupts import deferred_interrupt
from experiments.common.json_files import is_number
from experiments.common.progress import Progress
from experiments.common.trained import does_not_fit, expect_weights
from scratchnet.blocks.network import CellBlocks
from scratchnet.messages import brief, cut
from scratchnet.training.checkpoint import (
    CheckpointError,
    expect_like,
    load_checkpoint,
    parts_of,
    save_checkpoint,
)

EVALUATIONS = 50  # of a training: how often held-out pieces are looked at
CHECKPOINT_SECONDS = 15
SPARSE = 16  # of the connections that a network could have, it has more than a 16th


def form_of(config):
    """The BluesFormat of a run's settings."""
    return BluesFormat(config.steps_per_bar, config.endings, config.literal_bar_6)


def begin(config):
    """A fresh Learner for experiment 2, from the settings of a run."""
    recipe, form = RECIPES[config.recipe], form_of(config)
    pieces = make_pieces(recipe, config.seed, form)
    wiring = blues_wiring(recipe, form, config.melody_blocks)
    network = make_network(recipe, wiring, np.random.default_rng([config.seed, 0]))
    return make_learner(
        recipe, network, pieces, config.learn or recipe.choruses, config.seed, config.gross_error
    )


def learn_chords_first(learner, config, quiet=True):
    """Give the chord half of the network what a network of experiment 1 has learned: its weights have the
    same names.
    """
    with Progress(None, "chords first", "chorus", quiet) as bar:
        row, chord_network, _ = learn_chords(
            learner.recipe,
            config.seed,
            learner.pieces.form,
            progress=lambda count, loss: bar.update(count, loss=loss),
        )
    for name, param in chord_network.params.items():
        learner.network.params[name][...] = param
    return row


def learn(learner, run, quiet=False):
    """Learn until done; the checkpoint holds the last network and the best on the development pieces.

    On Ctrl-C the checkpoint is written before KeyboardInterrupt goes on.

    Raises
    ------
    UserError
        If the loss or a weight is no longer a number; the checkpoint is then that of the evaluation before.
    """
    pieces, network = learner.pieces, learner.network
    best = load_best(run, learner) if learner.learned else None
    every = max(learner.choruses // EVALUATIONS, 1)
    recent, saved = [], time.monotonic()
    with (
        Progress(learner.choruses, "learning", "chorus", quiet) as progress,
        deferred_interrupt() as interrupt,
        np.errstate(over="ignore", invalid="ignore"),  # check_numbers sees it
    ):
        progress.update(learner.learned)
        while not learner.done:
            before = learner.learned
            count, loss = learner.advance()
            check_numbers(loss, learner)
            recent.append(loss)
            progress.update(min(count, learner.choruses - before), loss=loss)
            judged = before // every != learner.learned // every or learner.done
            if judged:
                row = losses(network, pieces, pieces.development)
                total = row["chord_loss"] + row.get("melody_loss", 0.0)
                check_numbers(total, learner)
                run.log(choruses=learner.learned, loss=float(np.mean(recent)), **row)
                recent = []
                if best is None or total < best[1]["total"]:
                    best = network.state_dict(), {"choruses": learner.learned, "total": total, **row}
            if judged or interrupt.is_set() or time.monotonic() - saved > CHECKPOINT_SECONDS:
                save(learner, run, best)
                saved = time.monotonic()
            if interrupt.is_set():
                raise KeyboardInterrupt(f"{learner.learned} of {learner.choruses} choruses; {go_on(run)}")
    network.load_state_dict(best[0])
    return best[1]


def check_numbers(loss, learner):
    """A UserError if learning has gone astray."""
    if not (
        math.isfinite(loss) and all(np.isfinite(param).all() for param in learner.network.params.values())
    ):
        raise UserError(
            f"learning failed after {learner.learned} choruses, with a loss of {loss:g}; "
            "try another --seed or --recipe"
        )


def go_on(run):
    """How to resume a run, in words."""
    return f"go on with: {command('train --resume', run)}"


def command(name, run):
    """A command line for a run, ready to be copied."""
    return f"python -m experiments.blues {name} {shlex.quote(str(run.folder))}"


def save(learner, run, best):
    """Write the checkpoint: the best network, the last one, and all that resuming needs."""
    tensors, memory = learner.state()
    metadata = {"network": learner.network.options(), "memory": memory, "best": None}
    metadata["format"] = asdict(learner.pieces.form)
    if best is not None:
        tensors |= {f"best/{name}": param for name, param in best[0].items()}
        metadata["best"] = best[1]
    save_checkpoint(run.checkpoint, tensors, metadata)


def load_best(run, learner):
    """(parameters, figures) of the best network of a run, or None if none has been judged yet.

    Raises
    ------
    CheckpointError
        If the checkpoint is damaged or is not of such a learner.
    """
    tensors, metadata = load_checkpoint(run.checkpoint)
    best, parts = metadata.get("best"), parts_of(tensors)
    try:
        if best is None and not learner.done:
            return None
        expect_like(parts.get("best", {}), learner.network.state_dict(), "best network")
        if not all(is_number(best[name]) for name in ("choruses", "total")):
            raise ValueError(f"expected figures of the best network, got {brief(best)}")
    except (KeyError, ValueError, TypeError) as error:
        raise does_not_fit(run.checkpoint, error) from None
    return parts["best"], best


def resume(config, run):
    """The Learner of an interrupted run, as it was.

    Raises
    ------
    CheckpointError
        If the checkpoint is damaged or is not of these settings.
    """
    tensors, metadata = load_checkpoint(run.require_checkpoint())
    check_format(run, metadata, config)
    learner = begin(config)
    try:
        learner.load_state(tensors, metadata["memory"])
    except (KeyError, ValueError, TypeError) as error:
        raise does_not_fit(run.checkpoint, error) from None
    if learner.learned:
        load_best(run, learner)  # what is wrong with it is said now, not after the training
    return learner


def check_format(run, metadata, config):
    """A CheckpointError if a checkpoint is of another format than the run's settings: its units mean
    something else.
    """
    if metadata.get("format") != asdict(form_of(config)):
        raise CheckpointError(
            f"{run.checkpoint}: not of the steps_per_bar, endings and literal_bar_6 that config.yaml says"
        )


def least_weights(options):
    """How many weights a network of `CellBlocks.options` has at least; a ValueError if they are none."""
    w = options["wiring"]
    sizes = [*w["inputs"].values(), *(n for b in w["blocks"].values() for n in (b["blocks"], b["cells"]))]
    sizes += [o["units"] for o in w["outputs"].values()]
    if not all(type(size) is int and 0 < size < 2**31 for size in sizes):
        raise ValueError("expected whole numbers of units")
    if options["dtype"] not in ("float32", "float64"):
        raise ValueError(f"expected float32 or float64, got {brief(options['dtype'])}")
    blocks = sum(b["blocks"] for b in w["blocks"].values())
    cells = sum(b["blocks"] * b["cells"] for b in w["blocks"].values())
    units = 3 * blocks + cells + sum(o["units"] for o in w["outputs"].values())
    return units * (sum(w["inputs"].values()) + cells + 1) // SPARSE


def expect_units(network, form):
    """A ValueError if a network does not hear and say what the format has."""
    wiring, D = network.wiring, form.chord_units + form.melody_units
    if (wiring.input_size, wiring.output_size) != (D, D):
        raise ValueError(f"expected {D} inputs and outputs, got {wiring.input_size} and {wiring.output_size}")


def load_network(run, config):
    """The trained network of a run, its pieces, and how far it has learned: {"choruses": 4}.

    Raises
    ------
    UserError, CheckpointError
        If the run is not trained, or its checkpoint is damaged or of another shape.
    """
    tensors, metadata = load_checkpoint(run.require_checkpoint())
    check_format(run, metadata, config)
    weights = parts_of(tensors).get("last" if metadata.get("best") is None else "best", {})
    try:
        if metadata["memory"]["learned"] == 0:
            raise UserError(f"{run.folder}: nothing has been learned yet; {go_on(run)}")
        expect_weights(least_weights(metadata["network"]), weights)
        network = CellBlocks.from_options(metadata["network"])
        network.load_state_dict(weights)
        expect_units(network, form_of(config))
    except (KeyError, ValueError, TypeError, AttributeError, ArithmeticError, IndexError) as error:
        reason = f"{type(error).__name__}: {cut(error, 200)}"
        raise CheckpointError(f"{run.checkpoint}: not a network of the blues experiment ({reason})") from None
    learned = (metadata.get("best") or {}).get("choruses", metadata["memory"]["learned"])
    return network, make_pieces(RECIPES[config.recipe], config.seed, form_of(config)), {"choruses": learned}
