"""A network's run: its trainer, its files, the trained network out of them."""

from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from encoders.note_duration import NoteDuration
from experiments import token_training
from experiments.errors import UserError
from experiments.piano.networks import NETWORK, make_network
from experiments.piano.settings import PianoRecipe, Train, complete
from experiments.run_folder import CHECKPOINT, RunFolder
from experiments.token_learning import make_optimizer, make_schedule
from experiments.token_training import Session
from scratchnet.batches import RandomWindows, judged
from scratchnet.pieces import Pieces
from scratchnet.training import Trainer

RESUME = "python -m experiments.piano train --resume"
HEARD = 2  # tokens that begin every piece: they are given
BATCH = 16  # pieces that are judged side by side


def held_out(corpus, part):
    """Batches in which each piece of a part is predicted from its first note to its end."""
    return judged(corpus.sequences(part), BATCH, heard=HEARD)


def make_trainer(config, corpus):
    """The Trainer of complete settings, before its first step."""
    network = make_network(
        {name: getattr(config, name) for name in NETWORK},
        len(corpus.encoder),
        np.random.default_rng([config.seed, 0]),
        config.dropout,
    )
    return Trainer(
        network,
        make_batches(config, corpus, np.random.default_rng([config.seed, 1])),
        make_optimizer(config, network),
        clip=config.clip,
        schedule=make_schedule(config),
        average=config.average,
    )


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
    names = [field.name for field in fields(PianoRecipe)]
    about = {
        "experiment": "piano",
        "config": {name: getattr(config, name) for name in ("model", *names)},
        "encoder": corpus.encoder.settings(),
    }
    return Session(
        make_trainer(config, corpus), run, about, held_out(corpus, "valid"), config.steps,
        judge_every=config.judge_every, save_every=config.save_every, patience=config.patience,
        keep=config.keep, command=RESUME,
    )  # fmt: skip


def open_session(config, corpus, path, go_on):
    """The Session in a folder: a new one or, to `go_on`, the one that was begun there."""
    if go_on and (Path(path) / CHECKPOINT).is_file():
        run = RunFolder.open(path)
        session = make_session(config, corpus, run)
        session.resume()
        return session
    return make_session(config, corpus, RunFolder.create(path, "piano", config, overwrite=True))


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

    def make(metadata):
        settings, V = metadata["config"], len(NoteDuration.from_settings(metadata["encoder"]))
        return make_network(settings, V, np.random.default_rng(0), settings["dropout"])

    network, metadata = token_training.load_network(path, ("config", "encoder", "best"), make)
    return network, NoteDuration.from_settings(metadata["encoder"]), metadata
