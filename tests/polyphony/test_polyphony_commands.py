"""`python -m experiments.polyphony` as its users meet it: files, messages, refusals."""

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
from commands import Command
from polyphony_files import write_mat

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
pytest.importorskip("matplotlib", reason="needs the extra 'experiments'")
from encoders.midi import read_midi
from experiments.common.run_folder import RunFolder
from experiments.polyphony import jobs, table
from scratchnet.training.checkpoint import load_checkpoint, save_checkpoint
from scratchnet.training.trainer import Trainer

ROOT = Path(__file__).parents[2]
TRAINED = {
    "config.yaml", "environment.json", "log.jsonl", "metrics.json", "checkpoint.safetensors",
    "best.safetensors", "learning.png", "prediction.png",
}  # fmt: skip
SMALL = "--hidden 6 --batch 2 --quiet".split()


polyphony = Command("polyphony")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with small sets under their usual names."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("JSB_Chorales", "Nottingham"):
        write_mat(folder / f"{name}.mat")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data):
    """A small run, which no test changes."""
    folder = tmp_path_factory.mktemp("runs") / "trained"
    assert polyphony("train", *SMALL, "--epochs", 2, "--data", data, "--out", folder) == 0
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def refused(capsys):
    """Call with arguments that must be refused; returns the line that says why."""
    return lambda *arguments: polyphony.refused(capsys, *arguments)


def content(folder):
    return {path.name for path in Path(folder).iterdir()}


# ----------------------------------------------------------------------------------------------- the commands


def test_everything(tmp_path, data, capsys):
    folder = tmp_path / "new" / "run"
    flags = "--epochs 2 --frames 12 --prime 2 --prime-frames 4 --bpm 400 --engine built-in --seed 3".split()
    assert polyphony("--hidden", 6, *flags, "--data", data, "--out", folder) == 0
    assert content(folder) == TRAINED | {"composed.mid", "composed.wav", "composed.png", "composed.json"}
    out, err = capsys.readouterr()
    assert "LSTM, 1 x 6 units, 2,920 weights" in out and "JSB Chorales: train 6 pieces" in out
    assert f"16 frames, 2 s: {folder / 'composed.mid'}, composed.wav (sound: built-in)" in out
    assert "do not score the\nfirst frame" in out and "Bai et al. 2018" in out
    assert out.endswith(f"Everything is in {folder}. Listen: {folder / 'composed.wav'}\n")
    assert re.search(r"training: 2/2 epoch, .*loss=", err)

    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics) == {"nll", "epoch", "weights", "anchors"} and metrics["weights"] == 2920
    rows = RunFolder(folder).rows()
    assert [row["epoch"] for row in rows] == [1, 2]
    assert set(rows[0]) == {"step", "held_out", "loss", "lr", "epoch", "valid", "test"}
    best = min(rows, key=lambda row: row["valid"])
    assert metrics["epoch"] == best["epoch"]
    assert metrics["nll"]["test"] == pytest.approx(best["test"], rel=1e-6)
    assert metrics["anchors"]["random, p = 1/2"]["test"] == pytest.approx(88 * np.log(2))
    config = (folder / "config.yaml").read_text()
    assert "lr: 0.003" in config and "null" not in re.sub(r"(data|out): .*", "", config)  # the recipe is kept
    for picture in folder.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags", ["--cell gru --layers 2", "--cell rnn --transpose 2", "--window 3 --ema-decay 0"]
)
def test_train_in_other_ways(tmp_path, data, flags):
    folder = tmp_path / "run"
    flags = [*flags.split(), "--set", "nottingham", "--epochs", "1"]
    assert polyphony("train", *SMALL, *flags, "--data", data, "--out", folder) == 0
    assert content(folder) == TRAINED


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run(tmp_path, data):
    files = []
    for name, seed in (("a", 4), ("b", 4), ("c", 5)):
        arguments = ("--epochs", 1, "--seed", seed, "--data", data, "--out", tmp_path / name)
        assert polyphony("train", *SMALL, *arguments) == 0
        files.append((tmp_path / name / "checkpoint.safetensors").read_bytes())
    assert files[0] == files[1] != files[2]


