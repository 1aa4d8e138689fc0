"""Whose the pieces of a folder are: what a run says of them, in its samples.json (common/samples.py) and in
the line of JSON that lies with what was composed later.
"""

from collections import Counter

from experiments.common.compositions import NUMBERED
from experiments.common.errors import UserError
from experiments.common.samples import HUMAN, by_people, is_primed, read_list, unique_names
from experiments.measures.collection import SUFFIXES, music_files, read_files, read_pieces


def read_sets(paths, quiet=False):
    """The pieces of several folders or files, by source.

    A folder is one source. Of a run that has a samples.json, or of a folder in it, what a network composed
    freely, what it composed after a primer, and people's pieces are a source each, and so is each folder of
    what was composed later.

    paths : list of Path
    quiet : bool, no progress bar
    Returns dict of name -> Pieces.
    Raises UserError if there is no such path, nothing in it that can be read, or one is named twice.
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
    """The pieces of one path by kind, "lstm primed" or "composed-2": dict of str -> Pieces; the kind of what
    nothing is known of is "".
    """
    dropped, kinds = [], {}
    listed, later = _listed(path, dropped), _composed_later(path)
    if listed is None:
        files = music_files(path)
        inside = {file for found in later.values() for file in found}
        files = [file for file in files if file not in inside]
        if files or not later:
            kinds[f"{path.resolve().name} primed" if is_primed(path) else ""] = files
    else:
        for sample in sorted(listed, key=lambda sample: (sample.source == HUMAN, sample.kind)):
            kinds.setdefault(sample.kind, []).append(sample.path)
    found = {}
    for kind, files in ({**kinds, **later} or {"": []}).items():
        found[kind], dropped = read_files(files, path, quiet, dropped), []
    return found


def _composed_later(path):
    """What `compose` made in a run's folder, or in those of its networks: dict of kind -> files."""
    found = {}
    for folder in sorted([*path.glob("composed-*"), *path.glob("*/composed-*")]):
        if NUMBERED.fullmatch(folder.name) and folder.is_dir() and (files := music_files(folder)):
            name = folder.relative_to(path).as_posix()
            found[f"{name} primed" if is_primed(folder) else name] = files
    return found


def _listed(path, dropped):
    """What a run's list says of the music in a folder: list of Sample, or None without a list."""
    return read_list(path, SUFFIXES, dropped) if path.is_dir() else None
