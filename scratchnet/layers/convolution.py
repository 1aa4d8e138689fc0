"""What convolutions over time have in common: padding, stride, unequal lengths, continuing from a state.

    symbol          what                                                shape of the array
    x               inputs                                              (T, D, B)
    y               outputs                                             (T', C, B)
    K, s            kernel width, stride
    q               steps of padding before the first input

Output t sees the K inputs  x(t s - q), ..., x(t s - q + K - 1).  Those before the first or after the last are
zeros; they are skipped, not stored.

    padding     q                                           T'
    valid       0, and none after the last input            (T - K) // s + 1
    same        half of all padding, rounded down           (T - 1) // s + 1
    causal      K - 1: no output sees a later input         (T - 1) // s + 1

"same" pads with (T' - 1) s + K - T zeros in all, if that is positive: Keras' rule, and PyTorch's for s = 1.

Unequal lengths. Each sequence gets the outputs it would get alone: inputs after its end count as zeros, and
outputs after its last one are zero.

State. A causal convolution can continue where it stopped: its state is the last K - 1 inputs, initially zeros
(tokens are kept, and after a state also convolved, as one-hot vectors). The others see the future and have no
state: theirs is the empty tuple.
"""

from abc import ABC, abstractmethod
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from scratchnet.annotations import Shape, State
from scratchnet.arguments import one_of, whole
from scratchnet.kernels.jit import kernel
from scratchnet.layers.layer import (
    Layer,
    batch_size,
    check_dtype,
    expect_gradient,
    expect_lengths,
    expect_sequences,
    expect_state,
    expect_tokens,
    is_tokens,
    zero_padding,
)

PADDINGS = ("valid", "same", "causal")


@kernel(inline=True)
def output_step(u, k, back, stride, steps):
    """The step of y whose tap k sees input u; -1 if none of the `steps` does."""
    moved = u + back - k
    if moved >= 0 and moved % stride == 0 and moved // stride < steps:
        return moved // stride
    return -1


