"""`chords`: several seeds, interruptions and what goes on after them."""

import json
import re
import signal

import numpy as np
import pytest
from commands import content
from tiny_blues import blues, tiny_blues

from experiments.blues import chord_runs, chords
from experiments.blues.recipes import RECIPES
from experiments.blues.settings import Chords
from experiments.blues.training import Choruses
from scratchnet.training.checkpoint import load_checkpoint, save_checkpoint

FILES = {"config.yaml", "environment.json", "log.jsonl", "metrics.json"}


@pytest.fixture(autouse=True)
def patch():
    with tiny_blues() as patch:
        yield patch


@pytest.fixture
def refused(capsys):
    """Call `chords` with arguments that must be refused: exit status 2, one line; returns the line."""

    def call(*arguments):
        capsys.readouterr()
        assert blues("chords", *arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("blues chords: error: ")
        return line

    return call


def begin(folder, *arguments):
    return blues("chords", "--quiet", "--seeds", 2, "--seed", 3, "--limit", 3, "--out", folder, *arguments)


def press_when(patch, learned, times=1):
    """Ctrl-C when a trainer begins the step after so many choruses; counted over all seeds."""
    pressed = []

    draw = Choruses.__next__

    def pressing(self):
        if self.done == learned and len(pressed) < times:
            pressed.append(1)
            signal.raise_signal(signal.SIGINT)
        return draw(self)

    patch.setattr(Choruses, "__next__", pressing)
    patch.setattr(chords, "warm_up", lambda trainer: None)


def rows_of(folder):
    """All that counts of a run's rows: without the seconds."""
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.mark.parametrize("recipe", ["default", pytest.param("kalman", marks=pytest.mark.slow)])
def test_an_interrupted_run_ends_as_one_that_was_not(tmp_path, capsys, recipe):
    kept = []
    with tiny_blues() as patch:
        learn_alone = chord_runs.learn_alone

        def keep(trainer, *given):
            row = learn_alone(trainer, *given)
            kept.append(trainer.model.flat.copy())
            return row

        patch.setattr(chord_runs, "learn_alone", keep)
        assert begin(tmp_path / "whole", "--recipe", recipe) == 0
        folder = tmp_path / "run"
        press_when(patch, learned=1)
        assert begin(folder, "--recipe", recipe) == 130
        message = capsys.readouterr().err
        assert re.search(rf"seed 3, [23] of 3 choruses; go on with: .* chords --resume {folder}", message)
        assert (folder / "checkpoint.safetensors").exists() and not (folder / "metrics.json").exists()
        assert blues("chords", "--quiet", "--resume", folder) == 0
    assert rows_of(folder) == rows_of(tmp_path / "whole")
    whole, resumed = kept[:2], kept[2:]
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(one, other)
    assert set(content(folder)) == FILES
    assert "0 of 2 networks play the twelve bars by themselves" in capsys.readouterr().out


def test_a_seed_that_is_done_when_ctrl_c_is_heard_is_kept(tmp_path, patch, capsys):
    """Success at the first look, with Ctrl-C just before: the row is written, and the next seed waits."""
    patch.setattr(chords, "CHECK", 1)
    patch.setattr(chords, "plays_alone", lambda network, pieces, count: count)
    folder = tmp_path / "run"
    press_when(patch, learned=0)
    assert begin(folder) == 130
    assert f"after seed 3; go on with: python -m experiments.blues chords --resume {folder}" in (
        capsys.readouterr().err
    )
    assert [row["seed"] for row in rows_of(folder)] == [3]
    assert not (folder / "checkpoint.safetensors").exists()
    picture = (folder / "gates.png").read_bytes()
    assert blues("chords", "--quiet", "--resume", folder) == 0
    assert [row["seed"] for row in rows_of(folder)] == [3, 4]
    assert (folder / "gates.png").read_bytes() == picture  # of the first that learned
    out = capsys.readouterr().out
    assert re.search(r"^   3      yes", out, re.M) and "2 of 2 networks" in out


def test_a_finished_run_says_its_table_again(tmp_path, capsys):
    folder = tmp_path / "run"
    assert begin(folder) == 0
    first, before = capsys.readouterr().out, content(folder)
    assert blues("chords", "--quiet", "--resume", folder) == 0
    assert capsys.readouterr().out == first
    assert content(folder) == before


def test_the_checkpoint_is_written_now_and_then(tmp_path, patch):
    patch.setattr(chord_runs, "SECONDS", -1)
    saved = []
    patch.setattr(chord_runs, "save", lambda trainer, run, seed, seconds: saved.append((seed, seconds > 0)))
    assert begin(tmp_path / "run") == 0
    assert saved == 3 * [(3, True)] + 3 * [(4, True)]


def test_seconds_before_the_interruption_count(tmp_path, patch):
    folder = tmp_path / "run"
    press_when(patch, learned=1)
    assert begin(folder) == 130
    checkpoint = folder / "checkpoint.safetensors"
    tensors, metadata = load_checkpoint(checkpoint)
    save_checkpoint(checkpoint, tensors, metadata | {"seconds": 1e6})
    assert blues("chords", "--quiet", "--resume", folder) == 0
    seconds = [
        row["seconds"] for row in json.loads((folder / "metrics.json").read_text())["experiment 1"]["rows"]
    ]
    assert seconds[0] > 1e6 > seconds[1]


def test_a_checkpoint_of_a_seed_that_is_done_is_ignored(tmp_path):
    config = Chords(seeds=1, limit=2)
    trainer = chords.chord_trainer(RECIPES["default"], 0, limit=2)
    fresh = trainer.model.flat.copy()

    class Run:
        checkpoint = tmp_path / "checkpoint.safetensors"

    trainer.step()
    chord_runs.save(trainer, Run, 0, 5.0)
    other = chords.chord_trainer(RECIPES[config.recipe], 0, limit=2)
    assert chord_runs.restore(other, Run, 1) == 0.0
    np.testing.assert_array_equal(other.model.flat, fresh)
    assert chord_runs.restore(other, Run, 0) == 5.0
    np.testing.assert_array_equal(other.model.flat, trainer.model.flat)


def test_what_cannot_go_on_is_refused(tmp_path, patch, refused):
    folder = tmp_path / "run"
    press_when(patch, learned=1)
    assert begin(folder, "--recipe", "kalman") == 130
    assert "leave out --seeds" in refused("--resume", folder, "--seeds", 3)
    assert "no such run folder" in refused("--resume", tmp_path / "none")

    config, checkpoint = folder / "config.yaml", folder / "checkpoint.safetensors"
    text, whole = config.read_text(), checkpoint.read_bytes()
    config.write_text(text.replace('"kalman"', '"default"'))
    assert "does not fit the settings of the run" in refused("--resume", folder)
    config.write_text(text)
    for damage in (whole[:100], b"", whole.replace(b'\\"seed\\"', b'\\"reed\\"')):
        checkpoint.write_bytes(damage)
        assert "checkpoint.safetensors: " in refused("--resume", folder)
    checkpoint.write_bytes(whole)
    for row in ('{"seed": 4}', '{"seed": 3, "success": "yes"}'):
        (folder / "log.jsonl").write_text(row + "\n")
        assert "log.jsonl: expected a row for each of the first seeds of 3 to 4" in refused(
            "--resume", folder
        )
