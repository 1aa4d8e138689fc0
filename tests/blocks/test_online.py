"""What all learning on streams asks of its settings, and what it says when weights are lost."""

import numpy as np
import pytest

from scratchnet.blocks.fully_recurrent import FullyRecurrent
from scratchnet.blocks.kalman import DecoupledKalman
from scratchnet.blocks.network import Blocks, CellBlocks, Outputs, Wiring
from scratchnet.training.optimizers import Diverged

D, K, T = 2, 2, 40


def blocks(dtype=np.float64):
    feeds = {"m": ("in", "m"), "out": ("m",)}
    wiring = Wiring({"in": D}, {"m": Blocks(1, 2)}, {"out": Outputs(K)}, feeds)
    return CellBlocks(wiring, np.random.default_rng(0), dtype=dtype)


def recurrent(dtype=np.float64):
    return FullyRecurrent(D, 3, K, np.random.default_rng(0), dtype=dtype)


def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((T, D)), rng.integers(0, 2, (T, K)).astype(float)


@pytest.mark.parametrize("make", [blocks, recurrent])
def test_weights_that_are_lost_are_said(make):
    x, t = data()
    with pytest.raises(Diverged, match="within 40 steps of the stream the weights became NaN or infinite"):
        make().learn_online(x, t, 1e308, 0.9)
    _, loss, _ = make().learn_online(x, t, 0.1, 0.9)
    assert np.isfinite(loss)


def test_a_filter_that_lost_the_weights_says_so():
    x, t = data()
    network = blocks()
    kalman = DecoupledKalman(network)
    kalman.memory["covariance"][:] = 1e308
    with pytest.raises(Diverged):
        kalman.learn(x, t)


@pytest.mark.parametrize("make", [blocks, recurrent])
def test_a_rate_that_single_precision_does_not_hold_is_refused(make):
    x, t = data()
    with pytest.raises(ValueError, match="expected lr <= .* for float32, got 1e\\+300"):
        make(np.float32).learn_online(x, t, 1e300)
