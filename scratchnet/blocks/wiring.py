"""Wiring as data: which groups of units there are, and which group feeds which.

    Wiring(
        inputs={"notes": 12},
        blocks={"memory": Blocks(4, 2)},                                 # 4 memory blocks of 2 cells
        outputs={"next": Outputs(12)},
        feeds={"memory": ("notes", "memory"), "next": ("notes", "memory")},  # destination: its sources
    )

A source is a group of inputs or of blocks (that is, its cells' outputs y^c). Blocks read the cells of the
step before, outputs those of the same step. A connection that `feeds` does not name does not exist: it has no
weight, and no error flows through it.

A unit's sources are gathered in one vector z = [inputs; cells; 1] in the order of the groups in `inputs` and
`blocks`; the bias is the last weight of a row. Gates and outputs have a bias, cells have one only on request
(as Gers, Schmidhuber & Cummins 2000).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from scratchnet.arguments import flag, instance, number, room, shown, whole


@dataclass(frozen=True)
class Blocks:
    """A group of memory blocks.

    Parameters
    ----------
    blocks, cells : number of blocks, and of cells in each
    input_bias, forget_bias, output_bias : initial biases of the gates, one number or one per block
    cell_bias : whether the cells' net input has a bias (initially 0)
    """

    blocks: int
    cells: int = 1
    input_bias: float | Sequence[float] = 0.0
    forget_bias: float | Sequence[float] = 0.0
    output_bias: float | Sequence[float] = 0.0
    cell_bias: bool = False

    def __post_init__(self):
        """Raise a ValueError if a number is invalid, or there are not one or `blocks` biases."""
        whole(self.blocks, "blocks"), whole(self.cells, "cells"), flag(self.cell_bias, "cell_bias")
        for name in ("input_bias", "forget_bias", "output_bias"):
            bias = getattr(self, name)
            several = isinstance(bias, (tuple, list, np.ndarray)) and np.ndim(bias) > 0
            if several and len(bias) != self.blocks:
                raise ValueError(f"expected one {name} or {self.blocks}, got {len(bias)}")
            for each in bias if several else (bias,):
                number(each, name)


@dataclass(frozen=True)
class Outputs:
    """A group of sigmoid output units and their initial bias."""

    units: int
    bias: float = 0.0

    def __post_init__(self):
        """Raise a ValueError if a number is invalid."""
        whole(self.units, "units"), number(self.bias, "bias")


@dataclass(frozen=True)
class Wiring:
    """Named groups of units and their connections.

    Raises
    ------
    ValueError
        If a name is used twice, a group is empty or of a wrong type, or `feeds` names a group that does not
        exist or cannot be a source.
    """

    inputs: dict[str, int]
    blocks: dict[str, Blocks]
    outputs: dict[str, Outputs]
    feeds: dict[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self):
        for name, kind in (
            ("inputs", int),
            ("blocks", Blocks),
            ("outputs", Outputs),
            ("feeds", (tuple, list)),
        ):
            groups = instance(getattr(self, name), name, dict)
            if not all(isinstance(group, str) and isinstance(x, kind) for group, x in groups.items()):
                raise ValueError(f"expected {name} as name: {_kind(kind)}, got {shown(groups)}")
        for name, units in self.inputs.items():
            whole(units, f"inputs[{name!r}]")
        names = [*self.inputs, *self.blocks, *self.outputs]
        if len(set(names)) < len(names):
            raise ValueError(f"expected every group to have a name of its own, got {names}")
        if not self.inputs or not self.outputs:
            raise ValueError("expected inputs and outputs")
        room(self.input_size + self.output_size + self.cell_count, "all groups")
        for destination, sources in self.feeds.items():
            if destination not in self.blocks and destination not in self.outputs:
                raise ValueError(f"expected a group of blocks or outputs, got feeds[{destination!r}]")
            for source in sources:
                if source not in self.inputs and source not in self.blocks:
                    raise ValueError(
                        f"expected a group of inputs or blocks, got {source!r} in feeds[{destination!r}]"
                    )

    @property
    def input_size(self) -> int:
        """D, the number of input units."""
        return sum(self.inputs.values())

    @property
    def block_count(self) -> int:
        """J, the number of memory blocks."""
        return sum(group.blocks for group in self.blocks.values())

    @property
    def cell_count(self) -> int:
        """C, the number of memory cells."""
        return sum(group.blocks * group.cells for group in self.blocks.values())

    @property
    def output_size(self) -> int:
        """K, the number of output units."""
        return sum(group.units for group in self.outputs.values())

    def slices(self, kind: str) -> dict[str, slice]:
        """The units of each group among all of its kind: name -> slice.

        Parameters
        ----------
        kind : "inputs", "outputs", "blocks" (slices of blocks) or "cells" (slices of cells)
        """
        size = {
            "inputs": lambda name: self.inputs[name],
            "outputs": lambda name: self.outputs[name].units,
            "blocks": lambda name: self.blocks[name].blocks,
            "cells": lambda name: self.blocks[name].blocks * self.blocks[name].cells,
        }[kind]
        where, start = {}, 0
        for name in getattr(self, "blocks" if kind == "cells" else kind):
            where[name] = slice(start, start + size(name))
            start += size(name)
        return where

    def sources(self, destination: str) -> np.ndarray:
        """Indices into [inputs; cells; 1] of the units that feed a group, without the 1 of the bias."""
        feeding = self.feeds.get(destination, ())
        inputs = [np.arange(s.start, s.stop) for name, s in self.slices("inputs").items() if name in feeding]
        cells = [
            np.arange(s.start, s.stop) + self.input_size
            for name, s in self.slices("cells").items()
            if name in feeding
        ]
        return np.concatenate([np.empty(0, np.int64), *inputs, *cells]).astype(np.int64)

    @property
    def block_of(self) -> np.ndarray:
        """(C,) the block of each cell."""
        cells = [group.cells for group in self.blocks.values() for _ in range(group.blocks)]
        return np.repeat(np.arange(self.block_count), cells)


def _kind(kind):
    return {int: "number of units", Blocks: "Blocks", Outputs: "Outputs"}.get(kind, "names of groups")
