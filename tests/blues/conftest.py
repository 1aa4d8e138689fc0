"""A small blues run for the tests of this folder."""

import shutil
from pathlib import Path

import pytest
from tiny_blues import blues, tiny_blues, train


@pytest.fixture(scope="module")
def tiny():
    """Everything small, within a module: a MonkeyPatch."""
    with tiny_blues() as patch:
        yield patch


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A small run, which no test changes."""
    with tiny_blues():
        return train(tmp_path_factory.mktemp("runs") / "trained").folder


@pytest.fixture
def run(trained, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def refused(capsys):
    """Call with arguments that must be refused; returns the line that says why."""
    return lambda *arguments: blues.refused(capsys, *arguments)
