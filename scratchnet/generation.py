"""Composing with a network of tokens: several pieces at once, each from its own beginning to its own end.

    pieces = generate(model, primers, 600, rng, stop=[0, 0], temperature=0.8)

The network hears the primers by its ordinary forward pass; then `sample` (sampling.py) goes on, a stretch at a
time, until every piece has its end.
"""

import numpy as np

from scratchnet.sampling import sample

STRETCH = 128  # tokens that are drawn before the ends are looked for


def generate(model, primers, length, rng, stop=None, **choice):
    """Compose pieces.

    Parameters
    ----------
    model : Sequential from tokens (T, B) to logits (T, V, B)
    primers : list of arrays of whole numbers, at least one each
    length : tokens of a piece, at most, the primer not counted
    rng : numpy Generator
    stop : tokens in a row that end a piece; None for pieces of full length
    choice : temperature, top_k, top_p; see `sample`

    Returns
    -------
    list of arrays of whole numbers: what follows each primer, up to and with `stop` (of which the primer may
    have the beginning)

    Raises
    ------
    ValueError
        If a primer is empty, a token out of range, or what the network says is not finite.
    """
    primers = [np.asarray(primer) for primer in primers]
    if any(primer.ndim != 1 or not len(primer) for primer in primers):
        raise ValueError("expected primers (L,) of at least one token")
    model.eval()
    state = _heard(model, primers)
    last = np.array([primer[-1] for primer in primers])
    stop = None if stop is None else list(map(int, stop))
    tail = 0 if stop is None else len(stop) - 1
    pieces = [list(map(int, primer[len(primer) - tail :])) if tail else [] for primer in primers]
    before = [len(piece) for piece in pieces]
    open_ = list(range(len(primers)))
    drawn = 0
    while drawn < length and open_:
        steps = min(STRETCH, length - drawn)
        tokens, state = sample(model, last, steps, rng, state=state, **choice)
        drawn += steps
        going = []
        for n, k in enumerate(open_):
            first = max(len(pieces[k]) - tail, 0)
            pieces[k] += tokens[:, n].tolist()
            end = _find(pieces[k], stop, first)
            if end is None:
                going.append(n)
            else:
                del pieces[k][end:]
        last, open_ = tokens[-1, going], [open_[n] for n in going]
        state = tuple(np.ascontiguousarray(part[..., going]) for part in state)
    return [np.array(piece[skip:], np.int64) for piece, skip in zip(pieces, before, strict=True)]


def _heard(model, primers):
    """The state before the last token of each primer; primers of one length are heard together."""
    state = model.initial_state(len(primers))
    for size in {len(primer) for primer in primers} - {1}:
        rows = [k for k, primer in enumerate(primers) if len(primer) == size]
        x = np.stack([primers[k][:-1] for k in rows], 1)
        _, after = model.forward(x, model.initial_state(len(rows)))
        for part, new in zip(state, after, strict=True):
            part[..., rows] = new
    return state


def _find(piece, stop, first):
    """The index behind the first `stop` that begins at `first` or later, or None."""
    if stop is None:
        return None
    for k in range(first, len(piece) - len(stop) + 1):
        if piece[k : k + len(stop)] == stop:
            return k + len(stop)
    return None
