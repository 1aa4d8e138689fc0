"""Heads: one output for a whole sequence, made from the outputs of its steps.

    symbol          what                                            shape of the array
    x               inputs                                          (T, D, B)
    y               outputs                                         (1, T D, B) or (1, D, B)
    d...            derivative of the loss by ...

Flatten         y = [x(1); ...; x(T)], step after step as Keras' Flatten of (B, T, D)   dx(t) = its part of dy
LastStep        y = x(T)                                    dx(T) = dy, dx(t) = 0 before

The output has one time step. One prediction per sequence is therefore logits (1, V, B) against targets
(1, B), and needs no loss of its own.

Memory: Flatten none, it returns a view; LastStep T B D numbers in the backward pass.
"""

import numpy as np
from numpy.typing import ArrayLike

from scratchnet.annotations import Shape
from scratchnet.arguments import as_array
from scratchnet.layers.layer import Layer, check_dtype, expect, expect_gradient, expect_lengths


class Head(Layer):
    """Base class: one step comes out, however many go in."""

    def lengths_after(self, lengths: np.ndarray) -> np.ndarray:
        """Ones (B,)."""
        return np.ones_like(lengths)

    def _expect_input(self, x):
        dtype = check_dtype(as_array(x, "x").dtype)
        x = expect(x, "x", "T, D, B", (None, None, None), dtype, finite=self.check_finite)
        if x.size == 0:
            raise ValueError(f"expected x (T, D, B), none of them 0, got {x.shape}")
        return x


class Flatten(Head):
    """(T, D, B) -> (1, T D, B): all steps below each other, the first on top. It has no parameters.

    Only for sequences of equal length; a linear layer above fixes T once and for all.
    """

    stateful = False

    def shape_after(self, shape: Shape) -> Shape:
        """(1, T D, B)."""
        T, D, B = shape
        if isinstance(T, int) and isinstance(D, int):
            return 1, T * D, B
        return 1, f"({T}) {D}" if " " in str(T) else f"{T} {D}", B

    def forward(self, x: ArrayLike, lengths: ArrayLike | None = None) -> np.ndarray:
        """y (1, T D, B), a view of x.

        Parameters
        ----------
        x : array (T, D, B), float32 or float64
        lengths : whole numbers (B,); None for T

        Raises
        ------
        ValueError
            If the shape differs, a number is not finite, or a sequence is shorter than T.
        """
        x = self._expect_input(x)
        T, D, B = x.shape
        if expect_lengths(lengths, T, B).min() < T:
            raise ValueError(f"expected sequences of equal length {T} to flatten, got {min(lengths)}")
        self._kept = x.shape, x.dtype
        return x.reshape(1, T * D, B)

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """dx (T, D, B), a view of dy (1, T D, B).

        Raises
        ------
        ValueError
            If the shape differs, or there was no forward pass.
        """
        shape, dtype = self.last_pass()
        T, D, B = shape
        return expect_gradient(dy, (1, T * D, B), dtype).reshape(shape)


class LastStep(Head):
    """(T, D, B) -> (1, D, B): the last step of each sequence. It has no parameters.

    After a recurrent layer this is the h of its final state (Keras' return_sequences=False).
    """

    def shape_after(self, shape: Shape) -> Shape:
        """(1, D, B)."""
        return 1, *shape[1:]

    def forward(self, x: ArrayLike, lengths: ArrayLike | None = None) -> np.ndarray:
        """y (1, D, B).

        Parameters
        ----------
        x : array (T, D, B), float32 or float64
        lengths : whole numbers (B,), steps of each sequence; None for T

        Raises
        ------
        ValueError
            If the shape differs, a number is not finite, or a length is out of range.
        """
        x = self._expect_input(x)
        T, _, B = x.shape
        last = expect_lengths(lengths, T, B) - 1
        self._kept = x.shape, x.dtype, last
        return np.ascontiguousarray(x[last, :, np.arange(B)].T)[None]

    def backward(self, dy: ArrayLike) -> np.ndarray:
        """dx (T, D, B), zeros except at the last step of each sequence.

        Parameters
        ----------
        dy : array (1, D, B), derivative of the loss by what `forward` returned

        Raises
        ------
        ValueError
            If the shape differs, or there was no forward pass.
        """
        shape, dtype, last = self.last_pass()
        dy = expect_gradient(dy, (1, *shape[1:]), dtype)
        dx = np.zeros(shape, dtype)
        dx[last, :, np.arange(shape[2])] = dy[0].T
        return dx
