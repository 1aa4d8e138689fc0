"""What networks of tokens are trained by: the settings that every such experiment has, and what is made of
them: the optimizer, the learning rate's schedule, the pieces to evaluate on, the pace of a Session.

Settings are read for `--help`, too, which is to answer at once: what is slow to import waits in functions.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from experiments.common.kinds import (
    Fraction,
    Layers,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
    Range,
    Units,
    WeightDecay,
)

EVALUATED = 0.3  # tokens predicted in evaluation for one learned from: it takes about a third of the time
LEAST_EVALUATED = 2**14  # tokens; fewer would be too few to choose by
CONTEXT = 2  # tokens that begin every piece: they are given
SAMPLE_SEED = 0  # the same windows in every run, so that runs can be compared
LEAST_SAMPLE = 2**18  # tokens of training pieces
WARM_UP = 50  # steps
LOG_EVERY = 10  # steps
FINAL = 0.02  # of the learning rate is left at the end
Optimizer = Literal["sgd", "momentum", "adagrad", "rmsprop", "adam"]
Share = Fraction


@dataclass(frozen=True, kw_only=True)
class Optimising:
    """How a network learns. What is not given comes from a recipe."""

    optimizer: Optimizer | None = None
    """sgd, momentum (0.9), adagrad, rmsprop or adam."""
    lr: PositiveFloat | None = None
    """The learning rate, at first."""
    decay: bool | None = None
    """Let the learning rate rise over the first steps and fall along half a cosine."""
    weight_decay: WeightDecay | None = None
    """Adam only, decoupled: each step shrinks the weights by the learning rate times this."""
    batch: Units | None = None
    """Sequences side by side."""
    transpose: Share | None = None
    """Probability with which a piece is transposed to another key."""
    steps: PositiveInt | None = None
    """Training steps in all."""
    clip: PositiveFloat | None = None
    """Largest norm of the gradient."""
    ema_decay: Probability | None = None
    """Decay of the moving average of the weights that is evaluated and kept; 0 for the weights themselves."""
    patience: NonNegativeInt | None = None
    """Stop after so many evaluations without a better one; 0 for never."""
    eval_every: PositiveInt | None = None
    """Steps from one evaluation on held-out pieces to the next."""
    save_every: PositiveInt = 100
    """Steps from one checkpoint to the next."""
    keep: NonNegativeInt = 0
    """How many earlier checkpoints stay."""
    seed: NonNegativeInt = 0
    """Seed of the weights, the order of pieces, dropout, and what is composed."""
    overwrite: bool = False
    """Write into an existing run folder."""


@dataclass(frozen=True, kw_only=True)
class Learning(Optimising):
    """A network and how it learns. What is not given comes from a recipe."""

    hidden: Units | None = None
    """Units of each LSTM layer."""
    layers: Layers | None = None
    """LSTM layers, one above the other."""
    embedding: Annotated[int, Range(least=0, most=100_000)] | None = None
    """Size of the tokens' embedding; 0 for none."""
    dropout: Probability | None = None
    """Share of the outputs of each LSTM layer that is dropped in training."""
    length: Annotated[int, Range(least=1, most=1_000_000)] | None = None
    """Tokens of a sequence in one step."""
    stateful: bool | None = None
    """Go through all pieces and carry the state from one sequence to the next; else windows anywhere."""
    eval_size: PositiveInt | None = None
    """Tokens of held-out pieces by which the best network is chosen, at most; if not given, as many as take a
    tenth of the time, and at least 16,384. Of more, always the same windows are taken; at the end, all."""


# What `Optimising` and `Learning` leave open, unless a preset says otherwise.
OPTIMISING = {
    "optimizer": "adam", "lr": 2e-3, "decay": True, "weight_decay": 0.01, "clip": 1.0, "ema_decay": 0.99,
    "patience": 0,
}  # fmt: skip
LEARNING = OPTIMISING | {
    "layers": 1, "embedding": 0, "dropout": 0.5, "batch": 32, "length": 128, "stateful": True,
    "transpose": 0.5, "eval_every": 100,
}  # fmt: skip


@dataclass(frozen=True)
class Pace:
    """How long a training goes on, and how often what is done.

    total : how much in all, in `unit`
    eval_every : so much of it from one evaluation to the next
    save_every, log_every : steps; None for after each evaluation, and checkpoints also now and then between
    patience : stop after so many evaluations without a better one; 0 for never
    keep : how many of the last checkpoints stay under names of their own
    unit : "step", or what the attribute `done` of the batches counts
    """

    total: int
    eval_every: int
    save_every: int | None = None
    log_every: int | None = None
    patience: int = 0
    keep: int = 0
    unit: str = "step"


def filled(config, recipe):
    """Settings with the values of a recipe, a dict, wherever none is given."""
    return replace(config, **{k: v for k, v in recipe.items() if getattr(config, k) is None})


def with_eval_size(config):
    """Settings with the number of tokens to evaluate on."""
    if config.eval_size:
        return config
    learned = config.eval_every * config.batch * config.length  # from one evaluation to the next
    return replace(config, eval_size=max(LEAST_EVALUATED, round(EVALUATED * learned)))


def pace_of(config):
    """The Pace of complete settings."""
    return Pace(config.steps, config.eval_every, config.save_every, LOG_EVERY, config.patience, config.keep)


def make_optimizer(config, network):
    """The optimizer of the settings, of a network's params and grads."""
    from scratchnet.training.optimizers import SGD, Adagrad, Adam, RMSprop

    both = network.params, network.grads
    if config.optimizer == "adam":
        return Adam(*both, config.lr, weight_decay=config.weight_decay, decoupled=True)
    if config.optimizer in ("sgd", "momentum"):
        return SGD(*both, config.lr, momentum=0.9 if config.optimizer == "momentum" else 0.0)
    return {"adagrad": Adagrad, "rmsprop": RMSprop}[config.optimizer](*both, config.lr)


def make_schedule(config):
    """The schedule of the settings, or None."""
    from scratchnet.training.schedules import Cosine, WarmUp

    if not config.decay:
        return None
    return WarmUp(WARM_UP, Cosine(max(config.steps - WARM_UP, 1), final=FINAL))


def held_out(sequences, batch, most=None, windows=False):
    """A HeldOut of sequences but for their first CONTEXT tokens, always the same."""
    import numpy as np

    from scratchnet.evaluation.held_out import held_out

    return held_out(sequences, batch, np.random.default_rng(SAMPLE_SEED), most, CONTEXT, windows)


def as_large(corpus, part):
    """How many tokens of training pieces are evaluated beside a whole part: as many, but not too few."""
    return max(LEAST_SAMPLE, sum(map(len, corpus.sequences(part))))


def recurrent_weights(gates, size, hidden, layers):
    """Number of weights of recurrent layers on inputs of some size, but for their biases."""
    return gates * hidden * (size + hidden + (layers - 1) * 2 * hidden)
