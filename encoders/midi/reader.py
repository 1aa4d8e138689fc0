"""The bytes of a MIDI file as a Score: what chunks.py and track.py find, as notes and changes.

Users call `read_midi` in files.py.
"""

from collections import defaultdict
from operator import itemgetter

import numpy as np

from ..score import MAJOR_KEYS, MINOR_KEYS, Note, Score, Track, check_meter, check_tempo
from .chunks import Chunks, unwrap
from .events import META, clock
from .findings import Findings
from .keys import Keys
from .pedal import held_ends, pedal_times
from .track import DAMAGE, TOO_LONG, TrackEvents

# What a file may hold: far more than real music does, and little enough for any machine.
MAX_BYTES = 16 * 2**20
MAX_TRACKS = 65_535  # the most a header can promise
MAX_NOTES = 500_000
MAX_PEDALS = 500_000  # movements of pedals
MAX_CHANGES = 100_000  # of tempo, meter and key together
MAX_SECONDS = 24 * 3600
# A piece may last FEW_SECONDS, and NOTE_SECONDS more for each note: otherwise a few notes could last for
# hours, and a hundred bytes become gigabytes of sound.
FEW_SECONDS, NOTE_SECONDS = 600, 10
MAX_WAIT = 256  # quarter notes from a track's last event to the end of notes that nothing else ends

_PEDAL, _SOUND_OFF, _RESET, _NOTES_OFF = 64, 120, 121, 123  # controllers
_DOWN = 64  # the lowest value of a pedal that is down
_NAME, _TEMPO, _METER, _KEY = 0x03, 0x51, 0x58, 0x59  # kinds of meta event


