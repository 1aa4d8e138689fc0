"""Arguments of public functions: numbers, names and generators, validated at the boundary.

Each function returns the value in the expected type, or raises a ValueError that names the parameter, what
was expected and what was given. Arrays are checked in layers/layer.py.
"""

import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from scratchnet.messages import brief, cut

Kind = TypeVar("Kind")

LARGEST = 2**31  # numbers in one array, and so steps and sizes; more would end in a MemoryError


def whole(value: Any, name: str, least: int = 1, most: int = LARGEST) -> int:
    """A whole number from `least` to `most`, as int; True and False are not numbers."""
    if not isinstance(value, numbers.Integral) or isinstance(value, (bool, np.bool_)):
        raise ValueError(f"expected {name} to be a whole number >= {least}, got {shown(value)}")
    value = int(value)
    if not least <= value <= most:
        limit = f"{name} >= {least}" if value < least else f"{name} <= {most}"
        raise ValueError(f"expected {limit}, got {shown(value)}")
    return value


def number(
    value: Any,
    name: str,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    infinite: bool = False,
) -> float:
    """A real number in an interval, as float.

    Parameters
    ----------
    above, least : the lower end, exclusive or inclusive; None for no lower end
    below, most : the upper end, likewise
    infinite : whether infinity is accepted; NaN never is
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    try:
        x = float(value) if real else math.nan
    except OverflowError:
        x = math.inf if value > 0 else -math.inf
    if (
        math.isnan(x)
        or (math.isinf(x) and not (infinite and x == value))
        or (above is not None and not x > above)
        or (least is not None and not x >= least)
        or (below is not None and not x < below)
        or (most is not None and not x <= most)
    ):
        raise ValueError(f"expected {name}{_interval(above, least, below, most)}, got {shown(value)}")
    return x


def flag(value: Any, name: str) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"expected {name} to be True or False, got {shown(value)}")
    return bool(value)


def one_of(value: Any, name: str, known: Iterable[str]) -> str:
    """One of the names in `known`."""
    if not (isinstance(value, str) and value in known):
        raise ValueError(f"expected {name} in {', '.join(known)}, got {shown(value)}")
    return value


def generator(rng: Any, name: str = "rng") -> np.random.Generator:
    """A numpy Generator."""
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"expected {name} to be a numpy Generator (np.random.default_rng), got {shown(rng)}")
    return rng


def function_or_none(value: Any, name: str) -> Callable[..., Any] | None:
    """A function, or None."""
    if value is not None and not callable(value):
        raise ValueError(f"expected {name} to be a function or None, got {shown(value)}")
    return value


def instance(value: Any, name: str, kind: type[Kind]) -> Kind:
    """An instance of this class."""
    if not isinstance(value, kind):
        raise ValueError(f"expected {name} to be a {kind.__name__}, got {shown(value)}")
    return value


def listed(value: Any, name: str) -> list[Any]:
    """The items of a list, tuple, array or any other ordered collection, as a list."""
    unordered = isinstance(value, (str, bytes, dict, set))
    try:
        return list(None if unordered else value)
    except TypeError:
        raise ValueError(f"expected {name} to be a list, got {shown(value)}") from None


def pair(value: Any, name: str, **interval: Any) -> tuple[float, float]:
    """A tuple of two numbers, each in the interval; see `number`."""
    several = isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim == 1)
    if not several or len(value) != 2:
        raise ValueError(f"expected {name} to be two numbers, got {shown(value)}")
    first, second = (number(each, name, **interval) for each in value)
    return first, second


def as_array(value: Any, name: str) -> np.ndarray:
    """`value` as an array of any shape and type."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError):  # lists of unequal length
        raise ValueError(f"expected {name} to be an array, got {shown(value)}") from None


def room(count: int, what: str) -> None:
    """Refuse arrays of more than LARGEST numbers, before they are allocated."""
    if count > LARGEST:
        raise ValueError(f"expected at most {LARGEST} numbers in {what}, got {shown(count)}")


def shown(value: Any) -> str:
    """A value that was given, in few characters."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array {value.shape} of {value.dtype}"
    return cut(str(value), 60) if isinstance(value, (float, np.generic)) else brief(value, 60)


def _interval(above, least, below, most):
    low, high = (least if above is None else above), (most if below is None else below)
    if low is not None and high is not None:
        return f" in {'[' if above is None else '('}{low:g}, {high:g}{']' if below is None else ')'}"
    if low is not None:
        return f" {'>=' if above is None else '>'} {low:g}"
    if high is not None:
        return f" {'<=' if below is None else '<'} {high:g}"
    return " to be a finite number"
