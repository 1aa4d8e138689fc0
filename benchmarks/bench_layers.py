"""Training steps and sampling of the comparison's cases, our side, under pytest-benchmark:

pytest benchmarks --benchmark-enable
"""

import pytest

from benchmarks.cases import CASES
from benchmarks.workers import Side
from scratchnet.kernels import team


@pytest.mark.benchmark(group="layers: one training step, or one round of sampling")
@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def bench_step(benchmark, case):
    side = Side("ours", team.size())
    side.open(case)
    side.step()
    benchmark.pedantic(side.step, rounds=3 if case.arithmetic > 1e10 else 30)
