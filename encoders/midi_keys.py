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
            self._end(pitch, *held, tick, missing=0)

    def settle(self):
        """What has ended so far, has ended for good: here bytes are missing, and releases with them."""
        for keys in self._down.values():
            for pitch, (strikes, releases) in keys.items():
                self._settle(pitch, strikes, releases)
                del strikes[: len(releases)], releases[:]

    def finish(self, tick):
        """End what still sounds with the track."""
        for keys in self._down.values():
            for pitch, held in keys.items():
                self._end(pitch, *held, tick, missing=1)
        self._down.clear()

    def _settle(self, pitch, strikes, releases):
        for begun, (tick, _) in zip(strikes, releases, strict=False):
            self._add(pitch, begun, tick)

    def _end(self, pitch, strikes, releases, end, missing):
        """End all notes of a key; `missing` releases are, if the last strike has none."""
        left = _without_release(strikes, releases)
        self.missing += len(left) - (not missing and left[-1] == len(strikes) - 1)
        for k in left:
            until = strikes[k + 1][0] if k + 1 < len(strikes) else end
            if until > strikes[k][0] or k + 1 == len(strikes):
                self._add(pitch, strikes[k], until)
        left = set(left)
        self._settle(pitch, [begun for k, begun in enumerate(strikes) if k not in left], releases)

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
