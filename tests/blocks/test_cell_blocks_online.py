"""The original algorithm: truncated gradient and online learning against the textbook."""

import numpy as np
import pytest
from plain_twins import by_name, wired

from scratchnet import plain
from scratchnet.blocks.network import IDENTITY, PAPER_G, PAPER_H, TANH, CellBlocks
from scratchnet.blocks.wiring import Blocks, Outputs, Wiring
from scratchnet.kernels.activations import sigmoid
from scratchnet.plain.layer import NONLINEARITIES
from scratchnet.training.losses import sigmoid_cross_entropy
from scratchnet.training.optimizers import SGD

TINY = Wiring(
    inputs={"in": 2},
    blocks={"a": Blocks(1, 2), "b": Blocks(1, 1)},
    outputs={"out": Outputs(2)},
    feeds={"a": ("in", "a", "b"), "b": ("in", "a", "b"), "out": ("in", "a", "b")},
)
UNEVEN = (
    Wiring(  # groups with other numbers of cells a block, with and without cell biases, hearing other things
        inputs={"p": 2, "q": 1},
        blocks={
            "a": Blocks(1, 3, forget_bias=1.0, cell_bias=True),
            "b": Blocks(2, 1, input_bias=(-0.3, 0.4)),
            "c": Blocks(1, 2),
        },
        outputs={"m": Outputs(2), "n": Outputs(1, bias=-0.2)},
        feeds={
            "a": ("p", "a", "b"),
            "b": ("q", "a"),
            "c": ("p", "q", "c"),
            "m": ("c", "b", "p"),
            "n": ("a", "c"),
        },
    )
)
TWO_STREAMS = Wiring(  # experiment 2 of the blues, in small
    inputs={"chord": 3, "melody": 2},
    blocks={"chord memory": Blocks(1, 2), "melody memory": Blocks(1, 2)},
    outputs={"next chord": Outputs(3), "next melody": Outputs(2)},
    feeds={
        "chord memory": ("chord", "chord memory"),
        "melody memory": ("melody", "chord memory", "melody memory"),
        "next chord": ("chord", "chord memory"),
        "next melody": ("melody", "melody memory"),
    },
)
ACTIVATIONS = {  # name: (g and h as the class takes them, the same on paper)
    "paper": ((PAPER_G, PAPER_H), {}),
    "identity": ((IDENTITY, IDENTITY), dict.fromkeys("gh", NONLINEARITIES["identity"])),
    "tanh": ((TANH, TANH), dict.fromkeys("gh", NONLINEARITIES["tanh"])),
}


def network(wiring, rng, peepholes=False, activation="paper", scale=0.8, **options):
    (activation_g, activation_h), _ = ACTIVATIONS[activation]
    net = CellBlocks(wiring, rng, scale, peepholes, activation_g, activation_h, **options)
    for group, blocks in wiring.blocks.items():
        if blocks.cell_bias:
            net.params[f"{group}.cell"][:, -1] = rng.normal(size=len(net.params[f"{group}.cell"]))
    return net


def on_paper(net, activation):
    """The truncated algorithm of the textbook with the same weights."""
    return wired(plain.OnlineCellBlocks, net.wiring, net.params, **ACTIVATIONS[activation][1])


def stream(wiring, rng, T):
    return rng.normal(size=(T, wiring.input_size)), rng.integers(0, 2, size=(T, wiring.output_size)).astype(
        float
    )


def twin(net):
    """A fresh network with the same weights."""
    other = CellBlocks.from_options(net.options())
    other.load_state_dict(net.state_dict())
    return other


# -------------------------------------------------------------------------------------- truncated gradient


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("peepholes", [False, True], ids=["plain", "peepholes"])
@pytest.mark.parametrize("wiring", [TINY, UNEVEN], ids=["tiny", "uneven"])
def test_truncated_gradient_is_the_textbooks(wiring, peepholes, activation, rng):
    net = network(wiring, rng, peepholes, activation)
    x, t = stream(wiring, rng, 4)
    gradient, slow = net.truncated_gradient(x, t), on_paper(net, activation)
    assert gradient.keys() == net.params.keys()
    steps = [slow.step(now, target)[1] for now, target in zip(x, t, strict=True)]
    expected = by_name(wiring, {name: sum(step[name] for step in steps) for name in "WVu"}, net.params)
    for name, grad in expected.items():
        np.testing.assert_allclose(gradient[name], grad, rtol=0, atol=1e-12, err_msg=name)
        assert abs(grad).max() > 1e-4, f"the test says nothing of {name}"


