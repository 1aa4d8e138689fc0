"""Small listening tests for the tests of listening tests."""

import json
import wave

import numpy as np

SAME_SITE = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}


def write_tone(path, seconds=1.0, pitch=440.0, loudness=0.3, rate=8000, channels=1):
    """A WAV file with one tone; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = loudness * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(np.repeat(np.rint(sound * 32767), channels).astype("<i2").tobytes())
    return path


def write_run(folder, source, pieces=2, seconds=1.0, pitch=440.0):
    """A run folder with so many pieces without a primer and as many with one; returns it."""
    entries = []
    for i in range(2 * pieces):
        file = f"composed/{i}.wav"
        write_tone(folder / file, seconds, pitch + 10 * i)
        entries.append({"file": file, "source": source, "primed": i % 2 == 1, "title": f"{source} {i}"})
    (folder / "samples.json").write_text(json.dumps(entries))
    return folder
