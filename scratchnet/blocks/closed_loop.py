"""A network of cell blocks that hears itself: its outputs, made into bits, are its next inputs.

    threshold       each unit is on if its y > 1/2
    one             exactly one unit of the group is on: with probability y_k / sum y (Eck & Schmidhuber)
    one or none     none if sum y < 1/2, otherwise as "one"

At temperature tau, y_k^(1/tau) takes the place of y_k. The whole stream is one compiled loop; memory does not
grow with it.
"""

import numpy as np

from scratchnet.arguments import generator, number, room, shown, whole
from scratchnet.blocks.learning import step
from scratchnet.kernels.jit import kernel
from scratchnet.layers.layer import expect, expect_state
from scratchnet.layers.one_thread import alone

RULES = ("threshold", "one", "one or none")
THRESHOLD, ONE, ONE_OR_NONE = range(3)


@kernel(inline=True)
def draw(y, start, stop, rule, power, uniform, bits, now):
    """Make bits[now, start:stop] of the outputs y[start:stop] of one group."""
    total, most, powers = 0.0, 1e-300, 0.0
    for k in range(start, stop):
        bits[now, k] = rule == THRESHOLD and y[k] > 0.5
        total += y[k]
        most = max(most, y[k])
    for k in range(start, stop):
        powers += (y[k] / most) ** power  # the largest is 1: no power vanishes with all the others
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
    """Go on for len(bits) steps. x (1, D) is overwritten with each step's bits, (bit - shift) gain."""
    K = bits.shape[1]
    for now in range(bits.shape[0]):
        step(n, x, 0)
        y = n.units[n.units.size - K :]
        for g in range(groups.shape[0]):
            draw(y, groups[g, 0], groups[g, 1], groups[g, 2], power, uniforms[now, g], bits, now)
        for k in range(K):
            x[0, k] = (bits[now, k] - shift[k]) * gain[k]


class ClosedLoop:
    """The part of `CellBlocks` that composes."""

    @alone
    def play(self, x, steps, rules, rng, temperature=1.0, scaling=None):
        """Hear x, then go on alone; the next call goes on from there.

        Parameters
        ----------
        x : array (T, D) of bits: what is heard first; at least one step. To go on, give the last row of what
        was returned
        steps : number of time steps to play
        rules : dict, group of outputs -> "threshold", "one" or "one or none"
        rng : numpy Generator
        temperature : above 1 for more even draws, below 1 for safer ones; positive
        scaling : (shift, gain), each (D,), if the network was trained on (bit - shift) gain

        Returns
        -------
        bits : uint8 array (steps, K)

        Raises
        ------
        ValueError
            If a shape or rule is wrong, or the network has not as many outputs as inputs.
        """
        w = self.wiring
        D, K = w.input_size, w.output_size
        if D != K:
            raise ValueError(f"expected as many outputs as inputs, to be fed back, got {K} and {D}")
        temperature = number(temperature, "temperature", above=0)
        steps, rng = whole(steps, "steps", least=0), generator(rng)
        room(steps * K, "the bits")
        if (
            not isinstance(rules, dict)
            or set(rules) != set(w.outputs)
            or not all(r in RULES for r in rules.values())
        ):
            raise ValueError(f"expected for each of {list(w.outputs)} one of {RULES}, got {shown(rules)}")
        x = expect(x, "x", f"T, {D}", (None, D), self.dtype)
        if len(x) == 0:
            raise ValueError("expected x (T, D) with at least one step")
        scaling = (np.zeros(D), np.ones(D)) if scaling is None else scaling
        shift, gain = expect_state(scaling, "scaling", ("shift", "gain"), [(D,)] * 2, self.dtype)
        groups = np.array(
            [(s.start, s.stop, RULES.index(rules[name])) for name, s in w.slices("outputs").items()]
        )
        bits = np.empty((steps, K), np.uint8)
        x = (x - shift) * gain
        self.listen(x[:-1])
        play(
            self._stream,
            shift,
            gain,
            groups,
            1 / temperature,
            rng.random((steps, len(groups))),
            x[-1:].copy(),
            bits,
        )
        return bits
