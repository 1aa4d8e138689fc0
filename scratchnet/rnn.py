"""The simple recurrent layer (Elman 1990): hidden units that see their own last outputs.

    symbol          what                                            shape of the array
    x               inputs                                          (T, D, B)
    h               outputs of the hidden units, h(0) the initial   (T + 1, H, B)
    net             their net input                                 (T, H, B)
    W_ih, W_hh      weights from inputs and from hidden units       (H, D), (H, H)
    b_ih, b_hh      biases; two, as in PyTorch, of which only the sum matters
    d...            derivative of the loss by ...

Forward, t = 1..T:

    net(t) = W_ih x(t) + b_ih + W_hh h(t-1) + b_hh
    h(t)   = f(net(t))                                  f: tanh, relu or sigmoid

Backward (BPTT), t = T..1; dy comes from above, and at t = T the derivative by the final state from the right:

    dh(t)   = dy(t) + W_hh^T dnet(t+1)
    dnet(t) = f'(net) dh(t)                             f': 1 - h^2;  1 where h > 0, else 0;  h (1 - h)
    dx(t)   = W_ih^T dnet(t)
    dW_ih   = sum_t dnet(t) x(t)^T      dW_hh = sum_t dnet(t) h(t-1)^T      db_ih = db_hh = sum_t,b dnet(t)

Only W_hh h has to wait for the step before. All else is done for the whole sequence at once.

Memory of a forward and backward pass: T B (2 D + 3 H) numbers.
"""

import numpy as np

from scratchnet.activations import sigmoid, tanh
from scratchnet.jit import kernel
from scratchnet.layer import Layer, expect

TANH, RELU, SIGMOID = 0, 1, 2
NONLINEARITIES = {"tanh": TANH, "relu": RELU, "sigmoid": SIGMOID}


@kernel
def unit_forward(net, h, f):
    """h <- f(net + h), for one unit and B sequences; h held the recurrent part of the net input."""
    if f == TANH:
        for n in range(h.size):
            h[n] = tanh(net[n] + h[n])
    elif f == RELU:
        zero = h.dtype.type(0)
        for n in range(h.size):
            total = net[n] + h[n]
            h[n] = zero if total <= zero else total  # in this order NaN stays NaN
    else:
        for n in range(h.size):
            h[n] = sigmoid(net[n] + h[n])


@kernel
def unit_backward(h, dy, dh, dnet, f):
    """dnet = f'(net) (dy + dh)."""
    one, zero = h.dtype.type(1), h.dtype.type(0)
    if f == TANH:
        for n in range(h.size):
            dnet[n] = (one - h[n] * h[n]) * (dy[n] + dh[n])
    elif f == RELU:
        for n in range(h.size):
            dnet[n] = zero if h[n] <= zero else dy[n] + dh[n]
    else:
        for n in range(h.size):
            dnet[n] = h[n] * (one - h[n]) * (dy[n] + dh[n])


@kernel
def forward(W_hh, net, h, f):
    """The whole sequence: net (T, H, B), without its recurrent part, and h[0] -> all of h (T + 1, H, B)."""
    T, H, B = net.shape
    for t in range(T):
        np.dot(W_hh, h[t], h[t + 1])
        for k in range(H):
            unit_forward(net[t, k], h[t + 1, k], f)


@kernel
def backward(W_hhT, h, dy, dh, dnet, f):
    """The whole sequence, backwards. dh (H, B) holds what comes from the right; at last dE/dh(0)."""
    T, H, B = dnet.shape
    for t in range(T - 1, -1, -1):
        for k in range(H):
            unit_backward(h[t + 1, k], dy[t, k], dh[k], dnet[t, k], f)
        np.dot(W_hhT, dnet[t], dh)


