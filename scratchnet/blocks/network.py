"""LSTM memory blocks with forget gates, as Eck & Schmidhuber (2002) used them for the blues.

The same on a page of NumPy: plain/cell_blocks.py.

    symbol          what                                                        shape of the array
    x               inputs                                                      (T, D, B)
    i f o           input, forget and output gate, one per block                J rows
    g               cell input, after the activation function g                 C rows
    s               cell state, the "constant error carousel"                   (T + 1, C, B)
    y               cell output y^c                                             (T + 1, C, B)
    a               net input of the output units; their output is sigmoid(a)   (T, K, B)
    z               sources of a unit: [x(t); y(t-1); 1]                        (T, Z, B),  Z = D + C + 1
    d...            derivative of the loss by ...

D inputs, J blocks, C cells in all, K outputs. Below, v is a cell and j its block. A unit sees only the
sources that the wiring gives it: all other weights of the matrices W and V are zero and stay zero.

Forward (Gers, Schmidhuber & Cummins 2000; peepholes u from Gers, Schraudolph & Schmidhuber 2002):

    i_j = sigmoid(W_i z + sum_v u_i s_v(t-1))         s_v(t) = f_j s_v(t-1) + i_j g_v
    f_j = sigmoid(W_f z + sum_v u_f s_v(t-1))         y_v(t) = o_j h(s_v(t))
    g_v = g(W_g z)                                    a(t)   = V [x(t); y(t); 1]
    o_j = sigmoid(W_o z + sum_v u_o s_v(t))           after the state update

The activation functions g in [-2, 2] and h in [-1, 1] are the papers'; for others see kernels/activations.py.

Backward, the full gradient (Graves & Schmidhuber 2005), t = T..1; what comes from t+1 is zero at the end:

    dy_v = V^T da(t) + W^T dnet(t+1)
    do_j = o (1 - o) sum_v h(s_v) dy_v
    ds_v = o_j h'(s_v) dy_v + f_j(t+1) ds_v(t+1) + u_i di_j(t+1) + u_f df_j(t+1) + u_o do_j
    dg_v = i_j g'(net) ds_v       df_j = f (1 - f) sum_v s_v(t-1) ds_v       di_j = i (1 - i) sum_v g_v ds_v
    dW = sum_t dnet(t) z(t)^T

The truncated gradient of the original papers, one weight change per time step, is in learning.py.

Memory: forward keeps T B (2 Z + 3 J + 4 C + K) numbers, backward takes about as many again while it runs.
"""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from scratchnet.annotations import Shape, State
from scratchnet.blocks.network_kernels import Gradients, Pass, Weights, backward, forward
from scratchnet.blocks.stream import BlockStream
from scratchnet.blocks.weights import BlockWeights
from scratchnet.blocks.wiring import Blocks, Outputs, Wiring
from scratchnet.layers.layer import batch_size, expect, expect_sequences, expect_state

__all__ = ["IDENTITY", "PAPER_G", "PAPER_H", "TANH", "Blocks", "CellBlocks", "Outputs", "Wiring"]

PAPER_G, PAPER_H = (2.0, 0.5), (1.0, 0.5)  # 4 sigmoid(x) - 2 and 2 sigmoid(x) - 1, as a tanh(b x)
TANH, IDENTITY = (1.0, 1.0), (0.0, 1.0)


def columns(array):
    """(T, N, B) -> (N, T B): all steps side by side, so that a sum over time and batch is one product."""
    return np.ascontiguousarray(array.transpose(1, 0, 2)).reshape(array.shape[1], -1)


