"""Initial weights: functions of a random generator and a shape, and schemes for whole layers.

A matrix (out, in) has fan-in n = in and fan-out k = out; with a kernel, (out, in, K), both are times K.

    uniform             U(-b, b)                        b = 1 / sqrt(n) if not given, as in PyTorch
    glorot_uniform      U(-b, b), b = sqrt(6 / (n + k))     (Glorot & Bengio 2010, "Xavier")
    glorot_normal       N(0, 2 / (n + k))                   here and below: mean, variance
    he_uniform          U(-b, b), b = sqrt(6 / n)           (He et al. 2015), for relu
    he_normal           N(0, 2 / n)
    orthogonal          Q of a random matrix = Q R, R's diagonal > 0   (Saxe, McClelland & Ganguli 2014)
    zeros

Orthogonal: the rows, or the columns if these are fewer, are orthonormal; the distribution is uniform over all
such matrices. With blocks=4 each gate of an LSTM gets its own, which preserves norms; one for all four, as in
Keras, halves the numbers of each gate.

Schemes of `initialize`, for the parameters of recurrent layers with H units, of linear ones and embeddings:

                        "torch"             "keras"                         "orthogonal"
    weight_ih           U, 1 / sqrt(H)      Glorot uniform, all gates       as Keras
    weight_hh           U, 1 / sqrt(H)      orthogonal, all gates           orthogonal, each gate
    bias_ih + bias_hh   U, 1 / sqrt(H) each 0; 1 for forget gates           as Keras
    weight, bias        U, 1 / sqrt(n)      Glorot uniform, 0               as Keras
    embedding           N(0, 1)             U(-0.05, 0.05)                  as Keras

Without this bias the forget gate is initially half open, and a state survives for about two steps (Gers,
Schmidhuber & Cummins 2000; Jozefowicz, Zaremba & Sutskever 2015).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratchnet.arguments import generator, listed, number, one_of, room, whole
from scratchnet.layers.layer import check_dtype

SCHEMES = ("torch", "keras", "orthogonal")
RECURRENT = ("weight_ih_l", "weight_hh_l", "bias_ih_l", "bias_hh_l", "peephole_l")


def uniform(
    rng: np.random.Generator,
    shape: Sequence[int],
    dtype: DTypeLike = np.float32,
    bound: float | None = None,
) -> np.ndarray:
    """Uniform in [-bound, bound]; the bound is 1 / sqrt(n) if None."""
    bound = 1 / math.sqrt(fans(shape)[0]) if bound is None else number(bound, "bound", least=0)
    return generator(rng).uniform(-bound, bound, _expect_shape(shape)).astype(check_dtype(dtype))


def glorot_uniform(
    rng: np.random.Generator, shape: Sequence[int], dtype: DTypeLike = np.float32
) -> np.ndarray:
    """Uniform, of variance 2 / (n + k)."""
    return uniform(rng, shape, dtype, math.sqrt(6 / sum(fans(shape))))


def glorot_normal(
    rng: np.random.Generator, shape: Sequence[int], dtype: DTypeLike = np.float32
) -> np.ndarray:
    """Normal, of variance 2 / (n + k)."""
    return _normal(rng, shape, dtype, math.sqrt(2 / sum(fans(shape))))


def he_uniform(rng: np.random.Generator, shape: Sequence[int], dtype: DTypeLike = np.float32) -> np.ndarray:
    """Uniform, of variance 2 / n."""
    return uniform(rng, shape, dtype, math.sqrt(6 / fans(shape)[0]))


def he_normal(rng: np.random.Generator, shape: Sequence[int], dtype: DTypeLike = np.float32) -> np.ndarray:
    """Normal, of variance 2 / n."""
    return _normal(rng, shape, dtype, math.sqrt(2 / fans(shape)[0]))


def orthogonal(
    rng: np.random.Generator, shape: Sequence[int], dtype: DTypeLike = np.float32, blocks: int = 1
) -> np.ndarray:
    """An orthogonal matrix, or `blocks` of them stacked.

    Raises
    ------
    ValueError
        If the shape is not that of a matrix, or the number of rows is no multiple of `blocks`.
    """
    shape, rng, blocks = _expect_shape(shape), generator(rng), whole(blocks, "blocks")
    dtype = check_dtype(dtype)
    if len(shape) != 2 or shape[0] % blocks:
        raise ValueError(f"expected the shape (rows, columns) of {blocks} matrices in one, got {shape}")
    rows, columns = shape[0] // blocks, shape[1]
    parts = []
    for _ in range(blocks):
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.sign(np.diagonal(r))  # else the distribution would not be uniform
        parts.append(q if rows >= columns else q.T)
    return np.concatenate(parts).astype(dtype)


def zeros(rng: np.random.Generator, shape: Sequence[int], dtype: DTypeLike = np.float32) -> np.ndarray:
    """Zeros; `rng` is ignored."""
    return np.zeros(_expect_shape(shape), check_dtype(dtype))


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """(n, k), the fan-in of an output and the fan-out of an input.

    Raises
    ------
    ValueError
        If the shape is not (out, in) or (out, in, K).
    """
    shape = _expect_shape(shape)
    if len(shape) not in (2, 3):
        raise ValueError(f"expected the shape (out, in) or (out, in, K) of weights, got {shape}")
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def initialize(layer: Any, scheme: str, rng: np.random.Generator) -> None:
    """Give all parameters of a layer new values, in place; for a Sequential, layer by layer.

    Parameters
    ----------
    layer : a recurrent layer, with `hidden_size`; an embedding, with `num_embeddings`; another with the
        parameters "weight" and "bias", a convolution also without bias; one without parameters; or an object
        with a list `layers` of these
    scheme : "torch", "keras" or "orthogonal", see above
    rng : numpy Generator

    Raises
    ------
    ValueError
        If there is no such scheme, or a layer is of another kind. Then nothing is changed.
    """
    scheme, rng = one_of(scheme, "a scheme", SCHEMES), generator(rng)
    plan = [(each, _values_for(each)) for each in _layers(layer)]
    for each, values in plan:
        for name, param in each.params.items():
            param[...] = values(each, name, param, scheme, rng)
        if scheme != "torch" and _is_lstm(each):
            set_forget_bias(each, 1.0)


def set_forget_bias(layer: Any, value: float) -> None:
    """Set the bias of the forget gates in all layers of an LSTM: bias_ih to `value`, bias_hh to 0.

    Raises
    ------
    ValueError
        If the layer is not an LSTM.
    """
    if not _is_lstm(layer):
        raise ValueError(f"expected an LSTM, with biases of four gates, got {type(layer).__name__}")
    H, value = layer.hidden_size, number(value, "value")
    for name, param in layer.params.items():
        if name.startswith("bias_"):
            param[H : 2 * H] = value if name.startswith("bias_ih") else 0  # gates are stacked i, f, g, o


def _normal(rng, shape, dtype, deviation):
    return generator(rng).normal(0, deviation, _expect_shape(shape)).astype(check_dtype(dtype))


def _expect_shape(shape):
    """A shape as a tuple of positive whole numbers."""
    shape = tuple(whole(size, "every size of a shape") for size in listed(shape, "a shape"))
    room(math.prod(shape), "an array")
    return shape


def _layers(layer):
    """The layers that own their parameters."""
    return [one for part in layer.layers for one in _layers(part)] if hasattr(layer, "layers") else [layer]


def _values_for(layer):
    """The function that computes the parameters of a layer of this kind."""
    names = set(getattr(layer, "params", ("no layer",)))
    if hasattr(layer, "hidden_size") and all(name.startswith(RECURRENT) for name in names):
        return _recurrent
    if hasattr(layer, "num_embeddings") and names == {"weight"}:
        return _embedding
    without_bias = names == {"weight"} and layer.params["weight"].ndim == 3  # a convolution
    if not names or names == {"weight", "bias"} or without_bias:
        return _linear
    raise ValueError(
        f"expected a layer with torch.nn's parameters, got {type(layer).__name__} with {sorted(names)}"
    )


def _recurrent(layer, name, param, scheme, rng):
    if scheme == "torch":
        return uniform(rng, param.shape, param.dtype, 1 / math.sqrt(layer.hidden_size))
    if name.startswith("weight_ih"):
        return glorot_uniform(rng, param.shape, param.dtype)
    if name.startswith("weight_hh"):
        gates = 1 if scheme == "keras" else len(param) // layer.hidden_size
        return orthogonal(rng, param.shape, param.dtype, gates)
    return zeros(rng, param.shape, param.dtype)


def _embedding(layer, name, param, scheme, rng):
    if scheme == "torch":
        return rng.standard_normal(param.shape)
    return uniform(rng, param.shape, param.dtype, 0.05)


def _linear(layer, name, param, scheme, rng):
    weight = layer.params["weight"]
    if weight.ndim == 1:  # a scale and a shift per feature, as in batch normalisation: initially the identity
        return float(name == "weight")
    if scheme == "torch":
        return uniform(rng, param.shape, param.dtype, 1 / math.sqrt(fans(weight.shape)[0]))
    return zeros(rng, param.shape) if name == "bias" else glorot_uniform(rng, param.shape, param.dtype)


def _is_lstm(layer):
    H = getattr(layer, "hidden_size", 0)
    biases = [param for name, param in getattr(layer, "params", {}).items() if name.startswith("bias_")]
    return H > 0 and len(biases) > 0 and all(bias.shape == (4 * H,) for bias in biases)
