"""What a user waits for before the first step: importing, compiling, loading compiled code from the cache.

    python -m benchmarks.startup [--json PATH]

Each figure is a fresh process: `import numba`, `from scratchnet import LSTM` and all else a training step
needs, the first step with an empty kernel cache, and with a filled one. Medians; the first step with an empty
cache once.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

from scratchnet.files import atomic_open

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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="PATH", help="also write the figures to this file")
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
    if arguments.json:
        with atomic_open(arguments.json) as file:
            json.dump(figures, file, indent=2)


if __name__ == "__main__":
    main()
