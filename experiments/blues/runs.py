"""One run of experiment 2: its session, its files, the trained network out of them."""

from dataclasses import asdict

import numpy as np

from encoders.tokens.blues import BluesFormat
from experiments.blues.chords import learn_chords
from experiments.blues.recipes import RECIPES, blues_wiring, make_network
from experiments.blues.settings import Run, Train
from experiments.blues.training import DevelopmentPieces, make_pieces, make_trainer
from experiments.common.errors import UserError
from experiments.common.progress import Progress
from experiments.common.recipe import Pace
from experiments.common.run_folder import BEST
from experiments.common.runner import Session
from experiments.common.trained import expect_weights
from scratchnet.blocks.network import CellBlocks
from scratchnet.messages import brief, cut
from scratchnet.training.checkpoint import CheckpointError, load_checkpoint, parts_of
from scratchnet.training.optimizers import Diverged

EVALUATIONS = 50  # of a training
SPARSE = 16  # of the connections that a network could have, it has more than a 16th
HINT = "try another --seed or --recipe"


def form_of(config):
    """The BluesFormat of a run's settings."""
    return BluesFormat(config.steps_per_bar, config.endings, config.literal_bar_6)


def make_session(config):
    """The Session of a run's settings, before its first step."""
    recipe, form = RECIPES[config.recipe], form_of(config)
    pieces = make_pieces(recipe, config.seed, form)
    wiring = blues_wiring(recipe, form, config.melody_blocks)
    network = make_network(recipe, wiring, np.random.default_rng([config.seed, 0]))
    total = config.learn or recipe.choruses
    trainer = make_trainer(recipe, network, pieces, total, config.seed, config.gross_error)
    about = {"experiment": "blues", "format": asdict(form), "network": network.options()}
    pace = Pace(total, max(total // EVALUATIONS, 1), unit="chorus")
    return Session(trainer, about, DevelopmentPieces(trainer.batches), pace, hint=HINT)


def learn_chords_first(session, config, quiet=True):
    """Give the chord half of the network what a network of experiment 1 has learned: its weights have the
    same names. Returns the row of `learn_chords`, or None if the recipe does not say so.
    """
    recipe = RECIPES[config.recipe]
    if not recipe.chords_first or session.trainer.steps:
        return None
    session.save()  # an interrupted run can be resumed, here from the beginning
    with Progress(None, "chords first", "chorus", quiet) as bar:

        def progress(count, loss):
            bar.update(count, loss=loss)

        try:
            row, network, _ = learn_chords(recipe, config.seed, form_of(config), progress=progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"in the chords; go on with: {session.again}") from None
    for name, param in network.params.items():
        session.trainer.model.params[name][...] = param
    return row


def learn(session, quiet=True):
    """Train to the end; the session's model is then the best network. Returns the figures of that.

    Raises KeyboardInterrupt on Ctrl-C; it says how to go on; UserError if it diverges.
    """
    try:
        session.learn(quiet)
    except Diverged as error:
        raise UserError(f"learning failed: {error}") from None
    session.trainer.model.load_state_dict(session.trainer.best_weights)
    return session.trainer.best


def settings_of(run):
    """The settings of a run with a checkpoint, whichever command made it."""
    run.require_checkpoint()
    return run.config(Train, Run)


def check_format(path, metadata, config):
    """A CheckpointError if a checkpoint is of another format than the run's settings: its units mean
    something else.
    """
    if metadata.get("format") != asdict(form_of(config)):
        raise CheckpointError(
            f"{path}: not of the steps_per_bar, endings and literal_bar_6 that config.yaml says"
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


def stored(run):
    """(path, weights, metadata, choruses that they have learned from) of the best network of a run, or of the
    last if none was evaluated yet. Earlier versions kept it in the checkpoint.
    """
    if (run.folder / BEST).is_file():
        weights, metadata = load_checkpoint(run.folder / BEST)
        return run.folder / BEST, weights, metadata, metadata["best"]["choruses"]
    path = run.require_checkpoint()
    tensors, metadata = load_checkpoint(path)
    parts, best = parts_of(tensors), metadata.get("best")
    done = metadata["memory"]["learned"] if "memory" in metadata else metadata["trainer"]["batches"]["done"]
    weights = parts.get("best" if best else "last", {})
    return path, weights, metadata, best["choruses"] if best else done


def load_network(run, config):
    """The trained network of a run, its pieces, and how far it has learned: {"choruses": 4}.

    Raises UserError or CheckpointError if the run is not trained, or its checkpoint is damaged or of another
        shape.
    """
    path = run.require_checkpoint()
    try:
        path, weights, metadata, done = stored(run)
        check_format(path, metadata, config)
        if done == 0:
            raise UserError(f"{run.folder}: nothing has been learned yet")
        expect_weights(least_weights(metadata["network"]), weights)
        network = CellBlocks.from_options(metadata["network"])
        network.load_state_dict(weights)
        expect_units(network, form_of(config))
    except CheckpointError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError, ArithmeticError, IndexError) as error:
        reason = f"{type(error).__name__}: {cut(error, 200)}"
        raise CheckpointError(f"{path}: not a network of the blues experiment ({reason})") from None
    return network, make_pieces(RECIPES[config.recipe], config.seed, form_of(config)), {"choruses": done}
