"""Attention: against the plain one, central differences and PyTorch."""

import math

import numba
import numpy as np
import pytest
from compiled_types import own_kernels, promotions

from scratchnet import plain
from scratchnet.checking.gradcheck import compare, gradcheck, numeric_gradient
from scratchnet.kernels import team
from scratchnet.layers import attention, attention_kernels
from scratchnet.layers.attention import Attention
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.sequential import Sequential

T, H, B = 6, 4, 3
FORMS = [(score, tanh) for score in ("scalar", "vector") for tanh in (True, False)]


@pytest.fixture(params=FORMS, ids=str)
def layer(request, rng):
    score, tanh = request.param
    return Attention(H, rng, score, tanh, dtype=np.float64)


def random_state(layer, B, rng):
    """A state as after some steps: m of any size, S and N the sums that go with it."""
    m, S, N = layer.initial_state(B)
    return rng.standard_normal(m.shape), rng.uniform(1, 3, S.shape), rng.standard_normal(N.shape)


def random_dstate(layer, B, rng):
    return tuple(rng.standard_normal(part.shape) for part in layer.initial_state(B))


def twin(layer, rng):
    """The layer on paper, O(T^2), with the same weights."""
    slow = plain.Attention(H, rng, layer.score, layer.tanh)
    for name, param in slow.params.items():
        param[...] = layer.params[name]
    return slow


def forward_and_back(layer, x, dy, state=None, dstate=None, lengths=None):
    """All results of one pass, by name, with gradients that start from zero."""
    layer.zero_grad()
    y, final = layer.forward(x, layer.initial_state(x.shape[2]) if state is None else state, lengths)
    y = y.copy()
    dx, dfirst = layer.backward(dy, dstate)
    grads = {name: grad.copy() for name, grad in layer.grads.items()}
    after = dict(zip("mSN", final, strict=True))
    return {"y": y, "dx": dx, **grads, **after, "dS": dfirst[1], "dN": dfirst[2]}


def test_names_shapes_and_habits(rng):
    scalar, vector = Attention(H, rng), Attention(H, rng, "vector")
    assert {name: p.shape for name, p in scalar.params.items()} == {"weight": (1, H), "bias": (1,)}
    assert {name: p.shape for name, p in vector.params.items()} == {"weight": (H, H), "bias": (H,)}
    for layer in (scalar, vector):
        assert list(layer.params) == list(layer.grads)
        assert {p.dtype for p in (*layer.params.values(), *layer.initial_state(2))} == {np.dtype(np.float32)}
    assert scalar.tanh and not vector.tanh
    assert Attention(H, rng, "vector", tanh=True).tanh
    assert [part.shape for part in scalar.initial_state(B)] == [(1, B), (1, B), (H, B)]
    assert [part.shape for part in vector.initial_state(B)] == [(H, B), (H, B), (H, B)]


def test_both_passes_are_those_of_the_textbook(layer, rng):
    x, dy, slow = rng.standard_normal((T, H, B)), rng.standard_normal((T, 2 * H, B)), twin(layer, rng)
    found = forward_and_back(layer, x, dy)
    np.testing.assert_array_equal(found["y"][:, :H], x)
    np.testing.assert_allclose(found["y"], slow.forward(x), rtol=0, atol=1e-13)
    np.testing.assert_allclose(found["dx"], slow.backward(dy), rtol=0, atol=1e-13)
    for name, grad in slow.grads.items():
        np.testing.assert_allclose(found[name], grad, rtol=0, atol=1e-13)


def test_a_state_stands_for_earlier_steps(layer, rng):
    x, dy, slow = rng.standard_normal((T, H, B)), rng.standard_normal((T, 2 * H, B)), twin(layer, rng)
    _, state = layer.forward(x[:4], layer.initial_state(B))
    y, final = layer.forward(x[4:], state)
    np.testing.assert_allclose(y, slow.forward(x)[4:], rtol=0, atol=1e-13)
    np.testing.assert_allclose(final[2] / final[1], y[-1, H:], rtol=0, atol=1e-13)
    assert (final[0] >= state[0]).all() and (final[1] >= 1).all()

    layer.zero_grad()
    dx_later, dstate = layer.backward(dy[4:])
    layer.forward(x[:4], layer.initial_state(B))
    dx, _ = layer.backward(dy[:4], dstate)
    np.testing.assert_allclose(np.concatenate([dx, dx_later]), slow.backward(dy), rtol=0, atol=1e-13)
    for name, grad in slow.grads.items():
        np.testing.assert_allclose(layer.grads[name], grad, rtol=0, atol=1e-13)


