"""PyTorch as a patient user tunes it where there is little work: one thread, and nn.LSTMCell to sample."""

import torch
from torch import nn

from benchmarks import side_torch
from benchmarks.side_torch import VERSION, multiply  # noqa: F401
from benchmarks.workers import Missing

LITTLE = 2e10  # operations a step, below which one thread may be faster
NAME = "PyTorch tuned"


class Model(side_torch.Model):
    """One case; see side_torch.Model. Raises Missing where nothing is tuned."""

    def __init__(self, case, weights, threads):
        if case.arithmetic >= LITTLE or threads == 1 and not case.sampling:
            raise Missing("nothing to tune here")
        self.threads = threads
        super().__init__(case, weights, threads)
        self.modes = tuple(f"{mode}, 1 thread" for mode in self.modes)
        if case.sampling:
            self.modes += ("LSTMCell, 1 thread", "LSTMCell")
            self.cell = nn.LSTMCell(case.input_size, case.H)
            place = case.places["recurrent"]
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                setattr(self.cell, name, nn.Parameter(torch.from_numpy(weights[f"{place}.{name}_l0"])))
        self.use(self.modes[0])

    def use(self, mode):
        super().use(mode)
        torch.set_num_threads(1 if mode.endswith("1 thread") else self.threads)

    def hear(self, token, state):
        if not self.mode.startswith("LSTMCell"):
            return super().hear(token, state)
        embedding, _, linear = self.net
        state = self.cell(embedding(token), state)
        return linear(state[0]), state
