"""The bytes of one event of a MIDI file, and how its header counts time. The layout is in files.py."""

from typing import Any

META, SYSEX, SYSEX_END, END = 0xFF, 0xF0, 0xF7, 0x2F  # END is a kind of meta event

DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}  # of channel messages
_STRAY_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # of messages for cables, not files; the others have none
META_BYTES = {0x2F: 0, 0x51: 3, 0x54: 5, 0x58: 4, 0x59: 2}  # of the kinds whose length is fixed
_FRAMES = (24, 25, 29, 30)  # per second, in SMPTE time; 29 stands for 30000/1001
_LONG_BYTES = 8  # of a number that may be too long
_SYSEX_BYTES = 1024  # in which the end of a system exclusive message is looked for
_CONVINCING = 4  # so many whole events in a row are music

Bytes = bytes | memoryview
Event = tuple[int, int, Any, Any, int]  # see `event_at`


def clock(division: int) -> tuple[int, float | None, int]:
    """The unit of time in a header.

    A file that counts film frames (SMPTE) has no beats: its time is real time, and no tempo changes it. A
    quarter note is taken to last half a second, as in a file that names no tempo, and so has half as many
    ticks as a second; to keep their number whole, a tick of the file becomes two.

    Parameters
    ----------
    division : int in 0..65535, the last number of the header

    Returns
    -------
    ticks_per_beat : int
    tempo : float, quarter notes per minute, or None if the file's tempos hold
    scale : int, ticks of the Score per tick of the file

    Raises
    ------
    ValueError
        If it has no ticks, or an unknown frame rate.
    """
    if division < 0x8000:
        if division == 0:
            raise ValueError("it has 0 ticks in a beat")
        return division, None, 1
    frames, ticks = 256 - (division >> 8), division & 0xFF
    if frames not in _FRAMES or ticks == 0:
        raise ValueError(
            f"its time is in film frames (SMPTE), {frames} a second of {ticks} ticks each; "
            "expected 24, 25, 29 or 30, of at least 1 tick"
        )
    # The slightly slower tempo of 29.97 frames is one that a MIDI file can hold.
    return (30 * ticks, 60e6 / 500_500, 2) if frames == 29 else (frames * ticks, 120.0, 2)


def event_at(data: Bytes, position: int, running: int | None = None, lenient: bool = False) -> Event:
    """The event that begins here.

    Parameters
    ----------
    data : bytes-like, of a track
    position : int
    running : int, the status of the message before; None if there is none
    lenient : bool, accept numbers of more than four bytes, and let a meta event be as long as its kind is and
        a system exclusive message end at its end byte

    Returns
    -------
    ticks : int, since the previous event
    status : int
    first, second : a message's data bytes, or a meta event's kind and content; None for other events
    position : int, after it

    Raises
    ------
    ValueError
        If a byte makes no sense.
    IndexError
        If the data ends in the middle of the event.
    """
    ticks = data[position]
    position += 1
    if ticks > 0x7F:
        ticks, position = variable_int(data, position - 1, lenient)
    status = data[position]
    if status > 0x7F:
        position += 1
    elif running is not None:  # a repeated status may be left out
        status = running
    else:
        raise ValueError(f"data byte {status:#04x} where an event should begin")
    if status < 0xF0:
        if DATA_BYTES[status & 0xF0] == 2:
            return ticks, status, data[position], data[position + 1], position + 2
        return ticks, status, data[position], 0, position + 1
    if status in (META, SYSEX, SYSEX_END):
        kind = None
        if status == META:
            kind = data[position]
            position += 1
        length, position = variable_int(data, position, lenient)
        if lenient and status == SYSEX:
            length = bytes(data[position : position + _SYSEX_BYTES]).find(SYSEX_END) + 1 or length
        elif lenient:
            length = META_BYTES.get(kind, length)
        end = position + length
        if end > len(data):
            raise IndexError
        return ticks, status, kind, data[position:end], end
    return ticks, status, None, None, position + _STRAY_BYTES.get(status, 0)


def variable_int(data: Bytes, position: int, lenient: bool = False) -> tuple[int, int]:
    """(value, next position) of a number stored seven bits to a byte, in up to four bytes.

    Raises
    ------
    ValueError
        If it takes more than four bytes; if `lenient`, more than 28 bits or eight bytes.
    IndexError
        If the data ends within it.
    """
    value = 0
    for _ in range(_LONG_BYTES if lenient else 4):
        byte = data[position]
        position += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            if value >= 1 << 28:
                break
            return value, position
    raise ValueError("a number takes more than four bytes")


def reads_well(data: Bytes, position: int) -> bool:
    """Whether music goes on here: several whole events, the first with its status, or fewer up to the end."""
    running = None
    try:
        for _ in range(_CONVINCING):
            if position >= len(data):
                break
            _, status, first, second, position = event_at(data, position, running)
            if status == META:
                if len(second) != META_BYTES.get(first, len(second)):
                    return False
                if first == END:
                    break
            elif status < 0xF0:
                running = status
                if first > 0x7F or second > 0x7F:
                    return False
            elif status not in (SYSEX, SYSEX_END):
                return False
    except (IndexError, ValueError):
        return False
    return position <= len(data)
