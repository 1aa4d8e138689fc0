"""The gated recurrent unit (Cho et al. 2014), in cuDNN's and PyTorch's form: the reset gate acts after R_n h.

The same on a page of NumPy: plain/gru.py.

    symbol          what                                                shape of the array
    x               inputs: vectors, or tokens                          (T, D, B), or whole numbers (T, B)
    h               outputs of the units, h(0) the initial ones         (T + 1, H, B)
    r u n           reset gate, update gate (PyTorch's z), candidate    together z, (T, 3 H, B)
    q               the candidate's net input from the units            (T, H, B)
    W_ih, W_hh      weights from inputs and from outputs, in the order r, u, n         (3 H, D), (3 H, H)
    b_ih, b_hh      biases                                                             (3 H,), (3 H,)
    d...            derivative of the loss by ...

Forward, t = 1..T (* element by element; W_r, R_r, b_r, s_r ...: the blocks of W_ih, W_hh, b_ih, b_hh):

    r(t) = sigmoid(W_r x(t) + b_r + R_r h(t-1) + s_r)
    u(t) = sigmoid(W_u x(t) + b_u + R_u h(t-1) + s_u)
    q(t) = R_n h(t-1) + s_n
    n(t) = tanh(W_n x(t) + b_n + r(t) * q(t))
    h(t) = (1 - u(t)) * n(t) + u(t) * h(t-1)

(In Cho et al. the reset gate acts on h(t-1) itself, R_n (r * h), and u and 1 - u are swapped.)

Backward (BPTT), t = T..1; dy comes from above, dnet is the derivative by a gate's net input:

    dh(t)     = dy(t) + u(t+1) * dh(t+1) + W_hh^T [dnet_r; dnet_u; dq](t+1)     and at t = T by the final h
    dnet_u(t) = dh(t) * (h(t-1) - n) * u (1 - u)
    dnet_n(t) = dh(t) * (1 - u) * (1 - n^2)
    dq(t)     = dnet_n(t) * r
    dnet_r(t) = dnet_n(t) * q * r (1 - r)
    dW_ih = sum_t [dnet_r; dnet_u; dnet_n] x(t)^T           db_ih = sum_t,b [dnet_r; dnet_u; dnet_n]
    dW_hh = sum_t [dnet_r; dnet_u; dq] h(t-1)^T             db_hh = sum_t,b [dnet_r; dnet_u; dq]
    dx(t) = W_ih^T [dnet_r; dnet_u; dnet_n]

Every worker of a team owns some units for the whole sequence; one barrier round per step.

Memory of a forward and backward pass: T B (D + 5 H) numbers per layer (x, z, q, h; derivatives overwrite z
and q), T B H each for dy and, from the second layer on, dx.
"""

import numpy as np

from scratchnet.kernels import team
from scratchnet.kernels.activations import sigmoid, tanh
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.matmul import add_outer, add_product, recurrent_workers, transpose
from scratchnet.kernels.rows import fill_rows, flat
from scratchnet.kernels.team import barrier, worker_slice
from scratchnet.layers.recurrent import Recurrent, add_where_ended, net_input


@kernel
def units_forward(r, u, n, q, h_before, h):
    """Net inputs -> activations of r, u, n, in place, and the outputs; some units, all sequences."""
    for k in range(h.size):
        r[k] = sigmoid(r[k])
        u[k] = sigmoid(u[k])
        n[k] = tanh(n[k] + r[k] * q[k])
        h[k] = n[k] + u[k] * (h_before[k] - n[k])


@kernel
def units_backward(r, u, n, q, h_before, dy, dh):
    """r, u, n become their dnet, q becomes dq; dh becomes dh(t) * u(t), which goes to the step before."""
    one = r.dtype.type(1)
    for k in range(r.size):
        d, gate_r, gate_u, candidate = dy[k] + dh[k], r[k], u[k], n[k]
        dn = d * (one - gate_u) * (one - candidate * candidate)
        u[k] = d * (h_before[k] - candidate) * gate_u * (one - gate_u)
        n[k] = dn
        r[k] = dn * q[k] * gate_r * (one - gate_r)
        q[k] = dn * gate_r
        dh[k] = d * gate_u


