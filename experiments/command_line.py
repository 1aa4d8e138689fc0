"""Command lines: a frozen dataclass per command, whose fields are its flags and the keys of a YAML file.

A field with a default is a flag (`learning_rate` is `--learning-rate`), a field without one is a positional
argument, and the text below a field is its help. `Program` joins commands into `python -m experiments.NAME`.

Exit status: 0 done, 1 failed, 2 bad input, 3 something is not installed, 130 Ctrl-C, 141 output not read.
"""

import argparse
import dataclasses
import difflib
import enum
import importlib
import inspect
import json
import math
import os
import re
import sys
import textwrap
import types
import typing
from pathlib import Path


class UserError(Exception):
    """Something the user can put right; the message is one line: which file or flag, what was expected."""


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


# What a field may hold ----------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Range:
    """Bounds of a number, as in `Annotated[float, Range(above=0, most=1)]`."""

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
    if hint in (int, float):  # bool is an int to Python, not to a user
        kinds = int if hint is int else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)
    return not isinstance(hint, type) or isinstance(value, hint)


# From arguments and YAML to a configuration -------------------------------------------------------


def make_parser(config_type, program="", description=None):
    """A jsonargparse parser whose `parse(argv)` and `parse_file(path)` return a `config_type`.

    Both raise UserError for what does not fit. Types, choices and YAML are jsonargparse's work; added here
    are ranges and messages of one line.

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
            values = self.parse_args(spell(argv, fields))
            config = self.build(values)
            if values["print_config"]:
                sys.stdout.write(dump_config(config))
                raise SystemExit(0)
            return config

        def parse_file(self, path):
            values = self.parse_path(path)
            try:
                return self.build(values)
            except UserError as error:
                raise UserError(f"{os.fspath(path)}: {error}") from None

        def parse_path(self, path, **options):  # jsonargparse calls this for --config, too
            self.file = os.fspath(path)
            try:
                values = super().parse_path(path, **options)
                for name in values.keys():
                    if name in fields and not is_allowed(values[name], hints[name]):
                        self.refuse(name, values[name])
                    if name not in fields and name not in ("config", "print_config"):
                        self.error(f"Option {name!r} is not accepted")
                return values
            except UserError as error:
                raise UserError(f"{self.file}: {error}") from None
            except UnicodeDecodeError:
                raise UserError(f"{self.file}: expected a YAML file of settings") from None
            finally:
                self.file = None

        def error(self, message, ex=None):  # jsonargparse calls this; its messages take several lines
            message = " ".join(message.split())
            if found := re.search(r'Parser key "(\w+)".*(?:Got|Given) value: ?(.*)', message):
                self.refuse(*found.groups())
            if found := re.search(r"^Option '(\w+)' is not accepted", message):
                message = f"no setting {found[1]!r}{suggestion(found[1], fields)}"
            for pattern, words in REWORDED:
                message = re.sub(pattern, words, message)
            raise UserError(message) from None

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
                raise UserError(str(error)) from None

    positionals = [name.upper() for name, field in fields.items() if is_positional(field)]
    parser = Parser(
        usage=" ".join([program, *positionals, "[options]"]),
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        print_config=None,
    )
    parse = import_extra("docstring_parser").parse_from_object
    lineage = [kind for kind in reversed(config_type.__mro__) if dataclasses.is_dataclass(kind)]
    texts = {param.arg_name: param.description for kind in lineage for param in parse(kind).params}
    for name, field in fields.items():
        add_argument(parser, field, hints[name], texts.get(name) or "")
    parser.add_argument("--config", action="config", metavar="FILE", help="YAML file; flags after it win")
    parser.add_argument("--print-config", action="store_true", help="print the settings as YAML and stop")
    return parser


REWORDED = [
    (r"^argument (\S+):", r"\1:"),
    (r'^Parser key "config":', "--config:"),
    (r"^Unexpected config:", "expected settings like `seed: 3`, got"),
    (r"^'(\w+)' object is not iterable", r"expected a list, got one \1"),
    (r"^the following arguments are required:", "expected"),
]


def dump_config(config):
    """A configuration as YAML text that `--config` and `make_parser(...).parse_file` read back."""

    def plain(value):
        if isinstance(value, enum.Enum):
            return value.name
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return str(value) if isinstance(value, Path) else value

    def line(name, value):
        # Values as JSON, which YAML includes: text is quoted, so that "yes" and "1e3" remain text.
        text = json.dumps(value, ensure_ascii=False)
        return f"{name}: {text if text.isprintable() else json.dumps(value)}\n"

    return "".join(line(f.name, plain(getattr(config, f.name))) for f in dataclasses.fields(config))


def add_argument(parser, field, hint, text):
    """Tell the parser about one field."""
    options = {"type": hint}
    if typing.get_origin(hint) in (list, tuple):
        options = {"type": typing.get_args(hint)[0], "nargs": "+"}
    note, default = describe(hint), default_of(field)
    if default not in (dataclasses.MISSING, None, ""):
        options["default"] = list(default) if isinstance(default, tuple) else default
        note += f"; default: {shown(default)}"
    options["help"] = f"{text} ({note})".strip().replace("%", "%%")
    if is_positional(field):
        parser.add_argument(field.name, **options)
    else:
        metavar = "" if hint is bool else METAVARS.get(innermost(hint))
        parser.add_argument(flag(field.name), metavar=metavar, **{"default": default, **options})


METAVARS = {int: "N", float: "X", Path: "PATH", str: "TEXT"}


def innermost(hint):
    """`int` for `tuple[Annotated[int, ...], ...]` or `int | None`."""
    while typing.get_origin(hint) not in (None, typing.Literal):
        hint = typing.get_args(hint)[0]
    return hint


def is_positional(field):
    return default_of(field) is dataclasses.MISSING


def default_of(field):
    """The default of a dataclass's field, or `dataclasses.MISSING`."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def shown(value):
    """A default as it is typed on the command line."""
    if isinstance(value, (list, tuple)):
        return " ".join(map(shown, value))
    return (
        value.name
        if isinstance(value, enum.Enum)
        else str(value).lower()
        if value in (True, False)
        else str(value)
    )


