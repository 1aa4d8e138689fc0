"""Runs of blues that are interrupted, go on, or share their folder with another process."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import content
from locking import another_process
from tiny_blues import TRAINED, blues, compose, train

from experiments.blues import runs
from scratchnet.training.checkpoint import load_checkpoint

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("tiny")


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
    full = folder / ("checkpoint.safetensors" if writes == 7 else "best.safetensors")
    assert err == f"blues train: error: {full}: {os.strerror(errno.ENOSPC)}\n"
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
