"""Learning from pieces, by batches (full BPTT) or online (the report's way); exact to resume."""

import math
from dataclasses import asdict

import numpy as np

from encoders.tokens.blues import BluesFormat
from experiments.blues.data import Pieces
from scratchnet.blocks.kalman import DecoupledKalman
from scratchnet.layers.one_thread import alone_with
from scratchnet.messages import brief
from scratchnet.training.batches import Batch
from scratchnet.training.checkpoint import expect_like, generator_state, set_generator
from scratchnet.training.losses import sigmoid_cross_entropy
from scratchnet.training.optimizers import Adam, Diverged
from scratchnet.training.schedules import Cosine
from scratchnet.training.trainer import Step, Trainer

WARM_UP = 10  # choruses of context that a network needs which has learned from one endless stream
AT_ONCE = 20  # choruses of the stream in a step


class Choruses:
    """Batches of random training pieces, inputs and targets (T, D, B), until so many choruses are drawn.

    pieces : Pieces
    total : choruses in all
    length, batch : choruses of a batch: one after the other, and side by side
    rng : numpy Generator
    cut : whether the last batch is cut short at `total`; else it may go beyond
    Attributes:
    done : choruses so far
    """

    stateful = False

    def __init__(self, pieces, total, length, batch, rng, cut=False):
        self.pieces, self.total, self.length, self.batch, self.rng = pieces, total, length, batch, rng
        self.cut, self.done = cut, 0

    @property
    def over(self):
        return self.done >= self.total

    def __next__(self):
        length = min(self.length, max(self.total - self.done, 1)) if self.cut else self.length
        self.done += length * self.batch
        return Batch(*self.pieces.draw(self.rng, length, self.batch))

    def state_dict(self):
        """What JSON can hold of where it stands."""
        return {"done": self.done, "generator": generator_state(self.rng)}

    def load_state_dict(self, state):
        """Go on from a `state_dict`; KeyError, TypeError or ValueError if it is none."""
        done = state["done"]
        if type(done) is not int or not 0 <= done < 2**53:
            raise ValueError(f"expected how many choruses were drawn, got {brief(done)}")
        set_generator(self.rng, state["generator"])
        self.done = done


class Memory:
    """What online learning keeps from step to step, in the place of an optimizer: the stream, the filter.

    arrays : function that gives them by name; the arrays themselves
    """

    def __init__(self, arrays, lr):
        self.arrays, self.lr, self.steps = arrays, lr, 0

    def state_dict(self):
        """Copies by name, and the number of steps."""
        return {name: array.copy() for name, array in self.arrays().items()} | {"steps": np.array(self.steps)}

    def load_state_dict(self, state):
        """Go on from a `state_dict`; ValueError if it does not fit."""
        own = self.arrays()
        expect_like(state, own | {"steps": np.array(self.steps)}, "stream")
        for name, array in own.items():
            array[...] = state[name]
        self.steps = int(state["steps"])


class OnlineTrainer(Trainer):
    """The report's way: one endless stream of pieces, all weights changed after every time step of it.

    network : CellBlocks or FullyRecurrent
    choruses : Choruses of one stream
    memory : Memory
    learn : function (x (T, D), t (T, K)) that goes on with the stream, as `CellBlocks.learn_online`
    gross_error : error of an output unit at which the network is reset and begins the next piece
    """

    def __init__(self, network, choruses, memory, learn, gross_error):
        super().__init__(network, choruses, memory)
        self.learn, self.gross_error = learn, gross_error

    @alone_with("model")
    def step(self):
        """Some choruses; what `Trainer.step` returns, without a gradient's norm."""
        batch = next(self.batches)
        x, t = (array[:, :, 0].astype(self.model.dtype) for array in (batch.x, batch.y))
        total, seen, at, steps = 0.0, 0, 0, self.batches.pieces.form.steps
        with np.errstate(over="ignore", invalid="ignore"):  # numbers are looked at
            while at < len(x):
                stop = at + steps - at % steps
                y, loss, _ = self.learn(x[at:stop], t[at:stop])
                total, seen, at = total + loss, seen + len(y), at + len(y)
                if np.abs(y[-1] - t[at - 1]).max() > self.gross_error:
                    self.model.reset()
                    at = stop  # the rest of the piece is skipped
        loss = total / seen
        if not math.isfinite(loss):
            raise Diverged(f"at step {self.steps + 1} the loss is {loss:g}")
        self.optimizer.steps += 1
        return Step(self.steps, float(loss), math.nan, self.optimizer.lr, seen)


