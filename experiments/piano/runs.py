"""A network's run: its trainer, its files, the trained network out of them."""

from dataclasses import asdict, fields

import numpy as np

from encoders.tokens.note_duration import NoteDuration
from experiments.common import token_learning, token_training
from experiments.common.errors import UserError, settings_refused
from experiments.common.settings import expect_allowed
from experiments.piano.networks import NETWORK, least_weights, make_network
from experiments.piano.settings import PianoRecipe, Train, complete
from scratchnet.training.batches import RandomWindows
from scratchnet.training.pieces import Pieces

RESUME = "python -m experiments.piano train --resume"
BATCH = 16  # pieces that are judged side by side


def held_out(corpus, part, most=None, windows=False):
    """A HeldOut: each piece of a part from its first note to its end, or if these are more, `most` tokens."""
    return token_learning.held_out(corpus.sequences(part), BATCH, most, windows)


def make_batches(config, corpus, rng):
    """Batches of the training pieces; UserError if they are too few."""
    try:
        if not config.streams:
            tokens = np.concatenate(corpus.sequences("train"))
            return RandomWindows(tokens, config.length, config.batch, rng)
        return Pieces(corpus.epoch(config.transpose, config.stretch), config.length, config.batch, rng)
    except ValueError as error:
        raise UserError(
            f"too little music for --length {config.length} and --batch {config.batch}: {error}"
        ) from None


def make_session(config, corpus, run):
    """The Session of complete settings."""
    with settings_refused():
        network = make_network(
            {name: getattr(config, name) for name in NETWORK},
            len(corpus.encoder),
            np.random.default_rng([config.seed, 0]),
            config.dropout,
        )
    batches = make_batches(config, corpus, np.random.default_rng([config.seed, 1]))
    names = [field.name for field in fields(PianoRecipe)]
    about = {
        "experiment": "piano",
        "config": {name: getattr(config, name) for name in ("model", *names)},
        "encoder": corpus.encoder.settings(),
    }
    held = held_out(corpus, "valid", config.judged)
    return token_learning.make_session(config, network, batches, run, about, held, RESUME)


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

    Raises
    ------
    UserError, CheckpointError
        If there is none, or it is damaged or of another kind.
    """

    def least(metadata):
        expect_allowed(metadata["config"], Train, (*NETWORK, "dropout"))
        return least_weights(metadata["config"], len(NoteDuration.from_settings(metadata["encoder"])))

    def make(metadata):
        settings, V = metadata["config"], len(NoteDuration.from_settings(metadata["encoder"]))
        return make_network(settings, V, np.random.default_rng(0), settings["dropout"])

    network, metadata = token_training.load_network(path, ("config", "encoder", "best"), make, least)
    return network, NoteDuration.from_settings(metadata["encoder"]), metadata
