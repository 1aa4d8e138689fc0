"""Training in a run folder: killed, interrupted, gone astray, and going on."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass

import numpy as np
import pytest

from experiments.errors import UserError
from experiments.run_folder import RunFolder
from experiments.token_training import Session, check_about, earlier, load_best
from scratchnet.batches import Streams, judged
from scratchnet.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from scratchnet.dropout import Dropout
from scratchnet.linear import Linear
from scratchnet.lstm import LSTM
from scratchnet.optimizers import Adam
from scratchnet.schedules import Cosine
from scratchnet.sequential import Sequential
from scratchnet.training import Diverged, Trainer

ABOUT = {"experiment": "test", "config": {"hidden": 8}, "vocabulary": "abcde"}


@dataclass(frozen=True)
class Settings:
    seed: int = 0


def make_session(run, steps=40, seed=0, **options):
    rng = np.random.default_rng(seed)
    model = Sequential([LSTM(5, 8, rng), Dropout(0.2, rng), Linear(8, 5, rng)])
    text = np.tile([0, 1, 2, 3, 0, 2, 4], 40)
    batches = Streams([text[:100], text[100:]], 6, 3, np.random.default_rng([seed, 1]))
    optimizer = Adam(model.params, model.grads, 0.02)
    trainer = Trainer(model, batches, optimizer, clip=1.0, schedule=Cosine(steps), average=0.9)
    options = {"judge_every": 10, "save_every": 5, "log_every": 4} | options
    return Session(trainer, run, ABOUT, judged([text[:50]], 1), steps, **options)


def new_run(folder):
    return RunFolder.create(folder, "test", Settings())


def content(run):
    """All that must be equal: the checkpoint, the best weights, the rows but for their times."""
    rows = [{k: v for k, v in row.items() if k != "tokens_per_s"} for row in run.rows()]
    return (run.checkpoint.read_bytes(), (run.folder / "best.safetensors").read_bytes(), rows)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = new_run(tmp_path_factory.mktemp("runs") / "whole")
    make_session(run).learn(quiet=True)
    return run


def test_the_files_of_a_run(finished):
    rows = finished.rows()
    assert [row["step"] for row in rows if "loss" in row] == list(range(4, 41, 4))
    assert [row["step"] for row in rows if "held_out" in row] == [10, 20, 30, 40]
    assert all(row["tokens_per_s"] > 0 and row["norm"] > 0 for row in rows if "loss" in row)
    best, metadata = load_best(finished.folder, ("config", "vocabulary", "best"))
    lowest = min((row["held_out"], row["step"]) for row in rows if "held_out" in row)
    assert metadata["best"] == {"step": lowest[1], "nats": lowest[0]} and metadata["vocabulary"] == "abcde"
    assert list(best) == sorted(make_session(finished).trainer.model.params)


SCRIPT = """
    import sys
    from experiments.run_folder import RunFolder
    from tests import test_token_training as here

    run = RunFolder.open(sys.argv[1])
    session = here.make_session(run, steps=int(sys.argv[2]), seed=7 if run.checkpoint.exists() else 0)
    if run.checkpoint.exists():
        session.resume()
    print("ready", flush=True)
    session.learn(quiet=True)
"""


def test_a_killed_run_goes_on_bit_by_bit(tmp_path):
    """Killed at random moments until it is through: all files are as if it had never been."""
    steps, chance = 400, random.Random(0)
    whole = new_run(tmp_path / "whole")
    began = time.perf_counter()
    make_session(whole, steps).learn(quiet=True)
    seconds = time.perf_counter() - began
    run = new_run(tmp_path / "killed")
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(run.folder), str(steps)]
    kills = 0
    for attempt in range(30):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=os.getcwd())
        assert process.stdout.readline() == b"ready\n"
        try:
            process.wait(None if attempt == 29 else chance.uniform(0, seconds / 2))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        process.stdout.close()
        if process.returncode == 0:
            break
    assert process.returncode == 0 and kills > 0
    assert content(run) == content(whole)


@pytest.mark.parametrize("stop", [5, 17, 20, 38])
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path, finished, stop):
    run = new_run(tmp_path / "run")
    session = make_session(run, command="python -m experiments.test --resume")
    real = session.trainer.step

    def step():
        if session.trainer.steps == stop - 1:
            signal.raise_signal(signal.SIGINT)
        return real()

    session.trainer.step = step
    with pytest.raises(KeyboardInterrupt, match=f"step {stop} of 40 is saved.*--resume .*run") as caught:
        session.learn(quiet=True)
    assert str(run.folder) in str(caught.value)
    again = make_session(run, seed=3)
    again.resume()
    assert again.trainer.steps == stop
    again.learn(quiet=True)
    if stop % 4 == 0:  # else a row of the log is the mean of fewer steps
        assert content(run) == content(finished)
    assert content(run)[:2] == content(finished)[:2]


def test_patience(tmp_path):
    session = make_session(new_run(tmp_path / "run"), steps=1000, patience=2, judge_every=5)
    session.trainer.optimizer.initial_lr = 0.0
    session.learn(quiet=True)
    assert session.trainer.waited == 2 and session.trainer.steps == 15


def test_earlier_checkpoints_stay(tmp_path):
    run = new_run(tmp_path / "run")
    make_session(run, keep=3).learn(quiet=True)
    assert [path.name for path in earlier(run)] == [f"checkpoint-{n}.safetensors" for n in (30, 35, 40)]
    assert earlier(run)[-1].read_bytes() == run.checkpoint.read_bytes()


def test_divergence_keeps_the_last_checkpoint(tmp_path):
    run = new_run(tmp_path / "run")
    session = make_session(run)
    real = session.trainer.step

    def step():
        if session.trainer.steps == 12:
            session.trainer.model.params["0.weight_hh_l0"][0, 0] = np.inf
        return real()

    session.trainer.step = step
    with pytest.raises(Diverged, match="at step 13 .*checkpoint.safetensors holds step 10; try a lower --lr"):
        session.learn(quiet=True)
    tensors, metadata = load_checkpoint(run.checkpoint)
    assert metadata["trainer"]["step"] == 10 and all(np.isfinite(array).all() for array in tensors.values())


def test_files_that_do_not_fit(tmp_path, finished):
    run = new_run(tmp_path / "run")
    with pytest.raises(UserError, match="expected a trained run"):
        make_session(run).resume()
    tensors, metadata = load_checkpoint(finished.checkpoint)
    for change, message in [
        ({"config": {"hidden": 9}}, "expected config hidden 8, found 9"),
        ({"vocabulary": "abc"}, "expected vocabulary 'abcde', found 'abc'"),
        ({"trainer": {}}, "does not fit the settings"),
        ({"trainer": {**metadata["trainer"], "batches": {"place": 0}}}, "does not fit the settings"),
    ]:
        save_checkpoint(run.checkpoint, tensors, metadata | change)
        with pytest.raises(CheckpointError, match=message):
            make_session(run).resume()
    run.checkpoint.write_bytes(finished.checkpoint.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        make_session(run).resume()
    with pytest.raises(UserError, match="no best.safetensors"):
        load_best(run.folder, ())
    with pytest.raises(CheckpointError, match="found no vocabulary"):
        save_checkpoint(tmp_path / "a.safetensors", {}, {"config": {}})
        load_best(tmp_path / "a.safetensors", ("config", "vocabulary"))
    with pytest.raises(CheckpointError, match="expected config .*found 3"):
        check_about("file", ABOUT | {"config": 3}, ABOUT)
