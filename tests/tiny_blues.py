"""The blues experiment made small, so that it learns in seconds without a compiler, too."""

import contextlib
import functools
from dataclasses import replace

import pytest
from commands import Command

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
pytest.importorskip("matplotlib", reason="needs the extra 'experiments'")
import experiments.blues.chords
import experiments.blues.data
import experiments.blues.jobs
import experiments.blues.training
from encoders.midi import write_midi
from encoders.score import Note, Score, Track
from experiments.blues.recipes import RECIPES
from experiments.common.run_folder import RunFolder

TRAINED = {
    "config.yaml", "environment.json", "log.jsonl", "metrics.json", "checkpoint.safetensors",
    "best.safetensors", "learning.png", "gates.png",
}  # fmt: skip


@contextlib.contextmanager
def tiny_blues():
    """Four held-out pieces, batches of two choruses, two choruses to judge. Yields the MonkeyPatch."""
    with pytest.MonkeyPatch.context() as patch:
        for split in ("DEVELOPMENT", "FRESH"):
            patch.setattr(experiments.blues.data, split, 2)
        all_melodies = functools.cache(experiments.blues.data.all_melodies)
        patch.setattr(experiments.blues.data, "all_melodies", all_melodies)
        small = replace(RECIPES["default"], batch=2, length=1, chord_choruses=2)
        patch.setitem(RECIPES, "default", small)
        patch.setattr(experiments.blues.training, "AT_ONCE", 1)
        evaluate = experiments.blues.jobs.evaluate
        patch.setattr(
            experiments.blues.jobs, "evaluate", lambda *given: evaluate(*given[:3], min(given[3], 2))
        )
        yield patch


blues = Command("blues")


def train(folder, *arguments, learn=4):
    """A run that has been trained a little."""
    assert blues("train", "--quiet", "--learn", learn, "--out", folder, *arguments) == 0
    return RunFolder.open(folder)


def compose(run, *arguments):
    """Compose a chorus without sound; the exit status."""
    return blues("compose", run, "--quiet", "--choruses", 1, "--no-wav", *arguments)


def tune(path, pitches):
    """A MIDI file of quarter notes."""
    write_midi(Score(96, [Track("a", [Note(96 * k, 96, pitch) for k, pitch in enumerate(pitches)])]), path)
    return path
