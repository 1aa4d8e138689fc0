"""`python -m experiments.blues` as its users meet it: files, messages, refusals."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from locking import another_process
from tiny_blues import blues, content, tiny_blues, train

from encoders.midi import read_midi, write_midi
from encoders.score import Note, Score, Track
from encoders.tokens.blues import encode_chords, loss_floor
from encoders.tokens.blues import melody as pitches_of
from experiments.blues import chords, composing, jobs, runs
from experiments.blues.composing import prime_from_midi
from scratchnet.training.checkpoint import load_checkpoint, save_checkpoint

ROOT = Path(__file__).parents[2]
TRAINED = {
    "config.yaml", "environment.json", "log.jsonl", "metrics.json", "checkpoint.safetensors",
    "best.safetensors", "learning.png", "gates.png",
}  # fmt: skip
JUDGED = {"fresh pieces", "free composition", "composed melodies", "held-out melodies"}


@pytest.fixture(scope="module", autouse=True)
def patch():
    with tiny_blues() as patch:
        yield patch


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small run, which no test changes."""
    return train(tmp_path_factory.mktemp("runs") / "trained").folder


@pytest.fixture
def run(trained, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def refused(capsys):
    """Call with arguments that must be refused: exit status 2, one line; returns the line."""

    def call(*arguments):
        capsys.readouterr()
        assert blues(*arguments) == 2
        out, err = capsys.readouterr()
        (line,) = err.splitlines()
        assert out == "" and re.match(r"blues( \w+)?: error: ", line)
        return line

    return call


def compose(run, *arguments):
    return blues("compose", run, "--quiet", "--choruses", 1, "--no-wav", *arguments)


def composed(run, *arguments):
    """The Score that these flags lead to."""
    path = run.parent / f"tune{len(list(run.parent.iterdir()))}.mid"
    assert compose(run, "--out", path, *arguments) == 0
    return read_midi(path)


def tune(path, pitches):
    """A MIDI file of quarter notes."""
    write_midi(Score(96, [Track("a", [Note(96 * k, 96, pitch) for k, pitch in enumerate(pitches)])]), path)
    return path


# ----------------------------------------------------------------------------------------------- the commands


def test_everything(tmp_path, capsys):
    folder = tmp_path / "new" / "run"
    flags = "--learn 4 --choruses 2 --bpm 400 --engine built-in --seed 3".split()
    assert blues(*flags, "--out", folder) == 0
    assert set(content(folder)) == TRAINED | {
        f"composed.{suffix}" for suffix in ("mid", "wav", "png", "json")
    }
    out, err = capsys.readouterr()
    assert "1542 weights, 4 choruses, recipe default" in out
    assert f"2 choruses, 14 s: {folder / 'composed.mid'}, composed.wav (sound: built-in)" in out
    assert f"exact floor {loss_floor():.4f}" in out
    assert out.endswith(f"Everything is in {folder}. Listen: {folder / 'composed.wav'}\n")
    assert re.search(r"training: 4/4 chorus, .*chorus/s, .*loss=", err) and "left" in err

    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics) == JUDGED | {"chords first", "learning", "weights"}
    assert metrics["weights"] == 1542
    assert metrics["learning"]["choruses"] in (2, 4)
    assert metrics["fresh pieces"]["melody_floor"] == pytest.approx(0.17329, abs=1e-5)
    assert metrics["fresh pieces"]["melody_loss"] > metrics["fresh pieces"]["melody_floor"]
    assert metrics["free composition"]["choruses"] == 2
    assert metrics["held-out melodies"]["bars_in_training"] == 1.0
    for shares in (metrics["composed melodies"], metrics["held-out melodies"]):
        assert set(shares) == {
            "bars_in_training", "bars_in_training_anywhere", "choruses_in_training", "choruses_in_grammar",
            "distinct_choruses", "notes_in_scale",
        }  # fmt: skip
        assert all(0 <= share <= 1 for share in shares.values())

    score = read_midi(folder / "composed.mid")
    assert [track.name for track in score.tracks] == ["chords", "melody"]
    assert score.tempos[0][1] == pytest.approx(400) and score.meters == ((0, 4, 4),)
    assert score.end == 24 * 4 * 480
    for picture in folder.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 10_000