class Convolution(Layer, ABC):
    """Base class of the convolutions. A subclass adds parameters and the three methods at the end.

    Parameters
    ----------
    input_size, output_size : D and C
    kernel_size : K
    padding : "valid", "same" or "causal"
    stride : s
    dtype : float32 or float64

    Raises
    ------
    ValueError
        If a size is not positive, or padding or dtype is none of these.
    """

    skips_dx = True
    takes_tokens = False

    def __init__(
        self,
        input_size: int,
        output_size: int,
        kernel_size: int,
        padding: str = "valid",
        stride: int = 1,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.input_size, self.output_size = whole(input_size, "input_size"), whole(output_size, "output_size")
        self.kernel_size, self.stride = whole(kernel_size, "kernel_size"), whole(stride, "stride")
        self.padding, self.dtype = one_of(padding, "padding", PADDINGS), check_dtype(dtype)
        self.stateful = padding == "causal"

    def shape_after(self, shape: Shape) -> Shape:
        """(T', C, B)."""
        T, skipped = shape[0], self.kernel_size if self.padding == "valid" else 1
        if isinstance(T, int):
            T = int(self.lengths_after(T))
        elif self.stride > 1:
            T = f"({T} - {skipped}) // {self.stride} + 1"
        elif skipped > 1:
            T = f"{T} - {skipped - 1}"
        return T, self.output_size, shape[-1]

    def initial_state(self, B: int) -> State:
        """Zeros (K - 1, D, B) in a tuple if the padding is causal; otherwise the empty tuple."""
        B = batch_size(B)
        if self.padding != "causal":
            return ()
        return (np.zeros((self.kernel_size - 1, self.input_size, B), self.dtype),)

    def lengths_after(self, lengths: Any) -> Any:
        """How many outputs there are for so many inputs; whole numbers, of any shape."""
        return (lengths - self.kernel_size if self.padding == "valid" else lengths - 1) // self.stride + 1

    @overload
    def forward(self, x: ArrayLike, state: None = None, lengths: ArrayLike | None = None) -> np.ndarray: ...

    @overload
    def forward(
        self, x: ArrayLike, state: State, lengths: ArrayLike | None = None
    ) -> tuple[np.ndarray, State]: ...

    def forward(self, x, state=None, lengths=None):
        """Convolve whole sequences.

        Parameters
        ----------
        x : array (T, D, B); for Conv1D also tokens (T, B). `backward` reads it again, so it must not change
        state : tuple as from `initial_state`, the inputs before x; None for none
        lengths : whole numbers (B,), the length of each sequence; None for T

        Returns
        -------
        y : array (T', C, B)
        state : tuple of the last K - 1 inputs of each sequence if causal; returned only if a state was given

        Raises
        ------
        ValueError
            If a shape differs, a sequence is shorter than the kernel of a valid convolution, a state is given
            and T is no multiple of the stride, a token or length is out of range, or a number is not finite.
        """
        self._kept = None
        K, tokens = self.kernel_size, self.takes_tokens and is_tokens(x)
        x = self._expect_input(x, tokens)
        T, B = len(x), x.shape[-1]
        ends = expect_lengths(lengths, T, B)
        self._expect_fit(T, ends)
        steps, back = int(self.lengths_after(T)), self._left_padding(T)
        going_on = state is not None and self.padding == "causal"
        if going_on:  # a valid convolution of the inputs kept and the new ones
            before = self._expect_state(state, "state", B)
            if T % self.stride:
                raise ValueError(f"expected with a state T that is a multiple of {self.stride}, got T = {T}")
            x = self._one_hot(x) if tokens else x
            x, ends, back = np.concatenate([before, x]), ends + K - 1, 0
        if x.ndim == 3:
            x = zero_padding(x, ends)
        elif ends.min() < T:
            x = np.where(np.arange(T)[:, None] < ends, x, self.input_size)  # D: the token of padding
        y = np.empty((steps, self.output_size, B), self.dtype)
        self.convolve(x, back, y)
        self._kept = x, back, ends, tokens, state is not None, going_on
        self._ends_after = self.lengths_after(ends - K + 1 if going_on else ends)
        y = zero_padding(y, self._ends_after)
        if state is None:
            return y
        return y, ((x[self._last_inputs()].swapaxes(1, 2),) if going_on else ())

    def backward(self, dy: ArrayLike, dstate: State | None = None, need_dx: bool = True) -> Any:
        """Add the gradients of the parameters to `grads`.

        Parameters
        ----------
        dy : array (T', C, B), derivative of the loss by the outputs
        dstate : tuple like the state, derivative by the final state; None for zeros
        need_dx : whether to compute the derivative by the input

        Returns
        -------
        dx : array (T, D, B); None for tokens, or if it is not needed
        dstate : tuple, derivative by the initial state; returned only if forward was given a state

        Raises
        ------
        ValueError
            If a shape differs, or there was no forward pass.
        """
        x, back, ends, tokens, state_given, going_on = self.last_pass()
        B, D, before = x.shape[-1], self.input_size, self.kernel_size - 1
        shape = int(self.lengths_after(len(x) - before * going_on)), self.output_size, B
        dy = zero_padding(expect_gradient(dy, shape, self.dtype), self._ends_after)
        self.add_gradients(dy, x, back)
        dx, dfirst = None, ()
        if going_on or (need_dx and not tokens):
            dx = np.empty((len(x), D, B), self.dtype)
            self.input_gradient(dy, back, dx)
            dx = zero_padding(dx, ends)
        if going_on:
            if dstate is not None:
                dx[self._last_inputs()] += self._expect_state(dstate, "dstate", B).swapaxes(1, 2)
            dx, dfirst = None if tokens or not need_dx else dx[before:], (dx[:before],)
        return (dx, dfirst) if state_given else dx

    def _left_padding(self, T):
        """q, for T inputs."""
        if self.padding == "same":
            whole = (int(self.lengths_after(T)) - 1) * self.stride + self.kernel_size - T
            return max(whole, 0) // 2
        return self.kernel_size - 1 if self.padding == "causal" else 0

    def _last_inputs(self):
        """The index of the last K - 1 inputs of every sequence in the x of `forward`, (K - 1, B, D)."""
        ends = self._kept[2]
        steps = ends + np.arange(1 - self.kernel_size, 0)[:, None]
        return steps, slice(None), np.arange(len(ends))

    def _one_hot(self, x):
        return np.ascontiguousarray(np.eye(self.input_size, dtype=self.dtype)[x].swapaxes(1, 2))

    def _expect_input(self, x, tokens):
        if tokens:
            return expect_tokens(x, self.input_size)
        return expect_sequences(x, self.input_size, self.dtype, self.check_finite)

    def _expect_fit(self, T, ends):
        K = self.kernel_size
        if self.padding == "valid" and ends.min() < K:
            raise ValueError(f"expected sequences of at least {K} steps (the kernel), got {ends.min()}")
        if self.padding == "same" and self.stride > 1 and ends.min() < T:
            raise ValueError(
                "expected equal lengths: where 'same' padding with a stride begins depends on the length"
            )

    def _expect_state(self, state, name, B):
        shapes = [(self.kernel_size - 1, self.input_size, B)]
        return expect_state(state, name, ("x",), shapes, self.dtype, finite=name == "state")[0]

    @abstractmethod
    def convolve(self, x, back, y):
        """Fill y (T', C, B) from x (T, D, B), or tokens (T, B) in 0 .. D, where D stands for padding."""

    @abstractmethod
    def add_gradients(self, dy, x, back):
        """Add the gradients of the parameters to `grads`."""

    @abstractmethod
    def input_gradient(self, dy, back, dx):
        """Fill dx (T, D, B)."""
