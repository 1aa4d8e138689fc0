"""A fixed table: a vector for each token, given and not learned.

    symbol          what                                                shape of the array
    x               tokens                                              whole numbers (T, B)
    W               the vectors, one per row                            (V, D)
    y               outputs                                             (T, D, B)

Forward         y(t) = row x(t) of W
Backward        nothing: neither the table nor tokens have a derivative

For known features of each token, such as the pitches it stands for, alongside or instead of one-hot vectors.
A table that is learned is an Embedding. The table is not a parameter and not in `state_dict`: whoever
constructs the layer again passes the table again.

Memory of a forward pass: T B D numbers.
"""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from scratchnet.annotations import Shape
from scratchnet.layers.layer import Layer, check_dtype, expect, expect_gradient, expect_tokens


class Lookup(Layer):
    """Look up the vectors of tokens in a fixed table. It has no parameters.

    Parameters
    ----------
    table : array (V, D) of finite numbers
    dtype : float32 or float64

    Raises
    ------
    ValueError
        If the table is empty or of another shape, a number is not finite, or dtype is neither.
    """

    def __init__(self, table: ArrayLike, dtype: DTypeLike = np.float32) -> None:
        super().__init__()
        self.dtype = check_dtype(dtype)
        self.table = expect(table, "table", "V, D", (None, None), self.dtype)
        if self.table.size == 0:
            raise ValueError(f"expected a table (V, D), none of them 0, got {self.table.shape}")

    def description(self) -> str:
        """Name, V and D."""
        return f"Lookup({', '.join(map(str, self.table.shape))})"

    def shape_after(self, shape: Shape) -> Shape:
        """(T, D, B)."""
        return shape[0], self.table.shape[1], shape[-1]

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Look up: y (T, D, B).

        Parameters
        ----------
        x : tokens (T, B), whole numbers in 0 .. V - 1

        Raises
        ------
        ValueError
            If the shape differs or a token is out of range.
        """
        x = expect_tokens(x, len(self.table))
        self._kept = (len(x), self.table.shape[1], x.shape[1])
        return np.ascontiguousarray(self.table[x].swapaxes(1, 2))

    def backward(self, dy: ArrayLike) -> None:
        """Nothing to do: neither the table nor the tokens have a gradient.

        Parameters
        ----------
        dy : array (T, D, B), derivative of the loss by what `forward` returned

        Raises
        ------
        ValueError
            If the shape differs, or there was no forward pass.
        """
        expect_gradient(dy, self.last_pass(), self.dtype)
