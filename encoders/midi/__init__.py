"""MIDI files <-> scores. Tokens live in tokens/, sound in audio/."""

from .files import MAX_BYTES, MidiError, MidiWarning, MidiWriter, read_midi, write_midi

__all__ = ["MAX_BYTES", "MidiError", "MidiWarning", "MidiWriter", "read_midi", "write_midi"]
