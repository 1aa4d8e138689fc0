"""Settings: a frozen dataclass, whose fields are the flags of a command and the keys of a YAML file.

A field with a default is a flag (`learning_rate` is `--learning-rate`), a field without one is a positional
argument, and the text below a field is its help.
"""

import argparse
import dataclasses
import enum
import inspect
import json
import math
import os
import re
import sys
import types
import typing
from pathlib import Path

from experiments.common.deprecated import current_yaml
from experiments.common.errors import UserError, import_extra
from experiments.common.flags import flag, spell, suggestion
from experiments.common.yaml_settings import read_names
from scratchnet.messages import brief, cut

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
Units = typing.Annotated[
    int, Range(least=1, most=100_000)
]  # sizes of arrays: what nobody can mean is refused
Layers = typing.Annotated[int, Range(least=1, most=1000)]
LARGEST = 2**63 - 1  # of a whole number

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
        if not isinstance(value, kinds) or isinstance(value, bool):
            return False
        return math.isfinite(value) if isinstance(value, float) else abs(value) <= LARGEST
    if hint is Path and "\0" in str(value):  # YAML can say it, no system takes it
        return False
    return not isinstance(hint, type) or isinstance(value, hint)


def expect_allowed(values, config_type, names):
    """See to it that a stranger's dict has values that a dataclass of settings may have.

    Raises
    ------
    ValueError
        That names the first of `names` that is missing or may not be.
    """
    hints = typing.get_type_hints(config_type, include_extras=True)
    for name in names:
        if name not in values or not is_allowed(values[name], hints[name]):
            raise ValueError(f"{name}: expected {describe(hints[name])}, got {brief(values.get(name))}")


def expect_resumed(config, also=("quiet", "data")):
    """A run that goes on has settings of its own: beside --resume, no other than `also` may be given.

    Raises
    ------
    UserError
        That names those that were given.
    """
    given = [
        f"--{field.name.replace('_', '-')}"
        for field in dataclasses.fields(config)
        if field.name not in ("resume", *also) and getattr(config, field.name) != field.default
    ]
    if given:
        raise UserError(f"--resume goes on with the run's own settings; leave out {', '.join(given)}")


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
            try:
                values = self.parse_args(spell(argv, fields))
            except BEYOND_YAML:
                longest = cut(max(map(str, argv), key=len))
                raise UserError(f"expected values that a setting can have, got {longest}") from None
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
                read_names(path)
                values = super().parse_path(path, **options)
                for name in values.keys():
                    if name in fields and not is_allowed(values[name], hints[name]):
                        self.refuse(name, values[name])
                    if name not in fields and name not in ("config", "print_config"):
                        self.error(f"Option {name!r} is not accepted")
                return values
            except UserError as error:
                named = str(error).startswith(f"{self.file}: ")
                raise UserError(str(error) if named else f"{self.file}: {error}") from None
            except BEYOND_YAML:
                raise UserError(f"{self.file}: expected a YAML file of settings") from None
            finally:
                self.file = None

        def parse_string(self, content, **options):  # and this, with what it has read
            return super().parse_string(content=current_yaml(content, fields, self.file), **options)

        def error(self, message, ex=None):  # jsonargparse calls this; its messages take several lines
            message = " ".join(message.split())
            if found := re.search(r'Parser key "(\w+)".*(?:Got|Given) value: ?(.*)', message):
                self.refuse(found[1], cut(found[2]))
            if found := re.search(r"^Option '(\w+)' is not accepted", message):
                message = f"no setting {brief(found[1])}{suggestion(found[1], fields)}"
            for pattern, words in REWORDED:
                message = re.sub(pattern, words, message)
            raise UserError(cut(message, 300)) from None

        def refuse(self, name, value):
            label = name if self.file or is_positional(fields[name]) else flag(name)
            got = cut(value) if isinstance(value, (str, os.PathLike)) else brief(value)
            raise UserError(f"{label}: expected {describe(hints[name])}, got {got}") from None

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


BEYOND_YAML = ValueError, OverflowError, RecursionError  # from deep within its reader: 10**400, "[" * 10**5
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
    several = next((h for h in (hint, *typing.get_args(hint)) if typing.get_origin(h) in (list, tuple)), None)
    if several:
        options = {"type": typing.get_args(several)[0], "nargs": "+"}
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
