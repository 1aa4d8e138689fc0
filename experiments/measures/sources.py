"""Whose the pieces of a folder are: what a run says of them, in its samples.json (experiments/samples.py) and
in the line of JSON that lies with what was composed later.
"""

import json
import re
from collections import Counter

from experiments.errors import UserError
from experiments.measures.collection import SUFFIXES, music_files, read_files, read_pieces
from experiments.samples import HUMAN, by_people, read_list, unique_names

COMPOSED, HOW = re.compile(r"composed-[0-9]+"), "composed.json"  # what `compose` makes in a run folder
HOW_BYTES = 100_000


def read_sets(paths, quiet=False):
    """The pieces of several folders or files, by source.

    A folder is one source. Of a run that has a samples.json, or of a folder in it, what a network composed
    freely, what it composed after a primer, and people's pieces are a source each, and so is each folder of
    what was composed later.

    Parameters
    ----------
    paths : list of Path
    quiet : bool
        No progress bar.

    Returns
    -------
    dict of name -> Pieces

    Raises
    ------
    UserError
        If there is no such path, nothing in it that can be read, or one is named twice.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise UserError("expected different folders, and one of them is named twice")
    found = []
    for path, short in zip(paths, unique_names(paths), strict=True):
        found += [(short, kind, pieces) for kind, pieces in read_sources(path, quiet).items()]
    often = Counter(kind or short for short, kind, _ in found)
    return {
        (kind or short) if often[kind or short] == 1 else f"{short}: {kind}": pieces
        for short, kind, pieces in found
    }


def read_reference(path, quiet=False):
    """The pieces to compare with, of a run only those by people: Pieces. Raises UserError as `read_sets`."""
    dropped = []
    listed = _listed(path, dropped)
    if listed is None:
        return read_pieces(path, quiet)
    return read_files([sample.path for sample in by_people(listed, path)], path, quiet, dropped)


def read_sources(path, quiet=False):
    """The pieces of one path by kind, "lstm primed" or "composed-2": dict of str -> Pieces; the kind of a
    folder that is one source is "".
    """
    dropped = []
    listed = _listed(path, dropped)
    if listed is None:
        kind = f"{path.resolve().name} primed" if _is_primed(path) else ""
        return {kind: read_pieces(path, quiet)}
    kinds = {}
    for sample in sorted(listed, key=lambda sample: (sample.source == HUMAN, sample.kind)):
        kinds.setdefault(sample.kind, []).append(sample.path)
    if not kinds:
        return {"": read_files([], path, quiet, dropped)}  # which says so
    found = {}
    for kind, files in kinds.items():
        found[kind], dropped = read_files(files, path, quiet, dropped), []
    for folder in sorted(path.iterdir()):
        if COMPOSED.fullmatch(folder.name) and folder.is_dir() and any(music_files(folder)):
            found[f"{folder.name} primed" if _is_primed(folder) else folder.name] = read_pieces(folder, quiet)
    return found


def _listed(path, dropped):
    """What a run's list says of the music in a folder: list of Sample, or None without a list."""
    return read_list(path, SUFFIXES, dropped) if path.is_dir() else None


def _is_primed(folder):
    """Whether what lies in a folder was composed after a primer, as the line of JSON in it says."""
    try:
        if (folder / HOW).stat().st_size > HOW_BYTES:
            return False
        how = json.loads((folder / HOW).read_text(encoding="utf-8"))
        return how["experiment"] == "classical" or how["options"]["prime"] is not None
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return False
