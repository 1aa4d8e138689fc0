"""Windows of T tokens, each with the one token that follows: one prediction a window.

    Windows             to learn from: every window of every sequence once an epoch, in a new order
    evaluation_windows  to evaluate on
    continue_windows    to compose with: each token from the window of the last T tokens

This is for networks that look at a window as a whole (Conv1D without causal padding, Flatten, LastStep) and
so cannot go on from a state. What a recurrent network learns from T targets in a window, these learn from
one: the price of the design. No window reaches from one sequence into the next.

Memory: one copy of all tokens, two whole numbers a window, and one batch.
"""

import numpy as np

from scratchnet.arguments import LARGEST, as_array, function_or_none, generator, listed, number, room, whole
from scratchnet.generation.sampling import draw, expect_choice, expect_model
from scratchnet.layers.one_thread import alone
from scratchnet.training.batches import IGNORED, Batch, Epochs, expect_sequence


class Windows(Epochs):
    """Batches x (T, B), y (1, B), each from a zero state. The last few windows of an epoch, fewer than B,
    wait for another.

    Parameters
    ----------
    sequences, length, batch, rng : see Epochs; sequences of fewer than T + 1 tokens give no window
    noise : probability with which each token of x is replaced by any token, in [0, 1); y is as it was
    vocabulary : V, needed for noise
    first : the least token that noise draws

    Raises
    ------
    ValueError
        If there are fewer windows than B, or noise is out of range.
    """

    def __init__(self, sequences, length, batch, rng, noise=0.0, vocabulary=0, first=0):
        self.noise, self.vocabulary = (
            number(noise, "noise", least=0, below=1),
            whole(vocabulary, "vocabulary", 0),
        )
        self.first = whole(first, "first", 0, max(self.vocabulary - 1, 0) if self.noise else LARGEST)
        if self.noise and not self.vocabulary:
            raise ValueError("expected vocabulary >= 1 for noise, got 0")
        super().__init__(sequences, length, batch, rng)

    def _arrange(self, sequences):
        tokens, starts = windows_of(sequences, self.length)
        if len(starts) < self.batch:
            raise ValueError(
                f"expected at least {self.batch} windows of {self.length} tokens and one more, "
                f"got {len(starts)}"
            )
        self.starts = self.rng.permutation(starts)
        return tokens, len(starts) // self.batch

    def _batch(self, place):
        starts = self.starts[place * self.batch : (place + 1) * self.batch]
        batch = cut_windows(self.tokens, starts, self.length)
        if not self.noise:
            return batch
        x = batch.x.copy()
        hit = self.rng.random(x.shape) < self.noise
        x[hit] = self.rng.integers(self.first, self.vocabulary, np.count_nonzero(hit))
        return batch._replace(x=x)


def evaluation_windows(sequences, length, batch, most=None, unknown=None):
    """Batches with every window of every sequence once, or with some of them, evenly spread.

    Parameters
    ----------
    sequences : list of arrays of whole numbers
    length : T
    batch : B, at most
    most : so many windows at most; None for all
    unknown : a token that is no target (but may be an input); None if all are

    Returns
    -------
    list of Batch, x (T, B) and y (1, B)

    Raises
    ------
    ValueError
        If there is no window, or none with a target that counts.
    """
    length, batch = whole(length, "length"), whole(batch, "batch")
    most = None if most is None else whole(most, "most")
    unknown = None if unknown is None else whole(unknown, "unknown", -LARGEST)
    tokens, starts = windows_of(sequences, length)
    if not len(starts):
        raise ValueError(f"expected a sequence of at least {length + 1} tokens, got none")
    if most is not None and most < len(starts):
        starts = starts[np.linspace(0, len(starts) - 1, most).astype(np.int64)]
    if unknown is not None and (tokens[starts + length] == unknown).all():
        raise ValueError("expected a target that is not unknown, got none")
    batches = []
    for first in range(0, len(starts), batch):
        found = cut_windows(tokens, starts[first : first + batch], length)
        if unknown is not None:
            found = found._replace(y=np.where(found.y == unknown, IGNORED, found.y))
        batches.append(found)
    return batches


def windows_of(sequences, length):
    """All tokens in a row (L,), and where the windows of T tokens with one more begin, (N,)."""
    length = whole(length, "length")
    sequences = [sequences] if isinstance(sequences, np.ndarray) else listed(sequences, "sequences")
    arrays = [array for array in (expect_sequence(s, 0) for s in sequences) if len(array)]
    ends = np.cumsum([len(array) for array in arrays], dtype=np.int64)
    spans = [np.arange(end - len(array), end - length) for array, end in zip(arrays, ends, strict=True)]
    tokens = np.concatenate(arrays) if arrays else np.zeros(0, np.int64)
    return tokens, np.concatenate([*spans, np.zeros(0, np.int64)])


def cut_windows(tokens, starts, length):
    """The Batch of the windows that begin at `starts` (B,)."""
    whole = tokens[starts + np.arange(length + 1)[:, None]]
    return Batch(whole[:-1], whole[-1:])


@alone
def continue_windows(
    model, primers, length, rng, mask=None, temperature=1.0, top_k=None, top_p=1.0, progress=None
):
    """Compose pieces with a network of windows.

    A piece draws from a generator of its own: the third of three pieces and the third of thirty are the same
    (but for rounding).

    Parameters
    ----------
    model : Sequential from tokens (T, B) to logits (1, V, B)
    primers : list of arrays of T whole numbers: what each piece follows
    length : tokens to add to each
    rng : numpy Generator
    mask : array of bool (V,), which tokens may be drawn; None for all
    temperature : above 1 bolder, below 1 more careful
    top_k : only the so many likeliest tokens can be drawn; None for all
    top_p : only the likeliest tokens that make up this probability can be drawn
    progress : function without arguments, called after each token; None for none

    Returns
    -------
    int64 array (length, B)

    Raises
    ------
    ValueError
        If primers are not of one length, a setting is out of range, or the network's outputs are not finite.
    """
    temperature, k, top_p = expect_choice(temperature, top_k, top_p)
    length, rng, progress = whole(length, "length", 0), generator(rng), function_or_none(progress, "progress")
    expect_model(model)
    primers = [expect_sequence(primer, 1) for primer in listed(primers, "primers")]
    sizes = {len(primer) for primer in primers}
    if len(sizes) != 1:
        raise ValueError(f"expected primers (T,) of one length, got {sorted(sizes)}")
    if mask is not None:
        mask = as_array(mask, "mask")
        if mask.ndim != 1 or mask.dtype != bool:
            raise ValueError(f"expected a mask of bool (V,), got {mask.shape} {mask.dtype}")
    tokens = np.array(primers, np.int64).T
    T, B = tokens.shape
    room(length * B, "the tokens of all pieces")
    u = np.stack([np.random.default_rng(seed).random(length) for seed in rng.integers(2**63, size=B)], axis=1)
    tokens = np.concatenate([tokens, np.zeros((length, B), np.int64)])
    training = model.training
    model.eval()
    try:
        for t in range(length):
            a = model.forward(tokens[t : t + T])[0]
            if not np.isfinite(a).all():
                raise ValueError("expected finite outputs of the network, got NaN or infinity")
            if mask is not None:
                if len(mask) != len(a):
                    raise ValueError(f"expected a mask of bool ({len(a)},), got ({len(mask)},)")
                a = np.where(mask[:, None], a, a.dtype.type(-np.inf))
            tokens[t + T] = [draw(a[:, n].copy(), temperature, k, top_p, u[t, n]) for n in range(B)]
            if progress is not None:
                progress()
    finally:
        model.train(training)
    return tokens[T:]
