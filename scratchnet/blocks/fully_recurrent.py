"""The fully recurrent network (Williams & Zipser 1989): units that see all inputs, and all units a step ago.

    symbol      what                                                shape of the array
    x           inputs                                              (T, D, B)
    z           sources of every unit: [x(t); y(t-1); 1]            (T + 1, Z, B),  Z = D + H + 1
    a           net input of the units                              (T, H, B)
    y           outputs of the units, sigmoid(a)                    H rows of z, one step on
    W           weights: a row a unit, a column a source            (H, Z), the bias last
    R           the columns of W that read y                        (H, H)
    e           y - t of the first K units, the network's outputs   (K,)
    p, q        p^k_ij = dy_k/dw_ij,  q^k_ij = da_k/dw_ij           (H, H Z)
    d...        derivative of the loss by ...

D inputs (m in the paper), H units (n in the paper), K outputs. The paper calls y(t+1) what is y(t) here: the
units' answer to x(t) and y(t-1). The loss is cross-entropy (training/losses.py), for which dE/da = y - t,
where the paper's squared error has (y - t) y (1 - y).

Forward         a(t) = W z(t)           y(t) = sigmoid(a(t))

Two ways to the same gradient. Backwards in time (BPTT), t = T..1; what comes from t+1 is zero at the end:

    dy(t) = R^T da(t+1)
    da(t) = y (1 - y) dy(t) + dE/da(t), the latter for outputs only
    dW    = sum_t da(t) z(t)^T          dx(t) = the rows of W^T da(t) that belong to x

Forwards in time (real-time recurrent learning, RTRL): all dy/dw are carried along, with p(0) = 0:

    q^k_ij(t) = sum_l R_kl p^l_ij(t-1) + delta_ik z_j(t)        w_ij enters the net input of unit i alone
    dE/dw_ij  = sum_k e_k q^k_ij(t)                             complete at every time step
    p^k_ij(t) = y_k (1 - y_k) q^k_ij(t)

So the weights can change after every step of a stream that never ends, by momentum in Plaut's form:
v <- m v - lr dE/dw;  w <- w + v. Then p mixes derivatives by older and newer weights, a matter of order lr.

Cost. BPTT: T B (2 Z + 2 H) numbers, and H Z B multiplications a step. RTRL: 2 H^2 Z numbers whatever T, and
H^3 Z multiplications a step, nearly all in the product R p. With more units than inputs that is O(H^3) memory
and O(H^4) time: a method for a few dozen units.
"""

from typing import NamedTuple

import numpy as np

from scratchnet.arguments import generator, number, room, whole
from scratchnet.blocks.online import expect_learned, expect_targets, online_settings
from scratchnet.kernels.activations import sigmoid
from scratchnet.kernels.jit import kernel
from scratchnet.layers.layer import Layer, batch_size, check_dtype, expect, expect_state
from scratchnet.layers.one_thread import alone
from scratchnet.training.losses import sigmoid_cross_entropy


@kernel
def unit_forward(a, y):
    """y = sigmoid(a): one unit and B sequences, or all units of one sequence."""
    for n in range(a.size):
        y[n] = sigmoid(a[n])


@kernel
def forward(W, z, a):
    """The whole sequence. z (T + 1, Z, B) holds x, y(0) and the ones; it receives y, and a the net inputs."""
    T, H, B = a.shape
    D = z.shape[1] - H - 1
    for t in range(T):
        np.dot(W, z[t], a[t])
        for k in range(H):
            unit_forward(a[t, k], z[t + 1, D + k])


@kernel
def unit_backward(y, dy, da):
    """da = y (1 - y) dy."""
    one = y.dtype.type(1)
    for n in range(y.size):
        da[n] = y[n] * (one - y[n]) * dy[n]


@kernel
def add(part, total):
    """total += part, along a row."""
    for n in range(part.size):
        total[n] += part[n]


@kernel
def backward(WT, z, da_out, da, dz):
    """The whole sequence, backwards. da_out (T, K, B) is dE/da of the outputs, da (T, H, B) of all units.

    dz (T + 1, Z, B) holds the derivative by y(T); it receives those by x and by y(0) ... y(T-1).
    """
    T, H, B = da.shape
    D, K = z.shape[1] - H - 1, da_out.shape[1]
    for t in range(T - 1, -1, -1):
        for k in range(H):
            unit_backward(z[t + 1, D + k], dz[t + 1, D + k], da[t, k])
        for k in range(K):
            add(da_out[t, k], da[t, k])
        np.dot(WT, da[t], dz[t])


