"""The training loop, the same for every network of tokens.

    trainer = Trainer(model, batches, Adam(model.params, model.grads, 1e-3), clip=5, schedule=Cosine(2000))
    while trainer.steps < 2000:
        print(trainer.step())                   a Step: loss, norm of the gradient, ...
    trainer.judge(held_out(sequences, 16, rng)) nats a token; the best weights are kept

A step: forward, with the state of the batch before if that goes on; loss; backward; the gradient clipped; the
learning rate of the schedule; the optimizer's change; the mean of the weights moved.

All that changes is in `state`, and after `load_state` a run goes on as if it had never stopped, bit by bit:
weights, their mean, the best ones, the optimizer, the batches' place, the carried state, all generators.
"""

import math
from typing import NamedTuple

import numpy as np

from scratchnet.evaluation.held_out import HeldOut, evaluate
from scratchnet.layers.one_thread import alone_with
from scratchnet.layers.sequential import Sequential
from scratchnet.training.batches import IGNORED
from scratchnet.training.checkpoint import expect_like, generator_state, parts_of, set_generator
from scratchnet.training.losses import softmax_cross_entropy
from scratchnet.training.optimizers import Diverged, clip_global_norm


class Step(NamedTuple):
    """What one step reports: its number, from 1; nats a token; the gradient's norm before clipping; the
    learning rate; how many tokens were targets.
    """

    step: int
    loss: float
    norm: float
    lr: float
    tokens: int


