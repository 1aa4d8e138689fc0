"""A tune without its key, as intervals and durations: to find copies and near-duplicates.

melody(score)                       [(interval, duration), ...], one pair for each note but the first
groups(melodies)                    tunes that are equal, or nearly so
split(groups, shares, rng)          whole groups to training, validation, test
Copies(melodies).longest(other)     the longest run of notes that another tune shares with any of these
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .score import Score

PARTS = 5040  # units of duration in a quarter note: 1/2 to 1/10 of it are whole numbers
GRAM = 6  # pairs in the runs by which tunes are compared
ALIKE = 0.5  # share of the shorter tune's runs that two near-duplicates have in common
COMMON = 40  # tunes: a run that occurs in more of them tells nothing apart


def melody(score: Score) -> list[tuple[int, int]]:
    """Intervals in semitones and durations of all notes but the first; of a chord, the highest note.

    Returns
    -------
    list of (int, int)
        The duration in units of 1/PARTS of a quarter note.
    """
    highest = {}
    for note in score.notes():
        highest[note.start] = note  # by rising pitch
    return [
        (after.pitch - before.pitch, round(after.duration * PARTS / score.ticks_per_beat))
        for before, after in pairwise(highest.values())
    ]


def groups(
    melodies: Sequence[Sequence[tuple[int, int]]], progress: Callable[[], object] | None = None
) -> list[list[int]]:
    """Tunes that belong together: of two, at least half of the shorter one's runs of GRAM pairs are in the
    other. Transposed copies are equal anyway. Only tunes that share a run are compared, in about linear time.

    Parameters
    ----------
    melodies : list of lists of (interval, duration)
    progress : function without arguments, called after each tune; None for none

    Returns
    -------
    list of lists of indices, each group sorted, the groups by their first index
    """
    runs = [_runs(pairs) for pairs in melodies]
    tunes_with = Counter(run for own in runs for run in own)
    leader = list(range(len(melodies)))

    def find(tune):
        while leader[tune] != tune:
            leader[tune] = tune = leader[leader[tune]]
        return tune

    where = defaultdict(list)  # run -> the tunes so far that have it
    for tune, own in enumerate(runs):
        shared = Counter()
        for run in own:
            if 1 < tunes_with[run] <= COMMON:
                shared.update(where[run])
                where[run].append(tune)
        for other, count in shared.items():
            if count >= ALIKE * min(len(own), len(runs[other])):
                first, second = sorted((find(tune), find(other)))
                leader[second] = first
        if progress is not None:
            progress()
    found = defaultdict(list)
    for tune in range(len(melodies)):
        found[find(tune)].append(tune)
    return list(found.values())


def _runs(pairs):
    if len(pairs) < GRAM:
        return {tuple(pairs)}
    return {tuple(pairs[k : k + GRAM]) for k in range(len(pairs) - GRAM + 1)}


def split(
    groups: Sequence[Sequence[int]], shares: Sequence[float], rng: np.random.Generator
) -> list[list[int]]:
    """Divide tunes into parts, keeping each group whole.

    Parameters
    ----------
    groups : list of lists of indices
    shares : positive numbers that sum to 1, such as (0.8, 0.1, 0.1)
    rng : numpy Generator

    Returns
    -------
    list of sorted lists of indices, one for each share, as near to it as whole groups allow

    Raises
    ------
    ValueError
        If the shares are not positive or do not sum to 1, or a part would be empty.
    """
    if not all(share > 0 for share in shares) or abs(sum(shares) - 1) > 1e-9:
        raise ValueError(f"expected positive shares that sum to 1, got {shares}")
    total = sum(map(len, groups))
    wanted = [share * total for share in shares]
    parts = [[] for _ in shares]
    for index in rng.permutation(len(groups)):
        most = int(np.argmax([(want - len(part)) / want for want, part in zip(wanted, parts, strict=True)]))
        parts[most] += groups[index]
    if not all(parts):
        raise ValueError(f"expected at least {len(shares)} different tunes, got {len(groups)}")
    return [sorted(part) for part in parts]


class Copy(NamedTuple):
    """A run of notes that one tune shares with another.

    notes : its length; start : index of its first note; tune : index of the other tune, None if there is none
    """

    notes: int
    start: int
    tune: int | None


class Copies:
    """Finds runs that other tunes share with these, in linear time: a suffix automaton (Blumer et al. 1985).

    Parameters
    ----------
    melodies : iterable of sequences: lists of (interval, duration), or texts, whose items are characters
    """

    def __init__(self, melodies: Iterable[Sequence[Any]]):
        self.next, self.link, self.length, self.tune = [{}], [-1], [0], [None]
        for tune, pairs in enumerate(melodies):
            last = 0
            for pair in pairs:
                last = self._extend(last, pair, tune)

    def _state(self, following, link, length, tune):
        self.next.append(following)
        self.link.append(link)
        self.length.append(length)
        self.tune.append(tune)
        return len(self.next) - 1

    def _split(self, state, pair, after):
        """A copy of the state `after` for the shorter runs that end there."""
        clone = self._state(
            dict(self.next[after]), self.link[after], self.length[state] + 1, self.tune[after]
        )
        self.link[after] = clone
        while state >= 0 and self.next[state].get(pair) == after:
            self.next[state][pair] = clone
            state = self.link[state]
        return clone

    def _extend(self, last, pair, tune):
        after = self.next[last].get(pair)
        if after is not None:  # an earlier tune had this
            return after if self.length[after] == self.length[last] + 1 else self._split(last, pair, after)
        new = self._state({}, 0, self.length[last] + 1, tune)
        state = last
        while state >= 0 and pair not in self.next[state]:
            self.next[state][pair] = new
            state = self.link[state]
        if state >= 0:
            after = self.next[state][pair]
            exact = self.length[after] == self.length[state] + 1
            self.link[new] = after if exact else self._split(state, pair, after)
        return new

    def longest(self, pairs: Sequence[Any]) -> Copy:
        """The longest run of `pairs` that is in one of the melodies; of several, the first.

        Returns
        -------
        Copy
            `notes` counts the pairs and the note before them; it is 0 if nothing is shared.
        """
        state = length = 0
        best = (0, 0, None)
        for place, pair in enumerate(pairs):
            while state and pair not in self.next[state]:
                state = self.link[state]
                length = self.length[state]
            if pair in self.next[state]:
                state, length = self.next[state][pair], length + 1
            if length > best[0]:
                best = (length, place + 1 - length, self.tune[state])
        return Copy(best[0] + 1 if best[0] else 0, best[1], best[2])
