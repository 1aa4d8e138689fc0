"""Evaluation on held-out sequences: on all of them, or on a sample where all would take longer than training.

    part = held_out(sequences, batch=32, rng=rng, most=100_000)
    nats, error = part(model)
    trainer.evaluate(part)

Where whole sequences take too long, they are cut into windows of at most LENGTH targets, many of which run
side by side; where even these do, a random sample of them is drawn without replacement. Each window is
predicted from a zero state WARM_UP tokens before it; those tokens are context, not targets. With s nats and
t targets in each of n windows out of N:

    r = sum of s / sum of t                                                                   nats per token
    error^2 = (1 - n / N) n / (n - 1) sum of (s - r t)^2 / (sum of t)^2         of r, one standard deviation

Source: Cochran 1977, section 2.11, the standard error of a ratio; windows differ more than tokens do, and so
it counts windows. The shorter context of a window is the same for all networks that are compared so.

Memory: two int64 for each token that is predicted.
"""

import math
from dataclasses import dataclass

import numpy as np

from scratchnet.arguments import flag, generator, listed, whole
from scratchnet.evaluation.metrics import surprisal
from scratchnet.generation.sampling import expect_model
from scratchnet.layers.one_thread import alone
from scratchnet.training.batches import IGNORED, evaluation_batches, expect_sequence
from scratchnet.training.losses import softmax_cross_entropy

LENGTH = 512  # targets in a window
WARM_UP = 64  # tokens before it
TOGETHER = 64  # windows side by side
FEW = 32  # a step of fewer sequences takes about as long as one of so many: their products are too narrow


@dataclass(frozen=True)
class HeldOut:
    """What networks are evaluated on; to be called, as `Trainer.evaluate` does.

    Attributes
    ----------
    batches : list of Batch
    tokens, of_tokens : how many targets it has, and how many all sequences have
    windows, of_windows : how many windows were drawn, out of how many; equal where nothing is left out
    """

    batches: list
    tokens: int
    of_tokens: int
    windows: int
    of_windows: int

    @property
    def whole(self):
        """Whether it is all there is."""
        return self.tokens == self.of_tokens

    @classmethod
    def of_batches(cls, batches):
        """The HeldOut of a plain list of Batch, as from `evaluation_batches`: all there is."""
        batches = listed(batches, "batches")
        targets = sum(int(np.count_nonzero(batch.y != IGNORED)) for batch in batches)
        sequences = sum(batch.x.shape[1] for batch in batches)
        return cls(batches, targets, targets, sequences, sequences)

    def __call__(self, model, progress=None):
        """Nats per token, and the standard error due to the choice of windows: 0 if it is all there is.

        Parameters and errors: as `evaluate`.
        """
        if self.whole:
            return evaluate(model, self.batches, progress), 0.0
        s, t = _sums(model, self.batches, progress)
        return float(s.sum() / t.sum()), self.error(s, t)

    def error(self, s, t):
        """Standard error of sum s / sum t due to the choice of windows: 0 if it is all there is.

        Parameters
        ----------
        s, t : arrays (n,), of each window what is summed, and its number of targets
        """
        if self.whole:
            return 0.0
        n, r = len(s), s.sum() / t.sum()
        left_out = 1 - n / self.of_windows
        return float(math.sqrt(left_out * n / (n - 1) * np.square(s - r * t).sum()) / t.sum())

    def counts(self):
        """The four counts: a dict that JSON can hold."""
        return {name: getattr(self, name) for name in ("tokens", "of_tokens", "windows", "of_windows")}

    def __str__(self):
        if self.whole:
            return f"all {self.tokens:,} tokens"
        windows = f"{self.windows:,} of {self.of_windows:,} windows"
        one_each = self.tokens == self.windows
        return windows if one_each else f"{self.tokens:,} of {self.of_tokens:,} tokens in {windows}"


