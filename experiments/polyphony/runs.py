"""One run: learn, keep the best, resume, load."""

import shlex

import numpy as np

from experiments.common.interrupts import deferred_interrupt
from experiments.common.progress import Progress
from experiments.common.trained import does_not_fit, expect_weights
from experiments.polyphony.networks import least_weights, make_network
from experiments.polyphony.recipes import NAMES, complete
from experiments.polyphony.settings import Run, Train
from experiments.polyphony.training import Diverged, Learner, expect_best
from scratchnet.training.checkpoint import CheckpointError, load_checkpoint, parts_of, save_checkpoint


def learn(learner, run, quiet=False):
    """Learn until done. After each epoch a row is logged and the checkpoint written, with the best network.

    Ctrl-C and a loss that is no number stop between two steps; the checkpoint is then that of the last whole
    epoch, from where `train --resume` goes on.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C; it says how to go on.
    Diverged
        It says where, and what is kept.
    """
    total = learner.config.epochs
    if learner.epoch == 0:
        save(learner, run)
    with Progress(total, "learning", "epoch", quiet) as bar, deferred_interrupt() as interrupt:
        bar.update(learner.epoch)

        def after_step(**figures):
            if interrupt.is_set():
                kept = f"the first {whole} of {total} epochs are kept"
                raise KeyboardInterrupt(f"{kept}; go on with: {command('train --resume', run)}")
            bar.tell(**figures)

        while not learner.done:
            whole = learner.epoch
            try:
                loss = learner.learn(lambda loss: after_step(loss=loss))
                row = learner.judge(after_step)
            except Diverged as error:
                kept = "nothing was learned before"
                if learner.best:
                    kept = f"the network of epoch {learner.best['epoch']} is kept in {run.checkpoint}"
                raise Diverged(f"{error}; {kept}") from None
            run.log(epoch=learner.epoch, train=loss, **row, rate=learner.rate())
            save(learner, run)
            bar.update(1, loss=loss, valid=row["valid"])
    return learner.best


def command(name, run):
    """A command line for a run, ready to be copied."""
    return f"python -m experiments.polyphony {name} {shlex.quote(str(run.folder))}"


def save(learner, run):
    """Write the checkpoint."""
    tensors, metadata = learner.state()
    save_checkpoint(run.checkpoint, tensors, metadata | {"network": network_settings(learner.config)})


def network_settings(config):
    """What decides names and shapes of the weights, and what they mean."""
    return {name: getattr(config, name) for name in ("set", "cell", "hidden", "layers")}


def settings_of(run):
    """The complete settings of a run, whichever command made it; UserError if they are damaged."""
    return complete(run.config(Train, Run))


def resume(config, music, run):
    """The Learner of an interrupted run, as it was after its last whole epoch.

    Raises
    ------
    UserError, CheckpointError
        If there is no checkpoint, or it is damaged or not of these settings.
    """
    tensors, metadata = load_checkpoint(run.require_checkpoint())
    check_network(run, metadata, config)
    learner = Learner(config, music)
    try:
        learner.load_state(tensors, metadata)
    except (KeyError, ValueError, TypeError) as error:
        raise does_not_fit(run.checkpoint, error) from None
    return learner


def load_network(run, config):
    """The best network of a run, and a dict of the epoch and its nats a frame of valid and test.

    Raises
    ------
    UserError, CheckpointError
        If there is no checkpoint, nothing was learned yet, or it is damaged or not of these settings.
    """
    tensors, metadata = load_checkpoint(run.require_checkpoint())
    check_network(run, metadata, config)
    if not metadata.get("best"):
        raise CheckpointError(f"{run.checkpoint}: not one epoch has been learned yet")
    weights = parts_of(tensors).get("best", {})
    try:
        expect_weights(least_weights(config), weights)
        network = make_network(config, np.random.default_rng(0))
        expect_best(metadata["best"], weights, network.state_dict())
        network.load_state_dict(weights)
    except (KeyError, ValueError, TypeError) as error:
        raise does_not_fit(run.checkpoint, error) from None
    network.eval()
    return network, metadata["best"]


def check_network(run, metadata, config):
    """A CheckpointError unless the checkpoint is of such a network."""
    wanted = network_settings(config)
    if metadata.get("network") != wanted:
        text = ", ".join(f"{name} {value}" for name, value in wanted.items())
        raise CheckpointError(f"{run.checkpoint}: expected a network of the settings of the run ({text})")


def describe(config, network):
    """The network and its settings in two lines."""
    settings = ", ".join(f"{name} {getattr(config, name):g}" for name in NAMES if name not in SAID)
    return (
        f"{config.cell.upper()}, {config.layers} x {config.hidden} units, {network.parameter_count:,} weights"
        f"\n{settings}"
    )


SAID = ("hidden", "layers")
