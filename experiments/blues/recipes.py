"""The two networks of the report, and ways to train them.

Where the report, its ICANN 2002 version and this project differ, the difference is a field of `Recipe`.
"""

from dataclasses import dataclass

import numpy as np

from encoders.tokens.blues import CHORD_UNITS, MELODY_UNITS, BluesFormat
from scratchnet.blocks.network import CellBlocks
from scratchnet.blocks.wiring import Blocks, Outputs, Wiring

REPORT_BIASES = (
    -0.5,
    -1.0,
    -1.5,
    -2.0,
)  # of all gates, by block: the later blocks open later, and find work of their own
ICANN_BIASES = (-0.1, -0.3, -0.5, -0.7)
CHORD_BLOCKS, CELLS = 4, 2
RULES = {"next chord": "threshold", "chord onset": "threshold", "next note": "one", "note onset": "threshold"}


@dataclass(frozen=True)
class Kalman:
    """Settings of the decoupled extended Kalman filter; see scratchnet/blocks/kalman.py."""

    measurement_noise: tuple = (100.0, 3.0)
    process_noise: tuple = (1e-2, 1e-6)
    covariance: float = 100.0
    error: str = "entropy"
    anneal: int = 1000  # choruses


@dataclass(frozen=True)
class Recipe:
    """How a network is made and trained.

    `online`: the report's way, one stream, weights changed after every time step, truncated gradient,
    momentum; or with `kalman`, a filter in the place of learning rate and momentum. Otherwise full BPTT over
    `length` choruses from a zero state, `batch` of them at a time, and Adam, its rate falling along half a
    cosine to `final` of it.
    """

    online: bool
    lr: float = 0.0
    gate_biases: tuple = REPORT_BIASES
    output_bias: float = 0.5
    standardise: bool = False  # inputs to mean 0, standard deviation 1
    dtype: str = "float64"
    scale: float = 0.1  # initial weights are uniform in [-scale, scale]
    repeats: int = 4  # choruses in a row that a network must play alone to succeed in experiment 1
    momentum: float = 0.0  # online only
    kalman: Kalman | None = None  # online only
    batch: int = 1  # the rest for BPTT only
    length: int = 2
    final: float = 0.01
    beta2: float = 0.99  # of Adam
    clip: float = 0.3  # largest norm of a gradient
    chords_first: bool = False  # in experiment 2 start from a network that has learned experiment 1
    choruses: int = 0  # how many to learn from in experiment 2, and at most in experiment 1
    chord_choruses: int = 0


RECIPES = {
    "default": Recipe(
        online=False, lr=0.03, dtype="float32", scale=0.3, batch=16, length=2, chords_first=True,
        choruses=384_000,
        chord_choruses=100_000,
    ),
    "paper": Recipe(
        online=True, lr=1e-5, momentum=0.9, repeats=1, choruses=1_000_000, chord_choruses=2_000_000,
    ),
    "icann": Recipe(
        online=True, lr=1e-5, momentum=0.9, gate_biases=ICANN_BIASES, standardise=True,
        choruses=1_000_000, chord_choruses=2_000_000,
    ),
    "kalman": Recipe(
        online=True, kalman=Kalman(), choruses=20_000, chord_choruses=10_000,
    ),
}  # fmt: skip


def blocks(recipe, count):
    """`count` blocks, their gates biased by the recipe's ladder, stretched over them if there are more blocks
    than rungs.
    """
    ladder = np.interp(
        np.linspace(0, 1, count), np.linspace(0, 1, len(recipe.gate_biases)), recipe.gate_biases
    )
    bias = tuple(float(b) for b in ladder)
    return Blocks(count, CELLS, bias, bias, bias)


def outputs(recipe, form, **groups):
    """Output groups by name and size; with an onset unit of its own for each where the format has them."""
    onset = {"next_chord": "chord_onset", "next_note": "note_onset"}
    made = {}
    for name, size in groups.items():
        made[name.replace("_", " ")] = Outputs(size, recipe.output_bias)
        if form.endings == "onset":
            made[onset[name].replace("_", " ")] = Outputs(1, recipe.output_bias)
    return made


def chord_wiring(recipe, form=BluesFormat()):
    """Experiment 1: 4 blocks of 2 cells, everything connected to everything; 664 weights in the report's
    format.
    """
    out = outputs(recipe, form, next_chord=CHORD_UNITS)
    everything = ("chords", "chord blocks")
    return Wiring(
        inputs={"chords": form.chord_units},
        blocks={"chord blocks": blocks(recipe, CHORD_BLOCKS)},
        outputs=out,
        feeds={"chord blocks": everything, **dict.fromkeys(out, everything)},
    )


def blues_wiring(recipe, form=BluesFormat(), melody_blocks=4):
    """Experiment 2: chord blocks feed melody blocks but never the other way round; 1542 weights in the
    report's format.
    """
    chords = outputs(recipe, form, next_chord=CHORD_UNITS)
    melody = outputs(recipe, form, next_note=MELODY_UNITS)
    return Wiring(
        inputs={"chords": form.chord_units, "melody": form.melody_units},
        blocks={"chord blocks": blocks(recipe, CHORD_BLOCKS), "melody blocks": blocks(recipe, melody_blocks)},
        outputs=chords | melody,
        feeds={
            "chord blocks": ("chords", "chord blocks"),
            "melody blocks": ("melody", "melody blocks", "chord blocks"),
            **dict.fromkeys(chords, ("chords", "chord blocks")),
            **dict.fromkeys(melody, ("melody", "melody blocks")),
        },
    )


def rules(network, form):
    """How each group of outputs becomes bits when the network composes."""
    note = "one or none" if form.endings == "gap" else "one"
    names = network.wiring.outputs if hasattr(network, "wiring") else ()
    return {name: note if name == "next note" else RULES[name] for name in names}


def make_network(recipe, wiring, rng):
    """A network with fresh weights."""
    return CellBlocks(wiring, rng, scale=recipe.scale, dtype=np.dtype(recipe.dtype))
