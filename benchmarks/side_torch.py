"""The cases in PyTorch: nn.LSTM, nn.GRU, nn.RNN, eager, with and without oneDNN ("mkldnn"); fused Adam.

Convolutions and what comes with them work on (B, features, T), as nn.Conv1d wants it, or "channels last":
the same tensors with the features side by side in memory, by nn.functional.conv2d with a height of 1.
"""

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


class SeparableConv1d(nn.Module):
    """Depthwise, then pointwise."""

    def __init__(self, D, C, K):
        super().__init__()
        self.depthwise, self.pointwise = nn.Conv1d(D, D, K, groups=D, bias=False), nn.Conv1d(D, C, 1)

    def forward(self, x):
        return self.pointwise(self.depthwise(x))


def convolve_last(layer, x):
    """layer(x) of a convolution, by one of two dimensions: PyTorch's memory format needs both."""
    for part in layer.children() if isinstance(layer, SeparableConv1d) else [layer]:
        x = nn.functional.conv2d(x[:, :, None], part.weight[:, :, None], part.bias, groups=part.groups)[
            :, :, 0
        ]
    return x


class Network(nn.ModuleList):
    """The row of layers, with the names that nn.Sequential gives; (T, B, features).

    With a convolution or batch normalisation the input is (B, features, T).
    """

    def __init__(self, case):
        convolution = SeparableConv1d if case.separable else nn.Conv1d
        layers = {
            "convolution": lambda: convolution(case.data_size, case.C, case.K),
            "relu": nn.ReLU,
            "norm": lambda: nn.BatchNorm1d(case.input_size),
            "embedding": lambda: nn.Embedding(case.V, case.E),
            "recurrent": lambda: RECURRENT[case.layer](case.input_size, case.H, case.depth),
            "attention": lambda: Attention(case.H),
            "linear": lambda: nn.Linear(case.output_inputs, case.V),
        }
        super().__init__([layers[name]() for name in case.places])
        # rows of the unit matrix: the fastest way to make tokens one-hot vectors
        self.rows = torch.eye(case.V) if case.tokens and case.E is None else None
        self.features_first = sum(layer in ("convolution", "relu", "norm") for layer in case.places)
        self.channels_last = False

    def forward(self, x):
        if self.rows is not None:
            x = nn.functional.embedding(x, self.rows)
            if self.features_first:
                x = x.transpose(1, 2) if self.channels_last else x.transpose(1, 2).contiguous()
        for n, layer in enumerate(self):
            if self.channels_last and isinstance(layer, nn.Conv1d | SeparableConv1d):
                x = convolve_last(layer, x)
            else:
                x = layer(x)[0] if isinstance(layer, nn.RNNBase) else layer(x)
            if n + 1 == self.features_first:
                x = x.permute(2, 0, 1)
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
        self.case, self.net, self.data = case, Network(case), None
        self.modes = ("oneDNN", "no oneDNN")
        if case.C:
            self.modes += ("oneDNN, channels last",)
        torch.set_num_threads(threads)
        given = {name: torch.from_numpy(w) for name, w in weights.items()}
        self.net.load_state_dict(self.net.state_dict() | given)
        self.adam = torch.optim.Adam(self.net.parameters(), LR, fused=True)
        self.use(self.modes[0])

    def use(self, mode):
        """Choose one of `modes` for the calls that follow."""
        self.mode = mode
        torch.backends.mkldnn.enabled = mode.startswith("oneDNN")
        if self.net.channels_last != ("channels last" in mode):
            self.net.channels_last = "channels last" in mode
            if self.data is not None:
                self.take(*self.data)

    def take(self, x, t):
        """Keep the data, (T, features, B) or (T, B), in this framework's own layout."""
        self.data = x, t
        self.x, self.t = (
            torch.from_numpy(a if a.ndim == 2 else np.ascontiguousarray(a.transpose(0, 2, 1))) for a in (x, t)
        )
        if self.net.features_first:
            self.x = self._batch_first(self.x)

    def _batch_first(self, x):
        """(B, T) of (T, B), or (B, D, T) of (T, B, D) in the memory format of the mode."""
        x = x.transpose(0, 1).contiguous()
        if x.ndim == 3:
            x = x.transpose(1, 2)
        return x if self.net.channels_last else x.contiguous()

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
