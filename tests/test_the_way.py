"""From a command to the first training step: docs/training.md names the files on the way, all of them."""

import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
from experiments.folk import __main__ as folk
from scratchnet.training.trainer import Trainer

ROOT = Path(__file__).parents[1]
DISPATCH = "experiments/common/command_line.py"  # flags, before the command's function is called
MOST = 4  # files that a reader has to open


class Reached(BaseException):
    """The first step."""


def callers():
    """The project's files above the floor of networks that are on the stack, the lowest first."""
    frame, found = sys._getframe(), set()
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT / "experiments"):
            found.add(path.relative_to(ROOT).as_posix())
        frame = frame.f_back
    return found - {DISPATCH}


@pytest.fixture(scope="module")
def way(tmp_path_factory):
    """The files that are entered when the Trainer is made, and when it steps first."""
    seen, make = set(), Trainer.__init__

    def making(trainer, *given, **options):
        seen.update(callers())
        make(trainer, *given, **options)

    def stepping(trainer):
        seen.update(callers())
        raise Reached

    flags = "--data builtin --hidden 4 --embedding 4 --steps 2 --quiet --out".split()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "__init__", making)
        patch.setattr(Trainer, "step", stepping)
        with pytest.raises(Reached):
            folk.program.main([*flags, str(tmp_path_factory.mktemp("runs") / "run")])
    return seen | {"experiments/folk/__main__.py"}  # which names the function that `Program` calls


def test_the_picture_shows_the_way(way):
    page = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    picture = page.partition("```mermaid")[2].partition("```")[0]
    assert way == set(re.findall(r"<b>(\S+\.py)</b>", picture))


def test_the_way_is_short(way):
    assert len(way) <= MOST


def test_pages_that_newcomers_read_link_to_the_picture():
    for page in ("README.md", "CONTRIBUTING.md"):
        assert "docs/training.md" in (ROOT / page).read_text(encoding="utf-8")
