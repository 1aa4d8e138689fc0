"""Feed-forward attention (Raffel & Ellis 2015, arXiv 1512.08756), causal: a weighted mean of the past.

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

Forward, t = 1..T (* element by element; what has R = 1 rows counts for all H):

    e(t) = tanh(W h(t) + b)          or without the tanh; in the vector form each component has its own score
    alpha_t(k) = exp(e(k)) / sum_{j<=t} exp(e(j))       the softmax over time, for k <= t
    c(t) = sum_{k<=t} alpha_t(k) * h(k)
    y(t) = [h(t); c(t)]

The paper has a scalar score with a tanh, and one context for a whole sequence: c(T), the last. Without the
tanh, b cancels.

From step to step, so that T steps cost O(T) and no score overflows (the "online softmax"):

    m(t) = max(m(t-1), e(t))                            m(0) = -1e30
    S(t) = S(t-1) exp(m(t-1) - m(t)) + exp(e(t) - m(t))                  S(0) = 0
    a(t) = exp(e(t) - m(t)) / S(t) = alpha_t(t)         so alpha_t(k) = (1 - a(t)) alpha_(t-1)(k) for k < t
    c(t) = (1 - a(t)) * c(t-1) + a(t) * h(t)            N(t) = S(t) * c(t)

Backward, t = T..1; dy = [dy_h; dy_c]. Two sums over the steps that still come, faded like the means:

    A(t)  = dy_c(t) + (1 - a(t+1)) * A(t+1)             and S(T) dN from the final state at t = T
    K(t)  = dy_c(t) * c(t) + (1 - a(t+1)) * K(t+1)      and -S(T) dS; scalar form: summed over H
    de(t) = a(t) * (h(t) * A(t) - K(t))                 scalar form: h * A summed over H
    dnet(t) = de(t) * (1 - e(t)^2)                      or de(t), without the tanh
    dW = sum_t dnet(t) h(t)^T      db = sum_t,b dnet(t)
    dx(t) = dy_h(t) + a(t) * A(t) + W^T dnet(t)
    dN(0) = (1 - a(1)) * A(1) / S(0)      dS(0) = -(1 - a(1)) * K(1) / S(0)         zero where S(0) is

What follows depends on S exp(m) and N exp(m) only, and these do not depend on the m they are written with.
So m counts as a constant: dS and dN are derivatives at that m, and dm is zero.

Every worker of a team owns some rows of H for the whole sequence. In the scalar form the workers add up what
their rows give to the score, or to its derivative, so they meet once per step, and each follows m and S by
itself; in the vector form the rows are independent but for the products with W.

Memory of a forward and backward pass: 6 T B H numbers (x, y, dy, dx). Scalar form: 5 T B more a worker.
Vector form: T B H more for a, whose place dnet takes, and as much for e if there is a tanh. Unequal lengths:
3 T B H more for copies of x and dy.
"""

import numpy as np

from scratchnet import team
from scratchnet.activations import exp, tanh
from scratchnet.jit import kernel
from scratchnet.layer import Layer, check_dtype, expect, expect_lengths
from scratchnet.product import add_outer, add_product, apply, transpose
from scratchnet.recurrent import flat
from scratchnet.team import barrier, share

LOWEST = np.float32(-1e30)  # a score that counts nothing; finite, so that differences of two are no NaN
LITTLE = 2**17  # numbers (T H B); with fewer, waking a second thread takes longer than it saves
LITTLE_STEP = 2**12  # the same for a step (H B) at whose end all workers, awake, meet


@kernel(inline=True)
def squash_scores(e, a):
    """Net inputs e -> scores e, in place, and a copy for `weigh`."""
    for k in range(e.size):
        e[k] = tanh(e[k])
        a[k] = e[k]


@kernel
def silence(lengths, t, a):
    """The lowest score in the columns of the sequences that ended before step t: a (rows, B)."""
    for k in range(a.shape[0]):
        row = a[k]
        for n in range(row.size):
            row[n] = row[n] if t < lengths[n] else LOWEST