class Stream(NamedTuple):
    """A network in the middle of a stream, as kernels see it."""

    W: np.ndarray  # (H, Z) weights
    w: np.ndarray  # (H Z,) the same memory, flat
    v: np.ndarray  # (H Z,) velocity
    dw: np.ndarray  # (H Z,) gradient of the present step
    z: np.ndarray  # (Z,) sources
    a: np.ndarray  # (H,) net input
    y: np.ndarray  # (H,) outputs of the units
    e: np.ndarray  # (K,) error
    R: np.ndarray  # (H, H) copy of columns of W: a matrix product wants its numbers side by side
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
def carry(n):
    """The derivatives by all weights, one step on: q from the old p, then p."""
    H, Z = n.W.shape
    one = n.y.dtype.type(1)
    for k in range(H):
        n.R[k] = n.W[k, Z - 1 - H : Z - 1]
    np.dot(n.R, n.p, n.q)
    for k in range(H):
        add(n.z, n.q[k, k * Z : (k + 1) * Z])
        scale(n.q[k], n.y[k] * (one - n.y[k]), n.p[k])


@kernel
def burn(w, v, dw, lr, momentum, change):
    """v <- m v - lr dw;  w <- w + v if change = 1, w as it is if change = 0."""
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
        carry(n)
        a[now] = n.a[:K]
        y[now] = n.y[:K]
        gross = False
        for k in range(K):
            n.e[k] = y[now, k] - t[now, k]
            gross = gross or abs(n.e[k]) > gross_error
        np.dot(n.e, n.q[:K], n.dw)
        burn(n.w, n.v, n.dw, lr, momentum, change)
        if gross:
            return now + 1
    return x.shape[0]


