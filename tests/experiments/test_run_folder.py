import gc
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from locking import another_process

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
import experiments.common.environment
from experiments.common import json_files, locks
from experiments.common.errors import UserError
from experiments.common.figures import held_out_curve
from experiments.common.json_files import points
from experiments.common.kinds import Fraction, PositiveFloat, PositiveInt
from experiments.common.run_folder import Busy, RunFolder
from scratchnet.files import atomic_path, leftovers, temporary_path

Scale = Enum("Scale", ["minor", "blues"])


@dataclass(frozen=True)
class Config:
    steps: PositiveInt = 10
    """How many."""
    learning_rate: PositiveFloat = 1e-5
    sizes: tuple[PositiveInt, ...] = (64, 32)
    scale: Scale = Scale.blues
    out: Path | None = None
    clip: Fraction | None = 1.0
    name: str = "β: yes # 1e3"


CONFIG = Config(steps=3, scale=Scale.minor, out=Path("a b"), clip=None, sizes=(7,))


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "run", "blues", CONFIG)


def test_the_settings_come_back_equal(run):
    assert RunFolder.open(run.folder).config(Config) == CONFIG


@pytest.mark.parametrize(
    "name", ["yes", "null", "3", "1e3", "~", "", "a: b", "- x", "#", "'", "é\u2028", "\x7f", "🎹", "C:\\x"]
)
def test_text_that_looks_like_something_else(tmp_path, name):
    assert RunFolder.create(tmp_path / "r", config=Config(name=name)).config(Config).name == name


ODD = [
    "-x",
    " a  b ",
    "é♯🎹",
    "a'b\"c",
    "$(ls);*?[",
    "a\nb\tc",
    "%s%d{}",
    "~",
    "x" * 200,
    "#",
    "a\x1b[2J",
    "C:\\x",
]


@pytest.mark.parametrize("name", ODD)
def test_odd_paths(tmp_path, name):
    config = Config(out=tmp_path / name)
    run = RunFolder.create(config.out, config=config)
    run.log(step=1)
    run.write_metrics({name: name})
    again = RunFolder.resume(config.out)
    assert (
        again.config(Config) == config and again.rows() == [{"step": 1}] and again.metrics() == {name: name}
    )


def test_default_folders_are_named_after_the_time_and_do_not_meet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = [RunFolder.create(experiment="blues", config=CONFIG) for _ in range(3)]
    assert len({run.folder for run in runs}) == 3
    for run in runs:
        assert re.fullmatch(r"runs/blues-\d{8}-\d{6}(-\d)?", run.folder.as_posix())


def test_a_folder_with_files_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.txt").write_text("important")
    with pytest.raises(UserError, match="not empty") as caught:
        RunFolder.create(tmp_path, config=CONFIG)
    assert str(tmp_path) in str(caught.value)
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_an_empty_folder_is_welcome(tmp_path):
    assert RunFolder.create(tmp_path, config=CONFIG).config(Config) == CONFIG


