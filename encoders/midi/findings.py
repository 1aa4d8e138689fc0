"""What was mended or left out in a MIDI file, as lines. The kinds: `read_midi` in files.py."""

from ..reasons import kind_of


class Findings:
    """Collects lines, one for each kind: the first of the kind, and how many more there were."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}  # kind -> line
        self._counts: dict[str, int] = {}
        self.repairs = 0  # see track.py

    def add(self, line: str) -> None:
        """Add a line, or count it if its kind is known."""
        kind = kind_of(line)
        self._first.setdefault(kind, line)
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def lines(self) -> tuple[str, ...]:
        """The lines, in the order in which their kinds first occurred."""
        return tuple(
            line if self._counts[kind] == 1 else f"{line} (and {self._counts[kind] - 1} more)"
            for kind, line in self._first.items()
        )
