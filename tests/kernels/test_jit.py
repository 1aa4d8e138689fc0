"""The cache of compiled code, and the mode without it: Python started anew on a small copy of the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import scratchnet.kernels.compiled_files
import scratchnet.kernels.jit

compiled = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")

INNER = """
from scratchnet.kernels.jit import kernel

@kernel
def inner(x):
    return x * {factor}
"""
OUTER = """
from scratchnet.layers.inner import inner
from scratchnet.kernels.jit import kernel

@kernel
def outer(x):
    return inner(x) + 1
"""
REPORT = """
from scratchnet import outer
from scratchnet.kernels import jit
print(jit.CACHE_FOLDER and jit.CACHE_FOLDER.path)
print(outer.outer(10))
stats = getattr(outer.outer, "stats", None)
print(sum(stats.cache_hits.values()) if stats else None)
"""


@pytest.fixture
def package(tmp_path):
    """A package scratchnet of the real kernels/jit.py and two kernels, one calling that of a subfolder."""
    folder = tmp_path / "src" / "scratchnet"
    for room in (folder, folder / "kernels", folder / "layers"):
        room.mkdir(parents=True)
        (room / "__init__.py").touch()
    for module in (scratchnet.kernels.jit, scratchnet.kernels.compiled_files):
        shutil.copy(module.__file__, folder / "kernels")
    (folder / "layers" / "inner.py").write_text(INNER.format(factor=2))
    (folder / "outer.py").write_text(OUTER)
    return folder


def python(package, code, **environment):
    """Lines that `code` prints in a fresh interpreter that finds `package` first."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "SCRATCHNET_"))
    }
    inherited |= {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    done = subprocess.run(
        [sys.executable, "-c", code], env=inherited, cwd=package.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@compiled
def test_an_edit_in_one_file_reaches_the_kernels_of_another(package, tmp_path):
    cache = tmp_path / "cache"
    folder, value, hits = python(package, REPORT, SCRATCHNET_CACHE=str(cache))
    assert (value, hits) == ("21", "0")
    assert Path(folder).parent == cache and any(Path(folder).rglob("*.nbc"))
    assert python(package, REPORT, SCRATCHNET_CACHE=str(cache)) == [folder, "21", "1"]  # taken from the cache

    (package / "layers" / "inner.py").write_text(INNER.format(factor=3))
    other_folder, value, hits = python(package, REPORT, SCRATCHNET_CACHE=str(cache))
    assert other_folder != folder
    assert (value, hits) == ("31", "0")


TYPED = """
from scratchnet.kernels import jit
from scratchnet.outer import outer

@jit.kernel
def typed(x):
    return outer(x) * 2

print(jit.CACHE_FOLDER is not None, typed(10), sum(typed.stats.cache_hits.values()))
"""


@pytest.mark.slow
@compiled
def test_a_kernel_typed_into_an_interpreter_is_compiled_without_a_cache(package, tmp_path):
    cache = str(tmp_path / "cache")
    for _ in range(2):
        assert python(package, TYPED, SCRATCHNET_CACHE=cache) == ["True", "42", "0"]


CELLS = """
from scratchnet.kernels.activations import sigmoid, tanh
from scratchnet.kernels.jit import kernel

@kernel
def cells(i, f, g, c_before, c):
    for k in range(c.size):
        i[k] = sigmoid(i[k])
        f[k] = sigmoid(f[k])
        g[k] = tanh(g[k])
        c[k] = f[k] * c_before[k] + i[k] * g[k]

@kernel
def step(z, c_before, c):
    H = len(c)
    cells(z[:H], z[H : 2 * H], z[2 * H :], c_before, c)
"""
RUN_CELLS = """
import hashlib
import numpy as np
from scratchnet.cells import step

z, c_before, c = (np.sin(np.arange(n), dtype=np.float32) for n in (2997, 999, 999))
step(z, c_before, c)
print(hashlib.md5(c.tobytes()).hexdigest(), sum(step.stats.cache_hits.values()))
"""


@pytest.mark.slow
@compiled
def test_code_from_the_cache_rounds_as_that_which_was_just_compiled(package, tmp_path):
    shutil.copy(Path(scratchnet.kernels.jit.__file__).with_name("activations.py"), package / "kernels")
    (package / "cells.py").write_text(CELLS)
    first, second = (python(package, RUN_CELLS, SCRATCHNET_CACHE=str(tmp_path / "cache")) for _ in range(2))
    assert (first[1], second[1]) == ("0", "1") and first[0] == second[0]
    for path in tmp_path.rglob("cells.step-*.nbc"):  # compiled once more, of parts that come from the cache
        path.unlink()
    assert python(package, RUN_CELLS, SCRATCHNET_CACHE=str(tmp_path / "cache")) == first


def test_without_compilation_kernels_are_plain_functions_and_no_cache_is_made(package, tmp_path):
    cache = tmp_path / "cache"
    code = REPORT + "print(type(outer.outer).__name__)"
    lines = python(package, code, SCRATCHNET_CACHE=str(cache), NUMBA_DISABLE_JIT="1")
    assert lines == ["None", "21", "None", "function"]
    assert not cache.exists()


@pytest.mark.slow
@compiled
def test_caches_of_old_sources_are_removed_when_there_is_a_new_one(package, tmp_path):
    cache = tmp_path / "cache"
    for age in range(6):
        old = cache / f"kernels-{age}"
        old.mkdir(parents=True)
        os.utime(old, (1e9 - age, 1e9 - age))
    (cache / "something else").mkdir()
    folder, *_ = python(package, REPORT, SCRATCHNET_CACHE=str(cache))
    kept = {path.name for path in cache.iterdir()}
    assert kept == {"something else", Path(folder).name, "kernels-0", "kernels-1", "kernels-2"}


def test_what_changes_machine_code_changes_the_folder(package, tmp_path):
    code = "from scratchnet.kernels import jit; print(jit.CACHE_FOLDER.path)"
    settings = ({}, {"NUMBA_BOUNDSCHECK": "1"}, {"NUMBA_OPT": "1"})
    folders = {python(package, code, SCRATCHNET_CACHE=str(tmp_path), **each)[0] for each in settings}
    assert len(folders) == 3 and not any(tmp_path.rglob("*.nbc"))


def test_numbas_own_setting_is_left_alone(package, tmp_path):
    code = "from numba import config as c; b = c.CACHE_DIR; import scratchnet.outer; print(c.CACHE_DIR == b)"
    assert python(package, code, SCRATCHNET_CACHE=str(tmp_path / "cache")) == ["True"]


@compiled
def test_nan_infinity_and_division_by_zero_keep_their_meaning():
    @scratchnet.kernels.jit.kernel
    def judge(x, y):
        return x != x, x / y, x < y

    not_a_number, quotient, _ = judge(float("nan"), 1.0)
    assert not_a_number and quotient != quotient
    assert judge(1.0, 0.0) == (False, float("inf"), False)
    assert judge(1.0, float("inf")) == (False, 0.0, True)
