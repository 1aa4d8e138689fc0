"""Initial weights: their distributions, and which parameter of a layer gets which."""

import math

import numpy as np
import pytest

from scratchnet.layers import initializers
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.gru import GRU
from scratchnet.layers.initializers import fans, initialize, orthogonal, set_forget_bias, uniform
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.rnn import RNN
from scratchnet.layers.sequential import Sequential

SHAPES = [(40, 60), (30, 20, 7)]
DEVIATIONS = {
    "uniform": lambda n, k: 1 / math.sqrt(3 * n),
    "glorot_uniform": lambda n, k: math.sqrt(2 / (n + k)),
    "glorot_normal": lambda n, k: math.sqrt(2 / (n + k)),
    "he_uniform": lambda n, k: math.sqrt(2 / n),
    "he_normal": lambda n, k: math.sqrt(2 / n),
}


class Parameters:
    """What `initialize` sees of a layer."""

    def __init__(self, dtype=np.float64, **shapes):
        self.params = {name: np.full(shape, np.nan, dtype) for name, shape in shapes.items()}


def recurrent(gates, D=6, H=5, dtype=np.float64):
    shapes = {
        "weight_ih": (gates * H, D),
        "weight_hh": (gates * H, H),
        "bias_ih": gates * H,
        "bias_hh": gates * H,
    }
    layer = Parameters(dtype, **{f"{name}_l0": shape for name, shape in shapes.items()})
    layer.hidden_size = H
    return layer


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", DEVIATIONS)
def test_mean_deviation_and_shape_of_the_distribution(name, shape, rng):
    n, k = (60, 40) if len(shape) == 2 else (140, 210)
    values = getattr(initializers, name)(rng, shape, np.float64).ravel()
    deviation = DEVIATIONS[name](n, k)
    assert abs(values.mean()) < 4 * deviation / math.sqrt(values.size)
    assert values.std() == pytest.approx(deviation, rel=0.04)
    kurtosis = np.mean(values**4) / np.mean(values**2) ** 2
    if name.endswith("uniform"):
        assert 0.99 < abs(values).max() / (math.sqrt(3) * deviation) <= 1
        assert kurtosis == pytest.approx(1.8, abs=0.1)
    else:
        assert kurtosis == pytest.approx(3, abs=0.5)


