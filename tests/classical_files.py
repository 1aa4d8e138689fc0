"""A small corpus of made-up piano pieces in the three folders of the paper's data."""

from pathlib import Path

from piano_files import make_piece

from encoders.midi import write_midi


def write_corpus(folder, sizes=(5, 2, 2), names=("Train", "Dev", "Test")):
    """Folders of MIDI files."""
    seed = 0
    for name, size in zip(names, sizes, strict=True):
        for _ in range(size):
            path = Path(folder, name, f"piece {seed}.mid")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_midi(make_piece(seed), path)
            seed += 1
    return Path(folder)
