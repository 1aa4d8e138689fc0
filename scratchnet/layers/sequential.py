"""Layers in sequence: each reads the output of the one before.

    Sequential([RNN(12, 32, rng), Linear(32, 12, rng)])

    forward, first layer to last        y_n = layer_n(y_(n-1)),  y_0 = x
    backward, last layer to first       dy_(n-1) = layer_n.backward(dy_n),  the chain rule

The sequence is itself a layer. `params` and `grads` are flat dicts whose names begin with the number of the
layer, "0.weight_ih_l0", as in PyTorch; the arrays are the layers' own, so an optimizer's update reaches them.

A layer is recurrent if it has `initial_state(B)`, which returns a tuple of arrays; its `forward` and
`backward` take and return such a tuple (see recurrent.py). The state of the whole concatenates these tuples.
A layer that sees the future, or a whole sequence at once, cannot continue from a state (its `stateful` is
False): with such a layer every call starts from the initial state.

`print(model)` shows a table: the layers, the shapes of their outputs, their numbers of parameters.

Lengths reach every layer that takes them, and change where a layer changes them (`lengths_after`).

An Embedding directly below a recurrent layer does not run on its own: that layer folds it into a table.
"""

from collections.abc import Iterable
from inspect import signature
from itertools import islice
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from scratchnet.annotations import Shape, State
from scratchnet.arguments import as_array, listed, shown
from scratchnet.described import shape_after, table
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.layer import Layer, expect_layer
from scratchnet.layers.recurrent import Recurrent


