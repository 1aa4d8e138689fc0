"""Files that appear whole or not at all."""

import contextlib
import os
import secrets
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path):
    """Yield a temporary path beside `path`; move it there when the block ends well, delete it when it does not.

    The content reaches the disk (fsync) before the name does, so that neither Ctrl-C nor a full disk nor a
    power cut leaves a half-written file under the real name. Two writers of one name do not meet: the last wins.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")  # the suffix still tells the format
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_open(path, mode="w", **options):
    """Like `open` for writing, but the file appears under its name only when the block ends without an exception.

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
