"""Convolutions over time, plain and separable: against the textbook's, central differences and PyTorch."""

import numba
import numpy as np
import pytest
from compiled_types import own_kernels, promotions
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnet import plain
from scratchnet.checking.gradcheck import gradcheck
from scratchnet.kernels import team
from scratchnet.layers import conv1d, separable_conv1d
from scratchnet.layers.conv1d import Conv1D
from scratchnet.layers.initializers import initialize
from scratchnet.layers.separable_conv1d import DepthwiseConv1D, SeparableConv1D

T, D, C, K, B = 8, 3, 4, 3, 2
PADDINGS = ("valid", "same", "causal")
FORMS = [(padding, stride) for padding in PADDINGS for stride in (1, 2, 4)]
KINDS = ("plain", "tokens", "depthwise", "separable")


def make(kind, padding="valid", stride=1, K=K, D=D, C=C, dtype=np.float64, seed=1, bias=True):
    rng = np.random.default_rng(seed)
    if kind == "depthwise":
        return DepthwiseConv1D(D, K, rng, padding, stride, dtype)
    cls = SeparableConv1D if kind == "separable" else Conv1D
    return cls(D, C, K, rng, padding, stride, bias, dtype)


def inputs(kind, rng, T=T, B=B, D=D):
    return rng.integers(0, D, (T, B)) if kind == "tokens" else rng.standard_normal((T, D, B))


def vectors(x):
    """Tokens as one-hot vectors; vectors as they are."""
    return np.eye(D)[x].swapaxes(1, 2) if x.ndim == 2 else x


def filled(x, padding, stride, K):
    """x between zeros, and the number of outputs, as Keras' documentation has it."""
    T = len(x)
    before = after = 0
    if padding == "same":
        steps = -(-T // stride)
        whole = max((steps - 1) * stride + K - T, 0)
        before, after = whole // 2, whole - whole // 2
    if padding == "causal":
        before = K - 1
    x = np.pad(x, ((before, after), (0, 0), (0, 0)))
    return x, before, (len(x) - K) // stride + 1


def whole_weights(layer):
    """(C, D, K) and (C,) of the plain convolution that is equal to the layer."""
    p = layer.params
    if isinstance(layer, Conv1D):
        return p["weight"], p.get("bias", np.zeros(layer.output_size))
    if isinstance(layer, DepthwiseConv1D):
        D = layer.input_size
        return np.eye(D)[:, :, None] * p["weight"][:, 0], np.zeros(D)
    W = p["pointwise.weight"] * p["depthwise.weight"][:, 0]
    return W, p.get("pointwise.bias", np.zeros(len(W)))


def twin(layer):
    """The plain convolution that is equal to the layer."""
    W, b = whole_weights(layer)
    C, D, K = W.shape
    slow = plain.Conv1D(D, C, K, np.random.default_rng(0), layer.padding, layer.stride)
    slow.params.update(weight=W, bias=b)
    return slow


@pytest.mark.parametrize("kind", KINDS)
@given(
    st.sampled_from(PADDINGS),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 9),
    st.integers(1, 3),
    st.integers(0, 99),
)
@settings(max_examples=15)
def test_forward_is_the_textbook(kind, padding, stride, K, T, B, seed):
    layer, x = make(kind, padding, stride, K), inputs(kind, np.random.default_rng(seed), T, B)
    if padding == "valid" and T < K:
        with pytest.raises(ValueError, match=f"sequences of at least {K} steps"):
            layer.forward(x)
        return
    expected = twin(layer).forward(vectors(x))
    y = layer.forward(x)
    assert y.shape == expected.shape and len(y) == layer.lengths_after(T)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("D", [1, 2, D])  # of few inputs the weights have a kernel of their own
