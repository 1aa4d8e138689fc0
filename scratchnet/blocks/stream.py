"""A network of cell blocks as the kernels of online learning see it: flat vectors, and where things lie."""

from typing import NamedTuple

import numpy as np


class Stream(NamedTuple):
    """A network and its state in the middle of a stream. U units in the order i, f, g, o, outputs.

    z holds one stretch [sources; 1] for each group of blocks, then for each group of outputs.
    """

    w: np.ndarray  # (weights,) all weights in one vector
    v: np.ndarray  # (weights,) velocity
    P: np.ndarray  # partial derivatives, one stretch for each cell and row of weights into its block
    z: np.ndarray  # sources
    dz: np.ndarray  # (len(z),) error by z
    x_y_1: np.ndarray  # (Z,) inputs, cell outputs and the 1 of the bias
    units: np.ndarray  # (U,) i, f, g, o, and the outputs' y
    a: np.ndarray  # (K,) net input of the outputs
    s_before: np.ndarray  # (C,) cell states
    s: np.ndarray  # (C,)
    hs: np.ndarray  # (C,) h(s)
    eps: np.ndarray  # (C,) error that reaches a cell
    es: np.ndarray  # (C,) error of its state
    g_ab: np.ndarray  # (2,) the squashing function g
    h_ab: np.ndarray  # (2,) and h
    row: np.ndarray  # (U, 3) start in w, start in z, length of a unit's weights; unsigned
    gather: np.ndarray  # (len(z),) index into x_y_1
    blocks_z: int  # length of the part of z that belongs to blocks
    first_cell: np.ndarray  # (J + 1,) the cells of a block
    partial: np.ndarray  # (C, 3) start in P of a cell's partials by the rows of i, f and g; unsigned
    peephole: np.ndarray  # (C, 3) index in w of the peepholes to i, f, o; empty if there are none
    peephole_partial: np.ndarray  # (C, 2) start in P of the partials by the block's peepholes to i and f


def make_stream(network):
    """The Stream of a network of cell blocks, at its beginning; `w` is the network's own vector."""
    w, dtype = network.wiring, network.dtype
    D, J, C, K = w.input_size, w.block_count, w.cell_count, w.output_size
    one = D + C  # the bias's place in [x; y; 1]
    gather, row = [], np.zeros((3 * J + C + K, 3), np.uint64)
    kinds = ("input_gate", "forget_gate", "cell", "output_gate")
    firsts = dict(zip(kinds, (0, J, 2 * J, 2 * J + C), strict=True))
    blocks, cells, outputs = w.slices("blocks"), w.slices("cells"), w.slices("outputs")
    rows = [
        (name, kind, firsts[kind] + (cells if kind == "cell" else blocks)[name].start)
        for name in w.blocks
        for kind in kinds
    ]
    rows += [(name, "weight", 3 * J + C + outputs[name].start) for name in w.outputs]
    place, blocks_z = {}, 0
    for name in [*w.blocks, *w.outputs]:
        place[name] = len(gather)
        gather += [*w.sources(name), one]
        blocks_z = len(gather) if name in w.blocks else blocks_z
    for name, kind, unit in rows:
        start = network._starts[f"{name}.{kind}"]
        count, length = network.params[f"{name}.{kind}"].shape
        for k in range(count):
            row[unit + k] = start + k * length, place[name], length
    first_cell = np.searchsorted(network.block_of, np.arange(J + 1))
    size, partial = 0, np.zeros((C, 3), np.uint64)
    peephole_partial = np.zeros((C, 2), np.int64)
    for c, j in enumerate(network.block_of):
        for k, unit in enumerate((j, J + j, 2 * J + c)):
            partial[c, k] = size
            size += int(row[unit, 2])
        for k in range(2 * network.peepholes):
            peephole_partial[c, k] = size
            size += int(first_cell[j + 1] - first_cell[j])
    peephole = np.zeros((C if network.peepholes else 0, 3), np.int64)
    for name, group in cells.items() if network.peepholes else ():
        for k, gate in enumerate(("input", "forget", "output")):
            peephole[group, k] = network._starts[f"{name}.{gate}_peephole"] + np.arange(
                group.stop - group.start
            )

    def zeros(*shape):
        return np.zeros(shape, dtype)

    return Stream(
        w=network.flat, v=zeros(network.flat.size), P=zeros(size),
        z=zeros(len(gather)), dz=zeros(len(gather)),
        x_y_1=zeros(D + C + 1), units=zeros(len(row)), a=zeros(K), s_before=zeros(C), s=zeros(C),
        hs=zeros(C), eps=zeros(C), es=zeros(C), g_ab=network.g_ab, h_ab=network.h_ab, row=row,
        gather=np.array(gather), blocks_z=blocks_z, first_cell=first_cell, partial=partial,
        peephole=peephole, peephole_partial=peephole_partial,
    )  # fmt: skip