@pytest.mark.parametrize("name", [*DEVIATIONS, "orthogonal", "zeros"])
def test_precision_as_asked_and_equal_seeds_draw_alike(name):
    draw = getattr(initializers, name)
    one, other = (draw(np.random.default_rng(3), (4, 3), np.float64) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    small = draw(np.random.default_rng(3), (4, 3))
    assert small.dtype == np.float32 and one.dtype == np.float64
    np.testing.assert_allclose(small, one, rtol=1e-6)
    assert (one == 0).all() == (name == "zeros")


def test_a_bound_of_ones_own(rng):
    values = uniform(rng, (1000,), np.float64, bound=0.2)
    assert 0.19 < values.max() <= 0.2 and -0.2 <= values.min() < -0.19


def gram_schmidt(matrix):
    """Columns at right angles, one after the other."""
    columns = []
    for column in matrix.T:
        for other in columns:
            column = column - (column @ other) * other
        columns.append(column / math.sqrt(sum(x * x for x in column)))
    return np.array(columns).T


@pytest.mark.parametrize(
    ("shape", "blocks"), [((5, 5), 1), ((7, 4), 1), ((4, 7), 1), ((20, 5), 4), ((6, 5), 3)]
)
def test_orthogonal_is_gram_schmidts(shape, blocks):
    values = orthogonal(np.random.default_rng(7), shape, np.float64, blocks)
    again, rows = np.random.default_rng(7), shape[0] // blocks
    for block in values.reshape(blocks, rows, shape[1]):
        drawn = gram_schmidt(again.standard_normal((max(block.shape), min(block.shape))))
        np.testing.assert_allclose(block, drawn if rows >= shape[1] else drawn.T, rtol=0, atol=1e-13)
        gram = block.T @ block if rows >= shape[1] else block @ block.T
        np.testing.assert_allclose(gram, np.eye(min(block.shape)), rtol=0, atol=1e-14)


def test_all_orthogonal_matrices_are_equally_likely(rng):
    """The first number of such a matrix has mean 0; without the signs it would not."""
    first = [orthogonal(rng, (3, 3), np.float64)[0, 0] for _ in range(2000)]
    assert abs(np.mean(first)) < 4 * math.sqrt(1 / 3 / 2000)
    assert np.mean(np.square(first)) == pytest.approx(1 / 3, rel=0.1)


def test_shapes_that_do_not_fit_are_refused(rng):
    with pytest.raises(ValueError, match="expected every size of a shape >= 1, got 0"):
        fans((0, 3))
    for shape in ((3,), (2, 3, 4, 5)):
        with pytest.raises(ValueError, match=r"expected the shape \(out, in\)"):
            fans(shape)
    for shape, blocks in (((3,), 1), ((7, 3), 2), ((2, 3, 4), 1)):
        with pytest.raises(ValueError, match=r"expected the shape \(rows, columns\)"):
            orthogonal(rng, shape, np.float64, blocks)


def test_scheme_torch_of_a_recurrent_layer(rng):
    layer = recurrent(4, D=30, H=25)
    initialize(layer, "torch", rng)
    for param in layer.params.values():
        assert 0.9 * 0.2 < abs(param).max() <= 0.2  # 1 / sqrt(25), for inputs too
        assert param.std() == pytest.approx(0.2 / math.sqrt(3), rel=0.2)


@pytest.mark.parametrize("scheme", ["keras", "orthogonal"])
@pytest.mark.parametrize("gates", [1, 3, 4])
def test_other_schemes_of_a_recurrent_layer(gates, scheme, rng):
    D, H = 30, 25
    layer = recurrent(gates, D, H)
    initialize(layer, scheme, rng)
    p = layer.params
    bound = math.sqrt(6 / (D + gates * H))
    assert 0.95 * bound < abs(p["weight_ih_l0"]).max() <= bound
    W = p["weight_hh_l0"]
    if scheme == "keras":
        np.testing.assert_allclose(W.T @ W, np.eye(H), rtol=0, atol=1e-13)
    for gate in W.reshape(gates, H, H):
        alone = abs(gate.T @ gate - np.eye(H)).max() < 1e-13
        assert alone == (scheme == "orthogonal" or gates == 1)
    expected = np.zeros(gates * H)
    if gates == 4:
        expected[H : 2 * H] = 1
    np.testing.assert_array_equal(p["bias_ih_l0"], expected)
    np.testing.assert_array_equal(p["bias_hh_l0"], np.zeros(gates * H))


def test_linear_layers_embeddings_and_normalisation(rng):
    linear, conv = Parameters(weight=(40, 16), bias=(40,)), Parameters(weight=(8, 4, 9), bias=(8,))
    norm, table = Parameters(weight=(5,), bias=(5,)), Parameters(weight=(50, 40))
    table.num_embeddings = 50
    for layer in (linear, conv, norm, table):
        initialize(layer, "torch", rng)
    for layer, n in ((linear, 16), (conv, 36)):
        for param in layer.params.values():
            assert 0.6 / math.sqrt(n) < abs(param).max() <= 1 / math.sqrt(n)
    assert (
        table.params["weight"].std() == pytest.approx(1, rel=0.05) and abs(table.params["weight"]).max() > 2
    )
    assert (norm.params["weight"] == 1).all() and (norm.params["bias"] == 0).all()
    for layer in (linear, conv, norm, table):
        initialize(layer, "keras", rng)
    for layer, sum_of_fans in ((linear, 56), (conv, 36 + 72)):
        bound = math.sqrt(6 / sum_of_fans)
        assert 0.9 * bound < abs(layer.params["weight"]).max() <= bound
        assert (layer.params["bias"] == 0).all()
    assert 0.049 < abs(table.params["weight"]).max() <= 0.05
    assert (norm.params["weight"] == 1).all() and (norm.params["bias"] == 0).all()


def test_layers_of_the_library_change_in_place(rng):
    network = Sequential(
        [
            Embedding(9, 6, rng),
            LSTM(6, 5, rng, num_layers=2, peepholes=True),
            GRU(5, 4, rng),
            RNN(4, 4, rng),
            Linear(4, 9, rng),
        ]
    )
    arrays = dict(network.params)
    before = {name: param.copy() for name, param in arrays.items()}
    initialize(network, "keras", rng)
    for name, param in network.params.items():
        assert param is arrays[name] and param.dtype == np.float32 and (param != before[name]).all()
    p = network.layers[1].params
    for layer in range(2):
        np.testing.assert_array_equal(p[f"bias_ih_l{layer}"], np.repeat([0, 1, 0, 0], 5))
        assert (p[f"bias_hh_l{layer}"] == 0).all() and (p[f"peephole_l{layer}"] == 0).all()
        np.testing.assert_allclose(
            p[f"weight_hh_l{layer}"].T @ p[f"weight_hh_l{layer}"], np.eye(5), atol=1e-6
        )


def test_forget_bias(rng):
    layer = LSTM(3, 4, rng, num_layers=2)
    before = layer.state_dict()
    set_forget_bias(layer, 2.5)
    forget = np.repeat([False, True, False, False], 4)
    for name, param in layer.params.items():
        if name.startswith("bias"):
            assert (param[forget] == (2.5 if "_ih_" in name else 0)).all()
            np.testing.assert_array_equal(param[~forget], before[name][~forget])
        else:
            np.testing.assert_array_equal(param, before[name])


def test_what_does_not_fit_is_refused_and_nothing_is_changed(rng):
    with pytest.raises(ValueError, match="expected a scheme in torch, keras, orthogonal, got 'xavier'"):
        initialize(recurrent(4), "xavier", rng)
    for layer in (GRU(3, 4, rng), RNN(3, 4, rng), Linear(4, 16, rng)):
        with pytest.raises(ValueError, match=f"expected an LSTM, .* got {type(layer).__name__}"):
            set_forget_bias(layer, 1.0)
    linear, stranger = Linear(3, 2, rng), Parameters(weight=(2, 3))
    before = linear.state_dict()
    row = Parameters()
    row.layers = [linear, stranger]
    with pytest.raises(ValueError, match=r"got Parameters with \['weight'\]"):
        initialize(row, "keras", rng)
    for name, param in linear.params.items():
        np.testing.assert_array_equal(param, before[name])


@pytest.mark.torch
def test_torch_draws_from_the_same_ranges(rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    torch.manual_seed(0)
    of = torch.nn.init
    for name, make in (
        ("glorot_uniform", of.xavier_uniform_),
        ("glorot_normal", of.xavier_normal_),
        ("he_uniform", of.kaiming_uniform_),
        ("he_normal", of.kaiming_normal_),
    ):
        for shape in ((200, 300), (50, 60, 9)):
            theirs = make(torch.empty(shape, dtype=torch.float64)).numpy()
            ours = getattr(initializers, name)(rng, shape, np.float64)
            assert ours.std() == pytest.approx(theirs.std(), rel=0.02), name
            if name.endswith("uniform"):
                assert abs(ours).max() == pytest.approx(abs(theirs).max(), rel=0.001)
    for make, theirs in (
        (lambda: recurrent(4, 30, 25), torch.nn.LSTM(30, 25)),
        (lambda: recurrent(3, 30, 25), torch.nn.GRU(30, 25)),
        (lambda: Parameters(weight=(300, 40), bias=(300,)), torch.nn.Linear(40, 300)),
        (lambda: Parameters(weight=(60, 30, 9), bias=(60,)), torch.nn.Conv1d(30, 60, 9)),
    ):
        layer = make()
        initialize(layer, "torch", rng)
        for name, param in theirs.named_parameters():
            assert abs(layer.params[name]).max() == pytest.approx(param.abs().max().item(), rel=0.15), name
