"""The keys of an instrument, struck and released, as notes; releases may be missing.

    strikes and releases   A  B  b  C  c  D  d     of one key, one release too few
    notes                  |--|--|  |--|  |--|

Overlapping notes of one key end in the order in which they began. That takes as many releases as strikes: if
one is missing, a note would end with the release of the next, that one with the release of its next, and so
on. So each release is matched with the strike before it, and a strike that is left without one ends with the
next strike.
"""

from collections import defaultdict
from typing import Any


class Keys:
    """The keys of one track that are down.

    Parameters
    ----------
    keep_empty : bool, keep notes of zero length

    Attributes
    ----------
    missing : int, how many releases were missing
    """

    def __init__(self, keep_empty: bool):
        self.missing = 0
        self._keep_empty = keep_empty
        # channel -> pitch -> (strikes, releases) since the key was last up
        self._down: defaultdict[int, dict[int, Any]] = defaultdict(dict)

    def strike(self, channel: int, pitch: int, tick: int, velocity: int, notes: list) -> None:
        """Begin a note; when it ends it is added to `notes` as (start, end, pitch, velocity)."""
        begun = tick, velocity, notes
        held = self._down[channel].get(pitch)
        if held is None:
            self._down[channel][pitch] = [begun], []
        else:
            held[0].append(begun)

    def release(self, channel: int, pitch: int, tick: int) -> None:
        """Release a key; nothing happens if it is not down."""
        held = self._down[channel].get(pitch)
        if held is None:
            return
        strikes, releases = held
        releases.append((tick, len(strikes)))
        if len(releases) == len(strikes):
            self._settle(pitch, strikes, releases)
            del self._down[channel][pitch]

    def release_all(self, channel: int, tick: int) -> None:
        """Release all keys of a channel."""
        for pitch, held in self._down.pop(channel, {}).items():
            last = self._end_all_but_last(pitch, *held)
            if last:
                self._add(pitch, last, tick)

    def settle(self) -> None:
        """End for good what has ended so far: bytes are missing here, and maybe releases with them."""
        for channel, keys in self._down.items():
            left = {}
            for pitch, (strikes, releases) in keys.items():
                if len(strikes) == len(releases) + 1:
                    self._settle(pitch, strikes, releases)
                    last = strikes[-1]
                else:
                    last = self._end_all_but_last(pitch, strikes, releases)
                if last:
                    left[pitch] = [last], []
            self._down[channel] = left

    def finish(self, tick: int) -> None:
        """End what still sounds at the end of the track."""
        for keys in self._down.values():
            for pitch, held in keys.items():
                last = self._end_all_but_last(pitch, *held)
                if last:
                    self.missing += 1
                    self._add(pitch, last, tick)
        self._down.clear()

    def _settle(self, pitch, strikes, releases):
        for begun, (tick, _) in zip(strikes, releases, strict=False):
            self._add(pitch, begun, tick)

    def _end_all_but_last(self, pitch, strikes, releases):
        """End the notes of a key, without a release at the next strike; return the last if it has none."""
        left = _without_release(strikes, releases)
        lost = set(left)
        self._settle(pitch, [begun for k, begun in enumerate(strikes) if k not in lost], releases)
        last = strikes[left.pop()] if left[-1] == len(strikes) - 1 else None
        self.missing += len(left)
        for k in left:
            if strikes[k + 1][0] > strikes[k][0]:
                self._add(pitch, strikes[k], strikes[k + 1][0])
        return last

    def _add(self, pitch, begun, end):
        start, velocity, notes = begun
        if end > start or self._keep_empty:
            notes.append((start, end, pitch, velocity))


def _without_release(strikes, releases):
    """Positions of the strikes for which no release is left."""
    open_, struck = [], 0
    for _, before in releases:
        open_.extend(range(struck, before))
        struck = before
        open_.pop()
    return [*open_, *range(struck, len(strikes))]
