"""What a setting may hold: types with bounds, in words, and text as a value of such a type."""

import dataclasses
import enum
import inspect
import math
import types
import typing
from pathlib import Path

LARGEST = 2**63 - 1  # of a whole number
WORDS = {int: "an integer", float: "a number", str: "text", bool: "true or false", Path: "a path"}
CONSTANTS = {"true": True, "false": False, "null": None}


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
Probability = typing.Annotated[float, Range(least=0, below=1)]
# Sizes of arrays: what nobody can mean is refused.
Units = typing.Annotated[int, Range(least=1, most=100_000)]
Layers = typing.Annotated[int, Range(least=1, most=1000)]
WeightDecay = typing.Annotated[float, Range(least=0, most=100)]
Bpm = typing.Annotated[float, Range(least=20, most=400)]
Temperature = typing.Annotated[float, Range(least=0.05, most=20)]
TopP = typing.Annotated[float, Range(least=0.01, most=1)]
Engine = typing.Literal["auto", "built-in", "fluidsynth", "symusic"]


class Quoted(str):
    """Text that a file has in quotes: "null" is a word."""


def is_union(hint):
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def is_several(hint):
    """Whether a setting is a list, or a list or nothing."""
    choices = typing.get_args(hint) if is_union(hint) else [hint]
    return any(typing.get_origin(choice) in (list, tuple) for choice in choices)


def innermost(hint):
    """`int` for `tuple[Annotated[int, ...], ...]` or `int | None`."""
    while typing.get_origin(hint) not in (None, typing.Literal):
        hint = typing.get_args(hint)[0]
    return hint


def is_enum(hint):
    return inspect.isclass(hint) and issubclass(hint, enum.Enum)


def describe(hint):
    """A type hint in a user's words: "an integer >= 1"."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return " ".join([describe(arguments[0]), *map(str, arguments[1:])])
    if origin is typing.Literal or is_enum(hint):
        return f"one of {', '.join(map(str, arguments or hint.__members__))}"
    if is_union(hint):
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
    if is_union(hint):
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


def value_of(text, hint):
    """The value that text, or a list of texts, is meant as; what is no such value stays text.

    >>> value_of("1e-2", float | None), value_of(["1", "x"], tuple[int, ...])
    (0.01, (1, 'x'))
    """
    if isinstance(text, list):
        return tuple(value_of(item, innermost(hint)) for item in text)
    optional = is_union(hint) and types.NoneType in typing.get_args(hint)
    if optional and text == "null" and not isinstance(text, Quoted):
        return None
    kind = innermost(hint)
    if typing.get_origin(kind) is typing.Literal:
        return next((choice for choice in typing.get_args(kind) if str(choice) == text), text)
    if is_enum(kind):
        return kind.__members__.get(text, text)
    if kind in (str, Path):
        return kind(text)
    value = number(text)
    return float(value) if kind is float and type(value) is int and abs(value) <= LARGEST else value


def number(text):
    """The number or constant that a text is, or the text."""
    if text.lower() in CONSTANTS:
        return CONSTANTS[text.lower()]
    for kind, spelling in ((int, text), (float, text.replace(".inf", "inf").replace(".nan", "nan"))):
        try:
            value = kind(spelling)
        except ValueError:  # no number, or of more digits than Python reads
            continue
        if kind is int or math.isfinite(value) or not text.lstrip("+-").isdecimal():
            return value
    return text
