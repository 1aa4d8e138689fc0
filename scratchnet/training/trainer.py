"""The training loop, the same for every network.

    trainer = Trainer(model, batches, Adam(model.params, model.grads, 1e-3), clip=5, schedule=Cosine(2000))
    while trainer.steps < 2000:
        print(trainer.step())                       a Step: loss, norm of the gradient, ...
    trainer.evaluate(held_out(sequences, 16, rng))  nats per token; the best weights are kept

A step: forward, from the state after the previous batch if this one continues it; loss; backward; gradient
clipping; the learning rate of the schedule; the optimizer's update; the moving average of the weights.

Everything that changes is in `state`. After `load_state` a run goes on as if it had never stopped, bit by
bit: weights, their average, the best ones, optimizer, place in the batches, carried state, all generators.
"""

import math
from inspect import signature
from typing import NamedTuple

import numpy as np

from scratchnet.arguments import number
from scratchnet.layers.one_thread import alone_with
from scratchnet.layers.sequential import Sequential
from scratchnet.training.batches import IGNORED
from scratchnet.training.checkpoint import expect_like, generator_state, parts_of, set_generator
from scratchnet.training.losses import lengths_mask, softmax_cross_entropy
from scratchnet.training.optimizers import Diverged, clip_global_norm


class Step(NamedTuple):
    """What one step reports: its number, from 1; the loss, in nats per target; the gradient's norm before
    clipping; the learning rate; how many targets (tokens, or frames) the batch had.
    """

    step: int
    loss: float
    norm: float
    lr: float
    targets: int


