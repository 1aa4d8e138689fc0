"""The cases in PyTorch: nn.LSTM, nn.GRU, nn.RNN, eager, with and without oneDNN ("mkldnn"); fused Adam."""

import numpy as np
import torch
from torch import nn

from benchmarks.cases import LR

RECURRENT = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
NAME, VERSION = "PyTorch", torch.__version__


class Attention(nn.Linear):
    """[h_t, c_t], c_t = sum_k<=t exp(e_k) h_k / sum_k<=t exp(e_k), e = tanh(w h + b), by running sums."""

    def __init__(self, H):
        super().__init__(H, 1)

    def forward(self, h):
        weight = torch.exp(torch.tanh(super().forward(h)))
        return torch.cat([h, torch.cumsum(weight * h, 0) / torch.cumsum(weight, 0)], -1)


class Network(nn.ModuleList):
    """The row of layers, with the names that nn.Sequential gives; (T, B, features)."""

    def __init__(self, case):
        layers = {
            "embedding": lambda: nn.Embedding(case.V, case.E),
            "recurrent": lambda: RECURRENT[case.layer](case.input_size, case.H, case.depth),
            "attention": lambda: Attention(case.H),
            "linear": lambda: nn.Linear(case.output_inputs, case.V),
        }
        super().__init__([layers[name]() for name in case.places])
        # rows of the unit matrix: the fastest way to make tokens one-hot vectors
        self.rows = torch.eye(case.V) if case.tokens and case.E is None else None

    def forward(self, x):
        if self.rows is not None:
            x = nn.functional.embedding(x, self.rows)
        for layer in self:
            x = layer(x)[0] if isinstance(layer, nn.RNNBase) else layer(x)
        return x


class Model:
    """One case.

    Parameters
    ----------
    case : Case
    weights : dict of arrays
    threads : how many cores PyTorch may use
    """

    def __init__(self, case, weights, threads):
        self.case, self.net = case, Network(case)
        self.modes = ("oneDNN", "no oneDNN")
        torch.set_num_threads(threads)
        self.net.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})
        self.adam = torch.optim.Adam(self.net.parameters(), LR, fused=True)
        self.use(self.modes[0])

    def use(self, mode):
        """Choose one of `modes` for the calls that follow."""
        self.mode = mode
        torch.backends.mkldnn.enabled = mode.startswith("oneDNN")

    def take(self, x, t):
        """Keep the data, (T, features, B) or (T, B), in this framework's own layout."""
        self.x, self.t = (
            torch.from_numpy(a if a.ndim == 2 else np.ascontiguousarray(a.transpose(0, 2, 1))) for a in (x, t)
        )

    def _loss(self, logits):
        if self.case.frames:
            loss = nn.functional.binary_cross_entropy_with_logits(logits, self.t, reduction="sum")
            return loss / (self.t.shape[0] * self.t.shape[1])
        return nn.functional.cross_entropy(logits.flatten(0, 1), self.t.flatten())

    def logits(self):
        """(T, V, B)"""
        with torch.inference_mode():
            return self.net(self.x).numpy().transpose(0, 2, 1)

    def gradients(self):
        """Loss and gradients by name, without a change of the weights."""
        self.adam.zero_grad()
        loss = self._loss(self.net(self.x))
        loss.backward()
        return loss.item(), {name: p.grad.numpy() for name, p in self.net.named_parameters()}

    def step(self):
        """One training step; returns the loss."""
        self.adam.zero_grad()
        loss = self._loss(self.net(self.x))
        loss.backward()
        self.adam.step()
        return loss.item()

    def hear(self, token, state):
        """Logits (B, V) after the tokens (B,), and the new state."""
        embedding, recurrent, linear = self.net
        h, state = recurrent(embedding(token)[None], state)
        return linear(h[0]), state

    @torch.inference_mode()
    def sample(self, start, steps, temperature=1.0):
        """Draw tokens (steps, B), each fed back, after the token `start` (B,)."""
        token, state = torch.from_numpy(start), None
        tokens = torch.empty((steps, len(start)), dtype=torch.int64)
        for t in range(steps):
            a, state = self.hear(token, state)
            if temperature != 1:
                a = a / temperature
            token = tokens[t] = torch.multinomial(torch.softmax(a, -1), 1)[:, 0]
        return tokens.numpy()


def multiply(a, b, out):
    """out = a b, for the machine's sgemm rate."""
    torch.mm(torch.from_numpy(a), torch.from_numpy(b), out=torch.from_numpy(out))