def held_out(sequences, batch, rng, most=None, context=1, windows=False):
    """The sequences to evaluate on: whole, in windows, or some windows of them.

    Parameters
    ----------
    sequences : list of arrays of whole numbers, each longer than `context`
    batch : B, at most, of whole sequences
    rng : numpy Generator, which draws the windows
    most : tokens to process at most, padding included, but at least two windows; None for all
    context : tokens at the beginning of each sequence that are given, not predicted; at least 1
    windows : whether to cut them into windows in any case

    Returns
    -------
    HeldOut

    Raises
    ------
    ValueError
        If there is no sequence, one is too short, or a setting is out of range.
    """
    batch, context, rng = whole(batch, "batch"), whole(context, "context"), generator(rng)
    windows, most = flag(windows, "windows"), math.inf if most is None else whole(most, "most", most=2**62)
    sequences = [expect_sequence(sequence, context + 1) for sequence in listed(sequences, "sequences")]
    targets = sum(len(sequence) - context for sequence in sequences)
    every = [
        (k, first, min(first + LENGTH, len(sequence)))
        for k, sequence in enumerate(sequences)
        for first in range(context, len(sequence), LENGTH)
    ]
    if len(every) <= 2 or not windows and _cost(sequences, batch) <= most:
        return HeldOut(
            evaluation_batches(sequences, batch, context), targets, targets, len(every), len(every)
        )
    chosen, given, left = [], [], most
    for k, first, end in (every[n] for n in rng.permutation(len(every))):
        begin = max(0, first - WARM_UP)
        left -= end - begin - 1
        if len(chosen) >= 2 and left < 0:
            break
        chosen.append(sequences[k][begin:end])
        given.append(first - begin)
    tokens = sum(map(len, chosen)) - sum(given)
    return HeldOut(evaluation_batches(chosen, TOGETHER, given), tokens, targets, len(chosen), len(every))


def _cost(sequences, batch):
    """Tokens to process for whole sequences side by side, in the order of their lengths, padding included."""
    lengths = sorted(len(sequence) - 1 for sequence in sequences)
    groups = (lengths[first : first + batch] for first in range(0, len(lengths), batch))
    return sum(group[-1] * max(len(group), FEW) for group in groups)


@alone
def _sums(model, batches, progress):
    """Nats of all sequences of batches that begin with a zero state, and their targets: two arrays (n,)."""
    pairs = [
        (surprisal(a, batch.y).sum(0), np.count_nonzero(batch.y != IGNORED, 0))
        for batch, a in outputs(model, batches, progress)
    ]
    return tuple(np.concatenate(rows) for rows in zip(*pairs, strict=True))


@alone
def evaluate(model, batches, progress=None):
    """Nats per token, without dropout: the mean over all targets of all batches (`evaluation_batches`).

    Training is not disturbed.

    Parameters
    ----------
    progress : function without arguments, called after each batch; None for none

    Raises
    ------
    ValueError
        If there is no target.
    """
    total, count = 0.0, 0
    for batch, a in outputs(model, batches, progress):
        if targets := int(np.count_nonzero(batch.y != IGNORED)):
            with np.errstate(over="ignore", invalid="ignore"):
                loss, _ = softmax_cross_entropy(a, batch.y)
            total, count = total + float(loss) * targets, count + targets
    if not count:
        raise ValueError("expected at least one target to evaluate on")
    return total / count


def outputs(model, batches, progress=None):
    """Yield each batch with the logits (T, V, B) that a model gives for it, without dropout; see `evaluate`.

    The logits are overwritten by the next ones.
    """
    expect_model(model)
    training, carried = model.training, None
    model.eval()
    try:
        for batch in batches:
            if batch.reset_state or carried is None:
                carried = model.initial_state(batch.x.shape[1])
            with np.errstate(over="ignore", invalid="ignore"):
                a, carried = model.forward(batch.x, carried, batch.lengths)
            yield batch, a
            if progress is not None:
                progress()
    finally:
        model.train(training)