def test_no_state_is_the_initial_one(layer, rng):
    x, dy = rng.standard_normal((T, H, B)), rng.standard_normal((T, 2 * H, B))
    y, dx = layer.forward(x), layer.backward(dy)
    again, _ = layer.forward(x, layer.initial_state(B))
    dx_again, dstate = layer.backward(dy)
    np.testing.assert_array_equal(y, again)
    np.testing.assert_array_equal(dx, dx_again)
    assert not any(part.any() for part in dstate)


def test_gradients(layer, rng):
    report = gradcheck(layer, rng.standard_normal((T, H, B)), tolerance=1e-7)
    if layer.tanh:
        assert report.ok, str(report)
    else:  # the bias cancels: its gradient is nothing but rounding
        assert all(row.error < 1e-7 for row in report.rows if row.name != "bias"), str(report)
        layer.zero_grad()
        layer.forward(rng.standard_normal((T, H, B)))
        layer.backward(rng.standard_normal((T, 2 * H, B)))
        assert np.abs(layer.grads["bias"]).max() < 1e-14


def test_gradients_with_state(layer, rng):
    """m is a constant: here one that no score reaches, so that it is the final one too."""
    x, (_, S, N) = rng.standard_normal((T, H, B)), random_state(layer, B, rng)
    m = np.full_like(S, 4.0)
    dy, dstate = rng.standard_normal((T, 2 * H, B)), random_dstate(layer, B, rng)

    def scalar():
        y, (m_final, *final) = layer.forward(x, (m, S, N))
        np.testing.assert_array_equal(m_final, m)
        return sum(np.vdot(a, b) for a, b in zip((y, *final), (dy, *dstate[1:]), strict=True))

    found = forward_and_back(layer, x, dy, (m, S, N), dstate)
    arrays = {**layer.params, "dx": x, "dS": S, "dN": N}
    pairs = {name: (found[name], numeric_gradient(scalar, array)) for name, array in arrays.items()}
    report = compare(pairs, tolerance=1e-7)
    assert report.ok, str(report)


def test_the_state_can_be_written_with_any_m(layer, rng):
    """S exp(m) and N exp(m) are what counts."""
    x, dy = rng.standard_normal((T, H, B)), rng.standard_normal((T, 2 * H, B))
    m, S, N = random_state(layer, B, rng)
    one = forward_and_back(layer, x, dy, (m, S, N))
    other = forward_and_back(layer, x, dy, (m + math.log(4), S / 4, N / 4))
    for name in ("y", "dx", *layer.params):
        np.testing.assert_allclose(other[name], one[name], rtol=0, atol=1e-13)
    for name in ("dS", "dN"):
        np.testing.assert_allclose(other[name], 4 * one[name], rtol=0, atol=1e-13)


@pytest.mark.parametrize("pieces", [(1, 3, 2), (1,) * T, (5, 1)])
def test_chained_pieces_are_the_whole(layer, rng, pieces):
    x, dy = rng.standard_normal((T, H, B)), rng.standard_normal((T, 2 * H, B))
    state, dstate = random_state(layer, B, rng), random_dstate(layer, B, rng)
    whole = forward_and_back(layer, x, dy, state, dstate)

    ends = np.cumsum(pieces)
    pieces, states, back = [slice(end - n, end) for end, n in zip(ends, pieces, strict=True)], [state], []
    for piece in pieces:
        part, after = layer.forward(x[piece], states[-1])
        np.testing.assert_allclose(part, whole["y"][piece], rtol=0, atol=1e-14)
        states.append(after)
    for part, name in zip(states[-1], "mSN", strict=True):
        np.testing.assert_allclose(part, whole[name], rtol=1e-14, atol=1e-14)
    layer.zero_grad()
    for piece, start in reversed(list(zip(pieces, states, strict=False))):
        layer.forward(x[piece], start)
        dpart, dstate = layer.backward(dy[piece], dstate)
        back.insert(0, dpart)
        assert not dstate[0].any()
    np.testing.assert_allclose(np.concatenate(back), whole["dx"], rtol=0, atol=1e-13)
    np.testing.assert_allclose(dstate[1], whole["dS"], rtol=0, atol=1e-13)
    np.testing.assert_allclose(dstate[2], whole["dN"], rtol=0, atol=1e-13)
    for name, grad in layer.grads.items():
        np.testing.assert_allclose(grad, whole[name], rtol=0, atol=1e-13)


