"""A run: its session, its files, the trained network out of them."""

import math

import numpy as np

from experiments.common.errors import settings_refused
from experiments.common.json_files import is_number
from experiments.common.recipe import Pace
from experiments.common.run_folder import BEST
from experiments.common.runner import Session
from experiments.common.trained import does_not_fit, expect_weights
from experiments.polyphony.data import SPLITS
from experiments.polyphony.networks import least_weights, make_network
from experiments.polyphony.recipes import NAMES, complete
from experiments.polyphony.settings import Run, Train
from experiments.polyphony.training import Frames, HeldOutPieces
from scratchnet.messages import brief
from scratchnet.training.checkpoint import CheckpointError, expect_like, load_checkpoint, parts_of
from scratchnet.training.losses import sigmoid_cross_entropy
from scratchnet.training.optimizers import Adam
from scratchnet.training.schedules import Cosine, Product, WarmUp
from scratchnet.training.trainer import Trainer

WARM_UP = 20  # steps in which the learning rate rises
FINAL = 0.02  # of the learning rate is left at the end
NETWORK = (
    "set",
    "cell",
    "hidden",
    "layers",
)  # what decides names and shapes of the weights, and their meaning
SAID = ("hidden", "layers")


def make_session(config, music):
    """The Session of complete settings, before its first step."""
    frames = Frames(
        music.train, config.window, config.batch, config.transpose, np.random.default_rng([config.seed, 1])
    )
    with settings_refused():
        network = make_network(config, np.random.default_rng([config.seed, 0]))
        trainer = Trainer(
            network,
            frames,
            Adam(network.params, network.grads, config.lr, weight_decay=config.weight_decay, decoupled=True),
            loss=sigmoid_cross_entropy,
            clip=config.clip,
            schedule=make_schedule(config, music),
            ema_decay=config.ema_decay,
        )
    about = {"experiment": "polyphony", "config": {name: getattr(config, name) for name in NETWORK}}
    pace = Pace(config.epochs, 1, unit="epoch", patience=config.patience)
    return Session(trainer, about, HeldOutPieces(music, frames), pace)


def make_schedule(config, music):
    """Up in WARM_UP steps, then down along half a cosine until the last epoch.

    An epoch's steps are counted as if all pieces were cut from their beginnings; cut anywhere, they vary a
    little.
    """
    window = config.window
    count = sum(max(math.ceil((len(p) - 1) / window), 1) if window else 1 for p in music.train)
    steps = config.epochs * math.ceil(count / config.batch)
    return Product(WarmUp(WARM_UP), Cosine(steps, final=FINAL))


def settings_of(run):
    """The complete settings of a run, whichever command made it; UserError if they are damaged."""
    return complete(run.config(Train, Run))


def load_network(run, config):
    """The best network of a run, and a dict of the epoch and its nats per frame of valid and test.

    Raises UserError or CheckpointError if nothing was learned yet, or a file is missing, damaged or not of
        these settings.
    """
    path, weights, best, described = stored_best(run)
    wanted = {name: getattr(config, name) for name in NETWORK}
    if described != wanted:
        text = ", ".join(f"{name} {value}" for name, value in wanted.items())
        raise CheckpointError(f"{path}: expected a network of the settings of the run ({text})")
    if not best:
        raise CheckpointError(f"{path}: not one epoch has been learned yet")
    try:
        expect_weights(least_weights(config), weights)
        network = make_network(config, np.random.default_rng(0))
        expect_like(weights, network.state_dict(), "best weights")
        if type(best["epoch"]) is not int or not all(is_number(best[split]) for split in SPLITS[1:]):
            raise ValueError(f"expected the figures of the best network, got {brief(best)}")
        network.load_state_dict(weights)
    except (KeyError, ValueError, TypeError) as error:
        raise does_not_fit(path, error) from None
    network.eval()
    return network, best


def stored_best(run):
    """(path, weights, figures, what the network is made of) of the best network of a run.

    Earlier versions kept it in the checkpoint.
    """
    if (run.folder / BEST).is_file():
        path = run.folder / BEST
        weights, metadata = load_checkpoint(path)
        return path, weights, metadata.get("best"), metadata.get("config")
    path = run.require_checkpoint()
    tensors, metadata = load_checkpoint(path)
    described = metadata.get("network", metadata.get("config"))
    return path, parts_of(tensors).get("best", {}), metadata.get("best"), described


def describe(config, network):
    """The network and its settings in two lines."""
    settings = ", ".join(f"{name} {getattr(config, name):g}" for name in NAMES if name not in SAID)
    return (
        f"{config.cell.upper()}, {config.layers} x {config.hidden} units, {network.parameter_count:,} weights"
        f"\n{settings}"
    )