class Sequential(Layer):
    """A list of layers, run forwards, then backwards.

    Parameters
    ----------
    layers : list of layers, from input to output. Layers of one's own need only the four members that
        CONTRIBUTING.md names

    Attributes
    ----------
    layers : the list
    params, grads, buffers : "0.weight", "1.bias", ...: the arrays of the layers themselves

    Raises
    ------
    ValueError
        If there is no layer, one lacks a member of a layer, or one is listed twice: its second run would
        overwrite what its first keeps.
    """

    skips_dx = True

    def __init__(self, layers: Iterable[Any]) -> None:
        super().__init__()
        self.layers = listed(layers, "layers")
        if not self.layers:
            raise ValueError("expected at least one layer")
        for layer in self.layers:
            expect_layer(layer)
        if len({id(layer) for layer in self.layers}) < len(self.layers):
            raise ValueError("expected every layer to be listed once")
        for number, layer in enumerate(self.layers):
            if number > 0:
                _trust(layer)
            self.params.update({f"{number}.{name}": param for name, param in layer.params.items()})
            self.grads.update({f"{number}.{name}": grad for name, grad in layer.grads.items()})
            buffers = getattr(layer, "buffers", {})  # a user's own layer may lack them
            self.buffers.update({f"{number}.{name}": array for name, array in buffers.items()})

    def __repr__(self):
        return table(self._numbered())

    def shape_after(self, shape: Shape) -> Shape:
        """The shape after the last layer."""
        for layer in self.layers:
            shape = shape_after(layer, shape)
        return shape

    def _numbered(self, prefix=""):
        """(number, layer), as in the names of the parameters."""
        for number, layer in enumerate(self.layers):
            if isinstance(layer, Sequential):
                yield from layer._numbered(f"{prefix}{number}.")
            else:
                yield f"{prefix}{number}", layer

    @property
    def stateful(self) -> bool:  # type: ignore[override]
        """Whether all layers are."""
        return all(getattr(layer, "stateful", True) for layer in self.layers)

    def lengths_after(self, lengths: np.ndarray) -> np.ndarray:
        """The lengths (B,) of the output sequences for input sequences of these lengths (B,)."""
        for layer in self.layers:
            lengths = _lengths_after(layer, lengths)
        return lengths

    def initial_state(self, B: int) -> State:
        """The zero states of all recurrent layers for B sequences, in one tuple."""
        states = (layer.initial_state(B) for layer in self.layers if hasattr(layer, "initial_state"))
        return tuple(array for state in states for array in state)

    @overload
    def forward(self, x: ArrayLike, state: None = None, lengths: ArrayLike | None = None) -> np.ndarray: ...

    @overload
    def forward(
        self, x: ArrayLike, state: State, lengths: ArrayLike | None = None
    ) -> tuple[np.ndarray, State]: ...

    def forward(self, x, state=None, lengths=None):
        """Run all layers.

        Parameters
        ----------
        x : the input of the first layer, such as an array (T, D, B) or tokens (T, B)
        state : tuple of arrays, as from `initial_state`; None for zeros
        lengths : whole numbers (B,), the length of each sequence, for the layers that take them; None for T

        Returns
        -------
        y : the output of the last layer
        state : tuple of arrays after the last step; returned only if a state was given

        Raises
        ------
        ValueError
            If the state does not have as many arrays as the recurrent layers need, it is not the initial one
            and a layer is not stateful, or a layer refuses its input.
        """
        final, folded, ran = [], None, []  # ran: the layers that ran, with their numbers
        self._kept = None
        parts = self._parts(state, "state")
        self._expect_start(state)
        for number, (layer, part) in enumerate(zip(self.layers, parts, strict=True)):
            if self._folds(number, x):
                folded = layer
                continue
            options = {}
            if lengths is not None:
                if "lengths" in signature(layer.forward).parameters:
                    options["lengths"] = lengths
                elif hasattr(layer, "initial_state"):
                    raise ValueError(
                        f"expected no lengths: layer {number}, {type(layer).__name__}, takes none"
                    )
            if folded is not None:
                options["embedding"], folded = folded, None
            if part is None:
                x = layer.forward(x, **options)
            else:
                x, after = layer.forward(x, part, **options)
                final += after
            ran.append((number, layer))
            lengths = None if lengths is None else _lengths_after(layer, as_array(lengths, "lengths"))
        self._kept, self._state_given = ran, state is not None
        return x if state is None else (x, tuple(final))

    def backward(self, dy: ArrayLike, dstate: State | None = None, need_dx: bool = True) -> Any:
        """Add to the gradients of all layers; return dx, or (dx, dstate at the start) if forward had a state.

        Parameters
        ----------
        dy : derivative of the loss by the output of `forward`
        dstate : tuple of arrays, derivative by the final state; None for zeros
        need_dx : whether to compute the derivative by the input x
        """
        ran = self.last_pass()
        parts = self._parts(dstate, "dstate")
        first = []
        for number, layer in reversed(ran):
            used = need_dx or any(below.params for below in self.layers[:number])
            options = {} if used or not getattr(layer, "skips_dx", False) else {"need_dx": False}
            part = parts[number]
            back = layer.backward(dy, **options) if part is None else layer.backward(dy, part, **options)
            if self._state_given and hasattr(layer, "initial_state"):
                dy, before = back
                first = [*before, *first]
            else:
                dy = back
            if not used:  # the layers below have no parameters, and dx is not needed
                dy = None
                break
        return (dy, tuple(first)) if self._state_given else dy

    def train(self, mode: bool = True) -> None:
        """Switch all layers to training: dropout is active."""
        super().train(mode)
        for layer in self.layers:
            if hasattr(layer, "train"):
                layer.train(mode)

    def _folds(self, number, x):
        """Whether this layer is an embedding that the recurrent layer above folds into a table.

        A table has V columns, so it saves work only if there are at least V tokens.
        """
        above = self.layers[number + 1] if number + 1 < len(self.layers) else None
        return (
            isinstance(self.layers[number], Embedding)
            and isinstance(above, Recurrent)
            and above.input_size == self.layers[number].embedding_dim
            and above.dtype == self.layers[number].dtype
            and as_array(x, "x").size >= self.layers[number].num_embeddings
        )

    def _expect_start(self, state):
        """Refuse a state other than the initial one if a layer is not stateful."""
        if not state or self.stateful:
            return
        start = self.initial_state(np.shape(state[0])[-1])
        if not all(map(np.array_equal, state, start)):
            stuck = next(layer for layer in self.layers if not getattr(layer, "stateful", True))
            raise ValueError(
                f"expected the initial state: {type(stuck).__name__} cannot continue from another"
            )

    def _parts(self, state, name):
        """`state` split: a list with a tuple for each recurrent layer, and None for every other."""
        if state is None:
            return [None] * len(self.layers)
        wanted = len(self.initial_state(1))
        if not isinstance(state, (tuple, list)) or len(state) != wanted:
            got = len(state) if isinstance(state, (tuple, list)) else shown(state)
            raise ValueError(f"expected {name} of {wanted} arrays, as from initial_state, got {got}")
        rest = iter(state)
        return [
            tuple(islice(rest, len(layer.initial_state(1)))) if hasattr(layer, "initial_state") else None
            for layer in self.layers
        ]


def _lengths_after(layer, lengths):
    return layer.lengths_after(lengths) if hasattr(layer, "lengths_after") else lengths


def _trust(layer):
    """Accept NaN in an input that comes from inside the network."""
    layer.check_finite = False
    if isinstance(layer, Sequential):
        _trust(layer.layers[0])
