"""RNN, LSTM and GRU: against the plain ones, central differences, pieces of themselves, and PyTorch."""

import numba
import numpy as np
import pytest
import safetensors.numpy
from compiled_types import own_kernels, promotions, wide_names
from plain_twins import Stack

from scratchnet.checking.gradcheck import compare, gradcheck, numeric_gradient
from scratchnet.kernels import matmul, microkernel, rows, team
from scratchnet.layers import gru, lstm, recurrent, rnn
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.gru import GRU
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.rnn import RNN
from scratchnet.layers.sequential import Sequential

T, D, H, B = 6, 3, 5, 4
KINDS = {
    "tanh": (RNN, {}),
    "relu": (RNN, {"nonlinearity": "relu"}),
    "sigmoid": (RNN, {"nonlinearity": "sigmoid"}),
    "lstm": (LSTM, {}),
    "peepholes": (LSTM, {"peepholes": True}),
    "gru": (GRU, {}),
}


def make(kind, rng, layers=1, D=D, H=H, dtype=np.float64, **options):
    cls, fixed = KINDS[kind]
    layer = cls(D, H, rng, num_layers=layers, dtype=dtype, **fixed, **options)
    for param in layer.params.values():
        param *= 1.5
    return layer


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=[1, 3])
def layer(request, kind, rng):
    return make(kind, rng, request.param)


def random_state(layer, rng, B=B):
    return tuple(rng.standard_normal(part.shape) for part in layer.initial_state(B))


def both(layer, x, state, dy, dstate, **options):
    """Forward and backward: y, final, dx, dfirst, gradients."""
    layer.zero_grad()
    y, final = layer.forward(x, state, **options)
    dx, dfirst = layer.backward(dy, dstate)
    return y, final, dx, dfirst, {name: grad.copy() for name, grad in layer.grads.items()}


def same(ours, theirs, tolerance):
    """Compare what `both` returned."""
    for a, b in zip(ours, theirs, strict=True):
        if isinstance(a, dict):
            assert a.keys() == b.keys()
            a, b = tuple(a.values()), tuple(b.values())
        if isinstance(a, tuple):
            for one, other in zip(a, b, strict=True):
                np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)
        elif a is not None:
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def test_both_passes_are_those_of_the_textbook(layer, rng):
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B))
    state, dstate = random_state(layer, rng), random_state(layer, rng)
    same(both(layer, x, state, dy, dstate), both(Stack(layer), x, state, dy, dstate), 1e-12)


def test_gradients_with_state(kind, layer, rng):
    if kind == "relu":  # nets stay well off zero, where differences see both of its slopes
        for name, param in layer.params.items():
            param[...] = np.where(param > 0, 1, -1) * (0.2 + 0.1 * np.abs(param)) * ("bias" in name or 0.5)
    report = gradcheck(layer, rng.standard_normal((T, D, 2)), random_state(layer, rng, 2), tolerance=1e-7)
    assert report.ok, str(report)
    states = {f"initial state {k}" for k in range(len(layer.states))}
    assert {row.name for row in report.rows} == {*layer.params, "input x", *states}


def test_no_state_is_a_state_of_zeros(layer, rng):
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B))
    y = layer.forward(x)
    dx = layer.backward(dy)
    again, _ = layer.forward(x, layer.initial_state(B))
    dx_again, _ = layer.backward(dy)
    np.testing.assert_array_equal(y, again)
    np.testing.assert_array_equal(dx, dx_again)


def test_chained_pieces_are_the_whole(layer, rng):
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B))
    state, dstate = random_state(layer, rng), random_state(layer, rng)
    y, final, dx, dfirst, grads = both(layer, x, state, dy, dstate)
    pieces, states, dpieces = (slice(0, 1), slice(1, 4), slice(4, T)), [state], []
    for piece in pieces:
        part, after = layer.forward(x[piece], states[-1])
        np.testing.assert_allclose(part, y[piece], rtol=0, atol=1e-14)
        states.append(after)
    layer.zero_grad()
    for piece, start in reversed(list(zip(pieces, states, strict=False))):
        layer.forward(x[piece], start)
        dpart, dstate = layer.backward(dy[piece], dstate)
        dpieces.insert(0, dpart)
    pieced = (y, states[-1], np.concatenate(dpieces), dstate, layer.grads)
    same(pieced, (y, final, dx, dfirst, grads), 1e-13)


