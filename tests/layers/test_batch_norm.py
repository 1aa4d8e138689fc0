"""Batch normalisation: against the textbook, central differences and PyTorch."""

import numba
import numpy as np
import pytest
from compiled_types import own_kernels, promotions
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnet import plain
from scratchnet.checking.gradcheck import gradcheck
from scratchnet.kernels import team
from scratchnet.layers import batch_norm
from scratchnet.layers.batch_norm import KERAS, BatchNorm
from scratchnet.layers.linear import Linear
from scratchnet.layers.sequential import Sequential
from scratchnet.training.checkpoint import load_weights, save_weights
from scratchnet.training.optimizers import Adam

T, D, B = 7, 3, 4


@pytest.fixture
def layer(rng):
    """A layer that has already learned something."""
    return settled(rng)


def settled(rng, D=D, **options):
    layer = BatchNorm(D, **{"dtype": np.float64} | options)
    for array in (*layer.params.values(), layer.buffers["running_mean"]):
        array[...] = rng.standard_normal(D)
    layer.buffers["running_var"][...] = rng.uniform(0.5, 2, D)
    return layer


def on_paper(layer, x, dy, lengths=None):
    """y, dx and gradients of the plain layer on the numbers that count, as one long sequence."""
    T, D, B = x.shape
    slow = plain.BatchNorm(D, eps=layer.eps)
    slow.params |= layer.params
    slow.running, slow.training = {n: layer.buffers[n].copy() for n in slow.running}, layer.training
    counts = np.arange(T)[:, None] < (np.full(B, T) if lengths is None else np.asarray(lengths))
    found = np.zeros((2, T, B, D))
    for whole, run, array in zip(found, (slow.forward, slow.backward), (x, dy), strict=True):
        whole[counts] = run(array.swapaxes(1, 2)[counts][:, :, None])[:, :, 0]
    return *found.swapaxes(2, 3), slow.grads


class Cut:
    """A layer that gets lengths at every forward."""

    def __init__(self, layer, lengths):
        self.layer, self.lengths = layer, lengths
        self.params, self.grads, self.zero_grad = layer.params, layer.grads, layer.zero_grad

    def forward(self, x):
        return self.layer.forward(x, self.lengths)

    def backward(self, dy):
        return self.layer.backward(dy)


@given(
    st.integers(1, 9), st.integers(1, 20), st.integers(1, 9), st.booleans(), st.booleans(), st.integers(0, 99)
)
@settings(max_examples=30)
def test_both_passes_are_those_of_the_textbook(T, D, B, affine, training, seed):
    rng = np.random.default_rng(seed)
    layer = settled(rng, D, affine=affine)
    layer.train(training)
    x, lengths = rng.normal(3, 2, (T, D, B)), rng.integers(1, T + 1, B)
    dy = rng.standard_normal(x.shape)
    for ends in (None, lengths):
        if training and (T * B if ends is None else ends.sum()) == 1:
            with pytest.raises(ValueError, match="at least two numbers of each feature"):
                layer.forward(x, ends)
            continue
        y, dx, grads = on_paper(layer, x, dy, ends)
        layer.zero_grad()
        np.testing.assert_allclose(layer.forward(x, ends), y, rtol=0, atol=1e-12)
        np.testing.assert_allclose(layer.backward(dy), dx, rtol=0, atol=1e-11)
        for name, grad in layer.grads.items():
            np.testing.assert_allclose(grad, grads[name], rtol=0, atol=1e-11)


@pytest.mark.parametrize("lengths", [None, [T, 2, 5, 1]], ids=["equal", "unequal"])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_gradients(training, affine, lengths, rng):
    layer = settled(rng, affine=affine)
    layer.train(training)
    layer = layer if lengths is None else Cut(layer, lengths)
    report = gradcheck(layer, rng.standard_normal((T, D, B)), tolerance=1e-7)
    assert report.ok, str(report)
    assert {row.name for row in report.rows} == {*layer.params, "input x"}


def test_what_stands_after_the_end_does_not_count(layer, rng):
    x, dy, lengths = rng.standard_normal((T, D, B)), rng.standard_normal((T, D, B)), [T, 2, 5, 1]
    y, dx = layer.forward(x, lengths), layer.backward(dy)
    grads = {name: grad.copy() for name, grad in layer.grads.items()}
    mean = layer.buffers["running_mean"].copy()
    after = np.broadcast_to(np.arange(T)[:, None, None] >= lengths, x.shape)
    assert not y[after].any() and not dx[after].any()
    fresh = settled(np.random.default_rng(0))
    x[after], dy[after] = 1e9, np.nan
    np.testing.assert_array_equal(fresh.forward(x, lengths), y)
    np.testing.assert_array_equal(fresh.backward(dy), dx)
    np.testing.assert_array_equal(fresh.buffers["running_mean"], mean)
    for name, grad in fresh.grads.items():
        np.testing.assert_array_equal(grad, grads[name])


