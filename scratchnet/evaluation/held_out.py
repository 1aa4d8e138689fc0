"""Judging by held-out sequences: by all of them, or by a sample where that would take longer than learning.

    part = held_out(sequences, batch=32, rng=rng, most=100_000)
    nats, error = part.judge(model)

Where whole sequences take too long, they are cut into windows of at most LENGTH targets, many of which go
side by side; where these do, too, some are drawn, each as likely as any other, none twice. A window is
predicted as if the network had just begun to listen WARM_UP tokens before it; what these tokens are is not
asked. With s nats and t targets in each of n windows out of N:

    r = sum of s / sum of t                                                                     nats a token
    error^2 = (1 - n / N) n / (n - 1) sum of (s - r t)^2 / (sum of t)^2         of r, one standard deviation

Source: Cochran 1977, section 2.11, the standard error of a ratio; windows differ more than tokens do, and so
it counts windows. That less of the past is known in a window is the same for all networks judged so.

Memory: two int64 for each token that is judged.
"""

import math
from dataclasses import dataclass

import numpy as np

from scratchnet.arguments import flag, generator, listed, whole
from scratchnet.evaluation.metrics import surprisal
from scratchnet.generation.sampling import expect_model
from scratchnet.layers.one_thread import alone
from scratchnet.training.batches import IGNORED, expect_sequence, judged
from scratchnet.training.losses import softmax_cross_entropy

LENGTH = 512  # targets in a window
WARM_UP = 64  # tokens before it
TOGETHER = 64  # windows side by side
FEW = 32  # a step of fewer sequences takes about as long as one of so many: their products are too narrow


@dataclass(frozen=True)
class HeldOut:
    """What networks are judged by.

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

    def judge(self, model, progress=None):
        """Nats a token, and the standard error that the choice of windows brings, 0 if it is all there is.

        Parameters and errors: as `evaluate`.
        """
        if self.whole:
            return evaluate(model, self.batches, progress), 0.0
        s, t = _sums(model, self.batches, progress)
        return float(s.sum() / t.sum()), self.error(s, t)

    def error(self, s, t):
        """Standard error of sum s / sum t that the choice of windows brings, 0 if it is all there is.

        Parameters
        ----------
        s, t : arrays (n,), of each window what is summed, and its number of targets
        """
        if self.whole:
            return 0.0
        n, r = len(s), s.sum() / t.sum()
        share = 1 - n / self.of_windows
        return float(math.sqrt(share * n / (n - 1) * np.square(s - r * t).sum()) / t.sum())

    def counts(self):
        """The four counts: a dict that JSON can hold."""
        return {name: getattr(self, name) for name in ("tokens", "of_tokens", "windows", "of_windows")}

    def __str__(self):
        if self.whole:
            return f"all {self.tokens:,} tokens"
        windows = f"{self.windows:,} of {self.of_windows:,} windows"
        one_each = self.tokens == self.windows
        return windows if one_each else f"{self.tokens:,} of {self.of_tokens:,} tokens in {windows}"


def held_out(sequences, batch, rng, most=None, heard=1, windows=False):
    """The sequences to judge by: whole, or in windows, or some windows of them.

    Parameters
    ----------
    sequences : list of arrays of whole numbers, each longer than `heard`
    batch : B, at most, of whole sequences
    rng : numpy Generator, which draws the windows
    most : tokens at most that are heard or whose time is taken by filling; two windows at least. None for all
    heard : tokens at the beginning of each sequence that are given, not predicted; at least 1
    windows : whether they are cut into windows in any case

    Returns
    -------
    HeldOut

    Raises
    ------
    ValueError
        If there is no sequence, one is too short, or a setting is out of range.
    """
    batch, heard, rng = whole(batch, "batch"), whole(heard, "heard"), generator(rng)
    windows, most = flag(windows, "windows"), math.inf if most is None else whole(most, "most", most=2**62)
    sequences = [expect_sequence(sequence, heard + 1) for sequence in listed(sequences, "sequences")]
    targets = sum(len(sequence) - heard for sequence in sequences)
    every = [
        (k, first, min(first + LENGTH, len(sequence)))
        for k, sequence in enumerate(sequences)
        for first in range(heard, len(sequence), LENGTH)
    ]
    if len(every) <= 2 or not windows and _cost(sequences, batch) <= most:
        return HeldOut(judged(sequences, batch, heard), targets, targets, len(every), len(every))
    chosen, given, left = [], [], most
    for k, first, end in (every[n] for n in rng.permutation(len(every))):
        begin = max(0, first - WARM_UP)
        left -= end - begin - 1
        if len(chosen) >= 2 and left < 0:
            break
        chosen.append(sequences[k][begin:end])
        given.append(first - begin)
    tokens = sum(map(len, chosen)) - sum(given)
    return HeldOut(judged(chosen, TOGETHER, given), tokens, targets, len(chosen), len(every))


def _cost(sequences, batch):
    """Tokens that whole sequences take the time of, side by side in the order of their lengths."""
    lengths = sorted(len(sequence) - 1 for sequence in sequences)
    groups = (lengths[first : first + batch] for first in range(0, len(lengths), batch))
    return sum(group[-1] * max(len(group), FEW) for group in groups)


@alone
def _sums(model, batches, progress):
    """Nats of all sequences of batches that are fresh, and how many targets each has: two arrays (n,)."""
    pairs = [
        (surprisal(a, batch.y).sum(0), np.count_nonzero(batch.y != IGNORED, 0))
        for batch, a in outputs(model, batches, progress)
    ]
    return tuple(np.concatenate(rows) for rows in zip(*pairs, strict=True))


@alone
def evaluate(model, batches, progress=None):
    """Nats a token, without dropout: the mean over all targets of all batches, as from `judged`.

    The model goes on training, if it was, as if nothing had been.

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
        raise ValueError("expected at least one target to be judged by")
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
            if batch.fresh or carried is None:
                carried = model.initial_state(batch.x.shape[1])
            with np.errstate(over="ignore", invalid="ignore"):
                a, carried = model.forward(batch.x, carried, batch.lengths)
            yield batch, a
            if progress is not None:
                progress()
    finally:
        model.train(training)