def test_evaluate(run, data, capsys):
    before = RunFolder(run).metrics()
    assert polyphony("evaluate", run) == 0
    assert "* LSTM, 1 x 6, epoch" in capsys.readouterr().out
    assert RunFolder(run).metrics() == before and content(run) == TRAINED


def test_resume_a_finished_run(run, capsys):
    before = (run / "checkpoint.safetensors").read_bytes()
    assert polyphony("train", "--resume", run, "--quiet") == 0
    assert (run / "checkpoint.safetensors").read_bytes() == before


def test_compose(run, tmp_path, capsys):
    assert polyphony("compose", run, "--frames", 5, "--no-wav", "--seed", 6) == 0
    assert content(run) == TRAINED | {"composed-1.mid", "composed-1.png", "composed-1.json"}
    assert capsys.readouterr().err == ""
    same, other = tmp_path / "a.mid", tmp_path / "b.mid"
    assert polyphony("compose", run, "--frames", 5, "--no-wav", "--seed", 6, "--out", same) == 0
    assert polyphony("compose", run, "--frames", 5, "--no-wav", "--seed", 7, "--out", other) == 0
    assert (run / "composed-1.mid").read_bytes() == same.read_bytes() != other.read_bytes()
    assert read_midi(same).tempos[0][1] == pytest.approx(90)


def test_what_is_there_is_not_overwritten_unless_asked_for(run, tmp_path, refused):
    out = tmp_path / "a.mid"
    (tmp_path / "a.png").write_text("mine")
    flags = ("compose", run, "--frames", 5, "--no-wav", "--out", out)
    assert "a.png is there already" in refused(*flags)
    assert polyphony(*flags, "--overwrite") == 0


# -------------------------------------------------------------------------------------------------- the table


def test_the_table(tmp_path, data, capsys, monkeypatch):
    """With two processes; then again, when nothing is left to do, and with one more seed."""
    flags = ["--sets", "jsb", "nottingham", "--cells", "rnn", "--epochs", 1, "--data", data, "--quiet"]
    monkeypatch.setattr(table, "in_processes", lambda function, jobs, workers: (function(*j) for j in jobs))
    assert polyphony("table", *flags, "--seeds", 2, "--out", tmp_path / "t") == 0
    text = (tmp_path / "t" / "tables.md").read_text()
    assert text in capsys.readouterr().out + "\n"
    (row,) = re.findall(r"\| \*\*RNN\*\*.*", text.partition("Nottingham")[0])
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == 9 and len(cells[5].split(", ")) == 2
    assert "train --set nottingham --cell rnn --seed 0 --epochs 1`; test standard deviation" in text
    assert "| LSTM |  |  |  | 8.45 |  |  |  | Bai et al. 2018 |" in text
    logs = {p: p.stat().st_mtime_ns for p in (tmp_path / "t").rglob("log.jsonl")}
    assert len(logs) == 4
    assert polyphony("table", *flags, "--seeds", 3, "--out", tmp_path / "t") == 0
    assert all(path.stat().st_mtime_ns == time for path, time in logs.items())
    assert len(list((tmp_path / "t").rglob("log.jsonl"))) == 6


