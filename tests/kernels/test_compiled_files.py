"""Compiled code that lies on rough machines: damaged, in the wrong place, or nowhere to be put.

Each test starts Python once: what is wrong with machine code may end the process.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")

KERNELS = """
from scratchnet.kernels.jit import kernel

def twice(x):
    return x * 2

def more(x):
    return x + 1

@kernel
def inner(x):
    return x * 3

@kernel
def outer(x):
    return inner(x) - 1
"""
PRELUDE = """
import json, os, shutil, sys, warnings
import kernels
from scratchnet.kernels import jit

folder = jit.CACHE_FOLDER

def run(function, *arguments):
    "(value, whether it came from the cache, what was said) of a kernel that this process has not seen."
    folder._said.clear()
    folder.writable = True
    dispatcher = jit.kernel(function)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        value = dispatcher(*arguments)
    return value, sum(dispatcher.stats.cache_hits.values()), [str(each.message) for each in said]

def files():
    return sorted(path for path in folder.path.rglob("*") if path.is_file())

def report(*result):
    print(json.dumps(result))
"""


@pytest.fixture
def python(tmp_path):
    """A function that runs code beside the kernels above, and returns what that reported."""
    (tmp_path / "kernels.py").write_text(KERNELS)

    def run(code, cache=tmp_path / "cache"):
        roots = [str(tmp_path), str(Path(__file__).parents[2])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(roots), "SCRATCHNET_CACHE": str(cache)}
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + code], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, (done.returncode, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


DAMAGES = """
run(kernels.twice, 21)
(path,) = files()
whole = path.read_bytes()
ends = (0, 1, 31, 64, 65, len(whole) // 2, len(whole) - 65, len(whole) - 1)
damages = [whole[:end] for end in ends]
for place in range(0, len(whole), len(whole) // 24):
    damages.append(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
damages += [whole + b"!", b"0" * len(whole), whole[64:], bytes(reversed(whole))]
for damaged in damages:
    path.write_bytes(damaged)
    report(*run(kernels.twice, 21), run(kernels.twice, 21), len(files()))
"""


def test_a_damaged_file_is_said_once_and_replaced(python):
    reports = python(DAMAGES)
    assert len(reports) > 30
    for value, hits, said, again, files in reports:
        assert (value, hits) == (42, 0) and again == [42, 1, []] and files == 1
        assert len(said) == 1 and "damaged files in the cache of compiled code" in said[0]
        assert "kernels-" in said[0] and "\n" not in said[0]


FOREIGN = """
run(kernels.twice, 21)
(twice,) = files()
run(kernels.more, 21)
more = next(path for path in files() if path != twice)
other = more.read_bytes()
more.write_bytes(twice.read_bytes())            # whole, but another kernel's
report(*run(kernels.more, 21))
more.unlink()
(more / "full").mkdir(parents=True)             # a folder in its place
report(*run(kernels.more, 21))
report(*run(kernels.more, 21))
run(kernels.twice, 0.5)
(floats,) = {path for path in files() if "twice" in path.name} - {twice}
shutil.copy(twice, floats)                      # compiled for other types
report(*run(kernels.twice, 0.5))
from numba.core import codegen                  # as if by another processor
magic = codegen.JITCPUCodegen.magic_tuple
codegen.JITCPUCodegen.magic_tuple = lambda self: ("another", *magic(self)[1:])
report(*run(kernels.twice, 21))
codegen.JITCPUCodegen.magic_tuple = magic
report(*run(kernels.twice, 21))
"""


def test_what_was_made_for_something_else_is_not_loaded(python):
    swapped, in_place_of_a_folder, after, other_types, other_processor, own = python(FOREIGN)
    assert swapped == [22, 0, []]
    assert in_place_of_a_folder[:2] == [22, 0] and len(in_place_of_a_folder[2]) == 1
    assert after == [22, 1, []]
    assert other_types == [1.0, 0, []]
    assert other_processor == [42, 0, []]
    assert own == [42, 1, []]


@pytest.mark.slow
def test_what_numba_itself_refuses_is_compiled_afresh(python):
    (report,) = python("""
run(kernels.twice, 21)
import numba.core.caching as caching
dumps, caching.dumps = caching.dumps, lambda data: b"no pickle"
files()[0].unlink()
run(kernels.twice, 21)                          # a right check sum over nonsense
caching.dumps = dumps
report(*run(kernels.twice, 21), run(kernels.twice, 21))
""")
    assert report[:2] == [42, 0] and len(report[2]) == 1 and report[3] == [42, 1, []]


@pytest.mark.slow
def test_many_damaged_files_are_one_warning(python):
    assert python("""
kernels.outer(1), kernels.outer(1.0)
report(len(files()))
""") == [[4]]
    ((value, said, hits),) = python("""
for path in files():
    path.write_bytes(path.read_bytes()[:-9])
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    value = kernels.outer(5), kernels.outer(0.5)
report(value, len(said), sum(kernels.outer.stats.cache_hits.values()))
""")
    assert (value, said, hits) == ([14, 0.5], 1, 0)
    assert python("report(kernels.outer(5), sum(kernels.outer.stats.cache_hits.values()))") == [[14, 1]]


FULL = """
import errno
import numba.core.caching as caching
write = open
class Full:
    "A file of a full disk: it can be made, and holds nothing."
    def __init__(self, *arguments): self.file = write(*arguments)
    def __enter__(self): return self
    def __exit__(self, *_): self.file.close()
    def write(self, data): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
report(run(kernels.twice, 21))
caching.open = lambda path, mode: Full(path, mode) if "w" in mode else write(path, mode)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    folder.writable = True
    value = kernels.outer(5), kernels.outer(0.5), jit.kernel(kernels.more)(4)
report(value, [str(each.message) for each in said], len(files()))
report(run(kernels.twice, 21))
"""


def test_a_disk_that_fills_up_is_said_once_and_what_lies_there_is_used(python):
    first, (value, said, files), last = python(FULL)
    assert first == [[42, 0, []]]
    assert (value, len(said), files) == ([14, 0.5, 5], 1, 1)
    assert "cannot write to the cache of compiled code" in said[0] and "No space left" in said[0]
    assert "kernels-" in said[0] and "\n" not in said[0]
    assert last == [[42, 1, []]]


@pytest.mark.parametrize("below", ["", "below"])
def test_where_no_folder_can_be_made_kernels_still_work(python, tmp_path, below):
    (tmp_path / "file").touch()
    impossible = tmp_path / "file" / below
    ((value, said),) = python(
        """
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    value = kernels.outer(5), jit.kernel(kernels.more)(4)
report(value, [str(each.message) for each in said])
""",
        impossible,
    )
    assert value == [14, 5] and len(said) == 1 and str(impossible) in said[0]


@pytest.mark.slow
def test_without_a_home_folder_the_variable_is_named(python):
    environment = """
import os, runpy
from pathlib import Path
del os.environ["SCRATCHNET_CACHE"]
def nowhere(path): raise RuntimeError("no home")
Path.expanduser = nowhere
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    again = runpy.run_path(jit.__file__)
report(again["CACHE_FOLDER"], again["kernel"](kernels.more)(4), [str(each.message) for each in said])
"""
    ((folder, value, said),) = python(environment)
    assert (folder, value) == (None, 5) and len(said) == 1 and "SCRATCHNET_CACHE" in said[0]


def test_recompiling_empties_the_cache_of_one_kernel(python):
    assert python("""
kernels.outer(1)
before = len(files())
kernels.outer.recompile()
report(before, len(files()), run(kernels.outer.py_func, 1)[:2])
""") == [[2, 2, [2, 1]]]
