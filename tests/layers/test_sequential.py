"""Layers in a row: names, states, gradients, and a whole network against PyTorch."""

import numpy as np
import pytest

from scratchnet.blocks.fully_recurrent import FullyRecurrent
from scratchnet.checking.gradcheck import gradcheck
from scratchnet.layers.batch_norm import BatchNorm
from scratchnet.layers.conv1d import Conv1D
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.gru import GRU
from scratchnet.layers.heads import Flatten, LastStep
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.nonlinearity import Nonlinearity
from scratchnet.layers.rnn import RNN
from scratchnet.layers.sequential import Sequential
from scratchnet.training.losses import sigmoid_cross_entropy
from scratchnet.training.optimizers import Adam

T, D, H, K, B = 5, 3, 4, 2, 2


@pytest.fixture
def network(rng):
    """Two recurrent layers among two that are not."""
    return Sequential([
        Linear(D, D, rng, dtype=np.float64),
        RNN(D, H, rng, dtype=np.float64),
        RNN(H, H, rng, nonlinearity="sigmoid", dtype=np.float64),
        Linear(H, K, rng, dtype=np.float64),
    ])  # fmt: skip


def random_like(arrays, rng):
    return tuple(rng.standard_normal(array.shape) for array in arrays)


def test_names_and_shared_memory(network):
    assert list(network.params) == list(network.grads)
    assert network.params.keys() >= {"0.weight", "0.bias", "1.weight_ih_l0", "2.bias_hh_l0", "3.bias"}
    assert len(network.params) == 12
    for number, layer in enumerate(network.layers):
        for name in layer.params:
            assert network.params[f"{number}.{name}"] is layer.params[name]
            assert network.grads[f"{number}.{name}"] is layer.grads[name]


def test_forward_is_one_layer_after_the_other(network, rng):
    x = rng.standard_normal((T, D, B))
    one, two, three, four = network.layers
    expected = four.forward(three.forward(two.forward(one.forward(x))))
    np.testing.assert_array_equal(network.forward(x), expected)


def test_states_reach_their_layers(network, rng):
    x, state = rng.standard_normal((T, D, B)), random_like(network.initial_state(B), rng)
    y, final = network.forward(x, state)
    one, two, three, four = network.layers
    h, after_two = two.forward(one.forward(x), state[:1])
    h, after_three = three.forward(h, state[1:])
    np.testing.assert_array_equal(y, four.forward(h))
    for array, expected in zip(final, after_two + after_three, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_gradients(network, rng):
    report = gradcheck(network, rng.standard_normal((T, D, B)), tolerance=1e-7)
    assert report.ok, str(report)


def test_gradients_with_state(network, rng):
    state = random_like(network.initial_state(B), rng)
    report = gradcheck(network, rng.standard_normal((T, D, B)), state, tolerance=1e-7)
    assert report.ok, str(report)
    assert {row.name for row in report.rows} == {
        *network.params, "input x", "initial state 0", "initial state 1"
    }  # fmt: skip


def test_a_row_of_layers_is_a_layer(rng):
    inner = Sequential([Linear(D, H, rng, dtype=np.float64), RNN(H, H, rng, dtype=np.float64)])
    stateless = Sequential([Linear(H, H, rng, dtype=np.float64)])
    outer = Sequential([inner, stateless, FullyRecurrent(H, 3, K, rng, scale=1.0)])
    assert "0.1.weight_hh_l0" in outer.params
    state = random_like(outer.initial_state(B), rng)
    assert [array.shape for array in state] == [(1, H, B), (3, B)]
    report = gradcheck(outer, rng.standard_normal((3, D, B)), state, tolerance=1e-7)
    assert report.ok, str(report)


def test_no_recurrent_layer(rng):
    network = Sequential([Linear(D, H, rng), Linear(H, K, rng)])
    x = rng.standard_normal((T, D, B))
    assert network.initial_state(B) == ()
    y, final = network.forward(x, ())
    assert final == ()
    np.testing.assert_array_equal(y, network.forward(x))
    assert network.backward(y).shape == x.shape


def test_chained_pieces_are_the_whole(network, rng):
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, K, B))
    state = random_like(network.initial_state(B), rng)
    dstate = random_like(state, rng)
    y, _ = network.forward(x, state)
    dx, dstart = network.backward(dy, dstate)
    grads = {name: grad.copy() for name, grad in network.grads.items()}
    network.zero_grad()
    y_one, middle = network.forward(x[:2], state)
    y_two, _ = network.forward(x[2:], middle)
    dx_two, dmiddle = network.backward(dy[2:], dstate)
    network.forward(x[:2], state)
    dx_one, dstart_one = network.backward(dy[:2], dmiddle)
    np.testing.assert_allclose(np.concatenate([y_one, y_two]), y, rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.concatenate([dx_one, dx_two]), dx, rtol=0, atol=1e-13)
    for array, expected in zip(dstart_one, dstart, strict=True):
        np.testing.assert_allclose(array, expected, rtol=0, atol=1e-13)
    for name, grad in network.grads.items():
        np.testing.assert_allclose(grad, grads[name], rtol=0, atol=1e-13)


