"""A composed piece as files."""

from pathlib import Path

from encoders.audio import render_midi
from encoders.midi import write_midi
from encoders.piano_roll import draw_piano_roll


def write_piece(folder, name, score, engine=None):
    """A Score as MIDI, as sound if an engine is given, and as a piano roll, where each track has a colour of
    its own: the path of the MIDI file.
    """
    midi = Path(folder, f"{name}.mid")
    midi.parent.mkdir(parents=True, exist_ok=True)
    write_midi(score, midi)
    if engine:
        render_midi(midi, midi.with_suffix(".wav"), engine)
    draw_piano_roll(score, midi.with_suffix(".png"), title=midi.stem, bars_per_row=8)
    return midi