def test_truncated_is_not_the_full_gradient(rng):
    net = network(TINY, rng, peepholes=True)
    x, t = stream(TINY, rng, 7)
    truncated = net.truncated_gradient(x, t)
    _, da = sigmoid_cross_entropy(net.forward(x[:, :, None]), t[:, :, None])
    net.backward(da * len(x))
    for name, full in net.grads.items():
        difference = abs(truncated[name] - full).max() / abs(full).max()
        assert difference < 1e-13 if name == "out.weight" else difference > 1e-2, name


def test_truncated_equals_the_full_gradient_where_nothing_recurs(rng):
    """Without recurrent weights and peepholes the carousel is the only way through time."""
    wiring = Wiring(
        {"in": 2},
        {"a": Blocks(1, 2), "b": Blocks(2, 1)},
        {"out": Outputs(2)},
        {"a": ("in",), "b": ("in",), "out": ("a", "b")},
    )
    net = network(wiring, rng)
    x, t = stream(wiring, rng, 9)
    truncated = net.truncated_gradient(x, t)
    _, da = sigmoid_cross_entropy(net.forward(x[:, :, None]), t[:, :, None])
    net.backward(da * len(x))
    for name, full in net.grads.items():
        np.testing.assert_allclose(truncated[name], full, rtol=0, atol=1e-13, err_msg=name)


def test_truncated_gradient_leaves_no_trace(rng):
    net = network(TINY, rng, peepholes=True)
    x, t = stream(TINY, rng, 4)
    net.learn_online(x, t, 0.1, 0.9)  # some momentum
    net.reset()
    other = twin(net)
    weights = net.state_dict()
    first = net.truncated_gradient(x, t)
    again = net.truncated_gradient(x, t)
    for name, grad in other.truncated_gradient(x, t).items():
        np.testing.assert_array_equal(net.params[name], weights[name])
        np.testing.assert_array_equal(first[name], grad)
        np.testing.assert_array_equal(again[name], grad)
    net.learn_online(x[:1], t[:1], 0.0, 0.5)
    assert any((net.params[name] != weights[name]).any() for name in weights)  # momentum is still there


def test_the_melodys_error_never_changes_the_chords(rng):
    """Chord cells feed melody blocks, but the truncated gradient stops there: chords learn as if alone."""
    net = network(TWO_STREAMS, rng, peepholes=True)
    x, t = stream(TWO_STREAMS, rng, 6)
    other = t.copy()
    other[:, 3:] = 1 - t[:, 3:]
    gradient, gradient_other = net.truncated_gradient(x, t), net.truncated_gradient(x, other)
    for name, grad in gradient.items():
        same = (gradient_other[name] == grad).all()
        assert not same if "melody" in name else same, name

    deaf = x.copy()
    deaf[:, 3:] = 0
    a, b = twin(net), twin(net)
    a.learn_online(x, t, 0.1, 0.5)
    b.learn_online(deaf, other, 0.1, 0.5)
    for name in net.params:
        same = (a.params[name] == b.params[name]).all()
        assert not same if "melody" in name else same, name


# ------------------------------------------------------------------------------------------------ learning


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("peepholes", [False, True], ids=["plain", "peepholes"])
def test_every_step_is_a_momentum_step_along_the_textbooks_gradient(peepholes, activation, rng):
    """Weights change after every step ("burned") while partial derivatives of older weights live on."""
    net = network(UNEVEN, rng, peepholes, activation, scale=0.5)
    x, t = stream(UNEVEN, rng, 12)
    slow = on_paper(net, activation)
    is_wired = wired(
        plain.CellBlocks, UNEVEN, {name: np.ones(p.shape) for name, p in net.params.items()}
    ).params
    sgd = SGD(slow.params, slow.grads, lr=0.05, momentum=0.7)
    expected = []
    for now in range(len(x)):
        outputs, gradient = slow.step(x[now], t[now])
        expected.append(outputs)
        for name, array in slow.grads.items():
            array[...] = is_wired[name] * gradient[name]
        sgd.step()
    start = net.state_dict()
    y, _, _ = net.learn_online(x, t, 0.05, 0.7)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)
    params = by_name(UNEVEN, slow.params, net.params)
    for name, param in net.params.items():
        np.testing.assert_allclose(param, params[name], rtol=0, atol=1e-12, err_msg=name)
        assert abs(param - start[name]).max() > 1e-4, f"the test says nothing of {name}"


