"""How weights follow gradients. w: a weight, g = dE/dw, n: the number of the step, counted from 1.

    SGD, with momentum      v <- m v - lr g ;                   w <- w + v          (in effect lr / (1 - m))
      (Plaut, Nowlan & Hinton 1986); Nesterov's form            w <- w + m v - lr g
    Adagrad (Duchi, Hazan & Singer 2011)
                            s <- s + g^2 ;                      w <- w - lr g / (sqrt(s) + eps)
    RMSprop (Hinton 2012)   s <- a s + (1 - a) g^2 ;            w <- w - lr g / (sqrt(s) + eps)
      with momentum         v <- m v + g / (sqrt(s) + eps) ;    w <- w - lr v
    Adam (Kingma & Ba 2015, algorithm 1)
                            m <- b1 m + (1-b1) g ;  s <- b2 s + (1-b2) g^2
                            w <- w - lr (m / (1 - b1^n)) / (sqrt(s / (1 - b2^n)) + eps)

Weight decay d adds d w to g (the derivative of d w^2 / 2). Decoupled, as in AdamW (Loshchilov & Hutter 2019),
it is w <- w - lr d w beside the step, and so acts on all weights alike, however large their gradients are.

An optimizer holds references to the arrays of `params` and `grads` and changes the params in place.
"""

import abc
import math

import numpy as np

from scratchnet.arguments import flag, function_or_none, number, pair, shown
from scratchnet.described import Described, counted
from scratchnet.kernels import team
from scratchnet.kernels.jit import kernel
from scratchnet.layers.layer import cast_like

LITTLE = 400_000  # numbers; with fewer, waking a second thread takes longer than it saves


class Diverged(ArithmeticError):
    """A loss or a gradient that is no finite number. The weights are as before that step."""


@kernel(inline=True)
def own(p, P, a):
    """The numbers of a that are worker p's, as an array: one that is indexed from 0 up is vectorised."""
    return a[p * a.size // P : (p + 1) * a.size // P]


@kernel
def squares(p, P, g, total):
    """total[p] = the sum of this worker's g^2, in double precision."""
    g, s = own(p, P, g), 0.0
    for k in range(g.size):
        x = np.float64(g[k])
        s += x * x
    total[p] = s


@kernel
def sgd(p, P, w, g, v, lr, m, decay, nesterov):
    """One pass over the numbers that are this worker's, as in all kernels here."""
    w, g, v = own(p, P, w), own(p, P, g), own(p, P, v)
    for k in range(w.size):
        step = lr * (g[k] + decay * w[k])
        v[k] = m * v[k] - step
        w[k] += m * v[k] - step if nesterov else v[k]


@kernel
def adagrad(p, P, w, g, s, lr, eps, decay):
    w, g, s = own(p, P, w), own(p, P, g), own(p, P, s)
    for k in range(w.size):
        d = g[k] + decay * w[k]
        s[k] += d * d
        w[k] -= lr * d / (np.sqrt(s[k]) + eps)


@kernel
def rmsprop(p, P, w, g, s, v, lr, a, rest, eps, m, decay):
    w, g, s, v = own(p, P, w), own(p, P, g), own(p, P, s), own(p, P, v)
    for k in range(w.size):
        d = g[k] + decay * w[k]
        s[k] = a * s[k] + rest * d * d
        v[k] = m * v[k] + d / (np.sqrt(s[k]) + eps)
        w[k] -= lr * v[k]


@kernel
def adam(p, P, w, g, m, s, lr, b1, rest1, b2, rest2, eps, decay, shrink):
    """lr and eps with the corrections by n in them; shrink = 1 - lr d of decoupled decay."""
    w, g, m, s = own(p, P, w), own(p, P, g), own(p, P, m), own(p, P, s)
    for k in range(w.size):
        d = g[k] + decay * w[k]
        m[k] = b1 * m[k] + rest1 * d
        s[k] = b2 * s[k] + rest2 * d * d
        w[k] = shrink * w[k] - lr * m[k] / (np.sqrt(s[k]) + eps)


def clip_global_norm(grads, limit):
    """Scale all gradients so that their common Euclidean norm is at most `limit`. Returns the norm before.

    A norm that is NaN or infinite changes nothing: that training has diverged is for the caller to see.

    Parameters
    ----------
    grads : dict of arrays
    limit : positive number; infinity only measures

    Raises
    ------
    ValueError
        If `limit` is not positive.
    """
    limit = number(limit, "limit", above=0, infinite=True)
    norm = math.sqrt(_sum_of_squares(_expect_arrays(grads, "grads")))
    if limit < norm < math.inf:
        for grad in grads.values():
            grad *= grad.dtype.type(limit / norm)
    return norm


def expect_rate(lr, dtype):
    """Refuse a learning rate that is infinite in this precision."""
    largest = float(np.finfo(dtype).max)
    if lr > largest:
        raise ValueError(f"expected lr <= {largest:g} for {dtype}, got {lr:g}")


def _sum_of_squares(grads):
    total, whole = np.zeros(team.size()), 0.0
    for grad in grads.values():
        total[:] = 0
        with np.errstate(all="ignore"):
            team.run(squares, grad.reshape(-1), total, workers=_workers(grad))
            whole += float(total.sum())
    return whole


def _expect_arrays(arrays, name):
    """A dict of arrays of float32 or float64."""
    if not isinstance(arrays, dict):
        raise ValueError(f"expected {name}, a dict of arrays, got {shown(arrays)}")
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float64):
            raise ValueError(
                f"expected {name}[{key!r}] to be an array of float32 or float64, got {shown(array)}"
            )
    return arrays


