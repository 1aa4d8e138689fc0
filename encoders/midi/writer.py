"""Writing a MIDI file piece by piece: `MidiWriter`. The layout is in files.py."""

import contextlib
import heapq
import shutil
import struct
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mido import Message, MetaMessage, bpm2tempo
from mido.midifiles.meta import encode_variable_int

from scratchnet.files import atomic_open

from ..score import DRUM_CHANNEL, Note, Score, Track, check_key, check_meter, check_tempo
from ..sources import StrPath


class MidiWriter:
    """A MIDI file written in pieces, in memory that does not grow with its length.

    Each track goes to a temporary file. When the `with` block ends they are joined, and the file appears
    under its name; if the block ends with an exception, nothing remains.

    Parameters
    ----------
    path : path-like
    ticks_per_beat : int in 1..32767, ticks in a quarter note
    tempo : float, quarter notes per minute
    meter : (numerator, denominator)
    tracks : list of (name, program) or (name, program, channel); without a channel, a free one is taken

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

    def __init__(
        self,
        path: StrPath,
        ticks_per_beat: int = 480,
        tempo: float = 120.0,
        meter: Sequence[int] = (4, 4),
        tracks: Iterable[tuple[str, int] | tuple[str, int, int | None]] = (),
    ):
        self.path = Path(path)
        tracks = [Track(name, (), *rest) for name, *rest in tracks]  # checks the values
        if len(tracks) > 0xFFFE:
            raise ValueError(f"a MIDI file holds 65534 tracks beside its first, got {len(tracks)}")
        self._header = Score(ticks_per_beat, tracks, ((0, tempo),), ((0, *meter),))
        self._spools = []
        self._until = [0] * len(tracks)

    def __enter__(self) -> "MidiWriter":
        with contextlib.ExitStack() as stack:
            self._file = stack.enter_context(atomic_open(self.path, "wb"))
            for _ in range(len(self._header.tracks) + 1):
                self._spools.append(stack.enter_context(_Spool()))
            self.change(0, tempo=self._header.tempos[0][1], meter=self._header.meters[0][1:])
            instruments = zip(self._spools[1:], self._header.tracks, self._channels(), strict=True)
            for spool, track, channel in instruments:
                spool.channel = channel
                # mido writes Latin-1: UTF-8 bytes disguised as Latin-1 allow names in any language
                spool.write(0, MetaMessage("track_name", name=track.name.encode().decode("latin-1")))
                spool.write(0, Message("program_change", channel=channel, program=track.program))
            self._stack = stack.pop_all()
        return self

    def _channels(self):
        """A channel for each track; those without one get the free ones in turn, never the drums'."""
        taken = {track.channel for track in self._header.tracks} | {DRUM_CHANNEL}
        free = [c for c in range(16) if c not in taken] or [c for c in range(16) if c != DRUM_CHANNEL]
        turn = 0
        for track in self._header.tracks:
            if track.channel is None:
                yield free[turn % len(free)]
                turn += 1
            else:
                yield track.channel

    def change(
        self,
        tick: int,
        tempo: float | None = None,
        meter: Sequence[int] | None = None,
        key: str | None = None,
    ) -> None:
        """Change tempo, meter or key; the ticks of successive calls must not decrease.

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
                raise ValueError(f"a MIDI file cannot hold a tempo of {tempo} quarter notes per minute")
            self._spools[0].write(tick, MetaMessage("set_tempo", tempo=microseconds))
        if meter is not None:
            above, below = check_meter(meter)
            self._spools[0].write(tick, MetaMessage("time_signature", numerator=above, denominator=below))
        if key is not None:
            self._spools[0].write(tick, MetaMessage("key_signature", key=check_key(key)))

    def add(self, track: int, notes: Iterable[Note], until: int) -> None:
        """Add notes to a track.

        Parameters
        ----------
        track : int, position in `tracks`
        notes : iterable of Note, in any order, that start before `until` and not before the previous `until`
        until : int, the tick before which every note of the track has now been added

        Raises
        ------
        ValueError
            If there is no such track, or a note starts outside the time being added.
        """
        if not (self._spools and 0 <= track < len(self._until)):
            raise ValueError(f"no track {track} is open: {len(self._until)} inside the `with` block")
        spool, since = self._spools[track + 1], self._until[track]
        if until < since:
            raise ValueError(f"until must not decrease: {until} after {since}")
        for note in sorted(notes, key=lambda note: note.start):
            if not since <= note.start < until:
                raise ValueError(f"a note starts at {note.start}, outside the added ticks {since} to {until}")
            spool.begin_note(note)
        spool.end_notes(until)
        self._until[track] = until

    def __exit__(self, *exception: Any) -> bool | None:
        if exception[0] is not None:
            return self._stack.__exit__(*exception)  # which deletes what there is
        with self._stack:
            self._join()
        return None

    def _join(self):
        """End every track at the last tick of all, and copy them into the file."""
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
        self._bytes = tempfile.SpooledTemporaryFile(max_size=2**20)  # beyond 1 MB, an unnamed file on disk
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