class CellBlocks(BlockWeights):
    """A network of LSTM memory blocks and sigmoid output units with any wiring.

    Two ways of learning: `forward` and `backward`, the full gradient over whole sequences and batches, for an
    optimizer; and `stream` (stream.py) with the original algorithm, a truncated gradient and one weight
    change per time step, on a stream of any length. `learn_online`, `listen`, `play`, `reset`, `stream_state`
    and `truncated_gradient` are the stream's verbs.

    Parameters
    ----------
    wiring : Wiring
    rng : numpy Generator for the initial weights, uniform in [-scale, scale]
    scale : a number, or None for 1 / sqrt(number of sources) of each unit
    peepholes : whether gates see the states of their own block's cells
    activation_g, activation_h : (a, b) of the function a tanh(b x); IDENTITY for none, TANH for today's LSTM
    dtype : float64 or float32

    Attributes
    ----------
    params, grads : name -> array. For a group of blocks "memory": "memory.input_gate" (J, n + 1),
        "memory.forget_gate", "memory.cell" (C, n), "memory.output_gate"; with peepholes also
        "memory.input_peephole" (C,) and so on. For outputs "next": "next.weight" (K, n + 1). Rows are units,
        columns their sources as in wiring.py, the bias last. All are views of one vector, `flat`
    stream : BlockStream
    """

    def __init__(
        self,
        wiring: Wiring,
        rng: np.random.Generator,
        scale: float | None = 0.1,
        peepholes: bool = False,
        activation_g: tuple[float, float] = PAPER_G,
        activation_h: tuple[float, float] = PAPER_H,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(wiring, rng, scale, peepholes, activation_g, activation_h, dtype)
        self.stream = BlockStream(self)

    def description(self) -> str:
        """Name, and how many units of each kind."""
        w, peepholes = self.wiring, ", peepholes=True" if self.peepholes else ""
        units = f"{w.input_size} inputs, {w.block_count} blocks, {w.cell_count} cells"
        return f"CellBlocks({units}, {w.output_size} outputs{peepholes})"

    def shape_after(self, shape: Shape) -> Shape:
        """(T, K, B)."""
        return shape[0], self.wiring.output_size, shape[-1]

    def initial_state(self, B: int) -> State:
        """(s, y), both zero: cell states and cell outputs (C, B) before the first step."""
        shape = (self.wiring.cell_count, batch_size(B))
        return np.zeros(shape, self.dtype), np.zeros(shape, self.dtype)

    @overload
    def forward(self, x: ArrayLike, state: None = None) -> np.ndarray: ...

    @overload
    def forward(self, x: ArrayLike, state: State) -> tuple[np.ndarray, State]: ...

    def forward(self, x, state=None):
        """Run whole sequences.

        Parameters
        ----------
        x : array (T, D, B)
        state : (s, y), each (C, B); None for zeros

        Returns
        -------
        a : array (T, K, B), net input of the output units, for `sigmoid_cross_entropy(a, t)`; the outputs are
            sigmoid(a)
        state : (s, y) after the last step; returned only if a state was given

        Raises
        ------
        ValueError
            If a shape differs or a number is not finite.
        """
        w = self.wiring
        C, Z = w.cell_count, w.input_size + w.cell_count + 1
        x = expect_sequences(x, w.input_size, self.dtype)
        T, _, B = x.shape
        s0, y0 = self.initial_state(B) if state is None else self._expect_state(state, "state", B)
        weights = Weights(*self.matrices(), self.block_of, self.g_ab, self.h_ab)

        def new(*shape):
            return np.empty((*shape, B), self.dtype)

        net, s, y, hs = new(T, len(weights.W)), new(T + 1, C), new(T + 1, C), new(T, C)
        kept = Pass(new(T, Z), new(T, Z), net, s, y, hs)
        s[0], y[0] = s0, y0
        a = new(T, w.output_size)
        forward(x, weights, kept, a)
        self._kept = weights, kept
        self._state_given = state is not None
        return a if state is None else (a, (s[-1].copy(), y[-1].copy()))

    def backward(self, da: ArrayLike, dstate: State | None = None) -> Any:
        """Add the gradient of all weights to `grads`; return dx, or (dx, (ds, dy)) if forward had a state.

        Parameters
        ----------
        da : array (T, K, B), derivative of the loss by what `forward` returned
        dstate : (ds, dy), derivative by the final state; None for zeros
        """
        weights, kept = self.last_pass()
        w, (T, Z, B) = self.wiring, kept.z.shape
        D, J, C = w.input_size, w.block_count, w.cell_count
        da = expect(da, "da", f"{T}, {w.output_size}, {B}", (T, w.output_size, B), self.dtype)
        last = self.initial_state(B) if dstate is None else self._expect_state(dstate, "dstate", B)
        ds, dz = last[0].copy(), np.zeros((Z, B), self.dtype)
        dz[D : D + C] = last[1]
        dnet, dx = np.zeros_like(kept.net), np.zeros((T, D, B), self.dtype)
        WT, VT = np.ascontiguousarray(weights.W.T), np.ascontiguousarray(weights.V.T)
        backward(da, WT, VT, weights, kept, Gradients(dnet, dx, ds, dz, np.empty_like(dz)))
        dnet = columns(dnet)
        dW, dV = dnet @ columns(kept.z).T, columns(da) @ columns(kept.zo).T
        before, after, gates = columns(kept.s[:-1]), columns(kept.s[1:]), self.block_of
        seen = (before, gates), (before, J + gates), (after, 2 * J + C + gates)  # by i, f and o
        du = np.stack([(states * dnet[units]).sum(1) for states, units in seen])
        self.flat_grad += np.concatenate([dW.ravel(), dV.ravel(), du.ravel()])[self.where]
        return (dx, (ds, dz[D : D + C].copy())) if self._state_given else dx

    def _expect_state(self, state, name, B):
        letters = ("s", "y") if name == "state" else ("ds", "dy")
        return expect_state(state, name, letters, [(self.wiring.cell_count, B)] * 2, self.dtype)

    def record(self) -> dict[str, np.ndarray]:
        """The activations of the last `forward`.

        Returns
        -------
        dict of arrays (T, units, B): "input gate", "forget gate", "cell input", "output gate", "state",
        "cell output"
        """
        _, kept = self.last_pass()
        J, C = self.wiring.block_count, self.wiring.cell_count
        parts = np.split(kept.net, [J, 2 * J, 2 * J + C], axis=1)
        return dict(zip(("input gate", "forget gate", "cell input", "output gate"), parts, strict=True)) | {
            "state": kept.s[1:],
            "cell output": kept.y[1:],
        }

    # The verbs of the stream, for those who have only the network.

    def reset(self) -> None:
        """See BlockStream.reset."""
        self.stream.reset()

    def stream_state(self) -> dict[str, np.ndarray]:
        """See BlockStream.state."""
        return self.stream.state()

    def learn_online(
        self, x: ArrayLike, t: ArrayLike, lr: float, momentum: float = 0.0, gross_error: float = np.inf
    ) -> tuple[np.ndarray, float, int]:
        """See BlockStream.learn."""
        return self.stream.learn(x, t, lr, momentum, gross_error)

    def listen(self, x: ArrayLike) -> np.ndarray:
        """See BlockStream.listen."""
        return self.stream.listen(x)

    def play(
        self,
        x: ArrayLike,
        steps: int,
        rules: dict[str, str],
        rng: np.random.Generator,
        temperature: float = 1.0,
        scaling: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> np.ndarray:
        """See BlockStream.play."""
        return self.stream.play(x, steps, rules, rng, temperature, scaling)

    def truncated_gradient(self, x: ArrayLike, t: ArrayLike) -> dict[str, np.ndarray]:
        """See BlockStream.truncated_gradient."""
        return self.stream.truncated_gradient(x, t)