@given(st.sampled_from(PADDINGS), st.integers(1, 4), st.integers(1, 5), st.integers(5, 9), st.integers(0, 99))
@settings(max_examples=15)
def test_backward_is_the_textbook(D, padding, stride, K, T, seed):
    rng = np.random.default_rng(seed)
    layer, x = make("plain", padding, stride, K, D), inputs("plain", rng, T, D=D)
    slow, dy = twin(layer), rng.standard_normal(layer.forward(x).shape)
    slow.forward(x)
    np.testing.assert_allclose(layer.backward(dy), slow.backward(dy), rtol=0, atol=1e-13)
    for name, grad in slow.grads.items():
        np.testing.assert_allclose(layer.grads[name], grad, rtol=0, atol=1e-13)


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind, form, rng):
    layer = make(kind, *form)
    report = gradcheck(layer, inputs(kind, rng), tolerance=1e-7)
    assert report.ok, str(report)
    assert {row.name for row in report.rows} == {*layer.params, *["input x"] * (kind != "tokens")}


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_with_a_state(kind, stride, rng):
    layer = make(kind, "causal", stride)
    state = (rng.standard_normal((K - 1, D, B)),)
    report = gradcheck(layer, inputs(kind, rng), state, tolerance=1e-7)
    assert report.ok, str(report)
    assert "initial state 0" in {row.name for row in report.rows}


class Cut:
    """A layer that gets lengths at every forward."""

    def __init__(self, layer, lengths):
        self.layer, self.lengths = layer, lengths
        self.params, self.grads, self.zero_grad = layer.params, layer.grads, layer.zero_grad

    def forward(self, x, *state):
        return self.layer.forward(x, *state, lengths=self.lengths)

    def backward(self, *dy):
        return self.layer.backward(*dy)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_with_lengths(kind, padding, rng):
    layer = Cut(make(kind, padding), [T, 4])
    report = gradcheck(layer, inputs(kind, rng), tolerance=1e-7)
    assert report.ok, str(report)
    if padding == "causal":
        state = (rng.standard_normal((K - 1, D, B)),)
        report = gradcheck(layer, inputs(kind, rng), state, tolerance=1e-7)
        assert report.ok, str(report)


