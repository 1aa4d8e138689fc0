"""What is wrong in a MIDI file and was mended or left out, as lines. The kinds: `read_midi` in files.py."""

from ..reasons import kind_of


class Findings:
    """Collects lines, one for each kind: the first of the kind, and how many more there were."""

    def __init__(self):
        self._first, self._counts = {}, {}  # kind -> line, number
        self.repairs = 0  # see track.py

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
