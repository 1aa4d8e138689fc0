"""Dropout: what is dropped, how often, and that backward drops the same."""

import numpy as np
import pytest

from scratchnet import plain
from scratchnet.checking.gradcheck import gradcheck
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.linear import Linear
from scratchnet.layers.sequential import Sequential

T, D, B = 7, 5, 3


class Repeated(Dropout):
    """Draws the same mask at every forward, so that differences can be taken."""

    def forward(self, x):
        self.rng = np.random.default_rng(5)
        return super().forward(x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("locked", [False, True])
def test_both_passes_are_those_of_the_textbook(locked, dtype, rng):
    x, dy = rng.normal(size=(2, T, D, B)).astype(dtype)
    layer, slow = (cls(0.3, np.random.default_rng(1), locked) for cls in (Dropout, plain.Dropout))
    y, dx, tolerance = layer.forward(x), layer.backward(dy), 1e-6 if dtype == np.float32 else 1e-15
    assert y.dtype == dx.dtype == dtype
    np.testing.assert_allclose(y, slow.forward(x), rtol=tolerance)
    np.testing.assert_allclose(dx, slow.backward(dy), rtol=tolerance)
    assert (y == 0).any() and (y != 0).any()


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_as_many_are_dropped_as_asked_and_the_mean_stays(p, locked, rng):
    shape = (2, 300, 200) if locked else (20, 60, 50)
    y = Dropout(p, rng, locked).forward(np.ones(shape))
    n = shape[1] * shape[2] * (1 if locked else shape[0])
    deviation = np.sqrt(p * (1 - p) / n)
    assert abs((y == 0).mean() - p) < 4 * deviation
    assert abs(y.mean() - 1) < 4 * deviation / (1 - p)
    np.testing.assert_allclose(y[y != 0], 1 / (1 - p), rtol=1e-15)


def test_locked_is_one_mask_for_all_steps_and_another_for_each_sequence(rng):
    y = Dropout(0.5, rng, locked=True).forward(np.ones((T, 40, B)))
    assert (y == y[0]).all()
    assert (y[0, :, 0] != y[0, :, 1]).any()
    y = Dropout(0.5, rng).forward(np.ones((T, 40, B)))
    assert (y[0] != y[1]).any()


def test_every_forward_draws_anew_and_equal_seeds_draw_alike():
    x = np.ones((T, D, B))
    one, other = (Dropout(0.5, np.random.default_rng(3)) for _ in range(2))
    first, second = one.forward(x), one.forward(x)
    assert (first != second).any()
    np.testing.assert_array_equal(first, other.forward(x))
    np.testing.assert_array_equal(second, other.forward(x))


@pytest.mark.parametrize("locked", [False, True])
def test_gradients(locked, rng):
    report = gradcheck(Repeated(0.4, rng, locked), rng.normal(size=(T, D, B)))
    assert report.ok, str(report)
    assert {row.name for row in report.rows} == {"input x"}


def test_evaluation_and_p_0_change_nothing_and_draw_nothing(rng):
    x, dy = rng.normal(size=(2, T, D, B))
    for layer in (Dropout(0.5, rng), Dropout(0.0, rng)):
        if layer.p:
            layer.eval()
        before = rng.bit_generator.state
        np.testing.assert_array_equal(layer.forward(x), x)
        np.testing.assert_array_equal(layer.backward(dy), dy)
        assert rng.bit_generator.state == before


def test_backward_uses_the_mask_of_its_forward_though_the_mode_has_changed(rng):
    x = np.ones((T, D, B))
    layer = Dropout(0.5, rng)
    y = layer.forward(x)
    layer.eval()
    np.testing.assert_array_equal(layer.backward(x), y)
    layer.forward(x)
    layer.train()
    np.testing.assert_array_equal(layer.backward(x), x)


def test_in_a_row_of_layers_it_follows_their_mode(rng):
    network = Sequential([Linear(D, 4, rng, np.float64), Dropout(0.5, rng), Linear(4, 2, rng, np.float64)])
    assert network.params.keys() == {"0.weight", "0.bias", "2.weight", "2.bias"}
    x = rng.normal(size=(T, D, B))
    assert (network.forward(x) != network.forward(x)).any()
    network.eval()
    np.testing.assert_array_equal(network.forward(x), network.forward(x))
    report = gradcheck(network, x)
    assert report.ok, str(report)


def test_there_is_nothing_to_learn(rng):
    layer = Dropout(0.5, rng)
    assert layer.params == layer.grads == {} and layer.parameter_count == 0 and layer.training


def test_nan_is_not_hidden(rng):
    layer = Dropout(0.5, rng)
    layer.check_finite = False
    assert np.isnan(layer.forward(np.full((T, D, B), np.nan))).all()


def test_what_does_not_fit_is_refused(rng):
    for p in (1.0, -0.1, np.nan):
        with pytest.raises(ValueError, match=r"expected p in \[0, 1\)"):
            Dropout(p, rng)
    layer = Dropout(0.5, rng)
    with pytest.raises(ValueError, match="expected a forward pass"):
        layer.backward(np.zeros((T, D, B)))
    with pytest.raises(ValueError, match=r"expected x \(T, D, B\), got \(7, 5\)"):
        layer.forward(np.zeros((T, D)))
    with pytest.raises(ValueError, match="float32 or float64"):
        layer.forward(np.zeros((T, D, B), int))
    with pytest.raises(ValueError, match="finite"):
        layer.forward(np.full((T, D, B), np.inf))
    layer.forward(np.zeros((T, D, B)))
    with pytest.raises(ValueError, match=r"expected dy \(7, 5, 3\), got \(7, 5, 2\)"):
        layer.backward(np.zeros((T, D, 2)))


@pytest.mark.torch
def test_torch_agrees_on_the_mean_size_and_in_evaluation():
    """The generators differ; what they draw has the same two values."""
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    x = np.ones((50, 40, 30))
    theirs = torch.nn.Dropout(0.25)
    values = set(np.unique(Dropout(0.25, np.random.default_rng(0)).forward(x)))
    assert values == set(np.unique(theirs(torch.tensor(x)).numpy()))
    assert (theirs.eval()(torch.tensor(x)).numpy() == x).all()
