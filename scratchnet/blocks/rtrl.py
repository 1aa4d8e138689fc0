"""Real-time recurrent learning (Williams & Zipser 1989): the gradient of fully_recurrent.py, forwards.

Symbols as in fully_recurrent.py, and

    symbol      what                                                shape of the array
    e           y - t of the first K units, the network's outputs   (K,)
    p, q        p^k_ij = dy_k/dw_ij,  q^k_ij = da_k/dw_ij           (H, H Z)

All dy/dw are propagated from step to step, with p(0) = 0:

    q^k_ij(t) = sum_l R_kl p^l_ij(t-1) + delta_ik z_j(t)        w_ij enters the net input of unit i alone
    dE/dw_ij  = sum_k e_k q^k_ij(t)                             complete at every time step
    p^k_ij(t) = y_k (1 - y_k) q^k_ij(t)

So the weights can change after every step of a stream that never ends, by momentum in Plaut's form:
v <- m v - lr dE/dw;  w <- w + v. Then p mixes derivatives by older and newer weights, an error of order lr.

Cost: 2 H^2 Z numbers whatever T, and H^3 Z multiplications per step, nearly all in the product R p. With more
units than inputs that is O(H^3) memory and O(H^4) time: a method for a few dozen units.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from scratchnet.blocks.online import expect_inputs, expect_learned, expect_targets, online_settings
from scratchnet.described import Described
from scratchnet.kernels.activations import sigmoid
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.rows import add_row
from scratchnet.layers.layer import expect
from scratchnet.layers.one_thread import alone_with
from scratchnet.training.losses import sigmoid_cross_entropy

if TYPE_CHECKING:
    from scratchnet.blocks.fully_recurrent import FullyRecurrent


@kernel
def unit_forward(a, y):
    """y = sigmoid(a): one unit and B sequences, or all units of one sequence."""
    for n in range(a.size):
        y[n] = sigmoid(a[n])


class RTRLArrays(NamedTuple):
    """A network in the middle of a stream, as kernels see it."""

    W: np.ndarray  # (H, Z) weights
    w: np.ndarray  # (H Z,) the same memory, flat
    v: np.ndarray  # (H Z,) velocity
    dw: np.ndarray  # (H Z,) gradient of the present step
    z: np.ndarray  # (Z,) sources
    a: np.ndarray  # (H,) net input
    y: np.ndarray  # (H,) outputs of the units
    e: np.ndarray  # (K,) error
    R: np.ndarray  # (H, H) copy of columns of W: a matrix product wants contiguous numbers
    p: np.ndarray  # (H, H Z)
    q: np.ndarray  # (H, H Z)


@kernel
def step(n, x):
    """One time step forward: x (D,) -> n.y."""
    D, H = x.size, n.y.size
    n.z[:D] = x
    n.z[D : D + H] = n.y
    np.dot(n.W, n.z, n.a)
    unit_forward(n.a, n.y)


@kernel
def scale(q, slope, p):
    """p = slope q, along a row."""
    for n in range(q.size):
        p[n] = slope * q[n]


@kernel
def propagate(n):
    """The derivatives by all weights, one step further: q from the old p, then p."""
    H, Z = n.W.shape
    one = n.y.dtype.type(1)
    for k in range(H):
        n.R[k] = n.W[k, Z - 1 - H : Z - 1]
    np.dot(n.R, n.p, n.q)
    for k in range(H):
        add_row(n.z, n.q[k, k * Z : (k + 1) * Z])
        scale(n.q[k], n.y[k] * (one - n.y[k]), n.p[k])


@kernel
def momentum_step(w, v, dw, lr, momentum, change):
    """v <- m v - lr dw;  w <- w + v if change = 1; w stays if change = 0."""
    for n in range(w.size):
        v[n] = momentum * v[n] - lr * dw[n]
        w[n] += change * v[n]


@kernel
def run(n, x, t, a, y, lr, momentum, change, gross_error):
    """A whole stream, learning after every step.

    x (T, D), t (T, K) targets; a and y (T, K) receive net inputs and outputs. Stops after a step in which an
    output is wrong by more than gross_error. Returns the number of steps done.
    """
    K = t.shape[1]
    for now in range(x.shape[0]):
        step(n, x[now])
        propagate(n)
        a[now] = n.a[:K]
        y[now] = n.y[:K]
        gross = False
        for k in range(K):
            n.e[k] = y[now, k] - t[now, k]
            gross = gross or abs(n.e[k]) > gross_error
        np.dot(n.e, n.q[:K], n.dw)
        momentum_step(n.w, n.v, n.dw, lr, momentum, change)
        if gross:
            return now + 1
    return x.shape[0]


class RTRLStream(Described):
    """The state that a network carries from step to step, and what can be done with it.

    Parameters
    ----------
    network : FullyRecurrent; the stream changes its weights in place
    """

    def __init__(self, network: "FullyRecurrent") -> None:
        self.network, self.dtype, W = network, network.dtype, network.params["weight"]
        H, Z = W.shape

        def zeros(*shape):
            return np.zeros(shape, self.dtype)

        self.arrays = RTRLArrays(
            W=W,
            w=W.reshape(-1),
            v=zeros(H * Z),
            dw=zeros(H * Z),
            z=zeros(Z),
            a=zeros(H),
            y=zeros(H),
            e=zeros(network.output_size),
            R=zeros(H, H),
            p=zeros(H, H * Z),
            q=zeros(H, H * Z),
        )
        self.arrays.z[-1] = 1

    @alone_with("network")
    def reset(self) -> None:
        """Set outputs and partial derivatives to zero. Weights and momentum stay."""
        self.arrays.y.fill(0)
        self.arrays.p.fill(0)

    def state(self) -> dict[str, np.ndarray]:
        """All that the stream carries from step to step, except the weights, by name. Not copies."""
        return {"velocity": self.arrays.v, "partials": self.arrays.p, "outputs": self.arrays.y}

    @alone_with("network")
    def advance(self, x: ArrayLike) -> np.ndarray:
        """One step without learning; to generate, feed the outputs back as the next inputs.

        Later learning takes the state reached as given: no error flows back through this step (p is zero).

        Parameters
        ----------
        x : array (D,)

        Returns
        -------
        y : array (K,), the outputs

        Raises
        ------
        ValueError
            If the shape differs or a number is not finite.
        """
        D = self.network.input_size
        step(self.arrays, expect(x, "x", f"{D},", (D,), self.dtype))
        self.arrays.p.fill(0)
        return self.arrays.y[: self.network.output_size].copy()

    def learn(
        self,
        x: ArrayLike,
        t: ArrayLike,
        lr: float,
        momentum: float = 0.0,
        gross_error: float = np.inf,
    ) -> tuple[np.ndarray, float, int]:
        """Learn from a stream, updating all weights after every step; continues where the last call ended.

        Parameters and returns are those of BlockStream.learn.

        Raises
        ------
        ValueError
            If a shape differs, there is no step, a number is not finite, a target is not in [0, 1], or a
            setting is out of range.
        Diverged
            If the weights are no longer finite. They are lost.
        """
        y, loss, wrong = self._run(x, t, *online_settings(lr, momentum, gross_error, self.dtype))
        expect_learned(self.arrays.w, len(y))
        return y, loss, wrong

    @alone_with("network")
    def gradient(self, x: ArrayLike, t: ArrayLike) -> dict[str, np.ndarray]:
        """The gradient of the stream's summed cross-entropy, with fixed weights: "weight" -> array (H, Z).

        Equals the result of `backward`, computed differently. Starts with a `reset`, and leaves the stream
        reset.

        Parameters
        ----------
        x : array (T, D), inputs
        t : array (T, K), targets in [0, 1]

        Raises
        ------
        ValueError
            If a shape differs or a number is not finite.
        """
        velocity = self.arrays.v.copy()
        self.reset()
        self.arrays.v.fill(0)
        try:
            self._run(x, t, -1, 1, 0, np.inf)  # v <- 1 v + dE/dw, and no change of w
            return {"weight": self.arrays.v.reshape(self.arrays.W.shape).copy()}
        finally:
            self.arrays.v[:] = velocity
            self.reset()

    @alone_with("network")
    def _run(self, x, t, lr, momentum, change, gross_error):
        D, K = self.network.input_size, self.network.output_size
        x = expect_inputs(x, D, self.dtype)
        t = expect_targets(t, len(x), K, self.dtype)
        if len(x) == 0:
            raise ValueError(f"expected x (T, {D}) with at least one step, got {x.shape}")
        a, y = np.empty_like(t), np.empty_like(t)
        with np.errstate(all="ignore"):  # as when compiled: divergence is reported by `learn`
            numbers = (self.dtype.type(each) for each in (lr, momentum, change, gross_error))
            steps = run(self.arrays, x, t, a, y, *numbers)
        a, y, t = a[:steps], y[:steps], t[:steps]
        loss, _ = sigmoid_cross_entropy(a[:, :, None], t[:, :, None])  # a batch of one, the mean over steps
        return y, loss * steps, int((np.abs(y - t) >= 0.5).sum())
