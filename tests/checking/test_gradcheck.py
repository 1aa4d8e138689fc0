"""gradcheck on a small layer as a user would write it: right, and wrong in the usual ways."""

import re

import numpy as np
import pytest

from scratchnet.checking.gradcheck import compare, gradcheck, numeric_gradient
from scratchnet.layers.dropout import Dropout


class Dense:
    """y(t) = tanh(W x(t) + b), for x (T, D, B); a mistake can be made in backward."""

    def __init__(self, rng, D=3, K=2, mistake=None, dtype=np.float64):
        self.params = {"W": rng.normal(size=(K, D)).astype(dtype), "b": rng.normal(size=(K, 1)).astype(dtype)}
        self.grads = {name: np.zeros_like(param) for name, param in self.params.items()}
        self.mistake = mistake

    def forward(self, x):
        self.x, self.y = x.copy(), np.tanh(self.params["W"] @ x + self.params["b"])
        return self.y

    def backward(self, dy):
        da = dy * (1 - self.y**2)
        dW = np.einsum("tkb,tdb->kd", da, self.x)
        db = da.sum((0, 2))[:, None]
        dx = np.einsum("kd,tkb->tdb", self.params["W"], da)
        if self.mistake == "sign":
            db = -db
        if self.mistake == "one sign":
            dW[1, 2] = -dW[1, 2]
        if self.mistake == "missing term":
            dW = np.einsum("tkb,tdb->kd", da[:-1], self.x[:-1])
        if self.mistake == "missing factor":
            dx = np.einsum("kd,tkb->tdb", self.params["W"], dy)
        if self.mistake == "swapped index":
            dx[:, [0, 1]] = dx[:, [1, 0]]
        if self.mistake == "nan":
            dW[0, 1] = np.nan
        self.grads["W"] += dW
        self.grads["b"] += db
        return dx


class Accumulator:
    """s(t) = s(t-1) m + x(t), y = s^2: a layer with a state."""

    def __init__(self, mistake=False):
        self.params, self.grads, self.mistake = {"m": np.array([0.7])}, {"m": np.zeros(1)}, mistake

    def forward(self, x, state):
        self.s = [state[0]]
        for now in x:
            self.s.append(self.s[-1] * self.params["m"] + now)
        return np.array(self.s[1:]) ** 2, (self.s[-1].copy(),)

    def backward(self, dy, dstate):
        ds, dx = dstate[0] * (0 if self.mistake else 1), np.empty_like(dy)
        for t in range(len(dy) - 1, -1, -1):
            ds = ds + 2 * self.s[t + 1] * dy[t]
            dx[t] = ds
            self.grads["m"] += (ds * self.s[t]).sum()
            ds = ds * self.params["m"]
        return dx, (ds,)


def test_a_right_layer_is_ok(rng):
    report = gradcheck(Dense(rng), rng.normal(size=(4, 3, 2)))
    assert report.ok
    assert report.worst.error < 1e-10
    assert [(row.name, row.shape) for row in report.rows] == [
        ("W", (2, 3)),
        ("b", (2, 1)),
        ("input x", (4, 3, 2)),
    ]
    assert "gradients agree" in str(report)


@pytest.mark.parametrize(
    ("mistake", "where"),
    [
        ("sign", "b"),
        ("one sign", "W"),
        ("missing term", "W"),
        ("missing factor", "input x"),
        ("swapped index", "input x"),
        ("nan", "W"),
    ],
)
def test_a_mistake_is_found_and_named(mistake, where, rng):
    report = gradcheck(Dense(rng, mistake=mistake), rng.normal(size=(4, 3, 2)))
    assert not report.ok
    assert report.worst.name == where
    wrong = {row.name for row in report.rows if not row.error < 1e-7}
    assert wrong == {where}
    assert f"WRONG GRADIENT in {where}" in str(report)


def test_the_report_names_the_worst_entry(rng):
    layer = Dense(rng, mistake="one sign")
    report = gradcheck(layer, rng.normal(size=(4, 3, 2)))
    row = report.worst
    assert row.index == (1, 2)
    assert row.analytic == layer.grads["W"][1, 2]
    assert row.numeric == pytest.approx(-row.analytic, rel=1e-8)
    (line,) = [line for line in str(report).splitlines() if line.startswith("W ")]
    assert "[1, 2]" in line and f"{row.analytic:.6e} / {row.numeric:.6e}" in line