def test_sequences_do_not_mix(layer, rng):
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B))
    y, dx = layer.forward(x), layer.backward(dy)
    other, dother = x.copy(), dy.copy()
    other[:, :, 1] += 1
    dother[:, :, 1] += 1
    y_other, dx_other = layer.forward(other), layer.backward(dother)
    rest = [0, 2, 3]
    np.testing.assert_array_equal(y[:, :, rest], y_other[:, :, rest])
    np.testing.assert_array_equal(dx[:, :, rest], dx_other[:, :, rest])
    assert not np.array_equal(y[:, :, 1], y_other[:, :, 1])


def test_the_future_does_not_change_the_past(layer, rng):
    x, dy = rng.standard_normal((T, D, B)), np.zeros((T, H, B))
    y = layer.forward(x)
    other = x.copy()
    other[3:] += 1
    np.testing.assert_array_equal(layer.forward(other)[:3], y[:3])
    dy[2] = 1
    dx = layer.backward(dy)
    assert not dx[3:].any()
    assert dx[:3].any()


def test_caller_keeps_his_arrays(layer, rng):
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B))
    state, dstate = random_state(layer, rng), random_state(layer, rng)
    arrays = [x, dy, *state, *dstate]
    before = [array.copy() for array in arrays]
    y, final, *_ = both(layer, x, state, dy, dstate)
    kept, kept_final = y.copy(), [part.copy() for part in final]
    both(layer, x + 1, state, dy, dstate)
    for array, was in zip([*arrays, y, *final], [*before, kept, *kept_final], strict=True):
        np.testing.assert_array_equal(array, was)


def test_float32_is_near_float64(kind, layer, rng):
    small = make(kind, rng, layer.num_layers, dtype=np.float32)
    small.load_state_dict(layer.state_dict())
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B))
    state = random_state(layer, rng)
    ours, exact = both(small, x, state, dy, state), both(layer, x, state, dy, state)
    assert ours[0].dtype == ours[2].dtype == np.float32
    assert all(grad.dtype == np.float32 for grad in ours[4].values())
    scale = max(1, *(np.abs(grad).max() for grad in exact[4].values()))
    same(ours, exact, 1e-5 * scale)


@pytest.mark.parametrize(
    ("width", "batch"), [(1, 1), (17, 2), (33, 7), (8, 16), (5, 17), (24, 65), (40, 130)]
)
def test_odd_sizes(kind, width, batch, rng):
    """The products cut their work into tiles: sizes that do not fit them."""
    layer = make(kind, rng, 2, H=width)
    x, state = rng.standard_normal((3, D, batch)), random_state(layer, rng, batch)
    y, _ = layer.forward(x, state)
    dy = rng.standard_normal(y.shape)
    dx, dfirst = layer.backward(dy)
    grads = {name: grad.copy() for name, grad in layer.grads.items()}
    layer.zero_grad()
    for n in range(batch):  # each sequence by itself
        one = tuple(np.ascontiguousarray(part[:, :, n : n + 1]) for part in state)
        y_n, _ = layer.forward(x[:, :, n : n + 1], one)
        dx_n, dfirst_n = layer.backward(dy[:, :, n : n + 1])
        np.testing.assert_allclose(y_n[:, :, 0], y[:, :, n], rtol=0, atol=1e-12)
        np.testing.assert_allclose(dx_n[:, :, 0], dx[:, :, n], rtol=0, atol=1e-11)
        for part, whole in zip(dfirst_n, dfirst, strict=True):
            np.testing.assert_allclose(part[:, :, 0], whole[:, :, n], rtol=0, atol=1e-11)
    for name, grad in layer.grads.items():
        np.testing.assert_allclose(grad, grads[name], rtol=0, atol=1e-9)


