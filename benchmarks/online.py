"""Learning one time step at a time: cell blocks by truncated RTRL against a PyTorch LSTMCell, side by side.

    python -m benchmarks.online [--json PATH]

The task is Experiment 1 of the blues (12 inputs, 8 cells, 12 outputs, weights changed after every time step,
momentum 0.9). PyTorch's LSTMCell has 8 cells and a Linear on top; its state is cut from the graph after each
step, so that its gradient is truncated, too. One thread each, measured in turns; medians. Without PyTorch its
column is empty.
"""

import statistics
import time

import numpy as np

from benchmarks import command
from encoders.tokens.blues import encode_chords
from experiments.blues.recipes import RECIPES, chord_wiring, make_network

ROUNDS = 15
OURS, THEIRS = 200, 2  # choruses per round


def ours():
    """A function that learns from some choruses, and the number of time steps of one call."""
    network = make_network(RECIPES["paper"], chord_wiring(RECIPES["paper"]), np.random.default_rng(0))
    x = np.tile(encode_chords().astype(float), (OURS, 1))
    t = np.roll(x, -1, 0)
    return lambda: network.learn_online(x, t, 1e-5, 0.9), len(x)


def theirs():
    """The same for PyTorch, or None if it is not installed."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    torch.manual_seed(0)
    cell, linear = torch.nn.LSTMCell(12, 8, dtype=torch.float64), torch.nn.Linear(8, 12, dtype=torch.float64)
    sgd = torch.optim.SGD([*cell.parameters(), *linear.parameters()], lr=1e-5, momentum=0.9)
    x = torch.from_numpy(np.tile(encode_chords().astype(float), (THEIRS, 1)))
    t = torch.roll(x, -1, 0)

    def learn():
        h = c = torch.zeros(1, 8, dtype=torch.float64)
        for now in range(len(x)):
            h, c = cell(x[now : now + 1], (h.detach(), c.detach()))
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                linear(h), t[now : now + 1], reduction="sum"
            )
            sgd.zero_grad()
            loss.backward()
            sgd.step()

    return learn, len(x)


def microseconds(job):
    """Time of one call, per time step."""
    learn, steps = job
    began = time.perf_counter()
    learn()
    return (time.perf_counter() - began) / steps * 1e6


def main(argv=None):
    """Measure and print; with --json also write the figures to a file."""
    arguments = command.parser("online", __doc__).parse_args(argv)
    jobs = {"scratchnet": ours(), "PyTorch": theirs()}
    jobs = {name: job for name, job in jobs.items() if job}
    times = {name: [] for name in jobs}
    for job in jobs.values():
        microseconds(job)  # compiles, and warms up
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            times[name].append(microseconds(job))
    row = {"case": "blues experiment 1, online, float64"}
    for name in times:
        row[f"{name.lower()}_us_per_step"] = statistics.median(times[name])
        median, least = statistics.median(times[name]), min(times[name])
        print(f"{name:11} {median:8.2f} us per time step (least {least:.2f})")
    if "PyTorch" in times:
        row["ratio"] = row["pytorch_us_per_step"] / row["scratchnet_us_per_step"]
        print(f"ratio       {row['ratio']:8.0f}")
    command.save(arguments.json, [row])


if __name__ == "__main__":
    main()