def test_one_wrong_entry_among_large_ones_is_found():
    right = np.full(100, 1e3)
    wrong = right.copy()
    wrong[37] += 1e-3
    report = compare({"w": (wrong, right)})
    assert (
        not report.ok and report.worst.index == (37,) and report.worst.error == pytest.approx(1e-6, rel=1e-3)
    )
    assert compare({"w": (wrong, right)}, tolerance=1e-5).ok


def test_all_zero_gradients_agree_and_a_lost_one_does_not():
    assert compare({"w": (np.zeros(3), np.zeros(3))}).ok
    lost = compare({"w": (np.zeros(3), np.full(3, 1e-9))})
    assert not lost.ok and lost.worst.error == 1


def test_gradients_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"gradient of w to have shape \(3,\), got \(3, 1\)"):
        compare({"w": (np.zeros((3, 1)), np.zeros(3))})


@pytest.mark.parametrize("mistake", [False, True])
def test_states_are_checked(mistake, rng):
    report = gradcheck(Accumulator(mistake), rng.normal(size=(5, 2, 1)), (rng.normal(size=(2, 1)),))
    assert [row.name for row in report.rows] == ["m", "input x", "initial state 0"]
    assert report.ok is not mistake


def test_layer_input_and_state_are_left_as_they_were(rng):
    layer, x, state = Accumulator(), rng.normal(size=(5, 2, 1)), rng.normal(size=(2, 1))
    copies = layer.params["m"].copy(), x.copy(), state.copy()
    gradcheck(layer, x, (state,))
    for now, before in zip((layer.params["m"], x, state), copies, strict=True):
        np.testing.assert_array_equal(now, before)


def test_old_gradients_do_not_disturb(rng):
    layer = Dense(rng)
    layer.grads["W"] += 100
    assert gradcheck(layer, rng.normal(size=(4, 3, 2))).ok


def test_float32_is_refused(rng):
    with pytest.raises(ValueError, match="expected float64 parameters, got float32 in W"):
        gradcheck(Dense(rng, dtype=np.float32), rng.normal(size=(4, 3, 2)))


class Lookup:
    """y(t) = the row of a table for token x(t): an input without a gradient."""

    def __init__(self, rng):
        self.params = {"table": rng.normal(size=(5, 2))}
        self.grads = {"table": np.zeros((5, 2))}

    def forward(self, x):
        self.x = x
        return self.params["table"][x]

    def backward(self, dy):
        np.add.at(self.grads["table"], self.x, dy)


def test_tokens_have_no_gradient(rng):
    report = gradcheck(Lookup(rng), np.array([3, 1, 3, 0]))
    assert [row.name for row in report.rows] == ["table"]
    assert report.ok


def test_numeric_gradient_is_exact_for_polynomials_of_degree_four(rng):
    x = rng.normal(size=(2, 3))
    before = x.copy()
    gradient = numeric_gradient(lambda: float((x**4).sum() + x[0, 0] * x[1, 2]), x)
    expected = 4 * x**3
    expected[0, 0] += x[1, 2]
    expected[1, 2] += x[0, 0]
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-11)
    np.testing.assert_array_equal(x, before)


class Wrong(Dense):
    """A layer of which something is missing or misshapen."""

    def __init__(self, rng, **replaced):
        super().__init__(rng)
        self.replaced = replaced
        for name in ("params", "grads"):
            setattr(self, name, replaced.get(name, getattr(self, name)))

    def forward(self, x):
        y = super().forward(x)
        return self.replaced["y"](y) if "y" in self.replaced else y

    def backward(self, dy):
        dx = super().backward(dy)
        self.grads.update(self.replaced.get("after", {}))
        return self.replaced["dx"](dx) if "dx" in self.replaced else dx


