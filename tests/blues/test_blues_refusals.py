"""What `python -m experiments.blues` refuses, in one line and before anything is written."""

import os

import numpy as np
import pytest
from commands import content
from tiny_blues import blues, tune

from encoders.midi import write_midi
from encoders.score import Note, Score, Track
from scratchnet.training.checkpoint import load_checkpoint, save_checkpoint

pytestmark = pytest.mark.usefixtures("tiny")


BAD_FLAGS = {
    "compose RUN --choruses 0": "--choruses: expected an integer >= 1, got 0",
    "compose RUN --choruses -1": "--choruses: expected an integer >= 1, got -1",
    "compose RUN --choruses abc": "--choruses: expected an integer >= 1, got abc",
    "compose RUN --choruses 1.5": "--choruses: expected an integer >= 1, got 1.5",
    "compose RUN --temperature nan": "--temperature: expected a number >= 0.05 and <= 20, got nan",
    "compose RUN --temperature 0": "--temperature: expected a number >= 0.05",
    "compose RUN --bpm 1e9": "--bpm: expected a number >= 20 and <= 400",
    "compose RUN --bpm inf": "--bpm: expected a number >= 20 and <= 400",
    "compose RUN --seed -3": "--seed: expected an integer >= 0, got -3",
    "compose RUN --prime-notes 25": "--prime-notes: expected an integer >= 1 and <= 24, got 25",
    "compose RUN --engine tuba": "--engine: expected one of auto, built-in, fluidsynth, symusic, got tuba",
    "compose RUN --prime 4096": "--prime: expected a piece 0..4095 or a MIDI file, got 4096",
    f"compose RUN --prime {'9' * 5000}": "--prime: expected a piece 0..4095 or a MIDI file, got 999",
    "compose RUN --prime -1": "--prime: expected a piece 0..4095 or a MIDI file, and there is no file -1",
    "compose RUN --choruses 2561": "--choruses: a WAV file holds 2560 choruses at 110 bpm, got 2561; try",
    "compose RUN --coruses 3": "--coruses: no such flag; did you mean --choruses?",
    "compose RUN --out FOLDER": "--out: expected a name that ends in .mid, got FOLDER",
    "compose RUN --out FOLDER/a.txt": "--out: expected a name that ends in .mid, got FOLDER/a.txt",
    "compose RUN --out FOLDER/no/a.mid": "--out: no such folder: FOLDER/no",
    "compose RUN --out FOLDER/folder.mid --overwrite": "--out: expected the name of a file, and",
    "compose": "expected run",
    "compose FOLDER/none": "FOLDER/none: no such run folder",
    "compose FOLDER": "FOLDER: expected a run folder, but there is no config.yaml in it",
    "compose FOLDER/a.txt": "FOLDER/a.txt: expected a run folder, got a file",
    "evaluate FOLDER/none": "FOLDER/none: no such run folder",
    "evaluate RUN --choruses 0": "--choruses: expected an integer >= 1, got 0",
    "train --resume FOLDER/none": "FOLDER/none: no such run folder",
    "train --recipe soup": "--recipe: expected one of default, paper, icann, kalman, got soup",
    "train --learn 0": "--learn: expected an integer >= 1",
    "train --steps-per-bar 12": "--steps-per-bar: expected one of 8, 16, 32, got 12",
    "train --melody-blocks many": "--melody-blocks: expected an integer >= 1 and <= 1000, got many",
    "train --gross-error 2": "--gross-error: expected a number > 0 and <= 1",
    "train --out FOLDER/a.txt": "FOLDER/a.txt: cannot make a run folder here",
    "train --out FOLDER/a.txt/run": "FOLDER/a.txt/run: cannot make a run folder here",
    "--choruses 3000 --out FOLDER/new": "--choruses: a WAV file holds 2560 choruses at 110 bpm, got 3000",
    "--endings tied": "--endings: expected one of merged, gap, onset, got tied",
    "chords --seeds 0": "--seeds: expected an integer >= 1, got 0",
    "sing": "no command 'sing'",
}


@pytest.mark.parametrize(("command", "message"), BAD_FLAGS.items(), ids=list(BAD_FLAGS))
def test_nonsense_is_refused_in_one_line_and_nothing_is_written(
    trained, tmp_path, refused, command, message, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("mine")
    (tmp_path / "folder.mid").mkdir()
    before = content(tmp_path), content(trained)
    arguments = command.replace("RUN", str(trained)).replace("FOLDER", str(tmp_path)).split()
    assert message.replace("FOLDER", str(tmp_path)) in refused(*arguments)
    assert (content(tmp_path), content(trained)) == before


def not_midi(path, kind):
    """A file, or what is none, that cannot be a primer."""
    if kind == "a folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("C F7 C\n")
    elif kind == "cut short":
        path.write_bytes(tune(path, [60, 62]).read_bytes()[:30])
    elif kind == "out of range":
        tune(path, [60, 59, 73])
    elif kind == "too many notes":
        tune(path, [60, 62] * 12 + [60])
    elif kind == "no notes":
        tune(path, [])
    elif kind == "two notes at once":
        write_midi(Score(96, [Track("a", [Note(0, 96, 60), Note(0, 96, 64)])]), path)
    elif kind == "too long":
        write_midi(Score(96, [Track("a", [Note(0, 96 * 49, 60)])]), path)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "there is no file"),
        ("a folder", "there is no file"),
        ("empty", "does not begin with the letters MThd"),
        ("text", "does not begin with the letters MThd"),
        ("cut short", "cannot read"),
        ("out of range", "expected notes 48..72, got 73"),
        ("too many notes", "expected 1..24 melody notes (60..72), got 25"),
        ("no notes", "expected 1..24 melody notes (60..72), got 0"),
        ("two notes at once", "expected one melody note at a time, got two at step 0"),
        ("too long", "expected at most 12 bars, got 12.2"),
    ],
)
def test_a_primer_that_is_none_is_refused(trained, tmp_path, refused, kind, message):
    path = not_midi(tmp_path / "primer.mid", kind)
    (tmp_path / "tune.mid").write_bytes(b"dear to me")
    before = content(tmp_path), content(trained)
    flags = ("--prime", path, "--out", tmp_path / "tune.mid", "--overwrite")
    line = refused("compose", trained, "--choruses", 1, *flags)
    assert message in line and str(path) in line
    assert (content(tmp_path), content(trained)) == before