def test_the_future_does_not_change_the_past(layer, rng):
    x, dy = rng.standard_normal((T, H, B)), np.zeros((T, 2 * H, B))
    y = layer.forward(x).copy()
    other = x.copy()
    other[3:] += 5
    np.testing.assert_array_equal(layer.forward(other)[:3], y[:3])
    assert not np.allclose(layer.forward(other)[3:, H:], y[3:, H:])
    dy[2] = 1
    dx = layer.backward(dy)
    assert not dx[3:].any()
    assert dx[:3].all()


def test_sequences_do_not_mix(layer, rng):
    x, dy = rng.standard_normal((T, H, 3)), rng.standard_normal((T, 2 * H, 3))
    y, dx = layer.forward(x).copy(), layer.backward(dy)
    other, dother = x.copy(), dy.copy()
    other[:, :, 1] += 1 + rng.standard_normal((T, H))
    dother[:, :, 1] += 1
    y_other, dx_other = layer.forward(other), layer.backward(dother)
    np.testing.assert_array_equal(y[:, :, ::2], y_other[:, :, ::2])
    np.testing.assert_array_equal(dx[:, :, ::2], dx_other[:, :, ::2])
    assert not np.array_equal(y[:, :, 1], y_other[:, :, 1])


@pytest.mark.parametrize("with_state", [False, True])
def test_lengths(layer, rng, with_state):
    """Each sequence is as if it were alone; nothing of the filling is seen."""
    x, dy, lengths = rng.standard_normal((T, H, B)), rng.standard_normal((T, 2 * H, B)), np.array([4, T, 1])
    state = random_state(layer, B, rng) if with_state else layer.initial_state(B)
    dstate = random_dstate(layer, B, rng)
    x[4:, :, 0], x[1:, :, 2] = 1e3, -1e3
    found = forward_and_back(layer, x, dy, state, dstate, lengths)
    sums = {name: np.zeros_like(grad) for name, grad in layer.grads.items()}
    for n, end in enumerate(lengths):
        alone = slice(n, n + 1)
        expected = forward_and_back(
            layer, x[:end, :, alone], dy[:end, :, alone],
            tuple(part[:, alone] for part in state), tuple(part[:, alone] for part in dstate),
        )  # fmt: skip
        for name in ("y", "dx"):
            np.testing.assert_allclose(found[name][:end, :, alone], expected[name], rtol=0, atol=1e-13)
            assert not found[name][end:, :, n].any()
        for name in ("m", "S", "N", "dS", "dN"):
            np.testing.assert_allclose(found[name][:, alone], expected[name], rtol=0, atol=1e-13)
        for name in sums:
            sums[name] += expected[name]
    for name, expected in sums.items():
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-13)


def test_filling_may_be_anything(layer, rng):
    layer.check_finite = False
    x, dy, lengths = rng.standard_normal((T, H, B)), rng.standard_normal((T, 2 * H, B)), np.array([4, T, 1])
    clean = forward_and_back(layer, x, dy, lengths=lengths)
    x[4:, :, 0] = dy[4:, :, 0] = np.nan
    for name, result in forward_and_back(layer, x, dy, lengths=lengths).items():
        np.testing.assert_array_equal(result, clean[name])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_scores_do_not_overflow(dtype, rng):
    """Scores from -1000 to 1000: the largest so far has all the weight, and all of the gradient."""
    layer = Attention(H, rng, "vector", dtype=dtype)
    layer.params["weight"][...] = np.eye(H)
    x = rng.permuted(np.broadcast_to(np.linspace(-1000, 1000, T)[:, None, None], (T, H, B)), axis=0)
    largest = np.maximum.accumulate(x)
    np.testing.assert_allclose(layer.forward(x)[:, H:], largest, rtol=1e-6)
    dx = layer.backward(np.concatenate([np.zeros((T, H, B)), np.ones((T, H, B))], 1))
    expected = (x[:, None] == largest[None]).sum(1)  # of how many steps each one is the context
    np.testing.assert_allclose(dx, expected, rtol=0, atol=1e-100)
    for grad in layer.grads.values():
        np.testing.assert_allclose(grad, 0, rtol=0, atol=1e-100)


