"""Feed-forward attention (Raffel & Ellis 2015, arXiv 1512.08756), causal: a weighted mean of the past.

The same on a page of NumPy, straight from the softmax over all pairs of steps: plain/attention.py.

    symbol          what                                                shape of the array
    x               inputs, h(t) in the equations: outputs of a recurrent layer     (T, H, B)
    W, b            weight and bias of the score: scalar form           (1, H), (1,)
                                                  vector form           (H, H), (H,)
    e               scores; R = 1 in the scalar form, H in the vector form          (T, R, B)
    a               the weight of the newest step in the mean           (T, R, B)
    m, S, N         the state: the largest score so far, sums of exp(e - m) and of exp(e - m) h
                                                                        (R, B), (R, B), (H, B)
    c               context: the weighted mean                          (T, H, B)
    y               outputs, [h; c]                                     (T, 2 H, B)
    d...            derivative of the loss by ...

Forward, t = 1..T (* element by element; R = 1 rows are broadcast to all H):

    e(t) = tanh(W h(t) + b)          or without the tanh; in the vector form each component has its own score
    alpha_t(k) = exp(e(k)) / sum_{j<=t} exp(e(j))       the softmax over time, for k <= t
    c(t) = sum_{k<=t} alpha_t(k) * h(k)
    y(t) = [h(t); c(t)]

The paper has a scalar score with a tanh, and one context for a whole sequence: c(T), the last. Without the
tanh, b cancels.

As a recurrence, so that T steps cost O(T) and no score overflows (the "online softmax"):

    m(t) = max(m(t-1), e(t))                            m(0) = -1e30
    S(t) = S(t-1) exp(m(t-1) - m(t)) + exp(e(t) - m(t))                  S(0) = 0
    a(t) = exp(e(t) - m(t)) / S(t) = alpha_t(t)         so alpha_t(k) = (1 - a(t)) alpha_(t-1)(k) for k < t
    c(t) = (1 - a(t)) * c(t-1) + a(t) * h(t)            N(t) = S(t) * c(t)

Backward, t = T..1; dy = [dy_h; dy_c]. Two sums over the later steps, which decay like the means:

    A(t)  = dy_c(t) + (1 - a(t+1)) * A(t+1)             and S(T) dN from the final state at t = T
    K(t)  = dy_c(t) * c(t) + (1 - a(t+1)) * K(t+1)      and -S(T) dS; scalar form: summed over H
    de(t) = a(t) * (h(t) * A(t) - K(t))                 scalar form: h * A summed over H
    dnet(t) = de(t) * (1 - e(t)^2)                      or de(t), without the tanh
    dW = sum_t dnet(t) h(t)^T      db = sum_t,b dnet(t)
    dx(t) = dy_h(t) + a(t) * A(t) + W^T dnet(t)
    dN(0) = (1 - a(1)) * A(1) / S(0)      dS(0) = -(1 - a(1)) * K(1) / S(0)         zero where S(0) = 0

All later outputs depend on the state only through S exp(m) and N exp(m), which are the same for every choice
of m. So m counts as a constant: dS and dN are derivatives at that m, and dm is zero.

Memory of a forward and backward pass: 6 T B H numbers (x, y, dy, dx). Scalar form: 5 T B more per worker.
Vector form: T B H more for a, which dnet overwrites, and as much for e if there is a tanh. Unequal lengths:
3 T B H more for copies of x and dy.
"""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from scratchnet.annotations import Shape, State
from scratchnet.arguments import flag, one_of, whole
from scratchnet.kernels import team
from scratchnet.kernels.matmul import add_outer, apply, transpose
from scratchnet.layers.attention_kernels import (
    LOWEST,
    Scores,
    Softmax,
    backward_scalar,
    backward_vector,
    forward_scalar,
    forward_vector,
)
from scratchnet.layers.layer import (
    Layer,
    batch_size,
    check_dtype,
    expect_gradient,
    expect_lengths,
    expect_sequences,
    expect_state,
    zero_padding,
)

PARALLEL_FROM = 2**17  # numbers (T H B); see team.workers_for
PARALLEL_STEP_FROM = 2**12  # the same for one time step (H B), which ends in a barrier round


