"""Cross-entropy on softmax and on independent sigmoids: value, gradient, extremes, what does not count."""

import math

import numba
import numpy as np
import pytest
from compiled_types import wide_names

from scratchnet import plain
from scratchnet.checking.gradcheck import numeric_gradient
from scratchnet.kernels import team
from scratchnet.training import losses
from scratchnet.training.losses import lengths_mask, sigmoid_cross_entropy, softmax_cross_entropy

T, V, B = 5, 7, 3
compiled = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")


@pytest.fixture(params=[1, 2, 3])
def workers(request):
    """However many threads there are, the answer is one."""
    before = team._state["size"], losses.LITTLE
    team.set_size(request.param)
    losses.LITTLE = 0
    yield request.param
    team.set_size(before[0])
    losses.LITTLE = before[1]


def weighted(loss, a, target, w):
    """A plain loss with a weight for each step of each sequence: (mean, da)."""
    total, da = 0.0, np.zeros(a.shape)
    for t, n in np.ndindex(w.shape):
        one, da[t, :, n : n + 1] = loss(a[t : t + 1, :, n : n + 1], target[t : t + 1, ..., n : n + 1])
        total, da[t, :, n] = total + w[t, n] * one, w[t, n] * da[t, :, n]
    return total / w.sum(), da / w.sum()


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 3, 1), (5, 2, 3)])
def test_value_is_the_sum_over_units_and_the_mean_over_frames(shape, workers, rng):
    a, t = 4 * rng.normal(size=shape), rng.random(shape)
    loss, da = sigmoid_cross_entropy(a, t)
    expected, da_expected = plain.sigmoid_cross_entropy(a, t)
    assert type(loss) is float
    assert abs(loss - expected) < 1e-13 * max(1, loss)
    np.testing.assert_allclose(da, da_expected, rtol=0, atol=1e-15)


def test_known_values():
    assert sigmoid_cross_entropy(np.zeros((3, 5, 2)), np.ones((3, 5, 2)))[0] == pytest.approx(
        5 * math.log(2), rel=1e-15
    )
    loss, da = sigmoid_cross_entropy(np.full((1, 1, 1), math.log(3.0)), np.zeros((1, 1, 1)))  # y = 3/4
    assert loss == pytest.approx(math.log(4), rel=1e-15)
    assert da[0, 0, 0] == pytest.approx(0.75, rel=1e-15)


