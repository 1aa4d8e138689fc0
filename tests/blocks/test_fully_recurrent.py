"""The fully recurrent network: BPTT and RTRL against the textbook, central differences and each other."""

import numba
import numpy as np
import pytest
from compiled_types import promotions

from scratchnet import plain
from scratchnet.blocks import fully_recurrent, rtrl
from scratchnet.blocks.fully_recurrent import FullyRecurrent
from scratchnet.checking.gradcheck import gradcheck
from scratchnet.kernels import rows
from scratchnet.training.losses import sigmoid_cross_entropy
from scratchnet.training.optimizers import Adam

T, D, H, K, B = 6, 3, 5, 2, 2


@pytest.fixture
def network(rng):
    return FullyRecurrent(D, H, K, rng, scale=1.0)


@pytest.fixture
def stream(rng):
    """x (20, D) and t (20, K)."""
    return rng.standard_normal((20, D)), rng.integers(0, 2, (20, K)).astype(float)


def on_paper(network):
    slow = plain.FullyRecurrent(network.input_size, H, K, np.random.default_rng(0))
    slow.params["weight"][...] = network.params["weight"]
    return slow


def test_both_passes_are_those_of_the_textbook(network, rng):
    x, state, dstate = rng.standard_normal((T, D, B)), (rng.random((H, B)),), (rng.random((H, B)),)
    slow = on_paper(network)
    a, final = network.forward(x, state)
    a_slow, final_slow = slow.forward(x, state)
    assert a.shape == (T, K, B)
    dx, dfirst = network.backward(a**2, dstate)
    dx_slow, dfirst_slow = slow.backward(a**2, dstate)
    pairs = ((a, a_slow), (final[0], final_slow[0]), (dx, dx_slow), (dfirst[0], dfirst_slow[0]))
    for ours, theirs in (*pairs, (network.grads["weight"], slow.grads["weight"])):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_gradients(network, rng):
    report = gradcheck(network, rng.standard_normal((T, D, B)), tolerance=1e-7)
    assert report.ok, str(report)


def test_gradients_with_state(network, rng):
    report = gradcheck(network, rng.standard_normal((T, D, B)), (rng.random((H, B)),), tolerance=1e-7)
    assert report.ok, str(report)
    assert {row.name for row in report.rows} == {"weight", "input x", "initial state 0"}


def bptt_gradient(network, x, t, state=None):
    """The gradient of the cross-entropy summed over one stream."""
    network.zero_grad()
    a = network.forward(x[:, :, None], state)
    a = a if state is None else a[0]
    network.backward(sigmoid_cross_entropy(a, t[:, :, None])[1] * len(x))
    return network.grads["weight"].copy()


def test_rtrl_is_bptt(network, stream):
    gradient = network.rtrl_gradient(*stream)["weight"]
    np.testing.assert_allclose(gradient, bptt_gradient(network, *stream), rtol=0, atol=1e-10)


def test_rtrl_is_the_textbooks(network, stream):
    slow = on_paper(network)
    total = sum(slow.step(x, t)[1] for x, t in zip(*stream, strict=True))
    np.testing.assert_allclose(network.rtrl_gradient(*stream)["weight"], total, rtol=0, atol=1e-10)


def copy_of(network):
    twin = FullyRecurrent(D, H, K, np.random.default_rng(9))
    twin.load_state_dict(network.state_dict())
    return twin


def test_rtrl_gradient_in_the_middle_of_a_stream(network, stream):
    twin = copy_of(network)
    for one in (network, twin):
        one.learn_online(*stream, 0.1, 0.9)
    with pytest.raises(ValueError, match=r"expected t \(20, 2\)"):
        network.rtrl_gradient(stream[0], stream[1][1:])
    gradient = network.rtrl_gradient(*stream)["weight"]
    np.testing.assert_allclose(gradient, bptt_gradient(twin, *stream), rtol=0, atol=1e-10)
    twin.reset()
    for one in (network, twin):  # momentum and weights are as they would have been
        one.learn_online(*stream, 0.1, 0.9)
    np.testing.assert_array_equal(network.params["weight"], twin.params["weight"])


def test_online_learning_is_the_textbooks(network, stream):
    (x, t), y, slow, velocity = stream, [], on_paper(network), 0
    for now, target in zip(x, t, strict=True):
        outputs, gradient = slow.step(now, target)
        y.append(outputs)
        velocity = 0.5 * velocity - 0.3 * gradient
        slow.params["weight"] += velocity
    y, weights = np.array(y), slow.params["weight"]
    loss = -(t * np.log(y) + (1 - t) * np.log(1 - y)).sum()
    got, got_loss, wrong = network.learn_online(x, t, 0.3, 0.5)
    np.testing.assert_allclose(got, y, rtol=0, atol=1e-10)
    np.testing.assert_allclose(network.params["weight"], weights, rtol=0, atol=1e-10)
    assert abs(got_loss - loss) < 1e-10
    assert wrong == ((y > 0.5) != (t > 0.5)).sum()
    assert isinstance(wrong, int)


