import errno
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import pytest

pytest.importorskip("jsonargparse")
import experiments.command_line
from experiments.command_line import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Program,
    Range,
    UserError,
    describe,
    import_extra,
    is_allowed,
    make_parser,
)
from scratchnet.checkpoint import CheckpointError

Scale = Enum("Scale", ["minor", "blues"])


@dataclass(frozen=True)
class Train:
    seed: NonNegativeInt = 0
    """Seed of all randomness, 100% of it."""
    learning_rate: PositiveFloat = 1e-3
    """Step size."""
    layer_sizes: tuple[PositiveInt, ...] = (64, 32)
    key: Literal["all", "c"] = "c"
    scale: Scale = Scale.blues
    quick: bool = False
    """Minutes, not hours."""
    sound: bool = True
    clip: PositiveFloat | None = None
    out: Path | None = None
    name: str = ""
    threshold: float = 0.5

    def __post_init__(self):
        if self.quick and self.seed == 13:
            raise ValueError("--quick does not go\nwith --seed 13")


@dataclass(frozen=True)
class Compose:
    run: Path
    """Folder of a trained run."""
    choruses: PositiveInt = 4


class Script:
    """A program that notes what it was asked to do, and can be told how to fail."""

    def __init__(self):
        self.calls = []
        self.failure = None
        program = Program(
            "blues", "Twelve-bar blues.", "python -m experiments.blues --seed 3", [EOFError, "a.B"]
        )

        @program.command(default=True)
        def train(config: Train):
            """Train the network.

            Then more."""
            self.calls.append(config)
            if self.failure is not None:
                raise self.failure

        @program.command()
        def compose_all(config: Compose):
            """Write choruses."""
            self.calls.append(config)

        self.main = program.main


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
        ("--learning-rate 1e-2", Train(learning_rate=0.01)),
        ("--learning_rate=1", Train(learning_rate=1.0)),
        ("--layer-sizes 1 2 3", Train(layer_sizes=(1, 2, 3))),
        ("--key all --scale minor", Train(key="all", scale=Scale.minor)),
        ("--quick --no-sound", Train(quick=True, sound=False)),
        ("--quick=false --no_quick --sound", Train()),
        ("--clip 0.5", Train(clip=0.5)),
        ("--clip null --out a/b", Train(out=Path("a/b"))),
        ("--name 1e3 --threshold -2", Train(name="1e3", threshold=-2.0)),
        ("--name train", Train(name="train")),
        ("compose-all runs/x", Compose(Path("runs/x"))),
        ("compose-all --choruses 2 runs/x", Compose(Path("runs/x"), 2)),
        ("compose-all -- --odd", Compose(Path("--odd"))),
    ],
)
def test_flags(script, capsys, argv, expected):
    assert script.main(argv.split()) == 0
    assert script.calls == [expected]
    assert type(getattr(script.calls[0], "learning_rate", 0.0)) is float
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--seed x", "--seed: expected an integer >= 0, got x"),
        ("--seed -1", "--seed: expected an integer >= 0, got -1"),
        ("--seed 2.5", "--seed: expected an integer >= 0, got 2.5"),
        ("--seed true", "--seed: expected an integer >= 0, got True"),
        ("--seed null", "--seed: expected an integer >= 0, got None"),
        ("--seed", "--seed: expected one argument"),
        ("--learning-rate 0", "--learning-rate: expected a number > 0, got 0.0"),
        ("--learning-rate nan", "--learning-rate: expected a number > 0, got nan"),
        ("--learning-rate .nan", "--learning-rate: expected a number > 0, got nan"),
        ("--threshold .inf", "--threshold: expected a number, got inf"),
        ("--threshold=-.inf", "--threshold: expected a number, got -inf"),
        ("--threshold 1e999", "--threshold: expected a number, got inf"),
        ("--clip .inf", "--clip: expected a number > 0 or null, got inf"),
        ("--clip x", "--clip: expected a number > 0 or null, got x"),
        ("--layer-sizes 3 x", "--layer-sizes: expected a list, each an integer >= 1, got x"),
        ("--layer-sizes 3 0", "--layer-sizes: expected a list, each an integer >= 1, got (3, 0)"),
        ("--layer-sizes", "--layer-sizes: expected at least one argument"),
        ("--key d", "--key: expected one of all, c, got d"),
        ("--scale dorian", "--scale: expected one of minor, blues, got dorian"),
        ("--quick=perhaps", "--quick: expected true or false, got perhaps"),
        ("--quick --seed 13", "--quick does not go with --seed 13"),
        ("--learning-rtae 3", "--learning-rtae: no such flag; did you mean --learning-rate?"),
        ("--learning 3", "--learning: no such flag; did you mean --learning-rate?"),
        ("--zzz", "--zzz: no such flag"),
        ("-x", "unrecognized arguments: -x"),
        ("train more", "unrecognized arguments: more"),
        ("compose-all", "expected run"),
        ("compose-all a --choruses 0", "--choruses: expected an integer >= 1, got 0"),
        ("trian", "no command 'trian'; expected one of train, compose-all"),
    ],
)
def test_mistakes_are_one_line(script, capsys, argv, message):
    assert script.main(argv.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and script.calls == []
    assert err.count("\n") == 1 and err.endswith("--help)\n")
    label = "blues" if argv[:1] == "-" or argv == "trian" else f"blues {argv.split()[0]}"
    assert err.startswith(f"{label}: error: {message} (see ")


def test_a_configuration_file_and_flags_after_it(script, tmp_path):
    (tmp_path / "c.yaml").write_text(
        "seed: 5\nlearning_rate: 1e-2\nlayer_sizes: [1]\nquick: true\nscale: minor\n"
    )
    assert script.main(["--config", str(tmp_path / "c.yaml"), "--seed", "6"]) == 0
    assert script.calls == [
        Train(seed=6, learning_rate=0.01, layer_sizes=(1,), quick=True, scale=Scale.minor)
    ]


def test_a_configuration_file_may_give_the_positional(script, tmp_path):
    (tmp_path / "c.yaml").write_text("run: runs/x\n")
    assert script.main(["compose-all", "--config", str(tmp_path / "c.yaml")]) == 0
    assert script.calls == [Compose(Path("runs/x"))]


@pytest.mark.parametrize("spelling", ["--print-config", "--print_config"])
def test_the_printed_configuration_can_be_read_back(script, tmp_path, capsys, spelling):
    assert script.main(["--seed", "4", "--clip", "1e-7", "--scale", "minor", "--name", "no", spelling]) == 0
    assert script.calls == []  # nothing was run
    (tmp_path / "c.yaml").write_text(capsys.readouterr().out)
    assert script.main(["--config", str(tmp_path / "c.yaml")]) == 0
    assert script.calls == [Train(seed=4, clip=1e-7, scale=Scale.minor, name="no")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("seed: x", "seed: expected an integer >= 0, got x"),
        ("seed: -1", "seed: expected an integer >= 0, got -1"),
        ("seed: null", "seed: expected an integer >= 0, got None"),
        ("threshold: .nan", "threshold: expected a number, got nan"),
        ("layer_sizes: 3", "expected a list, got one int"),
        ("layer_sizes: [3, 0]", "layer_sizes: expected a list, each an integer >= 1, got [3, 0]"),
        ("quick: 7", "quick: expected true or false, got 7"),
        ("sede: 3", "no setting 'sede'; did you mean seed?"),
        ("3", "expected settings like `seed: 3`, got 3"),
        ("", "expected settings like `seed: 3`"),
        ("seed: [", "Problems parsing config"),
        ("\0\1\2", "Problems parsing config"),
        (b"\xff\xfe\xc1", "expected a YAML file of settings"),
    ],
)
def test_mistakes_in_a_configuration_file_name_it(script, tmp_path, capsys, content, message):
    path = tmp_path / "c.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert script.main(["train", "--config", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"blues train: error: {path}: {message}") and err.count("\n") == 1
    assert script.calls == []


