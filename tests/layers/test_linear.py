"""The linear layer: against the plain one, central differences and PyTorch."""

import numpy as np
import pytest

from scratchnet import plain
from scratchnet.checking.gradcheck import gradcheck
from scratchnet.layers.linear import Linear

T, D, K, B = 5, 3, 4, 2


@pytest.fixture
def layer(rng):
    return Linear(D, K, rng, dtype=np.float64)


def test_both_passes_are_those_of_the_textbook(layer, rng):
    x, dy, slow = rng.standard_normal((T, D, B)), rng.standard_normal((T, K, B)), plain.Linear(D, K, rng)
    slow.params = layer.params
    np.testing.assert_allclose(layer.forward(x), slow.forward(x), rtol=0, atol=1e-13)
    np.testing.assert_allclose(layer.backward(dy), slow.backward(dy), rtol=0, atol=1e-13)
    for name, grad in slow.grads.items():
        np.testing.assert_allclose(layer.grads[name], grad, rtol=0, atol=1e-13)


def test_gradients(layer, rng):
    report = gradcheck(layer, rng.standard_normal((T, D, B)), tolerance=1e-7)
    assert report.ok, str(report)
    assert {row.name for row in report.rows} == {"weight", "bias", "input x"}


def test_backward_adds(layer, rng):
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, K, B))
    for _ in range(2):
        layer.forward(x)
        layer.backward(dy)
    twice = {name: grad.copy() for name, grad in layer.grads.items()}
    layer.zero_grad()
    layer.forward(x)
    layer.backward(dy)
    for name, grad in layer.grads.items():
        np.testing.assert_allclose(twice[name], 2 * grad, rtol=1e-14)


def test_tokens_are_one_hot_vectors(layer, rng):
    tokens, dy = rng.integers(0, D, (T, B)), rng.standard_normal((T, K, B))
    vectors = np.eye(D)[tokens].swapaxes(1, 2)
    y = layer.forward(vectors)
    layer.backward(dy)
    grads = {name: grad.copy() for name, grad in layer.grads.items()}
    layer.zero_grad()
    np.testing.assert_allclose(layer.forward(tokens), y, rtol=0, atol=1e-14)
    assert layer.backward(dy) is None
    for name, grad in layer.grads.items():
        np.testing.assert_allclose(grad, grads[name], rtol=0, atol=1e-14)
    with pytest.raises(ValueError, match=r"tokens in 0 \.\. 2, got 3"):
        layer.forward(np.full((T, B), D))


def test_the_input_gradient_can_be_left_out(layer, rng):
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, K, B))
    layer.forward(x)
    assert layer.backward(dy, need_dx=False) is None
    np.testing.assert_allclose(layer.grads["bias"], dy.sum((0, 2)), rtol=0, atol=1e-13)


def test_backward_needs_a_forward_pass(layer):
    with pytest.raises(ValueError, match="expected a forward pass before the backward pass"):
        layer.backward(np.zeros((T, K, B)))


def test_initial_weights(rng):
    layer = Linear(100, 50, rng)
    for param in layer.params.values():
        assert param.dtype == np.float32
        assert np.abs(param).max() <= 0.1
    assert np.abs(layer.params["weight"]).max() > 0.099
    assert layer.params["bias"].any()


def test_same_seed_same_weights():
    one, two = (Linear(D, K, np.random.default_rng(3)) for _ in range(2))
    for name in one.params:
        np.testing.assert_array_equal(one.params[name], two.params[name])


def test_float32_is_near_float64(layer, rng):
    small = Linear(D, K, rng, dtype=np.float32)
    small.load_state_dict(layer.state_dict())
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, K, B))
    for result, exact in ((small.forward(x), layer.forward(x)), (small.backward(dy), layer.backward(dy))):
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, exact, rtol=0, atol=1e-5)
    for name, grad in small.grads.items():
        assert grad.dtype == np.float32
        np.testing.assert_allclose(grad, layer.grads[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(T, D + 1, B), (T, D), (B, T, D, 1)])
def test_wrong_shapes_are_refused(layer, shape):
    with pytest.raises(ValueError, match=r"expected x \(T, 3, B\)"):
        layer.forward(np.zeros(shape))


def test_other_bad_input_is_refused(layer, rng):
    with pytest.raises(ValueError, match="finite"):
        layer.forward(np.full((T, D, B), np.nan))
    layer.forward(np.zeros((T, D, B)))
    with pytest.raises(ValueError, match=r"expected dy \(5, 4, 2\)"):
        layer.backward(np.zeros((T, K, B + 1)))
    with pytest.raises(ValueError, match="input_size >= 1"):
        Linear(0, K, rng)
    with pytest.raises(ValueError, match="float32 or float64"):
        Linear(D, K, rng, dtype=np.float16)


@pytest.mark.torch
def test_parity_with_torch(layer, rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    theirs = torch.nn.Linear(D, K, dtype=torch.float64)
    assert {name: tuple(p.shape) for name, p in theirs.named_parameters()} == {
        name: p.shape for name, p in layer.params.items()
    }
    theirs.load_state_dict({name: torch.from_numpy(p) for name, p in layer.state_dict().items()})
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, K, B))
    x_theirs = torch.from_numpy(x.transpose(0, 2, 1).copy()).requires_grad_()
    y = theirs(x_theirs)
    y.backward(torch.from_numpy(dy.transpose(0, 2, 1).copy()))
    np.testing.assert_allclose(layer.forward(x), y.detach().numpy().transpose(0, 2, 1), rtol=0, atol=1e-10)
    np.testing.assert_allclose(
        layer.backward(dy), x_theirs.grad.numpy().transpose(0, 2, 1), rtol=0, atol=1e-10
    )
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(layer.grads[name], p.grad.numpy(), rtol=0, atol=1e-10)