W, b = np.zeros((2, 3)), np.zeros((2, 1))


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"params": None}, "a layer with a dict 'params'"),
        ({"grads": [W, b]}, "a layer with a dict 'grads'"),
        ({"forward": None}, "a layer with a method 'forward'"),
        ({"backward": 3}, "a layer with a method 'backward'"),
        ({"params": {"W": W.tolist(), "b": b}}, "params['W'] to be an array of float64, got [[0.0"),
        (
            {"params": {"W": W.astype(int), "b": b}},
            "params['W'] to be an array of float64, got an array (2, 3)",
        ),
        ({"grads": {"W": W}}, "grads with the names of params, ['W', 'b'], got ['W']"),
        (
            {"grads": {"W": W, "b": b, "c": b}},
            "grads with the names of params, ['W', 'b'], got ['W', 'b', 'c']",
        ),
        ({"grads": {"W": W.T, "b": b}}, "grads['W'] to have shape (2, 3), got (3, 2)"),
        (
            {"grads": {"W": W.astype(np.float32), "b": b}},
            "grads['W'] to be an array (2, 3) of float64, got an",
        ),
        ({"after": {"b": b[0]}}, "grads['b'] to have shape (2, 1), got (1,)"),
        ({"after": {"b": 0.5}}, "grads['b'] to be an array (2, 1) of float64, got 0.5"),
        ({"after": {"c": b}}, "grads with the names of params"),
        ({"y": lambda y: None}, "y of forward to be an array of float64, got None"),
        ({"y": lambda y: y.tolist()}, "y of forward to be an array of float64, got ["),
        ({"y": lambda y: (y, y)}, "y of forward to be an array of float64, got (array"),
        (
            {"y": lambda y: y.astype(np.float32)},
            "y of forward to be an array of float64, got an array (4, 2, 2) of",
        ),
        ({"dx": lambda dx: None}, "dx of backward to be an array (4, 3, 2) of float64, got None"),
        ({"dx": lambda dx: dx.tolist()}, "dx of backward to be an array (4, 3, 2) of float64, got [["),
        (
            {"dx": lambda dx: dx.astype(np.float32)},
            "dx of backward to be an array (4, 3, 2) of float64, got an",
        ),
        ({"dx": lambda dx: dx[0]}, "dx of backward to have shape (4, 3, 2), got (3, 2)"),
    ],
)
def test_what_is_missing_or_misshapen_is_named(replaced, message, rng):
    layer = Wrong(rng, **replaced)
    for name in {"forward", "backward"} & replaced.keys():
        setattr(layer, name, replaced[name])
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        gradcheck(layer, rng.normal(size=(4, 3, 2)))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("forward", "backward", "message"),
    [
        (lambda y, s: y, lambda dx, ds: (dx, ds), "what forward returns, (y, state) to be a tuple"),
        (lambda y, s: (y, s[0]), lambda dx, ds: (dx, ds), "state of forward to be a tuple"),
        (lambda y, s: (y, (*s, *s)), lambda dx, ds: (dx, ds), "state of forward to be a tuple"),
        (
            lambda y, s: (y, (s[0][0],)),
            lambda dx, ds: (dx, ds),
            "state of forward, 0 to have shape (2, 1), got (1,)",
        ),
        (lambda y, s: (y, s), lambda dx, ds: dx, "what backward returns, (dx, dstate) to be a tuple"),
        (
            lambda y, s: (y, s),
            lambda dx, ds: None,
            "what backward returns, (dx, dstate) to be a tuple, got None",
        ),
        (lambda y, s: (y, s), lambda dx, ds: (dx, None), "dstate of backward to be a tuple, got None"),
        (
            lambda y, s: (y, s),
            lambda dx, ds: (dx, (ds[0].T,)),
            "dstate of backward, 0 to have shape (2, 1), got (1, 2)",
        ),
        (
            lambda y, s: (y, s),
            lambda dx, ds: (None, ds),
            "dx of backward to be an array (5, 2, 1) of float64",
        ),
    ],
)
def test_states_that_are_missing_or_misshapen_are_named(forward, backward, message, rng):
    layer = Accumulator()
    right_forward, right_backward = layer.forward, layer.backward
    layer.forward = lambda x, state: forward(*right_forward(x, state))
    layer.backward = lambda dy, dstate: backward(*right_backward(dy, dstate))
    with pytest.raises(ValueError, match=re.escape(message)):
        gradcheck(layer, rng.normal(size=(5, 2, 1)), (rng.normal(size=(2, 1)),))


@pytest.mark.parametrize(
    "x", [None, "abc", [], np.zeros((4, 3, 2), bool), np.zeros((4, 3, 2), complex), [[1], [2, 3]]]
)
def test_an_input_that_is_no_array_of_numbers_is_refused(x, rng):
    with pytest.raises(ValueError):
        gradcheck(Dense(rng), x)


def test_an_input_of_single_precision_is_taken_in_double(rng):
    assert gradcheck(Dense(rng), rng.normal(size=(4, 3, 2)).astype(np.float32)).ok


def test_a_layer_that_replaces_its_gradients_is_checked_as_well(rng):
    layer = Dense(rng)
    right = layer.backward

    def backward(dy):
        layer.grads = {name: grad.copy() for name, grad in layer.grads.items()}
        return right(dy)

    layer.backward = backward
    assert gradcheck(layer, rng.normal(size=(4, 3, 2))).ok


def test_what_changes_from_call_to_call_cannot_be_checked(rng):
    with pytest.raises(ValueError, match="the same for the same x: is dropout at work"):
        gradcheck(Dropout(0.5, rng), rng.normal(size=(4, 3, 2)))


