"""Learning to predict the next frame: Adam, a mean of the weights, an eye on the validation pieces."""

import math

import numpy as np

from experiments.common.errors import settings_refused
from experiments.common.json_files import is_number
from experiments.polyphony.data import SPLITS, batches, pad, transpose
from experiments.polyphony.networks import make_network
from scratchnet.messages import brief
from scratchnet.training.checkpoint import expect_like, generator_state, parts_of, set_generator
from scratchnet.training.losses import sigmoid_cross_entropy
from scratchnet.training.optimizers import Adam, clip_global_norm

WARM_UP = 20  # steps in which the learning rate rises
FINAL = 0.02  # of the learning rate is left at the end
JUDGED_AT_ONCE = 16  # pieces


class Diverged(ArithmeticError):
    """Learning went astray: a loss or gradient that is no number."""


class Learner:
    """A network and all that changes while it learns.

    Parameters
    ----------
    config : complete settings (see recipes.py)
    music : MusicSet

    Attributes
    ----------
    network : Sequential, with the weights that the optimizer moves
    average : dict of arrays, running mean of the weights; these are judged and kept
    epoch : how many epochs are behind
    best : None, or a dict: epoch, and nats a frame of valid and test at that epoch
    best_weights : the weights of that epoch, by name
    """

    def __init__(self, config, music):
        self.config, self.music = config, music
        self.network_rng = np.random.default_rng([config.seed, 0])
        self.rng = np.random.default_rng([config.seed, 1])  # order, windows, transposition
        with settings_refused():
            self.network = make_network(config, self.network_rng)
            self.average = self.network.state_dict()
            self.optimizer = Adam(
                self.network.params,
                self.network.grads,
                config.lr,
                weight_decay=config.weight_decay,
                decoupled=True,
            )
        self.epoch, self.best, self.best_weights = 0, None, None

    @property
    def done(self):
        """Whether all epochs are over, or patience is."""
        if self.epoch >= self.config.epochs:
            return True
        return self.best is not None and self.epoch - self.best["epoch"] >= self.config.patience

    @property
    def steps(self):
        """Steps of one epoch, about: where pieces are cut into windows, the number varies a little."""
        window = self.config.window
        count = sum(max(math.ceil((len(p) - 1) / window), 1) if window else 1 for p in self.music.train)
        return math.ceil(count / self.config.batch)

    def learn(self, progress=lambda loss: None):
        """One epoch. Returns the mean loss on the way, with dropout: nats a frame.

        Raises
        ------
        Diverged
            If the loss or the gradient is not finite; the weights are as before that step.
        """
        config, network = self.config, self.network
        network.train()
        total, frames = 0.0, 0
        pieces = windows(self.music.train, config.window, self.rng) if config.window else self.music.train
        for group in batches(pieces, config.batch, self.rng):
            chosen = [pieces[k] for k in group]
            if config.transpose:
                shifts = self.rng.integers(-config.transpose, config.transpose + 1, len(group))
                chosen = [transpose(piece, shift) for piece, shift in zip(chosen, shifts, strict=True)]
            x, t, mask, lengths = pad(chosen)
            with np.errstate(over="ignore", invalid="ignore"):  # numbers are looked at
                loss, norm = self.step(x, t, mask, lengths)
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise self.diverged(f"loss is {loss:g}, the gradient's norm {norm:g},")
            total, frames = total + loss * mask.sum(), frames + mask.sum()
            progress(loss)
        self.epoch += 1
        return float(total / frames)

    def step(self, x, t, mask, lengths):
        """Learn from one batch. Returns its loss and the gradient's norm; if these are no finite numbers,
        nothing is changed.
        """
        network = self.network
        loss, da = sigmoid_cross_entropy(network.forward(x, lengths=lengths), t, mask)
        if not math.isfinite(loss):
            return loss, math.nan
        network.zero_grad()
        network.backward(da, need_dx=False)
        norm = clip_global_norm(network.grads, self.config.clip)
        if math.isfinite(norm):
            self.optimizer.lr = self.rate()
            self.optimizer.step()
            self.update_average()
        return loss, norm

    def diverged(self, what):
        """The exception, with the place and a hint."""
        place = f"after step {self.optimizer.steps} ({self.epoch} epochs are done)"
        return Diverged(f"learning went astray {place}: the {what} expected finite numbers; "
                        "try a lower --lr or --clip")  # fmt: skip

    def rate(self):
        """The learning rate of the next step: up in WARM_UP steps, then down along half a cosine."""
        step = self.optimizer.steps
        part = min(step / (self.config.epochs * self.steps), 1)
        fall = FINAL + (1 - FINAL) * (1 + math.cos(math.pi * part)) / 2
        return self.config.lr * min(1, (step + 1) / WARM_UP) * fall

    def update_average(self):
        """Move the mean towards the weights; in the beginning it forgets faster, for they are random."""
        step = self.optimizer.steps
        keep = min(self.config.average, step / (10 + step)) if self.config.average else 0.0
        for name, w in self.network.params.items():
            mean = self.average[name]
            mean += (1 - keep) * (w - mean)

    def judge(self, progress=None):
        """Nats a frame of valid and test, by the mean of the weights, kept if valid is the best so far.

        `progress` is called without arguments after each group of pieces; if it raises something, the weights
        are as before.

        Raises
        ------
        Diverged
            If the weights or the validation loss are not finite.
        """
        if not all(np.isfinite(mean).all() for mean in self.average.values()):
            raise self.diverged("weights are not finite,")
        weights = {name: w.copy() for name, w in self.network.params.items()}
        self.network.load_state_dict(self.average)
        try:
            row = {split: nll(self.network, getattr(self.music, split), progress) for split in SPLITS[1:]}
        finally:
            for name, w in weights.items():
                self.network.params[name][...] = w
        if not math.isfinite(row["valid"]):
            raise self.diverged(f"validation loss is {row['valid']:g},")
        if self.best is None or row["valid"] < self.best["valid"]:
            self.best = {"epoch": self.epoch, **row}
            self.best_weights = {name: mean.copy() for name, mean in self.average.items()}
        return row

    def state(self):
        """(tensors, metadata): all that resuming needs, and the best network."""
        tensors = {f"last/{name}": w for name, w in self.network.params.items()}
        tensors |= {f"average/{name}": mean for name, mean in self.average.items()}
        tensors |= {f"best/{name}": w for name, w in (self.best_weights or {}).items()}
        tensors |= {f"optimizer/{name}": array for name, array in self.optimizer.state_dict().items()}
        return tensors, {
            "epoch": self.epoch,
            "best": self.best,
            "generators": [generator_state(rng) for rng in (self.network_rng, self.rng)],
        }

    def load_state(self, tensors, metadata):
        """The inverse of `state`; KeyError, ValueError or TypeError if it is not of such a Learner."""
        parts, own = parts_of(tensors), self.network.state_dict()
        self.network.load_state_dict(parts["last"])
        expect_like(parts["average"], self.average, "mean of the weights")
        for name, mean in self.average.items():
            mean[...] = parts["average"][name]
        self.optimizer.load_state_dict(parts["optimizer"])
        self.epoch, self.best, self.best_weights = metadata["epoch"], metadata["best"], parts.get("best")
        if type(self.epoch) is not int or self.epoch < 0:
            raise ValueError(f"expected how many epochs were learned, got {brief(self.epoch)}")
        if self.best is not None or self.done:
            expect_best(self.best, self.best_weights or {}, own)
        for rng, state in zip((self.network_rng, self.rng), metadata["generators"], strict=True):
            set_generator(rng, state)