def test_a_long_sequence_in_float32(rng):
    """The sums do not drift: a mean over 20000 steps keeps six digits."""
    steps = 500 if numba.config.DISABLE_JIT else 20000
    layer = Attention(2, rng)
    exact = Attention(2, rng, dtype=np.float64)
    exact.load_state_dict(layer.state_dict())
    x = rng.uniform(-1, 1, (steps, 2, 2)).astype(np.float32)
    np.testing.assert_allclose(layer.forward(x), exact.forward(x), rtol=0, atol=2e-6)


def test_caller_keeps_his_arrays(layer, rng):
    arrays = [
        rng.standard_normal((T, H, B)), *random_state(layer, B, rng),
        rng.standard_normal((T, 2 * H, B)), *random_dstate(layer, B, rng),
    ]  # fmt: skip
    before = [array.copy() for array in arrays]
    for lengths in (None, np.array([2, T, 1])):
        y, final = layer.forward(arrays[0], tuple(arrays[1:4]), lengths)
        kept = [part.copy() for part in (y, *final)]
        layer.backward(arrays[4], tuple(arrays[5:]))
        for array, was in zip([*arrays, y, *final], [*before, *kept], strict=True):
            np.testing.assert_array_equal(array, was)


def test_states_may_be_overwritten_before_the_way_back(layer, rng):
    """As a player of music does, who goes on in place."""
    x, dy = rng.standard_normal((T, H, B)), rng.standard_normal((T, 2 * H, B))
    state = random_state(layer, B, rng)
    expected = forward_and_back(layer, x, dy, state)
    _, final = layer.forward(x, state)
    for part in (*state, *final):
        part[...] = 7
    dx, dstate = layer.backward(dy)
    np.testing.assert_array_equal(dx, expected["dx"])
    np.testing.assert_array_equal(dstate[1], expected["dS"])
    np.testing.assert_array_equal(dstate[2], expected["dN"])


def test_results_of_one_pass_outlive_the_next(layer, rng):
    x, dy = rng.standard_normal((2, T, H, B)), rng.standard_normal((T, 2 * H, B))
    y, dx = layer.forward(x[0]), layer.backward(dy)
    copies = y.copy(), dx.copy()
    layer.forward(x[1])
    layer.backward(dy)
    np.testing.assert_array_equal(y, copies[0])
    np.testing.assert_array_equal(dx, copies[1])


def test_dx_can_be_left_out(layer, rng):
    x, dy = rng.standard_normal((T, H, B)), rng.standard_normal((T, 2 * H, B))
    full = forward_and_back(layer, x, dy)
    layer.zero_grad()
    layer.forward(x)
    assert layer.backward(dy, need_dx=False) is None
    for name, grad in layer.grads.items():
        np.testing.assert_array_equal(grad, full[name])


def test_gradients_are_added(layer, rng):
    x, dy = rng.standard_normal((T, H, B)), rng.standard_normal((T, 2 * H, B))
    once = forward_and_back(layer, x, dy)
    layer.forward(x)
    layer.backward(dy)
    for name, grad in layer.grads.items():
        np.testing.assert_allclose(grad, 2 * once[name], rtol=0, atol=1e-13)


def test_float32_is_near_float64(layer, rng):
    small = Attention(H, rng, layer.score, layer.tanh)
    small.load_state_dict(layer.state_dict())
    x, dy = rng.standard_normal((T, H, B)), rng.standard_normal((T, 2 * H, B))
    found, expected = forward_and_back(small, x, dy), forward_and_back(layer, x, dy)
    for name, exact in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], exact, rtol=0, atol=1e-5 * max(1, np.abs(exact).max()))


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="looks at compiled types")
def test_no_kernel_promotes_float32(rng):
    for score, tanh in FORMS:
        small = Attention(H, rng, score, tanh)
        small.forward(rng.standard_normal((T, H, B)), lengths=np.array([1, T, 2]))
        small.backward(rng.standard_normal((T, 2 * H, B)))
    kernels = own_kernels(attention_kernels)
    assert len(kernels) > 10
    assert promotions(attention_kernels) == {kernel.__name__: [] for kernel in kernels}


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="one worker only")
def test_several_workers_give_what_one_gives(layer, rng, monkeypatch):
    monkeypatch.setattr(attention, "PARALLEL_FROM", 0)
    monkeypatch.setattr(attention, "PARALLEL_STEP_FROM", 0)
    wide = Attention(20, rng, layer.score, layer.tanh, dtype=np.float64)
    x, dy = rng.standard_normal((T, 20, B)), rng.standard_normal((T, 40, B))
    state, dstate = random_state(wide, B, rng), random_dstate(wide, B, rng)
    found = {}
    try:
        for workers in (1, 2, 3):
            team.set_size(workers)
            for _ in range(2):
                result = forward_and_back(wide, x, dy, state, dstate, np.array([T, 2, 5]))
                for name, array in found.setdefault(workers, result).items():
                    np.testing.assert_array_equal(result[name], array)  # the same bits every time
    finally:
        team.set_size(None)
    for workers in (2, 3):
        for name, array in found[1].items():
            np.testing.assert_allclose(found[workers][name], array, rtol=0, atol=1e-13)