@kernel(inline=True)
def weigh(a, m, S):
    """One step of the softmax, in place: a, the scores, become the weights of this step; m and S go on.

    One of the two exponents is always zero, so there is one exp to compute.
    """
    one = a.dtype.type(1)
    for k in range(a.size):
        e, highest = a[k], m[k]
        fraction = exp(-abs(e - highest))
        old, new = (fraction, one) if e > highest else (one, fraction)
        m[k] = e if e > highest else highest
        S[k] = S[k] * old + new
        a[k] = new / S[k]


@kernel(inline=True)
def mean(a, h, c, y_h, y_c):
    """The context goes on one step; both halves of the output."""
    one = a.dtype.type(1)
    for k in range(a.size):
        c[k] = (one - a[k]) * c[k] + a[k] * h[k]
        y_c[k] = c[k]
        y_h[k] = h[k]


@kernel(inline=True)
def collect(dc, c, A, K):
    """The sums over the steps to come get this step's terms."""
    for k in range(dc.size):
        A[k] += dc[k]
        K[k] += dc[k] * c[k]


@kernel(inline=True)
def add_times(a, b, total):
    """total += a * b."""
    for k in range(total.size):
        total[k] += a[k] * b[k]


@kernel(inline=True)
def pass_on(a, dh, A, dx):
    """The derivative by h(t), but for what comes through its score."""
    for k in range(dx.size):
        dx[k] = dh[k] + a[k] * A[k]


@kernel(inline=True)
def fade(a, A):
    """A sum over the steps to come, as the step before sees it."""
    one = a.dtype.type(1)
    for k in range(a.size):
        A[k] *= one - a[k]


@kernel(inline=True)
def through_tanh(e, d):
    """The derivative by the net input from that by the score e, in place."""
    one = e.dtype.type(1)
    for k in range(e.size):
        d[k] *= one - e[k] * e[k]


@kernel(inline=True)
def add_score_row(w, dnet, dx):
    """dx += w dnet, for one number w."""
    for n in range(dnet.size):
        dx[n] += w * dnet[n]


@kernel(inline=True)
def dot(a, b):
    """The sum of a * b."""
    total = a.dtype.type(0)
    for k in range(a.size):
        total += a[k] * b[k]
    return total


# --------------------------------------------------------------------------------------- the scalar form


@kernel
def sum_parts(parts, start, out):
    """out = start + the sum of the rows of parts: all workers add in the same order."""
    for n in range(out.size):
        out[n] = start
    for q in range(len(parts)):
        for n in range(out.size):
            out[n] += parts[q, n]


@kernel
def forward_scalar(p, P, w, b, squashed, x, lengths, m, S, c, parts, e, a, y, count):
    """Fill a, e (P, T, B) and y; m, S (P, B) and c (H, B), given as before the first step, go on to the last.

    w (H,), b (1,). Of what has P in front every worker has its own, all the same. parts (T, P, B), zeros.
    """
    T, H, B = x.shape
    lo, hi = share(p, P, H)
    w = w[lo:hi].reshape(1, hi - lo)
    for t in range(T):
        add_product(w, x[t, lo:hi], parts[t, p].reshape(1, B))
        barrier(count, P, t + 1)
        scores, weights = e[p, t], a[p, t]
        sum_parts(parts[t], b[0], weights)
        if squashed:
            scores[:] = weights
            squash_scores(scores, weights)
        silence(lengths, t, weights.reshape(1, B))
        weigh(weights, m[p], S[p])
        for k in range(lo, hi):
            mean(weights, x[t, k], c[k], y[t, k], y[t, H + k])