class Trainer:
    """A network, and all that changes while it learns.

    Parameters
    ----------
    model : Sequential from tokens (T, B) to logits (T, V, B)
    batches : RandomWindows or Streams (batches.py), or Windows (generation/windows.py)
    optimizer : of the model's params and grads, or of some of them; the others stay as they are
    clip : largest norm of the gradient; None for no limit
    schedule : Schedule of the learning rate; None for a constant one
    average : how much of the weights' running mean stays at each step; 0 to judge the weights themselves.
        Running statistics (batch normalisation) are averaged with them

    Attributes
    ----------
    steps : how many steps were taken
    best : None, or a dict: step and nats of the best judgement so far, and by a sample its standard error
    error : standard error of the last judgement, see HeldOut.judge
    best_weights : the weights then, by name
    waited : judgements since the best one
    """

    def __init__(self, model, batches, optimizer, clip=None, schedule=None, average=0.0):
        if not 0 <= average < 1:
            raise ValueError(f"expected average in [0, 1), got {average}")
        self.model, self.batches, self.optimizer = model, batches, optimizer
        self.clip, self.schedule, self.average = clip, schedule, average
        self.mean = {name: w.copy() for name, w in _learned(model).items()} if average else {}
        self.carried = None
        self.best, self.best_weights, self.waited, self.error = None, {}, 0, 0.0
        self.generators = _generators(model)

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
        before = self._before(batch)
        with np.errstate(over="ignore", invalid="ignore"):  # numbers are looked at
            a, after = model.forward(batch.x, before, batch.lengths)
            loss, da = softmax_cross_entropy(a, batch.y)
            model.zero_grad()
            model.backward(da, need_dx=False)
            norm = clip_global_norm(self.optimizer.grads, self.clip or math.inf)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            for name, array in running.items():
                model.buffers[name][...] = array
            raise Diverged(f"at step {self.steps + 1} the loss is {loss:g}, the gradient's norm {norm:g}")
        if self.schedule:
            self.schedule.apply(self.optimizer)
        self.optimizer.step()
        self.carried = after
        self._move_mean()
        return Step(self.steps, float(loss), norm, self.optimizer.lr, _targets(batch))

    def _before(self, batch):
        """The state with which the sequences of a batch begin."""
        start = self.model.initial_state(batch.x.shape[1])
        if self.carried is None or np.all(batch.fresh):
            return start
        if not np.any(batch.fresh):
            return self.carried
        return tuple(
            np.where(batch.fresh, zero, part) for zero, part in zip(start, self.carried, strict=True)
        )

    def _move_mean(self):
        keep = min(self.average, self.steps / (10 + self.steps))  # at first it forgets faster
        learned = _learned(self.model)
        for name, mean in self.mean.items():
            if mean.dtype.kind == "f":
                mean += mean.dtype.type(1 - keep) * (learned[name] - mean)
            else:  # a count
                mean[...] = learned[name]

    @alone_with("model")
    def judge(self, held_out, progress=None):
        """Nats a token of held-out sequences, by the mean of the weights; the best weights so far are kept.

        Training is not disturbed, nor if `progress` raises something: then nothing was judged.

        Parameters
        ----------
        held_out : HeldOut (evaluation/held_out.py), or a list of Batch
        progress : function without arguments, called after each batch; None for none

        Raises
        ------
        Diverged
            If it is no finite number.
        """
        model, learned = self.model, _learned(self.model)
        weights = {name: learned[name].copy() for name in self.mean}
        for name, mean in self.mean.items():
            learned[name][...] = mean
        try:
            if isinstance(held_out, HeldOut):
                nats, self.error = held_out.judge(model, progress)
            else:
                nats, self.error = evaluate(model, held_out, progress), 0.0
            if not math.isfinite(nats):
                raise Diverged(f"after step {self.steps} the held-out loss is {nats:g}")
            self.waited += 1
            if self.best is None or nats < self.best["nats"]:
                error = {"error": self.error} if self.error else {}
                self.best, self.waited = {"step": self.steps, "nats": nats} | error, 0
                self.best_weights = model.state_dict()
        finally:
            for name, w in weights.items():
                learned[name][...] = w
        if self.schedule:
            self.schedule.observe(nats)
        return nats

    @alone_with("model")
    def state(self):
        """(tensors, metadata): all that going on needs.

        Raises
        ------
        Diverged
            If a number is not finite: from there nothing could go on.
        """
        tensors = {f"last/{name}": w for name, w in self.model.state_dict().items()}
        tensors |= {f"mean/{name}": w for name, w in self.mean.items()}
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
        own, mean, best = self.model.state_dict(), parts.get("mean", {}), parts.get("best", {})
        self.model.load_state_dict(parts["last"])
        self.optimizer.load_state_dict(parts["optimizer"])
        expect_like(mean, self.mean, "mean of the weights")
        for name, array in self.mean.items():
            array[...] = mean[name]
        self.best, self.waited = metadata["best"], metadata["waited"]
        expect_like(best, {} if self.best is None else own, "best weights")
        self.best_weights = best
        if self.best is not None:
            error = {"error": float(self.best["error"])} if "error" in self.best else {}
            self.best = {"step": int(self.best["step"]), "nats": float(self.best["nats"])} | error
            if not (math.isfinite(self.best["nats"]) and math.isfinite(self.best.get("error", 0))):
                raise ValueError("expected a finite loss of the best weights")
        if type(self.waited) is not int or metadata["step"] != self.steps:
            raise ValueError("expected the numbers of a Trainer's steps and judgements")
        carried, start = parts.get("carried", {}), self.model.initial_state(self.batches.batch)
        if carried:
            expect_like(carried, {str(k): part for k, part in enumerate(start)}, "carried state")
        self.carried = tuple(carried[str(k)] for k in range(len(start))) if carried else None
        self.batches.load_state_dict(metadata["batches"])
        if self.schedule:
            self.schedule.load_state_dict(metadata["schedule"])
        elif metadata["schedule"]:
            raise ValueError("expected no schedule")
        if len(metadata["generators"]) != len(self.generators):
            raise ValueError(f"expected {len(self.generators)} generators, got {len(metadata['generators'])}")
        for rng, state in zip(self.generators, metadata["generators"], strict=True):
            set_generator(rng, state)


def _learned(model):
    """The arrays that make up what was learned: parameters, and running statistics of batch normalisation."""
    return model.params | model.buffers


def _targets(batch):
    return int(np.count_nonzero(batch.y != IGNORED))


def _generators(layer):
    """The generators from which layers draw while they learn, each once, in the order of the layers."""
    found = {}
    for part in layer.layers if isinstance(layer, Sequential) else (layer,):
        if isinstance(part, Sequential):
            found |= {id(rng): rng for rng in _generators(part)}
        elif isinstance(getattr(part, "rng", None), np.random.Generator):
            found[id(part.rng)] = part.rng
    return list(found.values())
