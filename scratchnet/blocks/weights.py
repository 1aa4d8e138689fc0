"""The weights of a network of memory blocks: one flat vector, viewed as named arrays or as matrices.

Users and optimizers see the names; BPTT multiplies with the matrices, which have zeros where nothing is wired
(network.py); online learning runs along the rows of the vector (stream_arrays.py).
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratchnet.arguments import flag, generator, instance, number, pair, room
from scratchnet.blocks.wiring import Blocks, Outputs, Wiring
from scratchnet.layers.layer import Layer, check_dtype

OLD_NAMES = {"squash_g": "activation_g", "squash_h": "activation_h"}  # in checkpoints before 0.1.0


class BlockWeights(Layer):
    """The bookkeeping of `CellBlocks`; its parameters and attributes are described there."""

    def __init__(
        self,
        wiring: Wiring,
        rng: np.random.Generator,
        scale: float | None,
        peepholes: bool,
        activation_g: tuple[float, float],
        activation_h: tuple[float, float],
        dtype: DTypeLike,
    ) -> None:
        super().__init__()
        self.wiring, self.dtype = instance(wiring, "wiring", Wiring), check_dtype(dtype)
        self.peepholes = flag(peepholes, "peepholes")
        self.activation_g = pair(activation_g, "activation_g")
        self.activation_h = pair(activation_h, "activation_h")
        self.g_ab, self.h_ab = (np.array(ab, self.dtype) for ab in (self.activation_g, self.activation_h))
        self.block_of = wiring.block_of
        self._lay_out()
        self._initialise(rng, scale)

    def options(self) -> dict[str, Any]:
        """Arguments for `from_options` to make a network of the same shape, as plain numbers and names."""
        return {
            "wiring": asdict(self.wiring),
            "peepholes": self.peepholes,
            "activation_g": list(self.activation_g),
            "activation_h": list(self.activation_h),
            "dtype": self.dtype.name,
        }

    @classmethod
    def from_options(cls, options: Mapping[str, Any], rng: np.random.Generator | None = None) -> Any:
        """The inverse of `options`; the weights are random, to be replaced by `load_state_dict`."""
        options = {OLD_NAMES.get(name, name): value for name, value in options.items()}
        w = options.pop("wiring")
        blocks = {
            name: Blocks(**{k: tuple(v) if isinstance(v, list) else v for k, v in b.items()})
            for name, b in w["blocks"].items()
        }
        outputs = {name: Outputs(**o) for name, o in w["outputs"].items()}
        wiring = Wiring(
            w["inputs"], blocks, outputs, {name: tuple(sources) for name, sources in w["feeds"].items()}
        )
        return cls(wiring, np.random.default_rng(0) if rng is None else rng, **options)

    def matrices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The weights as matrices with zeros where nothing is wired.

        Returns
        -------
        W : (3J + C, Z), rows i, f, g, o
        V : (K, Z)
        u : (3, C), peepholes to i, f, o; (3, 0) if there are none
        """
        w = self.wiring
        R, K, C = 3 * w.block_count + w.cell_count, w.output_size, w.cell_count
        Z = w.input_size + C + 1
        dense = np.zeros((R + K) * Z + 3 * C, self.dtype)
        dense[self.where] = self.flat
        return (
            dense[: R * Z].reshape(R, Z),
            dense[R * Z : (R + K) * Z].reshape(K, Z),
            dense[(R + K) * Z :].reshape(3, C)[:, : C * self.peepholes],
        )

    def _lay_out(self):
        """Make the vector; `self.where` is the index of each weight in W, V and u, concatenated."""
        w = self.wiring
        D, J, C, K = w.input_size, w.block_count, w.cell_count, w.output_size
        R, Z = 3 * J + C, D + C + 1
        room((R + K) * Z, "the matrices of weights")
        shapes, where = {}, []

        def add(name, rows, columns):
            shapes[name] = len(rows), len(columns)
            where.append((rows[:, None] * Z + columns).ravel())

        blocks, cells, outputs = w.slices("blocks"), w.slices("cells"), w.slices("outputs")
        for name, group in w.blocks.items():
            j, v = np.r_[blocks[name]], np.r_[cells[name]]
            sources = w.sources(name)
            biased = np.append(sources, Z - 1)
            add(f"{name}.input_gate", j, biased)
            add(f"{name}.forget_gate", J + j, biased)
            add(f"{name}.cell", 2 * J + v, biased if group.cell_bias else sources)
            add(f"{name}.output_gate", 2 * J + C + j, biased)
            for k, gate in enumerate(("input", "forget", "output") if self.peepholes else ()):
                shapes[f"{name}.{gate}_peephole"] = (len(v),)
                where.append((R + K) * Z + k * C + v)
        for name in w.outputs:
            add(f"{name}.weight", R + np.r_[outputs[name]], np.append(w.sources(name), Z - 1))
        self.where = np.concatenate(where)
        self.flat = np.zeros(self.where.size, self.dtype)
        self.flat_grad = np.zeros_like(self.flat)
        self._shapes, self.starts, start = shapes, {}, 0
        for name, shape in shapes.items():
            self.starts[name] = start
            start += int(np.prod(shape))
        self.params, self.grads = self.views(self.flat), self.views(self.flat_grad)

    def views(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """Views of a flat vector like that of the weights, by the names of the parameters."""
        return {
            name: flat[start : start + int(np.prod(shape))].reshape(shape)
            for (name, shape), start in zip(self._shapes.items(), self.starts.values(), strict=True)
        }

    def _initialise(self, rng, scale):
        rng, scale = generator(rng), None if scale is None else number(scale, "scale", least=0)
        for param in self.params.values():
            fan_in = param.shape[-1] if param.ndim == 2 else 1
            bound = 1 / np.sqrt(fan_in) if scale is None else scale
            param[...] = rng.uniform(-bound, bound, param.shape)
        for name, group in self.wiring.blocks.items():
            for gate in ("input", "forget", "output"):
                self.params[f"{name}.{gate}_gate"][:, -1] = getattr(group, f"{gate}_bias")
            if group.cell_bias:
                self.params[f"{name}.cell"][:, -1] = 0
        for name, group in self.wiring.outputs.items():
            self.params[f"{name}.weight"][:, -1] = group.bias
