"""What the commands of this folder share: flags, and files of figures."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scratchnet.files import atomic_open


def parser(name: str, doc: str) -> argparse.ArgumentParser:
    """The parser of `python -m benchmarks.NAME` with --json, described by the first line of the module."""
    found = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=doc.splitlines()[0])
    found.add_argument("--json", metavar="PATH", type=Path, help="also write the figures to this file")
    return found


def save(path: Path | None, figures: Any) -> None:
    """Write figures as JSON, all or nothing; do nothing without a path."""
    if path is not None:
        with atomic_open(path) as file:
            json.dump(figures, file, indent=2)


def markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Lines of a table in Markdown; all columns but the first are aligned to the right."""
    head = tuple(head)
    lines = [head, *rows]
    lines = ["| " + " | ".join(cells) + " |" for cells in lines]
    return [lines[0], "|---" + "|---:" * (len(head) - 1) + "|", *lines[1:]]
