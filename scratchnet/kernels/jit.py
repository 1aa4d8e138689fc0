"""The one place where Numba is configured.

Every compiled function of the project is decorated with `@kernel`. A kernel is plain Python on arrays and
numbers: with the environment variable NUMBA_DISABLE_JIT=1 it runs uncompiled, and a debugger can step through
the equations.

Kernels do not check their arguments (the classes do). They release the GIL, divide as NumPy does (x/0 is inf)
and may reorder sums, but NaN and infinity keep their meaning.

Every kernel is inlined into its callers. Otherwise a call would run the kernel compiled on its own in the
process that compiles both, and the caller's own copy in a process that loads both from the cache: the two
round differently, and the second run of a program would not repeat the first bit for bit.

The cache. Numba's own cache does not notice an edit in a kernel that is called from another file: the caller
keeps running the old code. So compiled code is kept in a folder named by a hash of all sources of scratchnet:
after any edit all kernels are compiled again. The folder is in ~/.cache/scratchnet, or in $SCRATCHNET_CACHE;
if it cannot be written, there is a warning and nothing is kept. See compiled_files.py.
"""

import hashlib
import os
import warnings
from pathlib import Path
from typing import Any

import llvmlite
import numba

from scratchnet.kernels.compiled_files import Folder, KernelCache

FASTMATH = {"reassoc", "contract", "arcp", "nsz", "afn"}  # all of fastmath but "no NaNs" and "no infinities"
KEPT_CACHES = 3  # so many folders of other versions of the source are kept


def _cache_folder():
    """The Folder for this version of the source and of the compiler; None if there is none."""
    if numba.config.DISABLE_JIT:
        return None
    settings = numba.__version__, llvmlite.__version__, numba.config.BOUNDSCHECK, numba.config.OPT
    digest = hashlib.sha256(repr(settings).encode())
    root = Path(__file__).parents[1]
    textbook = set((root / "plain").glob("*.py"))  # is never compiled
    for source in sorted(set(root.rglob("*.py")) - textbook):
        digest.update(source.read_bytes())
    try:
        base = Path(os.environ.get("SCRATCHNET_CACHE") or "~/.cache/scratchnet").expanduser()
    except RuntimeError:
        warnings.warn("no home folder for compiled code: SCRATCHNET_CACHE names another", RuntimeWarning, 2)
        return None
    return Folder(base.absolute() / f"kernels-{digest.hexdigest()[:16]}", "kernels-*", KEPT_CACHES)


CACHE_FOLDER = _cache_folder()


def kernel(function: Any = None, *, inline: bool = False) -> Any:
    """Compile a function with the project's settings on its first call with new argument types.

    inline : marks small kernels that are called in a loop with many arrays, where a call would cost as much
        as dozens of multiplications. It has no effect: all kernels are inlined.
    """
    if function is None:
        return lambda function: kernel(function, inline=inline)
    if numba.config.DISABLE_JIT:
        return function
    compiled = numba.njit(nogil=True, error_model="numpy", fastmath=FASTMATH, forceinline=True)(function)
    if CACHE_FOLDER is not None:
        try:
            compiled._cache = KernelCache(function, CACHE_FOLDER)
        except OSError:
            pass  # typed into an interpreter: without a source file edits would go unnoticed
    return compiled