class RNN(Layer):
    """One simple recurrent layer; `torch.nn.RNN` with features before the batch.

    Parameters
    ----------
    input_size, hidden_size : D and H
    rng : numpy Generator for the initial weights and biases, uniform in [-1, 1] / sqrt(H) as PyTorch's
    nonlinearity : "tanh", "relu" or "sigmoid" (which PyTorch lacks)
    dtype : float32 or float64

    Attributes
    ----------
    params, grads : "weight_ih_l0" (H, D), "weight_hh_l0" (H, H), "bias_ih_l0" (H,), "bias_hh_l0" (H,)

    Raises
    ------
    ValueError
        If a size is not positive, or nonlinearity or dtype is another.
    """

    def __init__(self, input_size, hidden_size, rng, nonlinearity="tanh", dtype=np.float32):
        super().__init__()
        if min(input_size, hidden_size) < 1:
            raise ValueError(f"expected sizes D >= 1 and H >= 1, got D = {input_size}, H = {hidden_size}")
        if nonlinearity not in NONLINEARITIES:
            raise ValueError(f"expected nonlinearity in {', '.join(NONLINEARITIES)}, got {nonlinearity!r}")
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"expected dtype float32 or float64, got {dtype}")
        self.input_size, self.hidden_size, self.dtype = input_size, hidden_size, np.dtype(dtype)
        self.nonlinearity = nonlinearity
        shapes = {
            "weight_ih_l0": (hidden_size, input_size),
            "weight_hh_l0": (hidden_size, hidden_size),
            "bias_ih_l0": (hidden_size,),
            "bias_hh_l0": (hidden_size,),
        }
        bound = 1 / np.sqrt(hidden_size)
        for name, shape in shapes.items():
            self.params[name] = rng.uniform(-bound, bound, shape).astype(dtype)
            self.grads[name] = np.zeros(shape, dtype)

    def initial_state(self, B):
        """(h0,): zero outputs (H, B) before the first step."""
        return (np.zeros((self.hidden_size, B), self.dtype),)

    def forward(self, x, state=None):
        """Run whole sequences.

        Parameters
        ----------
        x : array (T, D, B); `backward` reads it again, so it must not change in between
        state : (h0,), h0 (H, B); None for zeros

        Returns
        -------
        h : array (T, H, B); `backward` reads it again
        state : (h_T,) after the last step; returned only if a state was given

        Raises
        ------
        ValueError
            If a shape differs or a number is not finite.
        """
        D, H = self.input_size, self.hidden_size
        x = expect(x, "x", f"T, {D}, B", (None, D, None), self.dtype)
        T, _, B = x.shape
        if T == 0 or B == 0:
            raise ValueError(f"expected x (T, {D}, B) with at least one step and one sequence, got {x.shape}")
        (h0,) = self.initial_state(B) if state is None else state
        h = np.empty((T + 1, H, B), self.dtype)
        h[0] = expect(h0, "state h0", f"{H}, {B}", (H, B), self.dtype)
        net = self.params["weight_ih_l0"] @ x
        net += (self.params["bias_ih_l0"] + self.params["bias_hh_l0"])[:, None]
        forward(self.params["weight_hh_l0"], net, h, NONLINEARITIES[self.nonlinearity])
        self._kept = x, h
        self._state_given = state is not None
        return h[1:] if state is None else (h[1:], (h[-1].copy(),))

    def backward(self, dy, dstate=None):
        """Add the gradients of all parameters to `grads`; return dx, or (dx, (dh0,)) if forward had a state.

        Parameters
        ----------
        dy : array (T, H, B), derivative of the loss by the outputs h that `forward` returned
        dstate : (dh,), derivative by the final state (H, B); None for zeros

        Returns
        -------
        dx : array (T, D, B)
        dstate : (dh0,), derivative by the initial state (H, B); returned only if forward was given a state
        """
        x, h = self._kept
        H, (T, _, B) = self.hidden_size, x.shape
        dy = expect(dy, "dy", f"{T}, {H}, {B}", (T, H, B), self.dtype)
        (dh,) = self.initial_state(B) if dstate is None else dstate
        dh = expect(dh, "dstate dh", f"{H}, {B}", (H, B), self.dtype).copy()  # the kernel writes into it
        dnet = np.empty_like(dy)
        W_hhT = np.ascontiguousarray(self.params["weight_hh_l0"].T)
        backward(W_hhT, h, dy, dh, dnet, NONLINEARITIES[self.nonlinearity])
        # One product each sums over time and batch.
        self.grads["weight_ih_l0"] += np.tensordot(dnet, x, ((0, 2), (0, 2)))
        self.grads["weight_hh_l0"] += np.tensordot(dnet, h[:-1], ((0, 2), (0, 2)))
        db = dnet.sum((0, 2))
        self.grads["bias_ih_l0"] += db
        self.grads["bias_hh_l0"] += db
        dx = self.params["weight_ih_l0"].T @ dnet
        return (dx, (dh,)) if self._state_given else dx
