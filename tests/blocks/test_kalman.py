"""The Kalman filter: its derivatives against the textbook, its updates against whole matrices."""

import copy

import numpy as np
import pytest
from plain_twins import by_name, places
from test_cell_blocks_online import ACTIVATIONS, TINY, TWO_STREAMS, UNEVEN, network, on_paper, stream, twin

from scratchnet.blocks.jacobian import output_jacobian
from scratchnet.blocks.kalman import DecoupledKalman
from scratchnet.blocks.network import CellBlocks
from scratchnet.blocks.wiring import Blocks, Outputs, Wiring
from scratchnet.kernels.activations import sigmoid
from scratchnet.training.losses import sigmoid_cross_entropy

DEAF = Wiring(  # outputs that see no cell, outputs that see nothing, cells that hear nothing
    inputs={"in": 2},
    blocks={"a": Blocks(1, 2), "b": Blocks(1, 2)},
    outputs={"plain": Outputs(2), "bias": Outputs(1), "out": Outputs(1)},
    feeds={"a": ("in", "b"), "plain": ("in",), "out": ("a", "in")},
)
SETTINGS = {"measurement_noise": (3.0, 0.5), "process_noise": (1e-2, 1e-4), "anneal": 8, "covariance": 2.0}


# --------------------------------------------------------------------------------------------- derivatives


def derivatives(slow, x, net):
    """(y, da_k/dw by name for each k): the gradient is linear in the errors, so one error alone is a row."""
    y, _ = copy.deepcopy(slow).step(x, np.zeros(net.wiring.output_size))
    gradients = [copy.deepcopy(slow).step(x, y - one)[1] for one in np.eye(len(y))]
    return y, [by_name(net.wiring, gradient, net.params) for gradient in gradients]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("peepholes", [False, True], ids=["plain", "peepholes"])
@pytest.mark.parametrize("wiring", [TINY, UNEVEN, DEAF], ids=["tiny", "uneven", "deaf"])
def test_derivatives_are_the_textbooks(wiring, peepholes, activation, rng):
    net = network(wiring, rng, peepholes, activation)
    x, t = stream(wiring, rng, 4)
    jacobian, slow = output_jacobian(net, x), on_paper(net, activation)
    assert jacobian.keys() == net.params.keys()
    for now, target in zip(x[:-1], t, strict=False):
        slow.step(now, target)
    for k, row in enumerate(derivatives(slow, x[-1], net)[1]):
        for name, derivative in row.items():
            np.testing.assert_allclose(
                jacobian[name][k], derivative, rtol=0, atol=1e-12, err_msg=f"{name} {k}"
            )
    everything = np.concatenate([abs(part).ravel() for part in jacobian.values()])
    assert wiring is DEAF or np.mean(everything > 1e-4) > 0.3  # otherwise this shows little


def test_derivatives_leave_no_trace(rng):
    net = network(TINY, rng)
    other = twin(net)
    x, t = stream(TINY, rng, 3)
    output_jacobian(net, x)
    np.testing.assert_array_equal(net.learn_online(x, t, 0.1)[0], other.learn_online(x, t, 0.1)[0])


# ------------------------------------------------------------------------------------------------- updates


def unit_groups(wiring, net):
    """The weights into each unit, as indices into the flat vector, in the order i, f, g, o, outputs."""
    index = net.views(np.arange(net.flat.size))
    groups = {"input": [], "forget": [], "cell": [], "output": [], "outputs": []}
    for name, group in wiring.blocks.items():
        for j in range(group.blocks):
            in_group = np.arange(j * group.cells, (j + 1) * group.cells)
            for gate in ("input", "forget", "output"):
                row = [index[f"{name}.{gate}_gate"][j]]
                if net.peepholes:
                    row.append(index[f"{name}.{gate}_peephole"][in_group])
                groups[gate].append(np.concatenate(row))
            groups["cell"] += [index[f"{name}.cell"][k] for k in in_group]
    for name in wiring.outputs:
        groups["outputs"] += list(index[f"{name}.weight"])
    return [group for kind in groups.values() for group in kind]


