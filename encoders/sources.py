"""Files that nobody vouches for: found below folders, and read whole or refused with a reason."""

import os
from collections.abc import Iterable
from pathlib import Path

from scratchnet.files import is_regular

StrPath = str | os.PathLike[str]


def find_files(path: StrPath, suffixes: Iterable[str]) -> tuple[list[tuple[Path, str | None]], list[Path]]:
    """What a path stands for: itself, or the files below a folder that have one of these suffixes.

    Parameters
    ----------
    path : path-like
    suffixes : iterable of str, in lower case, such as (".mid", ".midi"); names may have capitals

    Returns
    -------
    files : list of (path, reason why it cannot be used or None)
    skipped : list of paths in the folder that have other names
    """
    path, suffixes = Path(path), tuple(suffixes)
    try:
        if not path.is_dir():
            return [(path, None)], []
        found, skipped, errors = [], [], []
        # links to folders are not followed: they may form a circle
        for folder, folders, names in os.walk(path, onerror=errors.append):
            folders.sort()
            for name in sorted(names):
                known = name.lower().endswith(suffixes)
                (found if known else skipped).append(Path(folder, name))
        rows = [(file, None) for file in found]
        rows += [(Path(error.filename), _unreadable(error)) for error in errors]
        *most, last = (f"*{suffix}" for suffix in suffixes)
        wanted = f"{', '.join(most)} or {last}" if most else last
        return rows or [(path, f"no file {wanted} in this folder")], skipped
    except OSError as error:
        return [(path, _unreadable(error))], []


def read_bytes(path: StrPath, most: int) -> bytes:
    """The first `most` bytes of a file.

    Raises
    ------
    ValueError
        If it is not a regular file or cannot be read; the message says which, without the path.
    """
    try:
        if not is_regular(path):
            raise ValueError("not a file")
        with open(path, "rb") as file:
            return file.read(most)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError("no such file") from None
    except OSError as error:
        raise ValueError(_unreadable(error)) from None


def _unreadable(error):
    return f"cannot be read ({error.strerror})"
