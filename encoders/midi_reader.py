"""The bytes of a MIDI file to a Score: what midi_events.py finds, collected as notes and changes.

`read_midi` in midi.py is what to call.
"""

import contextlib
import struct
from collections import defaultdict, deque
from operator import itemgetter

import numpy as np

from encoders.midi_events import MAX_BEATS, META, chunks, clock, events
from encoders.midi_pedal import held_ends, pedal_times
from encoders.score import MAJOR_KEYS, MINOR_KEYS, Note, Score, Track, check_meter, check_tempo

# What a file may hold. All far beyond real music, and small enough for any machine.
MAX_BYTES = 16 * 2**20
MAX_NOTES = 500_000
MAX_PEDALS = 500_000  # movements of pedals
MAX_CHANGES = 100_000  # of tempo, meter and key together
MAX_SECONDS = 24 * 3600
# Nor may a few notes last for hours, or a hundred bytes would become gigabytes of sound: a piece may last
FEW_SECONDS, NOTE_SECONDS = 600, 10  # so long, and so much more for each note

_PEDAL, _SOUND_OFF, _RESET, _NOTES_OFF = 64, 120, 121, 123  # controllers
_DOWN = 64  # a pedal's value from here on
_NAME, _TEMPO, _METER, _KEY = 0x03, 0x51, 0x58, 0x59  # kinds of meta event


def parse(data, pedal=False):
    """The Score in the bytes of a file.

    Parameters
    ----------
    data : bytes
    pedal : bool, let the sustain pedal lengthen notes

    Returns
    -------
    Score

    Raises
    ------
    ValueError
        If there is none; the message says why.
    """
    try:
        return _parse(data, pedal)
    except IndexError:
        raise ValueError("it ends in the middle of an event") from None


def _parse(data, pedal):
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES // 2**20} MB")
    if data[:4] != b"MThd":
        raise ValueError("it does not begin with the letters MThd")
    parts = chunks(memoryview(data))
    _, header = next(parts, (None, b""))
    if len(header) < 6:
        raise ValueError("its header is cut short")
    kind, count, division = struct.unpack(">HHH", header[:6])
    if kind > 2:
        raise ValueError(f"its type is {kind}, expected 0, 1 or 2")

    reader = _Reader(*clock(division), pedal)
    found = 0
    while found < count:
        name, body = next(parts, (None, None))
        if name is None:
            raise ValueError(f"it has {found} tracks where its header promises {count}")
        if name == b"MTrk":  # other chunks are allowed and hold no music
            reader.read_track(body, sequential=kind == 2)
            found += 1
    return reader.score()