@pytest.mark.parametrize("offset", [0, 1e4, -1e6])
def test_a_feature_far_from_zero_loses_no_digits(offset, rng):
    """float32: x itself is rounded to steps of 0.06 at a million; the layer adds nothing to that."""
    x = (rng.standard_normal((50, 2, 40)) + np.array([offset, 0])[:, None]).astype(np.float32)
    small, exact = BatchNorm(2), BatchNorm(2, dtype=np.float64)
    dy = rng.standard_normal(x.shape)
    np.testing.assert_allclose(small.forward(x), exact.forward(x), rtol=0, atol=1e-5)
    np.testing.assert_allclose(small.backward(dy), exact.backward(dy), rtol=0, atol=1e-5)
    for name, grad in small.grads.items():
        np.testing.assert_allclose(grad, exact.grads[name], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("momentum", [0.1, 1, None])
def test_running_statistics(momentum, rng):
    layer, mean, variance = BatchNorm(D, momentum, dtype=np.float64), np.zeros(D), np.ones(D)
    for step in range(1, 4):
        x = rng.normal(2, 3, (T, D, B))
        layer.forward(x)
        part = 1 / step if momentum is None else momentum
        mean += part * (x.mean((0, 2)) - mean)
        variance += part * (x.var((0, 2), ddof=1) - variance)
    np.testing.assert_allclose(layer.buffers["running_mean"], mean, rtol=1e-14)
    np.testing.assert_allclose(layer.buffers["running_var"], variance, rtol=1e-14)
    assert layer.buffers["num_batches_tracked"] == 3
    before = layer.state_dict()
    layer.eval()
    layer.forward(x)
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_keras_habits(rng):
    """moving = 0.99 moving + 0.01 of the batch, variance with N; eps 0.001."""
    layer, x = BatchNorm(D, dtype=np.float64, **KERAS), rng.normal(2, 3, (T, D, B))
    y = layer.forward(x)
    mean, variance = x.mean((0, 2)), x.var((0, 2))
    np.testing.assert_allclose(layer.buffers["running_mean"], 0.01 * mean, rtol=1e-13)
    np.testing.assert_allclose(layer.buffers["running_var"], 0.99 + 0.01 * variance, rtol=1e-13)
    expected = (x - mean[:, None]) / np.sqrt(variance + 0.001)[:, None]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13)


def test_training_mixes_sequences_and_evaluation_does_not(layer, rng):
    x = rng.standard_normal((T, D, B))
    other = x.copy()
    other[:, :, 1] += rng.standard_normal((T, D))
    assert (layer.forward(x)[:, :, 0] != layer.forward(other)[:, :, 0]).all()
    layer.eval()
    np.testing.assert_array_equal(layer.forward(x)[:, :, ::2], layer.forward(other)[:, :, ::2])


def test_backward_is_of_the_mode_of_its_forward(layer, rng):
    x, dy = rng.standard_normal((2, T, D, B))
    layer.forward(x)
    layer.eval()
    assert abs(layer.backward(dy).sum((0, 2))).max() < 1e-12  # the mean does not change y
    layer.forward(x)
    layer.train()
    assert abs(layer.backward(dy).sum((0, 2))).min() > 1e-3


def test_one_feature_that_does_not_vary(rng):
    layer, x = BatchNorm(2, dtype=np.float64), rng.standard_normal((T, 2, B))
    x[:, 0] = 5.3
    y = layer.forward(x)
    assert abs(y[:, 0]).max() < 1e-10 and np.isfinite(layer.backward(x)).all()


def test_the_state_is_weights_and_statistics(layer, rng, tmp_path):
    assert list(layer.state_dict()) == [
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ]
    assert layer.params.keys() == layer.grads.keys() == {"weight", "bias"} and layer.parameter_count == 2 * D
    network = Sequential([Linear(D, D, rng, np.float64), layer])
    assert "1.running_var" in network.state_dict() and "1.running_var" not in network.params
    x = rng.standard_normal((T, D, B))
    network.forward(x)
    save_weights(tmp_path / "weights.safetensors", network)
    other = Sequential([Linear(D, D, rng, np.float64), BatchNorm(D, dtype=np.float64)])
    load_weights(tmp_path / "weights.safetensors", other)
    for each in (network, other):
        each.eval()
    np.testing.assert_array_equal(network.forward(x), other.forward(x))
    assert other.layers[1].buffers["num_batches_tracked"] == 1
    for name, value, message in (
        ("running_mean", np.full(D, np.nan), "finite numbers in 1.running_mean"),
        ("running_var", np.ones(D + 1), "1.running_var of shape"),
        ("num_batches_tracked", np.array(0.5), "whole numbers in 1.num_batches_tracked"),
    ):
        with pytest.raises(ValueError, match=message):
            other.load_state_dict(network.state_dict() | {f"1.{name}": value})
    with pytest.raises(ValueError, match="missing.*1.running_mean"):
        other.load_state_dict(network.params)
    other.load_state_dict(network.state_dict() | {"1.running_var": np.full(D, -1.0)})
    with pytest.raises(ValueError, match="negative variance"):
        other.forward(x)


