"""Settings: from flags and YAML files to a dataclass, and what is said of mistakes."""

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import pytest

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
from experiments.common.errors import UserError
from experiments.common.kinds import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Range,
    describe,
    is_allowed,
)  # fmt: skip
from experiments.common.settings import Parser, dump_config

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
    decay: bool | None = None

    def __post_init__(self):
        if self.quick and self.seed == 13:
            raise ValueError("--quick does not go\nwith --seed 13")


@dataclass(frozen=True)
class Compose:
    run: Path
    """Folder of a trained run."""
    choruses: PositiveInt = 4


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("", Train()),
        ("--seed 3", Train(seed=3)),
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
        ("runs/x", Compose(Path("runs/x"))),
        ("--choruses 2 runs/x", Compose(Path("runs/x"), 2)),
        ("-- --odd", Compose(Path("--odd"))),
    ],
)
def test_flags(capsys, argv, expected):
    config = Parser(type(expected)).parse(argv.split())
    assert config == expected
    assert type(getattr(config, "learning_rate", 0.0)) is float
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
        ("--layer-sizes 3 0", "--layer-sizes: expected a list, each an integer >= 1, got 0"),
        ("--layer-sizes", "--layer-sizes: expected at least one argument"),
        ("--key d", "--key: expected one of all, c, got d"),
        ("--scale dorian", "--scale: expected one of minor, blues, got dorian"),
        ("--quick=perhaps", "--quick: expected true or false, got perhaps"),
        ("--quick --seed 13", "--quick does not go with --seed 13"),
        ("--learning-rtae 3", "--learning-rtae: no such flag; did you mean --learning-rate?"),
        ("--learning 3", "--learning: no such flag; did you mean --learning-rate?"),
        ("--zzz", "--zzz: no such flag"),
        ("-x", "unrecognized arguments: -x"),
        ("more", "unrecognized arguments: more"),
    ],
)
def test_mistakes(capsys, argv, message):
    with pytest.raises(UserError) as caught:
        Parser(Train).parse(argv.split())
    assert " ".join(str(caught.value).split()) == message
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("argv", "message"),
    [("", "expected run"), ("a --choruses 0", "--choruses: expected an integer >= 1, got 0")],
)
def test_mistakes_with_a_positional(argv, message):
    with pytest.raises(UserError) as caught:
        Parser(Compose).parse(argv.split())
    assert str(caught.value) == message


def test_a_configuration_file_and_flags_after_it(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "seed: 5\nlearning_rate: 1e-2\nlayer_sizes: [1]\nquick: true\nscale: minor\n"
    )
    from_file = Train(seed=5, learning_rate=0.01, layer_sizes=(1,), quick=True, scale=Scale.minor)
    assert Parser(Train).parse_file(tmp_path / "c.yaml") == from_file
    config = Parser(Train).parse(["--config", str(tmp_path / "c.yaml"), "--seed", "6"])
    assert config == replace(from_file, seed=6)


def test_a_configuration_file_may_give_the_positional(tmp_path):
    (tmp_path / "c.yaml").write_text("run: runs/x\n")
    config = Parser(Compose).parse(["--config", str(tmp_path / "c.yaml")])
    assert config == Compose(Path("runs/x"))


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("--quick true", Train(quick=True)),
        ("--quick false --sound FALSE", Train(sound=False)),
        ("--sound --quick", Train(quick=True)),
        ("--decay", Train(decay=True)),
        ("--decay false --seed 3", Train(decay=False, seed=3)),
        ("--decay null", Train(decay=None)),
        ("--decay=null", Train(decay=None)),
        ("--no-decay --quick=true", Train(decay=False, quick=True)),
    ],
)
def test_switches_take_what_their_help_says(argv, expected):
    assert Parser(Train).parse(argv.split()) == expected


def test_a_switch_leaves_other_words_to_arguments():
    @dataclass(frozen=True)
    class Render:
        run: Path
        quiet: bool = False

    assert Parser(Render).parse(["--quiet", "null"]) == Render(Path("null"), True)
    assert Parser(Render).parse(["--quiet", "true", "true"]) == Render(Path("true"), True)
    assert Parser(Render).parse(["--quiet", "--", "true"]) == Render(Path("true"), True)


