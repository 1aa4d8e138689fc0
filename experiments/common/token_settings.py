"""Settings that every experiment on tokens has: a network of recurrent layers, and how it learns."""

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Literal

from experiments.common.kinds import (
    Layers,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
    Range,
    Units,
    WeightDecay,
)

JUDGED = 0.3  # tokens judged for one learned from: to judge one takes about a third of the time
LEAST_JUDGED = 2**14  # tokens; by fewer nobody would choose
Optimizer = Literal["sgd", "momentum", "adagrad", "rmsprop", "adam"]
Share = Annotated[float, Range(least=0, most=1)]


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
    """Probability with which a piece is learned in another key than its own."""
    steps: PositiveInt | None = None
    """Steps in all."""
    clip: PositiveFloat | None = None
    """Largest norm of the gradient."""
    average: Probability | None = None
    """A running mean of the weights is judged and kept; this part of it stays at each step, 0 for no mean."""
    patience: NonNegativeInt | None = None
    """Stop after so many judgements without a better one; 0 for never."""
    judge_every: PositiveInt | None = None
    """Steps from one judgement by held-out pieces to the next."""
    save_every: PositiveInt = 100
    """Steps from one checkpoint to the next."""
    keep: NonNegativeInt = 0
    """How many earlier checkpoints stay."""
    seed: NonNegativeInt = 0
    """Seed of the weights, the order of pieces, dropout, and what is composed."""
    overwrite: bool = False
    """Write into a run folder that is there already."""


@dataclass(frozen=True, kw_only=True)
class Learning(Optimising):
    """A network and how it learns. What is not given comes from a recipe."""

    hidden: Units | None = None
    """Units of each LSTM layer."""
    layers: Layers | None = None
    """LSTM layers, one above the other."""
    embedding: Annotated[int, Range(least=0, most=100_000)] | None = None
    """Numbers by which a token is embedded; 0 for none."""
    dropout: Probability | None = None
    """Share of the outputs of each LSTM layer that is dropped while learning."""
    length: Annotated[int, Range(least=1, most=1_000_000)] | None = None
    """Tokens of a sequence, from which one step learns."""
    streams: bool | None = None
    """Go through all pieces and carry the state from one sequence to the next; else windows anywhere."""
    judged: PositiveInt | None = None
    """Tokens of held-out pieces by which the best network is chosen, at most; if not given, as many as take a
    tenth of the time, and at least 16,384. Of more, always the same windows are taken; at the end, all."""


@dataclass(frozen=True)
class Recipe:
    """What `Learning` leaves open; the same names."""

    hidden: int
    steps: int
    layers: int = 1
    embedding: int = 0
    dropout: float = 0.5
    optimizer: str = "adam"
    lr: float = 2e-3
    decay: bool = True
    weight_decay: float = 0.01
    batch: int = 32
    length: int = 128
    streams: bool = True
    transpose: float = 0.5
    clip: float = 1.0
    average: float = 0.99
    patience: int = 0
    judge_every: int = 100


def recurrent_weights(gates, size, hidden, layers):
    """Weights of recurrent layers on inputs of some size, but for their biases."""
    return gates * hidden * (size + hidden + (layers - 1) * 2 * hidden)


def filled(config, recipe):
    """Settings with the recipe's values wherever none is given."""
    return replace(config, **{k: v for k, v in asdict(recipe).items() if getattr(config, k) is None})


def judging(config):
    """Settings with the number of tokens to judge by."""
    if config.judged:
        return config
    learned = config.judge_every * config.batch * config.length  # from one judgement to the next
    return replace(config, judged=max(LEAST_JUDGED, round(JUDGED * learned)))
