"""What every layer is: dicts `params` and `grads` with equal keys and shapes; `forward`, then `backward`.

    y = layer.forward(x)        keeps what backward needs
    dx = layer.backward(dy)     adds dE/dparam into grads, returns dE/dx

Letters, everywhere in scratchnet:  T time steps, B sequences, D inputs, H hidden units, V vocabulary,
K outputs, Z sources of a unit.
A sequence of vectors is (T, features, B): each time step holds the textbook's column vectors side by side.
"""

import numpy as np

from scratchnet.threads import one_blas_thread


class Layer:
    """Base class: the book-keeping of parameters. `params` and `grads` are filled by the subclass.

    Making a layer limits BLAS to one thread for the whole process (see threads.py).
    """

    def __init__(self):
        one_blas_thread()
        self.params, self.grads = {}, {}

    @property
    def parameter_count(self):
        """Number of adjustable numbers in the layer."""
        return sum(param.size for param in self.params.values())

    def zero_grad(self):
        """Set all gradients to zero. `backward` adds to them."""
        for grad in self.grads.values():
            grad.fill(0)

    def state_dict(self):
        """Copies of the parameters, by name."""
        return {name: param.copy() for name, param in self.params.items()}

    def load_state_dict(self, state):
        """Copy parameters from `state`, a dict of arrays by name. Nothing is changed unless all of it fits.

        Raises
        ------
        ValueError
            If a name is missing or unknown, a shape differs, or a number is not finite.
        """
        missing, unknown = self.params.keys() - state.keys(), state.keys() - self.params.keys()
        if missing or unknown:
            raise ValueError(
                f"state does not fit the layer: missing {sorted(missing)}, unknown {sorted(unknown)}"
            )
        values = {}
        for name, param in self.params.items():
            with np.errstate(
                over="ignore"
            ):  # what is too large for the layer's precision becomes infinite, and is refused
                values[name] = value = np.asarray(state[name]).astype(param.dtype)
            if value.shape != param.shape:
                raise ValueError(f"expected {name} of shape {param.shape}, got {value.shape}")
            if not np.isfinite(value).all():
                raise ValueError(f"expected finite numbers in {name}")
        for name, param in self.params.items():
            param[...] = values[name]


def expect(array, name, letters, sizes, dtype):
    """`array` as a contiguous array of `dtype`, checked.

    Parameters
    ----------
    name : how the error message calls the array
    letters : for instance "T, 12, B": the expected shape in words
    sizes : tuple with a number where the size is fixed and None where it is free

    Raises
    ------
    ValueError
        If the shape differs or a number is not finite.
    """
    array = np.ascontiguousarray(array, dtype)
    fits = array.ndim == len(sizes) and all(
        want is None or want == got for want, got in zip(sizes, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"expected {name} ({letters}), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"expected finite numbers in {name}")
    return array
