"""Damages MIDI files and reads them, with limits of time and memory; not a test, but where tests come from.

    python -m tests.fuzz_midi FOLDER ... [--files 20000] [--first 0]

Damaged file number n is always the same, given the same folders. Each is read, encoded and written; what is
neither read nor refused with the documented error, in time, is printed with its number and kept in the folder
`fuzzed`, and so is a file in which damage changed what came before it.
"""

import contextlib
import re
import struct
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from encoders.midi import MidiError, MidiWarning, read_midi, write_midi
from encoders.midi.chunks import Chunks
from encoders.midi.events import META, clock
from encoders.midi.findings import Findings
from encoders.midi.reader import parse
from encoders.midi.track import TrackEvents
from encoders.tokens.note_duration import NoteDuration

MOST_BYTES = 3000  # of a file to damage: of larger ones the beginning is taken
TELLING = (0, 1, 0x3F, 0x40, 0x7F, 0x80, 0x81, 0x90, 0xB0, 0xC0, 0xF0, 0xF7, 0xFF, 0x51, 0x58, 0x59, 0x2F)


def sources(folders):
    """The bytes of the MIDI files in folders, those of large ones shortened."""
    paths = sorted(path for folder in folders for path in Path(folder).rglob("*.mid*") if path.is_file())
    return [shortened(path.read_bytes()) for path in paths]


def shortened(data):
    """A file whose long tracks end early; their lengths are right."""
    return (
        joined(data[:14], [track[:MOST_BYTES] for track in tracks(data)]) if len(data) > MOST_BYTES else data
    )


def tracks(data):
    """The contents of a file's chunks after the header, as far as they can be told apart."""
    found, position = [], 14
    while position + 8 <= len(data):
        (length,) = struct.unpack(">L", data[position + 4 : position + 8])
        found.append(data[position + 8 : position + 8 + length])
        position += 8 + length
    return found


def joined(header, contents):
    return header + b"".join(b"MTrk" + struct.pack(">L", len(content)) + content for content in contents)


def damaged(originals, number):
    """Damaged file `number`."""
    rng = np.random.default_rng([number, 5])
    data = originals[rng.integers(len(originals))]
    contents = tracks(data)
    other = originals[rng.integers(len(originals))]
    if contents and rng.random() < 0.7:  # damage in a track, whose length stays right
        k = rng.integers(len(contents))
        contents[k] = mutated(contents[k], other, rng)
        header = bytearray(data[:14])
        if rng.random() < 0.2 and len(header) == 14:
            header[rng.integers(9, 14)] = TELLING[rng.integers(len(TELLING))]
        data = joined(bytes(header), contents)
        return misframed(data, rng) if rng.random() < 0.3 else data
    return misframed(data, rng) if rng.random() < 0.5 else mutated(data, other, rng)


def misframed(data, rng):
    """A file whose events are whole; a chunk's name or length is wrong, or bytes lie between chunks."""
    heads = [at for at in range(14, len(data) - 7) if data[at : at + 4] == b"MTrk"]
    if not heads:
        return data
    data, at = bytearray(data), int(heads[rng.integers(len(heads))])
    kind = rng.integers(5)
    if kind == 0:
        data[at + rng.integers(4, 8)] ^= 1 << rng.integers(8)
    elif kind == 1:
        data[at + 6 : at + 8] = rng.integers(256, size=2, dtype=np.uint8).tobytes()
    elif kind == 2:
        data[at + rng.integers(4)] = rng.integers(256)
    elif kind == 3:
        data[at:at] = rng.integers(256, size=rng.integers(1, 20), dtype=np.uint8).tobytes()
    else:
        data[:0] = b"RIFF" + struct.pack("<L", len(data) + 12) + b"RMIDdata" + struct.pack("<L", len(data))
    return bytes(data)


def damaged_behind(originals, number):
    """Damaged file `number` of another row: (the original, the damaged file, where the damage begins)."""
    rng = np.random.default_rng([number, 6])
    data = originals[rng.integers(len(originals))]
    at = int(rng.integers(14, max(15, len(data))))
    other = originals[rng.integers(len(originals))]
    behind = b"" if rng.random() < 0.2 else mutated(data[at:], other, rng)
    return data, data[:at] + behind, at


