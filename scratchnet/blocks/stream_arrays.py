"""A network of memory blocks as the kernels of online learning see it: flat vectors and offsets."""

from typing import NamedTuple

import numpy as np


class StreamArrays(NamedTuple):
    """A network and its state in the middle of a stream. U units in the order i, f, g, o, outputs.

    z holds one chunk [sources; 1] for each group of blocks, then for each group of outputs.
    """

    w: np.ndarray  # (weights,) all weights in one vector
    v: np.ndarray  # (weights,) velocity
    partials: np.ndarray  # ds/dw, one chunk for each cell and each row of weights into its block
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
    g_ab: np.ndarray  # (2,) the activation function g: a and b of a tanh(b x)
    h_ab: np.ndarray  # (2,) and h
    row: np.ndarray  # (U, 3) of a unit's weights: start in w, start in z, length; unsigned
    gather: np.ndarray  # (len(z),) index into x_y_1
    blocks_z: int  # length of the part of z that belongs to blocks
    first_cell: np.ndarray  # (J + 1,) the cells of a block
    partial_start: np.ndarray  # (C, 3) start in partials of a cell's ds/dw for the rows of i, f, g; unsigned
    peephole: np.ndarray  # (C, 3) index in w of the peepholes to i, f, o; empty if there are none
    peephole_partial: np.ndarray  # (C, 2) start in partials of ds/dw for the block's peepholes to i and f


def make_arrays(network):
    """The StreamArrays of a network, at the beginning of a stream; `w` is the network's own vector."""
    w, dtype = network.wiring, network.dtype
    D, J, C, K = w.input_size, w.block_count, w.cell_count, w.output_size
    one = D + C  # the index of the bias in [x; y; 1]
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
        start = network.starts[f"{name}.{kind}"]
        count, length = network.params[f"{name}.{kind}"].shape
        for k in range(count):
            row[unit + k] = start + k * length, place[name], length
    first_cell = np.searchsorted(network.block_of, np.arange(J + 1))
    size, partial_start = 0, np.zeros((C, 3), np.uint64)
    peephole_partial = np.zeros((C, 2), np.int64)
    for c, j in enumerate(network.block_of):
        for k, unit in enumerate((j, J + j, 2 * J + c)):
            partial_start[c, k] = size
            size += int(row[unit, 2])
        for k in range(2 * network.peepholes):
            peephole_partial[c, k] = size
            size += int(first_cell[j + 1] - first_cell[j])
    peephole = np.zeros((C if network.peepholes else 0, 3), np.int64)
    for name, group in cells.items() if network.peepholes else ():
        for k, gate in enumerate(("input", "forget", "output")):
            peephole[group, k] = network.starts[f"{name}.{gate}_peephole"] + np.arange(
                group.stop - group.start
            )

    def zeros(*shape):
        return np.zeros(shape, dtype)

    return StreamArrays(
        w=network.flat,
        v=zeros(network.flat.size),
        partials=zeros(size),
        z=zeros(len(gather)),
        dz=zeros(len(gather)),
        x_y_1=zeros(D + C + 1),
        units=zeros(len(row)),
        a=zeros(K),
        s_before=zeros(C),
        s=zeros(C),
        hs=zeros(C),
        eps=zeros(C),
        es=zeros(C),
        g_ab=network.g_ab,
        h_ab=network.h_ab,
        row=row,
        gather=np.array(gather),
        blocks_z=blocks_z,
        first_cell=first_cell,
        partial_start=partial_start,
        peephole=peephole,
        peephole_partial=peephole_partial,
    )
