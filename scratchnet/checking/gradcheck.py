"""Check the gradients of any layer, in one call.

    from scratchnet import gradcheck
    print(gradcheck(layer, x))

and of all layers of scratchnet, in one command: python -m scratchnet.checking

A layer is anything with dicts `params` and `grads` of arrays, `forward(x)` returning an array, and
`backward(dy)` that adds to `grads` and returns dx; with `state` also `forward(x, state)`, returning
(y, state), and `backward(dy, dstate)`, returning (dx, dstate). Nothing else is required. The scalar under
test is E = sum(y * r) with random r, "a nice hash" of the whole output: a wrong sign, a lost term or a
swapped index anywhere changes it. Its derivative by every single parameter, input and initial state is
compared with the five-point central difference

    dE/dp ~ (E(p - 2h) - 8 E(p - h) + 8 E(p + h) - E(p + 2h)) / 12h,          error O(h^4)

in float64. The relative error of an entry is |analytic - numeric| / largest |numeric or analytic| of its
array, so that an entry near zero is not measured by the rounding of its neighbours. Then a second backward
pass must double the gradients: `backward` adds, for a layer may be used more than once in a loss.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scratchnet.annotations import State
from scratchnet.arguments import as_array, generator, instance, number, shown
from scratchnet.layers.layer import expect_layer

STEP = 1e-3  # h^4 = 1e-12, and rounding 1e-16 / h = 1e-13: both far below a tolerance of 1e-7


@dataclass(frozen=True)
class Row:
    """The worst entry of one array."""

    name: str
    shape: tuple[int, ...]
    error: float  # relative
    index: tuple[int, ...]
    analytic: float
    numeric: float


@dataclass(frozen=True, repr=False)
class Report:
    """The result of `gradcheck`: one row per array. `print` it, or assert that it is `ok`."""

    rows: tuple[Row, ...]
    tolerance: float

    @property
    def worst(self) -> Row:
        """The row with the largest error; NaN counts as the largest."""
        return max(self.rows, key=lambda row: np.inf if np.isnan(row.error) else row.error)

    @property
    def ok(self) -> bool:
        """Whether every error is at most the tolerance."""
        return bool(self.worst.error <= self.tolerance)

    def __repr__(self):
        width = max(len(row.name) for row in self.rows)
        lines = [
            f"{'array':{width}}  {'shape':>14}  {'rel. error':>10}   worst entry: by hand / by differences"
        ]
        for row in self.rows:
            index = ", ".join(map(str, row.index))
            lines.append(
                f"{row.name:{width}}  {str(row.shape):>14}  {row.error:10.1e}   "
                f"[{index}] {row.analytic:.6e} / {row.numeric:.6e}"
            )
        verdict = "gradients agree" if self.ok else f"WRONG GRADIENT in {self.worst.name}"
        return "\n".join(
            [
                *lines,
                f"{verdict}: largest relative error {self.worst.error:.1e}, tolerance {self.tolerance:.0e}",
            ]
        )


def numeric_gradient(f: Callable[[], float], array: np.ndarray, step: float = STEP) -> np.ndarray:
    """The gradient of the number f() by `array`, by central differences.

    Parameters
    ----------
    f : function without arguments that reads `array`
    array : float64 array of any shape; changed in place, and restored
    step : h

    Returns
    -------
    array of the same shape

    Raises
    ------
    ValueError
        If it is no array of float64, or read-only.
    """
    _expect_writable(expect_array(array, "array"), "array")
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        value, e = array[index], {}
        try:
            for k in (-2, -1, 1, 2):
                array[index] = value + k * step
                e[k] = f()
        finally:
            array[index] = value
        gradient[index] = (e[-2] - e[2] + 8 * (e[1] - e[-1])) / (12 * step)
    return gradient


def compare(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]], tolerance: float = 1e-7) -> Report:
    """A Report on `pairs`: name -> (analytic gradient, gradient by differences).

    Raises
    ------
    ValueError
        If a pair is not two arrays of one shape, or there is nothing to compare.
    """
    rows, tolerance = [], number(tolerance, "tolerance", above=0)
    for name, (analytic, numeric) in instance(pairs, "pairs", dict).items():
        expect_array(analytic, f"the gradient of {name}")
        expect_array(numeric, f"the differences of {name}")
        if analytic.shape != numeric.shape:
            raise ValueError(
                f"expected the gradient of {name} to have shape {numeric.shape}, got {analytic.shape}"
            )
        if analytic.size == 0:
            continue
        scale = max(np.abs(analytic).max(), np.abs(numeric).max(), np.finfo(float).tiny)
        error = np.abs(analytic - numeric) / scale
        index = np.unravel_index(np.argmax(error), error.shape)
        index = tuple(int(i) for i in index)
        rows.append(
            Row(
                name, numeric.shape, float(error[index]), index, float(analytic[index]), float(numeric[index])
            )
        )
    if not rows:
        raise ValueError("expected something to compare: there is no parameter, and no input of real numbers")
    return Report(tuple(rows), tolerance)


def gradcheck(
    layer: Any,
    x: ArrayLike,
    state: State | None = None,
    rng: np.random.Generator | None = None,
    tolerance: float = 1e-7,
) -> Report:
    """Compare a layer's backward pass with central differences, for every parameter, input and initial state.

    Parameters
    ----------
    layer : the layer, with float64 parameters; left unchanged, except for its grads and what forward keeps
    x : array of real numbers, the input of `layer.forward`, in float64; or of whole numbers, such as tokens,
        which have no gradient
    state : None, or a tuple of arrays, the initial state
    rng : numpy Generator for the random projection; default_rng(0) if None
    tolerance : the largest relative error that is ok

    Returns
    -------
    Report
        `report.ok`, `report.worst`, and a table as `str(report)`.

    Raises
    ------
    ValueError
        If something is no layer; an array of it, or of what `forward` or `backward` returns, is missing, not
        float64, or of a wrong shape; a parameter or its gradient is read-only, or the two share memory; or
        `backward` does not add to `grads`. The message names the array.
    """
    rng = np.random.default_rng(0) if rng is None else generator(rng)
    expect_layer(layer)
    _expect_params(layer)
    x = _copy(x, "x")  # copies: changed in place below
    if state is not None:
        state = tuple(
            _copy(s, f"state {k}").astype(float) for k, s in enumerate(_expect_tuple(state, "state"))
        )

    def outputs():
        if state is None:
            return (expect_array(layer.forward(x), "y of forward"),)
        y, final = _expect_tuple(layer.forward(x, state), "what forward returns, (y, state)", 2)
        return expect_array(y, "y of forward"), *_expect_state(final, state, "state of forward")

    first = [y.copy() for y in outputs()]
    if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first, outputs(), strict=True)):
        raise ValueError("expected forward to return the same for the same x: is dropout at work?")
    r = [rng.standard_normal(y.shape) for y in first]

    def scalar():
        return sum(float(np.vdot(a, b)) for a, b in zip(outputs(), r, strict=True))

    def both_passes():
        outputs()
        if state is None:
            back = layer.backward(r[0].copy()), ()
        else:
            back = layer.backward(r[0].copy(), tuple(array.copy() for array in r[1:]))
        _expect_params(layer)
        return back

    for grad in layer.grads.values():
        grad.fill(0)
    dx, dstate = _expect_tuple(both_passes(), "what backward returns, (dx, dstate)", 2)
    if state is not None:
        dstate = [array.copy() for array in _expect_state(dstate, state, "dstate of backward")]
    analytic = {name: grad.copy() for name, grad in layer.grads.items()}
    real = x.dtype.kind == "f"
    dx = expect_array(dx, "dx of backward", x.shape).copy() if real else None
    both_passes()
    _expect_doubled(layer.grads, analytic)
    pairs = {name: (analytic[name], numeric_gradient(scalar, param)) for name, param in layer.params.items()}
    if real:
        pairs["input x"] = (dx, numeric_gradient(scalar, x))
    for k, s in enumerate(state or ()):
        pairs[f"initial state {k}"] = (dstate[k], numeric_gradient(scalar, s))
    return compare(pairs, tolerance)


def expect_array(array: Any, name: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """`array`, if it is an array of float64, and of this shape.

    Raises
    ------
    ValueError
        If not.
    """
    wanted = "" if shape is None else f" {shape}"
    if not isinstance(array, np.ndarray) or array.dtype != np.float64:
        raise ValueError(f"expected {name} to be an array{wanted} of float64, got {shown(array)}")
    if shape is not None and array.shape != shape:
        raise ValueError(f"expected {name} to have shape {shape}, got {array.shape}")
    return array


def _expect_params(layer):
    """Refuse parameters that are not float64, or lack a gradient of their shape in memory of its own."""
    if layer.params.keys() != layer.grads.keys():
        names = sorted(map(str, layer.params)), sorted(map(str, layer.grads))
        raise ValueError(f"expected grads with the names of params, {names[0]}, got {names[1]}")
    for name, param in layer.params.items():
        if isinstance(param, np.ndarray) and param.dtype == np.float32:
            raise ValueError(
                f"expected float64 parameters, got float32 in {name}: make the layer with dtype=float64"
            )
        _expect_writable(expect_array(param, f"params[{name!r}]"), f"params[{name!r}]")
        grad = expect_array(layer.grads[name], f"grads[{name!r}]", param.shape)
        _expect_writable(grad, f"grads[{name!r}]")
        for other, array in layer.params.items():
            if np.shares_memory(grad, array):
                raise ValueError(
                    f"expected grads[{name!r}] in memory of its own, it shares that of params[{other!r}]"
                )


def _expect_writable(array, name):
    if not array.flags.writeable:
        raise ValueError(f"expected {name} to be writable, it is read-only")


def _expect_doubled(grads, once):
    """Refuse gradients, after two backward passes, that are not twice those of one; then make them those."""
    scales = {name: np.nanmax(np.abs(grad), initial=0) for name, grad in once.items()}
    rounding = 1e-12 * max(scales.values(), default=0)  # all that is left of a gradient that cancels
    for name, grad in grads.items():
        atol = 1e-7 * scales[name] + rounding
        if not np.allclose(grad, 2 * once[name], rtol=0, atol=atol, equal_nan=True):
            raise ValueError(
                f"expected backward to add to grads[{name!r}], so that two passes leave twice the gradient: "
                "does it assign where it should add?"
            )
        grad[...] = once[name]


def _expect_tuple(values, name, length=None):
    if not isinstance(values, (tuple, list)) or length not in (None, len(values)):
        raise ValueError(f"expected {name} to be a tuple, got {shown(values)}")
    return values


def _expect_state(arrays, like, name):
    """As many arrays as there are in the initial state, each of its shape."""
    arrays = _expect_tuple(arrays, name, len(like))
    return [
        expect_array(array, f"{name}, {k}", start.shape)
        for k, (array, start) in enumerate(zip(arrays, like, strict=True))
    ]


def _copy(x, name):
    """A copy that can be changed: of real numbers in float64, of whole numbers as they are."""
    x = as_array(x, name).copy()
    if x.dtype.kind not in "fiu" or not x.size:
        raise ValueError(f"expected {name} to be an array of numbers, got {shown(x)}")
    return x.astype(np.float64) if x.dtype.kind == "f" else x
