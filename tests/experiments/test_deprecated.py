"""Names that have changed: the old ones are read, and one line tells of the new."""

from dataclasses import dataclass

import pytest

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
from experiments.common.deprecated import RENAMED, current, current_keys
from experiments.common.errors import UserError
from experiments.common.kinds import PositiveInt
from experiments.common.run_folder import ENVIRONMENT, RunFolder
from experiments.common.settings import Parser


@dataclass(frozen=True)
class Train:
    eval_every: PositiveInt = 5
    stateful: bool = True


@dataclass(frozen=True)
class Run(Train):
    judged: int = 3
    """A name that is still one here."""


def test_old_flags(recwarn):
    with pytest.warns(UserWarning, match="^--judge-every is now called --eval-every$"):
        assert Parser(Train).parse(["--judge-every", "7"]).eval_every == 7
    with pytest.warns(UserWarning, match="^--streams is now called --stateful$"):
        assert Parser(Train).parse(["--no-streams"]).stateful is False
    with pytest.warns(UserWarning), pytest.raises(UserError, match="--eval-every: expected an integer >= 1"):
        Parser(Train).parse(["--judge-every", "0"])


def test_names_of_now_say_nothing(recwarn):
    parser = Parser(Run)
    assert parser.parse(["--eval-every", "7", "--judged", "4"]) == Run(7, True, 4)
    with pytest.raises(UserError, match="--average: no such flag"):  # it never was one of these
        parser.parse(["--average", "0.9"])
    assert not recwarn


def test_old_keys_of_yaml_files(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text('judge_every: 7\n"streams" : false\n# average: of old\n')
    with pytest.warns(UserWarning, match="a.yaml: judge_every, streams are now called eval_every, stateful$"):
        assert Parser(Train).parse_file(path) == Train(7, False)
    with pytest.warns(UserWarning, match="a.yaml: judge_every, streams are"):
        assert Parser(Train).parse(["--config", str(path)]) == Train(7, False)


def test_values_are_no_names(tmp_path, recwarn):
    @dataclass(frozen=True)
    class Compose:
        out: str = ""

    (tmp_path / "a.yaml").write_text("out: judge_every\n")
    assert Parser(Compose).parse_file(tmp_path / "a.yaml").out == "judge_every" and not recwarn


def test_keys_of_checkpoints():
    assert current_keys({"streams": True, "hidden": 3}) == {"stateful": True, "hidden": 3}
    assert current_keys(3) == 3 and current("hidden", ["hidden"]) == "hidden"
    assert not set(RENAMED) & set(RENAMED.values())


@pytest.mark.parametrize("config", [Train(7), Run(7, judged=4)], ids=lambda config: type(config).__name__)
def test_a_run_remembers_which_command_began_it(tmp_path, config):
    run = RunFolder.create(tmp_path / "run", "tiny", config)
    assert run.config(Train, Run) == run.config(Run, Train) == config
    (run.folder / ENVIRONMENT).write_text('{"scratchnet run": 1}')  # as of an earlier version
    assert run.config(Train, Run) == config


def test_an_old_run_folder_is_read(tmp_path):
    run = RunFolder.create(tmp_path / "run", "tiny", Train(7))
    (run.folder / ENVIRONMENT).write_text('{"scratchnet run": 1}')
    (run.folder / "config.yaml").write_text("judge_every: 7\nstreams: false\njudged: 9\n")
    with pytest.warns(UserWarning, match="config.yaml: judge_every, streams are now called"):
        assert run.config(Train, Run) == Run(7, False, 9)
