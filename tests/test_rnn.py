"""The simple recurrent layer: against loops, central differences and PyTorch."""

import math

import numba
import numpy as np
import pytest

from scratchnet import rnn
from scratchnet.gradcheck import gradcheck
from scratchnet.jit import FASTMATH
from scratchnet.optimizers import Adam
from scratchnet.rnn import RNN

T, D, H, B = 6, 3, 4, 2
NONLINEARITIES = ("tanh", "relu", "sigmoid")


@pytest.fixture(params=NONLINEARITIES)
def layer(request, rng):
    return RNN(D, H, rng, request.param, dtype=np.float64)


def naive(layer, x, h0):
    """One sequence and one number at a time: x (T, D), h0 (H,) -> h (T, H)."""
    f = {
        "tanh": math.tanh,
        "relu": lambda a: a if a > 0 else 0.0,
        "sigmoid": lambda a: 1 / (1 + math.exp(-a)),
    }[layer.nonlinearity]
    p, before, h = layer.params, list(h0), []
    for x_t in x:
        now = []
        for k in range(len(before)):
            net = p["bias_ih_l0"][k] + p["bias_hh_l0"][k]
            for d in range(len(x_t)):
                net += p["weight_ih_l0"][k, d] * x_t[d]
            for j in range(len(before)):
                net += p["weight_hh_l0"][k, j] * before[j]
            now.append(f(net))
        h.append(now)
        before = now
    return np.array(h)


def test_forward_is_the_textbook_loop(layer, rng):
    x, h0 = rng.standard_normal((T, D, B)), rng.standard_normal((H, B))
    h, (final,) = layer.forward(x, (h0,))
    for n in range(B):
        np.testing.assert_allclose(h[:, :, n], naive(layer, x[:, :, n], h0[:, n]), rtol=0, atol=1e-13)
    np.testing.assert_array_equal(final, h[-1])


def test_no_state_is_a_state_of_zeros(layer, rng):
    x, dh = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B))
    h = layer.forward(x)
    dx = layer.backward(dh)
    again, _ = layer.forward(x, layer.initial_state(B))
    dx_again, _ = layer.backward(dh)
    np.testing.assert_array_equal(h, again)
    np.testing.assert_array_equal(dx, dx_again)


def test_gradients(layer, rng):
    report = gradcheck(layer, rng.standard_normal((T, D, B)), tolerance=1e-7)
    assert report.ok, str(report)


def test_gradients_with_state(layer, rng):
    report = gradcheck(layer, rng.standard_normal((T, D, B)), (rng.standard_normal((H, B)),), tolerance=1e-7)
    assert report.ok, str(report)
    assert {row.name for row in report.rows} == {*layer.params, "input x", "initial state 0"}


def test_chained_pieces_are_the_whole(layer, rng):
    x, dh = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B))
    state, dstate = (rng.standard_normal((H, B)),), (rng.standard_normal((H, B)),)
    h, final = layer.forward(x, state)
    dx, dstart = layer.backward(dh, dstate)
    grads = {name: grad.copy() for name, grad in layer.grads.items()}

    pieces, states, dpieces = (slice(0, 1), slice(1, 4), slice(4, T)), [state], []
    for piece in pieces:
        part, after = layer.forward(x[piece], states[-1])
        np.testing.assert_allclose(part, h[piece], rtol=0, atol=1e-14)
        states.append(after)
    np.testing.assert_allclose(states[-1][0], final[0], rtol=0, atol=1e-14)
    layer.zero_grad()
    for piece, start in reversed(list(zip(pieces, states, strict=False))):
        layer.forward(x[piece], start)
        dpart, dstate = layer.backward(dh[piece], dstate)
        dpieces.insert(0, dpart)
    np.testing.assert_allclose(np.concatenate(dpieces), dx, rtol=0, atol=1e-13)
    np.testing.assert_allclose(dstate[0], dstart[0], rtol=0, atol=1e-13)
    for name, grad in layer.grads.items():
        np.testing.assert_allclose(grad, grads[name], rtol=0, atol=1e-13)


def test_sequences_do_not_mix(layer, rng):
    x, dh = rng.standard_normal((T, D, 3)), rng.standard_normal((T, H, 3))
    h, dx = layer.forward(x).copy(), layer.backward(dh)
    other, dother = x.copy(), dh.copy()
    other[:, :, 1] += 1
    dother[:, :, 1] += 1
    h_other, dx_other = layer.forward(other), layer.backward(dother)
    np.testing.assert_array_equal(h[:, :, ::2], h_other[:, :, ::2])
    np.testing.assert_array_equal(dx[:, :, ::2], dx_other[:, :, ::2])
    assert not np.array_equal(h[:, :, 1], h_other[:, :, 1])


def test_the_future_does_not_change_the_past(layer, rng):
    x, dh = rng.standard_normal((T, D, B)), np.zeros((T, H, B))
    h = layer.forward(x).copy()
    other = x.copy()
    other[3:] += 1
    np.testing.assert_array_equal(layer.forward(other)[:3], h[:3])
    dh[2] = 1
    dx = layer.backward(dh)
    assert not dx[3:].any()
    assert dx[:3].any()


def test_caller_keeps_his_arrays(layer, rng):
    arrays = [rng.standard_normal(shape) for shape in ((T, D, B), (H, B), (T, H, B), (H, B))]
    before = [array.copy() for array in arrays]
    x, h0, dh, dfinal = arrays
    layer.forward(x, (h0,))
    layer.backward(dh, (dfinal,))
    for array, was in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, was)