def test_the_first_step_follows_truncated_gradient(rng):
    net = network(UNEVEN, rng, peepholes=True)
    x, t = stream(UNEVEN, rng, 1)
    gradient, before = net.truncated_gradient(x, t), net.state_dict()
    net.learn_online(x, t, 0.25, 0.9)
    for name, param in net.params.items():
        np.testing.assert_allclose(
            param, before[name] - 0.25 * gradient[name], rtol=0, atol=1e-15, err_msg=name
        )


def test_velocity_decays_by_the_momentum_alone_when_lr_is_zero(rng):
    """v <- m v - lr dE/dw;  w <- w + v: after a first step of v, steps with lr = 0 move by m v, m^2 v, ..."""
    net = network(UNEVEN, rng, peepholes=True)
    x, t = stream(UNEVEN, rng, 4)
    before = net.state_dict()
    net.learn_online(x[:1], t[:1], 0.1, 0.5)
    v = {name: param - before[name] for name, param in net.params.items()}
    net.reset()  # forgets the stream, not the momentum
    net.learn_online(x[1:], t[1:], 0.0, 0.5)
    for name, param in net.params.items():
        np.testing.assert_allclose(
            param, before[name] + v[name] * (1 + 0.5 + 0.25 + 0.125), rtol=0, atol=1e-14, err_msg=name
        )


@pytest.mark.parametrize("peepholes", [False, True], ids=["plain", "peepholes"])
@pytest.mark.parametrize("wiring", [TINY, UNEVEN, TWO_STREAMS], ids=["tiny", "uneven", "two streams"])
def test_outputs_without_learning_are_those_of_forward(wiring, peepholes, rng):
    net = network(wiring, rng, peepholes)
    x, t = stream(wiring, rng, 8)
    before = net.state_dict()
    y, loss, wrong = net.learn_online(x, t, 0.0)
    a = net.forward(x[:, :, None])
    np.testing.assert_allclose(y, sigmoid(a)[:, :, 0], rtol=0, atol=1e-13)
    assert abs(loss - 8 * sigmoid_cross_entropy(a, t[:, :, None])[0]) < 1e-12
    assert wrong == np.count_nonzero((y > 0.5) != (t > 0.5))
    for name, param in net.params.items():
        np.testing.assert_array_equal(param, before[name])


def test_float32_is_close_to_float64(rng):
    fine = network(UNEVEN, rng, peepholes=True, scale=0.5)
    coarse = network(UNEVEN, rng, peepholes=True, dtype=np.float32)
    coarse.load_state_dict(fine.state_dict())
    x, t = stream(UNEVEN, rng, 20)
    y, loss, wrong = fine.learn_online(x, t, 0.05, 0.7)
    y32, loss32, wrong32 = coarse.learn_online(x, t, 0.05, 0.7)
    assert y32.dtype == np.float32 and wrong32 == wrong
    np.testing.assert_allclose(y32, y, rtol=0, atol=1e-5)
    assert abs(loss32 - loss) < 1e-4
    for name, param in fine.params.items():
        np.testing.assert_allclose(coarse.params[name], param, rtol=0, atol=1e-5, err_msg=name)


def test_pieces_and_single_steps_equal_the_whole_stream(rng):
    whole = network(UNEVEN, rng, peepholes=True)
    pieces, singles = twin(whole), twin(whole)
    x, t = stream(UNEVEN, rng, 10)
    y, loss, wrong = whole.learn_online(x, t, 0.1, 0.9)
    for net, cuts in ((pieces, [0, 3, 3, 10]), (singles, list(range(11)))):
        parts = [net.learn_online(x[a:b], t[a:b], 0.1, 0.9) for a, b in zip(cuts, cuts[1:], strict=False)]
        np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), y)
        assert abs(sum(part[1] for part in parts) - loss) < 1e-12
        assert sum(part[2] for part in parts) == wrong
        for name, param in whole.params.items():
            np.testing.assert_array_equal(net.params[name], param)


