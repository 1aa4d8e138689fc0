"""What is wrong in a MIDI file and was mended or left out, as lines. `read_midi` in midi.py has the kinds."""

import re
from functools import lru_cache


@lru_cache(maxsize=256)
def kind_of(line):
    """A line but for its names and numbers, the same for all of a kind."""
    return re.sub(r"'[^']*'|0x\w+|\d[\d,.]*", "..", line)


class Findings:
    """Collects lines, one for each kind: the first of the kind, and how many more there were."""

    def __init__(self):
        self._first, self._counts = {}, {}  # kind -> line, number
        self.repairs = 0  # see midi_track.py

    def add(self, line):
        kind = kind_of(line)
        self._first.setdefault(kind, line)
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def lines(self):
        """Tuple of str, in the order in which their kinds came."""
        return tuple(
            line if self._counts[kind] == 1 else f"{line} (and {self._counts[kind] - 1} more)"
            for kind, line in self._first.items()
        )
