"""MATLAB 5 files of binary piano rolls, read with suspicion: scipy decodes them, but only after a look at
their outline, for a crafted file of a few kilobytes could otherwise fill the memory or end the process.

    file      128 bytes of header, then elements
    element   (type, bytes), each uint32, then its content
    miMATRIX  elements: flags (class in the lowest byte), dimensions, name, then the content; of a cell array
              that is one miMATRIX for each cell
    miCOMPRESSED   an element, packed by zlib
"""

import struct
import warnings
import zlib

import numpy as np

from experiments.common.errors import UserError

LARGEST_FILE = 64 << 20  # bytes; the largest of the four sets has less than a megabyte
LARGEST_CONTENT = 512 << 20  # bytes, unpacked
MATRIX, COMPRESSED = 14, 15  # types of elements
CELL, NUMERIC = 1, range(6, 16)  # classes of matrices: double, single, int8 ... uint64
SMALL = 80  # bytes: enough of an element for the class of its matrix


def read_cells(path, names):
    """The cell arrays of a .mat file.

    path : path-like
    names : list of str, the variables that must be there; others are not decoded
    Returns dict of str to list of ndarray, the cells of each, numeric arrays of any shape.
    Raises UserError if the file is not such a file, is damaged or too large, or a variable is missing or of
        another kind.
    """
    import scipy.io

    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise UserError(f"{path}: expected at most {LARGEST_FILE >> 20} MB, got {size >> 20} MB")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: expected a MATLAB 5 file, and it cannot be read ({error.strerror})"
        ) from None
    check_outline(path, content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as two variables of one name
            with open(path, "rb") as file:
                found = scipy.io.loadmat(file, variable_names=names, chars_as_strings=False)
    except Exception as error:  # there is no end to what damaged bytes can raise
        raise damaged(path, f"{type(error).__name__}: {error}") from None
    missing = [name for name in names if name not in found]
    if missing:
        raise UserError(f"{path}: expected the variables {', '.join(names)}; there is no {missing[0]}")
    for name in names:
        cells = found[name]
        if cells.dtype != object:
            raise UserError(f"{path}: expected {name} to be a cell array of piano rolls, got {cells.dtype}")
    return {name: list(found[name].ravel()) for name in names}


def check_outline(path, content):
    """A UserError unless all variables are numeric, or cell arrays of what is numeric, and none too large."""
    if len(content) < 128 or content[124:128] not in (b"\x00\x01IM", b"\x01\x00MI"):
        raise UserError(f"{path}: expected a MATLAB 5 file (.mat), got another format")
    order = "<" if content[126:128] == b"IM" else ">"
    left = LARGEST_CONTENT
    try:
        for kind, body in elements(content[128:], order):
            if kind == COMPRESSED:
                body = unpack(path, body, left)
                ((kind, body),) = elements(body, order)
            left -= len(body)
            if kind != MATRIX:
                raise ValueError(f"an element of type {kind}")
            check_matrix(body, order)
    except (ValueError, struct.error, zlib.error) as error:
        raise damaged(path, error) from None


def unpack(path, packed, limit):
    """Unpacked bytes, at most `limit`."""
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(packed, limit)
    if unpacker.unconsumed_tail:
        raise UserError(f"{path}: expected at most {LARGEST_CONTENT >> 20} MB, unpacked; got more")
    if not unpacker.eof:
        raise ValueError("it ends too early")
    return content


def elements(content, order):
    """Yield (type, bytes) of each element."""
    content, at = memoryview(content), 0
    while at < len(content):
        kind, size = struct.unpack_from(order + "II", content, at)
        at += 8
        if kind >> 16:  # a small one: its size in the upper half, its content in the same eight bytes
            yield kind & 0xFFFF, content[at - 4 : at - 4 + min(kind >> 16, 4)]
            continue
        if at + size > len(content):
            raise ValueError("it ends too early")
        yield kind, content[at : at + size]
        at += size if kind == COMPRESSED else -(-size // 8) * 8


def check_matrix(body, order, inside=False):
    """A ValueError unless the matrix is numeric or, not inside another one, a cell array of such."""
    parts = elements(body, order)
    flags, dimensions = next(parts, None), next(parts, None)
    if flags is None:  # an empty cell has no content at all
        if inside:
            return
        raise ValueError("a variable without content")
    if len(flags[1]) < 4 or dimensions is None:
        raise ValueError("a matrix without class or size")
    kind = struct.unpack_from(order + "I", flags[1])[0] & 0xFF
    sizes = np.frombuffer(dimensions[1], order + "i4").astype(object)
    if (sizes < 0).any() or np.prod(sizes) > LARGEST_CONTENT:
        raise ValueError(f"a matrix of size {' x '.join(map(str, sizes))}")
    if kind == CELL and not inside:
        next(parts, None)  # the name
        for element, cell in parts:
            if element != MATRIX:
                raise ValueError("a cell that is no matrix")
            check_matrix(cell, order, inside=True)
    elif kind not in NUMERIC:
        raise ValueError(f"{'a cell' if inside else 'a variable'} of class {kind}, which is not numeric")


def damaged(path, error):
    """The UserError for a file that cannot be decoded."""
    text = " ".join(str(error).split())[:200]
    return UserError(
        f"{path}: expected a MATLAB 5 file of cell arrays, and it is damaged or another ({text})"
    )
