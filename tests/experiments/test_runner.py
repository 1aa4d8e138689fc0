"""A training in a run folder: killed at any moment, it goes on bit for bit; its files say all."""

import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numba
import numpy as np
import pytest

pytest.importorskip("tqdm", reason="needs the extra 'experiments'")
pytest.importorskip("yaml", reason="needs the extra 'experiments'")
from tiny_session import BATCH, HELD_OUT, STEPS, VOCABULARY, begin_or_go_on, make_network, make_session

import experiments.common.progress
import experiments.common.runner as runner
import scratchnet.evaluation.held_out
from experiments.common.errors import UserError
from experiments.common.run_folder import BEST, CHECKPOINT, LOG, RunFolder
from experiments.common.runner import afterwards, earlier, learn
from experiments.common.trained import load_best, load_network
from scratchnet.files import temporary_path
from scratchnet.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from scratchnet.training.trainer import Diverged

ROOT = Path(__file__).parents[2]


def rows(folder):
    """The log, without what a clock says; NaN would be equal to itself."""
    clockless = [row | {"tokens_per_s": 0} for row in RunFolder(folder).rows()]
    return [json.dumps(row, sort_keys=True) for row in clockless]


def content(folder):
    """All that must be equal: weights, moments, places in all files, rows, and the batch that comes next."""
    batch = next(begin_or_go_on(folder).trainer.batches)
    return {
        "rows": rows(folder),
        "next": (batch.x.tobytes(), batch.y.tobytes(), batch.reset_state),
        **{path.name: path.read_bytes() for path in folder.glob("*.safetensors")},
    }


def learned(folder, **options):
    """A folder in which a run went to its end."""
    begin_or_go_on(folder, **options).learn(quiet=True)
    return folder


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What a run leaves that nobody broke off."""
    return content(learned(tmp_path_factory.mktemp("runs") / "whole"))


def start(folder, steps):
    """The same in a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).parents[1] / "tiny_session.py"), str(folder), str(steps)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(folder, steps):
    job = start(folder, steps)
    assert job.communicate() == (b"", b"") and job.returncode == 0
    return content(folder)


def size_of(path):
    return path.stat().st_size if path.exists() else 0


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_as_if_never_killed(expected, tmp_path, rng):
    """SIGKILL, which nothing can answer: between steps, within steps, while writing.

    All in processes of their own, as a user's are; `expected` has compiled what they need.
    """
    folder, kills, steps = tmp_path / "killed", 0, 90 if numba.config.DISABLE_JIT else 300
    expected = finish(tmp_path / "whole", steps)
    for _ in range(3):
        size, job = size_of(folder / LOG), start(folder, steps)
        while job.poll() is None and size_of(folder / LOG) == size:  # until it learns
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.05))
        job.kill()
        _, errors = job.communicate()
        assert job.returncode in (0, -signal.SIGKILL), errors.decode()
        kills += job.returncode != 0
    assert kills >= 2  # else it was done before
    assert finish(folder, steps) == expected
    assert len(expected["rows"]) == steps // 3 + steps // 5


def break_off(folder, stop):
    """A run as it stands in the middle of step `stop` + 1, when the power goes."""
    session = begin_or_go_on(folder)
    go_on = session.trainer.step

    def step():
        if session.trainer.steps == stop:
            raise OSError("no power")
        return go_on()

    session.trainer.step = step
    with pytest.raises(OSError, match="no power"):
        session.learn(quiet=True)
    return folder


@pytest.mark.parametrize("stop", [1, 2, 4, 5, 7, 33])
def test_stopped_in_any_step(stop, expected, tmp_path):
    folder = break_off(tmp_path / "run", stop)
    assert begin_or_go_on(folder).trainer.steps == stop - stop % 4
    assert content(learned(folder)) == expected


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", [CHECKPOINT, BEST])
def test_stopped_while_writing(name, count, expected, tmp_path, monkeypatch):
    left = count

    def save(path, tensors, metadata):
        nonlocal left
        left -= path.name == name
        if not left:
            temporary_path(path).touch()  # what a kill would leave
            raise OSError("no power")
        save_checkpoint(path, tensors, metadata)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no power"):
        patch.setattr(runner, "save_checkpoint", save)
        begin_or_go_on(tmp_path / "run").learn(quiet=True)
    assert content(learned(tmp_path / "run")) == expected


