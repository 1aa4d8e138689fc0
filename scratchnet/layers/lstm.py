"""Long short-term memory (Hochreiter & Schmidhuber 1997), with the forget gate of Gers et al. (2000).

The same on a page of NumPy: plain/lstm.py.

    symbol          what                                                shape of the array
    x               inputs: vectors, or tokens                          (T, D, B), or whole numbers (T, B)
    h               outputs of the cells, h(0) the initial ones         (T + 1, H, B)
    c               states of the cells, c(0) the initial ones          (T + 1, H, B)
    i f g o         input gate, forget gate, cell input, output gate    together z, (T, 4 H, B)
    W_ih, W_hh      weights from inputs and from outputs, in the order i, f, g, o      (4 H, D), (4 H, H)
    b_ih, b_hh      biases; two, as in PyTorch, of which only the sum matters          (4 H,), (4 H,)
    p_i p_f p_o     peepholes (Gers & Schmidhuber 2000; Graves 2013), an option        (H,) each
    d...            derivative of the loss by ...

Forward, t = 1..T (* element by element; b = b_ih + b_hh):

    i(t) = sigmoid(W_i x(t) + R_i h(t-1) + b_i [+ p_i * c(t-1)])        W_i .. W_o: the blocks of W_ih,
    f(t) = sigmoid(W_f x(t) + R_f h(t-1) + b_f [+ p_f * c(t-1)])        R_i .. R_o: those of W_hh
    g(t) =    tanh(W_g x(t) + R_g h(t-1) + b_g)
    c(t) = f(t) * c(t-1) + i(t) * g(t)
    o(t) = sigmoid(W_o x(t) + R_o h(t-1) + b_o [+ p_o * c(t)])
    h(t) = o(t) * tanh(c(t))

Backward (BPTT), t = T..1; dy comes from above, dnet is the derivative by a gate's net input:

    dh(t)     = dy(t) + W_hh^T dnet(t+1)                        and at t = T the derivative by the final h
    dnet_o(t) = dh(t) * tanh(c(t)) * o (1 - o)
    dc(t)     = dh(t) * o * (1 - tanh(c(t))^2) + dc(t+1) * f(t+1)     [+ p_o * dnet_o(t)
                                                        + p_i * dnet_i(t+1) + p_f * dnet_f(t+1)]
    dnet_i(t) = dc(t) * g * i (1 - i)
    dnet_f(t) = dc(t) * c(t-1) * f (1 - f)
    dnet_g(t) = dc(t) * i * (1 - g^2)
    dW_ih = sum_t dnet(t) x(t)^T     dW_hh = sum_t dnet(t) h(t-1)^T     db_ih = db_hh = sum_t,b dnet(t)
    [dp_i = sum_t,b dnet_i(t) c(t-1)    dp_f = sum_t,b dnet_f(t) c(t-1)    dp_o = sum_t,b dnet_o(t) c(t)]
    dx(t) = W_ih^T dnet(t)

Every worker of a team owns some cells for the whole sequence: their rows of each gate. Only h(t), and in the
backward pass dnet(t), are read by all: one barrier round per step.

Memory of a forward and backward pass: T B (D + 6 H) numbers per layer (x, z, h, c; tanh(c) is recomputed, and
dnet overwrites z), T B H each for dy and, from the second layer on, dx.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from scratchnet.arguments import flag
from scratchnet.kernels import team
from scratchnet.kernels.activations import sigmoid, tanh
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.matmul import add_outer, add_product, recurrent_workers, transpose
from scratchnet.kernels.rows import add_scaled, dot, flat
from scratchnet.kernels.team import barrier, worker_slice
from scratchnet.layers.recurrent import Recurrent, add_where_ended, net_input


class StateGradient(NamedTuple):
    """The derivatives by a state."""

    h: np.ndarray  # (H, B)
    c: np.ndarray  # (H, B)


@kernel
def state_forward(i, f, g, c_before, c):
    """Net inputs -> activations of three gates, in place, and the new state; some cells, all sequences."""
    for k in range(c.size):
        i[k] = sigmoid(i[k])
        f[k] = sigmoid(f[k])
        g[k] = tanh(g[k])
        c[k] = f[k] * c_before[k] + i[k] * g[k]


@kernel
def output_forward(o, c, h):
    """Net input -> activation of the output gate, in place, and the output."""
    for k in range(h.size):
        o[k] = sigmoid(o[k])
        h[k] = o[k] * tanh(c[k])


@kernel
def output_backward(dy, dh, c, o, dc):
    """o becomes dnet_o; dc, which held dc(t+1) * f(t+1), becomes dc(t)."""
    one = o.dtype.type(1)
    for k in range(o.size):
        d, tanh_c, gate = dy[k] + dh[k], tanh(c[k]), o[k]
        dc[k] += d * gate * (one - tanh_c * tanh_c)
        o[k] = d * tanh_c * gate * (one - gate)


@kernel
def state_backward(i, f, g, c_before, dc):
    """i, f, g become their dnet; dc becomes dc(t) * f(t), which goes to the step before."""
    one = i.dtype.type(1)
    for k in range(i.size):
        d, gate_i, gate_f, gate_g = dc[k], i[k], f[k], g[k]
        i[k] = d * gate_g * gate_i * (one - gate_i)
        f[k] = d * c_before[k] * gate_f * (one - gate_f)
        g[k] = d * gate_i * (one - gate_g * gate_g)
        dc[k] = d * gate_f


@kernel
def add_peephole(p, source, target):
    """target += p * source, for some cells (rows, B)."""
    for k in range(p.size):
        add_scaled(p[k], source[k], target[k])


@kernel
def add_peephole_gradient(dnet, c, dp):
    """dp += sum_b dnet * c, for some cells (rows, B)."""
    for k in range(dp.size):
        dp[k] += dot(dnet[k], c[k])


@kernel
def step(W_ih, W_hh, b, peephole, x, h_before, c_before, z, c, h, lo, hi):
    """One step of the cells lo .. hi - 1: z, c and h from x and the state before."""
    H = len(h)
    net_input(W_ih, W_hh, b, x, h_before, z, lo, hi)
    i, f, g, o = z[lo:hi], z[H + lo : H + hi], z[2 * H + lo : 2 * H + hi], z[3 * H + lo : 3 * H + hi]
    if len(peephole) > 0:
        add_peephole(peephole[0, lo:hi], c_before[lo:hi], i)
        add_peephole(peephole[1, lo:hi], c_before[lo:hi], f)
    state_forward(flat(i), flat(f), flat(g), flat(c_before[lo:hi]), flat(c[lo:hi]))
    if len(peephole) > 0:
        add_peephole(peephole[2, lo:hi], c[lo:hi], o)
    output_forward(flat(o), flat(c[lo:hi]), flat(h[lo:hi]))


@kernel
def forward(p, P, W_ih, W_hh, b, peephole, x, z, c, h, count):
    """Fill z, c and h; c[0] and h[0] are given. peephole (3, H), or (0, H) for no peepholes."""
    lo, hi = worker_slice(p, P, h.shape[1])
    for t in range(len(z)):
        step(W_ih, W_hh, b, peephole, x[t], h[t], c[t], z[t], c[t + 1], h[t + 1], lo, hi)
        barrier(count, P, t + 1)


@kernel
def backward(p, P, W_hhT, peephole, dy, z, c, lengths, dlast, dstate, dpeephole, count):
    """z becomes dnet. dstate, zeros at first, becomes the derivatives by h[0] and c[0].

    dlast: derivatives by the final state. dpeephole (3, H) is added to.
    """
    dh, dc = dstate.h, dstate.c
    T, H = z.shape[0], dh.shape[0]
    lo, hi = worker_slice(p, P, H)
    for s in range(T):
        t = T - 1 - s
        add_where_ended(lengths, t, dlast.h[lo:hi], dh[lo:hi])
        add_where_ended(lengths, t, dlast.c[lo:hi], dc[lo:hi])
        i, f, g = z[t, lo:hi], z[t, H + lo : H + hi], z[t, 2 * H + lo : 2 * H + hi]
        o = z[t, 3 * H + lo : 3 * H + hi]
        output_backward(flat(dy[t, lo:hi]), flat(dh[lo:hi]), flat(c[t + 1, lo:hi]), flat(o), flat(dc[lo:hi]))
        if len(peephole) > 0:
            add_peephole(peephole[2, lo:hi], o, dc[lo:hi])
            add_peephole_gradient(o, c[t + 1, lo:hi], dpeephole[2, lo:hi])
        state_backward(flat(i), flat(f), flat(g), flat(c[t, lo:hi]), flat(dc[lo:hi]))
        if len(peephole) > 0:
            add_peephole(peephole[0, lo:hi], i, dc[lo:hi])
            add_peephole(peephole[1, lo:hi], f, dc[lo:hi])
            add_peephole_gradient(i, c[t, lo:hi], dpeephole[0, lo:hi])
            add_peephole_gradient(f, c[t, lo:hi], dpeephole[1, lo:hi])
        barrier(count, P, s + 1)
        flat(dh[lo:hi])[:] = 0
        add_product(W_hhT[lo:hi], z[t], dh[lo:hi])


class LSTM(Recurrent):
    """One or more layers of LSTM cells; `torch.nn.LSTM` with features before the batch.

    Parameters
    ----------
    input_size, hidden_size, rng, num_layers, dropout, dtype : see recurrent.py
    peepholes : whether the gates see the states of their cells

    Attributes
    ----------
    params, grads : "weight_ih_l0" (4 H, D), "weight_hh_l0" (4 H, H), "bias_ih_l0", "bias_hh_l0" (4 H,), and
        so on for "_l1" ...; with peepholes "peephole_l0" (3, H), which PyTorch lacks: p_i, p_f, p_o

    The state is (h, c), each (num_layers, H, B).
    """

    gates = 4
    states = ("h", "c")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        rng: np.random.Generator,
        num_layers: int = 1,
        dropout: float = 0.0,
        peepholes: bool = False,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.peepholes = flag(peepholes, "peepholes")
        super().__init__(input_size, hidden_size, rng, num_layers, dropout, dtype)

    def _shapes(self, layer):
        shapes = super()._shapes(layer)
        return {**shapes, "peephole": (3, self.hidden_size)} if self.peepholes else shapes

    def _peephole(self, arrays, layer):
        return arrays[f"peephole_l{layer}"] if self.peepholes else np.empty((0, self.hidden_size), self.dtype)

    def layer_forward(self, layer, W_ih, x, h, start):
        T, H, B = len(x), self.hidden_size, h.shape[2]
        z, c = self.scratch(f"z{layer}", (T, 4 * H, B)), self.scratch(f"c{layer}", (T + 1, H, B))
        c[0] = start[0]
        W_hh = self.params[f"weight_hh_l{layer}"]
        b = self.params[f"bias_ih_l{layer}"] + self.params[f"bias_hh_l{layer}"]
        peephole = self._peephole(self.params, layer)
        workers = recurrent_workers(W_hh, B)
        team.run(forward, W_ih, W_hh, b, peephole, x, z, c, h, team.counter(), workers=workers)
        return c, z

    def layer_backward(self, layer, dy, h, memory, last):
        c, z = memory
        H, B = self.hidden_size, h.shape[2]
        W_hhT = transpose(self.params[f"weight_hh_l{layer}"])
        dstate = StateGradient(np.zeros((H, B), self.dtype), np.zeros((H, B), self.dtype))
        peephole, dpeephole = self._peephole(self.params, layer), self._peephole(self.grads, layer)
        job = W_hhT, peephole, dy, z, c, self._ends, StateGradient(*last), dstate, dpeephole, team.counter()
        team.run(backward, *job, workers=recurrent_workers(W_hhT, B))
        add_outer(z, h[:-1], self.grads[f"weight_hh_l{layer}"], self.grads[f"bias_hh_l{layer}"])
        return z, list(dstate)
