"""Generation in a closed loop: a network's outputs, turned into bits, are its next inputs.

    threshold       each unit is on if its y > 1/2
    one             exactly one unit of the group is on: with probability y_k / sum y (Eck & Schmidhuber)
    one or none     none if sum y < 1/2, otherwise as "one"

At temperature tau, y_k^(1/tau) replaces y_k. The whole stream is one compiled loop, in constant memory.
"""

import numpy as np

from scratchnet.arguments import shown
from scratchnet.blocks.learning import step
from scratchnet.kernels.jit import kernel

RULES = ("threshold", "one", "one or none")
THRESHOLD, ONE, ONE_OR_NONE = range(3)


@kernel(inline=True)
def draw(y, start, stop, rule, power, uniform, bits, now):
    """Turn the outputs y[start:stop] of one group into bits[now, start:stop]."""
    total, most, powers = 0.0, 1e-300, 0.0
    for k in range(start, stop):
        bits[now, k] = rule == THRESHOLD and y[k] > 0.5
        total += y[k]
        most = max(most, y[k])
    for k in range(start, stop):
        powers += (y[k] / most) ** power  # the largest is 1, so the sum cannot underflow
    if rule == THRESHOLD or (rule == ONE_OR_NONE and total < 0.5):
        return
    left = uniform * powers
    for k in range(start, stop):
        left -= (y[k] / most) ** power
        if left < 0 or k == stop - 1:
            bits[now, k] = 1
            return


@kernel
def play(n, shift, gain, groups, power, uniforms, x, bits):
    """Generate len(bits) steps. x (1, D), the next input, is overwritten: (bit - shift) gain."""
    K = bits.shape[1]
    for now in range(bits.shape[0]):
        step(n, x, 0)
        y = n.units[n.units.size - K :]
        for g in range(groups.shape[0]):
            draw(y, groups[g, 0], groups[g, 1], groups[g, 2], power, uniforms[now, g], bits, now)
        for k in range(K):
            x[0, k] = (bits[now, k] - shift[k]) * gain[k]


def expect_rules(rules, wiring):
    """An array (groups, 3) of start, stop and rule of each group of outputs.

    Raises
    ------
    ValueError
        If `rules` does not name one of RULES for each group of outputs.
    """
    known = isinstance(rules, dict) and all(
        isinstance(rule, str) and rule in RULES for rule in rules.values()
    )
    if not known or set(rules) != set(wiring.outputs):
        raise ValueError(f"expected for each of {list(wiring.outputs)} one of {RULES}, got {shown(rules)}")
    slices = wiring.slices("outputs").items()
    return np.array([(where.start, where.stop, RULES.index(rules[name])) for name, where in slices])
