"""Folders of MIDI files, good and bad."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from benchmarks import reading
from encoders.caching import seal
from encoders.midi import MidiWarning, read_midi, write_midi
from encoders.midi import collection as midi_collection
from encoders.midi.collection import Collection, Dropped, Kept, Mended, by_kind, find_files, read_collection
from encoders.score import Note, Score, Track
from encoders.score_bytes import pack, unpack
from encoders.tokens.note_duration import NoteDuration

RICH = Score(
    96,
    [
        Track("小提琴", [Note(0, 480, 69, 100), Note(480, 240, 71, 1)], 40, channel=0),
        Track("", [Note(2**31, 1, 0), Note(7, 2**32, 127)], channel=9),
        Track("silent", (), 3),
    ],
    tempos=((0, 120.0), (240, 60e6 / 7)),
    meters=((0, 6, 8), (1440, 3, 4)),
    keys=((0, "F#m"),),
)


def piece(*pitches):
    return Score(480, [Track("", [Note(480 * k, 480, pitch) for k, pitch in enumerate(pitches)], channel=0)])


@pytest.fixture
def folder(tmp_path):
    """Two good files, one that is mended, and some bad ones."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    write_midi(piece(60, 62), tmp_path / "a.mid")
    write_midi(piece(60, 109), tmp_path / "deep" / "er" / "b.MIDI")
    (tmp_path / "c.mid").write_bytes((tmp_path / "a.mid").read_bytes())
    (tmp_path / "d.mid").write_bytes(b"")
    (tmp_path / "e.mid").write_bytes((tmp_path / "a.mid").read_bytes()[:30])
    (tmp_path / "f.mid").write_bytes((tmp_path / "a.mid").read_bytes()[:35])
    write_midi(piece(), tmp_path / "g.mid")
    (tmp_path / "j.Kar").write_bytes((tmp_path / "a.mid").read_bytes().replace(b"\0\2", b"\0\3", 1))
    (tmp_path / "h.txt").write_bytes((tmp_path / "a.mid").read_bytes())
    (tmp_path / "i.mid").mkdir()
    return tmp_path


def short(collection, folder):
    kept = [(path.relative_to(folder).as_posix(), music) for path, music in collection.kept]
    dropped = [(path.relative_to(folder).as_posix(), reason) for path, reason in collection.dropped]
    return kept, dropped


REASONS = [
    ("c.mid", "the same file as '{}'"),
    ("d.mid", "it does not begin with the letters MThd"),
    ("e.mid", "chunk 'MTrk' promises 20 bytes, 8 follow"),
    ("f.mid", "chunk 'MTrk' promises 20 bytes, 13 follow"),
    ("g.mid", "it has no notes"),
]


@pytest.mark.parametrize("workers", [0, 2])
def test_good_and_bad_files(folder, workers):
    steps = []
    (folder / "empty").mkdir()
    collection = read_collection(
        [folder, folder / "none.mid", folder / "empty"],
        workers=workers,
        progress=lambda *step: steps.append(step),
    )
    kept, dropped = short(collection, folder)
    a, b = read_midi(folder / "a.mid"), read_midi(folder / "deep" / "er" / "b.MIDI")
    with pytest.warns(MidiWarning, match="j.Kar: it has 2 tracks where its header promises 3"):
        j = read_midi(folder / "j.Kar")
    assert kept == [("a.mid", a), ("j.Kar", j), ("deep/er/b.MIDI", b)]
    assert j == a
    assert collection.mended == [Mended(folder / "j.Kar", "it has 2 tracks where its header promises 3")]
    assert collection.skipped == [folder / "h.txt"]
    assert dropped == [
        *((name, reason.format(folder / "a.mid")) for name, reason in REASONS),
        ("none.mid", "no such file"),
        ("empty", "no file *.mid, *.midi, *.kar, *.rmi or *.smf in this folder"),
    ]
    assert steps == [(k, 9) for k in range(1, 10)]


def test_strict_keeps_only_what_is_whole(folder):
    collection = read_collection([folder], workers=0, strict=True)
    kept, dropped = short(collection, folder)
    assert [name for name, _ in kept] == ["a.mid", "deep/er/b.MIDI"] and collection.mended == []
    assert ("j.Kar", "it has 2 tracks where its header promises 3") in dropped