def test_weights_are_the_softmax_over_the_past(layer, rng):
    x, lengths = rng.standard_normal((T, H, B)), np.array([T, 4, 1])
    y = layer.forward(x, lengths=lengths)
    alpha = layer.weights()
    assert alpha.shape == ((T, T, B) if layer.score == "scalar" else (T, T, H, B))
    full = alpha[:, :, None] if layer.score == "scalar" else alpha
    context = (full * x[None]).sum(1)
    np.testing.assert_allclose(context, y[:, H:], rtol=0, atol=1e-13)
    for n, end in enumerate(lengths):
        np.testing.assert_allclose(alpha[:end, ..., n].sum(1), 1, rtol=0, atol=1e-13)
        assert not alpha[end:, ..., n].any()
    assert not alpha[np.triu_indices(T, 1)].any()


def test_nan_passes_through_inside_a_network(layer, rng):
    layer.check_finite = False
    x, dy = rng.standard_normal((T, H, B)), rng.standard_normal((T, 2 * H, B))
    x[2, :, 1] = np.nan
    y, dx = layer.forward(x), layer.backward(dy)
    assert np.isnan(y[2:, H:, 1]).all() and np.isfinite(y[:2]).all() and np.isfinite(y[:, :, ::2]).all()
    assert np.isnan(dx[:3, :, 1]).all() and np.isfinite(dx[:, :, ::2]).all()
    assert np.isnan(layer.grads["weight"]).all()


def network(rng, score, V=5, dtype=np.float64):
    return Sequential([
        LSTM(3, H, rng, dtype=dtype),
        Attention(H, rng, score, dtype=dtype),
        Linear(2 * H, V, rng, dtype=dtype),
    ])  # fmt: skip


@pytest.mark.parametrize("score", ["scalar", "vector"])
def test_inside_a_network(score, rng):
    net = network(rng, score)
    assert {"1.weight", "1.bias"} < set(net.params)
    x = rng.standard_normal((T, 3, B))
    report = gradcheck(net, x)
    unused = "1.bias" if score == "vector" else ""  # without tanh it cancels
    assert all(row.error < 1e-7 for row in report.rows if row.name != unused), str(report)

    y, dy = net.forward(x).copy(), rng.standard_normal((T, 5, B))
    state, parts = net.initial_state(B), []
    for t in range(T):
        part, state = net.forward(x[t : t + 1], state)
        parts.append(part)
    np.testing.assert_allclose(np.concatenate(parts), y, rtol=0, atol=1e-13)
    assert len(state) == 5

    lengths = np.array([2, T, 4])
    y = net.forward(x, lengths=lengths)
    dx = net.backward(dy)
    for n, end in enumerate(lengths):
        alone = net.forward(x[:end, :, n : n + 1])
        np.testing.assert_allclose(y[:end, :, n : n + 1], alone, rtol=0, atol=1e-13)
        assert not dx[end:, :, n].any()


def test_nan_in_a_network_is_for_the_loss_to_say(rng):
    net = network(rng, "scalar")
    net.layers[0].params["weight_ih_l0"][...] = np.nan
    assert np.isnan(net.forward(rng.standard_normal((T, 3, B)))).all()


@pytest.mark.parametrize("shape", [(T, H + 1, B), (T, H), (0, H, B), (T, H, 0)])
def test_wrong_shapes_are_refused(layer, shape):
    with pytest.raises(ValueError, match=r"expected x \(T, 4, B\)"):
        layer.forward(np.zeros(shape))