@pytest.mark.parametrize("size", [2, 4])
def test_any_team_computes_the_same(kind, size, rng, monkeypatch):
    for limit in ("PARALLEL_FROM", "PARALLEL_STEP_FROM"):
        monkeypatch.setattr(matmul, limit, 0)
    layer = make(kind, rng, 2, H=37)
    x, dy, state = rng.standard_normal((T, D, B)), rng.standard_normal((T, 37, B)), random_state(layer, rng)
    try:
        team.set_size(1)
        alone = both(layer, x, state, dy, state)
        team.set_size(size)
        together, again = both(layer, x, state, dy, state), both(layer, x, state, dy, state)
    finally:
        team.set_size(None)
    same(together, alone, 1e-12)
    same(again, together, 0)


def one_hot(tokens, V):
    return np.eye(V)[tokens].swapaxes(1, 2).copy()


def test_tokens_are_one_hot_vectors(kind, rng):
    layer = make(kind, rng, 2, D=7)
    tokens, dy, state = rng.integers(0, 7, (T, B)), rng.standard_normal((T, H, B)), random_state(layer, rng)
    ours, vectors = both(layer, tokens, state, dy, state), both(layer, one_hot(tokens, 7), state, dy, state)
    assert ours[2] is None
    same(ours[:2] + ours[3:], vectors[:2] + vectors[3:], 1e-13)
    np.testing.assert_array_equal(layer.forward(tokens.astype(np.uint8)), layer.forward(tokens))


@pytest.mark.parametrize("steps", [T, 1])  # many tokens: folded into a table; few: not
def test_an_embedding_below_is_folded_into_a_table(kind, steps, rng):
    below, layer = Embedding(7, D, rng, np.float64), make(kind, rng)
    model = Sequential([below, layer, Linear(H, 2, rng, np.float64)])
    tokens, dy = rng.integers(0, 7, (steps, B)), rng.standard_normal((steps, 2, B))
    y, state = model.forward(tokens, model.initial_state(B))
    _, dfirst = model.backward(dy)
    grads = {name: grad.copy() for name, grad in model.grads.items()}
    model.zero_grad()
    h, expected_state = layer.forward(below.forward(tokens), layer.initial_state(B))
    expected = model.layers[2].forward(h)
    dh, expected_dfirst = layer.backward(model.layers[2].backward(dy))
    assert below.backward(dh) is None
    same((y, state, dfirst, grads), (expected, expected_state, expected_dfirst, dict(model.grads)), 1e-12)


def test_lengths_cut_each_sequence(layer, rng):
    lengths = np.array([T, 2, 1, 4])
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B))
    x[2:, :, 1] = 1e30  # filling
    state, dstate = random_state(layer, rng), random_state(layer, rng)
    y, final, dx, dfirst, grads = both(layer, x, state, dy, dstate, lengths=lengths)
    layer.zero_grad()
    for n, length in enumerate(lengths):
        one = [tuple(np.ascontiguousarray(part[:, :, n : n + 1]) for part in s) for s in (state, dstate)]
        y_n, final_n = layer.forward(x[:length, :, n : n + 1], one[0])
        dx_n, dfirst_n = layer.backward(dy[:length, :, n : n + 1], one[1])
        np.testing.assert_allclose(y[:length, :, n], y_n[:, :, 0], rtol=0, atol=1e-13)
        np.testing.assert_allclose(dx[:length, :, n], dx_n[:, :, 0], rtol=0, atol=1e-13)
        assert not y[length:, :, n].any() and not dx[length:, :, n].any()
        for whole, part in zip((*final, *dfirst), (*final_n, *dfirst_n), strict=True):
            np.testing.assert_allclose(whole[:, :, n], part[:, :, 0], rtol=0, atol=1e-13)
    same((grads,), (dict(layer.grads),), 1e-12)


