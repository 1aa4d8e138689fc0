"""gradcheck on a small layer as a user would write it: right, and wrong in the usual ways."""

import numpy as np
import pytest

from scratchnet.gradcheck import compare, gradcheck, numeric_gradient


class Dense:
    """y(t) = tanh(W x(t) + b), for x (T, D, B); a mistake can be made in backward."""

    def __init__(self, rng, D=3, K=2, mistake=None, dtype=np.float64):
        self.params = {"W": rng.normal(size=(K, D)).astype(dtype), "b": rng.normal(size=(K, 1)).astype(dtype)}
        self.grads = {name: np.zeros_like(param) for name, param in self.params.items()}
        self.mistake = mistake

    def zero_grad(self):
        for grad in self.grads.values():
            grad[...] = 0

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

    def zero_grad(self):
        self.grads["m"][:] = 0

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

    def zero_grad(self):
        self.grads["table"][...] = 0

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