def test_reset_forgets_the_stream_and_its_partial_derivatives(rng):
    fresh = network(UNEVEN, rng, peepholes=True)
    reset, not_reset = twin(fresh), twin(fresh)
    noise, no_target = stream(UNEVEN, rng, 5)
    x, t = stream(UNEVEN, rng, 4)
    for net in (reset, not_reset):
        net.learn_online(noise, no_target, 0.0)  # states and partials grow, weights and momentum do not
    reset.reset()
    y_fresh, y_reset, y_not = (net.learn_online(x, t, 0.1, 0.5)[0] for net in (fresh, reset, not_reset))
    np.testing.assert_array_equal(y_reset, y_fresh)
    assert (y_not != y_fresh).any()
    for name, param in fresh.params.items():
        np.testing.assert_array_equal(reset.params[name], param)
        assert (not_reset.params[name] != param).any()


def test_partial_derivatives_alone_are_forgotten_too(rng):
    """Where every cell stays at zero, only a leftover partial derivative could tell of the past."""
    wiring = Wiring({"in": 1}, {"a": Blocks(1, 1)}, {"out": Outputs(1)}, {"a": ("in",), "out": ("a",)})
    net = CellBlocks(wiring, rng)
    net.params["a.cell"][...] = 0  # g = 0: the state stays zero, yet ds/dw of the cell's weight is i g' x
    net.learn_online(np.ones((3, 1)), np.zeros((3, 1)), 0.0)
    net.reset()
    x, t = np.zeros((1, 1)), np.ones((1, 1))
    net.learn_online(x, t, 1.0)
    np.testing.assert_array_equal(net.params["a.cell"], 0)


def test_full_gradient_and_stream_do_not_disturb_each_other(rng):
    net = network(TINY, rng)
    other = twin(net)
    x, t = stream(TINY, rng, 6)
    net.learn_online(x[:3], t[:3], 0.1)
    other.learn_online(x[:3], t[:3], 0.1)
    net.backward(net.forward(rng.normal(size=(4, 2, 3))))
    np.testing.assert_array_equal(
        net.learn_online(x[3:], t[3:], 0.1)[0], other.learn_online(x[3:], t[3:], 0.1)[0]
    )


def test_a_loaded_state_is_what_the_stream_goes_on_with(rng):
    net, other = network(TINY, rng), network(TINY, rng)
    x, t = stream(TINY, rng, 3)
    expected = net.learn_online(x, t, 0.0)[0]
    other.learn_online(x, t, 0.0)
    other.reset()
    other.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(other.learn_online(x, t, 0.0)[0], expected)


# ------------------------------------------------------------------------------------ errors, loss, inputs


def test_gross_error_stops_after_the_first_bad_step_and_learns_from_it(rng):
    net = network(TINY, rng, scale=0.01)  # all outputs are close to 1/2
    net.params["out.weight"][0, -1] = 3.0  # but unit 0 says 1
    x = rng.normal(size=(6, 2))
    t = np.tile([1.0, 1.0], (6, 1))
    t[3, 0] = 0
    t[4, 0] = 0  # a later mistake is not reached
    stopped, four_steps = twin(net), twin(net)
    y, loss, wrong = stopped.learn_online(x, t, 0.01, 0.9, gross_error=0.8)
    assert y.shape == (4, 2)
    y_four, loss_four, wrong_four = four_steps.learn_online(x[:4], t[:4], 0.01, 0.9)
    np.testing.assert_array_equal(y, y_four)
    assert (loss, wrong) == (loss_four, wrong_four)
    for name, param in stopped.params.items():
        np.testing.assert_array_equal(param, four_steps.params[name])
    assert stopped.params["out.weight"][0, -1] < 3.0


def test_without_a_gross_error_the_stream_is_heard_to_its_end(rng):
    net = network(TINY, rng, scale=0.01)
    x, t = stream(TINY, rng, 5)
    assert len(net.learn_online(x, t, 0.0, gross_error=0.6)[0]) == 5


