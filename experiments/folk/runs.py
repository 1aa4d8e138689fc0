"""A run: its trainer, its files, the trained network out of them."""

import numpy as np

from encoders.tokens.characters import Characters
from experiments.common import trained
from experiments.common.errors import UserError, settings_refused
from experiments.common.recipe import make_optimizer, make_schedule, pace_of
from experiments.common.runner import Session
from experiments.common.settings import expect_allowed
from experiments.folk.networks import NETWORK, least_weights, make_network
from experiments.folk.report import held_out
from experiments.folk.settings import PRESETS, Run, Train, complete
from scratchnet.training.batches import RandomWindows, Streams
from scratchnet.training.trainer import Trainer


def make_batches(config, corpus, rng):
    """Batches of the training tunes; UserError if they are too few."""
    try:
        if not config.stateful:
            return RandomWindows(corpus.stream("train"), config.length, config.batch, rng)
        return Streams(corpus.epoch(config.transpose, config.quiet), config.length, config.batch, rng)
    except ValueError as error:
        raise UserError(
            f"too few tunes for --length {config.length} and --batch {config.batch}: {error}"
        ) from None


def make_session(config, corpus):
    """The Session of complete settings, before its first step."""
    with settings_refused():
        network = make_network(
            {name: getattr(config, name) for name in NETWORK},
            len(corpus.characters),
            np.random.default_rng([config.seed, 0]),
            config.dropout,
        )
        trainer = Trainer(
            network,
            make_batches(config, corpus, np.random.default_rng([config.seed, 1])),
            make_optimizer(config, network),
            clip=config.clip,
            schedule=make_schedule(config),
            ema_decay=config.ema_decay,
        )
    about = {
        "experiment": "folk",
        "config": {name: getattr(config, name) for name in PRESETS["quick"]},
        "vocabulary": corpus.characters.characters,
    }
    held = held_out(corpus, "valid", config.eval_size)
    return Session(trainer, about, held, pace_of(config))


def settings_of(run):
    """The complete settings of a run, whichever command made it; UserError if they are damaged."""
    return complete(run.config(Train, Run))


def load_network(path):
    """The best network of a run folder or best.safetensors, and its Characters.

    Raises UserError or CheckpointError if there is none, or it is damaged or of another kind.
    """

    def least(metadata):
        expect_allowed(metadata["config"], Train, (*NETWORK, "dropout"))
        return least_weights(metadata["config"], len(Characters(metadata["vocabulary"])))

    def make(metadata):
        settings, V = metadata["config"], len(metadata["vocabulary"])
        return make_network(settings, V, np.random.default_rng(0), settings["dropout"])

    network, metadata = trained.load_network(path, ("config", "vocabulary", "best"), make, least)
    return network, Characters(metadata["vocabulary"]), metadata
