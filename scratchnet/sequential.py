"""Layers in a row: each reads what the one before it wrote.

    Sequential([RNN(12, 32, rng), Linear(32, 12, rng)])

    forward, first layer to last        y_n = layer_n(y_(n-1)),  y_0 = x
    backward, last layer to first       dy_(n-1) = layer_n.backward(dy_n),  the chain rule

The row of layers is a layer itself. `params` and `grads` are flat dicts with the number of the layer before
the name, "0.weight_ih_l0", as PyTorch names them; the arrays are the layers' own, so that what an optimizer
changes is changed in the layers.

A layer is recurrent if it has `initial_state(B)`, which returns a tuple of arrays; its `forward` and
`backward` take and return such a tuple (see rnn.py). The state of the whole is one tuple of all these arrays.
"""

from itertools import islice

from scratchnet.layer import Layer


class Sequential(Layer):
    """A list of layers, run forwards, then backwards.

    Parameters
    ----------
    layers : list of layers, the first to see the input first

    Attributes
    ----------
    layers : the list
    params, grads : "0.weight", "1.bias", ...: the arrays of the layers themselves

    Raises
    ------
    ValueError
        If there is no layer, or one stands twice: its second run would overwrite what its first keeps.
    """

    def __init__(self, layers):
        super().__init__()
        self.layers = list(layers)
        if not self.layers:
            raise ValueError("expected at least one layer")
        if len({id(layer) for layer in self.layers}) < len(self.layers):
            raise ValueError("expected every layer to stand once in the list")
        for number, layer in enumerate(self.layers):
            self.params.update({f"{number}.{name}": param for name, param in layer.params.items()})
            self.grads.update({f"{number}.{name}": grad for name, grad in layer.grads.items()})

    def initial_state(self, B):
        """The zero states of all recurrent layers for B sequences, in one tuple."""
        states = (layer.initial_state(B) for layer in self.layers if hasattr(layer, "initial_state"))
        return tuple(array for state in states for array in state)

    def forward(self, x, state=None):
        """Run all layers.

        Parameters
        ----------
        x : what the first layer takes, for instance an array (T, D, B)
        state : tuple of arrays, as `initial_state` gives; None for zeros

        Returns
        -------
        y : what the last layer returns
        state : tuple of arrays after the last step; returned only if a state was given

        Raises
        ------
        ValueError
            If the state has not as many arrays as the recurrent layers need, or a layer refuses its input.
        """
        final = []
        for layer, part in zip(self.layers, self._parts(state, "state"), strict=True):
            if part is None:
                x = layer.forward(x)
            else:
                x, after = layer.forward(x, part)
                final += after
        self._state_given = state is not None
        return x if state is None else (x, tuple(final))

    def backward(self, dy, dstate=None):
        """Add to the gradients of all layers; return dx, or (dx, dstate at the start) if forward had a state.

        Parameters
        ----------
        dy : derivative of the loss by what `forward` returned
        dstate : tuple of arrays, derivative by the final state; None for zeros
        """
        parts = self._parts(dstate, "dstate")
        first = []
        for layer, part in zip(reversed(self.layers), reversed(parts), strict=True):
            back = layer.backward(dy) if part is None else layer.backward(dy, part)
            if self._state_given and hasattr(layer, "initial_state"):
                dy, before = back
                first = [*before, *first]
            else:
                dy = back
        return (dy, tuple(first)) if self._state_given else dy

    def _parts(self, state, name):
        """`state` cut up: a list with a tuple for each recurrent layer, and None for every other."""
        if state is None:
            return [None] * len(self.layers)
        wanted = len(self.initial_state(1))
        if len(state) != wanted:
            raise ValueError(f"expected {name} of {wanted} arrays, as from initial_state, got {len(state)}")
        rest = iter(state)
        return [
            tuple(islice(rest, len(layer.initial_state(1)))) if hasattr(layer, "initial_state") else None
            for layer in self.layers
        ]