def make_trainer(recipe, network, pieces, choruses, seed, gross_error=None):
    """The trainer that the recipe asks for, to learn from so many choruses."""
    rng = np.random.default_rng([seed, 1])
    if recipe.online:
        stream = Choruses(pieces, choruses, AT_ONCE, 1, rng, cut=True)
        return make_online_trainer(recipe, network, stream, math.inf if gross_error is None else gross_error)
    each = recipe.length * recipe.batch
    return Trainer(
        network,
        Choruses(pieces, choruses, recipe.length, recipe.batch, rng),
        Adam(network.params, network.grads, recipe.lr, betas=(0.9, recipe.beta2)),
        loss=sigmoid_cross_entropy,
        clip=recipe.clip,
        schedule=Cosine(choruses / each, final=recipe.final),
    )


def make_online_trainer(recipe, network, stream, gross_error):
    """By momentum, or by a Kalman filter in its place."""

    def of_stream():
        return {f"stream/{name}": array for name, array in network.stream_state().items()}

    if not recipe.kalman:
        return OnlineTrainer(
            network,
            stream,
            Memory(of_stream, recipe.lr),
            lambda x, t: network.learn_online(x, t, recipe.lr, recipe.momentum, gross_error),
            gross_error,
        )
    settings = asdict(recipe.kalman)
    anneal = settings.pop("anneal") * stream.pieces.form.steps
    kalman = DecoupledKalman(network, anneal=anneal, **settings)

    def of_both():
        return of_stream() | {f"kalman/{name}": array for name, array in kalman.memory.items()}

    return OnlineTrainer(
        network, stream, Memory(of_both, recipe.lr), lambda x, t: kalman.learn(x, t, gross_error), gross_error
    )


def make_pieces(recipe, seed, form=BluesFormat(), with_melody=True):
    """The pieces as the recipe wants them, split by the seed."""
    warm_up = WARM_UP if recipe.online else 0
    return Pieces(form, with_melody, recipe.standardise, np.random.default_rng([seed, 2]), warm_up)


class DevelopmentPieces:
    """The losses on the pieces by which the best network is chosen, for `Trainer.evaluate`.

    choruses : Choruses, which are counted
    """

    def __init__(self, choruses):
        self.choruses = choruses

    def __call__(self, network, progress=None):
        pieces = self.choruses.pieces
        row = losses(network, pieces, pieces.development)
        total = row["chord_loss"] + row.get("melody_loss", 0.0)
        return total, 0.0, {"choruses": self.choruses.done, "total": total} | row


def losses(network, pieces, numbers):
    """How well a network predicts given pieces, one chorus after the other from a zero state.

    The first chorus is not counted, or those of `pieces.warm_up`; two are.

    Returns dict : "chord_loss" and "melody_loss" in nats per step, "chord_errors", chord units on the wrong
        side of 1/2.
    """
    chords, context = pieces.form.chord_units, max(pieces.warm_up, 1) * pieces.form.steps
    order = np.stack([np.roll(numbers, k) for k in range(max(pieces.warm_up, 1) + 2)])
    bits = pieces.stream(order)
    with np.errstate(over="ignore", invalid="ignore"):
        a = network.forward(pieces.scaled(bits))[context - 1 : -1]
    t = bits[context:].astype(network.dtype)
    result = {
        "chord_loss": sigmoid_cross_entropy(a[:, :chords], t[:, :chords])[0],
        "chord_errors": int(((a[:, :chords] > 0) != (t[:, :chords] > 0.5)).sum()),
    }
    if pieces.with_melody:
        result["melody_loss"] = sigmoid_cross_entropy(a[:, chords:], t[:, chords:])[0]
    return result
