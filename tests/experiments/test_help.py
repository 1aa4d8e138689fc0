"""--help of every program and command: it answers at once, for nothing heavy is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from importlib import import_module
program = import_module(f"experiments.{sys.argv[1]}.__main__").program
for arguments in ([], *([name] for name in program.commands)):
    assert program.main([*arguments, "--help"]) == 0
heavy = {"numba", "numpy", "matplotlib", "scipy", "mido", "symusic", "flask", "yaml"} & set(sys.modules)
assert not heavy, heavy
"""
COMMANDS = {
    "blues": "run train compose evaluate chords repeat compare",
    "classical": "run search train evaluate transfer compose",
    "folk": "run train compose evaluate render sweep",
    "listen": "serve report load",
    "measures": "compare",
    "piano": "run train evaluate compose",
    "polyphony": "run train evaluate compose table",
    "recordings": "compress",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_all_commands_needs_nothing_heavy(name):
    done = subprocess.run([sys.executable, "-c", CODE, name], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: python -m experiments.{name} [command] [options]" in done.stdout
    listed = done.stdout.partition("commands:\n")[2].partition("\n\n")[0]
    assert {line.split()[0] for line in listed.splitlines() if line[2] != " "} == {*COMMANDS[name].split()}
    for command in COMMANDS[name].split():
        assert f"usage: python -m experiments.{name} {command} " in done.stdout


def test_every_program_is_here():
    assert {path.parent.name for path in ROOT.glob("experiments/*/__main__.py")} == set(COMMANDS)
