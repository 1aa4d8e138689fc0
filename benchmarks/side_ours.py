"""The cases in scratchnet."""

import numpy as np

import scratchnet
from benchmarks.cases import LR
from scratchnet import (
    GRU,
    LSTM,
    RNN,
    Adam,
    Attention,
    BatchNorm,
    Conv1D,
    Embedding,
    Linear,
    Nonlinearity,
    SeparableConv1D,
    Sequential,
    sample,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)
from scratchnet.kernels import team
from scratchnet.kernels.matmul import apply

RECURRENT = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
NAME, VERSION = "scratchnet", scratchnet.__version__


def network(case):
    """The row of layers; its weights are still to be loaded."""
    rng = np.random.default_rng(0)
    convolution = SeparableConv1D if case.separable else Conv1D
    layers = {
        "convolution": lambda: convolution(case.data_size, case.C, case.K, rng),
        "relu": lambda: Nonlinearity("relu"),
        "norm": lambda: BatchNorm(case.input_size),
        "embedding": lambda: Embedding(case.V, case.E, rng),
        "recurrent": lambda: RECURRENT[case.layer](case.input_size, case.H, rng, num_layers=case.depth),
        "attention": lambda: Attention(case.H, rng),
        "linear": lambda: Linear(case.output_inputs, case.V, rng),
    }
    return Sequential([layers[name]() for name in case.places])


class Model:
    """One case; see side_torch.Model."""

    modes = ("team",)

    def __init__(self, case, weights, threads):
        team.set_size(threads)
        self.loss = sigmoid_cross_entropy if case.frames else softmax_cross_entropy
        self.case, self.net = case, network(case)
        self.net.load_state_dict(self.net.buffers | weights)
        self.adam = Adam(self.net.params, self.net.grads, LR)
        self.rng = np.random.default_rng(0)

    def use(self, mode):
        pass

    def take(self, x, t):
        self.x, self.t = x, t

    def logits(self):
        return self.net.forward(self.x)

    def gradients(self):
        self.net.zero_grad()
        loss, da = self.loss(self.net.forward(self.x), self.t)
        self.net.backward(da, need_dx=False)
        return float(loss), self.net.grads

    def step(self):
        loss, _ = self.gradients()
        self.adam.step()
        return loss

    def sample(self, start, steps, temperature=1.0):
        return sample(self.net, start, steps, self.rng, temperature=temperature)[0]


def multiply(a, b, out):
    """As many operations as out = a b, for the sgemm rate: the columns of b as steps of 64 sequences."""
    (M, K), N = a.shape, b.shape[1]
    B = 64 if N % 64 == 0 else N
    apply(a, b.reshape(N // B, K, B), np.zeros(M, a.dtype), out.reshape(N // B, M, B))
