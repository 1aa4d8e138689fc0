"""Learning from pieces, by batches (full BPTT) or online (the report's way); exact to resume."""

from dataclasses import asdict

import numpy as np

from encoders.tokens.blues import BluesFormat
from experiments.blues.data import Pieces
from scratchnet.blocks.kalman import DecoupledKalman
from scratchnet.messages import brief
from scratchnet.training.checkpoint import expect_like, generator_state, set_generator
from scratchnet.training.losses import sigmoid_cross_entropy
from scratchnet.training.optimizers import Adam, Diverged, clip_global_norm

WARM_UP = 10  # choruses that a network heard in one endless stream must hear again before it is itself


class Learner:
    """A network and all that goes on changing while it learns.

    Parameters
    ----------
    network : CellBlocks
    pieces : Pieces
    recipe : Recipe
    choruses : how many to learn from in all
    rng : numpy Generator, draws the pieces
    """

    def __init__(self, network, pieces, recipe, choruses, rng):
        self.network, self.pieces, self.recipe, self.rng = network, pieces, recipe, rng
        self.choruses = choruses
        self.learned = 0  # choruses so far

    @property
    def done(self):
        """Whether all choruses have been learned from."""
        return self.learned >= self.choruses

    def state(self):
        """All that a resumed run needs: (tensors, metadata)."""
        return self.arrays(), {"learned": self.learned, "generator": generator_state(self.rng)}

    def arrays(self):
        """Weights and memory by name; the arrays themselves."""
        return {f"last/{name}": param for name, param in self.network.params.items()} | self.memory()

    def warm_up(self):
        """Compile what `advance` needs, and put everything back, so that a clock does not see it."""
        kept = {name: array.copy() for name, array in self.arrays().items()}
        learned, generator = self.learned, self.rng.bit_generator.state
        self.advance()
        for name, array in self.arrays().items():
            array[...] = kept[name]
        self.learned, self.rng.bit_generator.state = learned, generator

    def load_state(self, tensors, metadata):
        """The inverse of `state`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is not the state of such a Learner; this one is then not to be used.
        """
        own = self.arrays()
        expect_like({k: v for k, v in tensors.items() if not k.startswith("best/")}, own, "state")
        for name, array in own.items():
            array[...] = tensors[name]
        learned = metadata["learned"]
        if type(learned) is not int or not 0 <= learned < 2**53:
            raise ValueError(f"expected how many choruses were learned, got {brief(learned)}")
        self.learned = learned
        set_generator(self.rng, metadata["generator"])


class BatchLearner(Learner):
    """Full BPTT over choruses from a zero state, Adam, a learning rate that falls along half a cosine."""

    def __init__(self, network, pieces, recipe, choruses, rng):
        super().__init__(network, pieces, recipe, choruses, rng)
        self.adam = Adam(network.params, network.grads, recipe.lr, betas=(0.9, recipe.beta2))

    def warm_up(self):
        steps = self.adam.steps
        super().warm_up()
        self.adam.steps = steps

    def memory(self):
        """Adam's moments, by name; the arrays themselves."""
        return {
            f"adam/{slot}/{name}": array
            for slot, kept in self.adam.memory.items()
            for name, array in kept.items()
        }

    def load_state(self, tensors, metadata):
        super().load_state(tensors, metadata)
        self.adam.steps = self.learned // (self.recipe.length * self.recipe.batch)

    def advance(self):
        """One weight change. Returns (choruses learned from, loss in nats a step)."""
        recipe = self.recipe
        wave = (1 + np.cos(np.pi * self.learned / self.choruses)) / 2
        self.adam.lr = recipe.lr * (recipe.final + (1 - recipe.final) * wave)
        loss = self.learn(*self.pieces.draw(self.rng, recipe.length, recipe.batch))
        self.learned += recipe.length * recipe.batch
        return recipe.length * recipe.batch, loss

    def learn(self, x, t):
        """One weight change from inputs and targets (T, D, B). Returns the loss."""
        network = self.network
        network.zero_grad()
        loss, da = sigmoid_cross_entropy(network.forward(x), t.astype(network.dtype))
        if not np.isfinite(loss):
            return loss  # nothing to be learned from it; the caller stops
        network.backward(da)
        if not np.isfinite(clip_global_norm(network.grads, self.recipe.clip)):
            return np.nan
        self.adam.step()
        return loss