def test_it_learns(rng):
    network = Sequential([BatchNorm(D), Linear(D, 1, rng)])
    adam = Adam(network.params, network.grads, 0.05)
    x = (rng.standard_normal((50, D, 8)) * [[1], [100], [0.01]] + 1000).astype(np.float32)
    t = (x[:, 1:2] - 1000) / 100
    for _ in range(200):
        dy = network.forward(x) - t
        network.zero_grad()
        network.backward(dy / dy.size)
        adam.step()
    network.eval()
    assert abs(network.forward(x) - t).mean() < 0.1


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="one worker only")
def test_the_number_of_workers_does_not_matter(monkeypatch, rng):
    monkeypatch.setattr(batch_norm, "PARALLEL_FROM", 0)
    x, dy, found = *rng.standard_normal((2, T, 20, B)), []
    try:
        for size in (1, 2, 3):
            team.set_size(size)
            layer = settled(np.random.default_rng(0), 20)
            found.append([layer.forward(x), layer.backward(dy), *layer.grads.values()])
    finally:
        team.set_size(None)
    for result in found[1:]:
        for one, other in zip(result, found[0], strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-13)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="looks at compiled types")
def test_loops_over_float32_stay_float32(rng):
    layer = BatchNorm(D)
    layer.backward(layer.forward(rng.standard_normal((T, D, B))))
    found = promotions(batch_norm)
    # mean and variance, one number a row, are float64; the rows themselves are not
    widened = {name for name, wide in found.items() if wide}
    assert widened <= {"moments", "sum_derivatives"}
    assert found.keys() | widened >= {
        "sum_masked",
        "normalise_row",
        "derivative_row",
        "normalise",
        "backward",
    }
    assert len(own_kernels(batch_norm)) == 9


def test_what_does_not_fit_is_refused(layer, rng):
    for arguments, message in (
        ({"num_features": 0}, "num_features >= 1"),
        ({"momentum": 0}, r"momentum in \(0, 1\]"),
        ({"momentum": 1.5}, r"momentum in \(0, 1\]"),
        ({"eps": 0}, "eps > 0"),
        ({"eps": np.nan}, "eps > 0"),
        ({"dtype": int}, "float32 or float64"),
    ):
        with pytest.raises(ValueError, match=message):
            BatchNorm(**{"num_features": D} | arguments)
    with pytest.raises(ValueError, match="expected a forward pass"):
        layer.backward(np.zeros((T, D, B)))
    for shape in ((T, D + 1, B), (T, D), (0, D, B)):
        with pytest.raises(ValueError, match=r"expected x \(T, 3, B\)"):
            layer.forward(np.zeros(shape))
    with pytest.raises(ValueError, match="finite"):
        layer.forward(np.full((T, D, B), np.nan))
    with pytest.raises(ValueError, match=r"lengths in 1 \.\. 7"):
        layer.forward(np.zeros((T, D, B)), [0, 1, 2, 3])
    layer.forward(np.ones((T, D, B)))
    with pytest.raises(ValueError, match=r"expected dy \(7, 3, 4\)"):
        layer.backward(np.zeros((T, D, B + 1)))


@pytest.mark.torch
@pytest.mark.parametrize("momentum", [0.1, 0.5, None])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_parity_with_torch(training, affine, momentum, rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    layer = settled(rng, affine=affine, momentum=momentum, eps=1e-4)
    theirs = torch.nn.BatchNorm1d(D, 1e-4, momentum, affine, dtype=torch.float64)
    assert list(theirs.state_dict()) == list(layer.state_dict())
    theirs.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in layer.state_dict().items()})
    layer.train(training), theirs.train(training)
    for _ in range(2):
        x, dy = rng.normal(2, 3, (2, T, D, B))
        x_theirs = torch.from_numpy(x.transpose(2, 1, 0).copy()).requires_grad_()
        y = theirs(x_theirs)
        theirs.zero_grad()
        y.backward(torch.from_numpy(dy.transpose(2, 1, 0).copy()))
        layer.zero_grad()
        np.testing.assert_allclose(
            layer.forward(x), y.detach().numpy().transpose(2, 1, 0), rtol=0, atol=1e-10
        )
        dx = x_theirs.grad.numpy().transpose(2, 1, 0)
        np.testing.assert_allclose(layer.backward(dy), dx, rtol=0, atol=1e-10)
        for name, p in theirs.named_parameters():
            np.testing.assert_allclose(layer.grads[name], p.grad.numpy(), rtol=0, atol=1e-10)
        for name, array in theirs.state_dict().items():
            np.testing.assert_allclose(layer.state_dict()[name], array.numpy(), rtol=0, atol=1e-12)
