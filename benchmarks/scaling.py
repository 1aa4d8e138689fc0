"""Time and memory of a training step as the sequences get longer, and as there are more of them.

    python -m benchmarks.scaling [--out scaling.png] [--json PATH]

LSTM, tokens, V = 100, H = 256; T from 32 to 512 with B = 32, and B from 8 to 128 with T = 128. Time: median
of several steps. Memory: what NumPy holds at most during a step beyond what it held before (tracemalloc sees
every array). Both should lie on straight lines through a small first cost.
"""

import statistics
import time
import tracemalloc

import numpy as np

from benchmarks import command
from scratchnet import LSTM, Adam, Linear, Sequential, softmax_cross_entropy
from scratchnet.files import atomic_path

V, H = 100, 256
SHAPES = {"T": [(T, 32) for T in (32, 64, 128, 256, 512)], "B": [(128, B) for B in (8, 16, 32, 64, 128)]}
ROUNDS = 7


def training_step(T, B):
    """A function that does one step on sequences of this shape."""
    rng = np.random.default_rng(0)
    model = Sequential([LSTM(V, H, rng), Linear(H, V, rng)])
    adam = Adam(model.params, model.grads)
    x, t = rng.integers(0, V, (2, T, B))

    def step():
        loss, da = softmax_cross_entropy(model.forward(x), t)
        model.zero_grad()
        model.backward(da, need_dx=False)
        adam.step()

    return step


def measure(T, B):
    """Milliseconds and megabytes of one step."""
    tracemalloc.start()
    step = training_step(T, B)
    held, _ = tracemalloc.get_traced_memory()
    step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return {"T": T, "B": B, "ms": statistics.median(times) * 1e3, "mb": (peak - held) / 1e6}


def draw(rows, path):
    """A picture of both series: time and memory against T and against B."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for panel, (letter, series) in zip(panels, rows.items(), strict=True):
        n = [row[letter] for row in series]
        panel.plot(n, [row["ms"] for row in series], "o-", color="tab:blue")
        panel.set(xlabel=f"{letter}, with {'B = 32' if letter == 'T' else 'T = 128'}", xlim=0, ylim=0)
        panel.set_ylabel("milliseconds per training step", color="tab:blue")
        other = panel.twinx()
        other.plot(n, [row["mb"] for row in series], "s--", color="tab:red")
        other.set_ylabel("megabytes", color="tab:red")
        other.set_ylim(0)
    figure.suptitle(f"LSTM, V = {V}, H = {H}")
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=120)
    pyplot.close(figure)


def main(argv=None):
    """Measure, print and draw."""
    parser = command.parser("scaling", __doc__)
    parser.add_argument("--out", default="scaling.png", help="the picture")
    arguments = parser.parse_args(argv)
    training_step(8, 8)()  # compiles
    rows = {letter: [measure(T, B) for T, B in shapes] for letter, shapes in SHAPES.items()}
    for series in rows.values():
        for row in series:
            each = row["ms"] / (row["T"] * row["B"]) * 1e3
            shape = f"T = {row['T']:3}  B = {row['B']:3}"
            print(f"{shape}  {row['ms']:8.1f} ms  {each:6.2f} us per token  {row['mb']:7.1f} MB")
    draw(rows, arguments.out)
    command.save(arguments.json, rows)


if __name__ == "__main__":
    main()
