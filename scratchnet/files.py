"""Files that appear whole or not at all."""

import contextlib
import glob
import os
import secrets
import stat
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path):
    """Yield a temporary path beside `path`; move it there if the block ends well, delete it if it does not.

    The content reaches the disk (fsync) before the name does, so that neither Ctrl-C nor a full disk nor a
    power cut leaves a half-written file under the real name. Two writers of one name do not meet: the last
    wins.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be written, or the disk is full. It carries the real path.
    """
    path = Path(path)
    # the suffix still tells the format
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        _rename(error, temporary, path)
        raise
    finally:
        with contextlib.suppress(OSError):  # what went wrong before matters more
            temporary.unlink()


def is_regular(path):
    """Whether this is a file with an end: no folder, and no pipe or device, which one might read for ever.

    Unlike Path.is_file it says the same on all versions of Python where nothing can be looked at.

    Raises
    ------
    OSError
        If there is none, its name is too long, or it may not be looked at.
    """
    return stat.S_ISREG(os.stat(path).st_mode)


def leftovers(path):
    """Paths of the temporary files for `path` that processes left behind when they were killed."""
    path = Path(path)
    return list(path.parent.glob(f".{glob.escape(path.stem)}.{'[0-9a-f]' * 8}{glob.escape(path.suffix)}"))


def _rename(error, temporary, path):
    """Let an error of the system name the file that the user knows."""
    names = [name for name in (error.filename, error.filename2) if name is not None]
    unnamed = not names and error.errno is not None  # write and fsync do not know what file they fail on
    if unnamed or str(temporary) in map(str, names):
        error.filename = str(path)
        del error.filename2  # of os.replace; None would be printed


@contextlib.contextmanager
def atomic_open(path, mode="w", **options):
    """Like `open` for writing, but the file appears under its name only if the block ends well.

    Parameters
    ----------
    path : path-like
    mode : "w" or "wb"
    options : passed to `open`; text defaults to UTF-8
    """
    if "b" not in mode:
        options.setdefault("encoding", "utf-8")
    with atomic_path(path) as temporary, open(temporary, mode, **options) as file:
        yield file
