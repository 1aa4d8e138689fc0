"""The embedding: a vector for each token, learned.

    symbol          what                                                shape of the array
    x               tokens                                              whole numbers (T, B)
    W               the vectors, one per row                            (V, E)
    y               outputs                                             (T, E, B)
    d...            derivative of the loss by ...

Forward         y(t) = row x(t) of W
Backward        dy(t) is added to row x(t) of dW; tokens have no derivative

It is a linear layer on one-hot vectors, without the product. Directly below a recurrent layer, Sequential
lets that layer fold it into a table instead (see recurrent.py).

Memory of a forward and backward pass: T B (1 + 2 E) numbers.
"""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from scratchnet.annotations import Shape
from scratchnet.arguments import generator, room, whole
from scratchnet.kernels.matmul import add_outer, apply, transpose
from scratchnet.layers.layer import Layer, check_dtype, expect_gradient, expect_tokens


class Embedding(Layer):
    """A table of vectors; `torch.nn.Embedding` with features before the batch.

    Parameters
    ----------
    num_embeddings, embedding_dim : V and E
    rng : numpy Generator for the initial vectors, normal with mean 0 and deviation 1 as PyTorch's
    dtype : float32 or float64

    Attributes
    ----------
    params, grads : "weight" (V, E)

    Raises
    ------
    ValueError
        If a size is not positive, or dtype is neither.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.num_embeddings = whole(num_embeddings, "num_embeddings")
        self.embedding_dim = whole(embedding_dim, "embedding_dim")
        self.dtype, rng = check_dtype(dtype), generator(rng)
        room(self.num_embeddings * self.embedding_dim, "the vectors")
        self.add_param("weight", rng.standard_normal((self.num_embeddings, self.embedding_dim)))

    def shape_after(self, shape: Shape) -> Shape:
        """(T, E, B)."""
        return shape[0], self.embedding_dim, shape[-1]

    def forward(self, x: ArrayLike) -> np.ndarray:
        """Look up the vectors.

        Parameters
        ----------
        x : tokens (T, B), whole numbers; `backward` reads them again, so they must not change in between

        Returns
        -------
        y : array (T, E, B)

        Raises
        ------
        ValueError
            If the shape differs or a token is out of range.
        """
        self._kept = x = expect_tokens(x, self.num_embeddings)
        y = np.empty((len(x), self.embedding_dim, x.shape[1]), self.dtype)
        apply(transpose(self.params["weight"]), x, np.zeros(self.embedding_dim, self.dtype), y)
        return y

    def backward(self, dy: ArrayLike) -> None:
        """Add the gradient of the vectors to `grads`; return None.

        Parameters
        ----------
        dy : array (T, E, B), derivative of the loss by what `forward` returned

        Raises
        ------
        ValueError
            If the shape differs, or there was no forward pass.
        """
        x, E = self.last_pass(), self.embedding_dim
        dy = expect_gradient(dy, (len(x), E, x.shape[1]), self.dtype)
        dWT = np.zeros((E, self.num_embeddings), self.dtype)
        add_outer(dy, x, dWT)
        self.grads["weight"] += dWT.T