@pytest.mark.parametrize("batch", [1, 2])
def test_filling_that_overflows_does_not_spread(kind, batch, rng):
    """0 * NaN would be NaN, and pass backwards to the steps that count."""
    layer = make(kind, rng, 2, D=30)
    for param in layer.params.values():
        param *= 20
    x, dy, lengths = rng.standard_normal((T, 30, batch)), rng.standard_normal((T, H, batch)), [2, T][:batch]
    state = random_state(layer, rng, batch)
    x[2:, :, 0] = 0
    expected = both(layer, x, state, dy, state, lengths=lengths)
    x[2:, ::2, 0], x[2:, 1::2, 0] = 1e308, -1e308
    dy[2:, :, 0] = np.nan
    same(both(layer, x, state, dy, state, lengths=lengths), expected, 0)
    assert x[2, 0, 0] == 1e308 and np.isfinite(expected[2]).all()


def test_dropout_between_layers(kind, rng):
    layer = make(kind, rng, 3, dropout=0.5)
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B))
    layer.eval()
    plain = make(kind, rng, 3)
    plain.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(layer.forward(x), plain.forward(x))
    layer.train()
    assert not np.allclose(layer.forward(x), layer.forward(x))
    masks = [layer._dropout_mask(number, 200, 50) for number in range(3)]
    assert masks[2] is None  # not after the last
    assert set(np.unique(masks[0])) == {0.0, 2.0}
    assert abs(masks[0].mean() - 1) < 0.02
    layer._dropout_mask = lambda number, T, B: None if number == 2 else masks[number][:T, :, :B]
    layer.zero_grad()
    layer.forward(x)
    pairs = {
        "input x": (layer.backward(dy), numeric_gradient(lambda: float((layer.forward(x) * dy).sum()), x))
    }
    name = "weight_hh_l0"
    analytic = layer.grads[name].copy()
    pairs[name] = (
        analytic, numeric_gradient(lambda: float((layer.forward(x) * dy).sum()), layer.params[name])
    )  # fmt: skip
    report = compare(pairs)
    assert report.ok, str(report)


def test_the_input_gradient_can_be_left_out(layer, rng):
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B))
    layer.forward(x)
    layer.backward(dy)
    grads = {name: grad.copy() for name, grad in layer.grads.items()}
    layer.zero_grad()
    layer.forward(x)
    assert layer.backward(dy, need_dx=False) is None
    same((dict(layer.grads),), (grads,), 0)


def test_one_backward_pass_for_each_forward_pass(layer, rng):
    dy = rng.standard_normal((T, H, B))
    with pytest.raises(ValueError, match="forward pass before the backward pass"):
        layer.backward(dy)
    layer.forward(rng.standard_normal((T, D, B)))
    layer.backward(dy)
    with pytest.raises(ValueError, match="forward pass before the backward pass"):
        layer.backward(dy)


@pytest.mark.parametrize("shape", [(T, D + 1, B), (T, D), (0, D, B), (T, D, 0)])
def test_wrong_shapes_are_refused(kind, shape, rng):
    with pytest.raises(ValueError, match=r"expected x \(T, 3, B\)"):
        make(kind, rng).forward(np.zeros(shape))


