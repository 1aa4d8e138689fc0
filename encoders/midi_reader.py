"""The bytes of a MIDI file to a Score: chunks, then events, then notes.

The layout is in midi.py, whose `read_midi` is what to call.
"""

import contextlib
import struct
from collections import defaultdict, deque

from encoders.score import MAJOR_KEYS, MINOR_KEYS, Note, Score, Track, check_meter, check_tempo

# What a file may hold. All far beyond real music, and small enough for any machine.
MAX_BYTES = 16 * 2**20
MAX_NOTES = 1_000_000
MAX_CHANGES = 100_000  # of tempo, meter and key together
MAX_BEATS = 100_000  # 13 hours at 120 quarter notes a minute
MAX_SECONDS = 24 * 3600

_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}  # of channel messages
_STRAY_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # of messages meant for cables, not files; the others have none
_SILENCE = (120, 123)  # controllers "all sound off" and "all notes off"
_META, _SYSEX = 0xFF, (0xF0, 0xF7)
_NAME, _TEMPO, _METER, _KEY, _END = 0x03, 0x51, 0x58, 0x59, 0x2F  # kinds of meta event


def parse(data):
    """The Score in the bytes of a file; ValueError, IndexError or struct.error if there is none."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES // 2**20} MB")
    if data[:4] != b"MThd":
        raise ValueError("it does not begin with the letters MThd")
    chunks = _chunks(memoryview(data))
    _, header = next(chunks, (None, b""))
    if len(header) < 6:
        raise ValueError("its header is cut short")
    kind, count, ticks_per_beat = struct.unpack(">HHH", header[:6])
    if kind > 2:
        raise ValueError(f"its type is {kind}, expected 0, 1 or 2")
    if ticks_per_beat & 0x8000:
        raise ValueError("it counts time in film frames (SMPTE), not in beats")
    if ticks_per_beat == 0:
        raise ValueError("it has 0 ticks in a beat")

    reader = _Reader(MAX_BEATS * ticks_per_beat)
    found = 0
    while found < count:
        name, body = next(chunks, (None, None))
        if name is None:
            raise ValueError(f"it has {found} tracks where its header promises {count}")
        if name == b"MTrk":  # other chunks are allowed and hold no music
            reader.read_track(body, sequential=kind == 2)
            found += 1
    score = Score(
        ticks_per_beat,
        reader.tracks,
        *(
            tuple((tick, *value) for tick, value in sorted(changes.items()))
            for changes in (reader.tempos, reader.meters, reader.keys)
        ),
    )
    if score.seconds(reader.end) > MAX_SECONDS:
        raise ValueError(f"it lasts longer than {MAX_SECONDS // 3600} hours")
    return score


def _chunks(data):
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


def _events(data, last_tick):
    """Yield (tick, status, first, second): a message's data bytes, or a meta event's kind and content."""
    position, tick, running = 0, 0, None
    while position < len(data):
        delta, position = _variable_int(data, position)
        tick += delta
        if tick > last_tick:
            raise ValueError(f"it lasts longer than {MAX_BEATS} quarter notes")
        status = data[position]
        if status < 0x80:  # running status: the byte is left out where it repeats
            if running is None:
                raise ValueError(f"data byte {status:#04x} where an event should begin")
            status = running
        else:
            position += 1
        if status == _META or status in _SYSEX:
            kind = None
            if status == _META:
                kind = data[position]
                position += 1
            length, position = _variable_int(data, position)
            if length > len(data) - position:
                raise IndexError
            if status == _META:
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


class _Reader:
    """Collects the tracks of a file and the changes of tempo, meter and key in all of them."""

    def __init__(self, last_tick):
        self.tracks, self.last_tick, self.note_count = [], last_tick, 0
        self.tempos, self.meters, self.keys = {0: (120.0,)}, {0: (4, 4)}, {}  # tick -> values
        self.programs = defaultdict(int)  # channel -> program; one track may set it for another
        self.offset = 0  # where the next pattern of a type 2 file begins
        self.end = 0  # tick of the last event of all

    def read_track(self, data, sequential):
        """Add the notes and changes of one track of the file."""
        name, tick, programs_set = "", 0, []
        sounding = defaultdict(lambda: defaultdict(deque))  # channel -> pitch -> notes begun
        parts = {}  # (channel, program) -> notes
        if sequential:
            self.tempos[self.offset], self.meters[self.offset] = (120.0,), (4, 4)
        for tick, status, first, second in _events(data, self.last_tick - self.offset):
            message, channel = status & 0xF0, status & 0x0F
            if message == 0x90 and second > 0:
                self.note_count += 1
                if self.note_count > MAX_NOTES:
                    raise ValueError(f"it has more than {MAX_NOTES} notes")
                part = parts.setdefault((channel, self.programs[channel]), [])
                sounding[channel][first].append((part, tick, second))
            elif message in (0x80, 0x90):
                if sounding[channel][first]:
                    self._end_note(sounding[channel][first].popleft(), first, tick)
            elif message == 0xC0:
                self.programs[channel] = first
                programs_set = programs_set or [(channel, first)]
            elif message == 0xB0 and first in _SILENCE:
                self._end_all(sounding.pop(channel, {}), tick)
            elif status == _META and first == _NAME:
                name = name or _text(second)
            elif status == _META:
                self._change(self.offset + tick, first, second)
        for pitches in sounding.values():
            self._end_all(pitches, tick)
        if not any(parts.values()):  # a silent track is kept if it names an instrument
            parts = {instrument: [] for instrument in programs_set}
        for (channel, program), notes in parts.items():
            self.tracks.append(Track(name, notes, program, channel))
        self.end = max(self.end, self.offset + tick)
        self.offset += tick if sequential else 0

    def _end_note(self, begun, pitch, tick):
        notes, start, velocity = begun
        if tick > start:
            notes.append(Note(self.offset + start, tick - start, pitch, velocity))

    def _end_all(self, pitches, tick):
        for pitch, begun in pitches.items():
            for note in begun:
                self._end_note(note, pitch, tick)

    def _change(self, tick, kind, data):
        """Note a tempo, meter or key; pass over one that is nonsense."""
        if len(self.tempos) + len(self.meters) + len(self.keys) > MAX_CHANGES:
            raise ValueError(f"it has more than {MAX_CHANGES} changes of tempo, meter and key")
        with contextlib.suppress(ValueError, IndexError, ZeroDivisionError):
            if kind == _TEMPO:
                self.tempos[tick] = (check_tempo(60e6 / int.from_bytes(data[:3], "big")),)
            elif kind == _METER and data[1] < 8:
                self.meters[tick] = check_meter((data[0], 2 ** data[1]))
            elif kind == _KEY:
                sharps = int.from_bytes(data[:1], "big", signed=True)
                if abs(sharps) <= 7:
                    self.keys[tick] = ((MAJOR_KEYS, MINOR_KEYS)[data[1]][sharps + 7],)


def _text(data):
    """A name from a file: UTF-8 if it is that, else Latin-1, and not longer than a line."""
    data = bytes(data[:200])
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