def _workers(array):
    return 1 if array.size < LITTLE else None


class Optimizer(Described, abc.ABC):
    """Base class. `lr`, the learning rate, may be changed between steps (see schedules.py).

    Parameters
    ----------
    params, grads : dicts of arrays with equal keys and shapes
    lr : learning rate, positive
    weight_decay : d, not negative
    decays : function of a parameter's name: whether it decays; all do if None

    Attributes
    ----------
    initial_lr : the rate it was made with, from which schedules start
    steps : how many steps were taken
    memory : dict of dicts of arrays, slot -> name of the parameter -> what is remembered of it

    Raises
    ------
    ValueError
        If lr is not a positive number, weight_decay negative, a parameter not contiguous, or `params` and
        `grads` are no dicts of arrays or differ in names or shapes.
    """

    slots = ()  # names of the arrays kept beside every parameter
    shown_always = ("lr",)

    def __init__(self, params, grads, lr, weight_decay=0.0, decays=None):
        lr = number(lr, "lr", above=0)
        self.weight_decay = number(weight_decay, "weight_decay", least=0)
        self.decays = function_or_none(decays, "decays")
        _expect_arrays(params, "params"), _expect_arrays(grads, "grads")
        if not all(param.flags.c_contiguous for param in params.values()):
            raise ValueError("expected parameters that are contiguous arrays")
        if {name: np.shape(p) for name, p in params.items()} != {n: np.shape(g) for n, g in grads.items()}:
            raise ValueError("expected params and grads of equal names and shapes")
        self.params, self.grads, self.steps = params, grads, 0
        self.lr = self.initial_lr = lr
        for param in params.values():
            expect_rate(lr, param.dtype)
        self.memory = {
            slot: {name: np.zeros_like(param) for name, param in params.items()} for slot in self.slots
        }

    def __repr__(self):
        count = sum(param.size for param in self.params.values())
        return f"<{self.description()}, {counted(count)}, {self.steps} step{'' if self.steps == 1 else 's'}>"

    def step(self):
        """Change every parameter once, by its gradient.

        Raises
        ------
        ValueError
            If a gradient has no longer the shape of its parameter, or `lr` was set to what is no rate.
        Diverged
            If the gradient is not finite. Nothing has changed then.
        """
        self.lr = number(self.lr, "lr", least=0)
        for (
            name,
            w,
        ) in self.params.items():  # kernels do not check: a smaller array would be read beyond its end
            if self.grads[name].shape != w.shape:
                raise ValueError(f"expected grad {name} of shape {w.shape}, got {self.grads[name].shape}")
            expect_rate(self.lr, w.dtype)
        if not math.isfinite(_sum_of_squares(_expect_arrays(self.grads, "grads"))):
            raise Diverged(
                f"at step {self.steps + 1} {self._astray()}: learning has gone astray; try a smaller lr"
            )
        self.steps += 1
        for name, w in self.params.items():
            decay = self.weight_decay if self.decays is None or self.decays(name) else 0.0
            memory = (self.memory[slot][name].reshape(-1) for slot in self.slots)
            job, *numbers = self.rule(decay)
            kind = w.dtype.type
            numbers = [x if isinstance(x, bool) else kind(x) for x in numbers]
            g = np.ascontiguousarray(self.grads[name], w.dtype).reshape(-1)
            with np.errstate(all="ignore"):  # as when compiled: NaN is for the loss to say
                team.run(job, w.reshape(-1), g, *memory, *numbers, workers=_workers(w))

    def _astray(self):
        """What is wrong with the gradient, in words."""
        for name, grad in self.grads.items():
            if not np.isfinite(grad).all():
                return f"the gradient of {name} is NaN or infinite"
        return "the gradient's norm is infinite"

    @abc.abstractmethod
    def rule(self, decay):
        """The kernel of a step, and its numbers; `decay` is d for this parameter."""

    def state_dict(self):
        """Copies of what a later run needs to go on exactly: "slot.name" -> array, "steps" -> array ().

        Not in it: the settings, such as lr; a schedule finds the rate again from `steps`.
        """
        arrays = {f"{slot}.{name}": a.copy() for slot in self.slots for name, a in self.memory[slot].items()}
        return {**arrays, "steps": np.array(self.steps)}

    def load_state_dict(self, state):
        """Go on from a `state_dict`. Nothing is changed unless all of it fits.

        Raises
        ------
        ValueError
            If a name is missing or unknown, a shape differs, or a number is not finite.
        """
        own = {f"{slot}.{name}": a for slot in self.slots for name, a in self.memory[slot].items()}
        values = cast_like(state, own | {"steps": np.array(self.steps)}, "optimizer")
        if values["steps"] < 0:
            raise ValueError(f"expected steps to be a whole number >= 0, got {values['steps']}")
        for name, array in own.items():
            array[...] = values[name]
        self.steps = int(values["steps"])


