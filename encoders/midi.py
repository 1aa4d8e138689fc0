"""MIDI files: `read_midi` makes a Score, `write_midi` stores one, `MidiWriter` stores music while it is made.

The reader takes files of any origin. It walks the bytes itself, so that a damaged file cannot hang it or fill
the memory, keeps what a `Score` holds, and refuses a file whose notes could not be trusted. The writer puts
tempo, meter and key in a first track and each instrument in a track of its own (a "type 1" file).

    MThd  type, number of tracks, ticks in a quarter note
    MTrk  (ticks since the last event, event) (ticks, event) ... end of track
"""

import contextlib
import heapq
import shutil
import struct
import tempfile
from collections import defaultdict, deque
from pathlib import Path

from mido import Message, MetaMessage, bpm2tempo
from mido.midifiles.meta import encode_variable_int

from encoders.score import (
    DRUM_CHANNEL,
    MAJOR_KEYS,
    MINOR_KEYS,
    Note,
    Score,
    Track,
    check_key,
    check_meter,
    check_tempo,
)
from scratchnet.files import atomic_open

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


class MidiError(ValueError):
    """A file that cannot be read as MIDI; the message names it and says why."""


def read_midi(path):
    """Read a MIDI file.

    A track of the result is one instrument: the notes of one track of the file with the same channel and
    program. Notes of one pitch that overlap end in the order in which they began; a note that never ends,
    ends with its track; a note of no length is dropped. The patterns of a type 2 file follow one another.
    Tempos, meters and keys that mean nothing (0 beats a bar, nine sharps) are passed over.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Score

    Raises
    ------
    MidiError
        If the file is damaged or no MIDI file, counts frames and not beats (SMPTE), or is absurdly long.
    OSError
        If there is no such file or it cannot be opened.
    """
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    try:
        return _parse(data)
    except IndexError:
        reason = "it ends in the middle of an event"
    except (ValueError, struct.error) as error:
        reason = str(error)
    raise MidiError(f"cannot read {path} as MIDI: {reason}")


def _parse(data):
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
    score = Score(ticks_per_beat, reader.tracks, *(
        tuple((tick, *value) for tick, value in sorted(changes.items()))
        for changes in (reader.tempos, reader.meters, reader.keys)
    ))
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


def write_midi(score, path):
    """Write a score as a MIDI file of type 1; the file appears whole or not at all.

    Parameters
    ----------
    score : Score
    path : path-like

    Raises
    ------
    ValueError
        If a tempo does not fit into MIDI (below 3.6 quarter notes a minute) or a silence is too long.
    OSError
        If the file cannot be written.
    """
    changes = (
        [(tick, {"tempo": tempo}) for tick, tempo in score.tempos[1:]]
        + [(tick, {"meter": meter}) for tick, *meter in score.meters[1:]]
        + [(tick, {"key": key}) for tick, key in score.keys]
    )
    tracks = [(track.name, track.program, track.channel) for track in score.tracks]
    with MidiWriter(path, score.ticks_per_beat, score.tempos[0][1], score.meters[0][1:], tracks) as midi:
        for tick, change in sorted(changes, key=lambda item: item[0]):
            midi.change(tick, **change)
        for i, track in enumerate(score.tracks):
            midi.add(i, track.notes, score.end)