def expect_best(best, weights, wanted):
    """A ValueError, KeyError or TypeError unless these are the figures and weights of a best network."""
    expect_like(weights, wanted, "best weights")
    if type(best["epoch"]) is not int or not all(is_number(best[split]) for split in SPLITS[1:]):
        raise ValueError(f"expected the figures of the best network, got {brief(best)}")


def windows(pieces, length, rng):
    """Pieces cut into stretches of `length` predictions, the first cut anywhere; shorter at both ends."""
    cut = []
    for piece in pieces:
        first = -int(rng.integers(length)) if len(piece) > length + 1 else 0
        for start in range(first, len(piece) - 1, length):
            cut.append(piece[max(start, 0) : start + length + 1])
    return [part for part in cut if len(part) > 1]


def nll(network, pieces, progress=None):
    """Nats a frame: the sum over 88 notes, the mean over all frames of all pieces but the first of each.

    `progress` is called without arguments after each group of JUDGED_AT_ONCE pieces.
    """
    network.eval()
    total, frames = 0.0, 0
    for group in batches(pieces, JUDGED_AT_ONCE):
        x, t, mask, lengths = pad([pieces[k] for k in group])
        with np.errstate(over="ignore", invalid="ignore"):
            loss, _ = sigmoid_cross_entropy(network.forward(x, lengths=lengths), t, mask)
        total, frames = total + loss * mask.sum(), frames + mask.sum()
        if progress is not None:
            progress()
    return float(total / frames)
