"""Which MIDI files an experiment reads, and what it says of the others."""

import threading
import zipfile

import pytest
from locking import another_process
from piano_files import make_piece, write_pieces

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
pytest.importorskip("pooch", reason="needs the extra 'data'")
from encoders.midi import write_midi
from encoders.midi.collection import Collection, Dropped, Mended, read_collection
from experiments.classical import data as classical
from experiments.classical.settings import Train as TrainClassical
from experiments.common import midi_pieces
from experiments.piano import data as piano
from experiments.piano.settings import Train as TrainPiano


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Twelve good pieces, one that is mended, one that is dropped, and other files."""
    monkeypatch.setenv("SCRATCHNET_CACHE", str(tmp_path / "cache"))
    folder = write_pieces(tmp_path / "data")
    write_midi(make_piece(50), folder / "mended.KAR")
    content = (folder / "mended.KAR").read_bytes()
    (folder / "mended.KAR").write_bytes(content.replace(b"MTrk\0\0\0", b"MTrk\0\0\1", 1))
    (folder / "bad.mid").write_bytes(b"no music")
    (folder / "deep").mkdir()
    (folder / "deep" / "notes.txt").touch()
    (folder / "maestro-v9.csv").write_text("midi_filename,canonical_composer,canonical_title,split\n")
    return folder


LINES = [
    "files dropped: 1",
    "  {}/bad.mid: it does not begin with the letters MThd",
    "files mended: 1",
    "  {}/mended.KAR: chunk 'MTrk' promises 276 bytes, its events take 20",
    "files skipped, no MIDI by their names: 1 (notes.txt)",
]


@pytest.mark.parametrize(
    "load, config",
    [
        (piano.load, TrainPiano),
        (lambda config: classical.load(config), lambda **fields: TrainClassical(**fields, window=8)),
    ],
    ids=["piano", "classical"],
)
def test_experiments_say_what_they_dropped_mended_and_skipped(folder, load, config):
    for _ in range(2):  # the second time from the cache
        corpus = load(config(data=(folder,), quiet=True))
        assert len(corpus.pieces) == 13
        assert corpus.describe().splitlines()[-5:] == [line.format(folder) for line in LINES]


def test_many_files_are_counted_by_kind():
    rows = [Dropped(f"{k}.mid", f"it has {k} tracks where its header promises 9") for k in range(22)]
    collection = Collection([], [*rows, Dropped("x.mid", "no such file")], [Mended("y.mid", "odd")] * 2, [])
    lines = midi_pieces.account(collection, [])
    assert lines[:2] == ["files dropped: 23", "  0.mid: it has 0 tracks where its header promises 9"]
    assert [line.split() for line in lines[21:24]] == [
        "and 3 more; in all:".split(),
        "22 it has .. tracks where its header promises ..: 0.mid ..".split(),
        "1 no such file: x.mid".split(),
    ]
    assert lines[24:] == ["files mended: 1", "  y.mid: odd", "  y.mid: odd"]


def test_the_files_are_in_order_of_their_names(folder):
    (folder / "bad.mid").rename(folder / "deep" / "bad.mid")
    files, skipped = midi_pieces.midi_files([folder, folder / "none.mid"])
    assert [path.name for path in files[:3]] == ["bad.mid", "mended.KAR", "piece00.mid"]
    assert files[-1] == folder / "none.mid" and [path.name for path in skipped] == ["notes.txt"]
    assert files[:-1] == sorted(files[:-1])
    empty = folder / "empty"
    empty.mkdir()
    assert midi_pieces.midi_files([empty])[0] == [empty]
    assert "no file *.mid" in read_collection([empty]).dropped[0].reason


def test_an_archive_is_unpacked_once(tmp_path):
    archive, mark = tmp_path / "a.zip", tmp_path / "music" / "unpacked"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("music/a.mid", b"MThd")
    with another_process(tmp_path / ".unpacking") as process:
        thread = threading.Thread(target=midi_pieces.unpack, args=(archive, mark))
        thread.start()
        thread.join(0.5)
        assert not mark.exists()  # the other has not told that it is done
        process.kill()
        process.wait()
        thread.join(60)
    assert mark.exists() and (tmp_path / "music" / "a.mid").read_bytes() == b"MThd"
    (tmp_path / "music" / "a.mid").write_bytes(b"being read")
    midi_pieces.unpack(archive, mark)
    assert (tmp_path / "music" / "a.mid").read_bytes() == b"being read"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "music"]
