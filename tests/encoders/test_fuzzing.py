"""The runner of fuzzers: it counts what became of the files, and keeps those that show a fault."""

import signal
import sys

import fuzzing
import pytest

FUZZER = """
import os

def sources(folders):
    return folders

def damaged(originals, number):
    return f"{originals[0]} {number}".encode()

def damaged_behind(originals, number):
    return b"original", b"behind", number

def examine(data):
    if data.endswith(b"3"):
        raise ValueError("three")
    if data.endswith(b"4"):
        os._exit(1)
    return f"read {len(data)}"

def examine_what_came_before(original, damaged, at):
    assert at != 5, "five"
"""


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no alarms")
def test_faults_are_counted_and_kept(tmp_path, monkeypatch, capsys):
    (tmp_path / "fuzz_nothing.py").write_text(FUZZER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert fuzzing.run("fuzz_nothing", "Damages nothing.", ["folder", "--files", "7"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["3: ValueError: three", "4: the process died or hung (1)", "5: AssertionError: five"]
    assert lines[3].split(maxsplit=1) == ["4", "read ."] and lines[4].split() == ["3", "FAULT"]
    assert lines[5].startswith("7 files, 3 faults, slowest")
    assert (tmp_path / "fuzzed" / "4").read_bytes() == b"folder 4"
    assert (tmp_path / "fuzzed" / "5-behind").read_bytes() == b"behind"
    sys.modules.pop("fuzz_nothing")
