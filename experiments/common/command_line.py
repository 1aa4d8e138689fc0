"""Command lines: `Program` joins commands into `python -m experiments.NAME`.

A command is a function of one argument, a dataclass of its settings (see settings.py).

Exit status: 0 done, 1 failed, 2 bad input, 3 something is not installed, 130 Ctrl-C, 141 output not read.
"""

import dataclasses
import inspect
import shutil
import sys
import textwrap
import typing

from experiments.common import environment, locks
from experiments.common.errors import UserError
from experiments.common.settings import is_positional, make_parser
from experiments.common.streams import discard_broken_output, mend_streams, warnings_as_lines, write_line


class Program:
    """The commands of one script.

    Parameters
    ----------
    name : str
        `python -m experiments.NAME` runs it.
    description : str
        A few lines for the top of `--help`.
    examples : str
        Command lines, one per line, for its end.
    user_errors : tuple of exception types or dotted names
        Raised by loaders for bad files, reported as one line like `UserError`. To name one by a string,
        "encoders.midi.files.MidiError", saves importing its module just for `--help`.
    """

    def __init__(self, name, description, examples="", user_errors=()):
        self.name = name
        self.description = description
        self.examples = examples
        self.user_errors = {UserError, "scratchnet.training.checkpoint.CheckpointError", *user_errors}
        self.commands = {}
        self.default = None

    def command(self, default=False):
        """Make `def train(config: Train)` the command `train`; its docstring's first line is its help."""

        def register(function):
            name = function.__name__.replace("_", "-")
            self.commands[name] = function
            self.default = name if default else self.default
            return function

        return register

    def main(self, argv=None):
        """Run the command that `argv` (default: the process's) names.

        Returns
        -------
        int
            The exit status. Exceptions that are bugs are not caught.
        """
        argv = list(sys.argv[1:] if argv is None else argv)
        label = f"{self.name} {argv[0]}" if argv and argv[0] in self.commands else self.name
        mend_streams()
        try:
            with warnings_as_lines(label):
                status, message = self.outcome(argv)
        finally:
            locks.unlock_all()
        if message:
            write_line(f"{label}: {message}")
        discard_broken_output()
        return status

    def outcome(self, argv):
        """Run a command: exit status, and what is to be said of it."""
        try:
            try:
                self.run(argv)
            except SystemExit as stop:  # --help and --print-config end this way
                if stop.code:
                    raise
            sys.stdout.flush()
            return 0, ""
        except KeyboardInterrupt as stop:  # a job that was stopped between two steps says how to go on
            return 130, f"interrupted: {stop}" if str(stop) else "interrupted"
        except Exception as error:
            status, message = self.explain(error)
            if status is None:
                raise
            return status, message

    def run(self, argv):
        if argv[:1] in (["-h"], ["--help"]):
            sys.stdout.write(self.help())
            return
        name = self.default
        if (
            argv
            and not argv[0].startswith("-")
            and (argv[0] in self.commands or not self.takes_arguments(name))
        ):
            name = argv.pop(0)
        if name not in self.commands:
            given = "no command" if name is None else f"no command {name!r}"
            raise UserError(f"{given}; expected one of {', '.join(self.commands)} (see --help)")
        function = self.commands[name]
        environment.given[:] = ["python", "-m", f"experiments.{self.name}", name, *argv]
        config_type = config_type_of(function)
        parser = make_parser(
            config_type, f"python -m experiments.{self.name} {name}", inspect.getdoc(function)
        )
        try:
            config = parser.parse(argv)
        except UserError as error:
            raise UserError(f"{error} (see {self.name} {name} --help)") from None
        function(config)

    def takes_arguments(self, name):
        """Whether a command has positional arguments: then the default command's name need not be typed."""
        if name not in self.commands:
            return False
        return any(map(is_positional, dataclasses.fields(config_type_of(self.commands[name]))))

    def explain(self, error):
        """Exit status and message for an exception that is no bug; (None, None) for one that is."""
        message = str(error)
        kinds = {k for kind in type(error).__mro__ for k in (kind, f"{kind.__module__}.{kind.__qualname__}")}
        if kinds & self.user_errors:
            return 2, f"error: {message}"
        if isinstance(error, ImportError) and "pip install" in message:
            return 3, f"error: {message}"
        if isinstance(error, BrokenPipeError):
            return 141, ""
        if isinstance(error, MemoryError):
            return 1, f"error: out of memory {message}".strip()
        if isinstance(error, OSError):
            named_by_user = (
                FileNotFoundError,
                FileExistsError,
                PermissionError,
                IsADirectoryError,
                NotADirectoryError,
            )
            if error.filename is not None:
                message = f"{error.filename}: {error.strerror}"
            return 2 if isinstance(error, named_by_user) else 1, f"error: {message}"
        return None, None

    def help(self):
        """The text of `--help`, as wide as the terminal; examples are not broken: they are for copying."""
        columns = min(shutil.get_terminal_size((80, 24)).columns, 110)
        width = max(map(len, self.commands), default=0)
        lines = [
            f"usage: python -m experiments.{self.name} [command] [options]",
            "",
            filled(self.description, columns),
            "",
        ]
        lines.append("commands:")
        for name, function in self.commands.items():
            first = (inspect.getdoc(function) or "").partition("\n")[0]
            note = " [default]" if name == self.default else ""
            lines.append(filled(first + note, columns, f"  {name:{width}}  "))
        lines += ["", f"Options of a command: python -m experiments.{self.name} COMMAND --help"]
        if self.examples:
            lines += ["", "examples:", textwrap.indent(inspect.cleandoc(self.examples), "  ")]
        return "\n".join(lines) + "\n"


def filled(text, columns, label=""):
    """Text in lines of at most so many columns, a label before the first one."""
    indents = {"initial_indent": label, "subsequent_indent": " " * len(label)}
    return textwrap.fill(" ".join(text.split()), columns, break_on_hyphens=False, **indents)


def config_type_of(command):
    """The dataclass of a command's settings."""
    return next(iter(typing.get_type_hints(command).values()))
