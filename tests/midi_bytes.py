"""MIDI files by hand, and a score of which a MIDI file can hold everything."""

import struct

from encoders.midi import read_midi
from encoders.score import Note, Score, Track

SCORE = Score(
    480,
    [
        Track("小提琴", [Note(0, 480, 69, 100), Note(480, 240, 71, 1), Note(480, 960, 60)], 40, channel=0),
        Track("drums", [Note(0, 10, 36, 127)], channel=9),
        Track("", [Note(1920, 1, 0), Note(1920, 1, 127)], program=127, channel=5),
        Track("silent", (), program=3, channel=6),
    ],
    tempos=((0, 120.0), (240, 60.0), (960, 200.0)),
    meters=((0, 6, 8), (1440, 3, 4)),
    keys=((0, "F#m"), (960, "Cb")),
)

END = bytes([0, 0xFF, 0x2F, 0])


def midi_bytes(*tracks, kind=1, division=480, count=None):
    """A MIDI file of the tracks' event bytes."""
    header = b"MThd" + struct.pack(">LHHH", 6, kind, len(tracks) if count is None else count, division)
    return header + b"".join(chunk(track) for track in tracks)


def chunk(content, name=b"MTrk", length=None):
    """A chunk; its length may lie."""
    return name + struct.pack(">L", len(content) if length is None else length) + content


def events(*messages, end=END):
    """A track of (ticks since the last, bytes)."""
    return b"".join(bytes([ticks, *message]) for ticks, message in messages) + end


def on(pitch, channel=0):
    return [0x90 | channel, pitch, 80]


def off(pitch, channel=0):
    return [0x80 | channel, pitch, 0]


def control(number, value, channel=0):
    return [0xB0 | channel, number, value]


def meta(kind, *data):
    return [0xFF, kind, len(data), *data]


def read_bytes(folder, data, **options):
    """What `read_midi` makes of these bytes."""
    path = folder / "file.mid"
    path.write_bytes(data)
    return read_midi(path, **options)


def times_and_pitches(score):
    return [(note.start, note.end, note.pitch) for note in score.notes()]