class OnlineLearner(Learner):
    """The report's way: one endless stream of pieces, all weights changed after every time step.

    gross_error : None, or the error of an output unit at which the network is reset and begins the next piece
    """

    AT_ONCE = 20  # choruses a call

    def __init__(self, network, pieces, recipe, choruses, rng, gross_error=None):
        super().__init__(network, pieces, recipe, choruses, rng)
        self.gross_error = np.inf if gross_error is None else gross_error

    def memory(self):
        """What the network's stream carries along; the arrays themselves."""
        return {f"stream/{name}": array for name, array in self.network.stream_state().items()}

    def advance(self):
        """Some choruses. Returns (choruses learned from, loss in nats a step)."""
        count = min(self.AT_ONCE, self.choruses - self.learned)
        x, t = (array[:, :, 0].astype(self.network.dtype) for array in self.pieces.draw(self.rng, count, 1))
        total, seen, at, steps = 0.0, 0, 0, self.pieces.form.steps
        while at < len(x):
            stop = at + steps - at % steps
            try:
                y, loss, _ = self.learn(x[at:stop], t[at:stop])
            except Diverged:
                self.learned += count
                return count, np.nan  # the caller stops
            total, seen, at = total + loss, seen + len(y), at + len(y)
            if np.abs(y[-1] - t[at - 1]).max() > self.gross_error:
                self.network.reset()
                at = stop  # the rest of the piece is skipped
        self.learned += count
        return count, total / seen

    def learn(self, x, t):
        """Go on with the stream; what `CellBlocks.learn_online` returns."""
        return self.network.learn_online(x, t, self.recipe.lr, self.recipe.momentum, self.gross_error)


class KalmanLearner(OnlineLearner):
    """The same stream, with a Kalman filter in the place of momentum."""

    def __init__(self, network, pieces, recipe, choruses, rng, gross_error=None):
        super().__init__(network, pieces, recipe, choruses, rng, gross_error)
        settings = asdict(recipe.kalman)
        anneal = settings.pop("anneal") * pieces.form.steps
        self.kalman = DecoupledKalman(network, anneal=anneal, **settings)

    def memory(self):
        """The stream's arrays and the filter's."""
        return super().memory() | {f"kalman/{name}": array for name, array in self.kalman.memory.items()}

    def learn(self, x, t):
        return self.kalman.learn(x, t, self.gross_error)


def make_learner(recipe, network, pieces, choruses, seed, gross_error=None):
    """The learner that the recipe asks for."""
    rng = np.random.default_rng([seed, 1])
    if recipe.online:
        kind = KalmanLearner if recipe.kalman else OnlineLearner
        return kind(network, pieces, recipe, choruses, rng, gross_error)
    return BatchLearner(network, pieces, recipe, choruses, rng)


def make_pieces(recipe, seed, form=BluesFormat(), with_melody=True):
    """The pieces as the recipe wants them, split by the seed."""
    warm_up = WARM_UP if recipe.online else 0
    return Pieces(form, with_melody, recipe.standardise, np.random.default_rng([seed, 2]), warm_up)


def losses(network, pieces, numbers):
    """How well a network predicts given pieces, one chorus after the other from a zero state.

    The first chorus is not counted, or those of `pieces.warm_up`; two are.

    Returns
    -------
    dict : "chord_loss" and "melody_loss" in nats a step, "chord_errors", chord units on the wrong side of 1/2
    """
    chords, heard = pieces.form.chord_units, max(pieces.warm_up, 1) * pieces.form.steps
    order = np.stack([np.roll(numbers, k) for k in range(max(pieces.warm_up, 1) + 2)])
    bits = pieces.stream(order)
    a = network.forward(pieces.scaled(bits))[heard - 1 : -1]
    t = bits[heard:].astype(network.dtype)
    result = {
        "chord_loss": sigmoid_cross_entropy(a[:, :chords], t[:, :chords])[0],
        "chord_errors": int(((a[:, :chords] > 0) != (t[:, :chords] > 0.5)).sum()),
    }
    if pieces.with_melody:
        result["melody_loss"] = sigmoid_cross_entropy(a[:, chords:], t[:, chords:])[0]
    return result
