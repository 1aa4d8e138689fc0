"""A lock on a file: it ends with its process, however that ends, so that none is ever left over."""

import contextlib
import errno
import os
import socket
import time
import warnings

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

TAKEN = errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK
FAR = 2**30  # bytes into the file: Windows lets nobody read what is locked
PAUSE = 0.2  # seconds
_held = {}  # what this process has locked: (device, number of the file) -> [descriptor, path, how many times]


def lock(path, wait=False):
    """Lock a file, which is made if need be, for this process. May be called again: each time counts.

    On a file system without locks nobody is kept out, and a warning says so.

    path : path-like
    wait : until another process lets go of it
    Returns key for `unlock`, or None if another process has it.
    Raises OSError if the file cannot be made.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        key = _key(os.fstat(descriptor))
        if key in _held:
            os.close(descriptor)
            _held[key][2] += 1
            return key
        try:
            taken = not _try(descriptor, path)
            if not taken and _is_still(path, key):
                _held[key] = [descriptor, os.fspath(path), 1]
                return key
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if taken and not wait:
            return None
        if taken:
            time.sleep(PAUSE)


def unlock(key):
    """Give back a lock; the file goes with the last of them."""
    held = _held.get(key)
    if held is None:  # all were given back
        return
    held[2] -= 1
    if held[2]:
        return
    del _held[key]
    descriptor, path, _ = held
    with contextlib.suppress(OSError):  # Windows removes no file that is open
        if _is_still(path, key):
            os.unlink(path)
    os.close(descriptor)


def unlock_all():
    """Give back all that this process has: a command has ended."""
    for key, held in list(_held.items()):
        held[2] = 1
        unlock(key)


def sign(key):
    """Write into a locked file whose it is."""
    with contextlib.suppress(OSError):
        descriptor = _held[key][0]
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, f"{os.getpid()} on {socket.gethostname()}\n".encode())


def signature(path):
    """Who has signed a file: "1234 on a-machine", or ""."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(100).decode(errors="replace").strip()
    return ""


def _try(descriptor, path):
    """Whether the file is now ours."""
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            os.lseek(descriptor, FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in TAKEN:
            return False
        warnings.warn(
            f"{path}: no lock is to be had here ({error.strerror}); see to it that no other process writes "
            "into this folder",
            RuntimeWarning,
            stacklevel=3,
        )
    return True


def _is_still(path, key):
    """Whether the file of this name is the one that was locked, and not removed in the meantime."""
    try:
        return _key(os.stat(path)) == key
    except FileNotFoundError:
        return False


def _key(status):
    return status.st_dev, status.st_ino
