"""The fully recurrent network (Williams & Zipser 1989): units that see all inputs, and all units a step ago.

    symbol      what                                                shape of the array
    x           inputs                                              (T, D, B)
    z           sources of every unit: [x(t); y(t-1); 1]            (T + 1, Z, B),  Z = D + H + 1
    a           net input of the units                              (T, H, B)
    y           outputs of the units, sigmoid(a)                    H rows of z, one step on
    W           weights: a row per unit, a column per source        (H, Z), the bias last
    R           the columns of W that read y                        (H, H)
    d...        derivative of the loss by ...

D inputs (m in the paper), H units (n in the paper), K outputs. The paper's y(t+1) is y(t) here: the units'
response to x(t) and y(t-1). The loss is cross-entropy (training/losses.py), for which dE/da = y - t, where
the paper's squared error has (y - t) y (1 - y).

Forward         a(t) = W z(t)           y(t) = sigmoid(a(t))

Two ways to the same gradient. Backwards in time (BPTT), t = T..1; what comes from t+1 is zero at the end:

    dy(t) = R^T da(t+1)
    da(t) = y (1 - y) dy(t) + dE/da(t), the latter for outputs only
    dW    = sum_t da(t) z(t)^T          dx(t) = the rows of W^T da(t) that belong to x

Forwards in time: real-time recurrent learning, in rtrl.py.

Cost of BPTT: T B (2 Z + 2 H) numbers, and H Z B multiplications per step.
"""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from scratchnet.annotations import Shape, State
from scratchnet.arguments import number, room, whole
from scratchnet.blocks.rtrl import RTRLStream, unit_forward
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.rows import add_row
from scratchnet.layers.layer import (
    Layer,
    batch_size,
    check_dtype,
    expect,
    expect_sequences,
    expect_state,
)


@kernel
def forward(W, z, a):
    """The whole sequence. z (T + 1, Z, B) holds x, y(0) and the ones and receives y; a the net inputs."""
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
            add_row(da_out[t, k], da[t, k])
        np.dot(WT, da[t], dz[t])


class FullyRecurrent(Layer):
    """A fully recurrent network of sigmoid units, the first `output_size` of which are its outputs.

    Two ways of learning: `forward` and `backward`, BPTT over whole sequences and batches, for an optimizer;
    and `stream`, RTRL (rtrl.py): one weight change per time step, on a stream of any length. `learn_online`,
    `advance`, `reset`, `stream_state` and `rtrl_gradient` are the stream's verbs.

    Parameters
    ----------
    input_size, units, output_size : D, H and K, of which K <= H
    rng : numpy Generator for the initial weights, uniform in [-scale, scale]
    scale : a number, or None for 1 / sqrt(Z), Z = D + H + 1 being the number of sources of a unit
    dtype : float64 or float32

    Attributes
    ----------
    params, grads : "weight" (H, Z): rows are units, columns [inputs; units; bias]
    stream : RTRLStream

    Raises
    ------
    ValueError
        If a size is not positive, there are more outputs than units, or dtype is neither.
    """

    def __init__(
        self,
        input_size: int,
        units: int,
        output_size: int,
        rng: np.random.Generator,
        scale: float | None = 0.1,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__()
        self.input_size, self.units = whole(input_size, "input_size"), whole(units, "units")
        self.output_size = whole(output_size, "output_size", most=self.units)
        self.dtype = check_dtype(dtype)
        H, Z = self.units, self.input_size + self.units + 1
        room(2 * H * H * Z, "the partial derivatives")
        bound = 1 / np.sqrt(Z) if scale is None else number(scale, "scale", least=0)
        self.add_uniform(rng, bound, {"weight": (H, Z)})
        self.stream = RTRLStream(self)

    def shape_after(self, shape: Shape) -> Shape:
        """(T, K, B)."""
        return shape[0], self.output_size, shape[-1]

    def initial_state(self, B: int) -> State:
        """(y0,): zero outputs of the units (H, B) before the first step."""
        B = batch_size(B)
        return (np.zeros((self.units, B), self.dtype),)

    @overload
    def forward(self, x: ArrayLike, state: None = None) -> np.ndarray: ...

    @overload
    def forward(self, x: ArrayLike, state: State) -> tuple[np.ndarray, State]: ...

    def forward(self, x, state=None):
        """Run whole sequences. The stream is not touched.

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
        H = self.units
        x = expect_sequences(x, self.input_size, self.dtype)
        T, D, B = x.shape
        (y0,) = self.initial_state(B) if state is None else self._expect_state(state, "state", B)
        z, a = np.ones((T + 1, D + H + 1, B), self.dtype), np.empty((T, H, B), self.dtype)
        z[:T, :D] = x
        z[0, D : D + H] = y0
        forward(self.params["weight"], z, a)
        self._kept = z
        self._state_given = state is not None
        a = a[:, : self.output_size].copy()
        return a if state is None else (a, (z[T, D : D + H].copy(),))

    def backward(self, da: ArrayLike, dstate: State | None = None) -> Any:
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

    def _expect_state(self, state, name, B):
        letter = "y0" if name == "state" else "dy"
        return expect_state(state, name, (letter,), [(self.units, B)], self.dtype)

    # The verbs of the stream, for those who have only the network.

    def reset(self) -> None:
        """See RTRLStream.reset."""
        self.stream.reset()

    def stream_state(self) -> dict[str, np.ndarray]:
        """See RTRLStream.state."""
        return self.stream.state()

    def learn_online(
        self, x: ArrayLike, t: ArrayLike, lr: float, momentum: float = 0.0, gross_error: float = np.inf
    ) -> tuple[np.ndarray, float, int]:
        """See RTRLStream.learn."""
        return self.stream.learn(x, t, lr, momentum, gross_error)

    def advance(self, x: ArrayLike) -> np.ndarray:
        """See RTRLStream.advance."""
        return self.stream.advance(x)

    def rtrl_gradient(self, x: ArrayLike, t: ArrayLike) -> dict[str, np.ndarray]:
        """See RTRLStream.gradient."""
        return self.stream.gradient(x, t)