def test_ctrl_c_saves_between_two_steps_and_says_how_to_go_on(expected, tmp_path):
    folder = tmp_path / "a run"
    for stop in (7, 19):
        session = begin_or_go_on(folder, keep=0)
        go_on = session.trainer.step

        def step(session=session, go_on=go_on, stop=stop):
            if session.trainer.steps == stop - 1:
                signal.raise_signal(signal.SIGINT)
            return go_on()

        session.trainer.step = step
        with pytest.raises(KeyboardInterrupt) as stopped:
            session.learn(quiet=True)
        where = f"step {stop} of {STEPS} is saved in {folder / CHECKPOINT}"
        assert str(stopped.value) == f"{where}; go on with: python again '{folder}'"
    assert begin_or_go_on(folder).trainer.steps == 19
    assert content(learned(folder)) == expected


def interrupt_evaluation(folder, stop):
    """A run in which Ctrl-C comes during the evaluation after step `stop`."""
    session = begin_or_go_on(folder)
    evaluate = session.trainer.evaluate

    def interrupted(held_out, progress):
        if session.trainer.steps == stop:
            signal.raise_signal(signal.SIGINT)
        return evaluate(held_out, progress)

    session.trainer.evaluate = interrupted
    with pytest.raises(KeyboardInterrupt, match=f"step {stop} of {STEPS} is saved"):
        session.learn(quiet=True)
    assert not any(row["step"] == stop and "held_out" in row for row in session.run.rows())


def test_an_evaluation_that_is_broken_off_comes_first_when_it_goes_on(expected, tmp_path):
    folder = tmp_path / "run"
    for stop in (10, 10, STEPS):
        interrupt_evaluation(folder, stop)
    assert content(learned(folder)) == expected


def test_an_evaluation_after_which_the_power_goes_is_not_logged_twice(expected, tmp_path):
    interrupt_evaluation(tmp_path / "run", 10)
    assert content(learned(break_off(tmp_path / "run", 10))) == expected


@pytest.fixture
def sampled(monkeypatch):
    """A HeldOut: four of the windows of HELD_OUT."""
    monkeypatch.setattr(scratchnet.evaluation.held_out, "LENGTH", 4)
    monkeypatch.setattr(scratchnet.evaluation.held_out, "WARM_UP", 2)
    found = scratchnet.evaluation.held_out.held_out(HELD_OUT, 2, np.random.default_rng(0), most=18)
    assert (found.windows, found.of_windows) == (4, 9)
    return found


def test_a_sample_tells_its_error_and_goes_on(sampled, tmp_path, capsys):
    def session(steps):
        found = begin_or_go_on(tmp_path / "run", steps=steps)
        found.held_out = sampled
        return found

    session(10).learn(quiet=True)
    last = session(20)
    learn(last, True, "scales to choose by", "note")
    rows = [row for row in last.run.rows() if "held_out" in row]
    assert [row["step"] for row in rows] == [5, 10, 15, 20] and all(row["error"] > 0 for row in rows)
    best = min(rows, key=lambda row: row["held_out"])
    best = {"step": best["step"], "nats": best["held_out"], "error": best["error"]}
    assert last.trainer.best == best == load_best(tmp_path / "run", [])[1]["best"] == session(20).trainer.best
    assert last.run.metrics()["chosen by"] == sampled.counts() | best
    said = capsys.readouterr().out
    assert f"evaluated every 5 steps on {sampled.tokens} of 32 tokens in 4 of 9 windows of the scales" in said
    assert f"{best['nats']:.3f} nats per note ± {best['error']:.3f}" in said and "% of the time" in said


def test_ctrl_c_after_learning_says_that_the_network_is_kept(tmp_path):
    session = begin_or_go_on(tmp_path / "run", steps=5)
    kept = f"the trained network is kept in {tmp_path / 'run'}; for the rest: python again {tmp_path / 'run'}"
    for said, shown in ((KeyboardInterrupt(), kept), (KeyboardInterrupt("its own word"), "its own word")):
        with pytest.raises(KeyboardInterrupt) as stopped, afterwards(session):
            raise said
        assert str(stopped.value) == shown


def test_no_row_is_lost_or_doubled(tmp_path):
    found = RunFolder(learned(tmp_path / "run")).rows()
    steps = [(row["step"], "held_out" in row) for row in found]
    assert steps == sorted([(n, False) for n in range(3, 61, 3)] + [(n, True) for n in range(5, 61, 5)])
    assert min(found[0][name] for name in ("loss", "norm", "lr", "tokens_per_s")) > 0