@pytest.mark.parametrize("cuts", [(7,), tuple(range(1, 20))])
def test_online_in_pieces_is_online_at_once(network, stream, cuts):
    x, t = stream
    twin = copy_of(network)
    y, loss, wrong = network.learn_online(x, t, 0.3, 0.5)
    parts = [
        twin.learn_online(x_part, t_part, 0.3, 0.5)
        for x_part, t_part in zip(np.split(x, cuts), np.split(t, cuts), strict=True)
    ]
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), y)
    np.testing.assert_array_equal(twin.params["weight"], network.params["weight"])
    assert abs(sum(part[1] for part in parts) - loss) < 1e-12
    assert sum(part[2] for part in parts) == wrong


def test_gross_error_stops(network, stream):
    x, t = stream[0], np.full((20, K), 0.5)  # no output is wrong by more than 1/2 ...
    twin = copy_of(network)
    y, _, _ = twin.learn_online(x[:8], t[:8], 0.1)
    t[7] = y[7] < 0.5  # ... but for this one
    got, loss, _ = network.learn_online(x, t, 0.1, gross_error=0.5)
    np.testing.assert_array_equal(got, y)
    expected = -(t[:8] * np.log(got) + (1 - t[:8]) * np.log(1 - got)).sum()
    assert abs(loss - expected) < 1e-12


def test_reset_forgets_the_stream(network, stream):
    twin = copy_of(network)
    first, _, _ = network.learn_online(*stream, 0.0)
    on, _, _ = network.learn_online(*stream, 0.0)
    assert not np.array_equal(first, on)
    network.reset()
    for one in (network, twin):
        one.learn_online(*stream, 0.1)
    np.testing.assert_array_equal(network.params["weight"], twin.params["weight"])


def test_advance_is_forward_one_step_at_a_time(network, stream):
    x, _ = stream
    y = np.array([network.advance(x_t) for x_t in x])
    a = network.forward(x[:, :, None])[:, :, 0]
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-a)), rtol=0, atol=1e-13)


def test_advance_closes_the_loop(rng):
    network = FullyRecurrent(K, H, K, rng, scale=1.0)
    slow, x, expected = on_paper(network), np.zeros(K), np.zeros(K)
    for _ in range(10):
        x, (expected, _) = network.advance(x), slow.step(expected, np.zeros(K))
        np.testing.assert_allclose(x, expected, rtol=0, atol=1e-12)


def test_learning_after_advance_takes_the_state_as_given(network, stream):
    x, t = stream
    network.learn_online(x[:5], t[:5], 0.1)  # leaves derivatives behind, that must not be used
    for x_t in x[5:8]:
        network.advance(x_t)
    before, state = network.state_dict()["weight"], (network.stream.arrays.y.copy()[:, None],)
    gradient = bptt_gradient(network, x[8:9], t[8:9], state)
    network.learn_online(x[8:9], t[8:9], 0.01)
    np.testing.assert_allclose(network.params["weight"], before - 0.01 * gradient, rtol=0, atol=1e-14)


def test_chained_pieces_are_the_whole(network, rng):
    x, da = rng.standard_normal((T, D, B)), rng.standard_normal((T, K, B))
    state, dstate = (rng.random((H, B)),), (rng.standard_normal((H, B)),)
    a, final = network.forward(x, state)
    dx, dstart = network.backward(da, dstate)
    whole = network.grads["weight"].copy()
    network.zero_grad()
    a_one, middle = network.forward(x[:2], state)
    a_two, final_two = network.forward(x[2:], middle)
    dx_two, dmiddle = network.backward(da[2:], dstate)
    network.forward(x[:2], state)
    dx_one, dstart_one = network.backward(da[:2], dmiddle)
    for got, expected in (
        (np.concatenate([a_one, a_two]), a),
        (final_two[0], final[0]),
        (np.concatenate([dx_one, dx_two]), dx),
        (dstart_one[0], dstart[0]),
        (network.grads["weight"], whole),
    ):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13)


def test_sequences_do_not_mix(network, rng):
    x, da = rng.standard_normal((T, D, 3)), rng.standard_normal((T, K, 3))
    a, dx = network.forward(x), network.backward(da)
    x[:, :, 1] += 1
    da[:, :, 1] += 1
    a_other, dx_other = network.forward(x), network.backward(da)
    np.testing.assert_array_equal(a[:, :, ::2], a_other[:, :, ::2])
    np.testing.assert_array_equal(dx[:, :, ::2], dx_other[:, :, ::2])
    assert not np.array_equal(a[:, :, 1], a_other[:, :, 1])


def test_the_future_does_not_change_the_past(network, rng):
    x, da = rng.standard_normal((T, D, B)), np.zeros((T, K, B))
    a = network.forward(x)
    da[2] = 1
    dx = network.backward(da)
    assert not dx[3:].any()
    assert dx[:3].any()
    x[3:] += 1
    np.testing.assert_array_equal(network.forward(x)[:3], a[:3])


