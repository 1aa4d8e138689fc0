"""Cell blocks under pytest-benchmark:  pytest benchmarks --benchmark-enable"""

import numpy as np
import pytest

from benchmarks.online import ours
from experiments.blues.data import Pieces
from experiments.blues.recipes import RECIPES, blues_wiring, make_network
from experiments.blues.training import BatchLearner


@pytest.mark.benchmark(group="blues experiment 1, 200 choruses online")
def bench_online(benchmark):
    learn, _ = ours()
    benchmark(learn)


@pytest.mark.parametrize("B", [4, 16, 64])
@pytest.mark.benchmark(group="blues experiment 2, one step of full BPTT and Adam over two choruses")
def bench_bptt(benchmark, B):
    recipe = RECIPES["default"]
    rng = np.random.default_rng(0)
    pieces = Pieces(rng=rng)
    network = make_network(recipe, blues_wiring(recipe), rng)
    learner = BatchLearner(network, pieces, recipe, 10**9, rng)
    x, t = pieces.draw(rng, recipe.length, B)
    benchmark(learner.learn, x, t)
