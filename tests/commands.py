"""A program of experiments/ as its users call it."""

import importlib
import re


class Command:
    """`Command("blues")("train", "--seed", 3)` is `python -m experiments.blues train --seed 3`."""

    def __init__(self, name):
        self.name = name
        self.main = importlib.import_module(f"experiments.{name}.__main__").program.main

    def __call__(self, *arguments):
        return self.main([str(argument) for argument in arguments])

    def refused(self, capsys, *arguments):
        """Call with arguments that must be refused: exit status 2, nothing but one line; the line."""
        capsys.readouterr()
        assert self(*arguments) == 2
        out, err = capsys.readouterr()
        (line,) = err.splitlines()
        assert out == "" and re.match(rf"{self.name}( [\w-]+)?: error: ", line)
        return line


def content(folder):
    """All that is in a folder: path -> bytes, or None for a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
