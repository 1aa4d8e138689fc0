"""Files that experiments fetch once and keep: checksum, cache, progress (the work of pooch).

A `RemoteFile` names one file for good: its address holds a version that cannot change, and its SHA-256 says
what must arrive. `fetch` gives its path, and asks the network only if the cache does not hold it yet.
"""

import contextlib
import functools
import os
from dataclasses import dataclass
from pathlib import Path

from experiments.common.errors import UserError, import_extra
from experiments.common.progress import Progress

CACHE_VARIABLE = "SCRATCHNET_CACHE"  # a folder to keep files in, instead of the system's place for caches
CHUNK = 1 << 16  # bytes
TIMEOUT = 30  # seconds without a single byte


@dataclass(frozen=True)
class RemoteFile:
    """One file on the network.

    name : str, what it is called in the cache; may hold folders, "polyphony/JSB_Chorales.mat"
    url : str
    sha256 : str, 64 hexadecimal digits
    largest : int, bytes; a download that is longer is given up
    """

    name: str
    url: str
    sha256: str
    largest: int = 1 << 30


def cache_folder():
    """Where files are kept: $SCRATCHNET_CACHE, or the user's cache folder.

    Raises ImportError if pooch, which knows that folder on every system, is not installed.
    """
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    return Path(import_extra("pooch", "data").os_cache("scratchnet"))


def fetch(file, quiet=False, otherwise=""):
    """The path of a file in the cache; it is downloaded if it is not there, or is not what it should be.

    file : RemoteFile
    quiet : bool, no progress bar
    otherwise : str, what to do without a network, for the message: "pass it with --data PATH"
    Returns Path, of a file with the right checksum.
    Raises UserError if it cannot be downloaded or kept, is longer than `largest`, or its checksum is wrong;
        the cache then holds nothing of it. Raises ImportError if pooch is not installed.
    """
    path = cache_folder() / file.name
    pooch = import_extra("pooch", "data")
    import requests  # comes with pooch

    hint = f"; {otherwise}" if otherwise else ""
    try:
        with silent(pooch.get_logger()):
            known = f"sha256:{file.sha256}"
            download = functools.partial(copy, file, quiet)
            pooch.retrieve(file.url, known, fname=path.name, path=path.parent, downloader=download)
    except requests.HTTPError as error:
        raise UserError(f"{file.url}: the server answered {error.response.status_code}{hint}") from None
    except requests.RequestException as error:
        raise UserError(f"{file.url}: cannot be downloaded ({reason(error)}){hint}") from None
    except ValueError as error:
        if file.sha256 not in str(error):  # pooch tells both checksums; all else is a bug
            raise
        raise UserError(
            f"{file.url}: expected a file with SHA-256 {file.sha256}, got another{hint}"
        ) from None
    except OSError as error:
        where = f"{CACHE_VARIABLE} names another folder for it"
        raise UserError(f"{path}: cannot be kept there ({error.strerror or error}); {where}") from None
    return path


def copy(file, quiet, url, path, pooch):
    """Download to a path, in the form that pooch asks for: with our progress bar, and an end to what is too
    long. pooch then looks at the checksum and moves the file to its place.
    """
    import requests

    plain = {"Accept-Encoding": "identity"}  # what is counted is what is kept
    with (
        requests.get(url, stream=True, timeout=TIMEOUT, headers=plain) as response,
        open(path, "wb") as output,
    ):
        response.raise_for_status()
        length, count = response.headers.get("Content-Length", ""), 0
        total = int(length) if length.isascii() and length.isdecimal() and len(length) < 20 else 0
        with Progress(total or None, Path(file.name).name, "bytes", quiet) as bar:
            for chunk in response.iter_content(CHUNK):
                count += len(chunk)
                if max(total, count) > file.largest:
                    raise UserError(f"{url}: expected at most {file.largest} bytes, got more")
                output.write(chunk)
                bar.update(len(chunk))


@contextlib.contextmanager
def silent(logger):
    """pooch tells what it downloads; the progress bar does so here."""
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


def reason(error):
    """Why there was no connection, in a few words: requests wraps the cause several times."""
    import requests

    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    return "no connection" if isinstance(error, requests.ConnectionError) else type(error).__name__
