"""Composing with a network of tokens: several pieces at once, each from its own beginning to its own end.

    pieces = generate(model, primers, 600, rng, stop=[0, 0], temperature=0.8)

The primers go through the ordinary forward pass; then `sample` (sampling.py) goes on, a chunk
at a time, until every piece has its end. A piece draws from a generator of its own: given the same `rng`, the
third of three pieces and the third of thirty are the same (but for rounding).

With a mask, which says what may come next, or a temperature for each kind of token, the network goes on token
by token, by its forward pass.
"""

import numpy as np

from scratchnet.arguments import as_array, generator, listed, whole
from scratchnet.generation.sampling import draw, expect_choice, expect_model, sample_from
from scratchnet.layers.layer import expect
from scratchnet.layers.one_thread import alone
from scratchnet.training.batches import expect_sequence

CHUNK = 128  # tokens that are drawn before the ends are looked for
WINDOW = 1024  # tokens of a primer in one forward pass; more would only take memory


@alone
def generate(model, primers, length, rng, stop=None, mask=None, **choice):
    """Compose pieces.

    Parameters
    ----------
    model : Sequential from tokens (T, B) to logits (T, V, B)
    primers : list of arrays of whole numbers, at least one each
    length : tokens of a piece, at most, the primer not counted
    rng : numpy Generator
    stop : tokens in a row that end a piece, or a function of an array of all tokens so far, primer included,
        that says whether they are a whole piece; None for pieces of full length
    mask : array of bool (V, V), whether a token (row) may be followed by another (column), or a function of
        an array of all tokens so far that gives such a row (V,); None if all may follow
    choice : temperature, top_k, top_p; see `sample`. The temperature may be an array (V,): for the token
        after each token

    Returns
    -------
    list of arrays of whole numbers: what follows each primer, up to and with `stop` (of which the primer may
    have the beginning)

    Raises
    ------
    ValueError
        If a primer is empty, a token or a setting out of range, a mask leaves nothing, or what the network
        says is not finite.
    """
    expect_model(model)
    pieces = [_expect_primer(primer) for primer in listed(primers, "primers")]
    length, rng = whole(length, "length", least=0), generator(rng)
    if stop is not None and not callable(stop):
        stop = expect_sequence(stop, 1, "stop").tolist()
    mask = mask if mask is None or callable(mask) else _expect_mask(mask)
    _expect_temperatures(**choice)
    if not pieces:
        return []
    training, before = model.training, [len(piece) for piece in pieces]
    model.eval()
    try:
        _compose(model, pieces, length, _Rows(rng, len(pieces)), stop, mask, choice)
    finally:
        model.train(training)
    return [np.array(piece[skip:], np.int64) for piece, skip in zip(pieces, before, strict=True)]


def _compose(model, pieces, length, rows, stop, mask, choice):
    """Lengthen the pieces, lists of tokens, until each has its end."""
    state = _state_after(model, pieces)
    last = np.array([piece[-1] for piece in pieces])
    temperatures = np.asarray(choice.get("temperature", 1.0))
    if mask is None and temperatures.ndim:
        mask = np.ones((len(temperatures),) * 2, bool)
    unfinished = list(range(len(pieces)))
    while length > 0 and unfinished:
        if mask is None:
            steps = min(CHUNK, length)
            tokens, state = sample_from(model, last, steps, rows, state, expect_choice(**choice))
        else:
            chosen = [pieces[k] for k in unfinished]
            tokens, state = _masked_step(model, last, chosen, rows, mask, state, **choice)
        length -= len(tokens)
        going = []
        for n, k in enumerate(unfinished):
            known = len(pieces[k])
            pieces[k] += tokens[:, n].tolist()
            end = _end(pieces[k], known, stop)
            if end is None:
                going.append(n)
            else:
                del pieces[k][end:]
        last = tokens[-1, going]
        if len(going) < len(unfinished):
            state = tuple(np.ascontiguousarray(part[..., going]) for part in state)
            rows.keep(going)
            unfinished = [unfinished[n] for n in going]


class _Rows:
    """A generator for each piece, which `sample` takes for one."""

    def __init__(self, rng, count):
        self.generators = [np.random.default_rng(seed) for seed in rng.integers(2**63, size=count)]

    def random(self, shape):
        return np.stack([rng.random(shape[0]) for rng in self.generators], axis=1)

    def keep(self, going):
        self.generators = [self.generators[n] for n in going]


def _masked_step(model, last, pieces, rows, mask, state, temperature=1.0, top_k=None, top_p=1.0):
    """One token (1, B) of each piece among those that the mask allows, and the state after."""
    a, state = model.forward(last[None], state)
    u, tokens = rows.random((1,)), np.empty((1, len(last)), np.int64)
    V = a.shape[1]
    for n, piece in enumerate(pieces):
        warmth = temperature if np.ndim(temperature) == 0 else temperature[piece[-1]]
        allowed = as_array(mask(np.array(piece)) if callable(mask) else mask[piece[-1]], "a mask")
        if allowed.shape != (V,) or allowed.dtype != bool:
            raise ValueError(f"expected a mask of bool ({V},), got {allowed.shape} {allowed.dtype}")
        if not allowed.any():
            raise ValueError(f"expected a mask that allows a token after {piece[-1]}, it allows none")
        if not np.isfinite(a[0, :, n]).all():
            raise ValueError("expected finite outputs of the network, got NaN or infinity")
        logits = np.where(allowed, a[0, :, n], a.dtype.type(-np.inf))
        tokens[0, n] = draw(logits, warmth, np.inf if top_k is None else top_k, top_p, u[0, n])
    return tokens, state


def _expect_mask(mask):
    """A mask as an array of bool (V, V)."""
    mask = as_array(mask, "mask")
    if mask.ndim != 2 or mask.shape[0] != mask.shape[1] or mask.dtype != bool:
        raise ValueError(f"expected a mask of bool (V, V), or a function, got {mask.shape} {mask.dtype}")
    return mask


def _expect_temperatures(temperature=1.0, top_k=None, top_p=1.0):
    """Refuse settings out of range."""
    if isinstance(temperature, (np.ndarray, list, tuple)):
        temperature = expect(temperature, "temperature", "V,", (None,), np.float64).min(initial=np.inf)
    expect_choice(temperature, top_k, top_p)


def _state_after(model, pieces):
    """The state before the last token of each piece; pieces of one length run together."""
    state = model.initial_state(len(pieces))
    for size in {len(piece) for piece in pieces} - {1}:
        rows = [k for k, piece in enumerate(pieces) if len(piece) == size]
        x, after = np.array([pieces[k][:-1] for k in rows]).T, model.initial_state(len(rows))
        for first in range(0, size - 1, WINDOW):
            _, after = model.forward(x[first : first + WINDOW], after)
        for part, new in zip(state, after, strict=True):
            part[..., rows] = new
    return state


def _end(piece, known, stop):
    """How long a piece is of which the first `known` tokens have not ended it; None if it goes on."""
    if stop is None:
        return None
    tokens = np.array(piece)
    for end in range(known + 1, len(piece) + 1):
        if stop(tokens[:end]) if callable(stop) else piece[max(end - len(stop), 0) : end] == list(stop):
            return end
    return None


def _expect_primer(primer):
    primer = as_array(primer, "a primer")
    if primer.ndim != 1 or not len(primer) or primer.dtype.kind not in "iu":
        raise ValueError(
            f"expected primers (L,) of at least one token, whole numbers, got {primer.shape} {primer.dtype}"
        )
    return primer.tolist()
