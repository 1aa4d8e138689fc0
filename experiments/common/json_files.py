"""JSON files of a run: what is read may be damaged, and what is written any program can read."""

import json
import math
import os
from pathlib import Path

from experiments.common.errors import UserError
from scratchnet.files import is_regular

MOST_BYTES = 2**28  # of a file


def read_json(path, kind=object):
    """What a JSON file says.

    path : path-like
    kind : dict, list or object: what it must be
    Raises UserError if it is damaged, larger than `MOST_BYTES`, or of another kind; OSError if it cannot be
        read.
    """
    text = b""
    if is_regular(path):  # a pipe might be read for ever
        with open(path, "rb") as file:
            text = file.read(MOST_BYTES + 1)
    try:
        content = json.loads(text) if len(text) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        content = None
    if content is None or not isinstance(content, kind):
        what = {dict: "a JSON object", list: "a JSON list"}.get(kind, "JSON")
        raise UserError(f"{os.fspath(path)}: expected {what}")
    return content


def is_number(value):
    """Whether a value of a JSON file is a finite number, and not so large that it is none to a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 2**1023


def points(rows, x, y):
    """[[x, y], ...] of the rows that have finite numbers under both names."""
    return [[row[x], row[y]] for row in rows if is_number(row.get(x)) and is_number(row.get(y))]


def plain(value):
    """`value` as JSON can hold it: NumPy's numbers as Python's, paths as text, NaN and infinity as None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