class KalmanOnPaper:
    """The update as the papers print it, with whole matrices and an inverse."""

    def __init__(self, net, activation, groups, error):
        self.net, self.slow, self.error = net, on_paper(net, activation), error
        self.groups = unit_groups(net.wiring, net)
        if groups == "all":
            self.groups = [np.concatenate(self.groups)]
        self.w, self.places = net.flat.copy(), places(net.wiring)
        self.covariances = [SETTINGS["covariance"] * np.eye(len(group)) for group in self.groups]
        self.steps = 0

    def step(self, x, t):
        y, rows = derivatives(self.slow, x, self.net)
        self.slow.step(x, y)
        C = np.array([np.concatenate([part.ravel() for part in row.values()]) for row in rows])
        e = t - y
        if self.error == "difference":
            C = (y * (1 - y))[:, None] * C
        else:  # targets are 0 or 1 here
            root = np.sqrt(-2 * np.log(np.where(t == 1, y, 1 - y))) * np.sign(e)
            C, e = (e / root)[:, None] * C, root
        share = min(self.steps / SETTINGS["anneal"], 1)
        r, q = (
            first * (last / first) ** share
            for first, last in (SETTINGS["measurement_noise"], SETTINGS["process_noise"])
        )
        S = r * np.eye(len(y))
        for group, covariance in zip(self.groups, self.covariances, strict=True):
            S += C[:, group] @ covariance @ C[:, group].T
        for k, group in enumerate(self.groups):
            gain = self.covariances[k] @ C[:, group].T @ np.linalg.inv(S)
            self.w[group] += gain @ e
            self.covariances[k] = self.covariances[k] - gain @ C[:, group] @ self.covariances[k]
            self.covariances[k] += q * np.eye(len(group))
        self.steps += 1
        for name, param in self.net.views(self.w).items():
            matrix, index = self.places[name]
            self.slow.params[matrix][index] = param
        return y


@pytest.mark.parametrize("error", ["difference", "entropy"])
@pytest.mark.parametrize("groups", ["unit", "all"])
@pytest.mark.parametrize(
    ("wiring", "peepholes", "activation"),
    [(TINY, False, "paper"), (TINY, True, "tanh"), (UNEVEN, True, "paper"), (DEAF, True, "identity")],
    ids=["tiny", "tiny, peepholes", "uneven", "deaf"],
)
def test_every_step_is_the_papers_update(wiring, peepholes, activation, groups, error, rng):
    net = network(wiring, rng, peepholes, activation, scale=0.5)
    x, t = stream(wiring, rng, 12)
    by_hand, start = KalmanOnPaper(net, activation, groups, error), net.flat.copy()
    expected = [by_hand.step(x[now], t[now]) for now in range(len(x))]
    kalman = DecoupledKalman(net, **SETTINGS, groups=groups, error=error)
    y, _, _ = kalman.learn(x, t)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(net.flat, by_hand.w, rtol=0, atol=1e-9)
    for (weights, covariance), group, matrix in zip(
        kalman.covariances(), by_hand.groups, by_hand.covariances, strict=True
    ):
        np.testing.assert_array_equal(weights, group)
        np.testing.assert_allclose(covariance, matrix, rtol=0, atol=1e-9)
    assert abs(net.flat - start).max() > 0.1
    assert kalman.memory["steps"] == 12


def test_grouping_matters(rng):
    net = network(TINY, rng)
    x, t = stream(TINY, rng, 6)
    other = twin(net)
    DecoupledKalman(net).learn(x, t)
    DecoupledKalman(other, groups="all").learn(x, t)
    assert abs(net.flat - other.flat).max() > 1e-3


@pytest.mark.parametrize("groups", ["unit", "all"])
def test_with_much_noise_entropy_follows_the_gradient_of_the_cross_entropy(groups, rng):
    """Then Gamma = I/r, and an update from p I is a gradient step of rate p/r."""
    net = network(UNEVEN, rng, peepholes=True)
    x, t = stream(UNEVEN, rng, 1)
    t[0] = 1, 0, 0.3
    gradient, before = net.truncated_gradient(x, t), net.state_dict()
    DecoupledKalman(net, (1e9, 1e9), covariance=10.0, groups=groups, error="entropy").learn(x, t)
    for name, param in net.params.items():
        np.testing.assert_allclose(1e8 * (before[name] - param), gradient[name], rtol=0, atol=1e-6)


def test_an_output_that_is_certain_but_wrong_is_changed_by_entropy_only(rng):
    changes, wrong_by = {}, 20.0
    for error in ("difference", "entropy"):
        net = network(TINY, np.random.default_rng(0))
        net.params["out.weight"][:, -1] = wrong_by, -wrong_by
        DecoupledKalman(net, error=error).learn(np.zeros((1, 2)), np.array([[0.0, 1.0]]))
        changes[error] = abs(abs(net.params["out.weight"][:, -1]) - wrong_by)
    assert changes["difference"].max() < 1e-5
    assert changes["entropy"].min() > 0.5