@kernel
def step(W_ih, W_hh, b_ih, b_hh, x, h_before, z, q, h, lo, hi):
    """One step of the units lo .. hi - 1: z, q and h from x and the outputs before.

    b_ih: from `step_biases`; b_hh: the parameter.
    """
    H = len(h)
    net_input(W_ih[: 2 * H], W_hh[: 2 * H], b_ih, x, h_before, z[: 2 * H], lo, hi)
    first, last = 2 * H + lo, 2 * H + hi
    r, u, n = z[lo:hi], z[H + lo : H + hi], z[first:last]
    fill_rows(n, b_ih[first:last])
    add_product(W_ih[first:last], x, n)
    fill_rows(q[lo:hi], b_hh[first:last])
    add_product(W_hh[first:last], h_before, q[lo:hi])
    units_forward(flat(r), flat(u), flat(n), flat(q[lo:hi]), flat(h_before[lo:hi]), flat(h[lo:hi]))


@kernel
def forward(p, P, W_ih, W_hh, b_ih, b_hh, x, z, q, h, count):
    """Fill z, q and h; h[0] is given."""
    lo, hi = worker_slice(p, P, h.shape[1])
    for t in range(len(z)):
        step(W_ih, W_hh, b_ih, b_hh, x[t], h[t], z[t], q[t], h[t + 1], lo, hi)
        barrier(count, P, t + 1)


@kernel
def backward(p, P, W_ruT, W_nT, dy, z, q, h, lengths, dh_last, dh, count):
    """z becomes dnet and q becomes dq. dh (H, B), zeros at first, becomes the derivative by h[0].

    W_ruT (H, 2 H) and W_nT (H, H): W_hh^T in two parts.
    """
    T, H = z.shape[0], dh.shape[0]
    lo, hi = worker_slice(p, P, H)
    for s in range(T):
        t = T - 1 - s
        add_where_ended(lengths, t, dh_last[lo:hi], dh[lo:hi])
        r, u, n = z[t, lo:hi], z[t, H + lo : H + hi], z[t, 2 * H + lo : 2 * H + hi]
        dq, h_before = flat(q[t, lo:hi]), flat(h[t, lo:hi])
        units_backward(flat(r), flat(u), flat(n), dq, h_before, flat(dy[t, lo:hi]), flat(dh[lo:hi]))
        barrier(count, P, s + 1)
        add_product(W_ruT[lo:hi], z[t, : 2 * H], dh[lo:hi])
        add_product(W_nT[lo:hi], q[t], dh[lo:hi])


def step_biases(b_ih, b_hh):
    """b_ih, plus b_hh where the two are simply added: everywhere but in the candidate's block."""
    b = b_ih + b_hh
    b[len(b) // 3 * 2 :] = b_ih[len(b) // 3 * 2 :]
    return b


class GRU(Recurrent):
    """One or more layers of gated recurrent units; `torch.nn.GRU` with features before the batch.

    Parameters
    ----------
    input_size, hidden_size, rng, num_layers, dropout, dtype : see recurrent.py

    Attributes
    ----------
    params, grads : "weight_ih_l0" (3 H, D), "weight_hh_l0" (3 H, H), "bias_ih_l0", "bias_hh_l0" (3 H,), and
        so on for "_l1" ...

    The state is (h,), (num_layers, H, B).
    """

    gates = 3

    def layer_forward(self, layer, W_ih, x, h, start):
        T, H, B = len(x), self.hidden_size, h.shape[2]
        z, q = self.scratch(f"z{layer}", (T, 3 * H, B)), self.scratch(f"q{layer}", (T, H, B))
        W_hh, b_ih, b_hh = (self.params[f"{name}_l{layer}"] for name in ("weight_hh", "bias_ih", "bias_hh"))
        b = step_biases(b_ih, b_hh)
        workers = recurrent_workers(W_hh, B)
        team.run(forward, W_ih, W_hh, b, b_hh, x, z, q, h, team.counter(), workers=workers)
        return z, q

    def layer_backward(self, layer, dy, h, memory, last):
        z, q = memory
        H, B = self.hidden_size, h.shape[2]
        W_hh = self.params[f"weight_hh_l{layer}"]
        dW_hh, db_hh = self.grads[f"weight_hh_l{layer}"], self.grads[f"bias_hh_l{layer}"]
        dh = np.zeros((H, B), self.dtype)
        W_ruT, W_nT = transpose(W_hh[: 2 * H]), transpose(W_hh[2 * H :])
        job = W_ruT, W_nT, dy, z, q, h, self._ends, *last, dh, team.counter()
        team.run(backward, *job, workers=recurrent_workers(W_hh, B))
        add_outer(z, h[:-1], dW_hh[: 2 * H], db_hh[: 2 * H])
        add_outer(q, h[:-1], dW_hh[2 * H :], db_hh[2 * H :])
        return z, [dh]