ENDLESS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) or 'x'}]\n" for n in range(9))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: &a [*a]", "expected values without YAML's & and *"),
        ("seed: &a 3", "expected values without YAML's & and *"),
        ("layer_sizes: &a [*a, *a]", "expected values without YAML's & and *"),
        (ENDLESS, "expected values without YAML's & and *"),
        ("seed: " + "[" * 10**5, "expected settings like `seed: 3`, got lists in lists"),
        ("seed: " + "{a: " * 10**4, "expected settings like `seed: 3`, got lists in lists"),
        ("layer_sizes: [[3]]", "got lists in lists"),
        (
            f"seed: {10**400}",
            f"seed: expected an integer >= 0 and <= {2**63 - 1}, got an integer of 1329 bits",
        ),
        (f"learning_rate: {10**400}", ""),
        (f"threshold: -{10**400}", ""),
        (f"clip: {10**400}", ""),
        (f"layer_sizes: [{10**400}]", "layer_sizes: expected a list, each an integer >= 1 and <= 9"),
        (f"seed: {2**63}", f"seed: expected an integer >= 0 and <= {2**63 - 1}, got 9223372036854775808"),
        ("seed: " + "7" * 5000, f"seed: expected an integer >= 0 and <= {2**63 - 1}, got 777"),
        ("seed: " + "x" * 5000, "seed: expected an integer >= 0, got xxx"),
        ("name: " + "x" * 200_000, "expected values of at most 131072 characters, got 'xxx"),
        ("x" * 900 + ": 3", "no setting 'xxx"),
        ("# " + "x" * 2**22, "of at most 4194304 bytes"),
        ("seed: !!python/object/apply:os.getcwd []", ""),
        ('out: "a\\0b"', r"out: expected a path or null, got"),
        ("seed: !!binary AAAA", "expected values without YAML's !, got 'tag:yaml.org,2002:binary'"),
        ("!!timestamp seed: 3", "expected values without YAML's !"),
        ("seed: 2026-01-01", "seed: expected an integer >= 0, got 2026-01-01"),
        ("seed: ? x", ""),
        ("? [seed]\n: 3", ""),
        ("seed: 3\n---\nseed: 4", ""),
    ],
)
def test_hostile_files(tmp_path, text, message):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    for parse in (Parser(Train).parse_file, lambda path: Parser(Train).parse(["--config", str(path)])):
        with pytest.raises(UserError) as caught:
            parse(path)
        said = str(caught.value)
        assert said.startswith(f"{path}: {message}") or message in said
        assert len(said) < 400 + 2 * len(str(path)) and "\n" not in said


@pytest.mark.parametrize(
    "argv",
    [f"--seed={10**400}", "--seed=" + "9" * 5000, f"--threshold={10**400}", "--threshold=1e999",
     "--seed=" + "[" * 5000, "--layer-sizes " + "9" * 5000, "--" + "z" * 9000, "--key=" + "x" * 10**5,
     "--seed=&a [*a]", "--threshold=" + "9" * 5000, f"--clip=-{10**400}"],
)  # fmt: skip
def test_hostile_arguments(argv):
    with pytest.raises(UserError) as caught:
        Parser(Train).parse(argv.split(maxsplit=1))
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


@pytest.mark.parametrize("spelling", ["--print-config", "--print_config"])
def test_the_printed_configuration_can_be_read_back(tmp_path, capsys, spelling):
    flags = "--seed 4 --clip 1e-7 --scale minor --name no".split()
    with pytest.raises(SystemExit) as stop:
        Parser(Train).parse([*flags, spelling])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    config = Train(seed=4, clip=1e-7, scale=Scale.minor, name="no")
    assert printed == dump_config(config)
    (tmp_path / "c.yaml").write_text(printed)
    assert Parser(Train).parse(["--config", str(tmp_path / "c.yaml")]) == config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("seed: x", "seed: expected an integer >= 0, got x"),
        ("seed: -1", "seed: expected an integer >= 0, got -1"),
        ("seed: null", "seed: expected an integer >= 0, got None"),
        ("threshold: .nan", "threshold: expected a number, got nan"),
        ("layer_sizes: 3", "layer_sizes: expected a list, each an integer >= 1, got 3"),
        ("layer_sizes: [3, 0]", "layer_sizes: expected a list, each an integer >= 1, got 0"),
        ("quick: 7", "quick: expected true or false, got 7"),
        ("sede: 3", "no setting 'sede'; did you mean seed?"),
        ("3", "expected settings like `seed: 3`, got 3"),
        ("", "expected settings like `seed: 3`"),
        ("seed: [", "expected a YAML file of settings"),
        ("\0\1\2", "expected a YAML file of settings"),
        (b"\xff\xfe\xc1", "expected a YAML file of settings"),
    ],
)
def test_mistakes_in_a_configuration_file_name_it(tmp_path, content, message):
    path = tmp_path / "c.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        Parser(Train).parse(["--config", str(path)])
    assert str(caught.value).startswith(f"{path}: {message}") and "\n" not in str(caught.value)


def test_no_configuration_file(tmp_path):
    for path in (tmp_path, tmp_path / "missing.yaml"):
        with pytest.raises(UserError) as caught:
            Parser(Train).parse(["--config", str(path)])
        message = str(caught.value)
        assert message.startswith("--config: ") and str(path) in message and "\n" not in message


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        Parser(Train, "python -m blues train", "Train the network.\n\nThen more.").parse(["--help"])
    assert stop.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for part in (
        "usage: python -m blues train [options] Train the network. Then more.",
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
    with pytest.raises(SystemExit):
        Parser(Compose, "compose").parse(["-h"])
    assert "usage: compose RUN [options]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (PositiveInt, [1, 2**63 - 1], [0, 2**63, 10**400, -1, True, 1.0, None, "1"]),
        (NonNegativeInt, [0, 1], [-1]),
        (PositiveFloat, [5e-324, 1, 1e300], [0.0, -1.0, float("nan"), float("inf"), True]),
        (NonNegativeFloat, [0.0], [-1e-9, float("inf")]),
        (Fraction, [0, 0.5, 1], [-0.1, 1.1, float("nan")]),
        (Annotated[float, Range(above=0, below=1)], [0.5], [0, 1]),
        (float, [-1e300, 0], [10**400, float("-inf"), "1"]),
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