def test_sequences_do_not_mix_and_the_future_waits(network, rng):
    x = rng.standard_normal((T, D, 3))
    y = network.forward(x)
    other = x.copy()
    other[3:, :, 1] += 1
    y_other = network.forward(other)
    np.testing.assert_array_equal(y[:, :, ::2], y_other[:, :, ::2])
    np.testing.assert_array_equal(y[:3], y_other[:3])
    assert not np.array_equal(y[3:, :, 1], y_other[3:, :, 1])


def test_float32_is_near_float64(network, rng):
    small = Sequential([
        Linear(D, D, rng), RNN(D, H, rng), RNN(H, H, rng, nonlinearity="sigmoid"), Linear(H, K, rng)
    ])  # fmt: skip
    small.load_state_dict(network.state_dict())
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, K, B))
    for result, exact in ((small.forward(x), network.forward(x)), (small.backward(dy), network.backward(dy))):
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, exact, rtol=0, atol=1e-5)


def gradients(network):
    return {name: grad.copy() for name, grad in network.grads.items()}


def test_the_input_gradient_can_be_left_out(network, rng):
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, K, B))
    state = random_like(network.initial_state(B), rng)
    network.forward(x, state)
    dx, dstart = network.backward(dy)
    grads = gradients(network)
    network.zero_grad()
    network.forward(x, state)
    nothing, dstart_again = network.backward(dy, need_dx=False)
    assert dx is not None and nothing is None
    for array, expected in zip(dstart_again, dstart, strict=True):
        np.testing.assert_array_equal(array, expected)
    for name, grad in network.grads.items():
        np.testing.assert_array_equal(grad, grads[name])


def test_lengths_reach_all_recurrent_layers(rng):
    one, two, three = (
        LSTM(D, H, rng, dtype=np.float64),
        Linear(H, H, rng, np.float64),
        GRU(H, H, rng, dtype=np.float64),
    )
    network = Sequential([Sequential([one, two]), three])
    x, dy, lengths = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B)), [T, 2]
    y, final = network.forward(x, network.initial_state(B), lengths)
    dx, _ = network.backward(dy)
    grads = gradients(network)
    assert not y[2:, :, 1].any() and not dx[2:, :, 1].any() and y[2:, :, 0].all()
    network.zero_grad()
    for n, length in enumerate(lengths):
        part = slice(0, length), slice(None), slice(n, n + 1)
        y_n, final_n = network.forward(x[part], network.initial_state(1))
        dx_n, _ = network.backward(dy[part])
        np.testing.assert_allclose(y[part], y_n, rtol=0, atol=1e-13)
        np.testing.assert_allclose(dx[part], dx_n, rtol=0, atol=1e-13)
        for whole, alone in zip(final, final_n, strict=True):
            np.testing.assert_allclose(whole[:, :, n], alone[:, :, 0], rtol=0, atol=1e-13)
    for name, grad in network.grads.items():
        np.testing.assert_allclose(grad, grads[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 6])  # fewer tokens than are known, as many, more