def test_the_table_groups_the_reasons(folder):
    (folder / "k.pdf").touch()
    lines = read_collection([folder], workers=0).table().splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [
        ["3", "kept"],
        ["1", "of them mended"],
        ["1", f"it has 2 tracks where its header promises 3: {folder / 'j.Kar'}"],
        ["5", "dropped"],
        ["2", f"chunk .. promises .. bytes, .. follow: {folder / 'e.mid'} .."],
        ["1", f"the same file as '{folder / 'a.mid'}': {folder / 'c.mid'}"],
        ["1", f"it does not begin with the letters MThd: {folder / 'd.mid'}"],
        ["1", f"it has no notes: {folder / 'g.mid'}"],
        ["2", "skipped: h.txt, k.pdf"],
    ]
    assert by_kind([(Path("a"), "3 of 4"), (Path("b"), "5 of 6"), (Path("c"), "none")]) == [
        "     2  .. of ..: a ..",
        "     1  none: c",
    ]
    assert Collection([], [], [], []).table().split() == ["0", "kept", "0", "dropped"]
    assert (
        Collection([], [], [], [Path(f"{k}.txt") for k in range(9)])
        .table()
        .endswith("9 skipped: 0.txt, 1.txt, 2.txt ..")
    )


def test_what_a_path_stands_for(tmp_path):
    names = ["a.mid", "b.MIDI", "c.Kar", "d.RMI", "e.smf", "f.mid.txt", "g", "mid"]
    for name in names:
        (tmp_path / name).touch()
    files, skipped = find_files(tmp_path)
    assert [(path.name, reason) for path, reason in files] == [(name, None) for name in names[:5]]
    assert [path.name for path in skipped] == names[5:]
    assert find_files(tmp_path / "g") == ([(tmp_path / "g", None)], [])  # one that is named is taken


def test_what_is_to_be_learned_is_made_where_the_file_is_read(folder):
    encoder = NoteDuration(21, 108)
    collection = read_collection([folder], convert=encoder.encode, workers=1)
    assert [path.name for path, _ in collection.kept] == ["a.mid", "j.Kar"]
    path, tokens = collection.kept[0]
    assert tokens.tolist() == encoder.encode(read_midi(path)).tolist()
    reasons = {path.name: reason for path, reason in collection.dropped}
    assert reasons["b.MIDI"] == "expected pitches in 21..108, got 109 (1 of 2 notes are outside)"


def die_on_two_notes(score):
    if len(score.notes()) == 2:
        os._exit(1)
    if len(score.notes()) == 3:
        time.sleep(600)
    return [note.pitch for note in score.notes()]


@pytest.mark.slow
def test_a_file_that_kills_its_process_or_takes_too_long_is_reported(tmp_path):
    for name, pitches in (("a", [60]), ("b", [60, 61]), ("c", [60, 61, 62]), ("d", [61])):
        write_midi(piece(*pitches), tmp_path / f"{name}.mid")
    collection = read_collection([tmp_path], convert=die_on_two_notes, workers=2, time_limit=3)
    assert [(path.name, pitches) for path, pitches in collection.kept] == [("a.mid", [60]), ("d.mid", [61])]
    assert [(path.name, reason) for path, reason in collection.dropped] == [
        ("b.mid", "its process died (exit code 1)"),
        ("c.mid", "not done in 3 seconds"),
    ]


def test_a_mistake_in_the_conversion_is_reported_too(folder):
    collection = read_collection([folder / "a.mid"], convert=len, workers=0)
    assert [reason for _, reason in collection.dropped] == ["TypeError: object of type 'Score' has no len()"]