def test_float32_is_near_float64(layer, rng):
    small = RNN(D, H, rng, layer.nonlinearity)
    small.load_state_dict(layer.state_dict())
    x, dh = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B))
    for result, exact in ((small.forward(x), layer.forward(x)), (small.backward(dh), layer.backward(dh))):
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, exact, rtol=0, atol=1e-5)
    for name, grad in small.grads.items():
        assert grad.dtype == np.float32
        exact = layer.grads[name]
        np.testing.assert_allclose(grad, exact, rtol=0, atol=1e-5 * max(1, np.abs(exact).max()))


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="looks at compiled types")
def test_no_kernel_promotes_float32(rng):
    small = RNN(D, H, rng)
    small.backward(small.forward(rng.standard_normal((T, D, B))))
    for kernel in (rnn.forward, rnn.backward, rnn.unit_forward, rnn.unit_backward):
        signatures = [s for s in kernel.signatures if "float64" not in str(s)]
        assert signatures
        for signature in signatures:  # compiled anew, since the cache forgets types
            fresh = numba.njit(error_model="numpy", fastmath=FASTMATH)(kernel.py_func)
            fresh.compile(signature)
            types = fresh.overloads[signature].type_annotation.typemap
            assert not [name for name, kind in types.items() if "float64" in str(kind)]


def test_relu_lets_nan_through(rng):
    layer = RNN(1, 1, rng, "relu", dtype=np.float64)
    layer.params["bias_ih_l0"][0] = np.nan
    assert np.isnan(layer.forward(np.zeros((1, 1, 1)))).all()


def test_learns_to_remember(rng):
    """The first input has to be told at the end of the sequence."""
    layer = RNN(1, 4, rng, dtype=np.float64)
    optimizer = Adam(layer.params, layer.grads, 0.02)
    x = np.zeros((4, 1, 8))
    x[0] = rng.choice([-0.5, 0.5], 8)
    losses = []
    for _ in range(60):
        dh = np.zeros((4, 4, 8))
        dh[-1, 0] = layer.forward(x)[-1, 0] - x[0, 0]
        losses.append(float((dh**2).sum()))
        layer.zero_grad()
        layer.backward(dh)
        optimizer.step()
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize("shape", [(T, D + 1, B), (T, D), (0, D, B), (T, D, 0)])
def test_wrong_shapes_are_refused(layer, shape):
    with pytest.raises(ValueError, match=r"expected x \(T, 3, B\)"):
        layer.forward(np.zeros(shape))


def test_other_bad_input_is_refused(layer, rng):
    x = np.zeros((T, D, B))
    with pytest.raises(ValueError, match="finite"):
        layer.forward(np.full((T, D, B), np.inf))
    with pytest.raises(ValueError, match=r"expected state h0 \(4, 2\)"):
        layer.forward(x, (np.zeros((H, B + 1)),))
    with pytest.raises(ValueError):
        layer.forward(x, (np.zeros((H, B)), np.zeros((H, B))))
    layer.forward(x)
    with pytest.raises(ValueError, match=r"expected dy \(6, 4, 2\)"):
        layer.backward(np.zeros((T, D, B)))
    with pytest.raises(ValueError, match=r"expected dstate dh \(4, 2\)"):
        layer.backward(np.zeros((T, H, B)), (np.zeros((H, 1)),))
    with pytest.raises(ValueError, match="H >= 1"):
        RNN(D, 0, rng)
    with pytest.raises(ValueError, match="nonlinearity"):
        RNN(D, H, rng, "softmax")
    with pytest.raises(ValueError, match="float32 or float64"):
        RNN(D, H, rng, dtype=int)


@pytest.mark.torch
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_parity_with_torch(nonlinearity, rng):
    torch = pytest.importorskip("torch")
    layer = RNN(D, H, rng, nonlinearity, dtype=np.float64)
    theirs = torch.nn.RNN(D, H, nonlinearity=nonlinearity, dtype=torch.float64)
    assert {name: tuple(p.shape) for name, p in theirs.named_parameters()} == {
        name: p.shape for name, p in layer.params.items()
    }
    layer.load_state_dict({name: p.numpy() for name, p in theirs.state_dict().items()})

    def batch_second(array):
        return torch.from_numpy(array.swapaxes(-1, -2).copy()).requires_grad_()

    def same(ours, tensor):
        np.testing.assert_allclose(ours, tensor.detach().numpy().swapaxes(-1, -2), rtol=0, atol=1e-10)

    x, h0 = rng.standard_normal((T, D, B)), rng.standard_normal((H, B))
    dh, dfinal = rng.standard_normal((T, H, B)), rng.standard_normal((H, B))
    x_theirs, h0_theirs = batch_second(x), batch_second(h0[None])
    h_theirs, final_theirs = theirs(x_theirs, h0_theirs)
    torch.autograd.backward([h_theirs, final_theirs], [batch_second(dh), batch_second(dfinal[None])])
    h, (final,) = layer.forward(x, (h0,))
    dx, (dh0,) = layer.backward(dh, (dfinal,))
    same(h, h_theirs)
    same(final[None], final_theirs)
    same(dx, x_theirs.grad)
    same(dh0[None], h0_theirs.grad)
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(layer.grads[name], p.grad.numpy(), rtol=0, atol=1e-10)
