"""The blues experiment made small, so that it learns in seconds without a compiler, too."""

import contextlib
import functools
from dataclasses import replace

import pytest

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
pytest.importorskip("matplotlib", reason="needs the extra 'experiments'")
import experiments.blues.chords
import experiments.blues.data
import experiments.blues.jobs
import experiments.blues.training
from experiments.blues.__main__ import program
from experiments.blues.recipes import RECIPES
from experiments.common.run_folder import RunFolder


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
        patch.setattr(experiments.blues.training.OnlineLearner, "AT_ONCE", 1)
        evaluate = experiments.blues.jobs.evaluate
        patch.setattr(
            experiments.blues.jobs, "evaluate", lambda *given: evaluate(*given[:3], min(given[3], 2))
        )
        yield patch


def blues(*arguments):
    """`python -m experiments.blues ARGUMENTS`; returns the exit status."""
    return program.main([str(argument) for argument in arguments])


def train(folder, *arguments, learn=4):
    """A run that has been trained a little."""
    assert blues("train", "--quiet", "--learn", learn, "--out", folder, *arguments) == 0
    return RunFolder.open(folder)


def content(folder):
    """All that is in a folder: path -> bytes, or None for a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
