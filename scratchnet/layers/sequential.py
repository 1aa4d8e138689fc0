"""Layers in a row: each reads what the one before it wrote.

    Sequential([RNN(12, 32, rng), Linear(32, 12, rng)])

    forward, first layer to last        y_n = layer_n(y_(n-1)),  y_0 = x
    backward, last layer to first       dy_(n-1) = layer_n.backward(dy_n),  the chain rule

The row of layers is a layer itself. `params` and `grads` are flat dicts with the number of the layer before
the name, "0.weight_ih_l0", as PyTorch names them; the arrays are the layers' own, so that what an optimizer
changes is changed in the layers.

A layer is recurrent if it has `initial_state(B)`, which returns a tuple of arrays; its `forward` and
`backward` take and return such a tuple (see recurrent.py). The state of the whole is one tuple of all these.
A layer that sees the future or a whole sequence at once cannot go on from a state (`streams`): with one of
these, every call starts from the initial state.

`print(model)` shows a table: the layers, the shapes of what they return, how many parameters they have.

Lengths reach every layer that takes them, and change where a layer changes them (`lengths_after`).

An Embedding right below a recurrent layer does not run by itself: that layer makes a table of it.
"""

from inspect import signature
from itertools import islice

import numpy as np

from scratchnet.arguments import as_array, listed, shown
from scratchnet.described import shape_after, table
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.layer import Layer, expect_layer
from scratchnet.layers.recurrent import Recurrent


class Sequential(Layer):
    """A list of layers, run forwards, then backwards.

    Parameters
    ----------
    layers : list of layers, the first to see the input first

    Attributes
    ----------
    layers : the list
    params, grads, running : "0.weight", "1.bias", ...: the arrays of the layers themselves

    Raises
    ------
    ValueError
        If there is no layer, one lacks what makes a layer, or one stands twice: its second run would
        overwrite what its first keeps.
    """

    skips_dx = True

    def __init__(self, layers):
        super().__init__()
        self.layers = listed(layers, "layers")
        if not self.layers:
            raise ValueError("expected at least one layer")
        for layer in self.layers:
            expect_layer(layer)
        if len({id(layer) for layer in self.layers}) < len(self.layers):
            raise ValueError("expected every layer to stand once in the list")
        for number, layer in enumerate(self.layers):
            if number > 0:
                _trust(layer)
            self.params.update({f"{number}.{name}": param for name, param in layer.params.items()})
            self.grads.update({f"{number}.{name}": grad for name, grad in layer.grads.items()})
            running = getattr(layer, "running", {})  # a layer of the user's own may have no more than must be
            self.running.update({f"{number}.{name}": array for name, array in running.items()})

    def __repr__(self):
        return table(self._numbered())

    def shape_after(self, shape):
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
    def streams(self):
        """Whether all layers do."""
        return all(getattr(layer, "streams", True) for layer in self.layers)

    def lengths_after(self, lengths):
        """Steps of the outputs of sequences with so many steps, whole numbers (B,)."""
        for layer in self.layers:
            lengths = _lengths_after(layer, lengths)
        return lengths

    def initial_state(self, B):
        """The zero states of all recurrent layers for B sequences, in one tuple."""
        states = (layer.initial_state(B) for layer in self.layers if hasattr(layer, "initial_state"))
        return tuple(array for state in states for array in state)

    def forward(self, x, state=None, lengths=None):
        """Run all layers.

        Parameters
        ----------
        x : what the first layer takes, for instance an array (T, D, B) or tokens (T, B)
        state : tuple of arrays, as `initial_state` gives; None for zeros
        lengths : whole numbers (B,), steps of each sequence, for the layers that heed them; None for T

        Returns
        -------
        y : what the last layer returns
        state : tuple of arrays after the last step; returned only if a state was given

        Raises
        ------
        ValueError
            If the state has not as many arrays as the recurrent layers need, it is not the initial one and
            a layer does not stream, or a layer refuses its input.
        """
        final, folded, ran = [], None, []  # ran: the layers that ran by themselves, with their numbers
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

    def backward(self, dy, dstate=None, need_dx=True):
        """Add to the gradients of all layers; return dx, or (dx, dstate at the start) if forward had a state.

        Parameters
        ----------
        dy : derivative of the loss by what `forward` returned
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
            if not used:  # the layers below have nothing to learn, and nobody asks for dx
                dy = None
                break
        return (dy, tuple(first)) if self._state_given else dy

    def train(self, mode=True):
        """Switch all layers to training: dropout is active."""
        super().train(mode)
        for layer in self.layers:
            if hasattr(layer, "train"):
                layer.train(mode)

    def _folds(self, number, x):
        """Whether this layer is an embedding that the recurrent layer above it turns into a table.

        A table has V columns, so it saves work only if the tokens are more than V.
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
        """Refuse a state other than the initial one if a layer does not stream."""
        if not state or self.streams:
            return
        start = self.initial_state(np.shape(state[0])[-1])
        if not all(map(np.array_equal, state, start)):
            stuck = next(layer for layer in self.layers if not getattr(layer, "streams", True))
            raise ValueError(f"expected the initial state: {type(stuck).__name__} cannot go on from another")

    def _parts(self, state, name):
        """`state` cut up: a list with a tuple for each recurrent layer, and None for every other."""
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
    """Let what comes from inside the network be NaN."""
    layer.check_finite = False
    if isinstance(layer, Sequential):
        _trust(layer.layers[0])
