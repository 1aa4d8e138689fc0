"""The embedding: against loops, differences and torch."""

import numba
import numpy as np
import pytest

from scratchnet.checking.gradcheck import gradcheck
from scratchnet.kernels import team
from scratchnet.layers.embedding import Embedding

T, B, V, E = 6, 3, 5, 4
SIZES = [(1, 1, 1, 1), (T, B, V, E), (9, 20, 30, 17)]


@pytest.fixture
def tokens(rng):
    return rng.integers(0, V, (T, B))


@pytest.fixture
def layer(rng):
    return Embedding(V, E, rng, np.float64)


@pytest.mark.parametrize("sizes", SIZES)
def test_forward_and_backward_number_by_number(sizes, rng):
    T, B, V, E = sizes
    layer, x = Embedding(V, E, rng, np.float64), rng.integers(0, V, (T, B))
    dy, W = rng.normal(size=(T, E, B)), layer.params["weight"]
    y = layer.forward(x)
    assert y.shape == (T, E, B) and y.flags.c_contiguous
    assert layer.backward(dy) is None
    dW = np.zeros((V, E))
    for t in range(T):
        for n in range(B):
            for e in range(E):
                assert y[t, e, n] == W[x[t, n], e]
                dW[x[t, n], e] += dy[t, e, n]
    np.testing.assert_allclose(layer.grads["weight"], dW, rtol=0, atol=1e-13)


def test_gradients(layer, tokens):
    report = gradcheck(layer, tokens)
    assert report.ok, str(report)
    assert {row.name for row in report.rows} == {"weight"}


def test_gradients_of_a_token_that_comes_again_add_up(layer):
    layer.forward(np.full((T, B), 2))
    layer.backward(np.ones((T, E, B)))
    layer.backward(np.ones((T, E, B)))
    expected = np.zeros((V, E))
    expected[2] = 2 * T * B
    np.testing.assert_array_equal(layer.grads["weight"], expected)


def test_chained_pieces_are_the_whole(layer, tokens, rng):
    dy = rng.normal(size=(T, E, B))
    y = layer.forward(tokens)
    layer.backward(dy)
    whole = layer.grads["weight"].copy()
    layer.zero_grad()
    for piece in (slice(0, 2), slice(2, T)):
        np.testing.assert_array_equal(layer.forward(tokens[piece]), y[piece])
        layer.backward(dy[piece])
    np.testing.assert_allclose(layer.grads["weight"], whole, rtol=0, atol=1e-14)


def test_float32_is_close_to_float64(tokens, rng):
    single, double = (
        Embedding(V, E, np.random.default_rng(1)),
        Embedding(V, E, np.random.default_rng(1), float),
    )
    dy = rng.normal(size=(T, E, B))
    for layer in (single, double):
        layer.backward(layer.forward(tokens) * 0 + dy)
    assert single.forward(tokens).dtype == single.grads["weight"].dtype == np.float32
    np.testing.assert_allclose(single.forward(tokens), double.forward(tokens), rtol=1e-6)
    np.testing.assert_allclose(single.grads["weight"], double.grads["weight"], rtol=1e-5, atol=1e-5)


def test_initial_vectors_are_standard_normal(rng):
    W = Embedding(300, 40, rng, np.float64).params["weight"]
    assert abs(W.mean()) < 0.04 and W.std() == pytest.approx(1, rel=0.03) and abs(W).max() > 3


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
def test_any_whole_numbers_in_any_layout(kind, layer, tokens):
    np.testing.assert_array_equal(
        layer.forward(np.asfortranarray(tokens.astype(kind))), layer.forward(tokens)
    )


def test_gradients_that_have_gone_astray_are_not_hidden(layer, tokens):
    layer.forward(tokens)
    dy = np.zeros((T, E, B))
    dy[1, 2, 0] = np.nan
    layer.backward(dy)
    assert np.isnan(layer.grads["weight"][tokens[1, 0], 2])


def test_what_does_not_fit_is_refused(layer, tokens, rng):
    with pytest.raises(ValueError, match="expected a forward pass"):
        layer.backward(np.zeros((T, E, B)))
    for wrong in (-1, V):
        x = tokens.copy()
        x[2, 1] = wrong
        with pytest.raises(ValueError, match=f"expected tokens in 0 .. 4, got {wrong}"):
            layer.forward(x)
    for x in (tokens[0], tokens.astype(float), tokens[:0], tokens[:, :0], tokens > 1):
        with pytest.raises(ValueError, match=r"expected tokens \(T, B\), whole numbers"):
            layer.forward(x)
    layer.forward(tokens)
    with pytest.raises(ValueError, match=r"expected dy \(6, 4, 3\), got \(6, 3, 4\)"):
        layer.backward(np.zeros((T, B, E)))
    assert (layer.grads["weight"] == 0).all()
    for name, sizes in (("num_embeddings", (0, E)), ("embedding_dim", (V, 0))):
        with pytest.raises(ValueError, match=f"expected {name} >= 1, got 0"):
            Embedding(*sizes, rng)
    with pytest.raises(ValueError, match="float32 or float64"):
        Embedding(V, E, rng, int)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="there are as many as cores only when compiled")
def test_the_number_of_workers_does_not_matter(rng):
    before, results = team._state["size"], []
    x, dy = rng.integers(0, 300, (60, 64)), rng.normal(size=(60, 100, 64))
    for size in (1, 2, 3):
        team.set_size(size)
        layer = Embedding(300, 100, np.random.default_rng(1), np.float64)
        y = layer.forward(x)
        layer.backward(dy)
        results.append((y, layer.grads["weight"]))
    team.set_size(before)
    for y, dW in results[1:]:
        np.testing.assert_array_equal(y, results[0][0])
        np.testing.assert_allclose(dW, results[0][1], rtol=0, atol=1e-12)


@pytest.mark.torch
def test_parity_with_torch(layer, tokens, rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    theirs = torch.nn.Embedding(V, E, dtype=torch.float64)
    assert {name: tuple(p.shape) for name, p in theirs.named_parameters()} == {"weight": (V, E)}
    layer.load_state_dict({name: p.numpy() for name, p in theirs.state_dict().items()})
    dy = rng.normal(size=(T, E, B))
    y_theirs = theirs(torch.tensor(tokens))
    y_theirs.backward(torch.tensor(dy.swapaxes(1, 2).copy()))
    np.testing.assert_array_equal(layer.forward(tokens), y_theirs.detach().numpy().swapaxes(1, 2))
    layer.backward(dy)
    np.testing.assert_allclose(layer.grads["weight"], theirs.weight.grad.numpy(), rtol=0, atol=1e-13)
