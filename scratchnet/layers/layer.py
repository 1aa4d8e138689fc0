"""What every layer is: dicts `params` and `grads` with equal keys and shapes; `forward`, then `backward`.

    y = layer.forward(x)        keeps what backward needs
    dx = layer.backward(dy)     adds dE/dparam into grads, returns dE/dx

Letters, everywhere in scratchnet:  T time steps, B sequences, D inputs, H hidden units, V vocabulary,
K outputs, Z sources of a unit; of a convolution C outputs, K steps wide.
A sequence of vectors is (T, features, B): each time step holds the textbook's column vectors side by side.
A sequence of tokens is an array (T, B) of whole numbers.

One thread at a time: a layer keeps what `backward` needs. Calls from two threads that would mix their numbers
raise InUse; a model may pass from thread to thread between its passes (see one_thread.py).
"""

import numba
import numpy as np

from scratchnet.arguments import as_array, shown, whole
from scratchnet.described import Described, counted
from scratchnet.kernels.blas import one_blas_thread
from scratchnet.kernels.jit import kernel
from scratchnet.layers.one_thread import alone, backward_alone, forward_alone


class Layer(Described):
    """Base class: the book-keeping of parameters. `params` and `grads` are filled by the subclass.

    Making a layer limits BLAS to one thread for the whole process (see kernels/blas.py).

    Attributes
    ----------
    running : arrays by name that are part of what was learned, but not by gradients: running statistics
    training : whether dropout is active and statistics are of the batch; see `train` and `eval`
    check_finite : whether `forward` refuses NaN and infinity in its input. Inside a network it does not: as
        training diverges numbers become NaN, and that is for the loss to say
    """

    skips_dx = False  # whether `backward` takes need_dx=False
    streams = True  # whether a sequence may come in pieces, each going on from the state after the one before

    def __init__(self):
        one_blas_thread()
        self.params, self.grads, self.running = {}, {}, {}
        self.training = self.check_finite = True
        self._buffers, self._kept = {}, None
        self._running, self._heard_in = {}, None  # see one_thread.py

    def __init_subclass__(cls, **options):
        """`forward` and `backward` of every layer are for one thread at a time."""
        super().__init_subclass__(**options)
        for name, guard in (("forward", forward_alone), ("backward", backward_alone), ("train", alone)):
            if name in vars(cls):
                setattr(cls, name, guard(vars(cls)[name]))

    @alone
    def train(self, mode=True):
        """Switch to training: dropout is active, batch normalisation looks at the batch."""
        self.training = mode

    def eval(self):
        """Switch to evaluation: dropout does nothing, batch normalisation uses its running statistics."""
        self.train(False)

    def __repr__(self):
        count = f", {counted(self.parameter_count)}" if self.params else ""
        return f"<{self.description()}{count}>"

    @property
    def parameter_count(self):
        """Number of adjustable numbers in the layer."""
        return sum(param.size for param in self.params.values())

    @alone
    def zero_grad(self):
        """Set all gradients to zero. `backward` adds to them."""
        for grad in self.grads.values():
            grad.fill(0)

    def shape_after(self, shape):
        """The shape of what `forward` returns.

        Parameters
        ----------
        shape : (T, D, B), or (T, B) for tokens; numbers, or letters for what is not known
        """
        return shape

    def lengths_after(self, lengths):
        """Steps of the outputs of sequences with so many steps, whole numbers (B,)."""
        return lengths

    @alone
    def state_dict(self):
        """Copies of the parameters and running statistics, by name."""
        return {name: array.copy() for name, array in (self.params | self.running).items()}

    @alone
    def load_state_dict(self, state):
        """Copy parameters and running statistics from `state`, a dict of arrays by name.

        Nothing is changed unless all of it fits.

        Raises
        ------
        ValueError
            If a name is missing or unknown, a shape differs, or a number is not finite.
        """
        own = self.params | self.running
        values = cast_like(state, own, "layer")
        for name, param in own.items():
            param[...] = values[name]

    def last_pass(self):
        """What `forward` kept for `backward`.

        Raises
        ------
        ValueError
            If there was no forward pass to go back.
        """
        if self._kept is None:
            raise ValueError("expected a forward pass before the backward pass")
        return self._kept

    def buffer(self, name, shape):
        """An array that is kept from call to call, and made anew when the shape changes."""
        buffer = self._buffers.get(name)
        if buffer is None or buffer.shape != shape:
            buffer = self._buffers[name] = np.empty(shape, self.dtype)
        return buffer


def expect_layer(layer):
    """Refuse what lacks something that makes a layer.

    Raises
    ------
    ValueError
        If `params` or `grads` is no dict, or `forward` or `backward` no method. It is named.
    """
    for name in ("params", "grads"):
        if not isinstance(getattr(layer, name, None), dict):
            raise ValueError(f"expected a layer with a dict {name!r}, got {shown(layer)}")
    for name in ("forward", "backward"):
        if not callable(getattr(layer, name, None)):
            raise ValueError(f"expected a layer with a method {name!r}, got {shown(layer)}")


def check_dtype(dtype):
    """`dtype` as a numpy.dtype.

    Raises
    ------
    ValueError
        If it is neither float32 nor float64.
    """
    try:
        found = None if dtype is None else np.dtype(dtype)  # NumPy takes None for float64
    except (TypeError, ValueError):
        found = None
    if found not in (np.float32, np.float64):
        raise ValueError(f"expected dtype float32 or float64, got {shown(dtype)}")
    return found