def test_float32_is_near_float64(network, stream, rng):
    small = FullyRecurrent(D, H, K, rng, dtype=np.float32)
    small.load_state_dict(network.state_dict())
    x, da = rng.standard_normal((T, D, B)), rng.standard_normal((T, K, B))
    pairs = [
        (small.forward(x), network.forward(x)),
        (small.backward(da), network.backward(da)),
        (small.grads["weight"], network.grads["weight"]),
        (small.rtrl_gradient(*stream)["weight"], network.rtrl_gradient(*stream)["weight"]),
        (small.learn_online(*stream, 0.1)[0], network.learn_online(*stream, 0.1)[0]),
        (small.advance(x[0, :, 0]), network.advance(x[0, :, 0])),
    ]
    for result, exact in pairs:
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, exact, rtol=0, atol=1e-5 * max(1, np.abs(exact).max()))


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="looks at compiled types")
def test_no_kernel_promotes_float32(stream, rng):
    small = FullyRecurrent(D, H, K, rng, dtype=np.float32)
    small.backward(small.forward(rng.standard_normal((T, D, B)))[:, :K])
    small.learn_online(*stream, 0.1)
    small.advance(stream[0][0])
    modules = fully_recurrent, rtrl, rows
    found = promotions(*modules)
    for name in ("run", "step", "propagate", "momentum_step", "scale", "add_row", "forward", "backward"):
        assert found[name] == []


def echo(rng, steps):
    """Bits, and the same bits one step later."""
    x = rng.integers(0, 2, (steps, 1)).astype(float)
    return x, np.concatenate([[[0.0]], x[:-1]])


def test_learns_online_to_echo(rng):
    network = FullyRecurrent(1, 3, 1, rng, scale=0.5)
    x, t = echo(rng, 600)
    _, before, _ = network.learn_online(x[:100], t[:100], 0.3, 0.5)
    network.learn_online(x[100:500], t[100:500], 0.3, 0.5)
    _, after, wrong = network.learn_online(x[500:], t[500:], 0.3, 0.5)
    assert after < 0.5 * before
    assert wrong < 10


def test_learns_from_batches_to_echo(rng):
    network = FullyRecurrent(1, 4, 1, rng, scale=0.5)
    optimizer = Adam(network.params, network.grads, 0.1)
    x, t = (np.stack(parts, axis=2) for parts in zip(*(echo(rng, 10) for _ in range(6)), strict=True))
    losses = []
    for _ in range(80):
        loss, da = sigmoid_cross_entropy(network.forward(x), t)
        losses.append(loss)
        network.zero_grad()
        network.backward(da)
        optimizer.step()
    assert losses[-1] < 0.3 * losses[0]


def test_initial_weights(rng):
    assert np.abs(FullyRecurrent(D, H, K, rng).params["weight"]).max() <= 0.1
    assert np.abs(FullyRecurrent(D, H, K, rng, scale=None).params["weight"]).max() <= 1 / 3  # 1 / sqrt(9)
    one, two = (FullyRecurrent(D, H, K, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.params["weight"], two.params["weight"])
    assert one.params["weight"].shape == (H, D + H + 1)


@pytest.mark.parametrize("sizes", [(0, H, K), (D, H, 0), (D, K, H)])
def test_wrong_sizes_are_refused(rng, sizes):
    with pytest.raises(ValueError, match="expected (input_size|units|output_size)"):
        FullyRecurrent(*sizes, rng)


def test_bad_input_is_refused(network, stream, rng):
    x, t = stream
    with pytest.raises(ValueError, match="float32 or float64"):
        FullyRecurrent(D, H, K, rng, dtype=int)
    for shape in ((T, D + 1, B), (T, D), (0, D, B), (T, D, 0)):
        with pytest.raises(ValueError, match=r"expected x \(T, 3, B\)"):
            network.forward(np.zeros(shape))
    with pytest.raises(ValueError, match="finite"):
        network.forward(np.full((T, D, B), np.nan))
    with pytest.raises(ValueError, match=r"expected state y0 \(5, 2\)"):
        network.forward(np.zeros((T, D, B)), (np.zeros((K, B)),))
    network.forward(np.zeros((T, D, B)))
    with pytest.raises(ValueError, match=r"expected da \(6, 2, 2\)"):
        network.backward(np.zeros((T, H, B)))
    with pytest.raises(ValueError, match=r"expected dstate dy \(5, 2\)"):
        network.backward(np.zeros((T, K, B)), (np.zeros((K, B)),))
    for x_bad, t_bad in ((x[:, 1:], t), (x, t[1:]), (x, t[:, 1:]), (x[:0], t[:0])):
        with pytest.raises(ValueError, match="expected"):
            network.learn_online(x_bad, t_bad, 0.1)
    for lr, momentum in ((-1, 0), (np.nan, 0), (np.inf, 0), (0.1, 1), (0.1, -0.1)):
        with pytest.raises(ValueError, match="expected (lr|momentum)"):
            network.learn_online(x, t, lr, momentum)
    with pytest.raises(ValueError, match=r"expected x \(3,\)"):
        network.advance(np.zeros(D + 1))
