"""Checkpoints: named arrays and a little metadata in one safetensors file, written whole or not at all.

Any program that reads safetensors reads the arrays. The metadata is JSON under one key of the file's header:

    {"format": "scratchnet-checkpoint", "version": 1, "metadata": {"step": 1200, "rng": {...}, ...}}

Nothing is pickled: opening a stranger's checkpoint cannot run a stranger's code.
"""

import json
import os

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from scratchnet.files import atomic_open
from scratchnet.messages import brief, cut

FORMAT = "scratchnet-checkpoint"
VERSION = 1
KEY = (
    "scratchnet"  # one key only: safetensors writes several in no fixed order, so equal content would differ
)
DTYPES = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64".split()
)

REASON = 200  # characters of somebody else's message in ours
PLACES = {"MT19937": 624, "Philox": 4}  # how many numbers of a state may be behind


class CheckpointError(ValueError):
    """A file that cannot be read as a checkpoint; the message is one line that names it."""


def save_checkpoint(path, tensors, metadata):
    """Write arrays and metadata to `path`, replacing the file that was there only once all is written.

    Equal arrays and metadata give equal bytes.

    Parameters
    ----------
    path : path-like
    tensors : dict of str to ndarray
        Any shapes and memory orders; dtypes as in `DTYPES`.
    metadata : dict
        What `json` can write: dicts with string keys, lists, str, int, float (also NaN), bool, None.
        `load_checkpoint` gives back an equal dict, with lists for tuples.

    Raises
    ------
    ValueError
        If a name or a dtype cannot be stored.
    TypeError
        If the metadata is not JSON.
    OSError
        If the file cannot be written.
    """
    ready = {name: _ready_to_store(name, array) for name, array in tensors.items()}
    header = json.dumps({"format": FORMAT, "version": VERSION, "metadata": metadata}, sort_keys=True)
    content = safetensors.numpy.save(ready, metadata={KEY: header})
    with atomic_open(path, "wb") as file:  # an ordinary write: a full disk is an OSError
        file.write(content)


def load_checkpoint(path):
    """Read what `save_checkpoint` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    tensors : dict of str to ndarray
        Fresh arrays that may be written to, in the order of their names.
    metadata : dict

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, of another kind or of another version.
    OSError
        If the file exists but the system refuses to read it.
    """
    stored, header = _read(path)
    metadata = _unwrap(os.fspath(path), header.get("__metadata__") or {})
    return stored, metadata


