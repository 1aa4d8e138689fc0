"""Checks of the arguments of online learning, and of the weights it leaves."""

from scratchnet.arguments import number
from scratchnet.layers.layer import all_finite, expect
from scratchnet.training.optimizers import Diverged, expect_rate


def online_settings(lr, momentum, gross_error, dtype):
    """(lr, momentum, 1, gross_error) for a kernel; the 1 says that the weights change.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """
    lr = number(lr, "lr", least=0)
    expect_rate(lr, dtype)
    return (
        lr,
        number(momentum, "momentum", least=0, below=1),
        1,
        number(gross_error, "gross_error", least=0, infinite=True),
    )


def expect_inputs(x, D, dtype):
    """Inputs x (T, D) of a stream as an array of `dtype`.

    Raises
    ------
    ValueError
        If the shape differs, or a number is not finite.
    """
    return expect(x, "x", f"T, {D}", (None, D), dtype)


def expect_targets(t, T, K, dtype):
    """Targets t (T, K) of sigmoid units as an array of `dtype`.

    Raises
    ------
    ValueError
        If the shape differs, or a target is not in [0, 1].
    """
    t = expect(t, "t", f"{T}, {K}", (T, K), dtype)
    if t.size and not 0 <= t.min() <= t.max() <= 1:
        raise ValueError(f"expected targets in [0, 1], got {t.min()} to {t.max()}")
    return t


def expect_learned(weights, steps):
    """Raise Diverged if not all weights are finite after so many steps."""
    if not all_finite(weights):
        raise Diverged(f"within {steps} steps of the stream the weights became NaN or infinite")
