"""Command lines: a frozen dataclass per command, whose fields are its flags and the keys of an optional YAML file.

A field with a default is a flag (`learning_rate` is `--learning-rate`), a field without one is a positional
argument, and the text below a field is its help. `Program` joins commands into `python -m experiments.NAME`.

Exit status: 0 done, 1 failed, 2 bad input, 3 something is not installed, 130 Ctrl-C, 141 nobody reads the output.
"""

import argparse
import dataclasses
import difflib
import enum
import importlib
import inspect
import math
import os
import re
import sys
import textwrap
import types
import typing
from pathlib import Path

class UserError(Exception):
    """Something the user can put right. The message is one line that names the file or flag and what was expected."""


def import_extra(module, extra="experiments"):
    """Import a module of an optional package.

    Raises
    ------
    ImportError
        If it is not installed; one line with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # the package is there, but broken
        raise ImportError(f'{package} is not installed; try: pip install "scratchnet[{extra}]"') from None


# What a field may hold -----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Range:
    """Bounds of a number, for `Annotated[float, Range(above=0, most=1)]`: above < value < below, least <= value <= most."""

    above: float = -math.inf
    least: float = -math.inf
    below: float = math.inf
    most: float = math.inf

    def __contains__(self, value):
        return self.above < value < self.below and self.least <= value <= self.most

    def __str__(self):
        bounds = [(">", self.above), (">=", self.least), ("<", self.below), ("<=", self.most)]
        return " and ".join(f"{sign} {bound}" for sign, bound in bounds if math.isfinite(bound))


PositiveInt = typing.Annotated[int, Range(least=1)]
NonNegativeInt = typing.Annotated[int, Range(least=0)]
PositiveFloat = typing.Annotated[float, Range(above=0)]
NonNegativeFloat = typing.Annotated[float, Range(least=0)]
Fraction = typing.Annotated[float, Range(least=0, most=1)]

WORDS = {int: "an integer", float: "a number", str: "text", bool: "true or false", Path: "a path"}


def describe(hint):
    """A type hint in a user's words: "an integer >= 1"."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return " ".join([describe(arguments[0]), *(str(a) for a in arguments[1:])])
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return f"one of {', '.join(hint.__members__)}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join("null" if a is types.NoneType else describe(a) for a in arguments)
    if origin in (list, tuple):
        return f"a list, each {describe(arguments[0])}"
    return WORDS.get(hint, getattr(hint, "__name__", str(hint)))


def is_allowed(value, hint):
    """Whether a value of the right type is in its range and, if a number, finite."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return value in arguments
    if origin is typing.Annotated:
        ranges = [a for a in arguments[1:] if isinstance(a, Range)]
        return is_allowed(value, arguments[0]) and all(value in r for r in ranges)
    if origin in (typing.Union, types.UnionType):
        return any(is_allowed(value, a) for a in arguments)
    if origin in (list, tuple):
        return isinstance(value, (list, tuple)) and all(is_allowed(item, arguments[0]) for item in value)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return not isinstance(hint, type) or isinstance(value, hint)


# From arguments and YAML to a configuration --------------------------------------------------------------------------


def make_parser(config_type, program="", description=None):
    """A jsonargparse parser whose `parse(argv)` and `parse_file(path)` return a `config_type`.

    Raises
    ------
    ImportError
        If jsonargparse is not installed.
    """
    jsonargparse = import_extra("jsonargparse")
    hints = typing.get_type_hints(config_type, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(config_type)}

    class Parser(jsonargparse.ArgumentParser):
        file = None  # the YAML file being read, to report mistakes in it under its name

        def parse(self, argv):
            return self.build(self.parse_args(spell(argv, fields)))

        def parse_file(self, path):
            return self.build(self.parse_path(path))

        def parse_path(self, path, **options):  # jsonargparse calls this for --config, too
            self.file = os.fspath(path)
            try:
                values = super().parse_path(path, **options)
                for name in values.keys() & fields.keys():
                    if not is_allowed(values[name], hints[name]):
                        self.refuse(name, values[name])
                return values
            except UserError as error:
                raise UserError(f"{self.file}: {error}") from None
            except UnicodeDecodeError:
                raise UserError(f"{self.file}: expected a YAML file of settings") from None
            finally:
                self.file = None

        def error(self, message, ex=None):
            message = " ".join(message.split())
            if found := re.search(r'Parser key "(\w+)".*Got value: ?(.*)', message):
                self.refuse(*found.groups())
            raise UserError(re.sub(r"^argument (\S+):", r"\1:", message)) from None

        def refuse(self, name, value):
            label = name if self.file or is_positional(fields[name]) else flag(name)
            raise UserError(f"{label}: expected {describe(hints[name])}, got {value}") from None

        def build(self, values):
            values = {name: tuple(v) if isinstance(v := values[name], list) else v for name in fields}
            for name, value in values.items():
                if not is_allowed(value, hints[name]):
                    self.refuse(name, value)
            try:
                return config_type(**values)
            except ValueError as error:  # from __post_init__: settings that do not go together
                raise UserError(" ".join(str(error).split())) from None

    parser = Parser(
        prog=program,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        print_config="--print-config",
    )
    texts = {p.arg_name: p.description for p in import_extra("docstring_parser").parse_from_object(config_type).params}
    for name, field in fields.items():
        add_argument(parser, field, hints[name], texts.get(name) or "")
    parser.add_argument("--config", action="config", metavar="FILE", help="YAML file of settings; flags after it win")
    return parser


def add_argument(parser, field, hint, text):
    """Tell the parser about one field."""
    options = {"type": hint}
    plain = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint
    if typing.get_origin(plain) in (list, tuple):
        options = {"type": typing.get_args(plain)[0], "nargs": "+"}
        plain = typing.get_args(plain)[0]
    if not is_positional(field):
        options["metavar"] = {int: "N", float: "X", Path: "PATH", str: "TEXT", bool: ""}.get(plain)
    default = default_of(field)
    if default not in (dataclasses.MISSING, None):
        text += f" (default: {shown(default)})"
        options["default"] = list(default) if isinstance(default, tuple) else default
    if is_positional(field):
        parser.add_argument(field.name, help=text.replace("%", "%%"), **options)
    else:
        parser.add_argument(flag(field.name), help=text.replace("%", "%%"), **options)


def is_positional(field):
    return default_of(field) is dataclasses.MISSING


def default_of(field):
    """The default of a dataclass's field, or `dataclasses.MISSING`."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def shown(value):
    """A default as it is typed on the command line."""
    if isinstance(value, (list, tuple)):
        return " ".join(map(shown, value))
    return value.name if isinstance(value, enum.Enum) else str(value).lower() if value in (True, False) else str(value)