@kernel
def backward_scalar(p, P, w, squashed, x, y, dy, e, a, A, K, parts, dnet, dx, dw, count):
    """Fill dnet (P, T, B) and dx, add to dw (H,). dx (0, H, B): it is not needed.

    A (H, B) and K (P, B), of which every worker has a part of the sum over H, hold the terms of the final
    state, and become those of the initial one. parts (T, P, B), zeros.
    """
    T, H, B = x.shape
    lo, hi = share(p, P, H)
    for s in range(T):
        t = T - 1 - s
        weights, part, d = a[p, t], parts[t, p], dnet[p, t]
        for k in range(lo, hi):
            collect(dy[t, H + k], y[t, H + k], A[k], K[p])
            add_times(x[t, k], A[k], part)
            if len(dx) > 0:
                pass_on(weights, dy[t, k], A[k], dx[t, k])
            fade(weights, A[k])
        for n in range(B):
            part[n] -= K[p, n]
        fade(weights, K[p])
        barrier(count, P, s + 1)
        sum_parts(parts[t], w.dtype.type(0), d)
        for n in range(B):
            d[n] *= weights[n]
        if squashed:
            through_tanh(e[p, t], d)
        for k in range(lo, hi):
            dw[k] += dot(d, x[t, k])
            if len(dx) > 0:
                add_score_row(w[k], d, dx[t, k])


# --------------------------------------------------------------------------------------- the vector form


@kernel
def forward_vector(p, P, x, lengths, shortest, m, S, c, e, a, y):
    """Net inputs -> weights, in place in a, or with a tanh from e, where the scores remain; fill y.

    e (T, H, B), or (0, H, B) for no tanh; m, S and c, given as before the first step, go on to the last.
    """
    T, H, _ = x.shape
    lo, hi = share(p, P, H)
    for t in range(T):
        weights = flat(a[t, lo:hi])
        if len(e) > 0:
            squash_scores(flat(e[t, lo:hi]), weights)
        if t >= shortest:
            silence(lengths, t, a[t, lo:hi])
        weigh(weights, flat(m[lo:hi]), flat(S[lo:hi]))
        mean(weights, flat(x[t, lo:hi]), flat(c[lo:hi]), flat(y[t, lo:hi]), flat(y[t, H + lo : H + hi]))


@kernel(inline=True)
def score_backward(h, a, A, K):
    """a becomes the derivative by the score; A and K become what the step before sees."""
    one = a.dtype.type(1)
    for k in range(a.size):
        weight = a[k]
        a[k] = weight * (h[k] * A[k] - K[k])
        A[k] *= one - weight
        K[k] *= one - weight


@kernel
def backward_vector(p, P, WT, x, y, dy, e, a, A, K, dx, count):
    """a becomes dnet; fill dx, if it has T steps and not 0. WT: W^T.

    A and K (H, B) hold the terms of the final state, and become those of the initial one.
    """
    T, H, _ = x.shape
    lo, hi = share(p, P, H)
    sum_A, sum_K = flat(A[lo:hi]), flat(K[lo:hi])
    for s in range(T):
        t = T - 1 - s
        weights = flat(a[t, lo:hi])
        collect(flat(dy[t, H + lo : H + hi]), flat(y[t, H + lo : H + hi]), sum_A, sum_K)
        if len(dx) > 0:
            pass_on(weights, flat(dy[t, lo:hi]), sum_A, flat(dx[t, lo:hi]))
        score_backward(flat(x[t, lo:hi]), weights, sum_A, sum_K)
        if len(e) > 0:
            through_tanh(flat(e[t, lo:hi]), weights)
    barrier(count, P, 1)
    for t in range(len(dx)):
        add_product(WT[lo:hi], a[t], dx[t, lo:hi])