def damage(run, kind):
    """Do something to a run's checkpoint, its best network and its settings."""
    for name in ("checkpoint.safetensors", "best.safetensors"):
        damage_file(run / name, kind)
    return damage_settings(run, kind)


def damage_file(path, kind):
    if kind == "no checkpoint":
        path.unlink()
    elif kind == "empty checkpoint":
        path.write_bytes(b"")
    elif kind == "half a checkpoint":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "a text":
        path.write_text("hello " * 1000)
    elif kind == "a checkpoint of something else":
        save_checkpoint(path, {"x": np.zeros(3)}, {"step": 3})
    elif kind == "weights missing":
        tensors, metadata = load_checkpoint(path)
        tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith("next note.weight")}
        save_checkpoint(path, tensors, metadata)
    elif kind == "weights of another shape":
        tensors, metadata = load_checkpoint(path)
        tensors = {name: tensor[..., :-1] if tensor.ndim else tensor for name, tensor in tensors.items()}
        save_checkpoint(path, tensors, metadata)
    elif kind == "not a number":
        tensors, metadata = load_checkpoint(path)
        save_checkpoint(path, {name: tensor * np.nan for name, tensor in tensors.items()}, metadata)
    elif kind == "strange metadata":
        tensors, metadata = load_checkpoint(path)
        save_checkpoint(path, tensors, metadata | {"network": {"wiring": {"blocks": []}}, "trainer": []})


def damage_settings(run, kind):
    if kind in ("16 steps", "onsets", "unknown setting", "impossible setting", "no YAML"):
        settings = run / "config.yaml"
        text = settings.read_text()
        changed = {
            "16 steps": text.replace("steps_per_bar: 8", "steps_per_bar: 16"),
            "onsets": text.replace('"merged"', '"onset"'),
            "unknown setting": text + "tuba: 3\n",
            "impossible setting": text.replace("melody_blocks: 4", "melody_blocks: -4"),
            "no YAML": "\x00\x01{{{",
        }[kind]
        assert changed != text
        settings.write_text(changed)
    return run


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no checkpoint", "expected a trained run, but there is no checkpoint.safetensors in it"),
        ("empty checkpoint", "safetensors: the checkpoint is empty (0 bytes)"),
        ("half a checkpoint", "safetensors: damaged, or not a safetensors file"),
        ("a text", "safetensors: damaged, or not a safetensors file"),
        ("a checkpoint of something else", "safetensors: "),
        ("weights missing", "safetensors: "),
        ("weights of another shape", "safetensors: "),
        ("not a number", "safetensors: "),
        ("strange metadata", "safetensors: "),
        ("16 steps", "safetensors: "),
        ("onsets", "safetensors: "),
        ("unknown setting", "config.yaml: no setting 'tuba'"),
        ("impossible setting", "config.yaml: melody_blocks: expected an integer >= 1 and <= 1000, got -4"),
        ("no YAML", "config.yaml: "),
    ],
)
def test_a_damaged_run_is_refused(run, refused, kind, message):
    damage(run, kind)
    before = content(run)
    for command in (("compose", run), ("evaluate", run), ("train", "--resume", run)):
        line = refused(*command)
        assert message in line and str(run) in line, command
    assert content(run) == before


def test_the_run_of_another_command_is_refused(tmp_path, refused):
    folder = tmp_path / "run"
    assert blues("chords", "--seeds", 1, "--limit", 2, "--quiet", "--out", folder) == 0
    for command in (("compose", folder), ("evaluate", folder), ("train", "--resume", folder)):
        if command[0] != "chords":
            assert "expected a trained run, but there is no checkpoint" in refused(*command)


def test_a_folder_that_cannot_be_written_is_refused(trained, tmp_path, refused):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("root may write everywhere, so nothing can be refused")
    try:
        line = refused("compose", trained, "--choruses", 1, "--no-wav", "--out", folder / "a.mid")
        assert f"{folder / 'a.mid'}: Permission denied" in line
        assert f"{folder / 'run'}: cannot make a run folder here" in refused("train", "--out", folder / "run")
        assert list(folder.iterdir()) == []
    finally:
        folder.chmod(0o700)
