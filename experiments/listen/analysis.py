"""What ratings say: means with intervals, and tests of pairs.

Answers of one listener are alike (some people give high marks), so the listener is the unit: a listener's
answers to one kind of piece become one mean, and means, intervals and tests are over those. Intervals are
Student's t: near enough for means of bounded ratings, and wide enough with a handful of listeners, where a
bootstrap is too narrow. Tests are Wilcoxon's signed ranks, for ratings are steps on a scale and each listener
is compared with himself; zeros by Pratt's rule, p-values exact for ties and zeros, too. Holm's correction
covers all tests made.

The listeners stand for all listeners; the pieces only for themselves. More pieces of each source mend that,
not more listeners.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from experiments.common.samples import HUMAN

HIGHEST = 5


class Kind(NamedTuple):
    """Whose piece, and whether it begins with a primer."""

    source: str
    primed: bool

    def __str__(self):
        return f"{self.source}, primed" if self.primed else self.source


class Mean(NamedTuple):
    """One kind's mean over listeners. low, high : 95 % interval, None for fewer than two listeners."""

    kind: Kind
    listeners: int
    answers: int
    pieces: int
    mean: float
    low: float | None
    high: float | None


class Comparison(NamedTuple):
    """How much more listeners like `a` than `b`: mean difference, 95 % interval, p-values; None: unknown."""

    a: Kind
    b: Kind
    listeners: int
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None


def by_listener(ratings):
    """Each listener's mean score of each kind: dict Kind -> dict of listener -> float."""
    scores = {}
    for row in ratings:
        scores.setdefault(Kind(row.source, row.primed), {}).setdefault(row.listener, []).append(row.score)
    return {
        kind: {listener: sum(given) / len(given) for listener, given in rows.items()}
        for kind, rows in scores.items()
    }


def means(ratings):
    """Means by kind, sources from the most to the least liked, without a primer first: list of Mean."""
    found = []
    for kind, values in by_listener(ratings).items():
        rows = [row for row in ratings if (row.source, row.primed) == kind]
        mean, low, high = t_interval(list(values.values()))
        if low is not None:
            low, high = max(low, 0.0), min(high, float(HIGHEST))
        pieces = len({row.sample for row in rows})
        found.append(Mean(kind, len(values), len(rows), pieces, mean, low, high))
    best = {}
    for row in found:
        best[row.kind.source] = max(row.mean, best.get(row.kind.source, 0.0))
    return sorted(found, key=lambda row: (-best[row.kind.source], row.kind))


def comparisons(ratings):
    """Tests of all pairs that differ in one thing: the source, or the primer; and of people with every model.

    Returns list of Comparison, the order of kinds as in `means`.
    """
    values = by_listener(ratings)
    kinds = [row.kind for row in means(ratings)]
    found = []
    for a, b in itertools.combinations(kinds, 2):
        if a.source != b.source and a.primed != b.primed and HUMAN not in (a.source, b.source):
            continue
        both = sorted(values[a].keys() & values[b].keys())
        # rounded: 10/3 - 1/3 - 3 is zero
        differences = [round(values[a][listener] - values[b][listener], 9) for listener in both]
        difference, low, high = t_interval(differences)
        found.append(Comparison(a, b, len(both), difference, low, high, signed_rank_p(differences), None))
    corrected = holm([row.p for row in found])
    return [row._replace(p_holm=p) for row, p in zip(found, corrected, strict=True)]


def t_interval(values):
    """Mean and Student's 95 % interval; None for what cannot be said of so few values."""
    from scipy import stats

    n = len(values)
    if n == 0:
        return None, None, None
    mean = math.fsum(values) / n
    if n == 1:
        return mean, None, None
    half = float(stats.t.ppf(0.975, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return mean, mean - half, mean + half


def signed_rank_p(differences):
    """Two-sided p-value of Wilcoxon's signed-rank test, None for fewer than two differences.

    Over all signs that the differences might have had, equally likely: exact, where SciPy's exact test
    knows neither ties nor zeros. Zeros are ranked, and then left out (Pratt 1959).
    """
    from scipy import stats

    if len(differences) < 2:
        return None
    differences = np.asarray(differences, float)
    ranks = np.rint(2 * stats.rankdata(np.abs(differences))).astype(int)  # doubled: ties share halves
    chance = np.ones(1)  # of each sum of the ranks with a plus
    for rank in ranks[differences != 0]:
        chance = (np.pad(chance, (0, rank)) + np.pad(chance, (rank, 0))) / 2
    plus = ranks[differences > 0].sum()
    return min(1.0, 2 * float(min(chance[: plus + 1].sum(), chance[plus:].sum())))


def holm(p_values):
    """Holm's correction of those that are not None, in their order."""
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected, least = [None] * len(p_values), 0.0
    for rank, (p, i) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * p))
        corrected[i] = least
    return corrected