class Attention(Layer):
    """Each output of a recurrent layer, and below it the weighted mean of all outputs so far.

    Parameters
    ----------
    hidden_size : H
    rng : numpy Generator for the initial weights and biases, uniform in [-1, 1] / sqrt(H) as Linear's
    score : "scalar", one weight for a step, or "vector", one for each component of a step
    tanh : whether the scores are squashed; None for the habit of the form, scalar yes, vector no
    dtype : float32 or float64

    Attributes
    ----------
    params, grads : "weight" (R, H), "bias" (R,); R = 1 in the scalar form, H in the vector form

    The state is (m, S, N), shapes (R, B), (R, B) and (H, B).

    Raises
    ------
    ValueError
        If the size is not positive, score is another word, or dtype another.
    """

    states = ("m", "S", "N")
    skips_dx = True

    def __init__(self, hidden_size, rng, score="scalar", tanh=None, dtype=np.float32):
        super().__init__()
        if hidden_size < 1:
            raise ValueError(f"expected a size H >= 1, got H = {hidden_size}")
        if score not in ("scalar", "vector"):
            raise ValueError(f"expected score 'scalar' or 'vector', got {score!r}")
        self.hidden_size, self.score, self.dtype = hidden_size, score, check_dtype(dtype)
        self.tanh = score == "scalar" if tanh is None else bool(tanh)
        bound = 1 / np.sqrt(hidden_size)
        for name, shape in {"weight": (self._rows, hidden_size), "bias": (self._rows,)}.items():
            self.params[name] = rng.uniform(-bound, bound, shape).astype(dtype)
            self.grads[name] = np.zeros(shape, dtype)

    @property
    def _rows(self):
        return 1 if self.score == "scalar" else self.hidden_size

    def initial_state(self, B):
        """The state before the first step: (m, S, N) with m = -1e30, the rest zeros."""
        rows, H = self._rows, self.hidden_size
        return (
            np.full((rows, B), LOWEST, self.dtype),
            np.zeros((rows, B), self.dtype),
            np.zeros((H, B), self.dtype),
        )

    def forward(self, x, state=None, lengths=None):
        """Run whole sequences.

        Parameters
        ----------
        x : array (T, H, B); `backward` reads it again, so it must not change in between
        state : tuple of arrays (m, S, N), as from `initial_state`; None for that. Where S is 0, N does not
            count: nothing has been before
        lengths : whole numbers (B,), steps of each sequence, the rest is filling; None for T

        Returns
        -------
        y : array (T, 2 H, B), x and below it the context; `backward` reads it again
        state : tuple of arrays after the last step; returned only if a state was given

        Raises
        ------
        ValueError
            If a shape differs, a length is out of range, a number is not finite, or an S is negative.
        """
        H = self.hidden_size
        x = expect(x, "x", f"T, {H}, B", (None, H, None), self.dtype, finite=self.check_finite)
        T, _, B = x.shape
        if T == 0 or B == 0:
            raise ValueError(f"expected x (T, {H}, B) with at least one step and one sequence, got {x.shape}")
        m, S, N = self.initial_state(B) if state is None else self._expect_state(state, "state", B)
        if (S < 0).any():
            raise ValueError("expected state S >= 0, a sum of exponentials")
        ends = expect_lengths(lengths, T, B)
        x = _until(ends, x)
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
        m, S = np.repeat(m, P, 0), np.repeat(S, P, 0)
        w, b, parts = self.params["weight"][0], self.params["bias"], np.zeros((T, P, B), self.dtype)
        team.run(
            forward_scalar, w, b, self.tanh, x, ends, m, S, c, parts, e, a, y, team.counter(), workers=P
        )  # fmt: skip
        return m[:1], S[:1], e, a

    def _forward_vector(self, x, ends, m, S, c, y):
        """The same. The net inputs are made where the scores shall be: in e if these are kept, else in a."""
        T, H, B = x.shape
        a = self._buffer("a", (T, H, B))
        e = self._buffer("e", (T, H, B)) if self.tanh else np.empty((0, H, B), self.dtype)
        apply(self.params["weight"], x, self.params["bias"], e if self.tanh else a)
        m, S = m.copy(), S.copy()
        team.run(
            forward_vector, x, ends, int(ends.min()), m, S, c, e, a, y, workers=self._workers(T, B)
        )  # fmt: skip
        return m, S, e, a

    def backward(self, dy, dstate=None, need_dx=True):
        """Add the gradients of weight and bias to `grads`.

        Once after each `forward`: it overwrites what that kept.

        Parameters
        ----------
        dy : array (T, 2 H, B), derivative of the loss by what `forward` returned
        dstate : tuple of arrays, derivative by the final state; None for zeros. That by m does not count
        need_dx : whether to compute the derivative by the input

        Returns
        -------
        dx : array (T, H, B); None if it is not needed
        dstate : tuple of arrays, derivative by the initial state, zeros for m; returned only if forward was
            given a state

        Raises
        ------
        ValueError
            If a shape differs, or there was no forward pass to go back.
        """
        if self._kept is None:
            raise ValueError("expected a forward pass before each backward pass")
        x, y, e, a, S_first, S, ends = self._kept
        T, H, B = x.shape
        dy = expect(dy, "dy", f"{T}, {2 * H}, {B}", (T, 2 * H, B), self.dtype, finite=False)
        A, K = np.zeros((H, B), self.dtype), np.zeros((self._rows, B), self.dtype)
        if dstate is not None:
            _, dS, dN = self._expect_state(dstate, "dstate", B)
            A, K = S * dN, -S * dS
        self._kept = None
        dx = np.empty((T if need_dx else 0, H, B), self.dtype)
        back = self._backward_scalar if self.score == "scalar" else self._backward_vector
        K = back(x, y, _until(ends, dy), e, a, A, K, dx)
        dx = dx if need_dx else None
        if not self._state_given:
            return dx
        return dx, (np.zeros_like(S), -_quotient(K, S_first), _quotient(A, S_first))

    def _backward_scalar(self, x, y, dy, e, a, A, K, dx):
        """Fill dx and add to the gradients. A, and K which is returned, become those of the initial state."""
        P, T, B = a.shape
        K = np.concatenate([K, np.zeros((P - 1, B), self.dtype)])
        parts, dnet = np.zeros((T, P, B), self.dtype), np.empty((P, T, B), self.dtype)
        w, dw = self.params["weight"][0], self.grads["weight"][0]
        team.run(
            backward_scalar, w, self.tanh, x, y, dy, e, a, A, K, parts, dnet, dx, dw, team.counter(),
            workers=P,
        )  # fmt: skip
        self.grads["bias"] += dnet[0].sum()
        return K.sum(0, keepdims=True)

    def _backward_vector(self, x, y, dy, e, a, A, K, dx):
        T, _, B = x.shape
        WT = transpose(self.params["weight"])
        team.run(
            backward_vector, WT, x, y, dy, e, a, A, K, dx, team.counter(), workers=self._workers(T, B)
        )  # fmt: skip
        add_outer(a, x, self.grads["weight"], self.grads["bias"])
        return K

    def weights(self):
        """The attention weights of the last forward pass, for a picture; before its `backward`.

        The square of T in memory: only for looking, at few steps and few sequences.

        Returns
        -------
        array (T, T, B), in the vector form (T, T, H, B): at [t, k] how much step k counts in the context of
        step t, zero for k > t and for steps after the end. Each t sums to 1, or with a state to less: the
        rest is on what was before

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
        """One for little work, otherwise as many as there are cores."""
        step = self.hidden_size * B
        return 1 if T * step < LITTLE or step < LITTLE_STEP else team.size()

    def _buffer(self, name, shape):
        """An array that is kept from call to call, and made anew when the shape changes."""
        buffer = self._buffers.get(name)
        if buffer is None or buffer.shape != shape:
            buffer = self._buffers[name] = np.empty(shape, self.dtype)
        return buffer

    def _expect_state(self, state, name, B):
        if len(state) != len(self.states):
            raise ValueError(f"expected {name} of {len(self.states)} arrays {self.states}, got {len(state)}")
        shapes = (self._rows, B), (self._rows, B), (self.hidden_size, B)
        finite = name == "state"
        return [
            expect(part, f"{name} {letter}", ", ".join(map(str, shape)), shape, self.dtype, finite=finite)
            for letter, part, shape in zip(self.states, state, shapes, strict=True)
        ]


def _until(ends, array):
    """array (T, rows, B), with zeros after the end of each sequence: a copy, if there are such steps."""
    T = len(array)
    if ends.min() == T:
        return array
    return np.where(np.arange(T)[:, None, None] < ends, array, array.dtype.type(0))


def _quotient(sums, S):
    """sums / S, and zero where S is; (H, B) by (R, B)."""
    return np.divide(sums, S, out=np.zeros_like(sums), where=S > 0)
