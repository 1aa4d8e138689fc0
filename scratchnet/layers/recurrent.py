"""What RNN, LSTM and GRU have in common: stacked layers, states, tokens, sequences of unequal length.

    symbol          what                                                shape of the array
    x               inputs: vectors, or tokens                          (T, D, B), or whole numbers (T, B)
    h               outputs of the units, h(0) the initial ones         (T + 1, H, B) in each layer
    z               net inputs of the G gates, then their activations   (T, G H, B) in each layer
    W_ih, W_hh      weights from inputs and from hidden units           (G H, D), (G H, H)
    b_ih, b_hh      biases; two, as in PyTorch                          (G H,), (G H,)

The input of each further layer is the output of the one below it.

Tokens. A token is a one-hot vector that is never built: W_ih x is a column of W_ih (kernels/matmul.py). With
an embedding E (V, D) below, W_ih E^T is a table of V columns, computed once per sequence; the gradient of its
columns, dtable, gives dW_ih = dtable E and dE = dtable^T W_ih.

Unequal lengths. Sequences are padded at the end. As with PyTorch's packed sequences, outputs after the end
are zero, whatever x holds there, the final state is that of the last step of each sequence, and what
`backward` is given for later steps is ignored.

The kernels are in each cell's own file; here is only the frame around them.
"""

from abc import ABC, abstractmethod
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from scratchnet.annotations import Shape, State
from scratchnet.arguments import generator, number, whole
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.matmul import add_outer, add_product, apply, transpose
from scratchnet.kernels.rows import fill_rows
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


@kernel
def add_where_ended(lengths, t, dlast, d):
    """d += dlast in the columns of the sequences whose last step t is (rows, B)."""
    for n in range(lengths.size):
        if lengths[n] == t + 1:
            for k in range(d.shape[0]):
                d[k, n] += dlast[k, n]


@kernel
def net_input(W_ih, W_hh, b, x, h, z, lo, hi):
    """z = W_ih x + W_hh h + b in the units lo .. hi - 1 of every gate.

    W_ih (G H, D), W_hh (G H, H), b (G H,), h (H, B), z (G H, B); x (D, B), or tokens (B,).
    """
    H = len(h)
    gates, size = len(z) // H, hi - lo
    if size == H:  # all units: the rows of all gates are contiguous
        gates, size = 1, len(z)
    for gate in range(gates):
        first = gate * H + lo
        rows = z[first : first + size]
        fill_rows(rows, b[first : first + size])
        add_product(W_ih[first : first + size], x, rows)
        add_product(W_hh[first : first + size], h, rows)


