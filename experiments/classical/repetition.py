"""One note repeating for ever: what users of such networks complain of most, as figures.

A stretch is a loop of period p if each of its symbols is the one p places before. A piece is stuck if its end
is one loop of a short period: composers come back from an Alberti bass, a network that is stuck does not.
"""

from typing import NamedTuple

import numpy as np

LONGEST_PERIOD = 8  # symbols
STUCK = 40  # symbols at the end in one loop, of a period of at most 4
SHORT_PERIOD = 4


class Repetition(NamedTuple):
    """How a piece repeats itself.

    run : length of the longest run of one symbol
    loop, period : length of the longest loop of a period up to 8, and that period
    different : different symbols, in parts of all
    stuck : whether the piece ends in a loop of at least 40 symbols and a period of at most 4
    """

    run: int
    loop: int
    period: int
    different: float
    stuck: bool


def repetition(symbols):
    """The Repetition of a piece, a list of symbols or array of tokens (L,), L > 0."""
    _, tokens = np.unique(np.asarray(symbols), return_inverse=True)
    loops = {p: loop_lengths(tokens, p) for p in range(1, LONGEST_PERIOD + 1)}
    longest = {p: int(lengths.max()) for p, lengths in loops.items()}
    period = max(longest, key=lambda p: (longest[p], -p))
    ends = [int(loops[p][-1]) for p in range(1, SHORT_PERIOD + 1)]
    return Repetition(
        longest[1],
        longest[period],
        period,
        len(np.unique(tokens)) / len(tokens),
        max(ends) >= min(STUCK, len(tokens)) and len(tokens) > SHORT_PERIOD,
    )


def loop_lengths(tokens, period):
    """At each place the length of the loop of this period that ends there: whole numbers (L,).

    What does not repeat is a loop of the length of one period (or of what there is of it).
    """
    lengths = np.minimum(np.arange(1, len(tokens) + 1), period)
    for k in range(period, len(tokens)):
        if tokens[k] == tokens[k - period]:
            lengths[k] = lengths[k - 1] + 1
    return lengths


def in_words(found):
    """A line about a Repetition."""
    text = (
        f"longest run of one symbol {found.run}, longest loop {found.loop} symbols of period {found.period}, "
        f"{found.different:.0%} of the symbols different"
    )
    return text + (": STUCK, it ends in a loop" if found.stuck else "")


def summary(pieces):
    """Figures of several pieces, lists of Repetition: a dict, for metrics.json."""
    return {
        "pieces": len(pieces),
        "stuck": float(np.mean([piece.stuck for piece in pieces])),
        "longest run": int(np.max([piece.run for piece in pieces])),
        "median run": float(np.median([piece.run for piece in pieces])),
        "median loop": float(np.median([piece.loop for piece in pieces])),
        "different": float(np.mean([piece.different for piece in pieces])),
    }