def test_train(trained):
    assert set(content(trained)) == TRAINED
    metrics = json.loads((trained / "metrics.json").read_text())
    assert JUDGED < set(metrics)
    rows = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert [row["choruses"] for row in rows] == [2, 4]
    figures = {"choruses", "total", "loss", "chord_loss", "chord_errors", "melody_loss"}
    assert set(rows[0]) == figures | {"step", "held_out", "lr"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags", ["--recipe paper", "--recipe icann --gross-error 0.5", "--recipe kalman", "--melody-blocks 6"]
)
def test_train_in_other_ways(tmp_path, capsys, flags):
    run = train(tmp_path / "run", *flags.split(), learn=2)
    assert set(content(run.folder)) == TRAINED
    weights = int(re.match(r"(\d+) weights", capsys.readouterr().out)[1])
    assert weights == run.metrics()["weights"] == (1542 if "recipe" in flags else 2010)


def test_chords_that_are_not_learned(tmp_path, capsys):
    folder = tmp_path / "run"
    assert blues("chords", "--seeds", 2, "--seed", 7, "--limit", 2, "--quiet", "--out", folder) == 0
    assert set(content(folder)) == {"config.yaml", "environment.json", "log.jsonl", "metrics.json"}
    result = json.loads((folder / "metrics.json").read_text())["experiment 1"]
    assert (result["succeeded"], result["seeds"], [row["seed"] for row in result["rows"]]) == (0, 2, [7, 8])
    assert [row["choruses"] for row in result["rows"]] == [2, 2]
    assert "0 of 2 networks play the twelve bars by themselves" in capsys.readouterr().out


def test_chords_that_are_learned(tmp_path, capsys, monkeypatch):
    """With a judge who is content after four choruses."""
    monkeypatch.setattr(chords, "CHECK", 2)
    monkeypatch.setattr(chords, "plays_alone", lambda network, pieces, count: count)
    folder = tmp_path / "run"
    assert blues("chords", "--seeds", 1, "--limit", 40, "--quiet", "--out", folder) == 0
    assert "gates.png" in content(folder)
    result = json.loads((folder / "metrics.json").read_text())["experiment 1"]
    (row,) = result["rows"]
    assert row["success"] and row["steps"] == 96 * row["choruses"] == result["median_steps"]
    assert row["choruses"] < 40 and row["goes_on"] == 1000
    assert "1 of 1 networks" in capsys.readouterr().out


def test_evaluate(run, capsys):
    before = json.loads((run / "metrics.json").read_text())
    assert blues("evaluate", run, "--choruses", 1, "--seed", 5) == 0
    after = json.loads((run / "metrics.json").read_text())
    assert set(before) == set(after)
    assert before["fresh pieces"] == after["fresh pieces"]  # nothing is drawn there
    assert after["free composition"]["choruses"] == 1
    assert re.search(r"chords right +\d of 1 choruses", capsys.readouterr().out)
    assert set(content(run)) == TRAINED


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run(tmp_path):
    one, again, other = (
        train(tmp_path / name, "--seed", seed) for name, seed in (("a", 4), ("b", 4), ("c", 5))
    )
    assert one.checkpoint.read_bytes() == again.checkpoint.read_bytes() != other.checkpoint.read_bytes()
    assert one.rows() == again.rows() != other.rows()


# ------------------------------------------------------------------------------------------------- composing


def test_compose_into_the_run_folder(run, capsys):
    assert blues("compose", run, "--choruses", 1, "--seed", 6, "--bpm", 400, "--engine", "built-in") == 0
    files = {f"composed-1.{suffix}" for suffix in ("mid", "wav", "png", "json")}
    assert set(content(run)) == TRAINED | files
    assert capsys.readouterr() == (
        f"1 chorus, 7 s: {run / 'composed-1.mid'}, composed-1.wav (sound: built-in)\n", ""
    )  # fmt: skip


def test_compose_without_sound_under_another_name(run, tmp_path):
    before = content(run)
    assert compose(run, "--out", tmp_path / "My Blues.MIDI") == 0
    assert content(run) == before
    assert set(content(tmp_path)) == {"My Blues.MIDI", "My Blues.png", "My Blues.json", "run"} | {
        f"run/{name}" for name in TRAINED
    }


def test_the_same_seed_composes_the_same(trained, tmp_path):
    one, again, other = (tmp_path / f"{name}.mid" for name in "abc")
    for path, seed in ((one, 1), (again, 1), (other, 2)):
        assert compose(trained, "--seed", seed, "--out", path) == 0
    assert one.read_bytes() == again.read_bytes() != other.read_bytes()


