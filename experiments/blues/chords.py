"""Experiment 1: the chords alone."""

import time
from dataclasses import replace

import numpy as np

from encoders.tokens.blues import BluesFormat
from experiments.blues.composing import choruses
from experiments.blues.recipes import chord_wiring, make_network
from experiments.blues.training import make_learner, make_pieces

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
    learner = chord_learner(recipe, seed, form, limit, gross_error)
    return learn_alone(learner, seed, progress), learner.network, learner.pieces


def chord_learner(recipe, seed=0, form=BluesFormat(), limit=None, gross_error=None):
    """A fresh Learner of the chords; parameters as for `learn_chords`."""
    pieces = make_pieces(recipe, seed, form, with_melody=False)
    network = make_network(recipe, chord_wiring(recipe, form), np.random.default_rng([seed, 0]))
    return make_learner(
        replace(recipe, batch=1), network, pieces, limit or recipe.chord_choruses, seed, gross_error
    )


def learn_alone(learner, seed, progress=None, seconds=0.0):
    """Let any learner of the chords go on until its network plays them by itself, or its choruses are over.

    `progress` is called where an interrupted run could go on: after a trial that failed, not after success.
    `seconds` have passed before. Returns the row that `learn_chords` describes.
    """
    network, pieces = learner.network, learner.pieces
    learner.warm_up()
    success, began = False, time.perf_counter() - seconds
    while not success and not learner.done:
        before = learner.learned
        count, loss = learner.advance()
        if before // CHECK != learner.learned // CHECK:
            success = trial(learner) == learner.recipe.repeats
        if progress and not success:
            progress(count, loss)
    row = {
        "seed": seed,
        "success": success,
        "choruses": learner.learned,
        "steps": learner.learned * pieces.form.steps,
        "seconds": time.perf_counter() - began,
        "goes_on": plays_alone(network, pieces, 1000) if success else 0,
    }
    return row


def trial(learner):
    """`plays_alone` for a learner in the middle of a stream, which then goes on as if nothing had been."""
    kept = {name: array.copy() for name, array in learner.memory().items()}
    right = plays_alone(learner.network, learner.pieces, learner.recipe.repeats)
    for name, array in learner.memory().items():
        array[...] = kept[name]
    return right
