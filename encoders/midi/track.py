"""The bytes of a track of a MIDI file as events, even where some of them make none.

After an event that makes no sense, the track goes on at the next bytes that read as several whole events; if
there are none, or the search was made too often in this file, it ends with the last whole event.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from .events import (
    DATA_BYTES,
    END,
    META,
    META_BYTES,
    SYSEX,
    SYSEX_END,
    Bytes,
    event_at,
    reads_well,
    variable_int,
)
from .findings import Findings

MAX_BEATS = 100_000  # of a file: 13 hours at 120 quarter notes per minute
MAX_REPAIRS = 100  # of a file: searches for the next whole event
TOO_LONG = "it lasts longer than"  # how such a finding begins
DAMAGE = 0  # in place of a status
_CANCELLED = "a message leaves out the status that a meta or system exclusive event has cancelled"
_SEARCHED = 256  # bytes in which the next whole event is looked for
_SOON = 4  # quarter notes: of two ways to read the same bytes, one with a longer time is the wrong one


class TrackEvents:
    """The events of one track.

    Parameters
    ----------
    data : bytes-like
    beat : int, ticks in a quarter note
    before : int, ticks of the file before the track; it ends where the file would be too long
    findings : Findings

    Attributes
    ----------
    position : int, after the last event that was taken
    tick : int, of the last event that was taken
    ended : bool, whether that was an end of track
    whole : bool, False if bytes at the end were left out
    clipped : int, data bytes that were too large
    """

    def __init__(self, data: Bytes, beat: int, before: int, findings: Findings):
        self._data, self._beat, self._findings = data, beat, findings
        self._limit = MAX_BEATS * beat - before
        self.position = self.tick = self.clipped = 0
        self.ended, self.whole = False, True

    def __iter__(self) -> Iterator[tuple[int, int, Any, Any]]:
        """Yield (tick, status, first, second): a message's data bytes, or a meta event's kind and content.

        The status is DAMAGE where bytes were left out. The end of track is not yielded.
        """
        data, limit = self._data, self._limit
        position, size, running, cancelled = 0, len(data), None, False
        while position < size:
            try:
                ticks, status, first, second, after = event_at(data, position, running)
            except IndexError:
                ticks, status, first, second, after = self._mended(position, running, None)
            except ValueError as error:
                ticks, status, first, second, after = self._mended(position, running, str(error))
            if status < 0xF0:
                if first > 0x7F or second > 0x7F:
                    message = ticks, status, first, second, after
                    ticks, status, first, second, after = self._small(position, *message)
                if cancelled and status and data[after - DATA_BYTES[status & 0xF0] - 1] < 0x80:
                    self._findings.add(_CANCELLED)
                running, cancelled = status or None, False
            elif status == META and len(second) != META_BYTES.get(first, len(second)):
                self._findings.add(
                    f"meta event {first:#04x} has {len(second)} bytes, expected {META_BYTES[first]}"
                )
                second, after = self._measured(position, running, second, after)
            elif status == SYSEX and (not second or second[-1] != SYSEX_END):
                second, after = self._measured(position, running, second, after)
            cancelled = status >= 0xF0
            tick = self.tick + ticks
            if status == META and first == END:
                self.tick, self.position, self.ended = tick, after, True
                return
            if tick > limit:
                self._findings.add(f"{TOO_LONG} {MAX_BEATS} quarter notes")
                self.whole = False
            if not self.whole:
                return
            self.tick, self.position = tick, after
            position = after
            yield tick, status, first, second

    def _mended(self, position, running, error):
        """The event that was meant where one makes no sense, or DAMAGE up to the next event.

        If there is no next event, the track is no longer whole.
        """
        with contextlib.suppress(IndexError, ValueError):
            event = event_at(self._data, position, running, lenient=True)
            if reads_well(self._data, event[-1]):
                self._findings.add(error or f"event {event[1]:#04x} is longer than its track")
                return event
        error = error or "a track ends in the middle of an event"
        following = self._next_event(position)
        if following is None:
            self._findings.add(error)
            self.whole = False
            return 0, DAMAGE, 0, 0, position
        return self._left_out(position, following, error)

    def _next_event(self, position):
        """Where the next whole event begins; None if there is none, or too many were looked for."""
        self._findings.repairs += 1
        if self._findings.repairs > MAX_REPAIRS:
            return None
        last = min(len(self._data), position + _SEARCHED)
        return next((at for at in range(position + 1, last) if reads_well(self._data, at)), None)

    def _left_out(self, position, following, error):
        """DAMAGE for the bytes between, with the time of a message whose status or data is missing."""
        self._findings.add(f"{error}; {following - position} bytes are left out")
        with contextlib.suppress(IndexError, ValueError):
            ticks, after = variable_int(self._data, position)
            if 1 <= following - after <= 2 and ticks <= _SOON * self._beat:
                return ticks, DAMAGE, 0, 0, following
        return 0, DAMAGE, 0, 0, following

    def _small(self, position, *message):
        """A message with a data byte above 127, which counts as 127 unless the next event begins with it."""
        ticks, status, first, second, after = message
        high = after - (1 if first <= 0x7F else DATA_BYTES[status & 0xF0])
        with contextlib.suppress(IndexError, ValueError):
            soon = variable_int(self._data, high)[0] <= _SOON * self._beat and self._data[high] > 0x80
            if soon and self._findings.repairs < MAX_REPAIRS and reads_well(self._data, high):
                self._findings.repairs += 1
                error = f"byte {self._data[high]:#04x} where a data byte should be"
                return self._left_out(position, high, error)
        self.clipped += (first > 0x7F) + (second > 0x7F)
        return ticks, status, min(first, 0x7F), min(second, 0x7F), after

    def _measured(self, position, running, content, after):
        """(content, position after it) of an event whose length may be wrong.

        It is as long as it says or as it should be, whichever lets the music go on.
        """
        if not reads_well(self._data, after):
            with contextlib.suppress(IndexError, ValueError):
                _, status, _, usual, end = event_at(self._data, position, running, lenient=True)
                if end != after and reads_well(self._data, end):
                    if status == SYSEX:
                        self._findings.add(f"event 0xf0 promises {len(content)} bytes, it takes {len(usual)}")
                    return usual, end
        return content, after