class Trainer:
    """A network, and everything that changes while it learns.

    Parameters
    ----------
    model : Layer or network, from inputs x to logits (T, units, B)
    batches : iterator of Batch with `state_dict` and `load_state_dict`, as in batches.py. If it has
        `stateful = False`, every batch begins with a zero state, and none is carried
    optimizer : of the model's params and grads, or of some of them; the others stay as they are
    loss : function (logits, targets) -> (loss, gradient by the logits), a mean over the targets. For a batch
        with lengths it is given their mask (T, B), too
    clip : largest norm of the gradient; None for no limit
    schedule : Schedule of the learning rate; None for a constant one
    ema_decay : decay of the exponential moving average (EMA) of the weights, which is what is evaluated and
        kept; 0 to evaluate the weights themselves. Running statistics (batch normalisation) are averaged, too

    Attributes
    ----------
    steps : how many steps were taken
    ema : the averaged weights by name; empty without ema_decay
    best : None, or a dict of the best evaluation so far: its step; its loss, as "nats"; by a sample its
        standard error, as "error"; and further figures of it, if it had any
    best_weights : the weights then, by name
    waited : evaluations since the best one
    error, figures : standard error of the last evaluation, and its further figures
    """

    def __init__(
        self,
        model,
        batches,
        optimizer,
        *,
        loss=softmax_cross_entropy,
        clip=None,
        schedule=None,
        ema_decay=0.0,
    ):
        self.model, self.batches, self.optimizer, self.loss = model, batches, optimizer, loss
        self.clip, self.schedule = clip, schedule
        self.ema_decay = number(ema_decay, "ema_decay", least=0, below=1)
        self.ema = {name: w.copy() for name, w in _learned(model).items()} if ema_decay else {}
        self.carried, self.stateful = None, getattr(batches, "stateful", True)
        self.best, self.best_weights, self.waited = None, {}, 0
        self.error, self.figures = 0.0, {}
        self.generators = _generators(model)
        takes = signature(model.backward).parameters
        self._weights_only = {"need_dx": False} if "need_dx" in takes else {}

    @property
    def steps(self):
        return self.optimizer.steps

    @alone_with("model")
    def step(self):
        """Learn from one batch.

        Returns
        -------
        Step

        Raises
        ------
        Diverged
            If the loss or the gradient is not finite: nothing has changed but the batches' place.
        """
        model, batch = self.model, next(self.batches)
        model.train()
        running = {name: array.copy() for name, array in model.buffers.items()}
        with np.errstate(over="ignore", invalid="ignore"):  # numbers are looked at
            a, after = self._forward(batch)
            loss, da = self.loss(a, batch.y, *_mask(batch))
            norm = self._backward(da) if math.isfinite(loss) else math.nan
        if not (math.isfinite(loss) and math.isfinite(norm)):
            for name, array in running.items():
                model.buffers[name][...] = array
            raise Diverged(f"at step {self.steps + 1} the loss is {loss:g}, the gradient's norm {norm:g}")
        if self.schedule:
            self.schedule.apply(self.optimizer)
        self.optimizer.step()
        self.carried = after
        self._move_ema()
        return Step(self.steps, float(loss), norm, self.optimizer.lr, _targets(batch))

    def _forward(self, batch):
        """The logits of a batch, and the state after it; None where none is carried."""
        lengths = {} if batch.lengths is None else {"lengths": batch.lengths}
        if not self.stateful:
            return self.model.forward(batch.x, **lengths), None
        return self.model.forward(batch.x, self._before(batch), **lengths)

    def _backward(self, da):
        """The gradient of the weights, clipped; its norm before."""
        self.model.zero_grad()
        self.model.backward(da, **self._weights_only)
        return clip_global_norm(self.optimizer.grads, self.clip or math.inf)

    def _before(self, batch):
        """The state with which the sequences of a batch begin."""
        start = self.model.initial_state(batch.x.shape[-1])
        if self.carried is None or np.all(batch.reset_state):
            return start
        if not np.any(batch.reset_state):
            return self.carried
        return tuple(
            np.where(batch.reset_state, zero, part) for zero, part in zip(start, self.carried, strict=True)
        )

    def _move_ema(self):
        keep = min(self.ema_decay, self.steps / (10 + self.steps))  # at first it forgets faster
        learned = _learned(self.model)
        for name, mean in self.ema.items():
            if mean.dtype.kind == "f":
                mean += mean.dtype.type(1 - keep) * (learned[name] - mean)
            else:  # a count
                mean[...] = learned[name]

    @alone_with("model")
    def evaluate(self, held_out, progress=None):
        """The loss on held-out data, with the averaged weights; the best weights so far are kept.

        Training is not disturbed, not even if `progress` raises something: then nothing was evaluated.

        Parameters
        ----------
        held_out : function (model, progress) -> (loss, standard error), or (loss, standard error, figures)
            with a dict of further numbers; for instance a HeldOut (evaluation/held_out.py)
        progress : function without arguments, called after each batch; None for none

        Raises
        ------
        Diverged
            If the loss is not finite.
        """
        model, learned = self.model, _learned(self.model)
        weights = {name: learned[name].copy() for name in self.ema}
        for name, mean in self.ema.items():
            learned[name][...] = mean
        try:
            nats, error, *figures = held_out(model, progress)
            if not math.isfinite(nats):
                raise Diverged(f"after step {self.steps} the held-out loss is {nats:g}")
            self.error, self.figures = error, dict(*figures)
            self.waited += 1
            if self.best is None or nats < self.best["nats"]:
                best = {"step": self.steps, "nats": nats} | ({"error": error} if error else {})
                self.best, self.waited = best | self.figures, 0
                self.best_weights = model.state_dict()
        finally:
            for name, w in weights.items():
                learned[name][...] = w
        if self.schedule:
            self.schedule.observe(nats)
        return nats

    @alone_with("model")
    def state(self):
        """(tensors, metadata): everything that going on needs.

        Raises
        ------
        Diverged
            If a number is not finite: from there nothing could go on.
        """
        tensors = {f"last/{name}": w for name, w in self.model.state_dict().items()}
        tensors |= {f"mean/{name}": w for name, w in self.ema.items()}
        tensors |= {f"best/{name}": w for name, w in self.best_weights.items()}
        tensors |= {f"optimizer/{name}": array for name, array in self.optimizer.state_dict().items()}
        tensors |= {f"carried/{k}": part for k, part in enumerate(self.carried or ())}
        for name, array in tensors.items():
            if not np.isfinite(array).all():
                raise Diverged(f"after step {self.steps} not all numbers of {name} are finite")
        return tensors, {
            "step": self.steps,
            "best": self.best,
            "waited": self.waited,
            "batches": self.batches.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule else {},
            "lr": self.optimizer.lr,
            "generators": [generator_state(rng) for rng in self.generators],
        }

    def load_state(self, tensors, metadata):
        """The inverse of `state`, for a Trainer that was made in the same way.

        Raises
        ------
        ValueError
            If it is the state of another one; this one is then not to be used.
        """
        try:
            self._load(tensors, metadata)
        except (KeyError, TypeError, AttributeError) as error:  # hostile metadata
            raise ValueError(f"expected the state of a Trainer, found {error!r}") from None

    def _load(self, tensors, metadata):
        parts = parts_of(tensors)
        own, ema, best = self.model.state_dict(), parts.get("mean", {}), parts.get("best", {})
        self.model.load_state_dict(parts["last"])
        self.optimizer.load_state_dict(parts["optimizer"])
        expect_like(ema, self.ema, "mean of the weights")
        for name, array in self.ema.items():
            array[...] = ema[name]
        self.best, self.waited = metadata["best"], metadata["waited"]
        expect_like(best, {} if self.best is None else own, "best weights")
        self.best_weights = best
        if self.best is not None:
            if not all(isinstance(value, int | float) for value in self.best.values()):
                raise ValueError("expected numbers as figures of the best weights")
            self.best |= {"step": int(self.best["step"]), "nats": float(self.best["nats"])}
            if not (math.isfinite(self.best["nats"]) and math.isfinite(self.best.get("error", 0))):
                raise ValueError("expected a finite loss of the best weights")
        if type(self.waited) is not int or metadata["step"] != self.steps:
            raise ValueError("expected the numbers of a Trainer's steps and evaluations")
        self.carried = self._carried(parts.get("carried", {}))
        self.batches.load_state_dict(metadata["batches"])
        if self.schedule:
            self.schedule.load_state_dict(metadata["schedule"])
            self.optimizer.lr = number(
                metadata.get("lr", self.optimizer.lr), "lr", least=0
            )  # of the last step
        elif metadata["schedule"]:
            raise ValueError("expected no schedule")
        if len(metadata["generators"]) != len(self.generators):
            raise ValueError(f"expected {len(self.generators)} generators, got {len(metadata['generators'])}")
        for rng, state in zip(self.generators, metadata["generators"], strict=True):
            set_generator(rng, state)

    def _carried(self, parts):
        """The carried state from its arrays, which are named 0, 1, ...; None if there are none."""
        if not parts:
            return None
        start = self.model.initial_state(self.batches.batch)
        expect_like(parts, {str(k): part for k, part in enumerate(start)}, "carried state")
        return tuple(parts[str(k)] for k in range(len(start)))


def _learned(model):
    """The arrays that make up what was learned: parameters, and running statistics of batch normalisation."""
    return model.params | model.buffers


def _mask(batch):
    """What a loss is given beside logits and targets: the mask of the lengths, if there are any."""
    return () if batch.lengths is None else (lengths_mask(batch.lengths, len(batch.y)),)


def _targets(batch):
    """How many targets count: tokens, or frames."""
    if batch.lengths is not None:
        return int(np.sum(batch.lengths))
    if batch.y.ndim == 2:
        return int(np.count_nonzero(batch.y != IGNORED))
    return batch.y.shape[0] * batch.y.shape[-1]


def _generators(layer):
    """The generators from which layers draw while they learn, each once, in the order of the layers."""
    found = {}
    for part in layer.layers if isinstance(layer, Sequential) else (layer,):
        if isinstance(part, Sequential):
            found |= {id(rng): rng for rng in _generators(part)}
        elif isinstance(getattr(part, "rng", None), np.random.Generator):
            found[id(part.rng)] = part.rng
    return list(found.values())