def test_the_cache_is_used_and_does_not_trust_itself(folder, tmp_path, monkeypatch):
    cache = tmp_path / "cache" / "scores"
    first = read_collection([folder], cache=cache, workers=2)
    assert len(first.kept) == 3 and len(first.mended) == 1
    cached = sorted(cache.rglob("*.score"))
    assert len(cached) == 4 and len({path.parent for path in cached}) == 1  # with g, which has no notes
    whole = [path.read_bytes() for path in cached]

    def forbidden(content, pedal):
        raise ValueError("read again")

    def read_now():
        collection = read_collection([path for path, _ in first.kept], cache=cache, workers=0)
        assert [row for row in first.kept if row in collection.kept] == collection.kept
        assert collection.mended == (first.mended if collection.kept else [])
        return [reason for _, reason in collection.dropped]

    with monkeypatch.context() as patch:
        patch.setattr(midi_collection, "parse", forbidden)
        assert read_now() == []
        os.rename(folder / "a.mid", folder / "z.mid")
        assert read_collection([folder / "z.mid"], cache=cache, workers=0).kept == [
            Kept(folder / "z.mid", first.kept[0].music)
        ]
        os.rename(folder / "z.mid", folder / "a.mid")

    flipped = [content[:99] + bytes([content[99] ^ 1]) + content[100:] for content in whole]
    for damage in ([b""] * 4, [b"x" * 100] * 4, [content[:-1] for content in whole], flipped):
        for path, content in zip(cached, damage, strict=True):
            path.write_bytes(content)
        with monkeypatch.context() as patch:
            patch.setattr(midi_collection, "parse", forbidden)
            assert read_now() == ["read again"] * 3
        assert read_now() == []
        mended = [path.read_bytes() for path in cached]
        assert sum(a == b for a, b in zip(mended, whole, strict=True)) == 3  # all but that of g


def test_other_settings_and_other_readers_share_nothing(folder, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    for pedal in (False, True):
        read_collection([folder / "a.mid"], pedal=pedal, cache=cache, workers=0)
    assert len(list(cache.iterdir())) == 2
    edited = tmp_path / "edited"
    shutil.copytree(Path(midi_collection.__file__).parent, edited)
    with open(edited / "reader.py", "a", encoding="utf-8") as file:
        file.write("#")
    monkeypatch.setattr(midi_collection, "__file__", str(edited / "collection.py"))
    read_collection([folder / "a.mid"], cache=cache, workers=0)
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("workers", [0, 2])
def test_a_cache_that_cannot_be_made_only_costs_time(folder, workers):
    for cache in (folder / "a.mid", folder / "a.mid" / "deeper", folder / ("x" * 300)):
        with pytest.warns(RuntimeWarning, match="what was read cannot be kept here [(]") as caught:
            collection = read_collection([folder], cache=cache, workers=workers)
        assert len(collection.kept) == 3 and len(caught) == 1
        assert str(caught[0].message).startswith(f"{cache}: ") and caught[0].filename == __file__


def test_a_cache_entry_in_whose_place_something_else_lies(folder, tmp_path):
    """A folder that was made in the place of a file, say: it can be neither read nor replaced."""
    cache = tmp_path / "cache"
    read_collection([folder / "a.mid"], cache=cache, workers=0)
    (entry,) = cache.rglob("*.score")
    entry.unlink()
    entry.mkdir()
    with pytest.warns(RuntimeWarning, match="what was read cannot be kept here"):
        assert len(read_collection([folder / "a.mid"], cache=cache, workers=0).kept) == 1


def test_scores_as_bytes():
    for score in (RICH, Score(1), piece(60)):
        assert unpack(pack(score)) == (score, ())
        assert unpack(pack(score, ("a", "ü"))) == (score, ("a", "ü"))
    content = pack(RICH)
    for damaged in (b"", content[:-1], content[:100] + b"?" + content[101:], bytes(1000)):
        with pytest.raises(ValueError, match="damaged"):
            unpack(damaged)
    for other in (b"", save({}), save({"about": np.zeros(1, np.uint8)}), save({"about": np.array([91, 93])})):
        with pytest.raises(ValueError):
            unpack(seal(other))


def test_real_performances(data_folder, tmp_path):
    folders = [data_folder / "maestro_v2_sample" / "2006", data_folder / "odd_midi" / "maestro_crlf_damaged"]
    encoder = NoteDuration(21, 108)
    for strict in (False, True):
        collection = read_collection(
            folders, pedal=True, convert=encoder.encode, cache=tmp_path, strict=strict
        )
        assert len(collection.kept) > 0 and all(len(tokens) > 500 for _, tokens in collection.kept)
        damaged = {path for path, _ in collection.mended + collection.dropped}
        assert damaged == set(folders[1].iterdir())
        reason = "MTrk" if strict else "expected pitches in 21..108"  # what a damage makes of a time
        assert all(isinstance(row, Dropped) and reason in row.reason for row in collection.dropped)
        assert len(collection.dropped) == 8 if strict else len(collection.dropped) < 4


def test_the_benchmark_runs(monkeypatch, capsys):
    monkeypatch.setattr(reading, "NOTES", 50)
    reading.main(["--files", "2", "--by-music21", "1", "--music21", os.devnull])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 files of 50 notes: ") and "music21: not measured" in lines[2]