def test_certain_but_wrong_outputs_cost_what_they_should(rng):
    """The loss is exact where sigmoid rounds to 0 or 1, and over more units than one product can hold."""
    wiring = Wiring({"in": 1}, {"a": Blocks(1)}, {"out": Outputs(2000)}, {"a": ("in",), "out": ()})
    net = CellBlocks(wiring, rng)
    bias = net.params["out.weight"][:, -1]
    bias[:4] = 1000, -1000, 1000, -1000
    x, t = np.zeros((1, 1)), np.zeros((1, 2000))
    t[0, :4] = 0, 1, 1, 0.25
    y, loss, wrong = net.learn_online(x, t, 0.0)
    np.testing.assert_array_equal(y[0, :4], [1, 0, 1, 0])
    assert abs(loss - (1000 + 1000 + 0 + 250 + 1996 * np.log(2))) < 1e-9
    assert wrong == 2 + 1996  # 1/2 counts as wrong


@pytest.mark.parametrize("peepholes", [False, True], ids=["plain", "peepholes"])
def test_learning_a_toy_stream(peepholes, rng):
    """One bit every third step; nothing in the input tells when."""
    wiring = Wiring({"in": 1}, {"a": Blocks(2, 1)}, {"out": Outputs(1)}, {"a": ("in", "a"), "out": ("a",)})
    net = CellBlocks(wiring, rng, scale=0.5, peepholes=peepholes)
    period = np.array([[1.0], [0.0], [0.0]])
    x, t = np.tile(period, (20, 1)), np.tile(np.roll(period, -1, 0), (20, 1))
    losses = []
    for _ in range(20):
        net.reset()
        losses.append(net.learn_online(x, t, 0.1, 0.9)[1])
    assert losses[0] > 20
    assert losses[-1] < 2


@pytest.mark.parametrize(
    ("x", "t", "message"),
    [
        (np.zeros((4, 3)), np.zeros((4, 2)), r"expected x \(T, 2\), got \(4, 3\)"),
        (np.zeros((4, 2, 1)), np.zeros((4, 2)), r"expected x \(T, 2\), got \(4, 2, 1\)"),
        (np.zeros((4, 2)), np.zeros((3, 2)), r"expected t \(4, 2\), got \(3, 2\)"),
        (np.zeros((4, 2)), np.zeros((4, 1)), r"expected t \(4, 2\), got \(4, 1\)"),
        (np.full((4, 2), np.nan), np.zeros((4, 2)), "finite numbers in x"),
        (np.zeros((4, 2)), np.full((4, 2), np.inf), "finite numbers in t"),
    ],
)
def test_streams_of_another_shape_are_refused(x, t, message, rng):
    net = CellBlocks(TINY, rng)
    before = net.state_dict()
    with pytest.raises(ValueError, match=message):
        net.learn_online(x, t, 0.1)
    with pytest.raises(ValueError, match=message):
        net.truncated_gradient(x, t)
    for name, param in net.params.items():
        np.testing.assert_array_equal(param, before[name])


@pytest.mark.parametrize(
    "options",
    [
        {"lr": -0.1},
        {"lr": np.nan},
        {"lr": np.inf},
        {"lr": 0.1, "momentum": 1.0},
        {"lr": 0.1, "momentum": -0.1},
    ],
)
def test_learning_rates_and_momenta_out_of_range_are_refused(options, rng):
    with pytest.raises(ValueError, match="expected (lr|momentum)"):
        CellBlocks(TINY, rng).learn_online(np.zeros((2, 2)), np.zeros((2, 2)), **options)


def test_a_refused_truncated_gradient_keeps_the_momentum(rng):
    net = network(TINY, rng)
    x, t = stream(TINY, rng, 3)
    net.learn_online(x, t, 0.1)
    other = twin(net)
    with pytest.raises(ValueError):
        net.truncated_gradient(x, t[:2])
    net.reset()
    net.learn_online(x[:1], t[:1], 0.0, 0.5)
    assert any((net.params[name] != param).any() for name, param in other.params.items())


def test_an_empty_stream_changes_nothing(rng):
    net = CellBlocks(TINY, rng)
    before = net.state_dict()
    y, loss, wrong = net.learn_online(np.zeros((0, 2)), np.zeros((0, 2)), 0.1, 0.9)
    assert y.shape == (0, 2) and loss == 0 and wrong == 0
    for name, param in net.params.items():
        np.testing.assert_array_equal(param, before[name])
