"""The keys of an instrument, struck and released, as notes; releases may be missing.

    strikes and releases   A  B  b  C  c  D  d     of one key, one release too few
    notes                  |--|--|  |--|  |--|

Notes of one key that overlap end in the order in which they began. That needs as many releases as strikes:
where one is missing, a note would end with the release of the next, that one with that of its next, and on.
So a strike that no release is left for, if each belongs to the strike before it, ends with the next strike.
"""

from collections import defaultdict


class Keys:
    """The keys of one track that are down.

    Parameters
    ----------
    keep_empty : bool, keep notes of no length

    Attributes
    ----------
    missing : int, releases that were not there
    """

    def __init__(self, keep_empty):
        self.missing = 0
        self._keep_empty = keep_empty
        self._down = defaultdict(dict)  # channel -> pitch -> (strikes, releases) since the key was last up

    def strike(self, channel, pitch, tick, velocity, notes):
        """Begin a note; once it ends it is added to `notes` as (start, end, pitch, velocity)."""
        begun = tick, velocity, notes
        held = self._down[channel].get(pitch)
        if held is None:
            self._down[channel][pitch] = [begun], []
        else:
            held[0].append(begun)

    def release(self, channel, pitch, tick):
        """Let a key go; one that is not down stays as it is."""
        held = self._down[channel].get(pitch)
        if held is None:
            return
        strikes, releases = held
        releases.append((tick, len(strikes)))
        if len(releases) == len(strikes):
            self._settle(pitch, strikes, releases)
            del self._down[channel][pitch]

    def release_all(self, channel, tick):
        """Let all keys of a channel go."""
        for pitch, held in self._down.pop(channel, {}).items():
            last = self._end_all_but_last(pitch, *held)
            if last:
                self._add(pitch, last, tick)

    def settle(self):
        """What has ended so far, has ended for good: here bytes are missing, and releases with them."""
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

    def finish(self, tick):
        """End what still sounds with the track."""
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
        """End the notes of a key, without release with the next strike; return the last if it has none."""
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
