"""The simple recurrent layer (Elman 1990): hidden units that see their own outputs of the step before.

The same on a page of NumPy: plain/rnn.py.

    symbol          what                                                shape of the array
    x               inputs: vectors, or tokens                          (T, D, B), or whole numbers (T, B)
    h               outputs of the hidden units, h(0) the initial ones  (T + 1, H, B)
    net             their net input                                     (T, H, B)
    W_ih, W_hh      weights from inputs and from hidden units           (H, D), (H, H)
    b_ih, b_hh      biases; two, as in PyTorch, of which only the sum matters
    d...            derivative of the loss by ...

Forward, t = 1..T:

    net(t) = W_ih x(t) + b_ih + W_hh h(t-1) + b_hh
    h(t)   = f(net(t))                                  f: tanh, relu or sigmoid

Backward (BPTT), t = T..1; dy comes from above; at t = T the derivative by the final state is added to dh:

    dh(t)   = dy(t) + W_hh^T dnet(t+1)
    dnet(t) = f'(net) dh(t)                             f': 1 - h^2;  1 where h > 0, else 0;  h (1 - h)
    dx(t)   = W_ih^T dnet(t)
    dW_ih   = sum_t dnet(t) x(t)^T      dW_hh = sum_t dnet(t) h(t-1)^T      db_ih = db_hh = sum_t,b dnet(t)

Every worker of a team owns some units for the whole sequence. All read h(t), and in the backward pass
dnet(t): one barrier round per step.

Memory of a forward and backward pass: T B (D + 2 H) numbers per layer (x, h, dnet), T B H each for dy and,
from the second layer on, dx.
"""

import numpy as np
from numpy.typing import DTypeLike

from scratchnet.arguments import one_of
from scratchnet.kernels import team
from scratchnet.kernels.activations import sigmoid, tanh
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.matmul import add_outer, add_product, recurrent_workers, transpose
from scratchnet.kernels.rows import flat
from scratchnet.kernels.team import barrier, worker_slice
from scratchnet.layers.recurrent import Recurrent, add_where_ended, net_input

TANH, RELU, SIGMOID = 0, 1, 2
NONLINEARITIES = {"tanh": TANH, "relu": RELU, "sigmoid": SIGMOID}


@kernel
def units_forward(h, f):
    """h <- f(h), for some units and all sequences; h holds their net inputs."""
    if f == TANH:
        for k in range(h.size):
            h[k] = tanh(h[k])
    elif f == RELU:
        zero = h.dtype.type(0)
        for k in range(h.size):
            h[k] = zero if h[k] <= zero else h[k]  # in this order NaN stays NaN
    else:
        for k in range(h.size):
            h[k] = sigmoid(h[k])


@kernel
def units_backward(h, dy, dh, dnet, f):
    """dnet = f'(net) (dy + dh)."""
    one, zero = h.dtype.type(1), h.dtype.type(0)
    if f == TANH:
        for k in range(h.size):
            dnet[k] = (one - h[k] * h[k]) * (dy[k] + dh[k])
    elif f == RELU:
        for k in range(h.size):
            dnet[k] = zero if h[k] <= zero else dy[k] + dh[k]
    else:
        for k in range(h.size):
            dnet[k] = h[k] * (one - h[k]) * (dy[k] + dh[k])


@kernel
def step(W_ih, W_hh, b, x, h_before, h, f, lo, hi):
    """One step of the units lo .. hi - 1: h from x and the outputs before."""
    net_input(W_ih, W_hh, b, x, h_before, h, lo, hi)
    units_forward(flat(h[lo:hi]), f)


@kernel
def forward(p, P, W_ih, W_hh, b, x, h, f, count):
    """Fill h (T + 1, H, B); h[0] is given."""
    lo, hi = worker_slice(p, P, h.shape[1])
    for t in range(len(x)):
        step(W_ih, W_hh, b, x[t], h[t], h[t + 1], f, lo, hi)
        barrier(count, P, t + 1)


@kernel
def backward(p, P, W_hhT, dy, h, lengths, dh_last, dh, dnet, f, count):
    """Fill dnet (T, H, B). dh (H, B), zeros at first, becomes the derivative by h[0]."""
    T, H, _ = dnet.shape
    lo, hi = worker_slice(p, P, H)
    for s in range(T):
        t = T - 1 - s
        add_where_ended(lengths, t, dh_last[lo:hi], dh[lo:hi])
        units_backward(flat(h[t + 1, lo:hi]), flat(dy[t, lo:hi]), flat(dh[lo:hi]), flat(dnet[t, lo:hi]), f)
        barrier(count, P, s + 1)
        flat(dh[lo:hi])[:] = 0
        add_product(W_hhT[lo:hi], dnet[t], dh[lo:hi])


class RNN(Recurrent):
    """One or more simple recurrent layers; `torch.nn.RNN` with features before the batch.

    Parameters
    ----------
    input_size, hidden_size, rng, num_layers, dropout, dtype : see recurrent.py
    nonlinearity : "tanh", "relu" or "sigmoid" (which PyTorch lacks)

    Attributes
    ----------
    params, grads : "weight_ih_l0" (H, D), "weight_hh_l0" (H, H), "bias_ih_l0", "bias_hh_l0" (H,), and so on
        for "_l1" ...

    The state is (h,), (num_layers, H, B).

    Raises
    ------
    ValueError
        If the nonlinearity is none of these, or as in recurrent.py.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        rng: np.random.Generator,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        dropout: float = 0.0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.nonlinearity = one_of(nonlinearity, "nonlinearity", NONLINEARITIES)
        super().__init__(input_size, hidden_size, rng, num_layers, dropout, dtype)

    def layer_forward(self, layer, W_ih, x, h, start):
        W_hh = self.params[f"weight_hh_l{layer}"]
        b = self.params[f"bias_ih_l{layer}"] + self.params[f"bias_hh_l{layer}"]
        f, workers = NONLINEARITIES[self.nonlinearity], recurrent_workers(W_hh, h.shape[2])
        team.run(forward, W_ih, W_hh, b, x, h, f, team.counter(), workers=workers)
        return ()

    def layer_backward(self, layer, dy, h, memory, last):
        W_hh = self.params[f"weight_hh_l{layer}"]
        T, H, B = dy.shape
        dnet = self.scratch(f"dnet{layer}", (T, H, B))
        dh = np.zeros((H, B), self.dtype)
        f, workers = NONLINEARITIES[self.nonlinearity], recurrent_workers(W_hh, B)
        job = transpose(W_hh), dy, h, self._ends, *last, dh, dnet, f, team.counter()
        team.run(backward, *job, workers=workers)
        add_outer(dnet, h[:-1], self.grads[f"weight_hh_l{layer}"], self.grads[f"bias_hh_l{layer}"])
        return dnet, [dh]
