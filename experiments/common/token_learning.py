"""How networks of tokens learn, from the settings (token_settings.py): optimizer, schedule, session."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from experiments.common.errors import settings_refused
from experiments.common.run_folder import CHECKPOINT, RunFolder
from experiments.common.settings import expect_resumed
from experiments.common.token_training import Session
from scratchnet.evaluation import held_out as sampling
from scratchnet.training.checkpoint import load_checkpoint
from scratchnet.training.optimizers import SGD, Adagrad, Adam, RMSprop
from scratchnet.training.schedules import Cosine, WarmUp
from scratchnet.training.trainer import Trainer

HEARD = 2  # tokens that begin every piece: they are given
SAMPLE_SEED = 0  # the same windows in every run, so that runs can be compared
LEAST_SAMPLE = 2**18  # tokens of training pieces
WARM_UP = 50  # steps
FINAL = 0.02  # of the learning rate is left at the end


def held_out(sequences, batch, most=None, windows=False):
    """A HeldOut of sequences but for their first HEARD tokens, always the same."""
    return sampling.held_out(sequences, batch, np.random.default_rng(SAMPLE_SEED), most, HEARD, windows)


def as_large(corpus, part):
    """How many tokens of training pieces are judged beside a whole part: as many, but not too few."""
    return max(LEAST_SAMPLE, sum(map(len, corpus.sequences(part))))


def make_optimizer(config, network):
    """The optimizer of the settings."""
    both = network.params, network.grads
    if config.optimizer == "adam":
        return Adam(*both, config.lr, weight_decay=config.weight_decay, decoupled=True)
    if config.optimizer in ("sgd", "momentum"):
        return SGD(*both, config.lr, momentum=0.9 if config.optimizer == "momentum" else 0.0)
    return {"adagrad": Adagrad, "rmsprop": RMSprop}[config.optimizer](*both, config.lr)


def make_schedule(config):
    """The schedule of the settings, or None."""
    if not config.decay:
        return None
    return WarmUp(WARM_UP, Cosine(max(config.steps - WARM_UP, 1), final=FINAL))


def make_session(config, network, batches, run, about, held_out, command, learned=None):
    """The Session of complete settings, before its first step.

    Parameters
    ----------
    network : Sequential
    batches : what it learns from
    run : RunFolder
    about, held_out, command : see Session
    learned : what the optimizer may change, with params and grads; None for all of the network
    """
    with settings_refused():
        trainer = Trainer(
            network, batches, make_optimizer(config, learned or network), clip=config.clip,
            schedule=make_schedule(config), average=config.average,
        )  # fmt: skip
    return Session(
        trainer, run, about, held_out, config.steps, judge_every=config.judge_every,
        save_every=config.save_every, patience=config.patience, keep=config.keep, command=command,
    )  # fmt: skip


def open_session(make, path, experiment, config, go_on):
    """The Session in a folder: a new one or, to `go_on`, the one that was begun there, if it was.

    Parameters
    ----------
    make : function of a RunFolder that makes a Session
    path : the folder; a new session replaces what is there
    experiment, config : what a new folder says of itself
    """
    if go_on and (Path(path) / CHECKPOINT).is_file():
        session = make(RunFolder.resume(path))
        session.resume()
        return session
    return make(RunFolder.create(path, experiment, config, overwrite=True))


def expect_sound(folders):
    """Look at the runs in these folders, as far as they are begun: what is wrong with the last is said before
    the first goes on.

    Raises
    ------
    UserError, CheckpointError
        If one is damaged, or another process works in it.
    """
    for folder in folders:
        if (folder / CHECKPOINT).is_file():
            load_checkpoint(RunFolder.resume(folder).checkpoint)


def train_session(config, experiment, runs, load):
    """What `train` does before the first step: a session begun, or one to go on with.

    Parameters
    ----------
    config : the settings of the command; with `resume`, those of the run count, but for where the music is
    experiment : its name
    runs : the experiment's module with complete, settings_of and make_session
    load : function of complete settings that gives the corpus

    Returns
    -------
    session : Session
    corpus : what `load` gave
    config : the complete settings
    """
    if config.resume:
        expect_resumed(config)
        run = RunFolder.resume(config.resume)
        config = with_data(replace(runs.settings_of(run), quiet=config.quiet), config.data)
        session = runs.make_session(config, corpus := load(config), run)
        session.resume()
    else:
        config = runs.complete(config)
        corpus = load(config)
        run = RunFolder.create(config.out, experiment, config, config.overwrite)
        session = runs.make_session(config, corpus, run)
    return session, corpus, config


def with_data(config, data):
    """Settings with the music from somewhere else, if that is given."""
    return replace(config, data=data) if data else config