def test_gradient_against_differences(rng):
    a, t = 3 * rng.normal(size=(3, 2, 2)), rng.random((3, 2, 2))
    _, da = sigmoid_cross_entropy(a, t)
    np.testing.assert_allclose(
        da, numeric_gradient(lambda: sigmoid_cross_entropy(a, t)[0], a), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_extreme_net_inputs_are_finite_and_exact(dtype):
    a = np.array([1000, -1000, 1000, -1000, 0], dtype)[:, None, None]
    t = np.array([1, 0, 0, 1, 1], dtype)[:, None, None]
    loss, da = sigmoid_cross_entropy(a, t)
    assert loss == pytest.approx((0 + 0 + 1000 + 1000 + math.log(2)) / 5, rel=1e-7)
    np.testing.assert_allclose(da.ravel(), np.array([0, 0, 1, -1, -0.5]) / 5, rtol=1e-7)
    assert da.dtype == dtype


def test_a_small_loss_keeps_its_digits():
    loss, da = sigmoid_cross_entropy(np.full((1, 1, 1), -40.0), np.zeros((1, 1, 1)))
    assert loss == pytest.approx(math.exp(-40), rel=1e-12)
    assert da[0, 0, 0] == pytest.approx(math.exp(-40), rel=1e-12)


def test_targets_may_be_bits(rng):
    a = rng.normal(size=(4, 3, 2)).astype(np.float32)
    t = rng.integers(0, 2, size=(4, 3, 2))
    loss, da = sigmoid_cross_entropy(a, t.astype(np.uint8))
    loss_of_floats, da_of_floats = sigmoid_cross_entropy(a, t.astype(np.float32))
    assert loss == pytest.approx(loss_of_floats, rel=1e-6)
    assert da.dtype == np.float32
    np.testing.assert_allclose(da, da_of_floats, rtol=1e-6)


@pytest.mark.parametrize(("a", "t"), [((3, 2, 2), (3, 2, 1)), ((3, 2), (3, 2)), ((2, 3, 4), (3, 2, 4))])
def test_shapes_that_differ_are_refused(a, t):
    with pytest.raises(ValueError, match=r"expected a and t \(T, K, B\) of one shape, got"):
        sigmoid_cross_entropy(np.zeros(a), np.zeros(t))


@pytest.mark.torch
def test_torch_agrees(rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    a, t = 5 * rng.normal(size=(4, 3, 2)), rng.random((4, 3, 2))
    logits = torch.tensor(a, requires_grad=True)
    theirs = torch.nn.BCEWithLogitsLoss(reduction="sum")(logits, torch.tensor(t)) / (4 * 2)
    theirs.backward()
    loss, da = sigmoid_cross_entropy(a, t)
    assert loss == pytest.approx(theirs.item(), rel=1e-14)
    np.testing.assert_allclose(da, logits.grad.numpy(), rtol=0, atol=1e-15)


# -------------------------------------------------------------------------------------- sigmoids with a mask


def test_only_the_frames_of_the_mask_count(workers, rng):
    a, t, mask = 3 * rng.normal(size=(T, V, B)), rng.random((T, V, B)), rng.random((T, B)) < 0.6
    assert 2 < mask.sum() < T * B
    expected, da_expected = weighted(plain.sigmoid_cross_entropy, a, t, mask)
    for same in (mask, mask.astype(np.uint8), mask.astype(np.float32)):
        loss, da = sigmoid_cross_entropy(a, t, same)
        assert loss == pytest.approx(expected, rel=1e-13)
        counted = np.broadcast_to(mask[:, None], a.shape)
        assert (da[~counted] == 0).all() and (da[counted] != 0).all()
        np.testing.assert_allclose(da, da_expected, rtol=0, atol=1e-15)
    numeric = numeric_gradient(lambda: sigmoid_cross_entropy(a, t, mask)[0], a)
    np.testing.assert_allclose(da, numeric, rtol=0, atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_stands_in_masked_frames_does_not_matter(dtype, rng):
    a, t = rng.normal(size=(T, V, B)).astype(dtype), rng.random((T, V, B)).astype(dtype)
    mask = lengths_mask([3, T, 1], T)
    loss, da = sigmoid_cross_entropy(a, t, mask)
    for rubbish in (np.nan, np.inf, -np.inf):
        a[~np.broadcast_to(mask[:, None], a.shape)] = rubbish
        t[~np.broadcast_to(mask[:, None], a.shape)] = rubbish
        again, da_again = sigmoid_cross_entropy(a, t, mask)
        assert again == loss
        np.testing.assert_array_equal(da_again, da)
    a[0, 2, 0] = np.nan
    assert math.isnan(sigmoid_cross_entropy(a, t, mask)[0])


def test_a_mask_of_ones_is_no_mask(rng):
    a, t = rng.normal(size=(T, V, B)), rng.random((T, V, B))
    loss, da = sigmoid_cross_entropy(a, t)
    masked, da_masked = sigmoid_cross_entropy(a, t, np.ones((T, B), bool))
    assert masked == loss
    np.testing.assert_array_equal(da_masked, da)


def test_masks_that_do_not_fit_are_refused():
    a = np.zeros((T, V, B))
    with pytest.raises(ValueError, match=r"expected mask \(5, 3\), got \(3, 5\)"):
        sigmoid_cross_entropy(a, a, np.ones((B, T)))
    with pytest.raises(ValueError, match="expected at least one"):
        sigmoid_cross_entropy(a, a, np.zeros((T, B)))
    for wrong in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="expected finite numbers >= 0 in mask"):
            sigmoid_cross_entropy(a, a, np.full((T, B), wrong))
    for shape in ((0, V, B), (T, V, 0), (T, 0, B)):
        with pytest.raises(ValueError, match="expected logits"):
            sigmoid_cross_entropy(np.zeros(shape), np.zeros(shape))


def test_lengths_by_hand():
    mask = lengths_mask([1, 3, 2], 3)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, [[1, 1, 1], [0, 1, 1], [0, 1, 0]])
    np.testing.assert_array_equal(lengths_mask(np.array([2], np.int32), 2), [[1], [1]])


@pytest.mark.parametrize("lengths", [[0, 2], [1, 4], [-1, 2], [1.5, 2.0], [[1, 2]], [], 2, None])
def test_lengths_that_do_not_fit_are_refused(lengths):
    with pytest.raises(ValueError, match="expected lengths"):
        lengths_mask(lengths, 3)


# --------------------------------------------------------------------------------------------------- softmax


@pytest.fixture
def tokens(rng):
    return rng.integers(0, V, (T, B))


def test_softmax_is_the_loop(tokens, workers, rng):
    a = 4 * rng.normal(size=(T, V, B))
    loss, da = softmax_cross_entropy(a, tokens)
    expected, da_expected = plain.softmax_cross_entropy(a, tokens)
    assert type(loss) is float
    assert loss == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(da, da_expected, rtol=0, atol=1e-16)


def test_weights_weigh(tokens, workers, rng):
    a, w = 4 * rng.normal(size=(T, V, B)), rng.random((T, B))
    w[1, 2] = 0
    loss, da = softmax_cross_entropy(a, tokens, w)
    expected, da_expected = weighted(plain.softmax_cross_entropy, a, tokens, w)
    assert loss == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(da, da_expected, rtol=0, atol=1e-16)
    again, da_again = softmax_cross_entropy(a, tokens, 8 * w)  # only their proportions matter
    assert again == loss
    np.testing.assert_array_equal(da_again, da)


@pytest.mark.parametrize("ignored", [-100, 0, V])
def test_ignored_targets_do_not_count_whatever_stands_there(ignored, tokens, workers, rng):
    a, w, gone = rng.normal(size=(T, V, B)), rng.random((T, B)) + 0.1, rng.random((T, B)) < 0.4
    tokens[tokens == ignored] = 1
    expected, da_expected = weighted(plain.softmax_cross_entropy, a, tokens, w * ~gone)
    tokens[gone] = ignored
    for rubbish in (0.0, np.nan, np.inf, -np.inf):
        a[np.broadcast_to(gone[:, None], a.shape)] = rubbish
        loss, da = softmax_cross_entropy(a, tokens, w, ignore_index=ignored)
        assert loss == pytest.approx(expected, rel=1e-13)
        np.testing.assert_allclose(da, da_expected, rtol=0, atol=1e-15)
        assert (da[np.broadcast_to(gone[:, None], a.shape)] == 0).all()


def test_softmax_gradient_against_differences(tokens, rng):
    a, w = rng.normal(size=(T, V, B)), rng.random((T, B))
    tokens[0, 0] = -100
    _, da = softmax_cross_entropy(a, tokens, w)
    numeric = numeric_gradient(lambda: softmax_cross_entropy(a, tokens, w)[0], a)
    np.testing.assert_allclose(da, numeric, rtol=0, atol=1e-12)


def test_known_softmax_values():
    a = np.zeros((2, 4, 3))
    assert softmax_cross_entropy(a, np.ones((2, 3), int))[0] == pytest.approx(math.log(4), rel=1e-15)
    a = np.log([[[1.0], [2.0], [5.0]]])
    loss, da = softmax_cross_entropy(a, np.array([[2]]))
    assert loss == pytest.approx(math.log(8 / 5), rel=1e-15)
    np.testing.assert_allclose(da.ravel(), [1 / 8, 2 / 8, -3 / 8], rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_extreme_logits_neither_overflow_nor_lose_the_loss(dtype):
    a = np.array([[1000, 999, -1000], [-1e30, 0, 1e30], [0, -np.inf, 0]], dtype)[:, :, None]
    loss, da = softmax_cross_entropy(a, np.array([[1], [2], [0]]))
    e = math.exp(-1)
    assert loss == pytest.approx((1 + math.log1p(e) + math.log(2)) / 3, rel=3e-7)
    p = [[1 / (1 + e), e / (1 + e) - 1, 0], [0, 0, 0], [-0.5, 0, 0.5]]
    np.testing.assert_allclose(da[:, :, 0], np.array(p) / 3, rtol=0, atol=1e-7)
    assert softmax_cross_entropy(a, np.array([[1], [2], [1]]))[0] == math.inf
    assert softmax_cross_entropy(a, np.array([[1], [0], [0]]))[0] == pytest.approx(2e30 / 3, rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_gone_astray_are_not_hidden(value, dtype, tokens, workers):
    for place in ((0, 0, 0), (2, 3, 1), (T - 1, V - 1, B - 1)):
        a = np.zeros((T, V, B), dtype)
        a[place] = value
        loss, da = softmax_cross_entropy(a, tokens)
        assert math.isnan(loss) and np.isnan(da[place])


def test_float32_is_close_to_float64(rng):
    a, t = 5 * rng.normal(size=(20, 50, 17)), rng.integers(0, 50, (20, 17))
    notes, mask = rng.random(a.shape) < 0.1, lengths_mask(rng.integers(1, 21, 17), 20)
    for function, target, extra in (
        (softmax_cross_entropy, t, mask * 0.5),
        (sigmoid_cross_entropy, notes, mask),
    ):
        loss, da = function(a, target, extra)
        loss32, da32 = function(a.astype(np.float32), target, extra)
        assert da32.dtype == np.float32 and da.dtype == np.float64
        assert loss32 == pytest.approx(loss, rel=1e-6)
        np.testing.assert_allclose(da32, da, rtol=1e-5, atol=1e-6 * abs(da).max())


def test_the_gradient_is_fresh_and_nothing_else_changes(tokens, rng):
    a, w = rng.normal(size=(T, V, B)), rng.random((T, B))
    before = a.copy(), tokens.copy(), w.copy()
    _, first = softmax_cross_entropy(a, tokens, w)
    _, second = softmax_cross_entropy(a, tokens, w)
    assert not np.shares_memory(first, second) and not np.shares_memory(first, a)
    np.testing.assert_array_equal(first, second)
    for array, copy in zip((a, tokens, w), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.uint64])
def test_layouts_and_kinds_of_whole_numbers(kind, tokens, rng):
    a = rng.normal(size=(B, T, V))
    loss, da = softmax_cross_entropy(a.transpose(1, 2, 0), np.asfortranarray(tokens.astype(kind)))
    expected, da_expected = softmax_cross_entropy(a.transpose(1, 2, 0).copy(), tokens)
    assert loss == expected
    np.testing.assert_array_equal(da, da_expected)


def test_what_does_not_fit_is_refused(tokens):
    a = np.zeros((T, V, B))
    for shape in ((T, V), (0, V, B), (T, V, 0), (T, 0, B)):
        with pytest.raises(ValueError, match=r"expected logits \(T, units, B\)"):
            softmax_cross_entropy(np.zeros(shape), tokens)
    for kind in (int, np.float16, complex):
        with pytest.raises(ValueError, match="float32 or float64"):
            softmax_cross_entropy(a.astype(kind), tokens)
    for t in (tokens.T, tokens[:, :, None], tokens.astype(float), tokens > 2):
        with pytest.raises(ValueError, match=r"expected targets t \(5, 3\), whole numbers"):
            softmax_cross_entropy(a, t)
    for wrong in (-1, V, -99, 10**9):
        t = tokens.copy()
        t[1, 1] = wrong
        with pytest.raises(ValueError, match=rf"expected targets in 0 .. 6 .*, got {wrong}"):
            softmax_cross_entropy(a, t)
    for wrong in (-0.5, np.nan, np.inf):
        w = np.ones((T, B))
        w[1, 1] = wrong
        with pytest.raises(ValueError, match="expected finite numbers >= 0 in weights"):
            softmax_cross_entropy(a, tokens, w)
    with pytest.raises(ValueError, match=r"expected weights \(5, 3\), got \(3,\)"):
        softmax_cross_entropy(a, tokens, np.ones(B))
    for t, w in ((np.full((T, B), -100), None), (tokens, np.zeros((T, B)))):
        with pytest.raises(ValueError, match="expected at least one target that counts"):
            softmax_cross_entropy(a, t, w)


@compiled
def test_no_kernel_promotes_float32(tokens, rng):
    """But for `total`, the sum in float64, and the summands of it."""
    a = rng.normal(size=(T, V, B)).astype(np.float32)
    softmax_cross_entropy(a, tokens)
    sigmoid_cross_entropy(a, (a > 0).astype(a.dtype))
    row = numba.float32[::1]
    rows = ((losses.row_max, 2), (losses.row_exp, 4), (losses.row_scale, 2), (losses.row_sigmoid, 5))
    checked = [(function, (row,) * count) for function, count in rows]
    for function in (losses.softmax_rows, losses.sigmoid_rows):
        checked += [(function, s) for s in function.signatures if "float32" in str(s)]
    assert len(checked) >= 6
    for function, signature in checked:
        wide = {name.partition(".")[0] for name in wide_names(function, signature)}
        sums = {"total", "below_max", "loss", "arg"} if function.__name__.endswith("_rows") else set()
        named = {name for name in wide if not name.startswith("$")} if sums else wide
        assert named <= sums, function.__name__


@pytest.mark.torch
def test_torch_agrees_on_softmax(tokens, rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    a, w = 5 * rng.normal(size=(T, V, B)), rng.random((T, B))
    tokens[2, 1] = tokens[0, 0] = -100
    for weights in (None, w):
        logits = torch.tensor(a, requires_grad=True)
        # (T, V, B): torch too wants the classes in the second place
        if weights is None:
            theirs = torch.nn.functional.cross_entropy(logits, torch.tensor(tokens))
        else:
            nats = torch.nn.functional.cross_entropy(logits, torch.tensor(tokens), reduction="none")
            theirs = (nats * torch.tensor(w)).sum() / w[tokens != -100].sum()
        theirs.backward()
        loss, da = softmax_cross_entropy(a, tokens, weights)
        assert loss == pytest.approx(theirs.item(), rel=1e-13)
        np.testing.assert_allclose(da, logits.grad.numpy(), rtol=0, atol=1e-15)
    logits = torch.tensor(a, requires_grad=True)
    theirs = torch.nn.functional.cross_entropy(logits, torch.tensor(abs(tokens) % V), ignore_index=2)
    assert softmax_cross_entropy(a, abs(tokens) % V, ignore_index=2)[0] == pytest.approx(
        theirs.item(), rel=1e-13
    )
