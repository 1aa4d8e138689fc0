"""Folders of ABC files, good and bad."""

import errno
import os

import pytest

from encoders import abc_collection
from encoders.abc_collection import decode, read_collection

TUNE = "X:{}\nT:{}\nM:4/4\nL:1/8\nK:D\nABcd efga|\n"


def reasons(collection):
    return [(dropped.path.name, dropped.line, dropped.reason) for dropped in collection.dropped]


def test_good_and_bad_files(tmp_path, monkeypatch):
    monkeypatch.setattr(abc_collection, "MOST_BYTES", 2000)
    monkeypatch.setattr(abc_collection, "MOST_CHARACTERS", 1000)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    files = {
        "a.abc": (TUNE.format(1, "One") + "\n\n" + TUNE.format(2, "Two")).encode(),
        "b.abc": TUNE.format(1, "Cúl").encode("latin-1"),
        "c.ABC": b"\xef\xbb\xbf" + TUNE.format(1, "Cúl").encode(),
        "d.abc": b"",
        "e.abc": b"\x89PNG\0\0",
        "f.abc": b"x" * 3000,
        "g.abc": b"no tune here",
        "h.abc": (
            TUNE.format(1, "good") + "X:2\nT:no key\nABc\n" + TUNE.format(3, "long") + "A" * 1200
        ).encode(),
        "i.txt": TUNE.format(1, "not looked at").encode(),
        "deep/er/j.abc": TUNE.format(1, "Deep").encode("utf-16"),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    collection = read_collection([tmp_path, tmp_path / "missing.abc", tmp_path / "i.txt"])
    assert [kept.tune.title for kept in collection.kept] == [
        "One", "Two", "Cúl", "Cúl", "good", "Deep", "not looked at",
    ]  # fmt: skip
    assert [kept.line for kept in collection.kept][:2] == [1, 9]
    assert reasons(collection) == [
        ("d.abc", 0, "empty"),
        ("e.abc", 0, "not a text file"),
        ("f.abc", 0, "more than 0 MB"),
        ("g.abc", 0, "no tune in it: no line begins with X:"),
        ("h.abc", 7, "expected a header that ends with a key, K:, found none"),
        ("h.abc", 10, "a tune of 1,238 characters, more than 1,000"),
        ("missing.abc", 0, "no such file"),
    ]


def test_a_tune_that_cannot_sound_is_dropped(tmp_path):
    path = tmp_path / "a.abc"
    path.write_text(TUNE.format(1, "odd").replace("A", "A/9973"))
    assert reasons(read_collection([path])) == [
        ("a.abc", 1, "expected lengths in ticks of 1/" + str(480 * 9973) + " of a quarter note")
    ]


def test_what_is_no_file(tmp_path):
    (tmp_path / "round.abc").symlink_to("round.abc")
    long = tmp_path / f"{'x' * 300}.abc"
    found = reasons(read_collection([tmp_path / "none.abc", tmp_path / "round.abc", long]))
    assert [reason for _, _, reason in found] == [
        "no such file",
        f"cannot be read ({os.strerror(errno.ELOOP)})",
        f"cannot be read ({os.strerror(errno.ENAMETOOLONG)})",
    ]


@pytest.mark.parametrize("content", [b"\xff\xfeA", b"\0", b"A\0B"])
def test_what_is_no_text(content):
    with pytest.raises(ValueError, match="not a text file"):
        decode(content)
