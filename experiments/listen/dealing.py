"""Who hears what: a balanced, random choice for each listener.

A kind of piece is a source, with or without a primer. A listener hears the kinds in rounds: each round holds
one piece of every kind, in random order. So all kinds are heard equally often, and equally often early and
late, when ears are fresh and when they are tired. Of a kind, the pieces heard least so far come first.
"""

import numpy as np

LIKED_LENGTH = 24  # pieces; a quarter of an hour of half-minutes


def default_number(kinds):
    """How many pieces a listener hears: full rounds, as many as stay within LIKED_LENGTH.

    kinds : dict of kind -> list of its pieces
    """
    most = sum(map(len, kinds.values()))
    return min(most, max(1, LIKED_LENGTH // len(kinds)) * len(kinds))


def deal(kinds, times, number, rng):
    """Choose the pieces of one listener, and their order.

    kinds : dict of kind -> list of int, the pieces of each kind
    times : dict of int -> int, how often each piece was given to earlier listeners; missing is 0
    number : int
    rng : numpy.random.Generator
    Returns list of int, at most `number`: fewer only if there are no more pieces.
    """

    def rarest_first(items, count):
        items = [items[i] for i in rng.permutation(len(items))]
        return sorted(items, key=count)  # stable: random among equals

    left = {kind: rarest_first(pieces, lambda piece: times.get(piece, 0)) for kind, pieces in kinds.items()}
    given = {kind: sum(times.get(piece, 0) for piece in pieces) for kind, pieces in kinds.items()}
    chosen = []
    while len(chosen) < number and (kinds_left := [kind for kind, pieces in left.items() if pieces]):
        room = number - len(chosen)
        taken = rarest_first(kinds_left, given.get)[:room]  # a last, short round: those heard least so far
        chosen += [left[taken[i]].pop(0) for i in rng.permutation(len(taken))]
    return chosen


def listener_rng(seed, listener):
    """The generator for listener number 1, 2, ... of a test with this seed."""
    return np.random.default_rng([seed, listener])
