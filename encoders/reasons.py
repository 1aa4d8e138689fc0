"""Reasons why music was left out or changed, their kinds, and tables of them."""

import re
from collections.abc import Iterable
from functools import lru_cache

_NAMES = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|0x\w+|\d[\d,./]*")


@lru_cache(maxsize=4096)
def kind_of(reason: str) -> str:
    """A reason without its names and numbers: the same for all of a kind."""
    return _NAMES.sub("..", reason)


def counted(count: int, what: str, rows: Iterable[tuple[int, str]] = ()) -> list[str]:
    """Lines of a table: how many of what, and below, indented, how many of each kind."""
    return [f"{count:6,} {what}", *(f"{often:12,}  {line}" for often, line in rows)]
