"""The one place where Numba is configured.

Every compiled function of the project is decorated with `@kernel`. A kernel is plain Python on arrays and
numbers: with the environment variable NUMBA_DISABLE_JIT=1 it runs as it stands, and a debugger can step
through the equations.

Kernels do not check their arguments (the classes do). They release the GIL, divide as NumPy does (x/0 is inf)
and may reorder sums, but NaN and infinity keep their meaning.

Every kernel is copied into those that call it. A call would lead to the kernel compiled by itself in the
process that compiles both, and to the caller's own copy in a process that takes both from the cache: these
round differently, and the first run of a program would not be repeated bit by bit by the second.

The cache. Numba's own cache does not notice an edit in a kernel that a kernel of another file calls: the
caller keeps running the old code. So compiled code lies in a folder named by a hash of the source of all
kernels: after any edit all of them are compiled anew. The folder is in ~/.cache/scratchnet, or in
$SCRATCHNET_CACHE; where that cannot be written, nothing is cached.
"""

import hashlib
import os
import shutil
from pathlib import Path

import numba

FASTMATH = {"reassoc", "contract", "arcp", "nsz", "afn"}  # all of fastmath but "no NaNs" and "no infinities"
KEPT_CACHES = 4  # folders of earlier versions of the source that are kept


def _cache_folder():
    """The folder for this version of the source, made if need be; None if it cannot be written."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    base = Path(os.environ.get("SCRATCHNET_CACHE") or Path.home() / ".cache" / "scratchnet")
    folder = base / f"kernels-{digest.hexdigest()[:16]}"
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            older = sorted(base.glob("kernels-*"), key=lambda path: path.stat().st_mtime)
            for path in older[:-KEPT_CACHES]:
                shutil.rmtree(path, ignore_errors=True)
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        return None
    return str(folder) if os.access(folder, os.W_OK) else None


CACHE_FOLDER = None if numba.config.DISABLE_JIT else _cache_folder()


def kernel(function=None, *, inline=False):
    """Compile a function with the project's settings on its first call with new argument types.

    inline : marks small ones that are called in a loop with many arrays, where a call would cost as much as
        some dozens of multiplications. It changes nothing: all are copied into those that call them.
    """
    if function is None:
        return lambda function: kernel(function, inline=inline)
    if numba.config.DISABLE_JIT:
        return function
    compiled = numba.njit(nogil=True, error_model="numpy", fastmath=FASTMATH, forceinline=True)(function)
    if CACHE_FOLDER is not None:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = CACHE_FOLDER  # read only while caching is switched on
        try:
            compiled.enable_caching()
        except RuntimeError:
            pass  # typed into an interpreter: Numba caches nothing without a source file to watch for edits
        finally:
            numba.config.CACHE_DIR = before
    return compiled