def test_how_long_and_how_fast(run):
    score = composed(run, "--choruses", 3, "--bpm", 72.5)
    assert score.end == 3 * 48 * 480
    assert score.tempos[0][1] == pytest.approx(72.5, rel=1e-5)


def test_temperature_matters(run):
    melodies = {
        tuple((note.start, note.pitch) for note in composed(run, "--temperature", heat).tracks[1].notes)
        for heat in (0.05, 1, 20)
    }
    assert len(melodies) == 3


@pytest.mark.parametrize("notes", [24, 5])
def test_a_piece_is_heard_first(run, notes):
    score = composed(run, "--prime", 1234, "--prime-notes", notes)
    expected = pitches_of(1234)[:notes].tolist()
    heard = [0] * notes
    for note in score.tracks[1].notes:
        for beat in range(note.start // 480, min(note.end // 480, notes)):
            heard[beat] = note.pitch
    assert heard == expected
    assert [note.pitch for note in score.tracks[0].notes if note.start == 0] == [48, 52, 55]


def test_a_midi_file_is_heard_first(run, tmp_path):
    score = composed(run, "--prime", tune(tmp_path / "a.mid", [61, 64, 69, 71]))
    notes = [note.pitch for note in score.tracks[1].notes if note.start < 4 * 480]
    assert notes == [61, 64, 69, 71]


def test_a_primer_of_twelve_bars_is_the_whole_first_chorus(run, tmp_path):
    path = tmp_path / "long.mid"
    write_midi(Score(96, [Track("a", [Note(0, 48 * 96, 66)])]), path)
    score = composed(run, "--prime", path)
    assert [(note.start, note.duration, note.pitch) for note in score.tracks[1].notes] == [(0, 48 * 480, 66)]


@pytest.mark.slow
@pytest.mark.parametrize("endings", ["gap", "onset"])
def test_other_formats_compose_too(tmp_path, endings):
    run = train(tmp_path / "run", "--endings", endings, "--steps-per-bar", 16, "--literal-bar-6", learn=2)
    score = composed(run.folder, "--prime", 77)
    assert score.end <= 48 * 480
    first = [note for note in score.tracks[1].notes if note.start < 24 * 480]
    assert [note.pitch for note in first] == pitches_of(77)[:24].tolist()
    assert {note.duration for note in first[:-1]} == {480}
    path = tmp_path / "again.mid"
    assert compose(run.folder, "--prime", 77, "--out", path) == 0
    with pytest.raises(ValueError, match=r"expected 1\.\.24 melody notes"):
        prime_from_midi(path)  # it has more than a primer


@pytest.mark.parametrize("suffix", ["mid", "wav", "png"])
def test_what_is_there_is_not_overwritten_unless_asked_for(run, tmp_path, refused, suffix):
    there, out = tmp_path / f"tune.{suffix}", tmp_path / "tune.mid"
    there.write_bytes(b"dear to me")
    before = content(tmp_path)
    flags = ("compose", run, "--choruses", 1, "--bpm", 400, "--engine", "built-in", "--out", out)
    assert f"{there} is there already" in refused(*flags)
    assert content(tmp_path) == before
    assert blues(*flags, "--overwrite") == 0
    assert there.read_bytes() != b"dear to me"


def test_without_sound_a_wav_file_may_stay(run, tmp_path):
    (tmp_path / "tune.wav").write_bytes(b"dear to me")
    assert compose(run, "--out", tmp_path / "tune.mid") == 0
    assert (tmp_path / "tune.wav").read_bytes() == b"dear to me"


def test_a_run_folder_is_not_overwritten_unless_asked_for(run, refused):
    before = content(run)
    assert f"{run}: the folder is not empty" in refused("train", "--learn", 2, "--out", run)
    assert content(run) == before
    assert blues("train", "--learn", 2, "--quiet", "--out", run, "--overwrite") == 0
    assert load_checkpoint(run / "checkpoint.safetensors")[1]["trainer"]["batches"]["done"] == 2


# ---------------------------------------------------------------------------------------- what renders sound


@pytest.fixture
def engines(monkeypatch):
    """Pretend that these are installed: `engines(("fluidsynth", font))`, `engines(None)`."""

    def pretend(found):
        monkeypatch.setattr(jobs, "sampled_engine", lambda: found)
        monkeypatch.setattr(jobs.shutil, "which", lambda name: found and f"/usr/bin/{name}")

    return pretend


def test_a_sampled_piano_plays_where_there_is_one(run, tmp_path, engines, monkeypatch, capsys):
    played = []
    monkeypatch.setattr(jobs, "render_midi", lambda *given: played.append(given))
    engines(("fluidsynth", Path("piano.sf2")))
    out = tmp_path / "tune.mid"
    flags = ("compose", run, "--choruses", 1, "--out", out, "--overwrite")
    assert blues(*flags) == 0
    assert played == [(out, tmp_path / "tune.wav", "fluidsynth")]
    assert "(sound: fluidsynth)" in capsys.readouterr().out


def test_if_it_fails_the_built_in_instrument_plays(run, tmp_path, engines, monkeypatch, capsys):
    played = []

    def render(midi, wav, engine):
        played.append(engine)
        if engine != "built-in":
            raise ValueError("fluidsynth could not play")
        return engine

    monkeypatch.setattr(jobs, "render_midi", render)
    engines(("fluidsynth", Path("piano.sf2")))
    flags = ("compose", run, "--choruses", 1, "--out", tmp_path / "tune.mid", "--overwrite")
    assert blues(*flags) == 0
    assert played == ["fluidsynth", "built-in"]
    out = capsys.readouterr().out
    assert "fluidsynth could not play; the built-in" in out and "(sound: built-in)" in out
    assert blues(*flags, "--engine", "fluidsynth") == 2
    assert "--engine: fluidsynth could not play" in capsys.readouterr().err


def test_engines_that_are_not_there_are_refused_before_the_work(run, refused, engines, capsys, monkeypatch):
    before = content(run)
    engines(None)
    assert "--engine: there is no program fluidsynth" in refused("compose", run, "--engine", "fluidsynth")
    monkeypatch.setitem(sys.modules, "symusic", None)
    assert blues("compose", run, "--engine", "symusic") == 3
    assert 'pip install "scratchnet[audio]"' in capsys.readouterr().err
    assert content(run) == before


def test_a_bad_soundfont_is_refused_before_the_work(run, refused, monkeypatch, tmp_path):
    monkeypatch.setenv("SCRATCHNET_SOUNDFONT", str(tmp_path / "none.sf2"))
    before = content(run)
    if shutil.which("fluidsynth") is None:
        monkeypatch.setattr(
            jobs, "sampled_engine", lambda: jobs.render_midi.__globals__["_find_soundfont"](None)
        )
    assert "$SCRATCHNET_SOUNDFONT" in refused("compose", run)
    assert "none.sf2" in refused("--learn", 2, "--out", tmp_path / "new")
    assert content(run) == before and not (tmp_path / "new").exists()


# ------------------------------------------------------------------------------------------------ bad input

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
        save_checkpoint(
            path,
            {name: tensor[..., :-1] if tensor.ndim else tensor for name, tensor in tensors.items()},
            metadata,
        )
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


# ------------------------------------------------------------------------------------------------- resuming


@pytest.mark.slow
def test_while_one_process_trains_others_compose(run, refused):
    with another_process(run / ".lock"):
        before = content(run)
        for command in (("train", "--resume", run), ("train", "--learn", 4, "--out", run, "--overwrite")):
            assert f"{run}: another process (" in refused(*command)
        assert content(run) == before
        assert compose(run) == 0 and compose(run, "--temperature", 2) == 0
    made = {name for name in content(run) if name not in before}
    assert made == {f"composed-{n}.{suffix}" for n in (1, 2) for suffix in ("mid", "png", "json")}
    how = [json.loads((run / f"composed-{n}.json").read_text()) for n in (1, 2)]
    assert [row["temperature"] for row in how] == [1.0, 2.0] and how[0]["choruses"] == 4
    assert blues("train", "--resume", run, "--quiet") == 0


@pytest.mark.slow
def test_damaged_rows_of_the_log_are_passed_over(run):
    log = run / "log.jsonl"
    for content_of_log in (log.read_bytes() + b'{"choruses": "4\xff"}\n[]\n{"loss": 1}\n', b"\xff\n", b""):
        log.write_bytes(content_of_log)
        assert blues("train", "--resume", run, "--quiet") == 0


def test_a_damaged_file_of_figures_is_told_before_the_training(run, refused):
    (run / "metrics.json").write_text("[")
    before = content(run)
    assert f"{run / 'metrics.json'}: expected a JSON object" in refused("train", "--resume", run)
    assert content(run) == before


@pytest.mark.slow
@pytest.mark.parametrize("writes", [5, 7])
def test_a_full_disk(tmp_path, capsys, writes):
    """One line, the earlier checkpoint intact, nothing half-written; with room it goes on to the same."""
    whole, folder = train(tmp_path / "whole", learn=8), tmp_path / "run"
    capsys.readouterr()
    fsync, left = os.fsync, writes

    def until_full(descriptor):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", until_full)
        assert blues("train", "--quiet", "--learn", 8, "--out", folder) == 1
    err = capsys.readouterr().err
    assert err == f"blues train: error: {folder / 'checkpoint.safetensors'}: {os.strerror(errno.ENOSPC)}\n"
    assert load_checkpoint(folder / "checkpoint.safetensors")[1]["trainer"]["batches"]["done"] < 8
    assert not any(name.startswith(".") for name in content(folder))
    assert blues("train", "--resume", folder, "--quiet") == 0
    assert (folder / "checkpoint.safetensors").read_bytes() == whole.checkpoint.read_bytes()


@pytest.mark.slow
def test_an_odd_path(tmp_path, capsys):
    folder = tmp_path / "-a  'b\" $(c) \n%s{}\\ é♯🎹" / ("x" * 200)
    assert train(folder, learn=2).folder == folder
    assert blues("train", "--resume", folder, "--quiet") == 0 and compose(folder) == 0
    assert capsys.readouterr().err == "" and "composed-1.mid" in content(folder)


def interrupted(monkeypatch, folder, *arguments, after=2):
    """Press Ctrl-C in the midst of learning; returns the exit status."""
    with monkeypatch.context() as patch:
        make = runs.make_session

        def slow(config):
            session = make(config)
            go_on = session.trainer.step

            def step():
                if session.done >= after:
                    signal.raise_signal(signal.SIGINT)
                return go_on()

            session.trainer.step = step
            return session

        patch.setattr(runs, "make_session", slow)
        return blues(*arguments, "--quiet", "--out", folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags", [("train", "--learn", 8), ("--learn", 8, "--choruses", 1)], ids=["train", "run"]
)
def test_an_interrupted_run_goes_on_as_the_message_says(tmp_path, capsys, monkeypatch, flags):
    folder = tmp_path / "my run"
    assert interrupted(monkeypatch, folder, *flags) == 130
    (line,) = capsys.readouterr().err.splitlines()
    label = "blues train" if flags[0] == "train" else "blues"
    command = f"python -m experiments.blues train --resume '{folder}'"
    where = f"chorus 4 of 8 is saved in {folder / 'checkpoint.safetensors'}"
    assert line == f"{label}: interrupted: {where}; go on with: {command}"
    assert load_checkpoint(folder / "checkpoint.safetensors")[1]["trainer"]["batches"]["done"] == 4
    assert compose(folder) == 0  # with the best network so far
    assert blues("train", "--quiet", "--resume", folder) == 0
    assert TRAINED <= set(content(folder))

    whole = train(tmp_path / "whole", learn=8)
    resumed, expected = (load_checkpoint(path / "checkpoint.safetensors") for path in (folder, whole.folder))
    assert resumed[1]["trainer"] == expected[1]["trainer"]
    for name, tensor in expected[0].items():
        np.testing.assert_array_equal(resumed[0][name], tensor, err_msg=name)
    assert [row["choruses"] for row in whole.rows()] == [2, 4, 6, 8]
    assert (folder / "log.jsonl").read_bytes() == (whole.folder / "log.jsonl").read_bytes()


def test_a_finished_run_has_nothing_to_go_on_with(run, capsys):
    before = content(run)
    assert blues("train", "--quiet", "--resume", run) == 0
    assert f"{run}: already learned from all 4 choruses" in capsys.readouterr().out
    assert (run / "checkpoint.safetensors").read_bytes() == before["checkpoint.safetensors"]


@pytest.mark.slow
def test_an_interruption_while_the_chords_are_learned(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "run"

    def press(*given, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs, "learn_chords", press)
        assert blues("train", "--learn", 4, "--quiet", "--out", folder) == 130
    assert f"go on with: python -m experiments.blues train --resume {folder}" in capsys.readouterr().err
    assert blues("compose", folder) == 2
    assert f"{folder}: nothing has been learned yet" in capsys.readouterr().err
    assert blues("train", "--quiet", "--resume", folder) == 0
    whole = train(tmp_path / "whole")
    assert (folder / "checkpoint.safetensors").read_bytes() == whole.checkpoint.read_bytes()


SLOW = """
import sys, time
from tiny_blues import blues, tiny_blues
from experiments.blues.training import Choruses
draw = Choruses.__next__
def slow(self):
    time.sleep(0.05)
    return draw(self)
Choruses.__next__ = slow
with tiny_blues():
    sys.exit(blues("train", "--learn", 400, "--quiet", "--out", sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another matter there")
def test_ctrl_c_in_a_terminal(tmp_path, trained):
    """The real signal to a real process."""
    folder = tmp_path / "run"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, folder],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        log = folder / "log.jsonl"
        until = time.monotonic() + 120
        while not (log.exists() and log.read_text()) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    (line,) = err.splitlines()
    assert re.fullmatch(
        r"blues train: interrupted: chorus \d+ of 400 is saved in \S+; go on with: python -m .* --resume \S+",
        line,
    )
    assert 0 < load_checkpoint(folder / "checkpoint.safetensors")[1]["trainer"]["batches"]["done"] < 400
    assert compose(folder) == 0


# ----------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize("command", ["", "train", "compose", "evaluate", "chords", "compare", "repeat"])
def test_help_needs_nothing_heavy(command):
    code = (
        "import sys; from experiments.blues.__main__ import program; program.main(sys.argv[1:]); "
        "print(sorted({'numba', 'matplotlib', 'scipy', 'mido', 'symusic'} & set(sys.modules)))"
    )
    arguments = [*command.split(), "--help"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.returncode == 0 and done.stderr == ""
    text, heavy = done.stdout.rstrip().rsplit("\n", 1)
    assert heavy == "[]"
    assert "usage: python -m experiments.blues" in text
    if command == "compose":
        assert all(
            flag in text for flag in ("--prime", "--choruses", "--temperature", "--bpm", "--out", "--seed")
        )
    if not command:
        assert all(re.search(rf"^  {name} ", text, re.M) for name in ("run", "train", "compose", "chords"))


# ---------------------------------------------------------------------------------------------- the pictures


def test_the_piano_roll_names_the_chords_that_sound(tmp_path, monkeypatch):
    """Not those that should."""
    from experiments.blues import figures

    drawn = {}
    monkeypatch.setattr(figures, "draw_piano_roll", lambda score, path, **options: drawn.update(options))
    form = composing.BluesFormat()
    bits = np.hstack([encode_chords(form), np.zeros((96, 13), np.uint8)])
    bits[8:16, :12] = 0  # F7 is left out, and the next C has a wrong note
    bits[16:24, 1] = 1
    figures.draw_choruses(tmp_path / "a.png", [bits, bits], form, 110.0, "title", given=5)
    tick = composing.TICKS // 2
    names = "C Gm7 C F7 F#dim C Em A7 Dm7 G7 C A7 Dm G7".split()
    starts = [0, 24, 28, 32, 40, 48, 56, 60, 64, 72, 80, 84, 88, 92]
    first = [(start * tick, name) for start, name in zip(starts, names, strict=True)]
    assert drawn["labels"] == first + [(tick * 96 + start, name) for start, name in first]
    assert drawn["highlight"] == [(0, 5 * tick)]


def test_a_curve_over_a_stretch_that_was_learned_twice(tmp_path, monkeypatch):
    from experiments.blues import figures

    drawn = {}
    monkeypatch.setattr(figures, "draw_curve", lambda path, series, floors, **options: drawn.update(series))
    row = {"chord_loss": 1.0, "melody_loss": 2.0, "chord_errors": 0}
    rows = [
        {"choruses": n, "loss": loss, **row} for n, loss in ((2, 9.0), (4, 8.0), (2, 9.0), (4, 8.5), (6, 7.0))
    ]
    figures.draw_training(tmp_path / "a.png", rows, composing.BluesFormat())
    assert drawn["both, training pieces"] == ([2, 4, 6], [9.0, 8.5, 7.0])
