"""The wait before the first training step: importing, compiling, loading compiled code from the cache.

    python -m benchmarks.startup [--json PATH]

Each figure comes from a fresh process: `import numba`, `from scratchnet import LSTM` and whatever else a
training step needs, the first step with an empty kernel cache, and with a warm one. Medians; the step with an
empty cache is measured once.
"""

import os
import statistics
import subprocess
import sys
import tempfile

from benchmarks import command

IMPORTS = """
import numpy as np
from scratchnet import LSTM, Adam, Embedding, Linear, Sequential, softmax_cross_entropy
"""
STEP = """
rng = np.random.default_rng(0)
model = Sequential([Embedding(50, 32, rng), LSTM(32, 64, rng), Linear(64, 50, rng)])
adam = Adam(model.params, model.grads)
x, t = rng.integers(0, 50, (2, 20, 8))
loss, da = softmax_cross_entropy(model.forward(x), t)
model.backward(da, need_dx=False)
adam.step()
"""
TIMED = "import time\nbegan = time.perf_counter()\n{}\nprint(time.perf_counter() - began)"


def seconds(code, cache, before=""):
    """Time in a fresh process of `code`, after `before`."""
    environment = {**os.environ, "SCRATCHNET_CACHE": cache}
    command = [sys.executable, "-c", before + TIMED.format(code)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main(argv=None):
    """Measure and print; with --json also write the figures to a file."""
    parser = command.parser("startup", __doc__)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as cache:
        figures = {"first_step_cold_s": seconds(STEP, cache, IMPORTS)}
        rounds = [
            {
                "import_numba_s": seconds("import numba", cache),
                "import_scratchnet_s": seconds("import scratchnet", cache),
                "import_layers_s": seconds(IMPORTS, cache),
                "first_step_cached_s": seconds(STEP, cache, IMPORTS),
            }
            for _ in range(arguments.rounds)
        ]
    figures |= {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    for name, value in figures.items():
        print(f"{name:22} {value:6.2f}")
    command.save(arguments.json, figures)


if __name__ == "__main__":
    main()
