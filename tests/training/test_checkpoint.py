import errno
import json
import struct

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

import scratchnet.files
from scratchnet.layers.linear import Linear
from scratchnet.training.checkpoint import (
    KEY,
    CheckpointError,
    generator_state,
    load_checkpoint,
    load_weights,
    restore_generator,
    save_checkpoint,
    save_weights,
)

TENSORS = {
    "lstm.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "steps": np.array(7),
    "nothing": np.zeros((0, 5)),
    "not finite": np.array([np.nan, np.inf, -0.0]),
    "mask": np.array([True, False]),
}
METADATA = {"step": 3, "loss": 0.1, "name": "blues – β", "nested": {"list": [1, None, True]}}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "good.safetensors"
    save_checkpoint(path, TENSORS, METADATA)
    return path.read_bytes()


def assert_same(loaded, expected):
    assert loaded.keys() == expected.keys()
    for name, array in expected.items():
        assert loaded[name].dtype == array.dtype and loaded[name].shape == array.shape
        np.testing.assert_array_equal(loaded[name], array)


def test_what_was_saved_comes_back(tmp_path):
    save_checkpoint(tmp_path / "a.safetensors", TENSORS, METADATA)
    tensors, metadata = load_checkpoint(tmp_path / "a.safetensors")
    assert_same(tensors, TENSORS)
    assert metadata == METADATA
    tensors["lstm.weight"] += 1  # training goes on in the loaded arrays


def test_no_tensors_and_no_metadata(tmp_path):
    save_checkpoint(tmp_path / "a", {}, {})
    assert load_checkpoint(tmp_path / "a") == ({}, {})


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "c8"]
)
def test_dtypes(tmp_path, dtype):
    array = np.array([[0, 1, 1], [1, 0, 1]], dtype)
    save_checkpoint(tmp_path / "a", {"x": array}, {})
    assert_same(load_checkpoint(tmp_path / "a")[0], {"x": array})


def test_views_and_foreign_byte_orders_keep_their_values(tmp_path):
    base = np.arange(24.0).reshape(4, 6)
    views = {
        "T": base.T,
        "step": base[::2, ::-1],
        "fortran": np.asfortranarray(base),
        "big": base.astype(">f8"),
    }
    save_checkpoint(tmp_path / "a", views, {})
    loaded, _ = load_checkpoint(tmp_path / "a")
    for name, view in views.items():
        np.testing.assert_array_equal(loaded[name], view)


def test_equal_content_is_equal_bytes(tmp_path, content):
    def backwards(d):
        return dict(reversed(d.items()))

    save_checkpoint(tmp_path / "b", backwards(TENSORS), backwards(METADATA))
    assert (tmp_path / "b").read_bytes() == content


def test_other_programs_read_the_arrays(tmp_path, content):
    assert_same(safetensors.numpy.load(content), TENSORS)


@pytest.mark.parametrize(
    "bad", [np.array(["text"]), np.array([{}], object), np.zeros(2, "c16"), np.zeros(2, "M8[s]")]
)
def test_unstorable_arrays_are_named_and_nothing_is_written(tmp_path, bad):
    with pytest.raises(ValueError, match="weights: cannot store"):
        save_checkpoint(tmp_path / "a", {"weights": bad}, {})
    assert list(tmp_path.iterdir()) == []


def test_metadata_that_is_not_json(tmp_path):
    with pytest.raises(TypeError):
        save_checkpoint(tmp_path / "a", {}, {"rng": object()})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(scratchnet.files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, {"x": np.ones(3)}, {})
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


def with_header(header, data=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def with_metadata(text):
    return with_header({"__metadata__": {KEY: text}})


def ours(version):
    return json.dumps({"format": "scratchnet-checkpoint", "version": version, "metadata": {}})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"MThd\0\0\0\6", "not a safetensors file"),
        (b"\xff" * 64, "not a safetensors file"),
        (b"PK\3\4" + b"\0" * 100, "not a safetensors file"),
        (safetensors.numpy.save({"x": np.ones(2)}), "not a checkpoint of scratchnet"),
        (safetensors.numpy.save({"x": np.ones(2)}, {"format": "pt"}), "not a checkpoint of scratchnet"),
        (with_metadata("{"), "metadata is damaged"),
        (with_metadata("3"), "metadata is damaged"),
        (with_metadata("[" * 100_000), "damaged"),
        (with_metadata('{"format": "other", "version": 1, "metadata": {}}'), "not of format"),
        (with_metadata('{"format": "scratchnet-checkpoint", "version": 1, "metadata": 5}'), "is damaged"),
        (with_metadata('{"format": "scratchnet-checkpoint", "version": 2, "metadata": {}}'), "got 2"),
        (with_metadata(ours("x" * 100_000)), "expected checkpoint version 1, got 'xxxx.*xxx'$"),
        (with_metadata(ours(10**4000)), "got an integer of 13288 bits$"),
        (with_metadata(ours(json.loads("[" * 900 + "]" * 900))), "got .*[.][.][.]"),
        (with_metadata(ours(1) + "x" * 100_000), "metadata is damaged"),
        (with_metadata('{"version": ' + "9" * 5000 + "}"), "metadata is damaged"),
        (with_metadata("[" * 100_000), "damaged"),
        (with_header({"y" * 100_000: {"dtype": "F99", "shape": [1], "data_offsets": [0, 2]}}), "damaged"),
        (with_header({"x": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}, b"\0\0"), "damaged"),
    ],
)  # fmt: skip
def test_files_that_are_no_checkpoints(tmp_path, content, message):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 300


