"""What several test modules share, how workers share the machine, and the profiles of hypothesis.

A test says the same in every run, on every machine: `fixed` draws the same examples each time. `search` draws
new ones (`--hypothesis-profile=search`); what it finds becomes an `@example` of its test.
"""

import hashlib
import os
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers
from numba.core.caching import NullCache
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher

try:
    import fcntl
except ImportError:  # Windows: two processes may compile the same
    fcntl = None

WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if WORKERS > 1:  # processes share the cores; tests of several threads set their number themselves
    os.environ.setdefault("SCRATCHNET_THREADS", str(max(1, (os.cpu_count() or 1) // WORKERS)))

settings.register_profile("fixed", deadline=None, derandomize=True, database=None)
settings.register_profile("search", deadline=None, derandomize=False, database=None, print_blob=True)
settings.load_profile("fixed")


def pytest_configure(config):
    """Let `fixed` examples not depend on which modules other tests have imported before.

    Hypothesis draws constants from the source of the modules that it finds imported, in versions that have
    these names; in others the examples are those of these modules.
    """
    known = hasattr(providers, "Constants") and hasattr(providers, "_get_local_constants")
    if known and config.getoption("--hypothesis-profile") != "search":
        nothing = providers.Constants()
        providers._get_local_constants = lambda: nothing


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each worker a stretch of the tests, if nothing else is asked for: those of a module share much."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


@pytest.fixture(scope="session", autouse=True)
def compile_once(tmp_path_factory):
    """Let a worker wait for the kernel that another is compiling, and take it from the cache then."""
    if WORKERS == 1 or fcntl is None or numba.config.DISABLE_JIT:
        yield
        return
    folder = tmp_path_factory.getbasetemp().parent / "compiling"  # one for all workers of this run
    folder.mkdir(exist_ok=True)
    compile = Dispatcher.compile

    def compile_or_wait(self, sig):
        if isinstance(self._cache, NullCache):
            return compile(self, sig)
        name = f"{self.py_func.__module__}.{self.py_func.__qualname__}{sig}"
        with global_compiler_lock, open(folder / hashlib.sha256(name.encode()).hexdigest(), "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
            return compile(self, sig)

    Dispatcher.compile = compile_or_wait
    yield
    Dispatcher.compile = compile


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    """No test of the module reads or writes the user's cache: its folder."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("SCRATCHNET_CACHE", str(folder))
        yield folder


@pytest.fixture
def rng():
    """A random generator that is the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def data_folder():
    """The folder of development corpora; the test is skipped where it is absent."""
    folder = Path(os.environ.get("SCRATCHNET_DATA", Path(__file__).parents[1].parent / "shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no development corpora in {folder} (set SCRATCHNET_DATA)")
    return folder
