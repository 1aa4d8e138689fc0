"""Fast networks on paper: plain layers with their weights, stacked or wired as they are."""

import numpy as np

from scratchnet import plain


class Stack:
    """Plain recurrent layers one on another, with the weights of a fast one; a state is (L, H, B) each."""

    def __init__(self, layer):
        cls, rng = getattr(plain, type(layer).__name__), np.random.default_rng(0)
        options = {
            name: getattr(layer, name) for name in ("nonlinearity", "peepholes") if hasattr(layer, name)
        }
        sizes = [layer.input_size] + [layer.hidden_size] * (layer.num_layers - 1)
        self.layers = [cls(size, layer.hidden_size, rng, **options) for size in sizes]
        self.grads = {}
        for number, one in enumerate(self.layers):
            for name, param in one.params.items():
                other = name.replace("_l0", f"_l{number}")
                param[...], self.grads[other] = layer.params[other], one.grads[name]

    def zero_grad(self):
        for layer in self.layers:
            layer.zero_grad()

    def forward(self, x, state):
        finals = []
        for number, layer in enumerate(self.layers):
            x, final = layer.forward(x, tuple(part[number] for part in state))
            finals.append(final)
        return x, tuple(map(np.array, zip(*finals, strict=True)))

    def backward(self, dy, dstate):
        firsts = []
        for number in reversed(range(len(self.layers))):
            dy, first = self.layers[number].backward(dy, tuple(part[number] for part in dstate))
            firsts.insert(0, first)
        return dy, tuple(map(np.array, zip(*firsts, strict=True)))


def numbered(sizes):
    """{name: size} -> {name: the numbers of its members}, counted on from group to group."""
    ends = np.cumsum([0, *sizes.values()])
    return {name: np.arange(a, b) for name, a, b in zip(sizes, ends, ends[1:], strict=False)}


def places(wiring):
    """Where each named weight of a wiring stands: name -> (matrix of plain.CellBlocks, index)."""
    inputs = numbered(wiring.inputs)
    blocks = numbered({name: group.blocks for name, group in wiring.blocks.items()})
    cells = numbered({name: group.blocks * group.cells for name, group in wiring.blocks.items()})
    outputs = numbered({name: group.units for name, group in wiring.outputs.items()})
    D, J, C = (sum(map(len, groups.values())) for groups in (inputs, blocks, cells))
    found = {}
    for name in (*wiring.blocks, *wiring.outputs):
        feeding = wiring.feeds.get(name, ())
        sources = [n for group in inputs if group in feeding for n in inputs[group]]
        sources += [D + n for group in cells if group in feeding for n in cells[group]]
        biased = [*sources, D + C]
        if name in outputs:
            found[f"{name}.weight"] = "V", np.ix_(outputs[name], biased)
            continue
        for gate, first in (("input", 0), ("forget", J), ("output", 2 * J + C)):
            found[f"{name}.{gate}_gate"] = "W", np.ix_(first + blocks[name], biased)
        cell_sources = biased if wiring.blocks[name].cell_bias else sources
        found[f"{name}.cell"] = "W", np.ix_(2 * J + cells[name], cell_sources)
        for row, gate in enumerate(("input", "forget", "output")):
            found[f"{name}.{gate}_peephole"] = "u", (row, cells[name])
    return found


def block_of(wiring):
    """The number of the block of each cell."""
    each = [group.cells for group in wiring.blocks.values() for _ in range(group.blocks)]
    return np.repeat(np.arange(len(each)), each)


def wired(cls, wiring, params, **nonlinearities):
    """plain.CellBlocks or plain.OnlineCellBlocks with the weights of a fast network, by name."""
    of, K = block_of(wiring), sum(group.units for group in wiring.outputs.values())
    C, J = len(of), max(of) + 1
    Z = sum(wiring.inputs.values()) + C + 1
    matrices, where = (
        {"W": np.zeros((3 * J + C, Z)), "V": np.zeros((K, Z)), "u": np.zeros((3, C))},
        places(wiring),
    )
    for name, param in params.items():
        matrix, index = where[name]
        matrices[matrix][index] = param
    return cls(matrices["W"], matrices["V"], of, matrices["u"], **nonlinearities)


def by_name(wiring, matrices, names):
    """The weights, or their gradients, of plain blocks by the names they have in a fast network."""
    where = places(wiring)
    return {name: matrices[where[name][0]][where[name][1]] for name in names}
