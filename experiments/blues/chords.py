"""Experiment 1: the chords alone."""

import contextlib
import time
from dataclasses import replace

import numpy as np

from encoders.tokens.blues import BluesFormat
from experiments.blues.composing import choruses
from experiments.blues.recipes import chord_wiring, make_network
from experiments.blues.training import OnlineTrainer, make_pieces, make_trainer
from scratchnet.training.optimizers import Diverged

CHECK = 100  # choruses between two trials


def plays_alone(network, pieces, count):
    """How many choruses in a row are right, up to `count`, from the chord of the first time step on.

    Its own outputs, cut at 1/2, are the network's only further inputs.
    """
    rng = np.random.default_rng(0)  # nothing is drawn: chords are cut at 1/2
    for k, bits in enumerate(choruses(network, pieces, pieces.chords[:1], count, rng)):
        if (bits != pieces.chords).any():
            return k
    return count


def learn_chords(recipe, seed=0, form=BluesFormat(), limit=None, gross_error=None, progress=None):
    """Learn the chord sequence until the network plays it by itself, or `limit` choruses are over.

    Success as the report defines it: the network reproduces the whole sequence; as its ICANN version does,
    several times (`recipe.repeats`).

    recipe : Recipe; without `online` it sees one stream at a time here, for there is only one piece
    progress : function (choruses, loss), called now and then
    Returns dict : "seed", "success", "choruses" and "steps" learned from, "seconds", and "goes_on", choruses
        in a row of 1000 that are right; network, pieces.
    """
    trainer = chord_trainer(recipe, seed, form, limit, gross_error)
    row = learn_alone(trainer, recipe.repeats, seed, progress)
    return row, trainer.model, trainer.batches.pieces


def chord_trainer(recipe, seed=0, form=BluesFormat(), limit=None, gross_error=None):
    """The trainer of a new network on the chords; parameters as for `learn_chords`."""
    pieces = make_pieces(recipe, seed, form, with_melody=False)
    network = make_network(recipe, chord_wiring(recipe, form), np.random.default_rng([seed, 0]))
    return make_trainer(
        replace(recipe, batch=1), network, pieces, limit or recipe.chord_choruses, seed, gross_error
    )


def learn_alone(trainer, repeats, seed, progress=None, seconds=0.0):
    """Let any trainer go on until its network plays the chords by itself, or its choruses are over.

    `progress` is called where an interrupted run could go on: after a trial that failed, not after success.
    `repeats` choruses in a row must be right. `seconds` have passed before. Returns the row that
    `learn_chords` describes.
    """
    network, choruses = trainer.model, trainer.batches
    warm_up(trainer)
    success, began = False, time.perf_counter() - seconds
    while not success and not choruses.over:
        before, loss = choruses.done, np.nan
        with contextlib.suppress(Diverged):
            loss = trainer.step().loss
        if before // CHECK != choruses.done // CHECK:
            success = trial(trainer, repeats) == repeats
        if progress and not success:
            progress(choruses.done - before, loss)
    row = {
        "seed": seed,
        "success": success,
        "choruses": choruses.done,
        "steps": choruses.done * choruses.pieces.form.steps,
        "seconds": time.perf_counter() - began,
        "goes_on": plays_alone(network, choruses.pieces, 1000) if success else 0,
    }
    return row


def warm_up(trainer):
    """Compile what a step needs, and put everything back, so that a clock does not see it."""
    tensors, metadata = trainer.state()
    with contextlib.suppress(Diverged):
        trainer.step()
    trainer.load_state(tensors, metadata)


def trial(trainer, repeats):
    """`plays_alone` for a network in the middle of a stream, which then goes on as if nothing had been."""
    memory = trainer.optimizer.arrays() if isinstance(trainer, OnlineTrainer) else {}
    kept = {name: array.copy() for name, array in memory.items()}
    right = plays_alone(trainer.model, trainer.batches.pieces, repeats)
    for name, array in memory.items():
        array[...] = kept[name]
    return right
