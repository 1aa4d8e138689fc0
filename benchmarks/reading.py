"""Reading and encoding piano performances: 1,000 MIDI files of 5,000 notes; some of them also by music21.

    python -m benchmarks.reading [--files 1000] [--music21 PYTHON] [--by-music21 3]

The performances are synthetic: chords and runs at uneven times, and half as many movements of the pedal as
notes. We read them with the pedal and encode them as tokens, in as many processes as there are cores, without
a cache. music21 reads the first few in one process and lists their notes on the same grid, which is less than
the tokens: it cuts notes at bar lines and ignores the pedal. PYTHON is an interpreter with music21.
"""

import argparse
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from mido.midifiles.meta import encode_variable_int

from encoders.midi import read_midi
from encoders.midi.collection import read_collection
from encoders.tokens.note_duration import NoteDuration

NOTES = 5000
BY_MUSIC21 = """
import sys, time
from music21 import converter
for path in sys.argv[1:]:
    begin = time.perf_counter()
    notes = [
        (round(float(element.offset) * 4), pitch.midi, round(float(element.duration.quarterLength) * 4))
        for element in converter.parse(path, format="midi", forceSource=True).flatten().notes
        for pitch in element.pitches
    ]
    notes.sort(key=lambda note: (note[0], -note[1]))
    print(time.perf_counter() - begin)
"""


def performance(rng):
    """The bytes of a MIDI file of about NOTES notes."""
    onsets = np.cumsum(rng.choice([0, 20, 90, 200], NOTES) + rng.integers(0, 12, NOTES))
    ends = onsets + rng.integers(30, 700, NOTES)
    pitches = rng.integers(21, 109, NOTES)
    last = {}
    for k in range(NOTES):  # a key goes up before it goes down again
        before = last.get(pitches[k])
        if before is not None:
            ends[before] = min(ends[before], onsets[k])
        last[pitches[k]] = k
    sound = ends > onsets  # not what is struck twice at once
    onsets, ends, pitches = onsets[sound], ends[sound], pitches[sound]
    moves = np.sort(rng.integers(0, onsets[-1], NOTES // 2))
    events = [(tick, 1, bytes([0x90, pitch, 70])) for tick, pitch in zip(onsets, pitches, strict=True)]
    events += [(tick, 0, bytes([0x80, pitch, 64])) for tick, pitch in zip(ends, pitches, strict=True)]
    events += [(tick, 2, bytes([0xB0, 64, rng.integers(128)])) for tick in moves]
    track, now = bytearray(), 0
    for tick, _, message in sorted(events):
        track += bytes(encode_variable_int(int(tick - now))) + message
        now = tick
    track += bytes([0, 0xFF, 0x2F, 0])
    return b"MThd" + struct.pack(">LHHH4sL", 6, 0, 1, 480, b"MTrk", len(track)) + track


def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--music21", metavar="PYTHON", default=sys.executable)
    parser.add_argument("--by-music21", type=int, default=3, metavar="FILES")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        paths = [Path(folder, f"{k:04}.mid") for k in range(options.files)]
        for path in paths:
            path.write_bytes(performance(rng))
        begin = time.perf_counter()
        collection = read_collection([folder], pedal=True, convert=NoteDuration().encode)
        seconds = time.perf_counter() - begin
        tokens = sum(len(music) for _, music in collection.kept)
        print(f"{len(collection.kept)} files of {NOTES} notes: {seconds:.1f} s, {tokens:,} tokens")
        alone = []
        for path in paths[:10]:
            begin = time.perf_counter()
            NoteDuration().encode(read_midi(path, pedal=True))
            alone.append(time.perf_counter() - begin)
        ours = float(np.median(alone))
        print(f"one process: {ours:.3f} s per file")
        command = [options.music21, "-c", BY_MUSIC21, *paths[: options.by_music21]]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            print(f"music21: not measured, {options.music21} does not run it")
            return
        theirs = float(np.median([float(line) for line in done.stdout.split()]))
        print(f"music21, one process: {theirs:.2f} s per file, {theirs / ours:.0f} times as long")


if __name__ == "__main__":
    main()
