"""Bar lines of an ABC tune in all shapes, endings, and overlays; between Music and Reader.

The standard asks readers to be liberal: a bar line is any row of | [ ] and colons. Pieces of it are taken
from left to right, so that `||:|` and `[|]:|` end a repeat and `|:|` begins one.

Source: the ABC music standard 2.1, sections 4.8 to 4.10 and 7.4.
"""

import re
from math import inf

from .events import BOTH, DOUBLE, END, MARK, PLAIN, START, BarLine, Change, quoted
from .music import Music
from .scanner import Token

RECENT = 8  # events in which the bar line before a lone colon is looked for

_PIECES = re.compile(r"\[\|\]|\|\||\|\]|\[\||[\[|]:+|:+[|\]]|:+|\||\[|\]")
_ENDING = re.compile(r"([1-9][0-9]?)(?:-([1-9][0-9]?))?", re.ASCII)


class BarLines(Music):
    """Makes events of bar lines; see Music and Reader."""

    def __init__(self, first_line: int):
        super().__init__(first_line)
        self.open = None  # index of the |: that has no end yet
        self.colon = None  # one that stands apart, and how many events there were
        self.overlaid, self.long_overlay = 0, False  # bar lines until an overlay ends

    def on_bar(self, token: Token) -> None:
        signs = token.text.lstrip(".").rstrip("0123456789,-[")
        numbers = token.text[len(token.text.rstrip("0123456789,-")) :]
        if self.take_colon():
            signs = ":" + signs
        self.bar_line(token, *kind_of(signs), numbers)

    def on_ending(self, token: Token) -> None:
        self.bar_line(token, MARK, 1, token.text[1:])

    def bar_line(self, token: Token, kind: str, times: int, numbers: str) -> None:
        self.close_chord("expected the end of a chord before the bar line")
        if kind is not MARK:
            if self.left or self.broken_at:
                at = self.broken_at or self.tuplet_at
                self.odd(at, "a tuplet or a broken rhythm goes on over a bar line")
            self.accidentals = {}
            if not self.broken_at:
                self.last = None
        endings = endings_of(numbers)
        if numbers and not endings:
            self.problem(token, f"expected numbers of endings, got {quoted(numbers)}")
        if kind is START and self.open is not None and self.latest > self.open:
            self.lost(token, "a repeat without an end, taken to end where the next one begins")
            kind, times = BOTH, 2
        if kind in (END, BOTH, START) or endings:
            self.open = len(self.events) if kind in (START, BOTH) and not endings else None
        self.events.append(BarLine(kind, times, endings, token.line, token.column))

    def on_other(self, token: Token) -> None:
        """A colon or the number of an ending may stand apart from its bar line; anything else is an error."""
        recent = range(len(self.events) - 1, max(-1, len(self.events) - 1 - RECENT), -1)
        place = next((k for k in recent if type(self.events[k]) is not Change), None)
        before = None if place is None else self.events[place]
        after_bar = type(before) is BarLine and not before.endings
        if token.text == ":" and after_bar:
            kind = BOTH if before.kind in (END, BOTH) else START
            self.odd(token, "a colon apart from its bar line")
            self.events[place], self.open = before._replace(kind=kind), place
        elif token.text == ":":
            self.take_colon()
            self.colon = token, len(self.events)
        elif token.kind == "number" and after_bar:
            self.odd(token, "the number of an ending apart from its bar line")
            self.on_ending(token._replace(text="[" + token.text))
        else:
            self.problem(token, f"expected music, got {quoted(token.text)}")

    on_number = on_other

    def take_colon(self) -> bool:
        """Whether a colon stood apart just before; one that stood elsewhere is an error."""
        if self.colon is None:
            return False
        (token, events), self.colon = self.colon, None
        if events == len(self.events):
            return True
        self.problem(token, "expected music, got ':'")
        return False

    def on_overlay(self, token: Token) -> None:
        """What follows & would sound together with the bar before it: it is left out up to the bar line."""
        if token.text == "(&":
            self.long_overlay = True
            return
        self.close_chord("expected the end of a chord before an overlay")
        self.lost_once(token, "an overlay '&' is left out")
        self.left, self.broken_at = 0, None
        self.overlaid = inf if self.long_overlay else len(token.text)

    def end_overlay(self, token: Token) -> None:
        """A bar line, or &), within an overlay."""
        if token.text == "&)":
            self.overlaid, self.long_overlay = 1, False
        elif token.kind == "bar":
            self.overlaid -= 1
            if not self.overlaid:
                self.on_bar(token)


def kind_of(signs: str) -> tuple[str, int]:
    """(kind, times) of the signs of a bar line, as in `BarLine`."""
    pieces = _PIECES.findall(signs)
    start = end = double = False
    times = 1
    for place, piece in enumerate(pieces):
        colons = piece.count(":")
        if piece[0] == ":" and (piece[-1] != ":" or place == 0):
            end, start, times = True, piece[-1] == ":" and len(pieces) == 1, colons + 1
            if start:  # nothing but colons
                times = max(2, colons // 2 + 1)
        elif colons:
            start = True
        double = double or piece in ("||", "|]", "[|")
    if start or end:
        return BOTH if start and end else START if start else END, times
    return DOUBLE if double else PLAIN, 1


def endings_of(text: str) -> tuple[int, ...]:
    """The numbers of "1", "1,3" or "1-3" as a tuple; () unless all are between 1 and 99."""
    numbers: list[int] = []
    for part in text.split(",") if text else ():
        found = _ENDING.fullmatch(part)
        if not found or int(found[1]) > int(found[2] or found[1]):
            return ()
        numbers += range(int(found[1]), int(found[2] or found[1]) + 1)
    return tuple(numbers)
