"""Check the gradients of any layer, in one call.

    from scratchnet.gradcheck import gradcheck
    print(gradcheck(layer, x))

and of all layers of scratchnet, in one command: python -m scratchnet.gradcheck

A layer is anything with `params`, `grads`, `forward(x)` and `backward(dy)` as in layer.py; with `state` also
`forward(x, state)`, `backward(dy, dstate)` returning (dx, dstate). The scalar under test is E = sum(y * r)
with random r, "a nice hash" of the whole output: a wrong sign, a lost term or a swapped index anywhere
changes it. Its derivative by every single parameter, input and initial state is compared with the five-point
central difference

    dE/dp ~ (E(p - 2h) - 8 E(p - h) + 8 E(p + h) - E(p + 2h)) / 12h,          error O(h^4)

in float64. Relative error of an entry: |analytic - numeric| / largest |numeric or analytic| of its array, so
that an entry which happens to be near zero is not judged by the rounding of its neighbours.
"""

import sys
from dataclasses import dataclass

import numpy as np

STEP = 1e-3  # h^4 = 1e-12, and rounding 1e-16 / h = 1e-13: both far below a tolerance of 1e-7


@dataclass(frozen=True)
class Row:
    """The worst entry of one array."""

    name: str
    shape: tuple
    error: float  # relative
    index: tuple
    analytic: float
    numeric: float


@dataclass(frozen=True)
class Report:
    """What `gradcheck` found: a row an array. `print` it, or assert that it is `ok`."""

    rows: tuple
    tolerance: float

    @property
    def worst(self):
        """The row with the largest error. NaN counts as largest."""
        return max(self.rows, key=lambda row: np.inf if np.isnan(row.error) else row.error)

    @property
    def ok(self):
        """Whether every error is at most the tolerance."""
        return bool(self.worst.error <= self.tolerance)

    def __str__(self):
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


def numeric_gradient(f, array, step=STEP):
    """The gradient of the number f() by `array`, by central differences.

    Parameters
    ----------
    f : function of no arguments that reads `array`
    array : float64 array of any shape; changed in place, and restored

    Returns
    -------
    array of the same shape
    """
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        value, e = array[index], {}
        for k in (-2, -1, 1, 2):
            array[index] = value + k * step
            e[k] = f()
        array[index] = value
        gradient[index] = (e[-2] - e[2] + 8 * (e[1] - e[-1])) / (12 * step)
    return gradient


def compare(pairs, tolerance=1e-7):
    """A Report on `pairs`: name -> (gradient by hand, gradient by differences)."""
    rows = []
    for name, (analytic, numeric) in pairs.items():
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
    return Report(tuple(rows), tolerance)


def gradcheck(layer, x, state=None, rng=None, tolerance=1e-7):
    """Compare a layer's backward pass with central differences, for every parameter, input and initial state.

    Parameters
    ----------
    layer : the layer, with float64 parameters; left as it was, but for its grads and what forward keeps
    x : float64 array, the input that `layer.forward` takes (integers, such as tokens, have no gradient)
    state : None, or a tuple of float64 arrays, the initial state
    rng : numpy Generator for the random projection; default_rng(0) if None
    tolerance : largest relative error that is called ok

    Returns
    -------
    Report
        `report.ok`, `report.worst`, and a table as `str(report)`.

    Raises
    ------
    ValueError
        If a parameter is not float64, or a gradient has not the shape of its array.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    for name, param in layer.params.items():
        if param.dtype != np.float64:
            raise ValueError(
                f"expected float64 parameters, got {param.dtype} in {name}: make the layer with dtype=float64"
            )
    x = np.array(x)  # copies: changed in place below
    state = None if state is None else tuple(np.array(s, float) for s in state)

    def outputs():
        if state is None:
            return (layer.forward(x),)
        y, final = layer.forward(x, state)
        return (y, *final)

    r = [rng.standard_normal(y.shape) for y in outputs()]

    def scalar():
        return sum(float(np.vdot(a, b)) for a, b in zip(outputs(), r, strict=True))

    layer.zero_grad()
    outputs()
    back = layer.backward(r[0]) if state is None else layer.backward(r[0], tuple(r[1:]))
    dx, dstate = (back, ()) if state is None else back
    analytic = {name: grad.copy() for name, grad in layer.grads.items()}
    pairs = {name: (analytic[name], numeric_gradient(scalar, param)) for name, param in layer.params.items()}
    if np.issubdtype(x.dtype, np.floating):
        pairs["input x"] = (np.array(dx), numeric_gradient(scalar, x))
    for k, s in enumerate(state or ()):
        pairs[f"initial state {k}"] = (np.array(dstate[k]), numeric_gradient(scalar, s))
    return compare(pairs, tolerance)


def main():
    """Check every layer and every loss; exit status 1 if a gradient is wrong."""
    from scratchnet.every_layer import reports

    wrong = 0
    for name, report in reports():
        worst = report.worst
        verdict = "agrees" if report.ok else "WRONG "
        wrong += not report.ok
        sys.stdout.write(f"{verdict}  {worst.error:7.1e}  {name}, worst in {worst.name}\n")
    sys.stdout.write(f"{wrong} wrong; relative errors, by hand against central differences, float64\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