class MidiWriter:
    """A MIDI file written in pieces, in memory that does not grow with its length.

    Each track goes to a temporary file of its own. When the `with` block ends they are joined, and the file
    appears under its name; if the block ends with an exception, nothing remains.

    Parameters
    ----------
    path : path-like
    ticks_per_beat : int in 1..32767, ticks in a quarter note
    tempo : float, quarter notes per minute
    meter : (numerator, denominator)
    tracks : list of (name, program) or (name, program, channel); without a channel, one that is free

    Raises
    ------
    ValueError
        If a value is out of range.

    Examples
    --------
    >>> with MidiWriter("out.mid", tracks=[("piano", 0)]) as midi:  # doctest: +SKIP
    ...     for bar in range(10_000):
    ...         midi.add(0, [Note(bar * 1920, 480, 60)], until=(bar + 1) * 1920)
    """

    def __init__(self, path, ticks_per_beat=480, tempo=120.0, meter=(4, 4), tracks=()):
        self.path = Path(path)
        tracks = [Track(name, (), *rest) for name, *rest in tracks]  # checks the values
        if len(tracks) > 0xFFFE:
            raise ValueError(f"a MIDI file holds 65534 tracks beside its first, got {len(tracks)}")
        self._header = Score(ticks_per_beat, tracks, ((0, tempo),), ((0, *meter),))
        self._spools = []
        self._until = [0] * len(tracks)

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._file = stack.enter_context(atomic_open(self.path, "wb"))
            for _ in range(len(self._header.tracks) + 1):
                self._spools.append(stack.enter_context(_Spool()))
            self.change(0, tempo=self._header.tempos[0][1], meter=self._header.meters[0][1:])
            instruments = zip(self._spools[1:], self._header.tracks, self._channels(), strict=True)
            for spool, track, channel in instruments:
                spool.channel = channel
                # mido stores Latin-1; UTF-8 bytes disguised as Latin-1 let a name be in any language
                spool.write(0, MetaMessage("track_name", name=track.name.encode().decode("latin-1")))
                spool.write(0, Message("program_change", channel=channel, program=track.program))
            self._stack = stack.pop_all()
        return self

    def _channels(self):
        """A channel for each track; those without get the free ones in turn, never the drums'."""
        taken = {track.channel for track in self._header.tracks} | {DRUM_CHANNEL}
        free = [c for c in range(16) if c not in taken] or [c for c in range(16) if c != DRUM_CHANNEL]
        turn = 0
        for track in self._header.tracks:
            if track.channel is None:
                yield free[turn % len(free)]
                turn += 1
            else:
                yield track.channel

    def change(self, tick, tempo=None, meter=None, key=None):
        """Change tempo, meter or key; the ticks of successive calls must not fall.

        Parameters
        ----------
        tick : int
        tempo : float, quarter notes per minute
        meter : (numerator, denominator)
        key : str, like "C", "F#" or "Bbm"
        """
        if tempo is not None:
            microseconds = bpm2tempo(check_tempo(tempo))
            if not 1 <= microseconds <= 0xFFFFFF:
                raise ValueError(f"a MIDI file cannot hold a tempo of {tempo} quarter notes a minute")
            self._spools[0].write(tick, MetaMessage("set_tempo", tempo=microseconds))
        if meter is not None:
            above, below = check_meter(meter)
            self._spools[0].write(tick, MetaMessage("time_signature", numerator=above, denominator=below))
        if key is not None:
            self._spools[0].write(tick, MetaMessage("key_signature", key=check_key(key)))

    def add(self, track, notes, until):
        """Add notes to a track.

        Parameters
        ----------
        track : int, position in `tracks`
        notes : iterable of Note, in any order, that start before `until` and not before the previous `until`
        until : int, the tick before which every note of the track has now been given

        Raises
        ------
        ValueError
            If there is no such track, or a note starts outside the piece of time that is being added.
        """
        if not (self._spools and 0 <= track < len(self._until)):
            raise ValueError(f"no track {track} is open: {len(self._until)} inside the `with` block")
        spool, since = self._spools[track + 1], self._until[track]
        if until < since:
            raise ValueError(f"until must not fall: {until} after {since}")
        for note in sorted(notes, key=lambda note: note.start):
            if not since <= note.start < until:
                raise ValueError(f"a note starts at {note.start}, outside the added ticks {since} to {until}")
            spool.begin_note(note)
        spool.end_notes(until)
        self._until[track] = until

    def __exit__(self, *exception):
        if exception[0] is not None:
            return self._stack.__exit__(*exception)  # which deletes what there is
        with self._stack:
            self._join()

    def _join(self):
        """Close every track at the last tick of all, and copy them into the file."""
        for spool in self._spools:
            spool.end_notes(float("inf"))
        end = max([spool.tick for spool in self._spools] + self._until)
        self._file.write(b"MThd" + struct.pack(">LHHH", 6, 1, len(self._spools), self._header.ticks_per_beat))
        for spool in self._spools:
            spool.write(end, MetaMessage("end_of_track"))
            spool.copy_to(self._file)


class _Spool:
    """One track of a file being written: its bytes so far, and the notes that still sound."""

    def __init__(self):
        self.tick = 0  # of the last event
        self.channel = 0
        self._bytes = tempfile.SpooledTemporaryFile(max_size=2**20)  # beyond 1 MB on disk, without a name
        self._sounding = []  # heap of (end, pitch)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._bytes.close()

    def write(self, tick, message):
        delta = tick - self.tick
        if not 0 <= delta <= 0x0FFFFFFF:
            raise ValueError(f"an event at tick {tick} cannot follow one at tick {self.tick}")
        self._bytes.write(bytes(encode_variable_int(delta)) + message.bin())
        self.tick = tick

    def begin_note(self, note):
        self.end_notes(note.start)  # first end, then begin: a pitch may be struck again at once
        self._write_note(note.start, "note_on", note.pitch, note.velocity)
        heapq.heappush(self._sounding, (note.end, note.pitch))

    def end_notes(self, until):
        while self._sounding and self._sounding[0][0] <= until:
            end, pitch = heapq.heappop(self._sounding)
            self._write_note(end, "note_off", pitch, 64)

    def _write_note(self, tick, kind, pitch, velocity):
        # mido's checks would take most of the time, and `Note` has made them
        self.write(tick, Message(kind, skip_checks=True, channel=self.channel, note=pitch, velocity=velocity))

    def copy_to(self, file):
        length = self._bytes.tell()
        if length > 0xFFFFFFFF:
            raise ValueError("a MIDI track cannot be larger than 4 GiB")
        file.write(b"MTrk" + struct.pack(">L", length))
        self._bytes.seek(0)
        shutil.copyfileobj(self._bytes, file)
