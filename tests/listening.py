"""Small listening tests for the tests of listening tests."""

import json
import re
import signal
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
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


class Server:
    """`python -m experiments.listen` in a process of its own."""

    def __init__(self, *arguments, port=0):
        command = [sys.executable, "-m", "experiments.listen", *map(str, arguments), "--port", str(port)]
        # A shell's background jobs, and what they start, do not hear Ctrl-C unless told to.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        signal.signal(signal.SIGINT, before)
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if found := re.search(r"Listen: (http\S+)/ ", line):
                self.url = found[1]
                break

    def stop(self, by=signal.SIGINT):
        self.process.send_signal(by)
        said = self.process.communicate(timeout=30)[0]
        return self.process.returncode, said

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