def test_overwriting_begins_afresh_and_keeps_other_files(run):
    (run.folder / "notes.txt").write_text("mine")
    run.log(loss=1.0)
    run.write_metrics({"loss": 1.0})
    for name in ("checkpoint.safetensors", "checkpoint-20.safetensors", "best.safetensors"):
        (run.folder / name).write_bytes(b"old")
    again = RunFolder.create(run.folder, config=Config(steps=99), overwrite=True)
    assert again.config(Config).steps == 99
    assert again.rows() == [] and again.metrics() == {} and not list(run.folder.glob("*.safetensors"))
    assert (run.folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["config.yaml", "checkpoint.safetensors", "best.safetensors", "environment.json"]
)
def test_overwriting_spares_strangers_files(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(UserError, match=f"{name} in it is not of a run"):
        RunFolder.create(tmp_path, config=CONFIG, overwrite=True)
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_text() == "{}"


def test_a_strangers_numbered_checkpoint_stays(tmp_path):
    (tmp_path / "checkpoint-20.safetensors").write_bytes(b"old")
    run = RunFolder.create(tmp_path, config=CONFIG, overwrite=True)
    assert (run.folder / "checkpoint-20.safetensors").read_bytes() == b"old"


def test_rows_can_be_dropped(run):
    run.sync_log()
    assert run.rows() == []
    for step in range(6):
        run.log(step=step, loss=0.1 * step)
    with open(run.folder / "log.jsonl", "a") as file:
        file.write('3\n{"step": 4, "lo')
    kept = run.rows()[:4]
    run.keep_rows("step", 3)
    run.sync_log()
    assert run.rows() == kept and (run.folder / "log.jsonl").read_text().count("\n") == 4


def test_no_folder_can_be_made_here(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UserError, match="cannot make a run folder") as caught:
            RunFolder.create(path, config=CONFIG, overwrite=True)
        assert str(path) in str(caught.value)


def test_what_is_no_run_folder(tmp_path, run):
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for name, message in [
        ("nowhere", "no such run folder"),
        ("file", "got a file"),
        ("empty", "no config.yaml"),
    ]:
        with pytest.raises(UserError, match=message) as caught:
            RunFolder.open(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))
    with pytest.raises(UserError, match="no checkpoint.safetensors"):
        run.require_checkpoint()
    run.checkpoint.write_bytes(b"x")
    assert run.require_checkpoint() == run.checkpoint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: 0", "steps: expected an integer >= 1, got 0"),
        ("steps: many", "steps: expected an integer >= 1, got many"),
        ("stesp: 3", "no setting 'stesp'; did you mean steps?"),
        ("learning_rate: .nan", "learning_rate: expected a number > 0, got nan"),
        ("scale: dorian", "scale: expected one of minor, blues, got dorian"),
        ("steps: [", "expected a YAML file of settings"),
        ("", "expected settings like"),
        ("\0", "expected a YAML file of settings"),
    ],
)
def test_damaged_settings(run, text, message):
    path = run.folder / "config.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        run.config(Config)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_the_log_is_on_disk_at_once_and_survives_a_torn_line(run):
    run.log(step=1, loss=np.float32(0.5))
    assert json.loads((run.folder / "log.jsonl").read_text()) == {"step": 1, "loss": 0.5}
    with open(run.folder / "log.jsonl", "a") as file:
        file.write('{"step": 2, "lo')
    run.log(step=3)
    assert run.rows() == [{"step": 1, "loss": 0.5}, {"step": 3}]


DEEP = b"[" * 10**6
NO_ROWS = [
    b"", b"\n", b"\x00" * 4096 + b"\n", b'{"step": 4\xff}\n', b"\xff\xfe\n", DEEP, b"3\n", b"null\n", b"[]\n",
    b'"step"\n', b"{}\n", b'{"loss": 1.0}\n', b'{"step": null, "loss": 1.0}\n', b'{"step": "4", "loss": 1}\n',
    b'{"step": NaN, "loss": 1}\n', b'{"step": 1e999, "loss": 1}\n', b'{"step": true, "loss": 1}\n',
    b'{"step": [4], "loss": 1}\n', b'{"step": ' + b"9" * 5000 + b', "loss": 1}\n', b'{"step": 4, "lo',
    b'{"step": ' + b"9" * 400 + b', "loss": 1}\n', b'{"step": 4, "x": "' + b"x" * 2**21 + b'"}\n',
]  # fmt: skip


@pytest.mark.parametrize("line", NO_ROWS, ids=lambda line: repr(line[:24]))
def test_lines_that_are_no_rows_are_passed_over(run, line):
    run.log(step=1, loss=0.5)
    with open(run.folder / "log.jsonl", "ab") as file:
        file.write(line)
    run.log(step=2, loss=None)
    run.log(step=3, loss=0.25)
    rows = run.rows("step")
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert points(rows, "step", "loss") == held_out_curve([{**row, "held_out": row["loss"]} for row in rows])
    assert points(rows, "step", "loss") == [[1, 0.5], [3, 0.25]]
    assert run.rows("step", "loss") == [rows[0], rows[2]]
    run.keep_rows("step", 2)
    assert (run.folder / "log.jsonl").read_text() == '{"step": 1, "loss": 0.5}\n{"step": 2, "loss": null}\n'


