"""Slow, independent reference of the cell-block network: pure loops, one unit and one number at a time.

It shares no code with scratchnet, and follows the equations of Gers, Schmidhuber & Cummins (2000) and, for
peepholes, of Gers, Schraudolph & Schmidhuber (2002). All it takes from the library is data: a wiring (names
and sizes of groups, and who feeds whom) and the named weights, whose rows are units and whose columns are
sources in the order inputs, cells, bias. One sequence at a time:

    x (T, D)        inputs
    s (T + 1, C)    cell states
    y (T + 1, C)    cell outputs
    a (T, K)        net input of the outputs

A squashing function is any function of a number; its derivative, where needed, is another.
"""

import math

import numpy as np

GATES = ("input", "forget", "output")


def sigmoid(x):
    if x < 0:
        return math.exp(x) / (1 + math.exp(x))
    return 1 / (1 + math.exp(-x))


def paper_g(x):
    return 4 * sigmoid(x) - 2


def paper_g_slope(x):
    return 4 * sigmoid(x) * (1 - sigmoid(x))


def paper_h(x):
    return 2 * sigmoid(x) - 1


def paper_h_slope(x):
    return 2 * sigmoid(x) * (1 - sigmoid(x))


def identity(x):
    return x


def cross_entropy(a, t):
    """Sum over all units of -t log y - (1 - t) log(1 - y), where y = sigmoid(a)."""
    total = 0.0
    for net, target in zip(np.ravel(a), np.ravel(t), strict=True):
        y = sigmoid(float(net))
        total -= target * math.log(y) + (1 - target) * math.log(1 - y)
    return total


def differences(f, array, step=1e-3):
    """df/darray by five-point central differences; `array` is changed in place and restored."""
    gradient = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        value = array[index]
        around = []
        for k in (-2, -1, 1, 2):
            array[index] = value + k * step
            around.append(f())
        array[index] = value
        gradient[index] = (around[0] - 8 * around[1] + 8 * around[2] - around[3]) / (12 * step)
    return gradient


def groups(wiring):
    """Where things stand: first input of each group of inputs, blocks, first cell of each group of blocks.

    A block is (name of its group, number in the group, its cells, their numbers in the group).
    """
    first_input, first_cell, blocks, count = {}, {}, [], 0
    for name, size in wiring.inputs.items():
        first_input[name] = count
        count += size
    count = 0
    for name, group in wiring.blocks.items():
        first_cell[name] = count
        for j in range(group.blocks):
            in_group = [j * group.cells + v for v in range(group.cells)]
            blocks.append((name, j, [count + v for v in in_group], in_group))
        count += group.blocks * group.cells
    return first_input, blocks, first_cell


def sources(wiring, destination, x, y):
    """What a unit of group `destination` sees, but for the 1 of its bias: inputs, then cell outputs."""
    first_input, _, first_cell = groups(wiring)
    feeding = wiring.feeds.get(destination, ())
    seen = []
    for name, size in wiring.inputs.items():
        if name in feeding:
            seen += [float(x[first_input[name] + k]) for k in range(size)]
    for name, group in wiring.blocks.items():
        if name in feeding:
            seen += [float(y[first_cell[name] + k]) for k in range(group.blocks * group.cells)]
    return seen


def weighted(row, seen):
    """Net input of a unit from what it sees; one weight more than sources means that the last is a bias."""
    total = 0.0
    for k, number in enumerate(seen):
        total += float(row[k]) * number
    if len(row) > len(seen):
        assert len(row) == len(seen) + 1
        total += float(row[-1])
    return total


def step(wiring, params, x, s, y, g=paper_g, h=paper_h, recurrent=None, peeped=None, peeped_now=None):
    """One time step: (new s, new y, a, what was computed on the way, block by block).

    recurrent, peeped, peeped_now: what is read through recurrent weights, through the peepholes of the input
    and the forget gate, and through those of the output gate; if None, y(t-1), s(t-1) and s(t) themselves.
    """
    recurrent = y if recurrent is None else recurrent
    peeped = s if peeped is None else peeped
    s_new, y_new, record = [0.0] * len(s), [0.0] * len(y), []
    for name, j, cells, in_group in groups(wiring)[1]:
        seen = sources(wiring, name, x, recurrent)
        net = {gate: weighted(params[f"{name}.{gate}_gate"][j], seen) for gate in GATES}
        peepholes = f"{name}.input_peephole" in params
        if peepholes:
            for v, k in zip(cells, in_group, strict=True):
                net["input"] += params[f"{name}.input_peephole"][k] * peeped[v]
                net["forget"] += params[f"{name}.forget_peephole"][k] * peeped[v]
        i, f = sigmoid(net["input"]), sigmoid(net["forget"])
        cell_net = [weighted(params[f"{name}.cell"][k], seen) for k in in_group]
        for v, number in zip(cells, cell_net, strict=True):
            s_new[v] = f * s[v] + i * g(number)
        if peepholes:
            for v, k in zip(cells, in_group, strict=True):
                net["output"] += (
                    params[f"{name}.output_peephole"][k] * (s_new if peeped_now is None else peeped_now)[v]
                )
        o = sigmoid(net["output"])
        for v in cells:
            y_new[v] = o * h(s_new[v])
        record.append((i, f, o, cell_net))
    a = []
    for name, group in wiring.outputs.items():
        seen = sources(wiring, name, x, y_new)
        a += [weighted(params[f"{name}.weight"][k], seen) for k in range(group.units)]
    return s_new, y_new, a, record


