"""What every layer has: dicts `params` and `grads` with equal keys and shapes; `forward`, then `backward`.

    y = layer.forward(x)        keeps what backward needs
    dx = layer.backward(dy)     adds dE/dparam into grads, returns dE/dx

Letters, everywhere in scratchnet:  T time steps, B sequences, D inputs, H hidden units, V vocabulary,
K outputs, Z sources of a unit; in a convolution C outputs and K the width of the kernel.
A sequence of vectors is (T, features, B): each time step is a matrix of the textbook's column vectors.
A sequence of tokens is an array (T, B) of whole numbers.

One thread at a time: a layer keeps what `backward` needs. Calls from two threads that would mix up their
numbers raise InUse; between passes a model may move from thread to thread (see one_thread.py).
"""

import math
from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from scratchnet.annotations import Shape
from scratchnet.arguments import as_array, generator, room, shown, whole
from scratchnet.described import Described, counted
from scratchnet.kernels.blas import one_blas_thread
from scratchnet.kernels.jit import kernel
from scratchnet.layers.one_thread import alone, backward_alone, forward_alone


class Layer(Described):
    """Base class: the bookkeeping of parameters. A subclass creates them with `add_param` or `add_uniform`.

    The first layer limits BLAS to one thread for the whole process (see kernels/blas.py).

    Attributes
    ----------
    params, grads : name -> array: the parameters, and the gradients that `backward` adds to
    buffers : name -> array: state that is saved but not learned by gradients, such as running statistics; as
        in torch.nn.Module
    training : whether dropout is active and batch statistics are used; see `train` and `eval`
    check_finite : whether `forward` refuses NaN and infinity in its input. Inside a network it does not: when
        training diverges numbers become NaN, and it is the loss that reports it
    """

    skips_dx = False  # whether `backward` takes need_dx=False
    stateful = True  # whether a sequence may come in pieces, the state carried from piece to piece
    dtype: np.dtype

    def __init__(self) -> None:
        one_blas_thread()
        self.params: dict[str, np.ndarray] = {}
        self.grads: dict[str, np.ndarray] = {}
        self.buffers: dict[str, np.ndarray] = {}
        self.training = self.check_finite = True
        self._workspace: dict[str, np.ndarray] = {}
        self._kept: Any = None
        self._held_by: dict[str, int] = {}  # for these two see one_thread.py
        self._forward_thread: int | None = None

    def __init_subclass__(cls, **options):
        """`forward` and `backward` of every layer are for one thread at a time."""
        super().__init_subclass__(**options)
        for name, guard in (("forward", forward_alone), ("backward", backward_alone), ("train", alone)):
            if name in vars(cls):
                setattr(cls, name, guard(vars(cls)[name]))

    def add_param(self, name: str, value: np.ndarray) -> None:
        """Make `value` a parameter, in the precision of the layer, with a gradient of zeros."""
        self.params[name] = value.astype(self.dtype)
        self.grads[name] = np.zeros(value.shape, self.dtype)

    def add_uniform(self, rng: np.random.Generator, bound: float, shapes: Mapping[str, Shape]) -> None:
        """Add parameters, drawn in the order of `shapes` from the uniform distribution on [-bound, bound].

        Raises
        ------
        ValueError
            If rng is no Generator, or the arrays would be too large.
        """
        rng = generator(rng)
        room(sum(map(math.prod, shapes.values())), "the weights")
        for name, shape in shapes.items():
            self.add_param(name, rng.uniform(-bound, bound, shape))

    @alone
    def train(self, mode: bool = True) -> None:
        """Switch to training: dropout is active, batch normalisation uses the statistics of the batch."""
        self.training = mode

    def eval(self) -> None:
        """Switch to evaluation: dropout does nothing, batch normalisation uses its running statistics."""
        self.train(False)

    def __repr__(self):
        count = f", {counted(self.parameter_count)}" if self.params else ""
        return f"<{self.description()}{count}>"

    @property
    def parameter_count(self) -> int:
        """How many numbers are learned."""
        return sum(param.size for param in self.params.values())

    @alone
    def zero_grad(self) -> None:
        """Set all gradients to zero. `backward` adds to them."""
        for grad in self.grads.values():
            grad.fill(0)

    def shape_after(self, shape: Shape) -> Shape:
        """The shape of the output of `forward`.

        Parameters
        ----------
        shape : of the input, (T, D, B), or (T, B) for tokens; numbers, or letters for what is not known
        """
        return shape

    def lengths_after(self, lengths: np.ndarray) -> np.ndarray:
        """The lengths (B,) of the output sequences for input sequences of these lengths (B,)."""
        return lengths

    @alone
    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of parameters and buffers, by name."""
        return {name: array.copy() for name, array in (self.params | self.buffers).items()}

    @alone
    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Copy parameters and buffers from `state`, a dict of arrays by name. All or nothing is changed.

        Raises
        ------
        ValueError
            If a name is missing or unknown, a shape differs, or a number is not finite.
        """
        own = self.params | self.buffers
        values = cast_like(state, own, "layer")
        for name, param in own.items():
            param[...] = values[name]

    def last_pass(self):
        """What `forward` kept for `backward`.

        Raises
        ------
        ValueError
            If there was no forward pass.
        """
        if self._kept is None:
            raise ValueError("expected a forward pass before the backward pass")
        return self._kept

    def scratch(self, name, shape):
        """Working memory that is reused from call to call, and allocated again when the shape changes."""
        array = self._workspace.get(name)
        if array is None or array.shape != shape:
            array = self._workspace[name] = np.empty(shape, self.dtype)
        return array


