"""Programs: which command runs, exit status, messages of one line."""

import errno
import importlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
from experiments.common import json_files
from experiments.common.command_line import Program
from experiments.common.errors import UserError
from experiments.common.kinds import NonNegativeInt, PositiveInt
from scratchnet.training.checkpoint import CheckpointError


@dataclass(frozen=True)
class Train:
    """Train the network.

    Then more."""

    seed: NonNegativeInt = 0
    """Seed of all randomness."""
    quick: bool = False

    def __post_init__(self):
        if self.quick and self.seed == 13:
            raise ValueError("--quick does not go\nwith --seed 13")


@dataclass(frozen=True)
class ComposeAll:
    """Write choruses."""

    run: Path
    """Folder of a trained run."""
    choruses: PositiveInt = 4


class Script:
    """A program that notes what it was asked to do, and can be told how to fail."""

    def __init__(self):
        self.calls = []
        self.failure = None
        commands = {Train: self.train, ComposeAll: self.calls.append}
        example = "python -m experiments.blues --seed 3"
        self.program = Program("blues", "Twelve-bar blues.", example, commands, [EOFError, "a.B"])
        self.main = self.program.main

    def train(self, config):
        self.calls.append(config)
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def script():
    return Script()


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("", Train()),
        ("train", Train()),
        ("--seed 3", Train(seed=3)),
        ("train --seed 3", Train(seed=3)),
        ("compose-all runs/x", ComposeAll(Path("runs/x"))),
        ("compose-all --choruses 2 runs/x", ComposeAll(Path("runs/x"), 2)),
    ],
)
def test_commands(script, capsys, argv, expected):
    assert script.main(argv.split()) == 0
    assert script.calls == [expected]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("argv", "label", "message"),
    [
        ("--seed x", "blues", "--seed: expected an integer >= 0, got x"),
        ("train --seed x", "blues train", "--seed: expected an integer >= 0, got x"),
        ("--quick --seed 13", "blues", "--quick does not go with --seed 13"),
        ("train more", "blues train", "unrecognized arguments: more"),
        ("compose-all", "blues compose-all", "expected run"),
        ("compose-all --zzz", "blues compose-all", "--zzz: no such flag"),
        ("trian", "blues", "no command 'trian'; expected one of train, compose-all"),
    ],
)
def test_mistakes_are_one_line(script, capsys, argv, label, message):
    assert script.main(argv.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and script.calls == []
    assert err.startswith(f"{label}: error: {message} (see ") and err.endswith("--help)\n")
    assert err.count("\n") == 1


def test_a_default_command_with_arguments_need_not_be_named():
    calls = []
    program = Program("listen", "Listen.", "", {ComposeAll: calls.append, Train: calls.append})
    for line in ("runs/x --choruses 2", "compose-all runs/x --choruses 2", "--choruses 2 runs/x", "train"):
        assert program.main(line.split()) == 0
    assert calls == 3 * [ComposeAll(Path("runs/x"), 2)] + [Train()]


def test_a_configuration_is_printed_and_nothing_is_run(script, tmp_path, capsys):
    assert script.main(["--seed", "4", "--print-config"]) == 0
    assert script.calls == []
    (tmp_path / "c.yaml").write_text(capsys.readouterr().out)
    assert script.main(["--config", str(tmp_path / "c.yaml")]) == 0
    assert script.calls == [Train(seed=4)]


def test_a_mistake_in_a_configuration_file_names_it(script, tmp_path, capsys):
    path = tmp_path / "c.yaml"
    path.write_text("seed: -1")
    assert script.main(["train", "--config", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"blues train: error: {path}: seed: expected an integer >= 0, got -1")
    assert err.count("\n") == 1


def full_disk():
    return OSError(errno.ENOSPC, "No space left on device", "runs/x/log.jsonl")


@pytest.mark.parametrize(
    ("failure", "status", "message"),
    [
        (UserError("a.mid: expected\na MIDI file"), 2, "error: a.mid: expected a MIDI file"),
        (CheckpointError("m: damaged"), 2, "error: m: damaged"),
        (EOFError("listed by the script"), 2, "error: listed by the script"),
        (type("B", (ValueError,), {"__module__": "a"})("listed by name"), 2, "error: listed by name"),
        (FileNotFoundError(2, "No such file", "x.mid"), 2, "error: x.mid: No such file"),
        (PermissionError(13, "Permission denied", "x.mid"), 2, "error: x.mid: Permission denied"),
        (IsADirectoryError(21, "Is a directory", "x"), 2, "error: x: Is a directory"),
        (full_disk(), 1, "error: runs/x/log.jsonl: No space left on device"),
        (OSError("odd"), 1, "error: odd"),
        (MemoryError("4 TiB"), 1, "error: out of memory 4 TiB"),
        (ImportError("no torch; try: pip install torch"), 3, "error: no torch; try: pip install torch"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyboardInterrupt("3 of 9; go on with: x"), 130, "interrupted: 3 of 9; go on with: x"),
    ],
)  # fmt: skip
def test_exit_status(script, capsys, failure, status, message):
    script.failure = failure
    assert script.main([]) == status
    assert capsys.readouterr() == ("", f"blues: {message}\n")


@pytest.mark.parametrize(
    "bug", [ValueError("x"), ImportError("cannot import name y"), KeyError("z"), AssertionError()]
)
def test_bugs_are_not_hidden(script, bug):
    script.failure = bug
    with pytest.raises(type(bug)):
        script.main([])


def test_help_of_the_program(script, capsys):
    for flag in ("--help", "-h"):
        assert script.main([flag]) == 0
        out = capsys.readouterr().out
        for part in (
            "usage: python -m experiments.blues [command] [options]\n\nTwelve-bar blues.\n",
            "  train        Train the network. [default]\n  compose-all  Write choruses.\n",
            "examples:\n  python -m experiments.blues --seed 3\n",
        ):
            assert part in out
    assert script.calls == []


def test_help_fits_the_terminal(script, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    script.program.description = "Twelve-bar blues, learned and composed.\n    By a network."
    assert script.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "\n\nTwelve-bar blues, learned and composed.\nBy a network.\n" in out
    assert "  train        Train the network.\n               [default]\n" in out
    assert "  python -m experiments.blues --seed 3\n" in out  # whole, however long: it is copied


def test_help_of_a_command(script, capsys):
    assert script.main(["train", "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "usage: python -m experiments.blues train [options] Train the network. Then more." in out
    assert "--seed N Seed of all randomness. (an integer >= 0; default: 0)" in out
    assert script.main(["compose-all", "-h"]) == 0
    assert "compose-all RUN [options]" in capsys.readouterr().out
    assert script.calls == []


def test_a_function_may_be_named_by_where_it_is(monkeypatch):
    calls = []
    monkeypatch.setattr(json_files, "plain", calls.append)
    assert Program("common", "Any.", "", {Train: "json_files.plain"}).main(["--seed", "3"]) == 0
    assert calls == [Train(seed=3)]


CODE = """
import sys
from dataclasses import dataclass
from experiments.common.command_line import Program
@dataclass(frozen=True)
class Go:
    'Go.'
    n: int = 3
def go(config):
    for i in range(config.n):
        print("line", i)
program = Program("x", "y", "", {Go: go})
status = program.main()
heavy = {"numba", "matplotlib", "scipy", "numpy", "tqdm"} & set(sys.modules)
assert not heavy, heavy
sys.exit(status)
"""


# Unbuffered output would hide what Python does with the rest of it at exit.
BUFFERED = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}


def run(*arguments, **options):
    command = [sys.executable, "-W", "error", "-c", CODE, *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, env=BUFFERED, **options)


def test_help_imports_nothing_heavy():
    for arguments in (["--help"], ["go", "--help"], ["--print-config"], []):
        done = run(*arguments, stdout=subprocess.PIPE)
        assert done.returncode == 0 and done.stderr == "" and done.stdout


def test_nobody_reads_the_output():
    command = [sys.executable, "-c", CODE, "--n", "100000"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=BUFFERED)
    process.stdout.readline()
    process.stdout.close()
    assert (process.stderr.read(), process.wait(30)) == ("", 141)
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_behind_standard_output():
    with open("/dev/full", "w") as full:
        done = run(stdout=full)
    assert (done.returncode, done.stderr) == (1, "x: error: [Errno 28] No space left on device\n")


def test_a_missing_package_is_named(script, monkeypatch, tmp_path, capsys):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

    (tmp_path / "c.yaml").write_text("seed: 3")
    monkeypatch.setattr(importlib, "import_module", missing)
    assert script.main([]) == 0  # flags need no package
    assert script.main(["--config", str(tmp_path / "c.yaml")]) == 3
    assert capsys.readouterr().err == (
        'blues: error: yaml is not installed; try: pip install "scratchnet[experiments]"\n'
    )