class Recurrent(Layer, ABC):
    """Base class of the recurrent layers. A subclass has `gates`, `states` and the two methods of one layer.

    Parameters
    ----------
    input_size : D; for tokens V, the number of different ones
    hidden_size : H
    rng : numpy Generator for the initial weights and biases, uniform in [-1, 1] / sqrt(H) as PyTorch's
    num_layers : number of stacked layers
    dropout : probability with which an output of a layer is dropped on its way to the layer above (not after
        the last), while `training`; the others are scaled by 1 / (1 - dropout)
    dtype : float32 or float64

    Raises
    ------
    ValueError
        If a size is no positive whole number, dropout is not in [0, 1), or dtype is neither.
    """

    gates = 1  # G: blocks of H rows in the weights
    states = ("h",)  # names of the arrays that pass from step to step
    skips_dx = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        rng: np.random.Generator,
        num_layers: int = 1,
        dropout: float = 0.0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = whole(input_size, "input_size"), whole(hidden_size, "hidden_size")
        self.num_layers, self.dtype = whole(num_layers, "num_layers"), check_dtype(dtype)
        self.dropout, self.rng = number(dropout, "dropout", least=0, below=1), generator(rng)
        shapes = {
            f"{name}_l{layer}": shape
            for layer in range(self.num_layers)
            for name, shape in self._shapes(layer).items()
        }
        self.add_uniform(rng, 1 / np.sqrt(self.hidden_size), shapes)

    def _shapes(self, layer):
        """Names and shapes of the parameters of one layer."""
        H, rows = self.hidden_size, self.gates * self.hidden_size
        D = self.input_size if layer == 0 else H
        return {"weight_ih": (rows, D), "weight_hh": (rows, H), "bias_ih": (rows,), "bias_hh": (rows,)}

    def shape_after(self, shape: Shape) -> Shape:
        """(T, H, B)."""
        return shape[0], self.hidden_size, shape[-1]

    def initial_state(self, B: int) -> State:
        """Zeros (num_layers, H, B) for each array of the state."""
        B = batch_size(B)
        return tuple(np.zeros((self.num_layers, self.hidden_size, B), self.dtype) for _ in self.states)

    @overload
    def forward(
        self,
        x: ArrayLike,
        state: None = None,
        lengths: ArrayLike | None = None,
        embedding: Layer | None = None,
    ) -> np.ndarray: ...

    @overload
    def forward(
        self,
        x: ArrayLike,
        state: State,
        lengths: ArrayLike | None = None,
        embedding: Layer | None = None,
    ) -> tuple[np.ndarray, State]: ...

    def forward(self, x, state=None, lengths=None, embedding=None):
        """Run whole sequences.

        Parameters
        ----------
        x : array (T, D, B), or tokens (T, B), whole numbers; `backward` reads it again, so it must not change
            in between
        state : tuple of arrays (num_layers, H, B), as from `initial_state`; None for zeros
        lengths : whole numbers (B,), the length of each sequence, the rest is padding; None for T
        embedding : a layer with params["weight"] (V, D), which turns tokens x into vectors; `backward` adds
            its gradient (Sequential passes it)

        Returns
        -------
        h : array (T, H, B), the outputs of the last layer; `backward` reads it again
        state : tuple of arrays after the last step; returned only if a state was given

        Raises
        ------
        ValueError
            If a shape differs, a token or a length is out of range, or a number is not finite.
        """
        x, (T, B) = self._expect_input(x, embedding)
        first = self.initial_state(B) if state is None else self._expect_state(state, "state", B)
        ends = expect_lengths(lengths, T, B)
        if x.ndim == 3:  # else an overflow in the padding could spread backwards, as 0 * NaN
            x = zero_padding(x, ends)
        self._kept, final = [], [np.empty_like(part) for part in first]
        for layer in range(self.num_layers):
            W_ih, h = self.params[f"weight_ih_l{layer}"], self._outputs(T, B)
            h[0] = first[0][layer]
            if layer == 0 and embedding is not None:
                W_ih = table_of(W_ih, embedding.params["weight"])
            memory = self.layer_forward(layer, W_ih, x, h, [part[layer] for part in first[1:]])
            for part, array in zip(final, (h, *memory), strict=False):
                part[layer] = array[ends, :, np.arange(B)].T
            if lengths is not None:
                h[1:].swapaxes(1, 2)[np.arange(T)[:, None] >= ends] = 0
            mask = self._dropout_mask(layer, T, B)
            self._kept.append((W_ih, x, h, memory, mask))
            x = h[1:] if mask is None else h[1:] * mask
        self._ends, self._embedding, self._state_given = ends, embedding, state is not None
        return x if state is None else (x, tuple(final))

    def backward(self, dy: ArrayLike, dstate: State | None = None, need_dx: bool = True) -> Any:
        """Add the gradients of all parameters to `grads`.

        Once per `forward`: it overwrites what that kept.

        Parameters
        ----------
        dy : array (T, H, B), derivative of the loss by the outputs that `forward` returned
        dstate : tuple of arrays (num_layers, H, B), derivative by the final state; None for zeros
        need_dx : whether to compute the derivative by the input

        Returns
        -------
        dx : array (T, D, B); None for tokens, or if it is not needed
        dstate : tuple of arrays, derivative by the initial state; returned only if forward was given a state

        Raises
        ------
        ValueError
            If a shape differs, or there was no forward pass.
        """
        kept, H = self.last_pass(), self.hidden_size
        T, B = len(kept[0][1]), len(self._ends)
        dy = expect_gradient(dy, (T, H, B), self.dtype)
        last = self.initial_state(B) if dstate is None else self._expect_state(dstate, "dstate", B)
        self._kept = None
        dy = zero_padding(dy, self._ends)
        dfirst = [np.empty_like(part) for part in last]
        for layer in reversed(range(self.num_layers)):
            W_ih, x, h, memory, mask = kept.pop()
            dy = dy if mask is None else dy * mask
            dnet, dstart = self.layer_backward(layer, dy, h, memory, [part[layer] for part in last])
            for part, array in zip(dfirst, dstart, strict=True):
                part[layer] = array
            if layer == 0 and self._embedding is not None:
                self._backward_table(dnet, W_ih, x)
            else:
                add_outer(dnet, x, self.grads[f"weight_ih_l{layer}"], self.grads[f"bias_ih_l{layer}"])
            dy = None
            if layer > 0 or (need_dx and x.ndim == 3):
                dy = np.empty(x.shape, self.dtype)
                apply(transpose(W_ih), dnet, np.zeros(x.shape[1], self.dtype), dy)
        return (dy, tuple(dfirst)) if self._state_given else dy

    @abstractmethod
    def layer_forward(self, layer, W_ih, x, h, start):
        """One layer over the whole sequence.

        Parameters
        ----------
        layer : its number, for the names of its parameters and of its working memory
        W_ih, x : input weights (G H, D) and inputs, vectors or tokens
        h : array (T + 1, H, B); h[0] is given, the rest is filled in
        start : list of the other arrays of the initial state, each (H, B)

        Returns
        -------
        tuple of what `layer_backward` needs besides h; the other arrays of the state come first, each
        (T + 1, H, B)
        """

    @abstractmethod
    def layer_backward(self, layer, dy, h, memory, last):
        """One layer, backwards; adds the gradients of all its parameters except W_ih and b_ih.

        Parameters
        ----------
        dy : array (T, H, B)
        h, memory : as `layer_forward` left them; may be overwritten
        last : list of derivatives by the final state, each (H, B)

        Returns
        -------
        dnet : array (T, G H, B), derivative by the net input W_ih x + b_ih
        dstart : list of derivatives by the initial state, each (H, B)
        """

    def _outputs(self, T, B):
        """A new array for h, not working memory: the caller may keep it."""
        return np.empty((T + 1, self.hidden_size, B), self.dtype)

    def _expect_input(self, x, embedding):
        if embedding is not None or is_tokens(x):
            V = self.input_size if embedding is None else self._expect_embedding(embedding)
            x = expect_tokens(x, V)
            return x, x.shape
        x = expect_sequences(x, self.input_size, self.dtype, self.check_finite)
        return x, (len(x), x.shape[2])

    def _expect_embedding(self, embedding):
        """V of an embedding that fits."""
        E = getattr(embedding, "params", {}).get("weight", np.empty(0))
        if E.ndim != 2 or E.shape[1] != self.input_size or E.dtype != self.dtype:
            raise ValueError(
                f"expected an embedding (V, {self.input_size}) of {self.dtype}, got {E.shape} of {E.dtype}"
            )
        return len(E)

    def _expect_state(self, state, name, B):
        shapes = [(self.num_layers, self.hidden_size, B)] * len(self.states)
        return expect_state(state, name, self.states, shapes, self.dtype, finite=name == "state")

    def _dropout_mask(self, layer, T, B):
        """None, or for each output 0 (dropped) or 1 / (1 - dropout)."""
        if not (self.training and self.dropout and layer < self.num_layers - 1):
            return None
        kept = self.rng.random((T, self.hidden_size, B), np.float32) >= self.dropout
        return kept.astype(self.dtype) / self.dtype.type(1 - self.dropout)

    def _backward_table(self, dnet, table, x):
        """dW_ih = dtable E,  dE = dtable^T W_ih."""
        E, W_ih = self._embedding.params["weight"], self.params["weight_ih_l0"]
        dtable = np.zeros_like(table)
        add_outer(dnet, x, dtable, self.grads["bias_ih_l0"])
        add_outer(dtable[None], transpose(E)[None], self.grads["weight_ih_l0"])
        add_outer(transpose(dtable)[None], transpose(W_ih)[None], self._embedding.grads["weight"])


def table_of(W_ih, E):
    """W_ih E^T (G H, V): what each token contributes to the net inputs."""
    table = np.empty((1, len(W_ih), len(E)), W_ih.dtype)
    apply(W_ih, transpose(E)[None], np.zeros(len(W_ih), W_ih.dtype), table)
    return table[0]