def parse(data: bytes, pedal: bool = False) -> tuple[Score, tuple[str, ...]]:
    """The Score in the bytes of a file.

    Parameters
    ----------
    data : bytes
    pedal : bool, let the sustain pedal lengthen notes

    Returns
    -------
    score : Score
    findings : tuple of str, what was mended or left out

    Raises
    ------
    ValueError
        If there is no music in it, or too much; the message gives the reason.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES // 2**20} MB")
    findings = Findings()
    data = unwrap(data, findings)
    chunks = Chunks(data, findings)
    kind, count, division = chunks.header
    if kind > 2:
        findings.add(f"its type is {kind}, expected 0, 1 or 2")
    reader = _Reader(*clock(division), pedal, findings)
    view, found = memoryview(data), 0
    while found < MAX_TRACKS and chunks.next_track():
        found += 1
        events = reader.read_track(view[chunks.start : chunks.end], sequential=kind == 2)
        chunks.go_on(chunks.start + events.position, events.ended)
    while found < count and chunks.next_misnamed():
        found += 1
        reader.read_track(view[chunks.start : chunks.end], sequential=kind == 2)
    if found != count:
        findings.add(f"it has {found} tracks where its header promises {count}")
    score = reader.score()
    lines = findings.lines()
    whole_but_too_long = all(line.startswith(TOO_LONG) for line in lines)
    if lines and (whole_but_too_long or not any(track.notes for track in score.tracks)):
        raise ValueError(lines[0])
    return score, lines


class _Reader:
    """Collects the tracks of a file and the changes of tempo, meter and key in all of them."""

    def __init__(self, ticks_per_beat, tempo, scale, pedal, findings):
        self.ticks_per_beat, self.tempo, self.scale, self.pedal = ticks_per_beat, tempo, scale, pedal
        self.findings = findings
        self.tempos, self.meters, self.keys = {}, {}, {}  # tick -> values
        self.programs = defaultdict(int)  # channel -> program; one track may set it for another
        self.parts = []  # (name, program, channel, [(start, end, pitch, velocity), ...])
        self.pedals = defaultdict(list)  # channel -> [(tick, is down), ...]
        self.note_count = self.pedal_count = self.clipped = self.missing = 0
        self.offset = 0  # where the next pattern of a type 2 file begins
        self.end = 0  # tick of the end of all
        self._begin()

    def _begin(self):
        """Set the tempo and meter that hold until the file names others."""
        self.tempos[self.offset], self.meters[self.offset] = (self.tempo or 120.0,), (4, 4)

    def read_track(self, data, sequential):
        """Add the notes and changes of one track of the file; returns its TrackEvents."""
        name, programs_set = "", []
        keys = Keys(keep_empty=self.pedal)  # the pedal may lengthen an empty note
        parts = {}  # (channel, program) -> notes
        if sequential:
            self._begin()
        events = TrackEvents(
            data, self.ticks_per_beat // self.scale, self.offset // self.scale, self.findings
        )
        tick = self.offset
        for ticks, status, first, second in events:
            tick = self.offset + ticks * self.scale
            message, channel = status & 0xF0, status & 0x0F
            if message == 0x90 and second > 0:
                self.note_count += 1
                if self.note_count > MAX_NOTES:
                    raise ValueError(f"it has more than {MAX_NOTES} notes")
                part = parts.setdefault((channel, self.programs[channel]), [])
                keys.strike(channel, first, tick, second, part)
            elif message in (0x80, 0x90):
                keys.release(channel, first, tick)
            elif message == 0xC0:
                self.programs[channel] = first
                programs_set = programs_set or [(channel, first)]
            elif message == 0xB0:
                if first in (_SOUND_OFF, _NOTES_OFF):
                    keys.release_all(channel, tick)
                if self.pedal and first in (_PEDAL, _SOUND_OFF, _RESET):
                    self._move_pedal(channel, tick, first == _PEDAL and second >= _DOWN)
            elif status == META and first == _NAME:
                name = name or _text(second)
            elif status == META:
                self._change(tick, first, second)
            elif status == DAMAGE:
                keys.settle()
        if not events.whole:
            keys.settle()
        last = tick + MAX_WAIT * self.ticks_per_beat
        # where the track ends, unless that is hours later
        tick = min(self.offset + events.tick * self.scale, last)
        keys.finish(tick)
        self.clipped += events.clipped
        self.missing += keys.missing if events.whole else 0
        if not any(parts.values()):  # a silent track is kept if it names an instrument
            parts = {instrument: [] for instrument in programs_set}
        for (channel, program), notes in parts.items():
            self.parts.append((name, program, channel, notes))
        self.end = max(self.end, tick)
        if sequential:
            self.offset = tick
            for channel in list(self.pedals):
                self._move_pedal(channel, tick, False)
        return events

    def _move_pedal(self, channel, tick, is_down):
        moves = self.pedals[channel]
        if moves and moves[-1] == (tick, is_down):
            return
        self.pedal_count += 1
        if self.pedal_count > MAX_PEDALS:
            raise ValueError(f"it has more than {MAX_PEDALS} movements of a pedal")
        moves.append((tick, is_down))

    def _change(self, tick, kind, data):
        """Record a tempo, meter or key; skip one that is nonsense."""
        if len(self.tempos) + len(self.meters) + len(self.keys) > MAX_CHANGES:
            raise ValueError(f"it has more than {MAX_CHANGES} changes of tempo, meter and key")
        try:
            if kind == _TEMPO and self.tempo is None:
                self.tempos[tick] = (check_tempo(60e6 / int.from_bytes(data[:3], "big")),)
            elif kind == _METER:
                self.meters[tick] = check_meter((data[0], 2 ** min(data[1], 7)))
            elif kind == _KEY:
                sharps = int.from_bytes(data[:1], "big", signed=True)
                if abs(sharps) > 7:
                    raise ValueError
                self.keys[tick] = ((MAJOR_KEYS, MINOR_KEYS)[data[1]][sharps + 7],)
        except (ValueError, IndexError, ZeroDivisionError):
            self.findings.add("a tempo, meter or key means nothing")

    def score(self):
        """Everything that was read, as a Score."""
        if self.pedal:
            self._hold()
        if self.clipped:
            self.findings.add(f"{self.clipped} data bytes are above 127")
        if self.missing:
            self.findings.add(f"{self.missing} note-offs are missing")
        changes = [
            tuple((tick, *value) for tick, value in sorted(changes.items()))
            for changes in (self.tempos, self.meters, self.keys)
        ]
        last = self._last_end(Score(self.ticks_per_beat, (), *changes))
        tracks = []
        for name, program, channel, notes in self.parts:
            sounding = (Note(start, end - start, *rest) for start, end, *rest in notes if start < end <= last)
            tracks.append(Track(name, sounding, program, channel))
            notes.clear()  # there may be many
        return Score(self.ticks_per_beat, tracks, *changes)

    def _last_end(self, score):
        """The tick by which notes must end: infinity, unless the piece is far too long."""
        ends = np.sort([end for *_, notes in self.parts for start, end, *_ in notes if start < end])
        seconds = score.seconds(ends)
        limits = FEW_SECONDS + NOTE_SECONDS * np.arange(1, len(ends) + 1)
        fits = seconds <= np.minimum(limits, MAX_SECONDS)
        if not len(ends) or fits[-1]:
            return float("inf")
        too_long = (
            f"{MAX_SECONDS // 3600} hours"
            if seconds[-1] > MAX_SECONDS
            else f"{limits[-1] // 60} minutes with {len(ends)} notes"
        )
        self.findings.add(f"{TOO_LONG} {too_long}")
        return ends[fits][-1] if fits.any() else 0

    def _hold(self):
        """Let the pedals lengthen the notes of their channels, in whichever track they are."""
        for pedal, moves in self.pedals.items():
            moves.sort(key=itemgetter(0))  # moves of one tick stay in order
            lists = [notes for _, _, channel, notes in self.parts if channel == pedal]
            rows = np.array([note for notes in lists for note in notes], np.int64).reshape(-1, 4)
            ends = iter(held_ends(*rows[:, :3].T, *pedal_times(moves, self.end)).tolist())
            for notes in lists:
                notes[:] = [(start, next(ends), *rest) for start, _, *rest in notes]


def _text(data):
    """A name from a file: UTF-8 if valid, else Latin-1; no longer than a line."""
    data = bytes(data[:200])
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
