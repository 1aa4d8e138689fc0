"""Entries of a cache: damaged, outdated, unfinished, and where nothing can be written."""

import pytest

from encoders import caching
from encoders.caching import load, open_folder, seal, store, unseal


def test_an_entry_comes_back_and_a_damage_is_noticed(tmp_path):
    entry = tmp_path / "entry"
    assert store(entry, seal(b"music")) is None and unseal(load(entry)) == b"music"
    sealed = seal(b"music")
    for damaged in (b"", sealed[:-1], sealed + b"c", b"?" + sealed[1:], b"music"):
        with pytest.raises(ValueError, match="damaged"):
            unseal(damaged)
    with pytest.raises(ValueError, match="no such file"):
        load(tmp_path / "other")


def test_settings_and_sources_each_have_a_folder(tmp_path):
    source = tmp_path / "code.py"
    source.write_text("1")
    cache = tmp_path / "deep" / "cache"
    first, _ = open_folder(cache, "midi", "pedal", [source])
    assert first.is_dir() and first.parent == cache and first.name.startswith("midi-")
    assert open_folder(cache, "midi", "pedal", [source]) == (first, None)
    others = [open_folder(cache, "midi", "", [source])[0], open_folder(cache, "abc", "pedal", [source])[0]]
    source.write_text("2")
    others.append(open_folder(cache, "midi", "pedal", [source])[0])
    assert len({first, *others}) == 4


def test_what_killed_processes_left_behind_is_removed(tmp_path):
    folder, _ = open_folder(tmp_path, "midi", "", [])
    unfinished, entry = folder / f".a.part-{'0' * 16}.score", folder / "a.score"
    unfinished.touch()
    entry.touch()
    open_folder(tmp_path, "midi", "", [])
    assert list(folder.iterdir()) == [entry]


def test_why_nothing_can_be_kept(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    folder, reason = open_folder(tmp_path / "file", "midi", "", [])
    assert folder is None and reason

    def full(path, mode):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching, "atomic_open", full)
    assert store(tmp_path / "entry", b"") == "No space left on device"

    def read():
        caching.warn_not_kept("cache", "why")

    with pytest.warns(RuntimeWarning, match=r"cache: what was read cannot be kept here \(why\)") as caught:
        read()
    assert caught[0].filename == __file__
