"""Files below folders, and what cannot be read."""

import errno
import os
from pathlib import Path

import pytest

from encoders.sources import find_files, read_bytes


def test_files_are_found_at_any_depth_in_order(tmp_path):
    for name in ("b.ABC", "a.abc", "deep/er/c.abc", "d.txt", "abc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    files, skipped = find_files(tmp_path, [".abc"])
    assert files == [(tmp_path / name, None) for name in ("a.abc", "b.ABC", "deep/er/c.abc")]
    assert skipped == [tmp_path / "abc", tmp_path / "d.txt"]
    assert find_files(tmp_path / "d.txt", [".abc"]) == ([(tmp_path / "d.txt", None)], [])  # it was named


def test_a_folder_that_holds_none(tmp_path):
    assert find_files(tmp_path, [".abc"])[0] == [(tmp_path, "no file *.abc in this folder")]
    assert find_files(tmp_path, [".a", ".b", ".c"])[0][0][1] == "no file *.a, *.b or *.c in this folder"


def test_a_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "deep":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert find_files(tmp_path, [".abc"])[0] == [
        (tmp_path / "deep", f"cannot be read ({os.strerror(errno.EACCES)})")
    ]


def reason(path):
    with pytest.raises(ValueError) as caught:
        read_bytes(path, 10)
    return str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert reason(tmp_path / "pipe") == reason(tmp_path / "loop" / "pipe") == reason(tmp_path) == "not a file"
    assert reason(tmp_path / "none") == reason(tmp_path / "pipe" / "deeper") == "no such file"
    assert reason(tmp_path / "circle") == f"cannot be read ({os.strerror(errno.ELOOP)})"
    assert reason(tmp_path / ("x" * 300)) == f"cannot be read ({os.strerror(errno.ENAMETOOLONG)})"
    assert find_files(tmp_path, [".abc"])[1] == [tmp_path / "circle", tmp_path / "pipe"]  # no way round


def test_no_more_is_read_than_is_asked_for(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    assert read_bytes(tmp_path / "a", 4) == b"0123" and len(read_bytes(tmp_path / "a", 100)) == 10