@pytest.mark.parametrize("precision", [np.float64, np.float32])  # of the embedding
def test_an_embedding_gives_the_same_folded_or_not(steps, precision, rng):
    embedding, layer = Embedding(4, D, rng, precision), LSTM(D, H, rng, num_layers=2, dtype=np.float64)
    network = Sequential([embedding, layer])
    tokens, dy = rng.integers(0, 4, (steps, B)), rng.standard_normal((steps, H, B))
    lengths = [steps, 1]
    y = network.forward(tokens, lengths=lengths)
    assert network.backward(dy) is None
    grads = gradients(network)
    assert grads["0.weight"].any()
    network.zero_grad()
    np.testing.assert_allclose(
        layer.forward(embedding.forward(tokens), lengths=lengths), y, rtol=0, atol=1e-13
    )
    embedding.backward(layer.backward(dy))
    for name, grad in network.grads.items():
        tolerance = 1e-12 if grad.dtype == np.float64 else 1e-5
        np.testing.assert_allclose(grad, grads[name], rtol=0, atol=tolerance)


def test_gradients_of_a_folded_embedding(rng):
    network = Sequential([
        Embedding(5, D, rng, np.float64), GRU(D, H, rng, dtype=np.float64), Linear(H, K, rng, np.float64)
    ])  # fmt: skip
    state = random_like(network.initial_state(B), rng)
    report = gradcheck(network, rng.integers(0, 5, (T, B)), state, tolerance=1e-7)
    assert report.ok, str(report)
    assert "0.weight" in {row.name for row in report.rows}


def test_training_and_evaluation_reach_all_layers(rng):
    inner = GRU(D, H, rng, num_layers=2, dropout=0.5)
    network = Sequential([Sequential([Linear(D, D, rng), inner]), Linear(H, K, rng)])
    x = rng.standard_normal((T, D, B))
    network.eval()
    assert not inner.training
    np.testing.assert_array_equal(network.forward(x), network.forward(x))
    network.train()
    assert inner.training
    assert not np.array_equal(network.forward(x), network.forward(x))


def test_nan_from_inside_is_not_refused(rng):
    """As training diverges; the loss tells of it. What comes from outside is checked."""
    inner = Sequential([Linear(D, D, rng, np.float64), RNN(D, H, rng, dtype=np.float64)])
    network = Sequential([Linear(D, D, rng, np.float64), inner, Linear(H, K, rng, np.float64)])
    x = rng.standard_normal((T, D, B))
    with pytest.raises(ValueError, match="finite numbers in x"):
        network.forward(np.full((T, D, B), np.nan))
    network.params["0.bias"][0] = np.nan
    assert np.isnan(network.forward(x)).all()


def test_lengths_for_a_layer_that_takes_none(rng):
    network = Sequential([FullyRecurrent(D, H, K, rng)])
    with pytest.raises(ValueError, match="layer 0, FullyRecurrent, takes none"):
        network.forward(rng.standard_normal((T, D, B)), lengths=[T] * B)


