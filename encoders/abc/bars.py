"""Bars of a tune that was read: their lengths, and the order in which they sound with all repeats."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .events import BOTH, DOUBLE, END, MARK, PLAIN, START, WHOLE, AbcError, Bar, BarLine, Change, Part, Sound

MOST_EVENTS = 100_000  # of a tune with all repeats

Event = Sound | BarLine | Change | Part


def bars_of(events: Iterable[Event]) -> list[Bar]:
    """The bars of a tune, and whether they fill their meter.

    A bar may be too short where a repeat, a double bar, an ending or an end of the tune cuts it, if the bar
    at another such cut completes it; so may the first bar of a tune, an upbeat.
    """
    found, meter, length, first, opened = [], None, 0, None, True
    for event in events:
        if type(event) is Sound:
            first = first or event
            length += event.length
        elif type(event) is Part:
            pass
        elif type(event) is Change:
            if event.name == "meter":
                meter = WHOLE * event.value[0] // event.value[1]
        else:
            cut = event.kind != PLAIN or bool(event.endings)
            if first and event.kind != MARK:
                found.append([first, length, meter, opened, cut])
                length, first, opened = 0, None, cut
            elif not first:  # a second sign for the same place
                opened = opened or cut
                if found:
                    found[-1][4] = opened
    if first:
        found.append([first, length, meter, opened, True])
    begins = {length for _, length, meter, opened, _ in found if opened and length != meter}
    ends = {length for _, length, meter, _, cut in found if cut and length != meter}
    bars = []
    for number, (sound, length, meter, opened, cut) in enumerate(found):
        rests = not sound.pitches and sound.length == length  # several bars of them, Z4, count as full
        fills = meter is None or length == meter or rests and length % meter == 0
        if not fills and length < meter:
            rest = meter - length
            fills = number == 0 or opened and rest in ends or cut and rest in begins
        bars.append(Bar(sound.line, sound.column, length, meter, fills))
    return bars


@dataclass
class Section:
    """What is repeated as a whole: events that always sound, then endings, one for each turn.

    parts : list of (numbers of the ending, state at its beginning, events); the first has no numbers
    """

    explicit: bool  # whether it begins with |:
    parts: list[tuple[tuple[int, ...], dict[str, Change], list[Event]]] = field(default_factory=list)
    times: int = 1
    over: bool = False  # :| has been read, and no further ending since

    def numbers(self) -> set[int]:
        """The numbers of its endings."""
        return {number for numbers, _, _ in self.parts for number in numbers}


def sections_of(events: Iterable[Event], state: Mapping[str, Change] | None = None) -> list[Section]:
    """A tune cut where repeats begin and end.

    A repeat without a beginning starts after the last repeat or double bar, or with the tune; the last ending
    ends with the next double bar or repeat, or is as long as the first one. `state` is the key, meter and
    tempo in which they begin, Changes by name.
    """
    state = state or {}
    state, sections = dict(state), []

    def begin(explicit):
        sections.append(Section(explicit, [((), dict(state), [])]))

    begin(False)
    for event in events:
        section = sections[-1]
        if type(event) is BarLine:
            if event.kind in (END, BOTH):
                section.times, section.over = max(section.times, event.times), True
            closes = section.over or not section.explicit or len(section.parts) > 1
            if event.kind in (START, BOTH) or event.kind == DOUBLE and closes and not event.endings:
                begin(event.kind != DOUBLE)
            elif event.endings and section.numbers() & set(event.endings):
                tail = take_tail(section)
                begin(False)
                sections[-1].parts[0][2].extend(tail)
            if event.endings:
                sections[-1].parts.append((event.endings, dict(state), []))
                sections[-1].over = False
            sections[-1].parts[-1][2].append(event)
            continue
        if type(event) is Change:
            state[event.name] = event
        elif section.over:
            begin(False)
        sections[-1].parts[-1][2].append(event)
    return sections


def take_tail(section: Section) -> list[Event]:
    """Cut the last ending to the length of the first, for it has no other end, and return the rest."""
    first, last = section.parts[1][2], section.parts[-1][2]
    bars = sum(type(event) is BarLine for event in first)
    lines = [k for k, event in enumerate(last) if type(event) is BarLine]
    cut = lines[bars] if len(lines) > bars else len(last)
    tail = last[cut:]
    del last[cut:]
    return tail


def unfold(events: Sequence[Event], order: str | None = None, line: int = 1) -> list[Sound | Change]:
    """The events in the order in which they sound: repeats played, each time with its own ending.

    Key, meter and tempo are repeated at the beginning of each turn.

    Parameters
    ----------
    events : list of Sound, BarLine, Change and Part
    order : str, a letter for each part that sounds; None for all once, as they are written
    line : int, for the message

    Raises
    ------
    AbcError
        If there would be more than MOST_EVENTS.
    """
    parts = parts_of(events) if order else {}
    if not parts.keys() - {""}:
        parts, order = {"": [({}, events)]}, ""
    played, done = [], {}
    for name in ["", *order]:
        if name not in done:
            done[name] = []
            for state, part in parts.get(name, ()):
                done[name] += _unfold(part, state, line)
                if len(done[name]) > MOST_EVENTS:
                    raise _too_many(line)
        played += done[name]
        if len(played) > MOST_EVENTS:
            raise _too_many(line)
    return played


def parts_of(events: Iterable[Event]) -> dict[str, list[tuple[dict[str, Change], list[Event]]]]:
    """Name -> [(state at its beginning, its events)]; "" is what precedes the first part."""
    state: dict[str, Change] = {}
    parts: dict[str, Any] = {}
    part: list[Event] = []
    parts[""] = [({}, part)]
    for event in events:
        if type(event) is Part:
            part = []
            parts.setdefault(event.name, []).append((dict(state), part))
            continue
        if type(event) is Change:
            state[event.name] = event
        part.append(event)
    return parts


def _unfold(events, state, line):
    played = []
    for section in sections_of(events, state):
        body, *endings = section.parts
        total = max([section.times, *section.numbers()])
        for turn in range(1, total + 1):
            chosen = [ending for ending in endings if turn in ending[0]]
            for _, state, part in [body, *chosen[:1]]:
                played.extend(state.values())
                played.extend(
                    event for event in part if type(event) is not BarLine and type(event) is not Part
                )
                if len(played) > MOST_EVENTS:
                    raise _too_many(line)
    return played


def _too_many(line):
    return AbcError(line, 1, f"expected at most {MOST_EVENTS} notes with all repeats")
