"""What was read from files, cached in a folder: a damaged entry is noticed, an outdated one never found.

An entry is sealed: the SHA-256 of its content (32 bytes), then the content. The folder's name holds a hash of
the source of everything that made the content, so that nothing outlives a change of the code.
"""

import hashlib
import warnings
from collections.abc import Iterable
from pathlib import Path

from scratchnet.files import atomic_open, remove_leftovers

from .sources import StrPath, read_bytes

MAX_BYTES = 64 * 2**20  # of an entry
_DIGEST = hashlib.sha256().digest_size


def open_folder(
    cache: StrPath, name: str, settings: str, sources: Iterable[StrPath]
) -> tuple[Path | None, str | None]:
    """Make the folder for these settings and sources, and clear what killed processes left in it.

    Parameters
    ----------
    cache : path-like, the folder that the user named
    name : str, what the new folder's name begins with
    settings : str, on which the entries depend
    sources : iterable of path-like, files of code on which the entries depend

    Returns
    -------
    (folder, None), or (None, why it cannot be made)
    """
    version = hashlib.sha256(settings.encode())
    for source in sources:
        version.update(Path(source).read_bytes())
    folder = Path(cache, f"{name}-{version.hexdigest()[:16]}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
    except OSError as error:
        return None, error.strerror or str(error)
    return folder, None


def store(path: StrPath, content: bytes) -> str | None:
    """Write a sealed entry; None, or the reason why it cannot be written, which only costs time."""
    try:
        with atomic_open(path, "wb") as file:
            file.write(content)
    except OSError as error:
        return error.strerror or str(error)
    return None


def load(path: StrPath) -> bytes:
    """A sealed entry as it was stored; a ValueError if there is none."""
    return read_bytes(path, MAX_BYTES)


def seal(content: bytes) -> bytes:
    """Bytes with their SHA-256 in front."""
    return hashlib.sha256(content).digest() + content


def unseal(sealed: bytes) -> bytes:
    """The content of sealed bytes.

    Raises
    ------
    ValueError
        If they are damaged, or were never sealed.
    """
    digest, content = sealed[:_DIGEST], sealed[_DIGEST:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("bytes that are damaged, or were not written here")
    return content


def warn_not_kept(cache: StrPath, reason: str) -> None:
    """A RuntimeWarning, at the caller's caller, that nothing can be kept in this folder."""
    warnings.warn(f"{cache}: what was read cannot be kept here ({reason})", RuntimeWarning, stacklevel=3)