class Attention(Layer):
    """Append to each output of a recurrent layer the weighted mean of all outputs so far.

    Parameters
    ----------
    hidden_size : H
    rng : numpy Generator for the initial weights and biases, uniform in [-1, 1] / sqrt(H) as Linear's
    score : "scalar", one weight per step, or "vector", one per component of a step
    tanh : whether the scores pass through a tanh; None: tanh for scalar scores only
    dtype : float32 or float64

    Attributes
    ----------
    params, grads : "weight" (R, H), "bias" (R,); R = 1 in the scalar form, H in the vector form

    The state is (m, S, N), shapes (R, B), (R, B) and (H, B).

    Raises
    ------
    ValueError
        If the size is not positive, or score or dtype is none of these.
    """

    states = ("m", "S", "N")
    skips_dx = True

    def __init__(
        self,
        hidden_size: int,
        rng: np.random.Generator,
        score: str = "scalar",
        tanh: bool | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.hidden_size, self.dtype = whole(hidden_size, "hidden_size"), check_dtype(dtype)
        self.score = one_of(score, "score", ("scalar", "vector"))
        self.tanh = score == "scalar" if tanh is None else flag(tanh, "tanh")
        shapes = {"weight": (self._rows, self.hidden_size), "bias": (self._rows,)}
        self.add_uniform(rng, 1 / np.sqrt(self.hidden_size), shapes)

    @property
    def _rows(self):
        return 1 if self.score == "scalar" else self.hidden_size

    def shape_after(self, shape: Shape) -> Shape:
        """(T, 2 H, B)."""
        return shape[0], 2 * self.hidden_size, shape[-1]

    def initial_state(self, B: int) -> State:
        """The state before the first step: (m, S, N) with m = -1e30, the rest zeros."""
        rows, H, B = self._rows, self.hidden_size, batch_size(B)
        return (
            np.full((rows, B), LOWEST, self.dtype),
            np.zeros((rows, B), self.dtype),
            np.zeros((H, B), self.dtype),
        )

    @overload
    def forward(self, x: ArrayLike, state: None = None, lengths: ArrayLike | None = None) -> np.ndarray: ...

    @overload
    def forward(
        self, x: ArrayLike, state: State, lengths: ArrayLike | None = None
    ) -> tuple[np.ndarray, State]: ...

    def forward(self, x, state=None, lengths=None):
        """Run whole sequences.

        Parameters
        ----------
        x : array (T, H, B); `backward` reads it again, so it must not change in between
        state : tuple of arrays (m, S, N); None for `initial_state`. Where S is 0 there is no past, and N is
            ignored
        lengths : whole numbers (B,), the length of each sequence, the rest is padding; None for T

        Returns
        -------
        y : array (T, 2 H, B), [x; context]; `backward` reads it again
        state : tuple of arrays after the last step; returned only if a state was given

        Raises
        ------
        ValueError
            If a shape differs, a length is out of range, a number is not finite, or an S is negative.
        """
        x = expect_sequences(x, self.hidden_size, self.dtype, self.check_finite)
        T, H, B = x.shape
        m, S, N = self.initial_state(B) if state is None else self._expect_state(state, "state", B)
        if (S < 0).any():
            raise ValueError("expected state S >= 0, a sum of exponentials")
        ends = expect_lengths(lengths, T, B)
        x = zero_padding(x, ends)
        y = np.empty((T, 2 * H, B), self.dtype)
        c, S_first = _quotient(N, S), S.copy()
        run = self._forward_scalar if self.score == "scalar" else self._forward_vector
        m, S, e, a = run(x, ends, m, S, c, y)
        if ends.min() < T:
            y.swapaxes(1, 2)[np.arange(T)[:, None] >= ends] = 0
        self._kept = x, y, e, a, S_first, S, ends
        self._state_given = state is not None
        return y if state is None else (y, (m, S.copy(), S * c))

    def _forward_scalar(self, x, ends, m, S, c, y):
        """Fill y; c becomes the last context. Returns the last m and S, and e and a for `backward`."""
        T, _, B = x.shape
        P = self._workers(T, B)
        e, a = np.empty((P, T, B), self.dtype), np.empty((P, T, B), self.dtype)
        softmax = Softmax(np.repeat(m, P, 0), np.repeat(S, P, 0), c)
        scores = Scores(e, a, np.zeros((T, P, B), self.dtype))
        w, b = self.params["weight"][0], self.params["bias"]
        team.run(forward_scalar, w, b, self.tanh, x, ends, softmax, scores, y, team.counter(), workers=P)
        return softmax.m[:1], softmax.S[:1], e, a

    def _forward_vector(self, x, ends, m, S, c, y):
        """The same. The net inputs are written where the scores will be: to e if it is kept, else to a."""
        T, H, B = x.shape
        a = self.scratch("a", (T, H, B))
        e = self.scratch("e", (T, H, B)) if self.tanh else np.empty((0, H, B), self.dtype)
        apply(self.params["weight"], x, self.params["bias"], e if self.tanh else a)
        softmax = Softmax(m.copy(), S.copy(), c)
        workers = self._workers(T, B)
        team.run(forward_vector, x, ends, int(ends.min()), softmax, e, a, y, workers=workers)
        return softmax.m, softmax.S, e, a

    def backward(self, dy: ArrayLike, dstate: State | None = None, need_dx: bool = True) -> Any:
        """Add the gradients of weight and bias to `grads`.

        Once per `forward`: it overwrites what that kept.

        Parameters
        ----------
        dy : array (T, 2 H, B), derivative of the loss by what `forward` returned
        dstate : tuple of arrays, derivative by the final state; None for zeros. That by m is ignored
        need_dx : whether to compute the derivative by the input

        Returns
        -------
        dx : array (T, H, B); None if it is not needed
        dstate : tuple of arrays, derivative by the initial state, zeros for m; returned only if forward was
            given a state

        Raises
        ------
        ValueError
            If a shape differs, or there was no forward pass.
        """
        x, y, e, a, S_first, S, ends = self.last_pass()
        T, H, B = x.shape
        dy = expect_gradient(dy, (T, 2 * H, B), self.dtype)
        A, K = np.zeros((H, B), self.dtype), np.zeros((self._rows, B), self.dtype)
        if dstate is not None:
            _, dS, dN = self._expect_state(dstate, "dstate", B)
            A, K = S * dN, -S * dS
        self._kept = None
        dx = np.empty((T if need_dx else 0, H, B), self.dtype)
        back = self._backward_scalar if self.score == "scalar" else self._backward_vector
        K = back(x, y, zero_padding(dy, ends), e, a, A, K, dx)
        dx = dx if need_dx else None
        if not self._state_given:
            return dx
        return dx, (np.zeros_like(S), -_quotient(K, S_first), _quotient(A, S_first))

    def _backward_scalar(self, x, y, dy, e, a, A, K, dx):
        """Fill dx and add to the gradients. A and the returned K become those of the initial state."""
        P, T, B = a.shape
        K = np.concatenate([K, np.zeros((P - 1, B), self.dtype)])
        scores, dnet = Scores(e, a, np.zeros((T, P, B), self.dtype)), np.empty((P, T, B), self.dtype)
        w, dw = self.params["weight"][0], self.grads["weight"][0]
        job = w, self.tanh, x, y, dy, scores, A, K, dnet, dx, dw, team.counter()
        team.run(backward_scalar, *job, workers=P)
        self.grads["bias"] += dnet[0].sum()
        return K.sum(0, keepdims=True)

    def _backward_vector(self, x, y, dy, e, a, A, K, dx):
        T, _, B = x.shape
        WT = transpose(self.params["weight"])
        job = WT, x, y, dy, e, a, A, K, dx, team.counter()
        team.run(backward_vector, *job, workers=self._workers(T, B))
        add_outer(a, x, self.grads["weight"], self.grads["bias"])
        return K

    def weights(self) -> np.ndarray:
        """The attention weights of the last forward pass, for a picture; call it before `backward`.

        Memory grows with T^2: for plots of few steps and few sequences.

        Returns
        -------
        array (T, T, B), in the vector form (T, T, H, B): at [t, k] the weight of step k in the context of
        step t, zero for k > t and in the padding. Each t sums to 1, or with a state to less: the rest is the
        weight of the steps before

        Raises
        ------
        ValueError
            If there was no forward pass, or a backward pass since.
        """
        if self._kept is None:
            raise ValueError("expected a forward pass, and no backward pass since")
        _, _, _, a, _, _, ends = self._kept
        if self.score == "scalar":
            a = a[0][:, None]
        T, R, B = a.shape
        alpha = np.zeros((T, T, R, B), self.dtype)
        for t in range(T):
            alpha[t, :t] = (1 - a[t]) * alpha[t - 1, :t]
            alpha[t, t] = a[t]
        for n in range(B):
            alpha[ends[n] :, :, :, n] = 0
        return alpha[:, :, 0] if self.score == "scalar" else alpha

    def _workers(self, T, B):
        step = self.hidden_size * B
        return min(team.workers_for(T * step, PARALLEL_FROM), team.workers_for(step, PARALLEL_STEP_FROM))

    def _expect_state(self, state, name, B):
        shapes = (self._rows, B), (self._rows, B), (self.hidden_size, B)
        return expect_state(state, name, self.states, shapes, self.dtype, finite=name == "state")


def _quotient(sums, S):
    """sums / S, and 0 where S = 0; (H, B) by (R, B)."""
    return np.divide(sums, S, out=np.zeros_like(sums), where=S > 0)