class _Reader:
    """Collects the tracks of a file and the changes of tempo, meter and key in all of them."""

    def __init__(self, ticks_per_beat, tempo, scale, pedal):
        self.ticks_per_beat, self.tempo, self.scale, self.pedal = ticks_per_beat, tempo, scale, pedal
        self.tempos, self.meters, self.keys = {}, {}, {}  # tick -> values
        self.programs = defaultdict(int)  # channel -> program; one track may set it for another
        self.parts = []  # (name, program, channel, [(start, end, pitch, velocity), ...])
        self.pedals = defaultdict(list)  # channel -> [(tick, is down), ...]
        self.note_count = self.pedal_count = 0
        self.offset = 0  # where the next pattern of a type 2 file begins
        self.end = 0  # tick of the last event of all
        self._begin()

    def _begin(self):
        """The tempo and meter of what does not name any."""
        self.tempos[self.offset], self.meters[self.offset] = (self.tempo or 120.0,), (4, 4)

    def read_track(self, data, sequential):
        """Add the notes and changes of one track of the file."""
        name, tick, programs_set = "", self.offset, []
        sounding = defaultdict(lambda: defaultdict(deque))  # channel -> pitch -> notes begun
        parts = {}  # (channel, program) -> notes
        if sequential:
            self._begin()
        last_tick = MAX_BEATS * self.ticks_per_beat - self.offset
        for ticks, status, first, second in events(data, last_tick, self.scale):
            tick = self.offset + ticks
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
            elif message == 0xB0:
                if first in (_SOUND_OFF, _NOTES_OFF):
                    self._end_all(sounding.pop(channel, {}), tick)
                if self.pedal and first in (_PEDAL, _SOUND_OFF, _RESET):
                    self._move_pedal(channel, tick, first == _PEDAL and second >= _DOWN)
            elif status == META and first == _NAME:
                name = name or _text(second)
            elif status == META:
                self._change(tick, first, second)
        for pitches in sounding.values():
            self._end_all(pitches, tick)
        if not any(parts.values()):  # a silent track is kept if it names an instrument
            parts = {instrument: [] for instrument in programs_set}
        for (channel, program), notes in parts.items():
            self.parts.append((name, program, channel, notes))
        self.end = max(self.end, tick)
        if sequential:
            self.offset = tick
            for channel in list(self.pedals):
                self._move_pedal(channel, tick, False)

    def _end_note(self, begun, pitch, tick):
        notes, start, velocity = begun
        if tick > start or self.pedal:  # which may lengthen it yet
            notes.append((start, tick, pitch, velocity))

    def _end_all(self, pitches, tick):
        for pitch, begun in pitches.items():
            for note in begun:
                self._end_note(note, pitch, tick)

    def _move_pedal(self, channel, tick, is_down):
        moves = self.pedals[channel]
        if moves and moves[-1] == (tick, is_down):
            return
        self.pedal_count += 1
        if self.pedal_count > MAX_PEDALS:
            raise ValueError(f"it has more than {MAX_PEDALS} movements of a pedal")
        moves.append((tick, is_down))

    def _change(self, tick, kind, data):
        """Note a tempo, meter or key; pass over one that is nonsense."""
        if len(self.tempos) + len(self.meters) + len(self.keys) > MAX_CHANGES:
            raise ValueError(f"it has more than {MAX_CHANGES} changes of tempo, meter and key")
        with contextlib.suppress(ValueError, IndexError, ZeroDivisionError):
            if kind == _TEMPO and self.tempo is None:
                self.tempos[tick] = (check_tempo(60e6 / int.from_bytes(data[:3], "big")),)
            elif kind == _METER and data[1] < 8:
                self.meters[tick] = check_meter((data[0], 2 ** data[1]))
            elif kind == _KEY:
                sharps = int.from_bytes(data[:1], "big", signed=True)
                if abs(sharps) <= 7:
                    self.keys[tick] = ((MAJOR_KEYS, MINOR_KEYS)[data[1]][sharps + 7],)

    def score(self):
        """What was read, as a Score."""
        if self.pedal:
            self._hold()
        tracks = []
        for name, program, channel, notes in self.parts:
            sounding = (Note(start, end - start, *rest) for start, end, *rest in notes if end > start)
            tracks.append(Track(name, sounding, program, channel))
            notes.clear()  # which may be many
        changes = (
            tuple((tick, *value) for tick, value in sorted(changes.items()))
            for changes in (self.tempos, self.meters, self.keys)
        )
        score = Score(self.ticks_per_beat, tracks, *changes)
        if score.seconds(self.end) > MAX_SECONDS:
            raise ValueError(f"it lasts longer than {MAX_SECONDS // 3600} hours")
        limit = FEW_SECONDS + NOTE_SECONDS * self.note_count
        if score.seconds(score.end) > limit:
            raise ValueError(f"it lasts longer than {limit // 60} minutes with {self.note_count} notes")
        return score

    def _hold(self):
        """Let the pedals lengthen the notes of their channels, whichever track these are in."""
        for pedal, moves in self.pedals.items():
            moves.sort(key=itemgetter(0))  # moves of one tick stay in order
            lists = [notes for _, _, channel, notes in self.parts if channel == pedal]
            rows = np.array([note for notes in lists for note in notes], np.int64).reshape(-1, 4)
            ends = iter(held_ends(*rows[:, :3].T, *pedal_times(moves, self.end)).tolist())
            for notes in lists:
                notes[:] = [(start, next(ends), *rest) for start, _, *rest in notes]


def _text(data):
    """A name from a file: UTF-8 if it is that, else Latin-1, and not longer than a line."""
    data = bytes(data[:200])
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