def test_other_bad_input_is_refused(kind, rng):
    layer = make(kind, rng)
    x, many = np.zeros((T, D, B)), len(layer.states)
    with pytest.raises(ValueError, match="finite"):
        layer.forward(np.full((T, D, B), np.inf))
    with pytest.raises(ValueError, match="finite"):
        layer.forward(np.full((T, D, B), np.nan))
    with pytest.raises(ValueError, match=r"expected state h \(1, 5, 4\)"):
        layer.forward(x, tuple(np.zeros((1, H, B + 1)) for _ in range(many)))
    with pytest.raises(ValueError, match="finite numbers in state h"):
        layer.forward(x, tuple(np.full((1, H, B), np.nan) for _ in range(many)))
    with pytest.raises(ValueError, match=f"expected state of {many} arrays"):
        layer.forward(x, (np.zeros((1, H, B)),) * (many + 1))
    with pytest.raises(ValueError, match=r"tokens in 0 \.\. 2, got 3"):
        layer.forward(np.full((T, B), 3))
    with pytest.raises(ValueError, match=r"tokens in 0 \.\. 2, got -1"):
        layer.forward(np.full((T, B), -1))
    with pytest.raises(ValueError, match="at least one step"):
        layer.forward(np.zeros((0, B), int))
    with pytest.raises(ValueError, match=r"lengths in 1 \.\. 6, got 0"):
        layer.forward(x, lengths=[0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"lengths in 1 \.\. 6"):
        layer.forward(x, lengths=[7, 1, 2, 3])
    with pytest.raises(ValueError, match=r"expected lengths \(4,\)"):
        layer.forward(x, lengths=[1, 2, 3])
    layer.forward(x)
    with pytest.raises(ValueError, match=r"expected dy \(6, 5, 4\)"):
        layer.backward(np.zeros((T, D, B)))
    layer.forward(x)
    with pytest.raises(ValueError, match=r"expected dstate h \(1, 5, 4\)"):
        layer.backward(np.zeros((T, H, B)), tuple(np.zeros((1, H, 1)) for _ in range(many)))
    with pytest.raises(ValueError, match="hidden_size >= 1"):
        make(kind, rng, H=0)
    with pytest.raises(ValueError, match="num_layers"):
        make(kind, rng, layers=0)
    with pytest.raises(ValueError, match="dropout"):
        make(kind, rng, dropout=1.0)
    with pytest.raises(ValueError, match="float32 or float64"):
        make(kind, rng, dtype=int)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((T, D, B), complex), r"expected x \(T, 3, B\) of real numbers, got complex128"),
        (np.full((T, D, B), "a"), r"expected x \(T, 3, B\) of real numbers, got <U1"),
        (np.full((T, D, B), None), r"expected x \(T, 3, B\) of real numbers, got object"),
        (np.full((T, D, B), 1e300), "finite numbers in x"),  # too large for float32
        (np.zeros((T, B)), r"expected x \(T, 3, B\), got \(6, 4\)"),  # tokens are whole numbers
        (np.zeros((T, B), bool), r"expected x \(T, 3, B\), got \(6, 4\)"),
        (np.full((T, B), 2**63, np.uint64), r"tokens in 0 \.\. 2, got 9223372036854775808"),
    ],
)
def test_wrong_types_are_refused(x, message, rng):
    with pytest.raises(ValueError, match=message):
        make("gru", rng, dtype=np.float32).forward(x)


def test_lengths_are_whole_numbers(rng):
    layer = make("gru", rng)
    with pytest.raises(ValueError, match=r"expected lengths \(4,\), whole numbers, got \(4,\) float64"):
        layer.forward(np.zeros((T, D, B)), lengths=np.ones(B))


def test_refused_arrays_leave_the_forward_pass_as_it_was(layer, rng):
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B))
    layer.forward(x)
    dx = layer.backward(dy)
    layer.forward(x)
    with pytest.raises(ValueError, match="expected dy"):
        layer.backward(dy[:-1])
    with pytest.raises(ValueError, match="expected dstate"):
        layer.backward(dy, ())
    with pytest.raises(ValueError, match="expected x"):
        layer.forward(x[:, :-1])
    np.testing.assert_array_equal(layer.backward(dy), dx)


def test_an_embedding_that_does_not_fit_is_refused(rng):
    layer, tokens = make("gru", rng), np.zeros((T, B), int)
    for wrong in (Embedding(7, D + 1, rng, np.float64), Embedding(7, D, rng, np.float32)):
        with pytest.raises(ValueError, match=r"expected an embedding \(V, 3\) of float64"):
            layer.forward(tokens, embedding=wrong)
    with pytest.raises(ValueError, match=r"tokens in 0 \.\. 6, got 7"):
        layer.forward(tokens + 7, embedding=Embedding(7, D, rng, np.float64))


def test_an_unknown_nonlinearity_is_refused(rng):
    with pytest.raises(ValueError, match="nonlinearity in tanh, relu, sigmoid"):
        RNN(D, H, rng, nonlinearity="softmax")


