"""Learning rates that change: a schedule is a function of the step number n = 0, 1, ..., and gives a factor.

    lr(n) = initial lr * factor(n)

    Constant                factor = 1
    StepDecay               factor = f^floor(n / every)
    Exponential             factor = f^n
    Cosine                  factor = final + (1 - final) (1 + cos(pi n / N)) / 2  up to n = N, then final
                                                            (Loshchilov & Hutter 2017, without restarts)
    WarmUp                  factor = (n + 1) / N  while n < N, then that of another schedule at n - N
    Plateau                 factor = f^(how often the validation loss has stopped falling)

    schedule = WarmUp(100, Cosine(2000, final=0.1))
    for each step:
        ... forward, loss, backward ...
        schedule.apply(optimizer)           sets optimizer.lr for the step to come
        optimizer.step()
    now and then:
        schedule.observe(validation_loss)   only Plateau listens

The number of the step is the optimizer's own, so a training that goes on from an optimizer's state_dict goes
on in its schedule too; a Plateau has a state_dict of its own for what it has heard.
"""

import abc
import math


class Schedule(abc.ABC):
    """Base class. A schedule is called with n, and may be shared by optimizers."""

    @abc.abstractmethod
    def __call__(self, n):
        """The factor for step n, counted from 0."""

    def apply(self, optimizer):
        """Set `optimizer.lr` for its next step, from the rate that it was made with. Returns the rate."""
        optimizer.lr = optimizer.initial_lr * self(optimizer.steps)
        return optimizer.lr

    def observe(self, loss):  # noqa: B027 (most schedules do not listen)
        """Hear of a validation loss."""

    def state_dict(self):
        """What was heard so far, as a dict of numbers that JSON can hold; empty for most."""
        return {}

    def load_state_dict(self, state):
        """Go on from a `state_dict`.

        Raises
        ------
        ValueError
            If the state is not that of such a schedule; nothing is changed then.
        """
        if state:
            raise ValueError(f"expected the empty state of {type(self).__name__}, got {sorted(state)}")


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
        self.every, self.factor = _expect_steps(every, "every"), _expect_factor(factor, "factor")

    def __call__(self, n):
        return self.factor ** (n // self.every)


class Exponential(Schedule):
    """The rate is multiplied by `factor` every step; `torch.optim.lr_scheduler.ExponentialLR`.

    Parameters
    ----------
    factor : f, in (0, 1]
    """

    def __init__(self, factor):
        self.factor = _expect_factor(factor, "factor")

    def __call__(self, n):
        return self.factor**n


class Cosine(Schedule):
    """The rate falls along half a cosine; `torch.optim.lr_scheduler.CosineAnnealingLR`.

    Parameters
    ----------
    steps : N, until it arrives, where it then stays
    final : what is left of the rate, in [0, 1]
    """

    def __init__(self, steps, final=0.0):
        if not 0 <= final <= 1:
            raise ValueError(f"expected final in [0, 1], got {final}")
        self.steps, self.final = _expect_steps(steps, "steps"), final

    def __call__(self, n):
        wave = (1 + math.cos(math.pi * min(n, self.steps) / self.steps)) / 2
        return self.final + (1 - self.final) * wave


class WarmUp(Schedule):
    """The rate rises in equal steps from 1/N of itself, then follows another schedule, counted from there.

    Parameters
    ----------
    steps : N, at least 1
    then : the other schedule; None for a constant rate
    """

    def __init__(self, steps, then=None):
        self.steps, self.then = _expect_steps(steps, "steps"), Constant() if then is None else then

    def __call__(self, n):
        return (n + 1) / self.steps if n < self.steps else self.then(n - self.steps)

    def observe(self, loss):
        self.then.observe(loss)

    def state_dict(self):
        return self.then.state_dict()

    def load_state_dict(self, state):
        self.then.load_state_dict(state)


class Plateau(Schedule):
    """The rate is halved when a validation loss stops falling; `torch.optim.lr_scheduler.ReduceLROnPlateau`.

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
        if not 0 < factor < 1:
            raise ValueError(f"expected factor in (0, 1), got {factor}")
        if not (isinstance(patience, int) and patience >= 0):
            raise ValueError(f"expected patience to be a whole number >= 0, got {patience!r}")
        if not 0 <= threshold < math.inf:
            raise ValueError(f"expected threshold >= 0, got {threshold}")
        if not 0 <= lowest <= 1:
            raise ValueError(f"expected lowest in [0, 1], got {lowest}")
        self.factor, self.patience, self.threshold, self.lowest = factor, patience, threshold, lowest
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
        if state.keys() != self.state_dict().keys():
            raise ValueError(f"expected a state of {sorted(self.state_dict())}, got {sorted(state)}")
        best, waited, current = state["best"], state["waited"], state["current"]
        if math.isnan(best) or not 0 <= waited <= self.patience or not self.lowest <= current <= 1:
            raise ValueError(f"expected the state of a Plateau with patience {self.patience}, got {state}")
        self.best, self.waited, self.current = float(best), int(waited), float(current)


def _expect_steps(steps, name):
    if not steps >= 1:
        raise ValueError(f"expected {name} >= 1, got {steps}")
    return steps


def _expect_factor(factor, name):
    if not 0 < factor <= 1:
        raise ValueError(f"expected {name} in (0, 1], got {factor}")
    return factor
