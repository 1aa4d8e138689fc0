"""Settings: a frozen dataclass, whose fields are the flags of a command and the keys of a YAML file.

A field with a default is a flag (`learning_rate` is `--learning-rate`), a field without one is a positional
argument, and the text below a field is its help.
"""

import argparse
import ast
import contextlib
import dataclasses
import enum
import inspect
import json
import os
import sys
import textwrap
import typing
from pathlib import Path

from experiments.common.deprecated import current_settings
from experiments.common.errors import UserError
from experiments.common.flags import flag, spell, suggestion
from experiments.common.kinds import LARGEST, describe, innermost, is_allowed, is_several, value_of
from experiments.common.yaml_settings import read_texts
from scratchnet.messages import brief, cut

METAVARS = {bool: "", int: "N", float: "X", Path: "PATH", str: "TEXT"}


class Parser:
    """Makes a `config_type` of arguments, `parse(argv)`, or of a YAML file, `parse_file(path)`.

    Both raise UserError, in one line, for what does not fit.

    config_type : dataclass of settings
    program : str, what is typed to run the command
    description : str, for the top of `--help`
    """

    def __init__(self, config_type, program="", description=None):
        self.config_type, self.program, self.description = config_type, program, description
        self.fields = {field.name: field for field in dataclasses.fields(config_type)}
        self.hints = typing.get_type_hints(config_type, include_extras=True)
        self.positionals = [name for name, field in self.fields.items() if is_positional(field)]

    def parse(self, argv):
        """A `config_type` from arguments; SystemExit after --help and --print-config."""
        try:
            given, unknown = self._arguments().parse_known_args(spell(argv, self.fields))
        except argparse.ArgumentError as error:
            raise UserError(cut(f"{error.argument_name}: {error.message}", 300)) from None
        if unknown:
            raise UserError(cut(f"unrecognized arguments: {' '.join(unknown)}", 300))
        texts = vars(given)
        show = texts.pop("print_config", False)
        config = self._build({name: self._value(name, text) for name, text in texts.items()})
        if show:
            sys.stdout.write(dump_config(config))
            raise SystemExit(0)
        return config

    def parse_file(self, path):
        """A `config_type` from a YAML file."""
        with _named(path):
            return self._build({n: self._value(n, t, n) for n, t in self._read(path).items()})

    def _read(self, path):
        """The texts of the settings in a file, all of which may be."""
        texts = current_settings(read_texts(path), self.fields, path)
        for name, text in texts.items():
            if name not in self.fields:
                raise UserError(f"no setting {brief(name)}{suggestion(name, self.fields)}")
            self._value(name, text, name)
        return texts

    def _value(self, name, text, label=None):
        """The value of a setting, from its text or list of texts; a UserError if it may not have it."""
        hint = self.hints[name]
        value = value_of(text, hint)
        if is_allowed(value, hint):
            return value
        if is_several(hint) and isinstance(value, tuple):
            each = next(a for a in (hint, *typing.get_args(hint)) if typing.get_origin(a) in (list, tuple))
            value = next(item for item in value if not is_allowed(item, typing.get_args(each)[0]))
        expected, got = describe(hint), cut(value) if isinstance(value, (str, Path)) else brief(value)
        if innermost(hint) is int and is_huge(value):
            expected += f" and <= {LARGEST}"
        label = label or (name if name in self.positionals else flag(name))
        raise UserError(f"{label}: expected {expected}, got {got}")

    def _build(self, values):
        if missing := [name for name in self.positionals if not values.get(name)]:
            raise UserError(f"expected {', '.join(missing)}")
        try:
            return self.config_type(**values)
        except ValueError as error:  # from __post_init__: settings that do not go together
            raise UserError(str(error)) from None

    def _arguments(self):
        """The argparse parser, which gives texts."""
        parser = argparse.ArgumentParser(
            usage=" ".join([self.program, *map(str.upper, self.positionals), "[options]"]),
            description=self.description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            argument_default=argparse.SUPPRESS,
            exit_on_error=False,
        )
        helps = texts_below(self.config_type)
        for name, field in self.fields.items():
            hint, default = self.hints[name], default_of(field)
            given = default not in (dataclasses.MISSING, None, "", ())
            note = describe(hint) + (f"; default: {shown(default)}" if given else "")
            options = {"help": f"{helps.get(name, '')} ({note})".strip().replace("%", "%%")}
            if name in self.positionals:  # it may come from a file: whether it is there is asked at the end
                parser.add_argument(name, nargs="*" if is_several(hint) else "?", **options)
            else:
                options |= {
                    "metavar": METAVARS.get(innermost(hint)),
                    "nargs": "+" if is_several(hint) else None,
                }
                parser.add_argument(flag(name), **options)

        class File(argparse.Action):
            def __call__(action, _, texts, path, option=None):
                try:
                    with _named(path):
                        vars(texts).update(self._read(path))
                except OSError as error:
                    raise UserError(f"--config: {path}: {error.strerror}") from None

        parser.add_argument("--config", action=File, metavar="FILE", help="YAML file; flags after it win")
        show = "print the settings as YAML and stop"
        parser.add_argument("--print-config", action="store_true", help=show)
        return parser


@contextlib.contextmanager
def _named(path):
    """A UserError in the block begins with the path."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{os.fspath(path)}: {error}") from None


def is_huge(value):
    """Whether a whole number, or the text of one, is beyond what a setting can have."""
    return (
        value.lstrip("+-").isdecimal()
        if isinstance(value, str)
        else type(value) is int and abs(value) > LARGEST
    )


def is_positional(field):
    return default_of(field) is dataclasses.MISSING


def default_of(field):
    """The default of a dataclass's field, or `dataclasses.MISSING`."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def texts_below(config_type):
    """The texts below the fields of a dataclass and of those it inherits from: dict of name -> str."""
    found = {}
    for kind in filter(dataclasses.is_dataclass, reversed(config_type.__mro__)):
        with contextlib.suppress(OSError):  # a class without a file
            body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0].body
            for field, below in zip(body, body[1:], strict=False):
                text = below.value if isinstance(below, ast.Expr) else None
                if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Constant):
                    found[field.target.id] = inspect.cleandoc(text.value)
    return found


def dump_config(config):
    """A configuration as YAML text that `--config` and `Parser.parse_file` read back."""

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


def shown(value):
    """A default as it is typed on the command line."""
    if isinstance(value, (list, tuple)):
        return " ".join(map(shown, value))
    if isinstance(value, enum.Enum):
        return value.name
    return str(value).lower() if isinstance(value, bool) else str(value)


def expect_allowed(values, config_type, names):
    """See to it that a stranger's dict has values that a dataclass of settings may have.

    Raises ValueError that names the first of `names` that is missing or may not be.
    """
    hints = typing.get_type_hints(config_type, include_extras=True)
    for name in names:
        if name not in values or not is_allowed(values[name], hints[name]):
            raise ValueError(f"{name}: expected {describe(hints[name])}, got {brief(values.get(name))}")


def expect_resumed(config, also=("quiet", "data")):
    """A run that goes on has settings of its own: beside --resume, no other than `also` may be given.

    Raises UserError that names those that were given.
    """
    given = [
        flag(field.name)
        for field in dataclasses.fields(config)
        if field.name not in ("resume", *also) and getattr(config, field.name) != field.default
    ]
    if given:
        raise UserError(f"--resume goes on with the run's own settings; leave out {', '.join(given)}")
