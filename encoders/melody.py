"""What is left of a tune in any key: steps from note to note, and durations. To find copies and duplicates.

melody(score)                       [(interval, duration), ...], one pair for each note but the first
groups(melodies)                    tunes that are the same, or nearly
split(groups, shares, rng)          whole groups to training, validation, test
Copies(melodies).longest(other)     the longest run of notes that another tune shares with any of these
"""

from collections import Counter, defaultdict
from itertools import pairwise
from typing import NamedTuple

import numpy as np

PARTS = 5040  # of a quarter note, in which durations are counted: all of 1/2 to 1/10 are whole
GRAM = 6  # pairs: runs so long are counted to compare tunes
ALIKE = 0.5  # share of the shorter tune's runs that two near-duplicates have in common
COMMON = 40  # tunes: a run in more of them says nothing


def melody(score):
    """Intervals in semitones, and durations, of the notes of a score after the first; of a chord the highest.

    Returns
    -------
    list of (int, int)
        The duration in parts, PARTS to a quarter note.
    """
    highest = {}
    for note in score.notes():
        highest[note.start] = note  # by rising pitch
    return [
        (after.pitch - before.pitch, round(after.duration * PARTS / score.ticks_per_beat))
        for before, after in pairwise(highest.values())
    ]


def groups(melodies, progress=None):
    """Tunes that belong together: of two, the shorter one has at least half of its runs of GRAM pairs in the
    other. Transposed copies are equal anyway. Time about linear: only tunes that share a run are compared.

    Parameters
    ----------
    melodies : list of lists of (interval, duration)
    progress : function without arguments, called after each tune; None for none

    Returns
    -------
    list of lists of indices, each group and all of them by rising index
    """
    runs = [_runs(pairs) for pairs in melodies]
    tunes_with = Counter(run for own in runs for run in own)
    leader = list(range(len(melodies)))

    def find(tune):
        while leader[tune] != tune:
            leader[tune] = tune = leader[leader[tune]]
        return tune

    where = defaultdict(list)  # the tunes so far with a run
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


def split(groups, shares, rng):
    """Share out tunes, a group never divided.

    Parameters
    ----------
    groups : list of lists of indices
    shares : positive numbers that sum to 1, such as (0.8, 0.1, 0.1)
    rng : numpy Generator

    Returns
    -------
    list of lists of indices, sorted, one for each share; as near to it as whole groups allow

    Raises
    ------
    ValueError
        If the shares are none, or a part would be empty.
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
    """A run that one tune shares with another.

    notes : how many; start : index of its first note; tune : index of the other tune, None if there is none
    """

    notes: int
    start: int
    tune: int | None


class Copies:
    """Finds runs that other tunes share with these; a suffix automaton (Blumer et al. 1985), time linear.

    Parameters
    ----------
    melodies : list of sequences: lists of (interval, duration), or texts, of which the items are characters
    """

    def __init__(self, melodies):
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

    def longest(self, pairs):
        """The longest run of `pairs` that is in one of the melodies, the first one of several.

        Returns
        -------
        Copy
            `notes` counts the pairs and the note before them, so 0 if nothing is shared.
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