class SGD(Optimizer):
    """Gradient descent with momentum, in Plaut's form (PyTorch's v is ours / -lr).

    Parameters
    ----------
    params, grads, lr, weight_decay, decays : see Optimizer
    momentum : m, in [0, 1)
    nesterov : whether to look ahead
    """

    slots = ("velocity",)

    def __init__(self, params, grads, lr, momentum=0.0, nesterov=False, weight_decay=0.0, decays=None):
        super().__init__(params, grads, lr, weight_decay, decays)
        self.momentum = number(momentum, "momentum", least=0, below=1)
        self.nesterov = flag(nesterov, "nesterov")

    def rule(self, decay):
        return sgd, self.lr, self.momentum, decay, self.nesterov


class Adagrad(Optimizer):
    """Steps that shrink for weights whose gradients have been large."""

    slots = ("sum",)

    def __init__(self, params, grads, lr=1e-2, eps=1e-10, weight_decay=0.0, decays=None):
        super().__init__(params, grads, lr, weight_decay, decays)
        self.eps = number(eps, "eps", least=0)

    def rule(self, decay):
        return adagrad, self.lr, self.eps, decay


class RMSprop(Optimizer):
    """Steps divided by the recent size of the gradient; alpha, a above, says how recent."""

    slots = ("square", "velocity")

    def __init__(
        self, params, grads, lr=1e-2, alpha=0.99, eps=1e-8, momentum=0.0, weight_decay=0.0, decays=None
    ):
        super().__init__(params, grads, lr, weight_decay, decays)
        self.alpha, self.eps = number(alpha, "alpha", least=0, below=1), number(eps, "eps", least=0)
        self.momentum = number(momentum, "momentum", least=0, below=1)

    def rule(self, decay):
        return rmsprop, self.lr, self.alpha, 1 - self.alpha, self.eps, self.momentum, decay


class Adam(Optimizer):
    """Adaptive moments; with decoupled=True AdamW."""

    slots = ("m", "v")

    def __init__(
        self,
        params,
        grads,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        decoupled=False,
        decays=None,
    ):
        super().__init__(params, grads, lr, weight_decay, decays)
        self.betas, self.eps = pair(betas, "betas", least=0, below=1), number(eps, "eps", least=0)
        self.decoupled = flag(decoupled, "decoupled")

    def rule(self, decay):
        b1, b2 = self.betas
        root = np.sqrt(1 - b2**self.steps)  # sqrt(s / (1 - b2^n)) + eps = (sqrt(s) + root eps) / root
        lr = self.lr * root / (1 - b1**self.steps)
        coupled, shrink = (0.0, 1 - self.lr * decay) if self.decoupled else (decay, 1.0)
        return adam, lr, b1, 1 - b1, b2, 1 - b2, self.eps * root, coupled, shrink