def convolutional(rng, padding="valid", head=None, D=D):
    """Convolution, normalisation, recurrence, one prediction: a piano network in small."""
    return Sequential([
        Sequential([Conv1D(D, H, 3, rng, padding, dtype=np.float64), Nonlinearity("tanh")]),
        BatchNorm(H, dtype=np.float64),
        Dropout(0.0, rng),
        GRU(H, H, rng, dtype=np.float64),
        head or LastStep(),
        Linear(H, K, rng, np.float64),
    ])  # fmt: skip


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize("training", [True, False])
def test_gradients_through_every_kind_of_layer(padding, training, rng):
    network = convolutional(rng, padding)
    network.train(training)
    x = rng.standard_normal((7, D, 3))
    report = gradcheck(network, x, tolerance=1e-7)
    assert report.ok, str(report)
    if padding == "causal":  # the others take no state but the initial one
        report = gradcheck(network, x, network.initial_state(3), tolerance=1e-7)
        assert report.ok, str(report)


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
def test_lengths_change_on_their_way(padding, rng):
    network = convolutional(rng, padding)
    network.forward(rng.standard_normal((9, D, 3)))  # running statistics
    network.eval()
    x, lengths = rng.standard_normal((9, D, 3)), [9, 4, 6]
    after = network.layers[0].lengths_after(np.array(lengths))
    np.testing.assert_array_equal(after, [7, 2, 4] if padding == "valid" else lengths)
    assert (network.lengths_after(np.array(lengths)) == 1).all()
    y = network.forward(x, lengths=lengths)
    for n, length in enumerate(lengths):
        alone = network.forward(x[:length, :, n : n + 1])
        np.testing.assert_allclose(y[:, :, n], alone[:, :, 0], rtol=0, atol=1e-13)
    with pytest.raises(ValueError, match="equal length"):
        convolutional(rng, padding, Flatten()).forward(x, lengths=lengths)


def test_who_sees_the_future_starts_anew(rng):
    causal, same = convolutional(rng, "causal"), convolutional(rng, "same")
    x = rng.standard_normal((6, D, B))
    causal.forward(x)
    causal.eval()
    whole = causal.forward(x)
    assert causal.stateful and not same.stateful
    _, state = causal.forward(x[:4], causal.initial_state(B))
    np.testing.assert_allclose(causal.forward(x[4:], state)[0], whole, rtol=0, atol=1e-13)
    _, state = same.forward(x, same.initial_state(B))
    with pytest.raises(ValueError, match="initial state: Conv1D cannot continue from another"):
        Sequential([*same.layers[0].layers, *same.layers[1:]]).forward(x, state)
    with pytest.raises(ValueError, match="initial state: Sequential cannot"):
        same.forward(x, state)


def test_statistics_are_the_layers_own(rng):
    network = convolutional(rng)
    norm = network.layers[1]
    assert network.buffers["1.running_mean"] is norm.buffers["running_mean"]
    assert network.parameter_count == sum(layer.parameter_count for layer in network.layers)
    network.forward(rng.standard_normal((7, D, 3)))
    state = network.state_dict()
    assert state["1.num_batches_tracked"] == 1 and state["1.running_mean"].any()
    other = convolutional(rng)
    other.load_state_dict(state)
    np.testing.assert_array_equal(other.layers[1].buffers["running_var"], norm.buffers["running_var"])


def test_backward_needs_a_forward_pass(network, rng):
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, K, B))
    with pytest.raises(ValueError, match="expected a forward pass"):
        network.backward(dy)
    network.forward(x)
    with pytest.raises(ValueError, match="lengths in 1"):
        network.forward(x, lengths=[T, T + 1])  # the first layer has run, the second refuses
    with pytest.raises(ValueError, match="expected a forward pass"):
        network.backward(dy)


def test_learns_to_echo_the_step_before(rng):
    network = Sequential([RNN(1, 6, rng, dtype=np.float64), Linear(6, 1, rng, dtype=np.float64)])
    optimizer = Adam(network.params, network.grads, 0.03)
    x = rng.integers(0, 2, (12, 1, 8)).astype(float)
    t = np.roll(x, 1, axis=0)
    t[0] = 0
    losses = []
    for _ in range(100):
        loss, da = sigmoid_cross_entropy(network.forward(x), t)
        losses.append(loss)
        network.zero_grad()
        network.backward(da)
        optimizer.step()
    assert losses[-1] < 0.2 * losses[0]


