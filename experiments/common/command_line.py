"""Command lines: `Program` joins commands into `python -m experiments.NAME`.

A command is a dataclass of its settings (settings.py), whose docstring is its help, and a function of them.

Exit status: 0 done, 1 failed, 2 bad input, 3 something is not installed, 130 Ctrl-C, 141 output not read.
"""

import importlib
import inspect
import re
import shutil
import sys
import textwrap

from experiments.common import environment, locks
from experiments.common.errors import UserError
from experiments.common.settings import Parser
from experiments.common.streams import discard_broken_output, mend_streams, warnings_as_lines, write_line

# Raised for bad files, and reported in one line. Named, as to import their modules takes time.
BAD_FILES = (
    "scratchnet.training.checkpoint.CheckpointError",
    "encoders.midi.files.MidiError",
    "sqlite3.DatabaseError",
)
NAMED_BY_USER = (
    FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError,
)  # fmt: skip


class Program:
    """The commands of one script.

    name : str, `python -m experiments.NAME` runs it
    description : str, a few lines for the top of `--help`
    examples : str, command lines, one per line, for its end
    commands : dict of dataclass -> function of one, or its name below experiments.NAME, "jobs.run_train",
        which is imported when it runs, so that --help answers at once. `class Train` is the command `train`;
        the first one is the default
    user_errors : exception types, or their dotted names, that are reported in one line like `UserError`
    """

    def __init__(self, name, description, examples, commands, user_errors=()):
        self.name, self.description, self.examples = name, description, examples
        self.commands = {command_name(kind): (kind, function) for kind, function in commands.items()}
        self.default = next(iter(self.commands))
        self.user_errors = {UserError, *BAD_FILES, *user_errors}

    def main(self, argv=None):
        """Run the command that `argv` (default: the process's) names.

        Returns int, the exit status. Exceptions that are bugs are not caught.
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
        takes_arguments = Parser(self.commands[name][0]).positionals
        if argv and (argv[0] in self.commands or not argv[0].startswith("-") and not takes_arguments):
            name = argv.pop(0)
        if name not in self.commands:
            raise UserError(f"no command {name!r}; expected one of {', '.join(self.commands)} (see --help)")
        environment.given[:] = ["python", "-m", f"experiments.{self.name}", name, *argv]
        kind, function = self.commands[name]
        parser = Parser(kind, f"python -m experiments.{self.name} {name}", inspect.getdoc(kind))
        try:
            config = parser.parse(argv)
        except UserError as error:
            raise UserError(f"{error} (see {self.name} {name} --help)") from None
        if isinstance(function, str):
            module, _, attribute = f"experiments.{self.name}.{function}".rpartition(".")
            function = getattr(importlib.import_module(module), attribute)
        function(config)

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
            if error.filename is not None:
                message = f"{error.filename}: {error.strerror}"
            return 2 if isinstance(error, NAMED_BY_USER) else 1, f"error: {message}"
        return None, None

    def help(self):
        """The text of `--help`, as wide as the terminal; examples are not broken: they are for copying."""
        columns = min(shutil.get_terminal_size((80, 24)).columns, 110)
        width = max(map(len, self.commands))
        lines = [f"usage: python -m experiments.{self.name} [command] [options]", ""]
        lines += [filled(self.description, columns), "", "commands:"]
        for name, (kind, _) in self.commands.items():
            first = inspect.getdoc(kind).partition("\n\n")[0]
            note = " [default]" if name == self.default else ""
            lines.append(filled(first + note, columns, f"  {name:{width}}  "))
        lines += ["", f"Options of a command: python -m experiments.{self.name} COMMAND --help"]
        lines += ["", "examples:", textwrap.indent(inspect.cleandoc(self.examples), "  ")]
        return "\n".join(lines) + "\n"


def command_name(kind):
    """ "compose-all" for `class ComposeAll`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower()


def filled(text, columns, label=""):
    """Text in lines of at most so many columns, a label before the first one."""
    indents = {"initial_indent": label, "subsequent_indent": " " * len(label)}
    return textwrap.fill(" ".join(text.split()), columns, break_on_hyphens=False, **indents)