def test_a_strange_log_is_no_obstacle(expected, tmp_path):
    folder = break_off(tmp_path / "run", 10)
    with open(folder / LOG, "a") as file:
        file.write('3\n[]\n{"step": 9, "loss": 1.0}\n{"step": 1')
    assert content(learned(folder)) == expected
    (folder / LOG).unlink()
    assert begin_or_go_on(folder).over


def test_a_finished_run_goes_no_further_but_can_be_made_longer(expected, tmp_path):
    assert content(learned(learned(tmp_path / "run"))) == expected
    longer = content(learned(tmp_path / "longer", steps=STEPS + 20))
    assert content(learned(tmp_path / "run", steps=STEPS + 20)) == longer != expected


def test_patience(tmp_path):
    options = {"steps": 4 * STEPS, "patience": 2, "lr": 1.0}
    folder = learned(learned(tmp_path / "run", **options), **options)
    nats = [row["held_out"] for row in RunFolder(folder).rows() if "held_out" in row]
    assert len(nats) < 4 * STEPS / 5 and min(nats) == nats[-3]
    assert load_best(folder, [])[1]["best"] == {"step": 5 * (len(nats) - 2), "nats": nats[-3]}


@pytest.mark.parametrize("links", [True, False])
def test_the_last_checkpoints_stay(links, expected, tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError("no links on this disk")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    folder = learned(tmp_path / "run")
    names = [path.name for path in earlier(RunFolder(folder))]
    assert names == [f"checkpoint-{step}.safetensors" for step in (52, 56, 60)]
    assert (folder / names[-1]).read_bytes() == (folder / CHECKPOINT).read_bytes()
    (folder / CHECKPOINT).write_bytes((folder / names[1]).read_bytes())  # back to an earlier one
    (folder / names[2]).unlink()
    (folder / "checkpoint-of-mine.safetensors").touch()
    assert begin_or_go_on(folder).trainer.steps == 56
    assert content(learned(folder)) == expected | {"checkpoint-of-mine.safetensors": b""}
    assert earlier(RunFolder(learned(tmp_path / "none", keep=0))) == []


def test_the_best_is_all_that_composing_needs(tmp_path):
    folder = learned(tmp_path / "run")
    lowest = min(row["held_out"] for row in RunFolder(folder).rows() if "held_out" in row)
    for path in (folder, str(folder), folder / BEST, folder / CHECKPOINT):
        network, metadata = load_network(path, ["network", "vocabulary"], make_network)
        assert metadata["vocabulary"] == VOCABULARY and metadata["network"] == {"hidden": 5, "keys": [1, 2]}
        assert not network.training
        assert make_session(folder).held_out(network) == (lowest, 0.0) and metadata["best"]["nats"] == lowest


def test_a_network_that_was_not_evaluated_yet(tmp_path):
    session = begin_or_go_on(tmp_path / "run")
    for _ in range(3):
        session.trainer.step()
    session.save()
    network, metadata = load_network(tmp_path / "run" / CHECKPOINT, ["network"], make_network)
    assert metadata["best"] is None
    np.testing.assert_array_equal(network.params["0.weight"], session.trainer.ema["0.weight"])
    with pytest.raises(UserError, match=f"expected a trained run, but there is no {BEST}"):
        load_network(tmp_path / "run", [], make_network)


def test_diverging_keeps_what_was_saved_and_says_so(expected, tmp_path):
    session = begin_or_go_on(tmp_path / "run")
    go_on = session.trainer.step

    def step():
        if session.trainer.steps == 30:
            session.trainer.model.params["3.bias"][:] = np.nan
        return go_on()

    session.trainer.step = step
    with pytest.raises(Diverged) as stopped:
        session.learn(quiet=True)
    best = load_best(tmp_path / "run", [])[1]["best"]["step"]
    for part in (
        "at step 31 the loss is nan",
        f"{CHECKPOINT} holds step 28",
        f"{BEST} the best, of step {best}",
        "try a lower --lr",
    ):
        assert part in str(stopped.value)
    assert content(learned(tmp_path / "run")) == expected


def test_weights_gone_wrong_are_not_saved(tmp_path):
    session = begin_or_go_on(tmp_path / "run")
    go_on = session.trainer.step

    def step():
        row = go_on()
        if row.step == 4:
            session.trainer.model.params["3.bias"][0] = np.inf  # an update that overflowed
        return row

    session.trainer.step = step
    with pytest.raises(Diverged, match=r"after step 4 not all numbers of last/3\.bias.*holds step 0"):
        session.learn(quiet=True)
    assert begin_or_go_on(tmp_path / "run").trainer.steps == 0


@pytest.mark.parametrize(
    "options, message",
    [
        ({"hidden": 6}, "expected network hidden 6, found 5"),
        ({"vocabulary": "abcdefh"}, "expected vocabulary 'abcdefh', found 'abcdefg'"),
    ],
)
def test_another_network_is_refused(options, message, tmp_path):
    learned(tmp_path / "run", steps=4)
    with pytest.raises(CheckpointError, match=message):
        begin_or_go_on(tmp_path / "run", **options)


def spoilt(change):
    def spoil(path):
        tensors, metadata = load_checkpoint(path)
        change(tensors, metadata)
        save_checkpoint(path, tensors, metadata)

    return spoil


SPOILED = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not a checkpoint\n" * 99),
    "another program's": lambda path: save_checkpoint(path, {"x": np.zeros(3)}, {}),
    "no trainer": spoilt(lambda t, m: m.pop("trainer")),
    "trainer of text": spoilt(lambda t, m: m.update(trainer="x")),
    "no losses": spoilt(lambda t, m: m.pop("recent")),
    "losses of text": spoilt(lambda t, m: m.update(recent=["x"])),
    "another shape": spoilt(lambda t, m: t.update({"last/3.bias": np.zeros(9, np.float32)})),
    "a NaN": spoilt(lambda t, m: t["last/3.bias"].fill(np.nan)),
    "a moment less": spoilt(lambda t, m: t.pop("optimizer/m.3.bias")),
    "other data": spoilt(lambda t, m: m["trainer"]["batches"].update(tokens=1)),
}