def flag(name):
    return "--" + name.replace("_", "-")


def spell(argv, fields):
    """Arguments as the parser knows them: hyphens in flags, `--quick` for `--quick=true`, no flag unknown."""
    known = {"help", "config", "print_config", *fields}
    spelled = []
    for i, argument in enumerate(argv):
        if argument == "--":
            return spelled + argv[i:]
        if argument.startswith("--"):
            given, equals, value = argument.partition("=")
            name = given[2:].replace("-", "_")
            if name.startswith("no_") and name not in known and not equals:
                name, equals, value = name[3:], "=", "false"
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                raise UserError(f"{given}: no such flag" + (f"; did you mean {flag(close[0])}?" if close else ""))
            is_switch = name in fields and fields[name].type in (bool, "bool")
            argument = flag(name) + ("=true" if is_switch and not equals else equals + value)
        spelled.append(argument)
    return spelled


# From a command to an exit status ------------------------------------------------------------------------------------


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
        Raised by loaders for bad files, reported as one line like `UserError`. A name ("encoders.midi.MidiError")
        saves importing its module just for `--help`.
    """

    def __init__(self, name, description, examples="", user_errors=()):
        self.name = name
        self.description = description
        self.examples = examples
        self.user_errors = {UserError, "scratchnet.checkpoint.CheckpointError", *user_errors}
        self.commands = {}
        self.default = None

    def command(self, default=False):
        """Decorate `def train(config: Train)` as the command `train`; its docstring's first line is its help."""

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
        try:
            self.run(argv)
            sys.stdout.flush()
            return 0
        except SystemExit as stop:  # --help and --print-config end this way
            return stop.code or 0
        except KeyboardInterrupt:
            status, message = 130, "interrupted"
        except BrokenPipeError:
            discard_output()
            return 141
        except Exception as error:
            status, message = self.explain(error)
            if status is None:
                raise
        sys.stderr.write(f"{label}: {message}\n")
        return status

    def run(self, argv):
        if argv[:1] in (["-h"], ["--help"]):
            sys.stdout.write(self.help())
            return
        name = self.default
        if argv and not argv[0].startswith("-"):
            name = argv.pop(0)
        if name not in self.commands:
            given = "no command" if name is None else f"no command {name!r}"
            raise UserError(f"{given}; expected one of {', '.join(self.commands)} (see --help)")
        function = self.commands[name]
        config_type = next(iter(typing.get_type_hints(function).values()))
        parser = make_parser(config_type, f"python -m experiments.{self.name} {name}", inspect.getdoc(function))
        try:
            config = parser.parse(argv)
        except UserError as error:
            raise UserError(f"{error} (see {self.name} {name} --help)") from None
        function(config)

    def explain(self, error):
        """Exit status and message for an exception that is no bug; (None, None) for one that is."""
        message = " ".join(str(error).split())
        kinds = {k for kind in type(error).__mro__ for k in (kind, f"{kind.__module__}.{kind.__qualname__}")}
        if kinds & self.user_errors:
            return 2, f"error: {message}"
        if isinstance(error, ImportError) and "pip install" in message:
            return 3, f"error: {message}"
        if isinstance(error, OSError):
            named_by_user = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
            if error.filename is not None:
                message = f"{error.filename}: {error.strerror}"
            return 2 if isinstance(error, named_by_user) else 1, f"error: {message}"
        return None, None

    def help(self):
        """The text of `--help`."""
        width = max(map(len, self.commands), default=0)
        lines = [f"usage: python -m experiments.{self.name} [command] [options]", "", self.description.strip(), ""]
        lines.append("commands:")
        for name, function in self.commands.items():
            note = " [default]" if name == self.default else ""
            lines.append(f"  {name:{width}}  {(inspect.getdoc(function) or '').partition(chr(10))[0]}{note}")
        lines += ["", f"Options of a command: python -m experiments.{self.name} COMMAND --help"]
        if self.examples:
            lines += ["", "examples:", textwrap.indent(inspect.cleandoc(self.examples), "  ")]
        return "\n".join(lines) + "\n"


def discard_output():
    """Nobody reads standard output: send the rest nowhere, or Python complains once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