def test_bad_input_is_refused(network, rng):
    x = np.zeros((T, D, B))
    with pytest.raises(ValueError, match="at least one layer"):
        Sequential([])
    layer = Linear(D, D, rng)
    with pytest.raises(ValueError, match="once"):
        Sequential([layer, layer])
    with pytest.raises(ValueError, match=r"expected x \(T, 3, B\)"):
        network.forward(np.zeros((T, D + 1, B)))
    with pytest.raises(ValueError, match="expected state of 2 arrays"):
        network.forward(x, (np.zeros((H, B)),))
    network.forward(x)
    with pytest.raises(ValueError, match="expected dstate of 2 arrays"):
        network.backward(np.zeros((T, K, B)), ())


@pytest.mark.torch
def test_parity_with_torch(rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    network = Sequential([RNN(D, H, rng, dtype=np.float64), Linear(H, K, rng, dtype=np.float64)])
    theirs = torch.nn.Sequential(
        torch.nn.RNN(D, H, dtype=torch.float64), torch.nn.Linear(H, K, dtype=torch.float64)
    )
    network.load_state_dict({name: p.numpy() for name, p in theirs.state_dict().items()})
    x, t = rng.standard_normal((T, D, B)), rng.integers(0, 2, (T, K, B)).astype(float)
    x_theirs = torch.from_numpy(x.swapaxes(1, 2).copy()).requires_grad_()
    a_theirs = theirs[1](theirs[0](x_theirs)[0])
    t_theirs = torch.from_numpy(t.swapaxes(1, 2).copy())
    loss_theirs = torch.nn.functional.binary_cross_entropy_with_logits(a_theirs, t_theirs) * K
    loss_theirs.backward()
    a = network.forward(x)
    loss, da = sigmoid_cross_entropy(a, t)
    np.testing.assert_allclose(a, a_theirs.detach().numpy().swapaxes(1, 2), rtol=0, atol=1e-10)
    assert abs(loss - loss_theirs.item()) < 1e-10
    np.testing.assert_allclose(network.backward(da), x_theirs.grad.numpy().swapaxes(1, 2), rtol=0, atol=1e-10)
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(network.grads[name], p.grad.numpy(), rtol=0, atol=1e-10)


@pytest.mark.torch
@pytest.mark.parametrize("training", [True, False])
def test_convolution_and_recurrence_as_torch(training, rng):
    """Names, outputs and gradients of a network with running statistics and one prediction a window."""
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    nn, options = torch.nn, {"dtype": torch.float64}

    class Network(nn.Sequential):
        def forward(self, x):
            x = self[2](self[1](self[0](x))).permute(2, 0, 1)
            x = self[4](self[3](x)[0].transpose(0, 1))
            return self[5](x)

    theirs = Network(
        nn.Conv1d(D, H, 3, **options), nn.ReLU(), nn.BatchNorm1d(H, **options),
        nn.GRU(H, H, **options), nn.Flatten(), nn.Linear(H * 5, K, **options),
    )  # fmt: skip
    network = Sequential([
        Conv1D(D, H, 3, rng, dtype=np.float64), Nonlinearity("relu"), BatchNorm(H, dtype=np.float64),
        GRU(H, H, rng, dtype=np.float64), Flatten(), Linear(H * 5, K, rng, np.float64),
    ])  # fmt: skip
    network.load_state_dict({name: p.numpy() for name, p in theirs.state_dict().items()})
    network.train(training), theirs.train(training)
    x, dy = rng.standard_normal((7, D, B)), rng.standard_normal((1, K, B))
    y_theirs = theirs(torch.from_numpy(x.transpose(2, 1, 0).copy()))
    y_theirs.backward(torch.from_numpy(dy[0].T.copy()))
    np.testing.assert_allclose(network.forward(x)[0].T, y_theirs.detach().numpy(), rtol=0, atol=1e-10)
    network.backward(dy)
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(network.grads[name], p.grad.numpy(), rtol=0, atol=1e-10)
    for name, array in theirs.state_dict().items():
        np.testing.assert_allclose(network.state_dict()[name], array.numpy(), rtol=0, atol=1e-12)