@pytest.mark.parametrize(
    "text", [b"", DEEP, b'{"a": \xff}', b"[]", b"null", b'{"a": ' + b"9" * 5000 + b"}", b"{"]
)
def test_json_files_that_are_damaged(run, text):
    (run.folder / "metrics.json").write_bytes(text)
    for use in (run.metrics, lambda: run.write_metrics({"x": 1}), lambda: RunFolder.resume(run.folder)):
        with pytest.raises(UserError) as caught:
            use()
        assert str(caught.value) == f"{run.folder / 'metrics.json'}: expected a JSON object"
    assert (run.folder / "metrics.json").read_bytes() == text
    (run.folder / "environment.json").write_bytes(text)
    with pytest.raises(UserError, match="is not of a run"):
        RunFolder.create(run.folder, config=CONFIG, overwrite=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
@pytest.mark.parametrize("make", [os.mkdir, getattr(os, "mkfifo", None)])
@pytest.mark.parametrize("name", ["log.jsonl", "metrics.json"])
def test_what_might_be_read_for_ever(run, name, make):
    make(run.folder / name)
    with pytest.raises(UserError, match=f"{name}: expected a"):
        RunFolder.resume(run.folder)


def test_a_json_file_beyond_all_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(json_files, "MOST_BYTES", 10)
    (tmp_path / "a.json").write_text('{"a": "1234567890"}')
    with pytest.raises(UserError, match="a.json: expected a JSON list"):
        json_files.read_json(tmp_path / "a.json", list)


MINE = [
    "metrics.part-0123456789abcdef.json", ".metrics.part-0123456789abcde.json", ".metrics.0123abcd.json",
    ".gates.part-0123456789ABCDEF.png", ".notes.txt", "samples/.a.part_0123456789abcdef.wav",
    "samples/tmpabcdefgh/sound.raw", "samples/mine.wav", "composed-3/.x.part-012345678.mid", ".git/config",
]  # fmt: skip


def test_leftovers_go_and_a_users_files_stay(run):
    before = {path.name for path in run.folder.iterdir()}
    for name in MINE:
        run.path(name).write_text("mine")
    for name in ("metrics.json", "checkpoint.safetensors", "samples/lstm-1.wav", "lstm-0/best.safetensors"):
        temporary_path(run.path(name)).write_text("half")
    raw = temporary_path(run.path("samples/lstm-2.wav"))
    raw.mkdir()
    (raw / "sound.raw").write_text("half")
    composing = run.path("composed-4/01.wav")
    with atomic_path(composing) as written:  # by a process that lives
        written.write_text("composed")
        again = RunFolder.resume(run.folder)
        assert written.exists()
    files = {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file()}
    assert files == {*before, *MINE, "composed-4/01.wav"}
    assert all((run.folder / name).read_text() == "mine" for name in MINE)
    temporary_path(run.path("log.jsonl")).write_text("half")
    RunFolder.create(again.folder, config=CONFIG, overwrite=True)
    assert not leftovers(run.folder)


@pytest.mark.skipif(os.name != "posix", reason="POSIX")
def test_folders_behind_links_are_not_touched(run, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    temporary = temporary_path(elsewhere / "a.wav")
    temporary.touch()
    (run.folder / "samples").symlink_to(elsewhere)
    RunFolder.resume(run.folder)
    assert temporary.exists()


def test_one_process_at_a_time_works_in_a_folder(tmp_path):
    run = RunFolder(RunFolder.create(tmp_path / "run", config=CONFIG).folder)
    gc.collect()  # it has no lock now
    with another_process(run.folder / ".lock") as process:
        leftover = temporary_path(run.path("metrics.json"))
        leftover.touch()
        before = {path: path.read_bytes() for path in run.folder.iterdir()}
        for use in (
            lambda: RunFolder.resume(run.folder),
            lambda: RunFolder.create(run.folder, config=CONFIG, overwrite=True),
        ):
            with pytest.raises(
                Busy, match=rf"run: another process \({process.pid} on .+\) works in this folder"
            ):
                use()
        assert {path: path.read_bytes() for path in run.folder.iterdir()} == before
        assert RunFolder.open(run.folder).config(Config) == CONFIG  # to look, and to compose, is free
        process.kill()
        process.wait()
    RunFolder.resume(run.folder)
    assert not leftover.exists()


def test_the_lock_goes_with_the_run(tmp_path):
    run = RunFolder.create(tmp_path / "run", config=CONFIG)
    again = RunFolder.resume(run.folder)  # the same process may
    assert (run.folder / ".lock").exists()
    del run, again
    gc.collect()
    assert not (tmp_path / "run" / ".lock").exists() and not locks._held


def test_a_lock_that_stayed_is_no_file_of_a_stranger(tmp_path):
    (tmp_path / ".lock").touch()
    assert RunFolder.create(tmp_path, config=CONFIG).config(Config) == CONFIG


def test_settings_of_one_of_two_kinds(run, tmp_path):
    @dataclass(frozen=True)
    class Resumed(Config):
        resume: Path | None = None

    other = RunFolder.create(tmp_path / "other", config=Resumed(steps=3, resume=Path("x")))
    for kinds in ((Config, Resumed), (Resumed, Config)):
        assert other.config(*kinds) == Resumed(steps=3, resume=Path("x"))
    assert run.config(Config, Resumed) == CONFIG
    (run.folder / "config.yaml").write_text("stesp: 3")
    with pytest.raises(UserError, match="no setting 'stesp'; did you mean steps"):
        run.config(Config, Resumed)


def test_json_without_nan(run):
    run.log(loss=float("nan"), norms=np.array([1.0, np.inf]))
    run.write_metrics({"loss": np.float64("nan"), "worst": -np.inf, "path": Path("x"), "n": np.int64(3)})

    def refuse(name):
        raise AssertionError(name)

    assert json.loads((run.folder / "log.jsonl").read_text(), parse_constant=refuse) == {
        "loss": None,
        "norms": [1.0, None],
    }
    metrics = json.loads((run.folder / "metrics.json").read_text(), parse_constant=refuse)
    assert metrics == {"loss": None, "worst": None, "path": "x", "n": 3}


def test_metrics_are_merged_and_written_whole(run):
    run.write_metrics({"train": 1, "test": 2})
    run.write_metrics({"test": 3})
    assert run.metrics() == {"train": 1, "test": 3}
    with pytest.raises(TypeError):
        run.write_metrics({"bad": object()})
    assert run.metrics() == {"train": 1, "test": 3}
    (run.folder / "metrics.json").write_text("[1")
    with pytest.raises(UserError, match="metrics.json: expected a JSON object"):
        run.write_metrics({"x": 1})
    assert (run.folder / "metrics.json").read_text() == "[1"


def test_the_environment_is_recorded(run):
    text = (run.folder / "environment.json").read_text()
    record = json.loads(text)
    assert record["packages"]["numpy"] == np.__version__
    assert record["python"] == ".".join(map(str, sys.version_info[:3]))
    assert all(record["packages"][name] for name in ("scratchnet", "numba", "scipy", "mido", "safetensors"))
    assert record["processor"] and record["cores"] >= (record["cores available"] or 1) >= 1
    assert any(pool["user_api"] == "blas" and pool["num_threads"] >= 1 for pool in record["thread pools"])
    assert str(Path.home()) not in text and "filepath" not in text


def test_the_commit_is_that_of_this_checkout_only(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    script = tmp_path / "experiments" / "common" / "environment.py"
    script.parent.mkdir(parents=True)
    script.write_text("x")
    monkeypatch.setattr(experiments.common.environment, "__file__", str(script))
    assert experiments.common.environment.commit() is None
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    assert re.fullmatch("[0-9a-f]{40,64}", experiments.common.environment.commit())
    script.write_text("y")
    assert experiments.common.environment.commit().endswith("+changes")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert experiments.common.environment.commit() is None


def test_paths_inside_folders(run):
    run.path("samples/first.mid").write_bytes(b"x")
    assert (run.folder / "samples" / "first.mid").read_bytes() == b"x"
