"""What is compared: the networks, their sizes, weights and data, the same arrays for every framework.

A case is a stack of recurrent layers between an optional embedding, or convolution, and a linear layer. There
may be no recurrent layer, and batch normalisation after the convolution or in its place. Weights carry the
names and shapes of the equal torch.nn.Sequential ("1.weight_hh_l0" (4H, H)), data the shapes of scratchnet.

    tokens    x (T, B) integers below V             t (T, B)         softmax cross-entropy
    vectors   x (T, D, B)                           t (T, B)         softmax cross-entropy
    frames    x (T, D, B) of zeros and ones, V = D  t (T, D, B)      sigmoid cross-entropy, summed over D
    sampling  one token at a time, T of them for each of B sequences, each drawn and fed back
"""

from dataclasses import dataclass

import numpy as np

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
LR = 1e-3  # of Adam


@dataclass(frozen=True)
class Case:
    """One row of the table. Letters: T time, B batch, D inputs, H hidden units, V vocabulary, E embedding.

    Without E, tokens are one-hot vectors. D is given for inputs that are vectors. With C there is a
    convolution, C outputs, K steps wide, without padding, then relu; what follows has T - K + 1 steps.
    """

    name: str
    V: int
    H: int
    B: int
    T: int
    E: int | None = None
    D: int | None = None
    layer: str = "lstm"
    depth: int = 1
    attention: bool = False
    frames: bool = False
    sampling: bool = False
    C: int | None = None
    K: int = 1
    separable: bool = False
    norm: bool = False

    @property
    def tokens(self):
        """Whether the inputs are tokens."""
        return self.D is None

    @property
    def data_size(self):
        """Inputs of the first layer that is not an embedding."""
        return self.D or self.E or self.V

    @property
    def input_size(self):
        """Inputs of the first recurrent layer."""
        return self.C or self.data_size

    @property
    def output_inputs(self):
        """Inputs of the linear layer: with attention the units and their context."""
        units = self.H if self.depth else self.input_size
        return 2 * units if self.attention else units

    @property
    def places(self):
        """Number of each layer in the row of layers: {"embedding": 0, "recurrent": 1, ...}."""
        names = ["embedding"] * (self.E is not None) + ["convolution", "relu"] * (self.C is not None)
        names += ["norm"] * self.norm + ["recurrent"] * (self.depth > 0) + ["attention"] * self.attention
        names += ["linear"]
        return {name: place for place, name in enumerate(names)}

    @property
    def units(self):
        """By what the time of one call of `step` is divided: sampling is timed per token."""
        return self.T if self.sampling else 1

    def weights(self):
        """The initial weights, by name, float32; the same in every process."""
        rng = np.random.default_rng(1)
        gates, H, D, C = GATES[self.layer] * self.H, self.H, self.data_size, self.C
        shapes = {}
        for layer, place in self.places.items():
            if layer == "recurrent":
                for n in range(self.depth):
                    shapes[f"{place}.weight_ih_l{n}"] = (gates, H if n else self.input_size)
                    shapes[f"{place}.weight_hh_l{n}"] = (gates, H)
                    shapes[f"{place}.bias_ih_l{n}"] = shapes[f"{place}.bias_hh_l{n}"] = (gates,)
            elif layer == "embedding":
                shapes[f"{place}.weight"] = (self.V, self.E)
            elif layer == "convolution" and self.separable:
                shapes[f"{place}.depthwise.weight"] = (D, 1, self.K)
                shapes[f"{place}.pointwise.weight"], shapes[f"{place}.pointwise.bias"] = (C, D, 1), (C,)
            elif layer == "convolution":
                shapes[f"{place}.weight"], shapes[f"{place}.bias"] = (C, D, self.K), (C,)
            elif layer == "norm":
                shapes[f"{place}.weight"] = shapes[f"{place}.bias"] = (self.input_size,)
            elif layer in ("attention", "linear"):
                rows, columns = (1, H) if layer == "attention" else (self.V, self.output_inputs)
                shapes[f"{place}.weight"], shapes[f"{place}.bias"] = (rows, columns), (rows,)
        bound = 1 / np.sqrt(H or self.input_size)
        return {name: rng.uniform(-bound, bound, shape).astype(np.float32) for name, shape in shapes.items()}

    def data(self, T=None, B=None):
        """x and t; the same in every process. T and B may be given to be smaller.

        After a convolution t has T - K + 1 steps: each output has seen K inputs, the last of them now.
        """
        rng = np.random.default_rng(2)
        T, B = max(T or self.T, self.K), B or self.B
        if self.frames:
            x = (rng.random((T + 1, self.D, B)) < 0.05).astype(np.float32)
            return x[:-1].copy(), x[1:].copy()
        tokens = rng.integers(0, self.V, (T + 1, B))
        t = tokens[self.K :].copy()
        if self.tokens:
            return tokens[:-1].copy(), t
        return rng.standard_normal((T, self.D, B), np.float32), t

    @property
    def arithmetic(self):
        """Floating-point operations of the matrix products that one call of `step` needs at least.

        A training step: one product forward, one for the gradient of the inputs, one for that of the weights.
        The first layer needs none for tokens (a column of a table is picked), and none for the gradient of
        the data.
        """
        products = 1 if self.sampling else 3
        first = 0 if self.tokens else min(products, 2)
        gates, convolved = GATES[self.layer] * self.H, self.C is not None
        numbers = products * max(0, 2 * self.depth - 1) * gates * self.H
        if convolved and self.separable:
            numbers += first * self.data_size * self.K + products * self.C * self.data_size
        elif convolved:
            numbers += first * self.C * self.data_size * self.K
        if self.depth:
            numbers += (products if convolved else first) * gates * self.input_size
        numbers += products * self.output_inputs * self.V
        return 2 * numbers * (self.T - self.K + 1) * self.B


CASES = {
    case.name: case
    for case in (
        Case("piano LSTM", V=300, E=300, H=512, B=64, T=128),
        Case("piano RNN", V=300, E=300, H=512, B=64, T=128, layer="rnn"),
        Case("piano LSTM + attention", V=300, E=300, H=512, B=64, T=128, attention=True),
        Case("folk LSTM", V=83, E=256, H=1024, B=32, T=400),
        Case("classical baseline", V=300, H=256, B=64, T=100, depth=4),
        Case("classical GRU", V=300, D=128, H=256, B=64, T=100, layer="gru"),
        Case("classical conv + GRU", V=300, C=128, K=3, H=256, B=64, T=100, layer="gru", depth=2),
        Case("classical conv", V=16, D=256, C=256, K=3, H=0, depth=0, B=64, T=100),
        Case("classical conv, 5 wide", V=16, D=300, C=256, K=5, H=0, depth=0, B=64, T=100),
        Case("classical conv, one input", V=16, D=1, C=128, K=3, H=0, depth=0, B=64, T=100),
        Case("classical separable conv", V=16, D=256, C=128, K=3, H=0, depth=0, B=64, T=100, separable=True),
        Case("batch norm", V=16, D=256, H=0, depth=0, B=64, T=100, norm=True),
        Case("small", V=25, E=25, H=32, B=8, T=96),
        Case("frames", V=88, D=88, H=200, B=16, T=128, frames=True),
        Case("sampling 512", V=300, E=300, H=512, B=1, T=1000, sampling=True),
        Case("sampling 1024", V=300, E=300, H=1024, B=1, T=1000, sampling=True),
        Case("sampling 64 x 512", V=300, E=300, H=512, B=64, T=200, sampling=True),
    )
}