def cast_like(state, own, what):
    """The arrays of `state`, a dict, in the precision of those of `own` that have their names.

    Parameters
    ----------
    what : what they are the state of, for the message

    Raises
    ------
    ValueError
        If it is no dict, a name is missing or unknown, a shape differs, or a number is not finite.
    """
    if not isinstance(state, dict):
        raise ValueError(f"expected the state of the {what}, a dict of arrays, got {shown(state)}")
    missing, unknown = own.keys() - state.keys(), state.keys() - own.keys()
    if missing or unknown:
        missing, unknown = sorted(map(str, missing)), sorted(map(str, unknown))
        raise ValueError(f"state does not fit the {what}: missing {missing}, unknown {unknown}")
    values = {}
    for name, array in own.items():
        value = as_array(state[name], name)
        if value.dtype.kind not in "fiub":
            raise ValueError(f"expected {name} of real numbers, got {value.dtype}")
        if array.dtype.kind == "i" and value.dtype.kind not in "iu":
            raise ValueError(f"expected whole numbers in {name}")
        if value.shape != array.shape:
            raise ValueError(f"expected {name} of shape {array.shape}, got {value.shape}")
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
            values[name] = value = value.astype(array.dtype)
        if not np.isfinite(value).all():
            raise ValueError(f"expected finite numbers in {name}")
    return values


def expect_state(state, name, letters, shapes, dtype, finite=True):
    """A state, a tuple of arrays, as a list of contiguous arrays.

    Parameters
    ----------
    letters : name of each array
    shapes : shape of each array
    finite : whether NaN and infinity are refused

    Raises
    ------
    ValueError
        If there are more or fewer arrays, or a shape differs.
    """
    if not isinstance(state, (tuple, list)) or len(state) != len(letters):
        got = len(state) if isinstance(state, (tuple, list)) else shown(state)
        raise ValueError(f"expected {name} of {len(letters)} arrays {tuple(letters)}, got {got}")
    return [
        expect(part, f"{name} {letter}", ", ".join(map(str, shape)), shape, dtype, finite=finite)
        for letter, part, shape in zip(letters, state, shapes, strict=True)
    ]


def batch_size(B):
    """B of an initial state, a whole number."""
    return whole(B, "B", least=0)


def is_tokens(x):
    """Whether x is an array of whole numbers (T, B), and so a sequence of tokens."""
    try:
        x = np.asarray(x)
    except ValueError:  # lists of unequal length; what is wrong will be said by `expect`
        return False
    return x.ndim == 2 and x.dtype.kind in "iu"


def expect_tokens(x, V):
    """Tokens (T, B) as a contiguous array of int64.

    Raises
    ------
    ValueError
        If the shape differs, there is no step or no sequence, or a token is not in 0 .. V - 1.
    """
    x = as_array(x, "tokens")
    if x.ndim != 2 or x.dtype.kind not in "iu" or x.size == 0:
        raise ValueError(
            "expected tokens (T, B), whole numbers, at least one step and one sequence, "
            f"got {x.shape} {x.dtype}"
        )
    least, largest = int(x.min()), int(x.max())
    if least < 0 or largest >= V:
        wrong = least if least < 0 else largest
        raise ValueError(f"expected tokens in 0 .. {V - 1}, got {wrong}")
    return np.ascontiguousarray(x, np.int64)


def expect_lengths(lengths, T, B):
    """Lengths (B,) of sequences as int64; all T if None.

    Raises
    ------
    ValueError
        If the shape differs, or a length is not in 1 .. T.
    """
    if lengths is None:
        return np.full(B, T)
    lengths = as_array(lengths, "lengths")
    if lengths.shape != (B,) or lengths.dtype.kind not in "iu":
        raise ValueError(f"expected lengths ({B},), whole numbers, got {lengths.shape} {lengths.dtype}")
    if lengths.min() < 1 or lengths.max() > T:
        raise ValueError(f"expected lengths in 1 .. {T}, got {lengths.min()} .. {lengths.max()}")
    return lengths.astype(np.int64)


def cut(x, ends):
    """x (T, D, B) with zeros after the end of each sequence, ends (B,); x itself if all end with it."""
    if ends.min() >= len(x):
        return x
    return np.where(np.arange(len(x))[:, None, None] < ends, x, x.dtype.type(0))


@kernel
def _zero_times(a):
    """The sum of 0 * a over the flat array a: 0, or NaN if one is NaN or infinite."""
    zero = a.dtype.type(0)
    total = zero
    for k in range(a.size):
        total += zero * a[k]
    return total


def all_finite(array):
    """Whether no number of a contiguous array is NaN or infinite. One pass, no array of answers."""
    return bool(np.isfinite(array).all() if numba.config.DISABLE_JIT else _zero_times(array.reshape(-1)) == 0)


def expect(array, name, letters, sizes, dtype, finite=True):
    """`array` as a contiguous array of `dtype`, checked.

    Parameters
    ----------
    name : how the error message calls the array
    letters : for instance "T, 12, B": the expected shape in words
    sizes : tuple with a number where the size is fixed and None where it is free
    finite : whether NaN and infinity are refused

    Raises
    ------
    ValueError
        If the shape differs, or a number is not real or not finite.
    """
    array = as_array(array, name)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"expected {name} ({letters}) of real numbers, got {array.dtype}")
    with np.errstate(over="ignore"):  # what is too large becomes infinite
        array = np.ascontiguousarray(array, dtype)
    fits = array.ndim == len(sizes) and all(
        want is None or want == got for want, got in zip(sizes, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"expected {name} ({letters}), got {array.shape}")
    if finite and not all_finite(array):
        raise ValueError(f"expected finite numbers in {name}")
    return array
