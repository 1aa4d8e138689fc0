"""Files that appear complete or not at all."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, TypeAlias

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed
    fcntl = None  # type: ignore[assignment]

PathLike: TypeAlias = str | os.PathLike[str]

# names of unfinished files and folders
TEMPORARY = re.compile(r"\..*\.part-[0-9a-f]{16}(\.\w+)?", re.DOTALL)
NAME_BYTES = 255  # of a file, on most systems


@contextlib.contextmanager
def atomic_path(path: PathLike, may_be_empty: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds, delete it otherwise.

    The content reaches the disk (fsync) before the name does, so that neither Ctrl-C nor a full disk nor a
    power failure leaves a half-written file under the real name. Two writers of one name do not interfere:
    the last one wins. An empty file is an error, unless it `may_be_empty`.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be written, or the disk is full. It names the real path.
    """
    path = Path(path)
    temporary = temporary_path(path)
    try:
        with _in_use(temporary, _touch):
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
                if not may_be_empty and not os.fstat(file.fileno()).st_size:
                    raise FileNotFoundError(errno.ENOENT, "nothing was written", str(path))
            os.replace(temporary, path)
    except OSError as error:
        _rename(error, temporary, path)
        raise
    finally:
        with contextlib.suppress(OSError):  # an earlier error matters more
            temporary.unlink()


def is_regular(path: PathLike) -> bool:
    """Whether this is a regular file: not a folder, and not a pipe or device, which might never end.

    Unlike Path.is_file it raises on every version of Python if the file cannot be examined.

    Raises
    ------
    OSError
        If there is no such file, its name is too long, or it may not be examined.
    """
    return stat.S_ISREG(os.stat(path).st_mode)


def temporary_path(path: PathLike) -> Path:
    """A new path beside `path` that matches `TEMPORARY`; the suffix still tells the format."""
    path = Path(path)
    end = f".part-{secrets.token_hex(8)}{path.suffix}"
    stem = path.stem
    while stem and len(os.fsencode(f".{stem}{end}")) > NAME_BYTES:
        stem = stem[:-1]
    return path.with_name(f".{stem}{end}")


@contextlib.contextmanager
def temporary_folder(path: PathLike) -> Iterator[Path]:
    """Create a folder beside `path` that exists within the block only; yields its path."""
    folder = temporary_path(path)
    try:
        with _in_use(folder, os.mkdir):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def leftovers(folder: PathLike) -> list[Path]:
    """Unfinished paths in a folder: of a process that was killed, or of one that is still writing."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if TEMPORARY.fullmatch(entry.name))
    return []


def remove_leftovers(folder: PathLike) -> None:
    """Remove what killed processes left unfinished in a folder; what is still being written stays."""
    for path in leftovers(folder):
        if fcntl is None:
            remove(path)
            continue
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(path)
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def _in_use(path, make):
    """Create a file or folder, and lock it within the block, for `remove_leftovers` to see.

    The lock ends with the process, however that ends. On systems without locks nothing is removed.
    """
    if fcntl is None:
        make(path)
        yield
        return
    while True:
        make(path)
        descriptor = os.open(path, os.O_RDONLY)
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.exists(path):
            break
        os.close(descriptor)  # another process removed it as a leftover, just before it was locked
    try:
        yield
    finally:
        os.close(descriptor)


def _touch(path):
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def remove(path: PathLike) -> None:
    """Remove a file, or a folder with its contents; what cannot be removed stays."""
    with contextlib.suppress(OSError):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)


def _rename(error, temporary, path):
    """Let an OSError name the file that the user knows."""
    names = [name for name in (error.filename, error.filename2) if name is not None]
    unnamed = not names and error.errno is not None  # write and fsync do not name their file
    if unnamed or str(temporary) in map(str, names):
        error.filename = str(path)
        del error.filename2  # of os.replace; None would be printed


@contextlib.contextmanager
def atomic_open(path: PathLike, mode: str = "w", **options: Any) -> Iterator[IO[Any]]:
    """Like `open` for writing, but the file appears under its name only if the block succeeds.

    Parameters
    ----------
    path : path-like
    mode : "w" or "wb"
    options : passed to `open`; text defaults to UTF-8
    """
    if "b" not in mode:
        options.setdefault("encoding", "utf-8")
    with atomic_path(path, True) as temporary, open(temporary, mode, **options) as file:
        yield file