def test_nan_is_not_hidden(kind, rng):
    layer = make(kind, rng)
    layer.params["bias_ih_l0"][0] = np.nan
    assert np.isnan(layer.forward(np.zeros((2, D, 1)))[1]).any()


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="looks at compiled types")
def test_no_kernel_promotes_float32(rng):
    modules = (rnn, lstm, gru, recurrent, matmul, microkernel)
    for kind in ("tanh", "peepholes", "gru"):
        layer = make(kind, rng, 2, dtype=np.float32)
        for x in (np.zeros((T, D, B)), np.zeros((T, D, 1)), np.zeros((T, B), int)):
            layer.backward(layer.forward(x))
    found = promotions(*modules, rows)
    called = {kernel.__name__ for module in modules for kernel in own_kernels(module)}
    assert called | {"fill_rows", "flat", "dot", "sum_of", "add_scaled"} <= found.keys()
    assert not any(found.values()), found


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="looks at compiled types")
def test_a_promotion_would_be_seen():
    @numba.njit
    def promotes(y):
        for k in range(y.size):
            y[k] = 1 - y[k] * y[k]

    signature = (numba.float32[::1],)
    assert wide_names(promotes, signature)


# ---- PyTorch


def theirs(layer, torch):
    """The same layer in PyTorch, with the same weights."""
    options = {"num_layers": layer.num_layers, "dtype": torch.float64}
    if isinstance(layer, RNN):
        options["nonlinearity"] = layer.nonlinearity
    other = getattr(torch.nn, type(layer).__name__)(layer.input_size, layer.hidden_size, **options)
    assert {name: tuple(p.shape) for name, p in other.named_parameters()} == {
        name: p.shape for name, p in layer.params.items()
    }
    other.load_state_dict({name: torch.from_numpy(p) for name, p in layer.state_dict().items()})
    return other


@pytest.mark.torch
@pytest.mark.parametrize("lengths", [None, [T, 2, 1, 4]])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("kind", ["tanh", "relu", "lstm", "gru"])
def test_parity_with_torch(kind, layers, lengths, rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    layer = make(kind, rng, layers)
    other = theirs(layer, torch)
    x, dy = rng.standard_normal((T, D, B)), rng.standard_normal((T, H, B))
    state, dstate = random_state(layer, rng), random_state(layer, rng)

    def turned(array):
        return torch.from_numpy(array.swapaxes(-1, -2).copy()).requires_grad_()

    def turned_back(tensor):
        return tensor.detach().numpy().swapaxes(-1, -2)

    x_theirs, state_theirs = turned(x), tuple(map(turned, state))
    packed = x_theirs
    if lengths:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x_theirs, lengths, enforce_sorted=False)
    y_theirs, final = other(packed, state_theirs if kind == "lstm" else state_theirs[0])
    final = final if kind == "lstm" else (final,)
    if lengths:
        y_theirs, _ = torch.nn.utils.rnn.pad_packed_sequence(y_theirs)
    torch.autograd.backward([y_theirs, *final], [turned(dy), *map(turned, dstate)])
    expected = (
        turned_back(y_theirs), tuple(map(turned_back, final)), turned_back(x_theirs.grad),
        tuple(turned_back(part.grad) for part in state_theirs),
        {name: p.grad.numpy() for name, p in other.named_parameters()},
    )  # fmt: skip
    same(both(layer, x, state, dy, dstate, lengths=lengths), expected, 1e-10)


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["tanh", "lstm", "gru"])
def test_weights_travel_both_ways(kind, rng, tmp_path):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    from safetensors.torch import load_file, save_file

    layer, path = make(kind, rng, 2), tmp_path / "weights.safetensors"
    safetensors.numpy.save_file(layer.state_dict(), path)
    other = theirs(make(kind, rng, 2), torch)
    other.load_state_dict(load_file(path))
    x = rng.standard_normal((T, D, B))
    y = other(torch.from_numpy(x.swapaxes(1, 2).copy()))[0].detach().numpy().swapaxes(1, 2)
    np.testing.assert_allclose(layer.forward(x), y, rtol=0, atol=1e-12)
    save_file({name: p.detach() + 1 for name, p in other.named_parameters()}, path)
    before = layer.state_dict()
    layer.load_state_dict(safetensors.numpy.load_file(path))
    for name, param in layer.params.items():
        np.testing.assert_allclose(param, before[name] + 1, rtol=0, atol=1e-15)