def flag(name):
    return "--" + name.replace("_", "-")


def suggestion(name, known, spelling=str):
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {spelling(close[0])}?" if close else ""


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
                raise UserError(f"{given}: no such flag{suggestion(name, known, flag)}")
            is_switch = name in fields and fields[name].type in (bool, "bool")
            argument = flag(name) + ("=true" if is_switch and not equals else equals + value)
        spelled.append(argument)
    return spelled


# From a command to an exit status -----------------------------------------------------------------


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
        "encoders.midi.MidiError", saves importing its module just for `--help`.
    """

    def __init__(self, name, description, examples="", user_errors=()):
        self.name = name
        self.description = description
        self.examples = examples
        self.user_errors = {UserError, "scratchnet.checkpoint.CheckpointError", *user_errors}
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
        try:
            try:
                self.run(argv)
            except SystemExit as stop:  # --help and --print-config end this way
                if stop.code:
                    raise
            sys.stdout.flush()
            return 0
        except KeyboardInterrupt:
            status, message = 130, "interrupted"
        except Exception as error:
            status, message = self.explain(error)
            if status is None:
                raise
        if message:
            sys.stderr.write(f"{label}: {message}\n")
        discard_broken_output()
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
        parser = make_parser(
            config_type, f"python -m experiments.{self.name} {name}", inspect.getdoc(function)
        )
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
        """The text of `--help`."""
        width = max(map(len, self.commands), default=0)
        lines = [
            f"usage: python -m experiments.{self.name} [command] [options]",
            "",
            self.description.strip(),
            "",
        ]
        lines.append("commands:")
        for name, function in self.commands.items():
            note = " [default]" if name == self.default else ""
            lines.append(f"  {name:{width}}  {(inspect.getdoc(function) or '').partition(chr(10))[0]}{note}")
        lines += ["", f"Options of a command: python -m experiments.{self.name} COMMAND --help"]
        if self.examples:
            lines += ["", "examples:", textwrap.indent(inspect.cleandoc(self.examples), "  ")]
        return "\n".join(lines) + "\n"


def discard_broken_output():
    """If standard output cannot be written, send the rest nowhere: Python would complain again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