def save_weights(path, layer):
    """Write the weights of a layer or network to `path`, whole or not at all.

    The file is plain safetensors with the names of `state_dict`: `torch.nn` modules load it with
    `load_state_dict(safetensors.torch.load_file(path))`.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    content = safetensors.numpy.save(layer.state_dict())
    with atomic_open(path, "wb") as file:
        file.write(content)


def load_weights(path, layer):
    """Read weights into a layer or network, from a file of `save_weights` or `safetensors.torch.save_file`.

    Nothing is changed unless all of it fits.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or has other names or shapes than the layer; a ValueError.
    OSError
        If the file exists but the system refuses to read it.
    """
    stored, _ = _read(path)
    try:
        layer.load_state_dict(stored)
    except ValueError as error:
        raise CheckpointError(f"{os.fspath(path)}: {cut(error, REASON)}") from None


def generator_state(rng):
    """The state of a random generator as a dict that JSON can hold.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    dict
        For `restore_generator`.
    """
    return _jsonable(rng.bit_generator.state)


def restore_generator(state):
    """A random generator that continues exactly where `generator_state` looked.

    Parameters
    ----------
    state : dict

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    ValueError
        If `state` is not the state of one of NumPy's bit generators.
    """
    try:
        kind = state["bit_generator"]
        if kind not in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"):
            raise ValueError(f"no bit generator {brief(kind)}")
        place = state["state"].get("pos", state.get("buffer_pos", 0))
        if not 0 <= place <= PLACES.get(kind, 0):  # NumPy would read beyond its memory
            raise ValueError(f"no place {brief(place)} in a state of {kind}")
        bit_generator = getattr(np.random, kind)()
        bit_generator.state = state
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, IndexError) as error:
        raise ValueError(f"expected the state of a numpy Generator: {cut(error, REASON)}") from None
    return np.random.Generator(bit_generator)


def set_generator(rng, state):
    """Let a generator go on exactly where `generator_state` looked.

    Parameters
    ----------
    rng : numpy.random.Generator, changed in place: all who hold it go on from there
    state : dict

    Raises
    ------
    ValueError
        If `state` is not that of a generator of this kind.
    """
    rng.bit_generator.state = restore_generator(state).bit_generator.state


def parts_of(tensors):
    """Arrays by the first part of their names: "best/weight" is `parts_of(tensors)["best"]["weight"]`."""
    parts = {}
    for key, tensor in tensors.items():
        part, _, name = key.partition("/")
        parts.setdefault(part, {})[name] = tensor
    return parts


def expect_like(arrays, wanted, name):
    """See to it that arrays can take the place of others.

    Parameters
    ----------
    arrays, wanted : dicts of arrays by name
    name : what they are, for the message

    Raises
    ------
    ValueError
        If names, shapes or dtypes differ, or a number is not finite.
    """
    if arrays.keys() != wanted.keys():
        raise ValueError(f"expected the {name} of {len(wanted)} arrays, got {len(arrays)} or of other names")
    for key, like in wanted.items():
        if arrays[key].shape != like.shape or arrays[key].dtype != like.dtype:
            raise ValueError(
                f"expected {key} of the {name} {like.shape} {like.dtype}, got {arrays[key].shape} "
                f"{arrays[key].dtype}"
            )
        if not np.isfinite(arrays[key]).all():
            raise ValueError(f"expected finite numbers in {key} of the {name}")


def _read(path):
    """Arrays by name, and the header, of a safetensors file."""
    name = os.fspath(path)
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        raise CheckpointError(f"{name}: no such checkpoint") from None
    except (IsADirectoryError, NotADirectoryError):
        raise CheckpointError(f"{name}: expected a checkpoint file, got a folder") from None
    if not content:
        raise CheckpointError(f"{name}: the checkpoint is empty (0 bytes)")
    try:
        stored = safetensors.numpy.load(content)
        # Sound, since safetensors has read it: eight bytes of length, then that much JSON.
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = cut(error, REASON)
        raise CheckpointError(f"{name}: damaged, or not a safetensors file ({reason})") from None
    # Some versions of safetensors return read-only views: those are copied.
    return {key: np.require(stored[key], requirements="W") for key in sorted(stored)}, header


def _ready_to_store(name, array):
    """`array` as safetensors wants it: contiguous, or it misreads transposed views."""
    array = np.asarray(array, order="C")
    if not isinstance(name, str) or name == "__metadata__":
        raise ValueError(f"expected a string to name a tensor, got {name!r}")
    if array.dtype.name not in DTYPES:
        known = ", ".join(sorted(DTYPES))
        raise ValueError(f"{name}: cannot store dtype {array.dtype}; expected one of {known}")
    return array


def _unwrap(name, header):
    """The user's metadata out of the header of the file called `name`."""
    if KEY not in header:
        raise CheckpointError(f"{name}: a safetensors file, but not a checkpoint of scratchnet")
    try:
        wrapped = json.loads(header[KEY])
        is_ours = wrapped["format"] == FORMAT
        version = wrapped["version"]
        metadata = wrapped["metadata"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{name}: the checkpoint's metadata is damaged ({cut(error, REASON)})"
        ) from None
    if not is_ours or not isinstance(metadata, dict):
        raise CheckpointError(f"{name}: the checkpoint's metadata is damaged (not of format {FORMAT})")
    if version != VERSION:
        raise CheckpointError(f"{name}: expected checkpoint version {VERSION}, got {brief(version)}")
    return metadata


def _jsonable(value):
    """Arrays and NumPy integers (Philox and MT19937 keep their state in them) as lists and ints."""
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