class FullyRecurrent(Layer):
    """A fully recurrent network of sigmoid units, the first `output_size` of which are its outputs.

    Two ways of learning:  `forward` and `backward`, BPTT over whole sequences and batches, for an optimizer;
    `learn_online`, RTRL: one weight change a time step, on a stream of any length.

    Parameters
    ----------
    input_size, units, output_size : D, H and K, of which K <= H
    rng : numpy Generator for the initial weights, uniform in [-scale, scale]
    scale : a number, or None for 1 / sqrt(Z), Z = D + H + 1 being the number of sources of a unit
    dtype : float64 or float32

    Attributes
    ----------
    params, grads : "weight" (H, Z): rows are units, columns [inputs; units; bias]

    Raises
    ------
    ValueError
        If a size is not positive, there are more outputs than units, or dtype is another.
    """

    def __init__(self, input_size, units, output_size, rng, scale=0.1, dtype=np.float64):
        super().__init__()
        self.input_size, self.units = whole(input_size, "input_size"), whole(units, "units")
        self.output_size = whole(output_size, "output_size", most=self.units)
        self.dtype = check_dtype(dtype)
        shape = H, Z = self.units, self.input_size + self.units + 1
        room(2 * H * H * Z, "the partial derivatives")
        bound = 1 / np.sqrt(Z) if scale is None else number(scale, "scale", least=0)
        W = generator(rng).uniform(-bound, bound, shape).astype(dtype)
        self.params["weight"], self.grads["weight"] = W, np.zeros(shape, dtype)

        def zeros(*shape):
            return np.zeros(shape, dtype)

        self._stream = Stream(
            W=W, w=W.reshape(-1), v=zeros(H * Z), dw=zeros(H * Z), z=zeros(Z), a=zeros(H), y=zeros(H),
            e=zeros(output_size), R=zeros(H, H), p=zeros(H, H * Z), q=zeros(H, H * Z),
        )  # fmt: skip
        self._stream.z[-1] = 1

    def shape_after(self, shape):
        """(T, K, B)."""
        return shape[0], self.output_size, shape[-1]

    def initial_state(self, B):
        """(y0,): zero outputs of the units (H, B) before the first step."""
        B = batch_size(B)
        return (np.zeros((self.units, B), self.dtype),)

    def forward(self, x, state=None):
        """Run whole sequences. The stream of `learn_online` and `advance` stays where it is.

        Parameters
        ----------
        x : array (T, D, B)
        state : (y0,), outputs of all units (H, B) before the first step; None for zeros

        Returns
        -------
        a : array (T, K, B), net input of the output units: for `sigmoid_cross_entropy(a, t)`; y = sigmoid(a)
        state : (y_T,) after the last step; returned only if a state was given

        Raises
        ------
        ValueError
            If a shape differs or a number is not finite.
        """
        D, H = self.input_size, self.units
        x = expect(x, "x", f"T, {D}, B", (None, D, None), self.dtype)
        T, _, B = x.shape
        if T == 0 or B == 0:
            raise ValueError(f"expected x (T, {D}, B) with at least one step and one sequence, got {x.shape}")
        (y0,) = self.initial_state(B) if state is None else self._expect_state(state, "state", B)
        z, a = np.ones((T + 1, D + H + 1, B), self.dtype), np.empty((T, H, B), self.dtype)
        z[:T, :D] = x
        z[0, D : D + H] = y0
        forward(self.params["weight"], z, a)
        self._kept = z
        self._state_given = state is not None
        a = a[:, : self.output_size].copy()
        return a if state is None else (a, (z[T, D : D + H].copy(),))

    def backward(self, da, dstate=None):
        """Add the gradient of the weights to `grads`; return dx, or (dx, (dy0,)) if forward had a state.

        Parameters
        ----------
        da : array (T, K, B), derivative of the loss by what `forward` returned
        dstate : (dy,), derivative by the final state (H, B); None for zeros

        Returns
        -------
        dx : array (T, D, B)
        dstate : (dy0,), derivative by the initial state (H, B); returned only if forward was given a state
        """
        z = self.last_pass()
        D, H, K, (T, Z, B) = self.input_size, self.units, self.output_size, (len(z) - 1, *z.shape[1:])
        da_out = expect(da, "da", f"{T}, {K}, {B}", (T, K, B), self.dtype)
        (dy,) = self.initial_state(B) if dstate is None else self._expect_state(dstate, "dstate", B)
        da, dz = np.empty((T, H, B), self.dtype), np.empty((T + 1, Z, B), self.dtype)
        dz[T, D : D + H] = dy
        backward(np.ascontiguousarray(self.params["weight"].T), z, da_out, da, dz)
        self.grads["weight"] += np.tensordot(da, z[:T], ((0, 2), (0, 2)))  # sums over time and batch
        dx = dz[:T, :D].copy()
        return (dx, (dz[0, D : D + H].copy(),)) if self._state_given else dx

    @alone
    def reset(self):
        """Forget the stream: outputs and partial derivatives become zero. Weights and momentum stay."""
        self._stream.y.fill(0)
        self._stream.p.fill(0)

    def stream_state(self):
        """All but the weights that the stream carries from step to step, by name; the arrays themselves."""
        return {"velocity": self._stream.v, "partials": self._stream.p, "outputs": self._stream.y}

    @alone
    def advance(self, x):
        """One step of the stream without learning; to compose, feed the outputs back as the next inputs.

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
        step(self._stream, expect(x, "x", f"{self.input_size},", (self.input_size,), self.dtype))
        self._stream.p.fill(0)
        return self._stream.y[: self.output_size].copy()

    def learn_online(self, x, t, lr, momentum=0.0, gross_error=np.inf):
        """Learn from a stream, changing all weights after every step; goes on from where the last call ended.

        Parameters
        ----------
        x : array (T, D), inputs
        t : array (T, K), targets in [0, 1]
        lr, momentum : of gradient descent in Plaut's form
        gross_error : stop after the first step in which an output is wrong by more than this

        Returns
        -------
        y : array (steps done, K), the outputs as they were before each weight change
        loss : cross-entropy of these steps, in nats, summed over units and steps
        wrong : number of outputs on the wrong side of 1/2

        Raises
        ------
        ValueError
            If a shape differs, a number is not finite, a target is not in [0, 1], or a setting out of range.
        Diverged
            If the weights are no longer finite. They are lost.
        """
        y, loss, wrong = self._run(x, t, *online_settings(lr, momentum, gross_error, self.dtype))
        expect_learned(self.params["weight"], len(y))
        return y, loss, wrong

    @alone
    def rtrl_gradient(self, x, t):
        """The gradient of the stream's summed cross-entropy, weights fixed: a dict "weight" -> array (H, Z).

        What `backward` gives, by another way. Starts from a `reset`, and leaves the network reset.

        Parameters
        ----------
        x : array (T, D), inputs
        t : array (T, K), targets in [0, 1]

        Raises
        ------
        ValueError
            If a shape differs or a number is not finite.
        """
        velocity = self._stream.v.copy()
        self.reset()
        self._stream.v.fill(0)
        try:
            self._run(x, t, -1, 1, 0, np.inf)  # v <- 1 v + dE/dw, and no change of w
            return {"weight": self._stream.v.reshape(self.params["weight"].shape).copy()}
        finally:
            self._stream.v[:] = velocity
            self.reset()

    def _expect_state(self, state, name, B):
        letter = "y0" if name == "state" else "dy"
        return expect_state(state, name, (letter,), [(self.units, B)], self.dtype)

    @alone
    def _run(self, x, t, lr, momentum, change, gross_error):
        D, K = self.input_size, self.output_size
        x = expect(x, "x", f"T, {D}", (None, D), self.dtype)
        t = expect_targets(t, len(x), K, self.dtype)
        if len(x) == 0:
            raise ValueError(f"expected x (T, {D}) with at least one step, got {x.shape}")
        a, y = np.empty_like(t), np.empty_like(t)
        with np.errstate(all="ignore"):  # as when compiled: what has gone astray is looked at afterwards
            numbers = (self.dtype.type(each) for each in (lr, momentum, change, gross_error))
            steps = run(self._stream, x, t, a, y, *numbers)
        a, y, t = a[:steps], y[:steps], t[:steps]
        loss, _ = sigmoid_cross_entropy(a[:, :, None], t[:, :, None])  # a batch of one, the mean over steps
        return y, loss * steps, int((np.abs(y - t) >= 0.5).sum())