def test_no_file(tmp_path):
    for path, message in [(tmp_path / "missing", "no such"), (tmp_path, "folder")]:
        with pytest.raises(CheckpointError, match=message) as caught:
            load_checkpoint(path)
        assert str(path) in str(caught.value)


def test_truncated_anywhere(tmp_path, content):
    path = tmp_path / "short"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match="short: "):
            load_checkpoint(path)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_any_byte_flipped(tmp_path, content, flip):
    path, refused = tmp_path / "flipped", 0
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= flip
        path.write_bytes(damaged)
        try:
            load_checkpoint(path)  # a flipped weight is still a weight
        except CheckpointError as error:
            refused += 1
            assert "flipped: " in str(error) and "\n" not in str(error)
    assert refused > 100


@settings(max_examples=100)
@given(garbage=st.binary(max_size=200), length=st.integers(0, 300))
def test_garbage(tmp_path_factory, garbage, length):
    path = tmp_path_factory.getbasetemp() / "garbage"
    for content in (garbage, struct.pack("<Q", length) + garbage):
        path.write_bytes(content)
        with pytest.raises(CheckpointError):
            load_checkpoint(path)


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_a_generator_continues_where_it_stopped(tmp_path, kind):
    rng = np.random.Generator(getattr(np.random, kind)(5))
    rng.integers(9, size=3, dtype=np.int32)  # an odd number of 32-bit draws leaves half a word waiting
    save_checkpoint(tmp_path / "a", {}, {"rng": generator_state(rng)})
    restored = restore_generator(load_checkpoint(tmp_path / "a")[1]["rng"])
    for _ in range(2):
        np.testing.assert_array_equal(
            restored.integers(9, size=3, dtype=np.int32), rng.integers(9, size=3, dtype=np.int32)
        )
        np.testing.assert_array_equal(restored.normal(size=700), rng.normal(size=700))


@pytest.mark.parametrize(
    "state",
    [
        None, {}, {"bit_generator": "system"}, {"bit_generator": "PCG64", "state": 3},
        {"bit_generator": "x" * 100_000}, {"bit_generator": "PCG64", "state": {"state": 10**400, "inc": 1}},
        {"bit_generator": "PCG64", "state": {"state": -1, "inc": 1}, "has_uint32": 0, "uinteger": 0},
        *({"bit_generator": "MT19937", "state": {"key": [1] * 624, "pos": k}} for k in (-1, 625, 2**31 - 1)),
        {"bit_generator": "MT19937", "state": {"key": [1] * 9, "pos": 0}},
        *({"bit_generator": "Philox", "state": {"counter": [0] * 4, "key": [0] * 2}, "buffer": [0] * 4,
           "buffer_pos": k, "has_uint32": 0, "uinteger": 0} for k in (-1, 5, 2**31 - 1)),
    ],
)  # fmt: skip
def test_what_is_no_state_of_a_generator(state):
    with pytest.raises(ValueError, match="expected the state of a numpy Generator") as caught:
        restore_generator(state)
    assert len(str(caught.value)) < 300


def test_weights_go_out_and_in_again(tmp_path, rng):
    layer, other = Linear(3, 2, rng), Linear(3, 2, rng)
    save_weights(tmp_path / "w.safetensors", layer)
    load_weights(tmp_path / "w.safetensors", other)
    for name, param in layer.params.items():
        np.testing.assert_array_equal(other.params[name], param)


@pytest.mark.parametrize("fault", ["missing", "damaged", "shape", "name", "nan"])
def test_weights_that_do_not_fit_change_nothing(fault, tmp_path, rng):
    path, layer = tmp_path / "w.safetensors", Linear(3, 2, rng)
    weights = layer.state_dict()
    if fault == "shape":
        weights["bias"] = np.zeros(3, np.float32)
    if fault == "name":
        weights["beta"] = weights.pop("bias")
    if fault == "nan":
        weights["bias"][0] = np.nan
    if fault != "missing":
        content = safetensors.numpy.save(weights)
        path.write_bytes(content[:-5] if fault == "damaged" else content)
    before = layer.state_dict()
    with pytest.raises(CheckpointError, match="w.safetensors: "):
        load_weights(path, layer)
    for name, param in layer.params.items():
        np.testing.assert_array_equal(param, before[name])