def test_the_table_goes_on_where_it_was_interrupted(tmp_path, data, monkeypatch):
    flags = ["--sets", "jsb", "--cells", "rnn", "--seeds", 1, "--epochs", 3, "--data", data, "--quiet"]
    monkeypatch.setattr(table, "in_processes", lambda function, jobs, workers: (function(*j) for j in jobs))
    assert polyphony("table", *flags, "--out", tmp_path / "whole") == 0
    evaluate = Trainer.evaluate

    def stop(trainer, held_out, progress):
        if trainer.batches.done == 3:
            raise KeyboardInterrupt
        return evaluate(trainer, held_out, progress)

    monkeypatch.setattr(Trainer, "evaluate", stop)
    assert polyphony("table", *flags, "--out", tmp_path / "parts") == 130
    monkeypatch.setattr(Trainer, "evaluate", evaluate)
    assert polyphony("table", *flags, "--out", tmp_path / "parts") == 0
    whole, parts = (RunFolder(tmp_path / name / "jsb-rnn-0").metrics()["nll"] for name in ("whole", "parts"))
    assert whole == parts
    epochs = [row["epoch"] for row in RunFolder(tmp_path / "parts" / "jsb-rnn-0").rows()]
    assert epochs == [1, 2, 3]


def test_the_table_refuses_runs_of_other_settings(tmp_path, data, refused, monkeypatch):
    flags = [
        "--sets",
        "jsb",
        "--cells",
        "rnn",
        "--seeds",
        1,
        "--data",
        data,
        "--quiet",
        "--out",
        tmp_path / "t",
    ]
    monkeypatch.setattr(table, "in_processes", lambda function, jobs, workers: (function(*j) for j in jobs))
    assert polyphony("table", *flags, "--epochs", 1) == 0
    assert "a run with epochs 1, and not 2; choose another --out" in refused("table", *flags, "--epochs", 2)
    assert "expected a folder, for several --sets" in refused(
        "table", "--data", data / "Nottingham.mat", "--out", tmp_path / "new"
    )


# ------------------------------------------------------------------------------------- what goes wrong inside


def test_a_loss_that_is_no_number(tmp_path, data, capsys):
    folder = tmp_path / "run"
    with pytest.raises(SystemExit) as stop:
        polyphony("train", *SMALL, "--lr", 1e30, "--data", data, "--out", folder)
    message = str(stop.value.code)  # Python writes it to standard error, and ends with status 1
    assert re.match(r"polyphony: error: (at|after) step \d+ .*; try a lower --lr or --clip", message)
    assert "\n" not in message


@pytest.mark.slow
def test_ctrl_c_keeps_all_steps(tmp_path, data):
    folder = tmp_path / "run"
    arguments = [
        *SMALL,
        "--epochs",
        "100000",
        "--patience",
        "100000",
        "--data",
        str(data),
        "--out",
        str(folder),
    ]
    command = [sys.executable, "-m", "experiments.polyphony", "train", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
    ) as process:
        log, limit = folder / "log.jsonl", time.monotonic() + 240
        while not (log.is_file() and len(log.read_bytes().splitlines()) >= 3):
            assert process.poll() is None and time.monotonic() < limit, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    (line,) = err.splitlines()
    assert re.match(r"polyphony train: interrupted: epoch \d+ of 100000 is saved in .*; go on with: ", line)
    _, metadata = load_checkpoint(folder / "checkpoint.safetensors")
    epochs = [row["epoch"] for row in RunFolder(folder).rows()]
    assert epochs[-1] == len(epochs) >= 3 and metadata["trainer"]["batches"]["epoch"] - epochs[-1] in (0, 1)


# -------------------------------------------------------------------------------------------------- bad input

