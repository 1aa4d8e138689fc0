"""MIDI files by hand."""

import struct

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


def times_and_pitches(score):
    return [(note.start, note.end, note.pitch) for note in score.notes()]
