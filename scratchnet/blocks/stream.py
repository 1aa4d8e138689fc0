"""A network of memory blocks in the middle of a stream: one step after the other, learning or not.

    network.stream.reset()                          before the first step
    network.stream.learn(x, t, lr, momentum)        the original algorithm, see learning.py
    network.stream.listen(x)                        outputs only, no learning
    network.stream.play(x, steps, rules, rng)       listen to x, then generate, see closed_loop.py

Each call continues where the last one ended.
"""

import numpy as np
from numpy.typing import ArrayLike

from scratchnet.arguments import generator, number, room, whole
from scratchnet.blocks import closed_loop, learning
from scratchnet.blocks.online import expect_inputs, expect_learned, expect_targets, online_settings
from scratchnet.blocks.stream_arrays import make_arrays
from scratchnet.blocks.weights import BlockWeights
from scratchnet.described import Described
from scratchnet.layers.layer import expect_state
from scratchnet.layers.one_thread import alone_with


class BlockStream(Described):
    """The state that a network carries from step to step, and what can be done with it.

    Parameters
    ----------
    network : CellBlocks; the stream changes its weights in place

    Attributes
    ----------
    arrays : StreamArrays, for kernels
    """

    def __init__(self, network: BlockWeights) -> None:
        self.network, self.wiring, self.dtype = network, network.wiring, network.dtype
        self.arrays = make_arrays(network)
        self.reset()

    @alone_with("network")
    def reset(self) -> None:
        """Set cell outputs, cell states and partial derivatives to zero. Weights and momentum stay."""
        for array in (self.arrays.x_y_1, self.arrays.s, self.arrays.partials):
            array.fill(0)
        self.arrays.x_y_1[-1] = 1

    def state(self) -> dict[str, np.ndarray]:
        """All that the stream carries from step to step, except the weights, by name. Not copies."""
        n = self.arrays
        return {"velocity": n.v, "partials": n.partials, "states": n.s, "sources": n.x_y_1}

    def learn(
        self,
        x: ArrayLike,
        t: ArrayLike,
        lr: float,
        momentum: float = 0.0,
        gross_error: float = np.inf,
    ) -> tuple[np.ndarray, float, int]:
        """Learn from a stream, updating all weights after every step.

        Parameters
        ----------
        x : array (T, D), inputs
        t : array (T, K), targets in [0, 1]
        lr, momentum : of gradient descent in Plaut's form
        gross_error : stop after the first step in which an output is wrong by more than this
            (Gers, Schmidhuber & Cummins 2000 took 0.49); then `reset`, and start again

        Returns
        -------
        y : array (steps done, K), the outputs as they were before each update
        loss : cross-entropy of these steps, in nats, summed over units and steps
        wrong : number of outputs on the wrong side of 1/2

        Raises
        ------
        ValueError
            If a shape differs, a number is not finite, a target is not in [0, 1], or a setting is out of
            range.
        Diverged
            If the weights are no longer finite. They are lost.
        """
        y, loss, wrong = self._run(x, t, *online_settings(lr, momentum, gross_error, self.dtype))
        expect_learned(self.network.flat, len(y))
        return y, loss, wrong

    @alone_with("network")
    def listen(self, x: ArrayLike) -> np.ndarray:
        """Run through the stream x (T, D) without learning; returns the outputs y (T, K) of every step."""
        x = expect_inputs(x, self.wiring.input_size, self.dtype)
        y = np.empty((len(x), self.wiring.output_size), self.dtype)
        learning.listen(self.arrays, x, y)
        return y

    @alone_with("network")
    def play(
        self,
        x: ArrayLike,
        steps: int,
        rules: dict[str, str],
        rng: np.random.Generator,
        temperature: float = 1.0,
        scaling: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> np.ndarray:
        """Listen to x, then generate.

        Parameters
        ----------
        x : array (T, D) of bits, the context; at least one step. To continue, give the last row that was
            returned
        steps : number of time steps to generate
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
            If a shape or rule is wrong, or the network does not have as many outputs as inputs.
        """
        D, K = self.wiring.input_size, self.wiring.output_size
        if D != K:
            raise ValueError(f"expected as many outputs as inputs, to be fed back, got {K} and {D}")
        temperature = number(temperature, "temperature", above=0)
        steps, rng = whole(steps, "steps", least=0), generator(rng)
        room(steps * K, "the bits")
        groups = closed_loop.expect_rules(rules, self.wiring)
        x = expect_inputs(x, self.wiring.input_size, self.dtype)
        if len(x) == 0:
            raise ValueError("expected x (T, D) with at least one step")
        scaling = (np.zeros(D), np.ones(D)) if scaling is None else scaling
        shift, gain = expect_state(scaling, "scaling", ("shift", "gain"), [(D,)] * 2, self.dtype)
        bits, uniforms = np.empty((steps, K), np.uint8), rng.random((steps, len(groups)))
        x = (x - shift) * gain
        self.listen(x[:-1])
        closed_loop.play(self.arrays, shift, gain, groups, 1 / temperature, uniforms, x[-1:].copy(), bits)
        return bits

    @alone_with("network")
    def truncated_gradient(self, x: ArrayLike, t: ArrayLike) -> dict[str, np.ndarray]:
        """The truncated gradient of the stream's summed cross-entropy, with fixed weights: name -> array.

        Starts with a `reset`, and leaves the stream reset. `learn` follows the last term of this sum at every
        step.
        """
        velocity = self.arrays.v.copy()
        self.reset()
        self.arrays.v.fill(0)
        try:
            self._run(x, t, -1, 1, 0, np.inf)  # v <- 1 v + dE/dw, and no change of w
            return self.network.views(self.arrays.v.copy())
        finally:
            self.arrays.v[:] = velocity
            self.reset()

    @alone_with("network")
    def _run(self, x, t, lr, momentum, change, gross_error):
        x = expect_inputs(x, self.wiring.input_size, self.dtype)
        t = expect_targets(t, len(x), self.wiring.output_size, self.dtype)
        y = np.empty_like(t)
        lr, momentum, change = (self.dtype.type(number) for number in (lr, momentum, change))
        with np.errstate(all="ignore"):  # as when compiled: divergence is reported by `learn`
            steps, loss, wrong = learning.run(self.arrays, x, t, y, lr, momentum, change, float(gross_error))
        return y[:steps], loss, wrong
