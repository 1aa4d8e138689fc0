"""Files appear whole or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scratchnet.files import (
    atomic_open,
    atomic_path,
    is_regular,
    leftovers,
    remove,
    remove_leftovers,
    temporary_folder,
    temporary_path,
)


def names(folder):
    return sorted(os.listdir(folder))


@pytest.mark.parametrize(("mode", "content"), [("w", "señor\n"), ("wb", b"\x00\xff")])
def test_what_is_written_is_there(mode, content, tmp_path):
    with atomic_open(tmp_path / "a.txt", mode) as file:
        file.write(content)
        assert "a.txt" not in names(tmp_path)
    expected = content.encode("utf-8") if mode == "w" else content
    assert (tmp_path / "a.txt").read_bytes() == expected
    assert names(tmp_path) == ["a.txt"]


def test_text_is_utf_8_unless_asked_otherwise(tmp_path):
    with atomic_open(str(tmp_path / "a.txt"), encoding="latin-1", newline="\r\n") as file:
        file.write("ñ\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xf1\r\n"


def test_an_old_file_is_replaced(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a long old text")
    with atomic_open(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "a long old text"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_an_exception_leaves_the_old_content_and_nothing_else(error, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_open(path) as file:
        file.write("half of the n")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_an_exception_leaves_no_new_file(tmp_path):
    with pytest.raises(ValueError), atomic_open(tmp_path / "a.txt", "wb") as file:
        file.write(b"half")
        raise ValueError
    assert names(tmp_path) == []


def test_where_the_name_cannot_be_taken_nothing_is_left(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "inside").touch()
    with pytest.raises(OSError), atomic_open(tmp_path / "a") as file:
        file.write("new")
    assert names(tmp_path) == ["a"]


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(OSError), atomic_open(tmp_path / "nowhere" / "a.txt") as file:
        file.write("new")
    assert names(tmp_path) == []


def test_the_temporary_path_lies_beside_and_keeps_the_suffix(tmp_path):
    with atomic_path(tmp_path / "picture.png") as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".png" and temporary.name != "picture.png"
        assert temporary.read_bytes() == b""
        temporary.write_bytes(b"png")
    assert (tmp_path / "picture.png").read_bytes() == b"png"
    assert names(tmp_path) == ["picture.png"]


def test_two_writers_of_one_name_do_not_meet(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_open(path) as first:
        first.write("first")
        with atomic_open(path) as second:
            second.write("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert names(tmp_path) == ["a.txt"]


def test_a_writer_that_writes_nothing_under_the_path_is_told(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.txt"):
        pass
    assert names(tmp_path) == []


def full(descriptor):
    raise OSError(errno.ENOSPC, "No space left on device")


def write(path):
    with atomic_open(path) as file:
        file.write("new")


def test_a_full_disk_is_reported_under_the_real_name(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", full)
    path = tmp_path / "a.txt"
    with pytest.raises(OSError) as caught:
        write(path)
    assert caught.value.filename == str(path)
    assert str(caught.value) == f"[Errno 28] No space left on device: {str(path)!r}"
    assert names(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_while_writing(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(OSError, match="No space left") as caught, atomic_path(path) as temporary:
        temporary.unlink()
        temporary.symlink_to("/dev/full")
        with open(temporary, "w") as file:
            file.write("new")
    assert caught.value.filename == str(path)
    assert names(tmp_path) == []


def test_a_missing_folder_is_reported_under_the_real_name(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "a").mkdir()
    for kind, path in (
        (FileNotFoundError, tmp_path / "nowhere" / "a.txt"),
        (NotADirectoryError, tmp_path / "file" / "a.txt"),
        (IsADirectoryError, tmp_path / "a"),
    ):
        with pytest.raises(kind) as caught:
            write(path)
        assert caught.value.filename == str(path)
        assert str(caught.value).endswith(f"{os.strerror(caught.value.errno)}: {str(path)!r}")
    assert names(tmp_path) == ["a", "file"]


def test_an_error_about_another_file_keeps_its_name(tmp_path):
    other = tmp_path / "other.txt"
    with pytest.raises(FileNotFoundError) as caught, atomic_open(tmp_path / "a.txt"):
        open(other)
    assert caught.value.filename == str(other)
    with pytest.raises(OSError) as caught, atomic_open(tmp_path / "a.txt"):
        raise OSError("no number, no name")
    assert str(caught.value) == "no number, no name" and caught.value.filename is None


LOOK_ALIKES = [
    ".a.part-0123456789abcde.txt",
    ".a.part-0123456789abcdef0.txt",
    ".a.part-0123456789ABCDEF.txt",
    ".a.part-0123456789abcdeg.txt",
    ".a.part-0123456789abcdef.tar.gz",
    ".a.part_0123456789abcdef.txt",
    ".a.0123456789abcdef.txt",
    ".a.0123abcd.txt",
    "a.part-0123456789abcdef.txt",
    ".part-0123456789abcdef.txt",
    ".a.part-0123456789abcdef.txt~",
    ".a.part-0123456789abcdef.",
]


def test_what_killed_writers_left(tmp_path):
    for name in LOOK_ALIKES:
        (tmp_path / name).touch()
    for path in (tmp_path / "a[1].bin", tmp_path / "no suffix", tmp_path / "señor\n.x"):
        with atomic_path(path) as temporary, temporary_folder(path) as folder:
            temporary.write_bytes(b"x")
            assert leftovers(tmp_path) == sorted([temporary, folder])
            remove_leftovers(tmp_path)
            assert leftovers(tmp_path) == sorted([temporary, folder])  # they are in use
        temporary_path(path).touch()
        folder.mkdir()
        (folder / "sound.raw").touch()
        remove_leftovers(tmp_path)
        assert leftovers(tmp_path) == []
        path.unlink()
    assert names(tmp_path) == sorted(LOOK_ALIKES)
    assert leftovers(tmp_path / "none") == []


def test_a_link_of_such_a_name_leads_nowhere(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    temporary_path(tmp_path / "a").symlink_to(tmp_path / "kept")
    remove_leftovers(tmp_path)
    assert names(tmp_path / "kept") == ["file"]


KILLED = """
import os, sys
from scratchnet.files import atomic_path, temporary_folder
with atomic_path("a.txt") as path, temporary_folder("b.wav") as folder:
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_only_what_dead_processes_left_is_removed(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", KILLED], cwd=tmp_path, env=env, **pipes) as process:
        assert process.stdout.readline()
        remove_leftovers(tmp_path)
        assert len(leftovers(tmp_path)) == 2
        process.kill()
        process.wait()
        assert len(leftovers(tmp_path)) == 2
    remove_leftovers(tmp_path)
    assert names(tmp_path) == []


def test_a_folder_for_a_while(tmp_path):
    with pytest.raises(ValueError), temporary_folder(tmp_path / "a.wav") as folder:
        assert folder.parent == tmp_path and folder.suffix == ".wav"
        (folder / "inside").mkdir()
        (folder / "inside" / "file").touch()
        raise ValueError
    assert names(tmp_path) == []


def test_removing(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "file").touch()
    for name in ("link", "folder", "file", "nothing"):
        remove(tmp_path / name)
    assert names(tmp_path) == ["kept"] and names(tmp_path / "kept") == ["file"]


@pytest.mark.parametrize("name", ["x" * 251 + ".txt", "é" * 127, "x" * 255])
def test_the_longest_names(name, tmp_path):
    with atomic_open(tmp_path / name) as file:
        file.write("new")
        assert len(leftovers(tmp_path)) == 1
    assert names(tmp_path) == [name]


def test_what_is_a_regular_file(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "round").symlink_to("round")
    assert is_regular(tmp_path / "file") and is_regular(tmp_path / "link") and not is_regular(tmp_path)
    for name, code in (("none", errno.ENOENT), ("x" * 300, errno.ENAMETOOLONG), ("round", errno.ELOOP)):
        with pytest.raises(OSError) as caught:
            is_regular(tmp_path / name)
        assert caught.value.errno == code
