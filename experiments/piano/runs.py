"""A network's run: its trainer, its files, the trained network out of them."""

from dataclasses import asdict, fields

import numpy as np

from encoders.tokens.note_duration import NoteDuration
from experiments.common import recipe, trained
from experiments.common.errors import UserError, settings_refused
from experiments.common.recipe import make_optimizer, make_schedule, pace_of
from experiments.common.runner import Session
from experiments.common.settings import expect_allowed
from experiments.piano.networks import NETWORK, least_weights, make_network
from experiments.piano.settings import PRESETS, Train, complete
from scratchnet.training.batches import RandomWindows
from scratchnet.training.pieces import Pieces
from scratchnet.training.trainer import Trainer

BATCH = 16  # pieces that are evaluated side by side


def held_out(corpus, part, most=None, windows=False):
    """A HeldOut: each piece of a part from its first note to its end, or if these are more, `most` tokens."""
    return recipe.held_out(corpus.sequences(part), BATCH, most, windows)


def make_batches(config, corpus, rng):
    """Batches of the training pieces; UserError if they are too few."""
    try:
        if not config.stateful:
            tokens = np.concatenate(corpus.sequences("train"))
            return RandomWindows(tokens, config.length, config.batch, rng)
        return Pieces(corpus.epoch(config.transpose, config.stretch), config.length, config.batch, rng)
    except ValueError as error:
        raise UserError(
            f"too little music for --length {config.length} and --batch {config.batch}: {error}"
        ) from None


def make_session(config, corpus, again=None):
    """The Session of complete settings, before its first step; `again` as there."""
    with settings_refused():
        network = make_network(
            {name: getattr(config, name) for name in NETWORK},
            len(corpus.encoder),
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
        "experiment": "piano",
        "config": {name: getattr(config, name) for name in ("model", *PRESETS["quick"])},
        "encoder": corpus.encoder.settings(),
    }
    held = held_out(corpus, "valid", config.eval_size)
    return Session(trainer, about, held, pace_of(config), again)


def networks_of(config):
    """The Train settings of each network of a Run: dict of folder name -> Train."""
    shared = {field.name for field in fields(Train)} - {"model", "seed", "out", "resume"}
    values = {name: value for name, value in asdict(config).items() if name in shared}
    return {
        f"{model}-{seed}": Train(**values, model=model, seed=seed)
        for model in config.models
        for seed in range(config.seed, config.seed + config.seeds)
    }


def settings_of(run):
    """The complete settings of a network's run; UserError if they are damaged."""
    return complete(run.config(Train))


def load_network(path):
    """The best network of a run folder or best.safetensors, its NoteDuration and the metadata.

    Raises UserError or CheckpointError if there is none, or it is damaged or of another kind.
    """

    def least(metadata):
        expect_allowed(metadata["config"], Train, (*NETWORK, "dropout"))
        return least_weights(metadata["config"], len(NoteDuration.from_settings(metadata["encoder"])))

    def make(metadata):
        settings, V = metadata["config"], len(NoteDuration.from_settings(metadata["encoder"]))
        return make_network(settings, V, np.random.default_rng(0), settings["dropout"])

    network, metadata = trained.load_network(path, ("config", "encoder", "best"), make, least)
    return network, NoteDuration.from_settings(metadata["encoder"]), metadata
