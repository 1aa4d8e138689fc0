"""Learning rates that change: a schedule is a function of the step number n = 0, 1, ..., and gives a factor.

    lr(n) = initial lr * factor(n)

    Constant                factor = 1
    StepDecay               factor = f^floor(n / every)
    Exponential             factor = f^n
    Cosine                  factor = final + (1 - final) (1 + cos(pi n / N)) / 2  up to n = N, then final
                                                            (Loshchilov & Hutter 2017, without restarts)
    WarmUp                  factor = (n + 1) / N  while n < N, then that of another schedule at n - N
    Product                 factor = the product of those of two other schedules at n
    Plateau                 factor = f^(how often the validation loss has stopped falling)

    schedule = WarmUp(100, Cosine(2000, final=0.1))
    for each step:
        ... forward, loss, backward ...
        schedule.apply(optimizer)           sets optimizer.lr for the step to come
        optimizer.step()
    now and then:
        schedule.observe(validation_loss)   only Plateau uses it

The number of the step is the optimizer's own, so a training that goes on from an optimizer's state_dict goes
on in its schedule too; a Plateau has a state_dict of its own for the losses it was told.
"""

import abc
import math

from scratchnet.arguments import instance, number, shown, whole
from scratchnet.described import Described


class Schedule(Described, abc.ABC):
    """Base class. A schedule is called with n, and may be shared by optimizers."""

    @abc.abstractmethod
    def __call__(self, n):
        """The factor for step n, counted from 0."""

    def apply(self, optimizer):
        """Set `optimizer.lr` for its next step, from the rate that it was made with. Returns the rate."""
        optimizer.lr = optimizer.initial_lr * self(optimizer.steps)
        return optimizer.lr

    def observe(self, loss):
        """Take note of a validation loss."""

    def state_dict(self):
        """What was observed so far, as a dict of numbers that JSON can hold; empty for most."""
        return {}

    def load_state_dict(self, state):
        """Go on from a `state_dict`.

        Raises
        ------
        ValueError
            If the state is not that of such a schedule; nothing is changed then.
        """
        if state != {}:
            raise ValueError(f"expected the empty state of {type(self).__name__}, got {shown(state)}")


class Constant(Schedule):
    """The rate stays."""

    def __call__(self, n):
        return 1.0


class StepDecay(Schedule):
    """The rate is multiplied by `factor` every so many steps; `torch.optim.lr_scheduler.StepLR`.

    Parameters
    ----------
    every : steps, at least 1
    factor : f, in (0, 1]
    """

    def __init__(self, every, factor=0.1):
        self.every, self.factor = whole(every, "every"), number(factor, "factor", above=0, most=1)

    def __call__(self, n):
        return self.factor ** (_step(n) // self.every)


class Exponential(Schedule):
    """The rate is multiplied by `factor` every step; `torch.optim.lr_scheduler.ExponentialLR`.

    Parameters
    ----------
    factor : f, in (0, 1]
    """

    def __init__(self, factor):
        self.factor = number(factor, "factor", above=0, most=1)

    def __call__(self, n):
        return self.factor ** _step(n)


class Cosine(Schedule):
    """The rate falls along half a cosine; `torch.optim.lr_scheduler.CosineAnnealingLR`.

    Parameters
    ----------
    steps : N > 0, when it reaches `final`, where it then stays; it need not be whole
    final : what is left of the rate, in [0, 1]
    """

    def __init__(self, steps, final=0.0):
        steps = number(steps, "steps", above=0)
        self.steps, self.final = (
            int(steps) if steps.is_integer() else steps,
            number(final, "final", least=0, most=1),
        )

    def __call__(self, n):
        wave = (1 + math.cos(math.pi * min(_step(n), self.steps) / self.steps)) / 2
        return self.final + (1 - self.final) * wave


class WarmUp(Schedule):
    """The rate rises in equal steps from 1/N of itself, then follows another schedule, counted from there.

    Parameters
    ----------
    steps : N, at least 1
    then : the other schedule; None for a constant rate
    """

    def __init__(self, steps, then=None):
        self.steps = whole(steps, "steps")
        self.then = Constant() if then is None else instance(then, "then", Schedule)

    def __call__(self, n):
        n = _step(n)
        return (n + 1) / self.steps if n < self.steps else self.then(n - self.steps)

    def observe(self, loss):
        self.then.observe(loss)

    def state_dict(self):
        return self.then.state_dict()

    def load_state_dict(self, state):
        self.then.load_state_dict(state)


class Product(Schedule):
    """Two schedules at once: their factors are multiplied.

    Parameters
    ----------
    first, second : Schedules
    """

    def __init__(self, first, second):
        self.first, self.second = instance(first, "first", Schedule), instance(second, "second", Schedule)
        self.schedules = self.first, self.second

    def __call__(self, n):
        return math.prod(schedule(n) for schedule in self.schedules)

    def observe(self, loss):
        for schedule in self.schedules:
            schedule.observe(loss)

    def state_dict(self):
        return {str(k): state for k, part in enumerate(self.schedules) if (state := part.state_dict())}

    def load_state_dict(self, state):
        if not isinstance(state, dict) or state.keys() != self.state_dict().keys():
            raise ValueError(f"expected the states of {sorted(self.state_dict())}, got {shown(state)}")
        for k, schedule in enumerate(self.schedules):
            schedule.load_state_dict(state.get(str(k), {}))


class Plateau(Schedule):
    """The rate is multiplied by `factor` when a validation loss stops falling;
    `torch.optim.lr_scheduler.ReduceLROnPlateau`.

    Parameters
    ----------
    factor : f, in (0, 1)
    patience : losses in a row that may fail to be the best so far; one more, and the rate falls
    threshold : by how much a loss has to be below the best so far, to count as better
    lowest : the factor never falls below this

    Attributes
    ----------
    best : lowest loss so far, infinite at first; a loss that is NaN is never better
    waited : losses in a row that were not
    current : the factor now
    """

    def __init__(self, factor=0.5, patience=3, threshold=0.0, lowest=0.0):
        self.factor, self.patience = (
            number(factor, "factor", above=0, below=1),
            whole(patience, "patience", 0),
        )
        self.threshold = number(threshold, "threshold", least=0)
        self.lowest = number(lowest, "lowest", least=0, most=1)
        self.best, self.waited, self.current = math.inf, 0, 1.0

    def __call__(self, n):
        return self.current

    def observe(self, loss):
        if loss < self.best - self.threshold:
            self.best, self.waited = float(loss), 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.current, self.waited = max(self.current * self.factor, self.lowest), 0

    def state_dict(self):
        return {"best": self.best, "waited": self.waited, "current": self.current}

    def load_state_dict(self, state):
        if not isinstance(state, dict) or state.keys() != self.state_dict().keys():
            raise ValueError(f"expected a state of {sorted(self.state_dict())}, got {shown(state)}")
        best = number(state["best"], "best", infinite=True)
        waited = whole(state["waited"], "waited", 0, self.patience)
        current = number(state["current"], "current", least=self.lowest, most=1)
        self.best, self.waited, self.current = best, waited, current


def _step(n):
    return whole(n, "the number of the step", 0, 2**63)