def forward(wiring, params, x, g=paper_g, h=paper_h, s=None, y=None, frozen=None):
    """A whole sequence: a (T, K), s (T + 1, C), y (T + 1, C).

    frozen : None, or (s, y) of an earlier run: what units read through recurrent weights and peepholes then
        comes from there; only s(t) = f s(t-1) + i g, the way from a cell state to the next, is still alive
    """
    C = sum(group.blocks * group.cells for group in wiring.blocks.values())
    states = [[0.0] * C if s is None else [float(number) for number in s]]
    outputs = [[0.0] * C if y is None else [float(number) for number in y]]
    a = []
    for t in range(len(x)):
        old = (
            {}
            if frozen is None
            else {"recurrent": frozen[1][t], "peeped": frozen[0][t], "peeped_now": frozen[0][t + 1]}
        )
        s_new, y_new, a_now, _ = step(wiring, params, x[t], states[-1], outputs[-1], g, h, **old)
        states.append(s_new)
        outputs.append(y_new)
        a.append(a_now)
    return np.array(a), np.array(states), np.array(outputs)


class TruncatedLearner:
    """The gradient of the original algorithm, step by step; a partial derivative for each cell and weight.

    The weights in `params` may change between steps, as they do in online learning.
    """

    def __init__(self, wiring, params, g=paper_g, g_slope=paper_g_slope, h=paper_h, h_slope=paper_h_slope):
        self.wiring, self.params = wiring, params
        self.g, self.g_slope, self.h, self.h_slope = g, g_slope, h, h_slope
        self.forget()

    def forget(self):
        """Begin a new stream."""
        C = sum(group.blocks * group.cells for group in self.wiring.blocks.values())
        self.s, self.y, self.partials = [0.0] * C, [0.0] * C, {}

    def step(self, x, t):
        """One step of the stream: the outputs, and the truncated gradient of its cross-entropy, by name."""
        wiring, params = self.wiring, self.params
        s_before, y_before = self.s, self.y
        self.s, self.y, a, record = step(wiring, params, x, s_before, y_before, self.g, self.h)
        outputs = [sigmoid(net) for net in a]
        gradient = {name: np.zeros(np.shape(param)) for name, param in params.items()}
        arriving = self._learn_outputs(x, t, outputs, gradient)
        for (name, j, cells, in_group), (i, f, o, cell_net) in zip(groups(wiring)[1], record, strict=True):
            seen = sources(wiring, name, x, y_before)
            biased = [*seen, 1.0]
            do = sum(self.h(self.s[v]) * arriving[v] for v in cells) * o * (1 - o)
            for k, number in enumerate(biased):
                gradient[f"{name}.output_gate"][j, k] -= do * number
            for v, k, net in zip(cells, in_group, cell_net, strict=True):
                es = o * self.h_slope(self.s[v]) * arriving[v]
                into_input, into_forget = self.g(net) * i * (1 - i), s_before[v] * f * (1 - f)
                into_cell = i * self.g_slope(net)
                with_bias = biased if len(params[f"{name}.cell"][k]) > len(seen) else seen
                self._carry(
                    gradient,
                    f"{name}.cell",
                    [(k, m) for m in range(len(with_bias))],
                    v,
                    f,
                    into_cell,
                    with_bias,
                    es,
                )
                row = [(j, m) for m in range(len(biased))]
                self._carry(gradient, f"{name}.input_gate", row, v, f, into_input, biased, es)
                self._carry(gradient, f"{name}.forget_gate", row, v, f, into_forget, biased, es)
                if f"{name}.input_peephole" in params:
                    old, place = [s_before[c] for c in cells], [(c,) for c in in_group]
                    self._carry(gradient, f"{name}.input_peephole", place, v, f, into_input, old, es)
                    self._carry(gradient, f"{name}.forget_peephole", place, v, f, into_forget, old, es)
                    gradient[f"{name}.output_peephole"][k] -= do * self.s[v]
        return outputs, gradient

    def _learn_outputs(self, x, t, outputs, gradient):
        """The gradient of the output units' weights; returns the error that arrives at each cell."""
        first_input, _, first_cell = groups(self.wiring)
        arriving, unit = [0.0] * len(self.y), 0
        for name, group in self.wiring.outputs.items():
            feeding = self.wiring.feeds.get(name, ())
            seen = sources(self.wiring, name, x, self.y)
            skipped = sum(size for source, size in self.wiring.inputs.items() if source in feeding)
            cells = [
                first_cell[source] + v
                for source, blocks in self.wiring.blocks.items()
                for v in range(blocks.blocks * blocks.cells)
                if source in feeding
            ]
            for k in range(group.units):
                e = t[unit] - outputs[unit]
                for m, number in enumerate([*seen, 1.0]):
                    gradient[f"{name}.weight"][k, m] -= e * number
                for m, cell in enumerate(cells):
                    arriving[cell] += e * self.params[f"{name}.weight"][k, skipped + m]
                unit += 1
        return arriving

    def _carry(self, gradient, name, places, cell, f, factor, seen, es):
        """ds/dw(t) = f ds/dw(t-1) + factor source, for one cell and some weights; dE/dw = -es ds/dw."""
        for place, number in zip(places, seen, strict=True):
            key = cell, name, place
            self.partials[key] = f * self.partials.get(key, 0.0) + factor * number
            gradient[name][place] -= es * self.partials[key]
