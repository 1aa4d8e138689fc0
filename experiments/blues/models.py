"""The networks that are compared with the report's, for experiment 1 (chords) or 2 (chords and melody).

All have about the report's number of weights, 664 and 1542. Learning rates are the report's, the default
recipe's, or customary ones for network and method, lowered where learning went astray; they are not tuned,
but for momentum's 3e-3: of 1e-5, 1e-4, 3e-4, 1e-3, 3e-3 and 1e-2 the one that learned the chords soonest.
"""

from dataclasses import dataclass, replace

import numpy as np

from encoders.tokens.blues import CHORD_UNITS, MELODY_UNITS, BluesFormat
from experiments.blues.recipes import RECIPES, Recipe, blues_wiring, chord_wiring, make_network
from scratchnet.blocks.fully_recurrent import FullyRecurrent
from scratchnet.blocks.network import TANH, CellBlocks
from scratchnet.blocks.wiring import Blocks, Outputs, Wiring
from scratchnet.kernels.activations import sigmoid
from scratchnet.layers.linear import Linear
from scratchnet.layers.rnn import RNN
from scratchnet.layers.sequential import Sequential

FORM = BluesFormat()
CHORDS, BOTH = (CHORD_UNITS,), (CHORD_UNITS, MELODY_UNITS)  # sizes of the output groups


@dataclass(frozen=True)
class Contender:
    """One row of the comparison: `make(sizes, rng)` gives its network."""

    name: str
    recipe: Recipe
    make: object


class StepByStep:
    """Composing for networks without a compiled closed loop: one step at a time, `self.hear(x (D,)) -> y
    (K,)`.
    """

    def listen(self, x):
        """Hear x (T, D)."""
        for row in x:
            self.hear(row)

    def play(self, x, steps, rules, rng, temperature=1.0, scaling=None):
        """As `CellBlocks.play`, with the rules by position: chords are cut at 1/2, of the melody one note is
        drawn.
        """
        self.listen(x[:-1])
        bits, heard = np.zeros((steps, x.shape[1]), np.uint8), x[-1]
        for now in range(steps):
            y = self.hear(heard)
            bits[now, :CHORD_UNITS] = y[:CHORD_UNITS] > 0.5
            if len(y) > CHORD_UNITS:
                p = y[CHORD_UNITS:].astype(float) ** (1 / temperature)
                bits[now, CHORD_UNITS + rng.choice(len(p), p=p / p.sum())] = 1
            heard = bits[now]
        return bits


class SimpleRecurrent(StepByStep, Sequential):
    """Elman's network: a tanh layer that hears itself, and output units."""

    def __init__(self, sizes, hidden, rng):
        size, self.dtype = sum(sizes), np.dtype(np.float32)
        super().__init__([RNN(size, hidden, rng), Linear(hidden, size, rng)])
        self.reset()

    def reset(self):
        """Forget what was heard."""
        self.state = self.initial_state(1)

    def hear(self, x):
        """One step."""
        a, self.state = self.forward(np.asarray(x, self.dtype)[None, :, None], self.state)
        return np.array([sigmoid(value) for value in a[0, :, 0]])


class RealTime(StepByStep, FullyRecurrent):
    """Williams & Zipser's network."""

    def __init__(self, sizes, units, rng):
        super().__init__(sum(sizes), units, sum(sizes), rng)

    def hear(self, x):
        """One step."""
        return self.advance(x)


def standard_lstm(sizes, hidden, rng):
    """Today's LSTM: one cell a block, tanh, biased cells, forget gates open at first, outputs that see the
    cells only.
    """
    names = ["next chord", "next note"][: len(sizes)]
    wiring = Wiring(
        inputs={"notes": sum(sizes)},
        blocks={"hidden": Blocks(hidden, 1, forget_bias=1.0, cell_bias=True)},
        outputs={name: Outputs(size) for name, size in zip(names, sizes, strict=True)},
        feeds={"hidden": ("notes", "hidden"), **dict.fromkeys(names, ("hidden",))},
    )
    return CellBlocks(wiring, rng, scale=None, activation_g=TANH, activation_h=TANH, dtype=np.float32)


def cell_blocks(recipe):
    """The report's two networks."""

    def make(sizes, rng):
        wiring = chord_wiring(recipe, FORM) if len(sizes) == 1 else blues_wiring(recipe, FORM)
        return make_network(recipe, wiring, rng)

    return make


BPTT = replace(RECIPES["default"], batch=4)
ONLINE, KALMAN = RECIPES["paper"], RECIPES["kalman"]
CONTENDERS = (
    Contender("cell blocks, truncated RTRL, as the report", ONLINE, cell_blocks(ONLINE)),
    Contender("cell blocks, truncated RTRL, lr 1e-4", replace(ONLINE, lr=1e-4), cell_blocks(ONLINE)),
    Contender("cell blocks, truncated RTRL, lr 3e-3", replace(ONLINE, lr=3e-3), cell_blocks(ONLINE)),
    Contender("cell blocks, truncated RTRL, Kalman filter", KALMAN, cell_blocks(KALMAN)),
    Contender("cell blocks, full BPTT", BPTT, cell_blocks(BPTT)),
    Contender(
        "standard LSTM, full BPTT", replace(BPTT, lr=0.01),
        lambda sizes, rng: standard_lstm(sizes, 7 if sizes == CHORDS else 9, rng),
    ),
    Contender(
        "simple recurrent, BPTT", replace(BPTT, lr=0.003),
        lambda sizes, rng: SimpleRecurrent(sizes, 15 if sizes == CHORDS else 21, rng),
    ),
    Contender(
        "fully recurrent, RTRL", replace(ONLINE, lr=1e-4),
        lambda sizes, rng: RealTime(sizes, 20 if sizes == CHORDS else 28, rng),
    ),
)  # fmt: skip