def test_other_bad_input_is_refused(layer, rng):
    x, R = np.zeros((T, H, B)), 1 if layer.score == "scalar" else H
    m, S, N = layer.initial_state(B)
    with pytest.raises(ValueError, match="forward pass before"):
        layer.backward(np.zeros((T, 2 * H, B)))
    with pytest.raises(ValueError, match="forward pass, and no backward pass since"):
        layer.weights()
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="finite numbers in x"):
            layer.forward(np.full((T, H, B), bad))
    with pytest.raises(ValueError, match=rf"expected state m \({R}, 3\), got \({R}, 4\)"):
        layer.forward(x, layer.initial_state(B + 1))
    with pytest.raises(ValueError, match=r"expected state N \(4, 3\)"):
        layer.forward(x, (m, S, N[:2]))
    with pytest.raises(ValueError, match="expected state of 3 arrays"):
        layer.forward(x, (S, N))
    with pytest.raises(ValueError, match="finite numbers in state N"):
        layer.forward(x, (m, S, N * np.nan))
    with pytest.raises(ValueError, match="S >= 0"):
        layer.forward(x, (m, S - 1, N))
    with pytest.raises(ValueError, match=r"expected lengths \(3,\)"):
        layer.forward(x, lengths=np.array([1, 2]))
    with pytest.raises(ValueError, match=r"lengths in 1 .. 6"):
        layer.forward(x, lengths=np.array([1, 2, 7]))
    layer.forward(x)
    with pytest.raises(ValueError, match=r"expected dy \(6, 8, 3\)"):
        layer.backward(np.zeros((T, H, B)))
    with pytest.raises(ValueError, match=rf"expected dstate S \({R}, 3\)"):
        layer.backward(np.zeros((T, 2 * H, B)), (S, np.zeros((R, 1)), N))
    layer.backward(np.zeros((T, 2 * H, B)))  # a refused one spoils nothing
    with pytest.raises(ValueError, match="forward pass before"):
        layer.backward(np.zeros((T, 2 * H, B)))
    with pytest.raises(ValueError, match="hidden_size >= 1"):
        Attention(0, rng)
    with pytest.raises(ValueError, match="score in scalar, vector"):
        Attention(H, rng, "matrix")
    with pytest.raises(ValueError, match="float32 or float64"):
        Attention(H, rng, dtype=int)


@pytest.mark.torch
@pytest.mark.parametrize("with_state", [False, True])
def test_parity_with_torch(layer, rng, with_state):
    """Autograd through the softmax written out, (T, T) scores with the future masked."""
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")

    def theirs(array):
        return torch.from_numpy(np.array(array)).requires_grad_()

    x, dy = rng.standard_normal((T, H, B)), rng.standard_normal((T, 2 * H, B))
    state = random_state(layer, B, rng) if with_state else layer.initial_state(B)
    h, W, b = theirs(x), theirs(layer.params["weight"]), theirs(layer.params["bias"])
    m, S, N = torch.from_numpy(state[0]), theirs(state[1]), theirs(state[2])
    e = torch.einsum("rh,thb->trb", W, h) + b[:, None]
    e = torch.tanh(e) if layer.tanh else e
    future = torch.ones(T, T, dtype=torch.bool).triu(1)[:, :, None, None]
    scores = e[None].expand(T, *e.shape).masked_fill(future, -torch.inf)  # (T, T, R, B), [t, k]
    if with_state:  # one more step, before the first
        before = (m + S.log())[None, None].expand(T, 1, *m.shape)
        alpha = torch.softmax(torch.cat([before, scores], 1), 1)
        c = (alpha * torch.cat([(N / S)[None], h])[None]).sum(1)
    else:
        c = (torch.softmax(scores, 1) * h[None]).sum(1)
    y = torch.cat([h, c], 1)
    y.backward(torch.from_numpy(dy))

    found = forward_and_back(layer, x, dy, state)
    pairs = [("y", y.detach()), ("dx", h.grad), ("weight", W.grad), ("bias", b.grad)]
    pairs += [("dS", S.grad), ("dN", N.grad)] if with_state else []
    for name, expected in pairs:
        np.testing.assert_allclose(found[name], expected.numpy(), rtol=0, atol=1e-10, err_msg=name)
