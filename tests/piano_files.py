"""Made-up piano pieces for tests: broken chords, so that a small network soon learns something."""

import numpy as np

from encoders.midi import write_midi
from encoders.score import Note, Score, Track

SIXTEENTH = 120  # ticks


def make_piece(seed, bars=6):
    """A score of one piano track, all different."""
    rng = np.random.default_rng(seed)
    notes = []
    for bar in range(bars):
        root = int(rng.choice([48, 50, 53, 55]))
        start = bar * 16 * SIXTEENTH
        notes.append(Note(start, 16 * SIXTEENTH, root - 12))
        for step in range(8):
            pitch = root + (0, 4, 7, 12)[step % 4] + int(rng.integers(2)) * 12
            notes.append(Note(start + 2 * step * SIXTEENTH, 2 * SIXTEENTH, pitch))
    return Score(4 * SIXTEENTH, [Track("piano", notes)])


def write_pieces(folder, count=12):
    """A folder of MIDI files."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        write_midi(make_piece(seed), folder / f"piece{seed:02}.mid")
    return folder