@pytest.mark.parametrize("error", ["difference", "entropy"])
def test_extreme_outputs_stay_finite(error, rng):
    """Outputs that round to 0 and 1, right and wrong, and targets that are met exactly."""
    wiring = Wiring({"in": 1}, {"a": Blocks(1)}, {"out": Outputs(6)}, {"a": ("in",), "out": ("a",)})
    net = CellBlocks(wiring, rng)
    net.params["out.weight"][:, -1] = 1000, -1000, 1000, -1000, 0, 0
    t = np.array([[0, 1, 1, 0, 0.5, 1]])
    kalman = DecoupledKalman(net, error=error)
    kalman.learn(np.zeros((1, 1)), t)
    assert np.isfinite(net.flat).all() and np.isfinite(kalman.memory["covariance"]).all()
    assert net.params["out.weight"][4, -1] == 0 < net.params["out.weight"][5, -1]


# --------------------------------------------------------------------------------------------- covariances


@pytest.mark.parametrize(("groups", "T"), [("unit", 2000), ("all", 400)])
@pytest.mark.parametrize("error", ["difference", "entropy"])
def test_covariances_stay_symmetric_and_positive_definite(groups, T, error, rng):
    """Under conditions worse than anyone's settings: little noise, large covariances, few directions."""
    net = network(TINY, rng, peepholes=True)
    x = np.tile(rng.integers(0, 2, (5, 2)).astype(float), (T // 5, 1))  # most directions are never seen
    t = np.roll(x, -1, 0)
    kalman = DecoupledKalman(net, (1e-2, 1e-3), (1e-6, 1e-6), covariance=1e4, groups=groups, error=error)
    for at in range(0, T, T // 4):
        kalman.learn(x[at : at + T // 4], t[at : at + T // 4])
        for _, covariance in kalman.covariances():
            np.testing.assert_array_equal(covariance, covariance.T)
            assert np.linalg.eigvalsh(covariance).min() > 0
            np.linalg.cholesky(covariance)


def test_a_covariance_begins_as_p_times_the_identity(rng):
    net = network(UNEVEN, rng, peepholes=True)
    kalman = DecoupledKalman(net, covariance=7.0)
    every = np.concatenate([weights for weights, _ in kalman.covariances()])
    np.testing.assert_array_equal(np.sort(every), np.arange(net.flat.size))  # each weight in one group
    for weights, covariance in kalman.covariances():
        np.testing.assert_array_equal(covariance, 7 * np.eye(len(weights)))


# ------------------------------------------------------------------------------------------------- streams


@pytest.mark.parametrize("groups", ["unit", "all"])
def test_pieces_and_a_restored_memory_equal_the_whole_stream(groups, rng):
    whole = network(UNEVEN, rng, peepholes=True)
    pieces, restored = twin(whole), twin(whole)
    x, t = stream(UNEVEN, rng, 10)
    y, loss, wrong = DecoupledKalman(whole, **SETTINGS, groups=groups).learn(x, t)

    kalman = DecoupledKalman(pieces, **SETTINGS, groups=groups)
    first = kalman.learn(x[:3], t[:3])
    later = DecoupledKalman(restored, **SETTINGS, groups=groups)
    restored.load_state_dict(pieces.state_dict())
    for mine, theirs in (
        (restored.stream_state(), pieces.stream_state()),
        (later.memory, kalman.memory),
    ):
        for name, array in theirs.items():
            mine[name][...] = array
    for learner, net in ((kalman, pieces), (later, restored)):
        empty = learner.learn(x[:0], t[:0])
        assert empty[0].shape == (0, 3) and empty[1:] == (0, 0)
        rest = learner.learn(x[3:], t[3:])
        np.testing.assert_array_equal(np.concatenate([first[0], rest[0]]), y)
        assert abs(first[1] + rest[1] - loss) < 1e-12 and first[2] + rest[2] == wrong
        np.testing.assert_array_equal(net.flat, whole.flat)


def test_outputs_and_loss_are_those_of_forward_where_weights_hardly_move(rng):
    net = network(UNEVEN, rng, peepholes=True)
    x, t = stream(UNEVEN, rng, 8)
    a = net.forward(x[:, :, None])
    y, loss, wrong = DecoupledKalman(net, (1e20, 1e20), covariance=1e-9).learn(x, t)
    np.testing.assert_allclose(y, sigmoid(a)[:, :, 0], rtol=0, atol=1e-12)
    assert abs(loss - 8 * sigmoid_cross_entropy(a, t[:, :, None])[0]) < 1e-11
    assert wrong == np.count_nonzero((y > 0.5) != (t > 0.5))


def test_gross_error_stops_after_the_first_bad_step_and_learns_from_it(rng):
    net = network(TINY, rng, scale=0.01)
    net.params["out.weight"][0, -1] = 3.0
    x, t = rng.normal(size=(6, 2)), np.ones((6, 2))
    t[3:, 0] = 0
    stopped, four = twin(net), twin(net)
    kalman = DecoupledKalman(stopped)
    y, loss, wrong = kalman.learn(x, t, gross_error=0.8)
    assert y.shape == (4, 2) and kalman.memory["steps"] == 4
    y_four, loss_four, wrong_four = DecoupledKalman(four).learn(x[:4], t[:4])
    np.testing.assert_array_equal(y, y_four)
    assert (loss, wrong) == (loss_four, wrong_four)
    np.testing.assert_array_equal(stopped.flat, four.flat)


def test_the_melodys_error_never_changes_the_chords_gates(rng):
    """With the truncated derivatives an output's error goes only where it could see, whatever the filter."""
    net = network(TWO_STREAMS, rng, peepholes=True)
    jacobian = output_jacobian(net, stream(TWO_STREAMS, rng, 5)[0])
    for name, rows in jacobian.items():
        melody = "melody" in name
        assert (rows[3:] != 0).any() == melody and (rows[:3] != 0).any() != melody, name


@pytest.mark.parametrize("error", ["difference", "entropy"])
def test_learning_a_toy_stream_in_fewer_steps_than_momentum(error, rng):
    """One bit every third step; nothing in the input tells when."""
    wiring = Wiring({"in": 1}, {"a": Blocks(2, 1)}, {"out": Outputs(1)}, {"a": ("in", "a"), "out": ("a",)})
    net = CellBlocks(wiring, rng, scale=0.5)
    other = twin(net)
    period = np.array([[1.0], [0.0], [0.0]])
    x, t = np.tile(period, (100, 1)), np.tile(np.roll(period, -1, 0), (100, 1))
    kalman = DecoupledKalman(net, (10.0, 1.0), anneal=100, error=error)
    kalman.learn(x, t)
    other.learn_online(x, t, 0.1, 0.9)
    left, left_by_momentum = kalman.learn(x, t)[1], other.learn_online(x, t, 0.1, 0.9)[1]
    assert left < 10 and left < left_by_momentum / 2


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measurement_noise": (0.0, 1.0)}, "measurement_noise > 0, got 0"),
        ({"measurement_noise": 3.0}, "measurement_noise to be two numbers, got 3.0"),
        ({"process_noise": (1e-2, np.nan)}, "process_noise > 0, got nan"),
        ({"process_noise": (1e-2, np.inf)}, "process_noise > 0, got inf"),
        ({"anneal": 0}, "anneal > 0, got 0"),
        ({"covariance": -1.0}, "covariance > 0, got -1.0"),
        ({"groups": "layer"}, "groups in unit, all, got 'layer'"),
        ({"error": "squared"}, "error in difference, entropy, got 'squared'"),
    ],
)
def test_settings_out_of_range_are_refused(options, message, rng):
    with pytest.raises(ValueError, match=f"expected {message}"):
        DecoupledKalman(CellBlocks(TINY, rng), **options)


def test_single_precision_is_refused(rng):
    net = CellBlocks(TINY, rng, dtype=np.float32)
    with pytest.raises(ValueError, match="expected a network of float64, got float32"):
        DecoupledKalman(net)
    with pytest.raises(ValueError, match="expected a network of float64, got float32"):
        output_jacobian(net, np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("x", "t", "message"),
    [
        (np.zeros((4, 3)), np.zeros((4, 2)), r"expected x \(T, 2\), got \(4, 3\)"),
        (np.zeros((4, 2)), np.zeros((3, 2)), r"expected t \(4, 2\), got \(3, 2\)"),
        (np.full((4, 2), np.nan), np.zeros((4, 2)), "finite numbers in x"),
        (np.zeros((4, 2)), np.full((4, 2), np.inf), "finite numbers in t"),
        (np.zeros((4, 2)), np.full((4, 2), 1.5), r"expected targets in \[0, 1\], got 1.5"),
        (np.zeros((4, 2)), np.full((4, 2), -0.1), r"expected targets in \[0, 1\], got -0.1"),
    ],
)
def test_streams_that_do_not_fit_are_refused(x, t, message, rng):
    net = CellBlocks(TINY, rng)
    kalman, before = DecoupledKalman(net), net.flat.copy()
    with pytest.raises(ValueError, match=message):
        kalman.learn(x, t)
    np.testing.assert_array_equal(net.flat, before)
    assert kalman.memory["steps"] == 0


def test_derivatives_of_no_step_are_refused(rng):
    with pytest.raises(ValueError, match="at least one step"):
        output_jacobian(CellBlocks(TINY, rng), np.zeros((0, 2)))