@pytest.mark.parametrize("form", [*FORMS[:5], *FORMS[6:]], ids=str)  # not "same" with a stride
@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_gets_what_it_would_get_alone(kind, form, rng):
    if form == ("same", 2):
        with pytest.raises(ValueError, match="expected equal lengths"):
            make(kind, *form).forward(inputs(kind, rng), lengths=[T, 4])
        return
    layer, x, lengths = make(kind, *form), inputs(kind, rng, B=3), np.array([4, T, 7])
    y = layer.forward(x, lengths=lengths)
    dy = rng.standard_normal(y.shape)
    dx = layer.backward(dy)
    grads = {name: grad.copy() for name, grad in layer.grads.items()}
    layer.zero_grad()
    for n, (length, after) in enumerate(zip(lengths, layer.lengths_after(lengths), strict=True)):
        alone = layer.forward(x[:length, ..., n : n + 1])
        assert len(alone) == after
        np.testing.assert_allclose(y[:after, :, n], alone[:, :, 0], rtol=0, atol=1e-13)
        assert not y[after:, :, n].any()
        dx_alone = layer.backward(dy[:after, :, n : n + 1])
        if dx is not None:
            np.testing.assert_allclose(dx[:length, :, n], dx_alone[:, :, 0], rtol=0, atol=1e-13)
            assert not dx[length:, :, n].any()
    for name, grad in layer.grads.items():
        np.testing.assert_allclose(grad, grads[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_pieces_are_the_whole(kind, stride, rng):
    """Also pieces shorter than the kernel; state and its derivative pass from one to the next."""
    layer, x = make(kind, "causal", stride, K=4), inputs(kind, rng)
    y = layer.forward(x)
    dy = rng.standard_normal(y.shape)
    dx = layer.backward(dy)
    grads = {name: grad.copy() for name, grad in layer.grads.items()}
    layer.zero_grad()
    cuts, state, states, parts = [0, 2, 6, T], layer.initial_state(B), [], []
    for a, b in zip(cuts, cuts[1:], strict=False):
        states.append(state)
        part, state = layer.forward(x[a:b], state)
        parts.append(part)
    np.testing.assert_allclose(np.concatenate(parts), y, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(state[0], vectors(x)[-3:])
    dstate, dparts = None, []
    for a, b, before in reversed(list(zip(cuts, cuts[1:], states, strict=False))):
        layer.forward(x[a:b], before)
        dpart, dstate = layer.backward(dy[a // stride : b // stride], dstate)
        dparts.insert(0, dpart)
    if kind == "tokens":
        assert dx is None and dparts == [None] * 3
    else:
        np.testing.assert_allclose(np.concatenate(dparts), dx, rtol=0, atol=1e-13)
    for name, grad in layer.grads.items():
        np.testing.assert_allclose(grad, grads[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_of_unequal_lengths_is_that_of_each_sequence(kind, rng):
    layer, x = make(kind, "causal", K=4), inputs(kind, rng)
    state = (rng.standard_normal((3, D, B)),)
    _, (after,) = layer.forward(x, state, lengths=[1, 5])
    together = np.concatenate([state[0], vectors(x)])
    for n, length in enumerate([1, 5]):
        np.testing.assert_array_equal(after[:, :, n], together[length : length + 3, :, n])


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_what_sees_the_future_has_no_state(padding, rng):
    layer, x = make("separable", padding), inputs("plain", rng)
    assert layer.initial_state(B) == () and not layer.stateful and make("plain", "causal").stateful
    y, after = layer.forward(x, ())
    np.testing.assert_array_equal(y, layer.forward(x))
    assert after == ()


@pytest.mark.parametrize("kind", KINDS)
def test_causal_layers_do_not_see_the_future_and_sequences_do_not_mix(kind, rng):
    layer, x = make(kind, "causal"), inputs(kind, rng, B=3)
    y, other = layer.forward(x), x.copy()
    other[5:, ..., 1] = (other[5:, ..., 1] + 1) % D
    changed = layer.forward(other)
    np.testing.assert_array_equal(changed[:5], y[:5])
    np.testing.assert_array_equal(changed[:, :, ::2], y[:, :, ::2])
    assert (changed[5:, :, 1] != y[5:, :, 1]).any()


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_float32_is_near_float64(kind, form, rng):
    layer, small = make(kind, *form), make(kind, *form, dtype=np.float32)
    small.load_state_dict(layer.state_dict())
    x = inputs(kind, rng)
    y = layer.forward(x)
    dy = rng.standard_normal(y.shape)
    found, exact = [small.forward(x), small.backward(dy)], [y, layer.backward(dy)]
    found, exact = [*found, *small.grads.values()], [*exact, *layer.grads.values()]
    for one, other in zip(found, exact, strict=True):
        if other is not None:
            assert one.dtype == np.float32
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("D", [1, 70])  # one number a step, as the paper's networks; more than a panel
@pytest.mark.parametrize("K", [1, 5])
def test_products_of_one_layer_are_those_of_linear_ones(D, K, rng):
    """Long sequences: several blocks of time, and their seams."""
    layer, x = make("plain", "same", 1, K, D, 9), rng.standard_normal((40, D, 60))
    y = layer.forward(x)
    dy = rng.standard_normal(y.shape)
    layer.backward(dy)
    seen, _, steps = filled(x, "same", 1, K)
    windows = np.stack([seen[k : k + steps] for k in range(K)])  # (K, T, D, B)
    W, b = whole_weights(layer)
    np.testing.assert_allclose(y, np.einsum("cdk,ktdn->tcn", W, windows) + b[:, None], rtol=0, atol=1e-12)
    dW = np.einsum("tcn,ktdn->cdk", dy, windows)
    np.testing.assert_allclose(layer.grads["weight"], dW, rtol=0, atol=1e-11)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="one worker only")
@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_workers_does_not_matter(kind, monkeypatch, rng):
    monkeypatch.setattr("scratchnet.kernels.matmul.PARALLEL_FROM", 0)
    monkeypatch.setattr(separable_conv1d, "PARALLEL_FROM", 0)
    x, found = inputs(kind, rng, T=30, B=50), []
    dy = rng.standard_normal((30, 3 if kind == "depthwise" else 20, 50))
    try:
        for size in (1, 2, 3):
            team.set_size(size)
            layer = make(kind, "same", C=20)
            found.append([layer.forward(x), layer.backward(dy), *layer.grads.values()])
    finally:
        team.set_size(None)
    for result in found[1:]:
        for one, other in zip(result, found[0], strict=True):
            if other is not None:
                np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="looks at compiled types")
def test_no_kernel_promotes_float32(rng):
    for kind in KINDS:
        layer = make(kind, dtype=np.float32)
        layer.backward(layer.forward(inputs(kind, rng)))
    narrow = make("plain", D=1, dtype=np.float32)
    narrow.backward(narrow.forward(inputs("plain", rng, D=1)))
    modules = conv1d, separable_conv1d
    found = promotions(*modules)
    assert found == {kernel.__name__: [] for module in modules for kernel in own_kernels(module)}


def test_names_shapes_and_habits(rng):
    layer = Conv1D(D, C, K, rng)
    assert {name: p.shape for name, p in layer.params.items()} == {"weight": (C, D, K), "bias": (C,)}
    assert {p.dtype for p in layer.params.values()} == {np.dtype(np.float32)}
    assert abs(Conv1D(50, 40, 2, rng).params["weight"]).max() == pytest.approx(0.1, rel=0.01)
    separable = SeparableConv1D(D, C, K, rng, bias=False)
    assert {name: p.shape for name, p in separable.params.items()} == {
        "depthwise.weight": (D, 1, K), "pointwise.weight": (C, D, 1)
    }  # fmt: skip
    assert separable.params["pointwise.weight"] is separable.pointwise.params["weight"]
    before = separable.state_dict()
    initialize(separable, "keras", rng)
    for name, param in separable.params.items():
        assert (param != before[name]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_backward_adds_and_can_leave_out_the_input(kind, rng):
    layer, x = make(kind), inputs(kind, rng)
    dy = rng.standard_normal(layer.forward(x).shape)
    layer.backward(dy)
    once = {name: grad.copy() for name, grad in layer.grads.items()}
    layer.forward(x)
    assert layer.backward(dy, need_dx=False) is None
    for name, grad in layer.grads.items():
        np.testing.assert_allclose(grad, 2 * once[name], rtol=1e-14)


def test_nan_is_not_hidden(rng):
    for kind in ("plain", "depthwise", "separable"):
        layer = make(kind)
        layer.check_finite = False
        assert np.isnan(layer.forward(np.full((T, D, B), np.nan))).all()


def test_what_does_not_fit_is_refused(rng):
    names = ("input_size", "output_size", "kernel_size")
    for name, sizes in zip(names, ((0, C, K), (D, 0, K), (D, C, 0)), strict=True):
        with pytest.raises(ValueError, match=f"expected {name} >= 1, got 0"):
            Conv1D(*sizes, rng)
    with pytest.raises(ValueError, match="stride >= 1, got 0"):
        Conv1D(D, C, K, rng, stride=0)
    with pytest.raises(ValueError, match="padding in valid, same, causal, got 'full'"):
        Conv1D(D, C, K, rng, "full")
    with pytest.raises(ValueError, match="float32 or float64"):
        Conv1D(D, C, K, rng, dtype=int)
    layer = make("plain", "causal", 2)
    with pytest.raises(ValueError, match="expected a forward pass"):
        layer.backward(np.zeros((4, C, B)))
    for shape in ((T, D + 1, B), (T, D), (T, D, B, 1), (0, D, B), (T, D, 0)):
        with pytest.raises(ValueError, match=r"expected x \(T, 3, B\)"):
            layer.forward(np.zeros(shape))
    with pytest.raises(ValueError, match="finite"):
        layer.forward(np.full((T, D, B), np.inf))
    with pytest.raises(ValueError, match=r"tokens in 0 \.\. 2, got 3"):
        layer.forward(np.full((T, B), 3))
    with pytest.raises(ValueError, match=r"lengths in 1 \.\. 8"):
        layer.forward(np.zeros((T, D, B)), lengths=[0, T])
    with pytest.raises(ValueError, match="a multiple of 2, got T = 7"):
        layer.forward(np.zeros((7, D, B)), layer.initial_state(B))
    with pytest.raises(ValueError, match="expected state of 1 array"):
        layer.forward(np.zeros((T, D, B)), ())
    with pytest.raises(ValueError, match=r"expected state x \(2, 3, 2\), got \(2, 3, 5\)"):
        layer.forward(np.zeros((T, D, B)), layer.initial_state(5))
    layer.forward(np.zeros((T, D, B)))
    with pytest.raises(ValueError, match=r"expected dy \(4, 4, 2\), got \(8, 4, 2\)"):
        layer.backward(np.zeros((T, C, B)))
    with pytest.raises(ValueError, match=r"expected x \(T, 3, B\)"):
        make("separable").forward(np.zeros((T, B), int))
    with pytest.raises(ValueError, match="at least 3 steps .the kernel., got 2"):
        make("plain").forward(np.zeros((T, D, B)), lengths=[T, 2])


# ---- PyTorch


@pytest.mark.torch
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_parity_with_torch(kind, form, bias, rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    padding, stride = form
    layer = make(kind, padding, stride, bias=bias)
    options = {"bias": bias, "dtype": torch.float64}
    if kind == "depthwise":
        theirs = torch.nn.Conv1d(D, D, K, stride, groups=D, bias=False, dtype=torch.float64)
    elif kind == "separable":
        theirs = torch.nn.Sequential()
        theirs.add_module(
            "depthwise", torch.nn.Conv1d(D, D, K, stride, groups=D, bias=False, dtype=torch.float64)
        )
        theirs.add_module("pointwise", torch.nn.Conv1d(D, C, 1, **options))
    else:
        theirs = torch.nn.Conv1d(D, C, K, stride, **options)
    theirs.load_state_dict({name: torch.from_numpy(p) for name, p in layer.state_dict().items()})
    x = inputs(kind, rng)
    seen, before, _ = filled(vectors(x), padding, stride, K)
    x_theirs = torch.from_numpy(np.ascontiguousarray(seen.transpose(2, 1, 0))).requires_grad_()
    y_theirs = theirs(x_theirs)
    y = layer.forward(x)
    np.testing.assert_allclose(y, y_theirs.detach().numpy().transpose(2, 1, 0), rtol=0, atol=1e-10)
    dy = rng.standard_normal(y.shape)
    y_theirs.backward(torch.from_numpy(np.ascontiguousarray(dy.transpose(2, 1, 0))))
    dx = layer.backward(dy)
    if kind != "tokens":
        dx_theirs = x_theirs.grad.numpy().transpose(2, 1, 0)[before : before + T]
        np.testing.assert_allclose(dx, dx_theirs, rtol=0, atol=1e-10)
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(layer.grads[name], p.grad.numpy(), rtol=0, atol=1e-10)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:Using padding='same'")  # with an even kernel it makes a copy
def test_same_padding_is_torchs(rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    for K in (2, 3, 4, 5):
        layer, x = make("plain", "same", K=K), inputs("plain", rng)
        theirs = torch.nn.Conv1d(D, C, K, padding="same", dtype=torch.float64)
        theirs.load_state_dict({name: torch.from_numpy(p) for name, p in layer.state_dict().items()})
        y = theirs(torch.from_numpy(x.transpose(2, 1, 0).copy())).detach().numpy()
        np.testing.assert_allclose(layer.forward(x), y.transpose(2, 1, 0), rtol=0, atol=1e-12)