BAD_FLAGS = {
    "--set bach": "--set: expected one of jsb, nottingham, muse, piano, got bach",
    "--cell cnn": "--cell: expected one of lstm, gru, rnn, got cnn",
    "--hidden 0": "--hidden: expected an integer >= 1",
    "--dropout 1": "--dropout: expected a number >= 0 and < 1",
    "--lr 0": "--lr: expected a number > 0",
    "--lr nan": "--lr: expected a number > 0",
    "--transpose 12": "--transpose: expected an integer >= 0 and <= 11",
    "--window -1": "--window: expected an integer >= 0",
    "--frames 0": "--frames: expected an integer >= 1",
    "--prime 4 --data DATA": "--prime: expected a test piece 1..3, got 4",
    "--data FOLDER/none": "there is no file FOLDER/none",
    "--data FOLDER": "--data: expected JSB_Chorales.mat or a folder with it; there is no file FOLDER/JSB",
    "--data FOLDER/a.txt": "FOLDER/a.txt: expected a MATLAB 5 file",
    "train --set muse --data DATA": "--data: expected MuseData.mat",
    "train --data DATA --out FOLDER": "FOLDER: the folder is not empty",
    "train --resume FOLDER/none": "FOLDER/none: no such run folder",
    "train --seeds 3": "--seeds: no such flag; did you mean --seed?",
    "evaluate FOLDER": "FOLDER: expected a run folder",
    "compose RUN --prime 9": "--prime: expected a test piece 1..3, got 9",
    "compose RUN --out FOLDER/a.txt": "--out: expected a name that ends in .mid",
    "compose RUN --out FOLDER/no/a.mid": "--out: no such folder: FOLDER/no",
    "compose RUN --temperature 0": "--temperature: expected a number >= 0.05",
    "table --cells lstm cnn": "--cells: expected a list, each one of lstm, gru, rnn",
}


@pytest.mark.parametrize(("command", "message"), BAD_FLAGS.items(), ids=list(BAD_FLAGS))
def test_nonsense_is_refused_in_one_line(trained, data, tmp_path, refused, command, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("mine" * 100)
    before, kept = content(tmp_path), content(trained)
    for name, path in (("RUN", trained), ("DATA", data), ("FOLDER", tmp_path)):
        command, message = command.replace(name, str(path)), message.replace(name, str(path))
    assert message in refused(*command.split())
    assert (content(tmp_path), content(trained)) == (before, kept)


def test_a_network_that_cannot_be_made_is_refused(data, tmp_path, refused):
    command = "train", "--data", data, "--out", tmp_path / "run"
    assert "these settings: expected at most 2147483648 numbers" in refused(*command, "--hidden", "100000")
    assert "these settings: expected lr <=" in refused(*command, "--overwrite", "--lr", "1e300")


def test_without_a_network_it_says_how_to_pass_data(refused, monkeypatch, tmp_path):
    pytest.importorskip("pooch", reason="needs the extra 'data'")
    import requests

    def get(*arguments, **options):
        raise requests.ConnectionError("a long story")

    monkeypatch.setattr(requests, "get", get)
    monkeypatch.setenv("SCRATCHNET_CACHE", str(tmp_path / "cache"))
    line = refused("train", "--out", tmp_path / "run")
    assert "cannot be downloaded (no connection)" in line and "pass --data PATH" in line
    assert "JSB_Chorales.mat" in line and not (tmp_path / "run").exists()


def damage(run, change, name="best.safetensors"):
    tensors, metadata = load_checkpoint(run / name)
    change(tensors, metadata)
    save_checkpoint(run / name, tensors, metadata)


DAMAGE = {
    "another cell": lambda t, m: m["config"].update(cell="gru"),
    "no network": lambda t, m: m.pop("config"),
    "nothing learned": lambda t, m: m.update(best=None),
    "a missing tensor": lambda t, m: t.pop("3.bias"),
    "NaN": lambda t, m: t["3.bias"].fill(np.nan),
}


@pytest.mark.parametrize("change", DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_checkpoint_is_refused(run, refused, change):
    damage(run, change)
    assert str(run / "best.safetensors") in refused("evaluate", run)
    assert str(run) in refused("compose", run)


def test_a_checkpoint_that_cannot_be_resumed(run, refused):
    damage(run, lambda t, m: m["trainer"].pop("generators"), "checkpoint.safetensors")
    assert "does not fit the settings of the run" in refused("train", "--resume", run)


def test_sound_that_cannot_be_made_is_one_line(run, refused, monkeypatch):
    def render(*given):
        raise ValueError("it could not play")

    monkeypatch.setattr(jobs, "render_midi", render)
    assert "--engine: it could not play" in refused("compose", run)