def expect_layer(layer: object) -> None:
    """Refuse an object that lacks a member of a layer.

    Raises
    ------
    ValueError
        If `params` or `grads` is no dict, or `forward` or `backward` no method; the message names it.
    """
    for name in ("params", "grads"):
        if not isinstance(getattr(layer, name, None), dict):
            raise ValueError(f"expected a layer with a dict {name!r}, got {shown(layer)}")
    for name in ("forward", "backward"):
        if not callable(getattr(layer, name, None)):
            raise ValueError(f"expected a layer with a method {name!r}, got {shown(layer)}")


def check_dtype(dtype: DTypeLike) -> np.dtype:
    """`dtype` as a numpy.dtype.

    Raises
    ------
    ValueError
        If it is neither float32 nor float64.
    """
    try:
        found = None if dtype is None else np.dtype(dtype)  # NumPy reads None as float64
    except (TypeError, ValueError):
        found = None
    if found not in (np.float32, np.float64):
        raise ValueError(f"expected dtype float32 or float64, got {shown(dtype)}")
    return found


def cast_like(state, own, what):
    """The arrays of the dict `state`, each in the precision of the array of that name in `own`.

    Parameters
    ----------
    what : whose state it is, for the message

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
        with np.errstate(over="ignore"):  # too large a number becomes infinite, and is refused
            values[name] = value = value.astype(array.dtype)
        if not np.isfinite(value).all():
            raise ValueError(f"expected finite numbers in {name}")
    return values


def expect_state(state, name, letters, shapes, dtype, finite=True):
    """A state, a tuple of arrays, as a list of contiguous arrays.

    Parameters
    ----------
    letters : the name of each array
    shapes : the shape of each array
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
    """B of an initial state, as a whole number."""
    return whole(B, "B", least=0)


def is_tokens(x):
    """Whether x is an array (T, B) of whole numbers: sequences of tokens."""
    try:
        x = np.asarray(x)
    except ValueError:  # lists of unequal length; `expect` will say what is wrong
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


def zero_padding(x, ends):
    """x (T, D, B) with zeros after the end of each sequence, ends (B,); x itself if there is no padding."""
    if ends.min() >= len(x):
        return x
    return np.where(np.arange(len(x))[:, None, None] < ends, x, x.dtype.type(0))


@kernel
def _zero_times(a):
    """The sum of 0 * a over the flat array a: 0, or NaN if a number is NaN or infinite."""
    zero = a.dtype.type(0)
    total = zero
    for k in range(a.size):
        total += zero * a[k]
    return total


def all_finite(array):
    """Whether no number of a contiguous array is NaN or infinite. One pass, no temporary array."""
    return bool(np.isfinite(array).all() if numba.config.DISABLE_JIT else _zero_times(array.reshape(-1)) == 0)


def expect(array, name, letters, sizes, dtype, finite=True):
    """`array` as a contiguous array of `dtype`, checked.

    Parameters
    ----------
    name : of the array, for the message
    letters : the expected shape, for the message: "T, 12, B"
    sizes : tuple with a number where a size is fixed and None where it is free
    finite : whether NaN and infinity are refused

    Raises
    ------
    ValueError
        If the shape differs, or a number is not real or not finite.
    """
    array = as_array(array, name)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"expected {name} ({letters}) of real numbers, got {array.dtype}")
    with np.errstate(over="ignore"):  # too large a number becomes infinite
        array = np.ascontiguousarray(array, dtype)
    fits = array.ndim == len(sizes) and all(
        want is None or want == got for want, got in zip(sizes, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"expected {name} ({letters}), got {array.shape}")
    if finite and not all_finite(array):
        raise ValueError(f"expected finite numbers in {name}")
    return array


def expect_sequences(x, D, dtype, finite=True):
    """Sequences of vectors x (T, D, B), at least one step of at least one sequence, as `expect` gives them.

    Raises
    ------
    ValueError
        If the shape differs, there is no step or no sequence, or a number is not real or not finite.
    """
    x = expect(x, "x", f"T, {D}, B", (None, D, None), dtype, finite=finite)
    if x.size == 0:
        raise ValueError(f"expected x (T, {D}, B) with at least one step and one sequence, got {x.shape}")
    return x


def expect_gradient(dy, shape, dtype, name="dy"):
    """dy, the derivative by an output of this shape, as `expect` gives it; NaN is let through."""
    return expect(dy, name, ", ".join(map(str, shape)), shape, dtype, finite=False)
