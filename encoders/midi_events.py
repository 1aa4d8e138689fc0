"""The bytes of a MIDI file as chunks, and the bytes of a track as events. The layout is in midi.py."""

import struct

MAX_BEATS = 100_000  # of a file: 13 hours at 120 quarter notes a minute

META, SYSEX = 0xFF, (0xF0, 0xF7)

_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}  # of channel messages
_STRAY_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # of messages meant for cables, not files; the others have none
_END = 0x2F  # a kind of meta event
_FRAMES = (24, 25, 29, 30)  # a second, in SMPTE time; 29 stands for 30000/1001


def chunks(data):
    """Yield (four letters, content) of each chunk."""
    position = 0
    while position < len(data):
        if len(data) - position < 8:
            return  # a stray byte or two after the last chunk
        name, length = struct.unpack(">4sL", data[position : position + 8])
        position += 8
        if length > len(data) - position:
            name = name.decode("latin-1")
            raise ValueError(f"chunk {name!r} promises {length} bytes, {len(data) - position} follow")
        yield name, data[position : position + length]
        position += length


def clock(division):
    """What the header says of time.

    A file that counts film frames (SMPTE) has no beats: its time is real time, and no tempo changes it. A
    quarter note is taken to last half a second, as in a file that names no tempo, and so has half as many
    ticks as a second; to keep them whole, a tick of the file becomes two.

    Parameters
    ----------
    division : int in 0..65535, the last number of the header

    Returns
    -------
    ticks_per_beat : int
    tempo : float, quarter notes per minute, or None if the file is to say it
    scale : int, ticks of ours to one of the file
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


def events(data, last_tick, scale=1):
    """Yield (tick, status, first, second): a message's data bytes, or a meta event's kind and content.

    Raises
    ------
    ValueError
        If a byte makes no sense, or a tick is beyond the last.
    IndexError
        If the bytes end in the middle of an event.
    """
    position, tick, running = 0, 0, None
    while position < len(data):
        delta, position = _variable_int(data, position)
        tick += delta * scale
        if tick > last_tick:
            raise ValueError(f"it lasts longer than {MAX_BEATS} quarter notes")
        status = data[position]
        if status < 0x80:  # running status: the byte is left out where it repeats
            if running is None:
                raise ValueError(f"data byte {status:#04x} where an event should begin")
            status = running
        else:
            position += 1
        if status == META or status in SYSEX:
            kind = None
            if status == META:
                kind = data[position]
                position += 1
            length, position = _variable_int(data, position)
            if length > len(data) - position:
                raise IndexError
            if status == META:
                yield tick, status, kind, data[position : position + length]
                if kind == _END:
                    return
            position += length
        elif status < 0xF0:
            running = status
            # A bit too many is a common fault: such bytes count as 127.
            first = min(data[position], 127)
            second = min(data[position + 1], 127) if _DATA_BYTES[status & 0xF0] == 2 else 0
            position += _DATA_BYTES[status & 0xF0]
            yield tick, status, first, second
        else:
            position += _STRAY_BYTES.get(status, 0)


def _variable_int(data, position):
    """(value, next position) of a number stored seven bits to a byte; four bytes at most."""
    value = 0
    for _ in range(4):
        byte = data[position]
        position += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, position
    raise ValueError("a number takes more than four bytes")
