"""Reasons why music was left out or changed, and their kinds."""

import re
from functools import lru_cache

_NAMES = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|0x\w+|\d[\d,./]*")


@lru_cache(maxsize=4096)
def kind_of(reason):
    """A reason but for its names and numbers, the same for all of a kind."""
    return _NAMES.sub("..", reason)
