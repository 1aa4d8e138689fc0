"""Folders of ABC files, good and bad."""

import os

import pytest

from encoders.abc import collection as abc_collection
from encoders.abc.collection import decode, read_collection

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
    titles = [kept.tune.title for kept in collection.kept]
    assert titles == ["One", "Two", "Cúl", "Cúl", "good", "Deep", "not looked at"]
    assert [kept.line for kept in collection.kept][:2] == [1, 9]
    assert all(kept.problems == kept.tune.problems for kept in collection.kept)
    assert reasons(collection) == [
        ("d.abc", 0, "empty"),
        ("e.abc", 0, "not a text file"),
        ("f.abc", 0, "more than 0 MB"),
        ("g.abc", 0, "no tune in it: no line begins with X:, nor with K:"),
        ("h.abc", 7, "expected a header that ends with a key, K:, found none"),
        ("h.abc", 10, "a tune of 1,238 characters, more than 1,000"),
        ("missing.abc", 0, "no such file"),
    ]


def test_a_tune_that_cannot_sound_is_dropped(tmp_path):
    path = tmp_path / "a.abc"
    path.write_text(TUNE.format(1, "odd").replace("A", "|:" + "A" * 2000 + "|1-99 B :|"))
    assert reasons(read_collection([path])) == [
        ("a.abc", 1, "expected at most 100000 notes with all repeats")
    ]


def told_of(collection):
    return [line.partition(".abc")[2] for line in collection.told()]


def test_what_is_not_heard_is_told_tune_by_tune_and_counted(tmp_path):
    voices = "V:1\nABcd|\nV:2\nA,B,|\nV:1\n!D.C.!efga|\n"
    bodies = ["ABcd|", voices, "^/A B|^/c d|", "z4|", "A [Bc|"]
    text = "\n".join(f"X:{k}\nT:a\nM:4/4\nL:1/8\nK:C\n{body}\n" for k, body in enumerate(bodies))
    (tmp_path / "a.abc").write_text(text)
    (tmp_path / "b.abc").write_text("")
    collection = read_collection([tmp_path])
    assert told_of(collection) == [
        ", line 15: expected one voice, got another: '2'",
        ", line 18: a jump that is not played: '!D.C.!'",
        ", line 26: a micro-tone, '^/A', is rounded to a semitone (and 1 more)",
        ", line 28: left out: expected a tune, found no notes",
        ", line 40: expected the end of a chord before the bar line",
        ": left out: empty",
    ]
    assert collection.table() == (
        "     4 tunes kept\n"
        "     3 of them not as they are written\n"
        "           1  a jump that is not played: ..\n"
        "           1  a micro-tone, .., is rounded to a semitone\n"
        "           1  expected one voice, got another: ..\n"
        "           1  expected the end of a chord before the bar line\n"
        "     2 tunes or files dropped\n"
        "           1  empty\n"
        "           1  expected a tune, found no notes"
    )


def title_and_length(tune):
    if tune.title == "refused":
        raise ValueError("not this one")
    return tune.title, len(tune.events)


def many(folder, count):
    titles = [*(f"t{k}" for k in range(count)), "refused"]
    text = "\n\n".join(TUNE.format(k, title) for k, title in enumerate(titles))
    (folder / "many.abc").write_text(text + "\nX:9\nT:no key\nA\n")
    return folder / "many.abc"


def test_what_was_read_is_kept(tmp_path, monkeypatch):
    path, cache = many(tmp_path, 150), tmp_path / "cache"
    steps = []
    first = read_collection([path], title_and_length, cache, progress=lambda *step: steps.append(step))
    assert steps == [(64, 152), (128, 152), (152, 152)]
    assert [made for _, _, made, _ in first.kept][:2] == [["t0", 11], ["t1", 11]] and len(first.kept) == 150
    no_key = "expected a header that ends with a key, K:, found none"
    assert [reason for _, _, reason in first.dropped] == ["not this one", no_key]
    read = []
    original = abc_collection.read_tune
    monkeypatch.setattr(abc_collection, "read_tune", lambda *tune: read.append(tune) or original(*tune))
    assert read_collection([path], title_and_length, cache) == first and not read
    kept = sorted(cache.glob("abc-*/*.json"))
    assert len(kept) == 3
    for damage in (lambda data: data[:-9], lambda data: data[:50] + b"X" + data[51:], lambda data: b""):
        kept[0].write_bytes(damage(kept[0].read_bytes()))
        assert read_collection([path], title_and_length, cache) == first and 0 < len(read) <= 64
        read.clear()
        assert read_collection([path], title_and_length, cache) == first and not read
    path.write_text(path.read_text().replace("T:t149", "T:t150"))  # the last chunk only
    assert read_collection([path], title_and_length, cache).kept[149].tune == ["t150", 11]
    assert len(read) == 24


def test_a_cache_that_cannot_be_written_costs_a_warning(tmp_path):
    path = many(tmp_path, 3)
    (tmp_path / "file").touch()
    with pytest.warns(RuntimeWarning, match="file: what was read cannot be kept here"):
        collection = read_collection([path], title_and_length, tmp_path / "file")
    assert len(collection.kept) == 3


def dies(tune):
    if tune.title == "t70":
        os._exit(3)
    return tune.title


def test_several_processes_and_one_that_dies(tmp_path):
    path = many(tmp_path, 130)
    collection = read_collection([path], dies, workers=1)
    assert len(collection.kept) == 130
    assert [(row.line, row.reason) for row in collection.dropped] == [
        (8 * 70 + 1, "its process died (exit code 3)"),
        (8 * 131, "expected a header that ends with a key, K:, found none"),
    ]
    assert collection.kept[-1].tune == "refused"


@pytest.mark.parametrize("content", [b"\xff\xfeA", b"\0", b"A\0B", b"A\0\0\0", b"MThd\0\0\0\6\0\1"])
def test_what_is_no_text(content):
    with pytest.raises(ValueError, match="not a text file"):
        decode(content)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("marks", ["", "\ufeff", "\ufeff\ufeff"])
def test_text_in_unicode_is_read_with_and_without_a_mark(encoding, marks):
    text = TUNE.format(1, "Cúl 春")
    assert decode((marks + text).encode(encoding)) == text


def test_folders_without_tunes_are_told(tmp_path):
    (tmp_path / "a.txt").touch()
    assert reasons(read_collection([tmp_path])) == [(tmp_path.name, 0, "no file *.abc in this folder")]
    assert abc_collection.files_of([tmp_path, tmp_path / "a.txt"]) == [tmp_path / "a.txt"]