def test_no_configuration_file(script, tmp_path, capsys):
    for path in (tmp_path, tmp_path / "missing.yaml"):
        assert script.main(["--config", str(path)]) == 2
        err = capsys.readouterr().err
        assert err.startswith("blues: error: --config: ") and str(path) in err and err.count("\n") == 1


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


def test_help_of_a_command(script, capsys):
    assert script.main(["train", "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for part in (
        "usage: python -m experiments.blues train [options] Train the network. Then more.",
        "--learning-rate X Step size. (a number > 0; default: 0.001)",
        "100% of it. (an integer >= 0; default: 0)",
        "--quick Minutes, not hours. (true or false; default: false)",
        "--key KEY (one of all, c; default: c)",
        "--layer-sizes N [N ...] (a list, each an integer >= 1; default: 64 32)",
        "--clip X (a number > 0 or null)",
        "--config FILE",
    ):
        assert part in out
    assert "_rate" not in out
    assert script.main(["compose-all", "-h"]) == 0
    assert "compose-all RUN [options]" in capsys.readouterr().out


def test_a_program_without_default_asks_for_a_command(capsys):
    program = Program("x", "y")

    @program.command()
    def go(config: Train):
        """Go."""

    assert program.main([]) == 2
    assert capsys.readouterr().err == "x: error: no command; expected one of go (see --help)\n"


CODE = """
import sys
from dataclasses import dataclass
from experiments.command_line import Program
@dataclass(frozen=True)
class C:
    n: int = 3
program = Program("x", "y")
@program.command(default=True)
def go(config: C):
    'Go.'
    for i in range(config.n):
        print("line", i)
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
    began = time.perf_counter()
    for arguments in (["--help"], ["go", "--help"], ["--print-config"], []):
        done = run(*arguments, stdout=subprocess.PIPE)
        assert done.returncode == 0 and done.stderr == "" and done.stdout
    assert time.perf_counter() - began < 8  # four interpreters on a busy machine


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


def test_missing_packages(script, monkeypatch, capsys):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

    monkeypatch.setattr(experiments.command_line.importlib, "import_module", missing)
    assert script.main([]) == 3
    assert capsys.readouterr().err == (
        'blues: error: jsonargparse is not installed; try: pip install "scratchnet[experiments]"\n'
    )
    with pytest.raises(ImportError, match=r'a is not installed; try: pip install "scratchnet\[audio\]"'):
        import_extra("a.b", "audio")


def test_a_broken_package_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "halfway.py").write_text("import not_there_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        import_extra("halfway")


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (PositiveInt, [1, 10**30], [0, -1, True, 1.0, None, "1"]),
        (NonNegativeInt, [0, 1], [-1]),
        (PositiveFloat, [5e-324, 1, 1e300], [0.0, -1.0, float("nan"), float("inf"), True]),
        (NonNegativeFloat, [0.0], [-1e-9, float("inf")]),
        (Fraction, [0, 0.5, 1], [-0.1, 1.1, float("nan")]),
        (Annotated[float, Range(above=0, below=1)], [0.5], [0, 1]),
        (float, [-1e300, 0], [float("-inf"), "1"]),
        (int | None, [None, -3], [0.5]),
        (Literal["a", 2], ["a", 2], ["b", None]),
        (list[Fraction], [[], [0.5, 1]], [[0.5, 2], 0.5]),
        (bool, [True], [1]),
    ],
)
def test_ranges(hint, good, bad):
    assert all(is_allowed(value, hint) for value in good)
    assert not any(is_allowed(value, hint) for value in bad)


def test_ranges_in_words():
    assert describe(Annotated[float, Range(above=0, most=1)]) == "a number > 0 and <= 1"
    assert describe(Scale | None) == "one of minor, blues or null"


def test_a_parser_for_python_code():
    assert make_parser(Train).parse(["--seed", "3"]) == Train(seed=3)
    with pytest.raises(UserError, match="--seed: expected an integer >= 0, got -3"):
        make_parser(Train).parse(["--seed", "-3"])