def test_where_there_is_nothing_to_compare_that_is_said(rng):
    layer = Lookup(rng)
    layer.params, layer.grads = {}, {}
    layer.forward, layer.backward = lambda x: np.zeros((4, 2)), lambda dy: None
    with pytest.raises(ValueError, match="something to compare"):
        gradcheck(layer, np.array([3, 1, 3, 0]))


def test_a_report_shows_itself_as_a_table(rng):
    report = gradcheck(Dense(rng), rng.normal(size=(4, 3, 2)))
    assert repr(report) == str(report) and len(str(report).splitlines()) == 5


def test_a_forward_pass_that_fails_leaves_the_parameters_as_they_were(rng):
    layer, calls = Dense(rng), []
    right, before = layer.forward, layer.params["W"].copy()

    def forward(x):
        calls.append(x)
        if len(calls) == 6:
            raise RuntimeError("in the middle")
        return right(x)

    layer.forward = forward
    with pytest.raises(RuntimeError, match="in the middle"):
        gradcheck(layer, rng.normal(size=(4, 3, 2)))
    np.testing.assert_array_equal(layer.params["W"], before)


class Overwriting(Dense):
    """Assigns its gradients: in place, or by a new array."""

    def __init__(self, rng, rebind):
        super().__init__(rng)
        self.rebind = rebind

    def backward(self, dy):
        for name in ("W", "b"):
            self.grads[name][...] = 0
            if self.rebind and name == "W":
                self.grads[name] = self.grads[name].copy()
        return super().backward(dy)


@pytest.mark.parametrize("rebind", [False, True])
def test_a_backward_that_assigns_is_found(rebind, rng):
    with pytest.raises(ValueError, match=r"backward to add to grads\['W'\].* assign where it should add"):
        gradcheck(Overwriting(rng, rebind), rng.normal(size=(4, 3, 2)))


def test_the_gradients_left_behind_are_those_of_one_pass(rng):
    layer = Dense(rng)
    x = rng.normal(size=(4, 3, 2))
    gradcheck(layer, x)
    once = {name: grad.copy() for name, grad in layer.grads.items()}
    layer.grads = {name: np.zeros_like(grad) for name, grad in layer.grads.items()}
    layer.forward(x)
    layer.backward(np.random.default_rng(0).standard_normal((4, 2, 2)))
    for name, grad in layer.grads.items():
        np.testing.assert_array_equal(once[name], grad)


@pytest.mark.parametrize(("ours", "theirs"), [("W", "W"), ("b", "b")])
def test_a_gradient_in_the_memory_of_its_parameter_is_named(ours, theirs, rng):
    layer = Dense(rng)
    layer.grads[ours] = layer.params[theirs]
    expected = rf"grads\['{ours}'\] in memory of its own, it shares that of params\['{theirs}'\]"
    with pytest.raises(ValueError, match=expected):
        gradcheck(layer, rng.normal(size=(4, 3, 2)))


def test_a_view_of_another_parameter_shares_memory_too(rng):
    layer = Dense(rng)
    layer.grads["b"] = layer.params["W"][:, :1]
    with pytest.raises(ValueError, match=r"grads\['b'\] in memory .* params\['W'\]"):
        gradcheck(layer, rng.normal(size=(4, 3, 2)))


@pytest.mark.parametrize("arrays", ["params", "grads"])
def test_read_only_arrays_are_named(arrays, rng):
    layer = Dense(rng)
    getattr(layer, arrays)["b"].flags.writeable = False
    with pytest.raises(ValueError, match=rf"expected {arrays}\['b'\] to be writable, it is read-only"):
        gradcheck(layer, rng.normal(size=(4, 3, 2)))


def test_numeric_gradient_of_a_read_only_array():
    array = np.ones(3)
    array.flags.writeable = False
    with pytest.raises(ValueError, match="expected array to be writable"):
        numeric_gradient(array.sum, array)


def test_rounding_where_a_gradient_cancels_is_no_assignment(rng):
    layer, passes = Dense(rng), []
    right = layer.backward
    layer.params["zero"], layer.grads["zero"] = np.ones(1), np.zeros(1)

    def backward(dy):
        passes.append(None)
        layer.grads["zero"][0] = 1e-17 * len(passes) ** 2
        return right(dy)

    layer.backward = backward
    report = gradcheck(layer, rng.normal(size=(4, 3, 2)))
    assert {row.name for row in report.rows if row.error < 1e-7} >= {"W", "b", "input x"}