def notes_by_bytes(data):
    """[(byte after its end, (start, end, pitch, velocity, channel)), ...] of a file's notes.

    Without keys that are struck while they are down: which note-off belongs to which of these strikes may
    be told by what comes after.
    """
    found = []
    try:
        chunks = Chunks(data, Findings())
        beat, _, scale = clock(chunks.header[2])
    except ValueError:  # nothing that could be lost
        return found
    while chunks.header[0] < 2 and chunks.next_track():
        down, overlapping, notes = {}, set(), []
        events = TrackEvents(data[chunks.start : chunks.end], beat // scale, 0, Findings())
        for ticks, status, first, second in events:
            tick, message, channel = ticks * scale, status & 0xF0, status & 0x0F
            if status < META and message == 0x90 and second:
                if (channel, first) in down:
                    overlapping.add((channel, first))
                down[channel, first] = tick, second
            elif message in (0x80, 0x90) and (channel, first) in down:
                start, velocity = down.pop((channel, first))
                if tick > start:
                    notes.append((chunks.start + events.position, (start, tick, first, velocity, channel)))
            elif message == 0xB0 and first in (120, 123):
                overlapping |= {key for key in down if key[0] == channel}
        found += [row for row in notes if (row[1][4], row[1][2]) not in overlapping]
        chunks.go_on(chunks.start + events.position, events.ended)
    return found


def examine_what_came_before(original, data, at):
    """Whether all notes that ended before a damage are there; an AssertionError if one is not."""
    before = Counter(note for end, note in notes_by_bytes(original) if end <= at)
    try:
        score, findings = parse(data)
    except ValueError as error:
        score, findings = None, (str(error),)
    found = Counter(
        (note.start, note.end, note.pitch, note.velocity, track.channel)
        for track in (score.tracks if score else ())
        for note in track.notes
    )
    if before - found and any(re.search("longer than .* (notes|hours)$", line) for line in findings):
        return "too long"  # a tempo makes hours of it, and notes are left out by their seconds
    if before - found:
        raise AssertionError(
            f"{(before - found).total()} of {before.total()} notes before byte {at} are lost"
        )
    return "kept" if before else "nothing before"


def mutated(data, other, rng):
    """Bytes with one to eight faults; half of the time such as leave most events whole."""
    data = bytearray(data)
    gentle = rng.random() < 0.5
    for _ in range(rng.integers(1, 9)):
        at = int(rng.integers(len(data) + 1))
        until = at + int(rng.integers(1, 40))
        kind = rng.integers(7)
        if gentle:
            if at < len(data) and data[at] < 0x80:
                data[at] = rng.integers(0x80) if kind else 0
        elif kind == 0 and at < len(data):
            data[at] = rng.integers(256)
        elif kind == 1 and at < len(data):
            data[at] = TELLING[rng.integers(len(TELLING))]
        elif kind == 2:
            del data[at:until]
        elif kind == 3:
            data[at:at] = rng.integers(256, size=until - at, dtype=np.uint8).tobytes()
        elif kind == 4:
            data[at:at] = data[at:until] * int(rng.integers(1, 20))
        elif kind == 5:
            begin = int(rng.integers(len(other) + 1))
            data[at:until] = other[begin : begin + until - at]
        elif kind == 6 and rng.random() < 0.3:
            del data[at:]
        else:  # a long time or length
            data[at:at] = bytes([*rng.integers(0x80, 0x100, rng.integers(1, 4)), rng.integers(0x80)])
    return bytes(data)


def examine(data):
    """What becomes of a file: "read", or why it is refused; any other exception is a fault."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "damaged.mid")
        path.write_bytes(data)
        return examine_file(path)


def examine_file(path):
    """The same of a file by its path; it is overwritten."""
    try:
        with warnings.catch_warnings(record=True) as mended:
            warnings.simplefilter("always", MidiWarning)
            scores = [read_midi(path, pedal) for pedal in (False, True)]
    except MidiError as error:
        if "\n" in str(error):
            raise AssertionError(f"more than one line: {error}") from None
        return str(error).partition(" as MIDI: ")[2]
    for score in scores:
        for encoder in (NoteDuration(), NoteDuration(21, 108, 160, 12, bpm=100)):
            with contextlib.suppress(ValueError):
                encoder.encode(score)
                encoder.timing_error(score)
        encoder = NoteDuration()
        tokens = encoder.encode(score, end=True)
        if not (
            encoder.decode(tokens) == encoder.quantise(score)
            and encoder.allowed[tokens[:-1], tokens[1:]].all()
        ):
            raise AssertionError("what was encoded does not come back")
        if score.bar_lines()[-1] < score.end:
            raise AssertionError("notes after the last bar line")
    if len(scores[0].notes()) < 200:
        with contextlib.suppress(ValueError):  # a tempo that a file cannot hold
            write_midi(scores[0], path)
            again = read_midi(path, strict=True)
            if len(again.notes()) != len(scores[0].notes()) or again.tempos != scores[0].tempos:
                raise AssertionError("what was written does not come back")
    return f"mended: {str(mended[0].message).partition('.mid: ')[2]}" if mended else "read"


if __name__ == "__main__":
    from tests.fuzzing import run

    raise SystemExit(run("tests.fuzz_midi", __doc__.splitlines()[0]))