@pytest.mark.parametrize("spoil", SPOILED)
def test_damaged_checkpoints_are_refused_in_one_line(spoil, tmp_path):
    folder = learned(tmp_path / "run", steps=4)
    SPOILED[spoil](folder / CHECKPOINT)
    log = (folder / LOG).read_bytes()
    with pytest.raises(CheckpointError) as refused:
        begin_or_go_on(folder)
    assert str(refused.value).startswith(str(folder / CHECKPOINT)) and "\n" not in str(refused.value)
    assert (folder / LOG).read_bytes() == log


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t, m: m.pop("vocabulary"), "found no vocabulary"),
        (lambda t, m: m.update(network={}), "do not fit"),
        (lambda t, m: m.update(network=3), "do not fit"),
        (lambda t, m: m.update(network={"hidden": 6}), "do not fit"),
        (lambda t, m: m.update(vocabulary="abc"), "do not fit"),
        (lambda t, m: t.pop("3.bias"), "do not fit"),
    ],
)
def test_networks_that_do_not_fit_are_refused(change, message, tmp_path):
    folder = learned(tmp_path / "run", steps=5)
    spoilt(change)(folder / BEST)
    with pytest.raises(CheckpointError, match=message) as refused:
        load_network(folder, ["network", "vocabulary"], make_network)
    assert "\n" not in str(refused.value)


def test_what_a_user_sees_on_the_way(tmp_path, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(experiments.common.progress, "SECONDS_BETWEEN_LINES", 0.0)
    begin_or_go_on(tmp_path / "run", steps=10).learn()
    first = stream.getvalue().splitlines()
    for part in ("training: 10/10 step", "left", "step/s", "loss=", "held-out=", "norm=", "tokens/s="):
        assert part in first[-1]
    begin_or_go_on(tmp_path / "run", steps=12).learn()
    second = stream.getvalue().splitlines()[len(first) :]
    assert "training: 10/12" in second[0] and "training: 12/12" in second[-1]


def test_speed_counts_tokens(tmp_path):
    began, session = time.perf_counter(), begin_or_go_on(tmp_path / "run", steps=9, eval_every=100)
    session.learn(quiet=True)
    elapsed = time.perf_counter() - began
    speeds = [row["tokens_per_s"] for row in session.run.rows() if "loss" in row]
    assert len(speeds) == 3 and math.fsum(3 * 5 * BATCH / speed for speed in speeds) < elapsed
