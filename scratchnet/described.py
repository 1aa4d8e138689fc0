"""What an object shows at a prompt: its class, and the arguments that differ from their defaults."""

from collections.abc import Iterable
from inspect import Parameter, signature
from typing import Any

import numpy as np

from scratchnet.annotations import Shape
from scratchnet.arguments import shown
from scratchnet.messages import cut

UNSAID = ("rng", "params", "grads")  # arguments that have no short form


class Described:
    """An object whose attributes have the names of the arguments of its constructor.

    `Linear(12, 4)`: arguments without a default, then those that differ from it. An argument that is not an
    attribute is not shown.
    """

    shown_always: tuple[str, ...] = ()  # names of arguments that are shown even at their default

    def __repr__(self) -> str:
        return self.description()

    def description(self) -> str:
        """`Name(arguments)`, in one line."""
        parts = []
        for name, parameter in signature(type(self).__init__).parameters.items():
            if name in UNSAID or not hasattr(self, name):
                continue
            value = getattr(self, name)
            if parameter.default is Parameter.empty:
                parts.append(_short(value))
            elif name in self.shown_always or not _same(value, parameter.default):
                parts.append(f"{name}={_short(value)}")
        return f"{type(self).__name__}({', '.join(parts)})"


def counted(parameters: int) -> str:
    """A number of parameters, in words."""
    return f"{parameters:,} parameter{'' if parameters == 1 else 's'}"


def shape_after(layer: Any, shape: Shape) -> Shape:
    """The shape of a layer's output, as far as the layer knows it."""
    return layer.shape_after(shape) if hasattr(layer, "shape_after") else ("?",) * 3


def table(layers: Iterable[tuple[str, Any]]) -> str:
    """The layers of a network, their output shapes, their numbers of parameters, and the total.

    Parameters
    ----------
    layers : pairs (number, layer), in the order of the network
    """
    rows, sums = [("layer", "output", "parameters")], 0
    shape: Shape = ("T", "D", "B")
    for number, layer in layers:
        shape = shape_after(layer, shape)
        count = sum(np.size(param) for param in layer.params.values())
        sums += count
        name = layer.description() if hasattr(layer, "description") else type(layer).__name__
        rows.append((f"{number}  {name}", f"({', '.join(map(str, shape))})", f"{count:,}"))
    rows.append(("", "", f"{sums:,}"))
    first, second, third = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join(f"{a:{first}}  {b:{second}}  {c:>{third}}" for a, b, c in rows)


def _same(value, default):
    try:
        return bool(value == default)
    except ValueError:  # arrays
        return False


def _short(value):
    if isinstance(value, Described):
        return value.description()
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, (tuple, list)):
        return cut(f"({', '.join(map(_short, value))})")
    if isinstance(value, (float, np.floating)):
        return f"{value:g}"
    return shown(value)
