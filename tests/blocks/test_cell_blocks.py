"""The full-gradient half of CellBlocks: against the textbook, against differences, against torch."""

import json

import numpy as np
import pytest
from plain_twins import by_name, wired

from scratchnet import plain
from scratchnet.blocks.network import IDENTITY, PAPER_G, PAPER_H, TANH, CellBlocks
from scratchnet.blocks.wiring import Blocks, Outputs, Wiring
from scratchnet.checking.gradcheck import gradcheck
from scratchnet.kernels.activations import sigmoid
from scratchnet.plain.layer import NONLINEARITIES
from scratchnet.training.losses import sigmoid_cross_entropy

BIASES = (-0.5, -1.0, -1.5, -2.0)


def experiment_1(units=12):
    """Eck & Schmidhuber's first network; with 7 units that of Gers, Schmidhuber & Cummins (2000)."""
    return Wiring(
        inputs={"notes": units},
        blocks={"memory": Blocks(4, 2, input_bias=BIASES, forget_bias=BIASES, output_bias=BIASES)},
        outputs={"next": Outputs(units, bias=0.5)},
        feeds={"memory": ("notes", "memory"), "next": ("notes", "memory")},
    )


def experiment_2(chord_units=12, melody_units=13, blocks=4):
    """Their second: chords on their own, and a melody that listens to the chord cells."""
    return Wiring(
        inputs={"chord": chord_units, "melody": melody_units},
        blocks={"chord memory": Blocks(blocks, 2), "melody memory": Blocks(blocks, 2)},
        outputs={"next chord": Outputs(chord_units), "next melody": Outputs(melody_units)},
        feeds={
            "chord memory": ("chord", "chord memory"),
            "melody memory": ("melody", "chord memory", "melody memory"),
            "next chord": ("chord", "chord memory"),
            "next melody": ("melody", "melody memory"),
        },
    )


def uneven(cell_bias=False):
    """Groups with other numbers of cells a block; "b" does not hear itself, "n" hears no input."""
    return Wiring(
        inputs={"p": 2, "q": 1},
        blocks={
            "a": Blocks(1, 2, forget_bias=1.0, cell_bias=cell_bias),
            "b": Blocks(2, 1, input_bias=(-0.3, 0.4)),
        },
        outputs={"m": Outputs(2), "n": Outputs(1, bias=-0.2)},
        feeds={"a": ("p", "a", "b"), "b": ("q", "a"), "m": ("b", "p"), "n": ("a",)},
    )


def tiny(cell_bias=False):
    """As little as shows everything: two inputs, a block of two cells, one of one cell, two outputs."""
    return Wiring(
        inputs={"in": 2},
        blocks={"a": Blocks(1, 2, cell_bias=cell_bias), "b": Blocks(1, 1)},
        outputs={"out": Outputs(2)},
        feeds={"a": ("in", "a", "b"), "b": ("in", "b"), "out": ("in", "a", "b")},
    )


ACTIVATIONS = {  # name: (g and h as the class takes them, the same on paper)
    "paper": (PAPER_G, PAPER_H, NONLINEARITIES["paper g"], NONLINEARITIES["paper h"]),
    "identity h": (PAPER_G, IDENTITY, NONLINEARITIES["paper g"], NONLINEARITIES["identity"]),
    "identity g and h": (IDENTITY, IDENTITY, NONLINEARITIES["identity"], NONLINEARITIES["identity"]),
    "tanh": (TANH, TANH, NONLINEARITIES["tanh"], NONLINEARITIES["tanh"]),
    "another": (
        (2.0, 1.0),
        PAPER_H,
        (lambda a: 2 * np.tanh(a), lambda y: 2 - y**2 / 2),
        NONLINEARITIES["paper h"],
    ),
}


def state_like(net, rng, B):
    return tuple(rng.normal(size=(net.wiring.cell_count, B)) for _ in "sy")


# ------------------------------------------------------------------------------------------------- forward


@pytest.mark.parametrize(
    ("wiring", "peepholes", "activation"),
    [
        (experiment_1(), False, "paper"),
        (experiment_2(), False, "paper"),
        (uneven(), False, "paper"),
        (uneven(), True, "paper"),
        (uneven(cell_bias=True), True, "identity h"),
        (tiny(cell_bias=True), True, "identity g and h"),
        (tiny(), False, "tanh"),
        (tiny(), True, "another"),
    ],
    ids=lambda value: value if isinstance(value, str) else ("peepholes" if value is True else None),
)
def test_both_passes_are_those_of_the_textbook(wiring, peepholes, activation, rng):
    activation_g, activation_h, g, h = ACTIVATIONS[activation]
    net = CellBlocks(
        wiring, rng, scale=0.8, peepholes=peepholes, activation_g=activation_g, activation_h=activation_h
    )
    for group, blocks in wiring.blocks.items():
        if blocks.cell_bias:
            net.params[f"{group}.cell"][:, -1] = rng.normal(size=len(net.params[f"{group}.cell"]))
    T, B = 5, 2
    x, da = rng.normal(size=(T, wiring.input_size, B)), rng.normal(size=(T, wiring.output_size, B))
    state, dstate = state_like(net, rng, B), state_like(net, rng, B)
    slow = wired(plain.CellBlocks, wiring, net.params, g=g, h=h)
    results = []
    for one in (net, slow):
        a, final = one.forward(x, state)
        dx, dfirst = one.backward(da, dstate)
        grads = one.grads if one is net else by_name(wiring, slow.grads, net.params)
        results.append([a, *final, dx, *dfirst, *(grads[name] for name in net.params)])
    assert results[0][0].shape == (T, wiring.output_size, B)
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-11)


def test_without_a_state_it_starts_from_zero(rng):
    net = CellBlocks(tiny(), rng)
    x = rng.normal(size=(3, 2, 2))
    with_zeros, _ = net.forward(x, net.initial_state(2))
    np.testing.assert_array_equal(net.forward(x), with_zeros)


def test_parameter_counts_of_the_papers(rng):
    assert CellBlocks(experiment_1(), rng).parameter_count == 664
    assert CellBlocks(experiment_2(), rng).parameter_count == 1542
    assert CellBlocks(experiment_1(units=7), rng).parameter_count == 424  # continual embedded Reber grammar
    peepholes = CellBlocks(experiment_1(), rng, peepholes=True).parameter_count
    assert peepholes == 664 + 4 * 2 * 3


def test_initial_biases_and_scale(rng):
    net = CellBlocks(experiment_1(), rng, scale=0.1)
    for gate in ("input", "forget", "output"):
        np.testing.assert_array_equal(net.params[f"memory.{gate}_gate"][:, -1], BIASES)
    np.testing.assert_array_equal(net.params["next.weight"][:, -1], 0.5)
    weights = np.concatenate(
        [net.params[f"memory.{kind}"][:, :20].ravel() for kind in ("input_gate", "cell")]
    )
    assert 0.09 < abs(weights).max() <= 0.1 and abs(weights.mean()) < 0.02
    by_fan_in = CellBlocks(experiment_1(), rng, scale=None).params["memory.cell"]  # 20 sources, no bias
    assert 0.95 / np.sqrt(20) < abs(by_fan_in).max() <= 1 / np.sqrt(20)
    assert (CellBlocks(tiny(cell_bias=True), rng).params["a.cell"][:, -1] == 0).all()


def test_params_and_grads_have_the_same_names_and_shapes(rng):
    net = CellBlocks(uneven(), rng, peepholes=True)
    assert {name: grad.shape for name, grad in net.grads.items()} == {
        name: p.shape for name, p in net.params.items()
    }
    assert net.params["a.input_gate"].shape == (1, 7)  # 2 of p, 4 cells, bias
    assert net.params["b.cell"].shape == (2, 3)  # 1 of q, 2 cells of a, no bias
    assert net.params["a.output_peephole"].shape == (2,)


def test_float32_is_close_to_float64(rng):
    fine = CellBlocks(experiment_2(), rng, scale=0.5, peepholes=True)
    coarse = CellBlocks(experiment_2(), rng, peepholes=True, dtype=np.float32)
    coarse.load_state_dict(fine.state_dict())
    x = rng.integers(0, 2, size=(12, 25, 2))
    da = rng.normal(size=(12, 25, 2))
    a, a32 = fine.forward(x), coarse.forward(x)
    assert a32.dtype == np.float32
    np.testing.assert_allclose(a32, a, rtol=0, atol=1e-5)
    dx, dx32 = fine.backward(da), coarse.backward(da)
    assert dx32.dtype == np.float32
    np.testing.assert_allclose(dx32, dx, rtol=0, atol=1e-5 * abs(dx).max())
    for name, grad in fine.grads.items():
        assert coarse.grads[name].dtype == np.float32
        np.testing.assert_allclose(coarse.grads[name], grad, rtol=0, atol=1e-5 * abs(grad).max())


# ------------------------------------------------------------------------------------------------ backward


@pytest.mark.parametrize(
    ("wiring", "peepholes", "activation"),
    [
        (tiny(), False, "paper"),
        (tiny(cell_bias=True), True, "paper"),
        (tiny(), True, "identity h"),
        (tiny(), True, "identity g and h"),
        (tiny(), True, "tanh"),
        (tiny(), True, "another"),
        (uneven(cell_bias=True), True, "paper"),
    ],
    ids=lambda value: value if isinstance(value, str) else ("peepholes" if value is True else None),
)
def test_every_gradient_against_differences(wiring, peepholes, activation, rng):
    activation_g, activation_h, _, _ = ACTIVATIONS[activation]
    net = CellBlocks(
        wiring, rng, scale=0.8, peepholes=peepholes, activation_g=activation_g, activation_h=activation_h
    )
    T, B = 3, 2
    x = rng.normal(size=(T, wiring.input_size, B))
    report = gradcheck(net, x, state_like(net, rng, B), rng)
    assert {row.name for row in report.rows} == {*net.params, "input x", "initial state 0", "initial state 1"}
    assert report.ok, f"\n{report}"


def test_backward_adds_to_grads(rng):
    net = CellBlocks(tiny(), rng)
    x, da = rng.normal(size=(3, 2, 2)), rng.normal(size=(3, 2, 2))
    net.forward(x)
    net.backward(da)
    once = {name: grad.copy() for name, grad in net.grads.items()}
    net.forward(x)
    net.backward(da)
    for name, grad in net.grads.items():
        np.testing.assert_allclose(grad, 2 * once[name], rtol=1e-15)
    net.zero_grad()
    assert all((grad == 0).all() for grad in net.grads.values())


def test_pieces_in_a_chain_equal_the_whole(rng):
    net = CellBlocks(uneven(cell_bias=True), rng, scale=0.8, peepholes=True)
    T, B, cut = 6, 2, 4
    x, da = rng.normal(size=(T, 3, B)), rng.normal(size=(T, 3, B))
    start, dend = state_like(net, rng, B), state_like(net, rng, B)
    a, end = net.forward(x, start)
    dx, dstart = net.backward(da, dend)
    whole = {name: grad.copy() for name, grad in net.grads.items()}

    net.zero_grad()
    a_1, middle = net.forward(x[:cut], start)
    a_2, end_of_pieces = net.forward(x[cut:], middle)
    dx_2, dmiddle = net.backward(da[cut:], dend)
    net.forward(x[:cut], start)  # backward belongs to the last forward
    dx_1, dstart_of_pieces = net.backward(da[:cut], dmiddle)

    np.testing.assert_allclose(np.concatenate([a_1, a_2]), a, rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.concatenate([dx_1, dx_2]), dx, rtol=0, atol=1e-13)
    for k in range(2):
        np.testing.assert_allclose(end_of_pieces[k], end[k], rtol=0, atol=1e-13)
        np.testing.assert_allclose(dstart_of_pieces[k], dstart[k], rtol=0, atol=1e-13)
    for name, grad in net.grads.items():
        np.testing.assert_allclose(grad, whole[name], rtol=0, atol=1e-12, err_msg=name)


def test_a_returned_state_is_the_callers_own(rng):
    net = CellBlocks(tiny(), rng, peepholes=True)
    x, da = rng.normal(size=(2, 2, 1)), rng.normal(size=(2, 2, 1))
    start = net.initial_state(1)
    net.forward(x, start)
    net.backward(da)
    expected = {name: grad.copy() for name, grad in net.grads.items()}
    net.zero_grad()
    _, (s, y) = net.forward(x, start)
    s[...], y[...] = 99, 99
    assert (net.record()["cell output"] != 99).all()
    net.backward(da)
    for name, grad in net.grads.items():
        np.testing.assert_array_equal(grad, expected[name])
    assert (start[0] == 0).all() and (start[1] == 0).all()


# ------------------------------------------------------------------------------------ who may know of what


def test_sequences_of_a_batch_do_not_meet(rng):
    net = CellBlocks(tiny(), rng, scale=0.8, peepholes=True)
    x, da = rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 3))
    a = net.forward(x)
    dx = net.backward(da)
    x[:, :, 1], da[:, :, 1] = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    a_other = net.forward(x)
    dx_other = net.backward(da)
    np.testing.assert_array_equal(a_other[:, :, [0, 2]], a[:, :, [0, 2]])
    np.testing.assert_array_equal(dx_other[:, :, [0, 2]], dx[:, :, [0, 2]])
    assert (a_other[:, :, 1] != a[:, :, 1]).all()


def test_the_gradient_of_a_batch_is_the_sum_of_its_sequences(rng):
    net = CellBlocks(tiny(), rng, scale=0.8, peepholes=True)
    x, da = rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 3))
    net.forward(x)
    net.backward(da)
    together = {name: grad.copy() for name, grad in net.grads.items()}
    net.zero_grad()
    for n in range(3):
        net.forward(x[:, :, n : n + 1])
        net.backward(da[:, :, n : n + 1])
    for name, grad in net.grads.items():
        np.testing.assert_allclose(grad, together[name], rtol=0, atol=1e-13, err_msg=name)


def test_the_past_does_not_know_the_future(rng):
    net = CellBlocks(tiny(), rng, scale=0.8, peepholes=True)
    x = rng.normal(size=(6, 2, 1))
    a = net.forward(x)
    da = np.zeros_like(a)
    da[3] = 1
    dx = net.backward(da)
    assert (dx[4:] == 0).all() and (dx[:4] != 0).all()
    x[4:] += 1
    later = net.forward(x)
    np.testing.assert_array_equal(later[:4], a[:4])
    assert (later[4:] != a[4:]).all()


def test_melody_never_reaches_the_chords(rng):
    net = CellBlocks(experiment_2(3, 2, blocks=1), rng, scale=0.8, peepholes=True)
    x = rng.normal(size=(5, 5, 2))
    a = net.forward(x)
    other = x.copy()
    other[:, 3:] = rng.normal(size=(5, 2, 2))
    for name, param in net.params.items():
        if "melody" in name:
            param += rng.normal(size=param.shape)
    a_other = net.forward(other)
    np.testing.assert_array_equal(a_other[:, :3], a[:, :3])
    assert (a_other[:, 3:] != a[:, 3:]).all()


def test_the_loss_of_the_chords_never_reaches_the_melody(rng):
    net = CellBlocks(experiment_2(3, 2, blocks=1), rng, scale=0.8, peepholes=True)
    a = net.forward(rng.normal(size=(5, 5, 2)))
    da = np.zeros_like(a)
    da[:, :3] = rng.normal(size=(5, 3, 2))
    dx = net.backward(da)
    assert (dx[:, 3:] == 0).all() and (dx[:, :3] != 0).all()
    for name, grad in net.grads.items():
        assert (grad == 0).all() if "melody" in name else (grad != 0).any(), name


def test_the_melodys_error_flows_into_the_chord_blocks_it_hears_but_not_into_chord_outputs(rng):
    """With the full gradient. That the truncated one stops it is a test of test_cell_blocks_online.py."""
    net = CellBlocks(experiment_2(3, 2, blocks=1), rng, scale=0.8)
    a = net.forward(rng.normal(size=(5, 5, 2)))
    da = np.zeros_like(a)
    da[:, 3:] = rng.normal(size=(5, 2, 2))
    net.backward(da)
    assert (net.grads["next chord.weight"] == 0).all()
    assert (net.grads["chord memory.cell"] != 0).any()


def test_what_is_not_wired_has_no_weight_and_no_effect(rng):
    net = CellBlocks(uneven(), rng, scale=0.8, peepholes=True)
    for param in net.params.values():
        param[param == 0] = 1  # biases
    W, V, u = net.matrices()
    assert W.shape == (3 * 3 + 4, 3 + 4 + 1) and V.shape == (3, 8) and u.shape == (3, 4)
    rows_of_b = [1, 2, 4, 5, 8, 9, 11, 12]  # of i, f, g and o
    assert (W[rows_of_b][:, [0, 1, 5, 6]] == 0).all()  # b hears neither p nor itself
    assert (W[rows_of_b][:, [2, 3, 4]] != 0).all()
    assert (V[2, [0, 1, 2, 5, 6]] == 0).all() and (V[2, [3, 4]] != 0).all()  # n hears a alone
    assert sum(np.count_nonzero(matrix) for matrix in (W, V, u)) == net.parameter_count


# ----------------------------------------------------------------------------- saving, options, bad inputs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_options_survive_json(dtype, rng):
    wiring = Wiring(
        inputs={"p": 2, "q": 1},
        blocks={
            "a": Blocks(2, 2, input_bias=(0.1, -0.3), forget_bias=1.0, cell_bias=True),
            "b": Blocks(1, 1),
        },
        outputs={"m": Outputs(2, bias=0.5)},
        feeds={"a": ("p", "a", "b"), "b": ("q", "a"), "m": ("b", "p")},
    )
    net = CellBlocks(wiring, rng, peepholes=True, activation_g=TANH, activation_h=IDENTITY, dtype=dtype)
    options = json.loads(json.dumps(net.options()))
    before = json.dumps(options)
    twin = CellBlocks.from_options(options, rng)
    assert json.dumps(options) == before  # left as they were
    assert twin.wiring == wiring and twin.options() == net.options()
    old = {name.replace("activation", "activation"): value for name, value in options.items()}
    assert CellBlocks.from_options(old, rng).options() == net.options()  # as checkpoints had it
    twin.load_state_dict(net.state_dict())
    x = rng.normal(size=(3, 3, 2))
    np.testing.assert_array_equal(twin.forward(x), net.forward(x))


def test_state_dict_is_a_copy(rng):
    net = CellBlocks(tiny(), rng)
    state = net.state_dict()
    state["a.cell"] += 1
    assert (net.params["a.cell"] != state["a.cell"]).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda state: state.pop("out.weight"), "missing.*out.weight"),
        (lambda state: state.update(extra=np.zeros(2)), "unknown.*extra"),
        (lambda state: state.update({"out.weight": np.zeros((6, 2))}), r"out\.weight.*\(2, 6\).*\(6, 2\)"),
        (
            lambda state: state.update({"out.weight": np.zeros((1, 6))}),
            r"out\.weight",
        ),  # must not be stretched
        (lambda state: state["out.weight"].__setitem__((1, 1), np.nan), r"finite.*out\.weight"),
        (lambda state: state["out.weight"].__setitem__((1, 1), np.inf), r"finite.*out\.weight"),
    ],
    ids=["missing", "unknown", "transposed", "one row", "nan", "inf"],
)
def test_a_state_that_does_not_fit_changes_nothing(spoil, message, dtype, rng):
    net = CellBlocks(tiny(), rng, dtype=dtype)
    before = net.state_dict()
    state = {name: value + 1 for name, value in before.items()}
    spoil(state)
    with pytest.raises(ValueError, match=message):
        net.load_state_dict(state)
    for name, value in before.items():
        np.testing.assert_array_equal(net.params[name], value)


def test_a_number_too_large_for_float32_is_refused(rng):
    net = CellBlocks(tiny(), rng, dtype=np.float32)
    before = net.state_dict()
    state = {name: value.astype(float) + 1 for name, value in before.items()}
    state["out.weight"][0, 0] = 1e300
    with pytest.raises(ValueError, match=r"finite.*out\.weight"):
        net.load_state_dict(state)
    for name, value in before.items():
        np.testing.assert_array_equal(net.params[name], value)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((4, 3, 1)), r"expected x \(T, 2, B\), got \(4, 3, 1\)"),
        (np.zeros((4, 2)), r"expected x \(T, 2, B\), got \(4, 2\)"),
        (np.zeros((0, 2, 1)), r"expected x \(T, 2, B\) with at least one step"),
        (np.zeros((4, 2, 0)), r"expected x \(T, 2, B\) with at least one step"),
        (np.full((4, 2, 1), np.nan), "expected finite numbers in x"),
        (np.full((4, 2, 1), -np.inf), "expected finite numbers in x"),
    ],
)
def test_forward_refuses(x, message, rng):
    with pytest.raises(ValueError, match=message):
        CellBlocks(tiny(), rng).forward(x)


def test_forward_refuses_a_state_of_another_shape(rng):
    net = CellBlocks(tiny(), rng)
    x, good = np.zeros((2, 2, 4)), np.zeros((3, 4))
    with pytest.raises(ValueError, match=r"expected state s \(3, 4\), got \(3, 1\)"):
        net.forward(x, (np.zeros((3, 1)), good))
    with pytest.raises(ValueError, match=r"expected state y \(3, 4\), got \(4, 3\)"):
        net.forward(x, (good, np.zeros((4, 3))))
    with pytest.raises(ValueError, match="finite numbers in state y"):
        net.forward(x, (good, np.full((3, 4), np.nan)))
    with pytest.raises(ValueError):
        net.forward(x, (good,))


def test_backward_refuses(rng):
    net = CellBlocks(tiny(), rng)
    state = net.initial_state(4)
    net.forward(np.zeros((2, 2, 4)), state)
    with pytest.raises(ValueError, match=r"expected da \(2, 2, 4\), got \(3, 2, 4\)"):
        net.backward(np.zeros((3, 2, 4)))
    da, good = np.zeros((2, 2, 4)), np.zeros((3, 4))
    with pytest.raises(ValueError, match=r"expected dstate ds \(3, 4\), got \(3, 1\)"):
        net.backward(da, (np.zeros((3, 1)), good))
    with pytest.raises(ValueError, match=r"expected dstate dy \(3, 4\), got \(3, 1\)"):
        net.backward(da, (good, np.zeros((3, 1))))
    assert all((grad == 0).all() for grad in net.grads.values())


def test_the_class_refuses_other_precisions(rng):
    with pytest.raises(ValueError, match="float32 or float64"):
        CellBlocks(tiny(), rng, dtype=np.float16)


def test_record_shows_the_last_forward(rng):
    wiring = uneven()
    net = CellBlocks(wiring, rng, scale=0.8)
    x = rng.normal(size=(5, 3, 2))
    _, (s, y) = net.forward(x, net.initial_state(2))
    record = net.record()
    rows = {
        "input gate": 3,
        "forget gate": 3,
        "cell input": 4,
        "output gate": 3,
        "state": 4,
        "cell output": 4,
    }
    assert {name: array.shape for name, array in record.items()} == {
        name: (5, n, 2) for name, n in rows.items()
    }
    np.testing.assert_array_equal(record["state"][-1], s)
    np.testing.assert_array_equal(record["cell output"][-1], y)
    before = np.concatenate([np.zeros((1, 4, 2)), record["state"][:-1]])
    block = [0, 0, 1, 2]
    carried = record["forget gate"][:, block] * before + record["input gate"][:, block] * record["cell input"]
    np.testing.assert_allclose(record["state"], carried, rtol=0, atol=1e-14)
    shown = record["output gate"][:, block] * np.tanh(record["state"] / 2)  # h(s) = 2 sigmoid(s) - 1
    np.testing.assert_allclose(record["cell output"], shown, rtol=0, atol=1e-14)


# --------------------------------------------------------------------------------------------------- torch


@pytest.mark.torch
def test_one_cell_blocks_are_the_lstm_of_today(rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    D, H, K, T, B = 3, 4, 2, 6, 3
    wiring = Wiring(
        inputs={"in": D},
        blocks={"lstm": Blocks(H, 1, cell_bias=True)},
        outputs={"out": Outputs(K)},
        feeds={"lstm": ("in", "lstm"), "out": ("lstm",)},
    )
    net = CellBlocks(wiring, rng, activation_g=TANH, activation_h=TANH)
    torch.manual_seed(0)
    lstm, linear = torch.nn.LSTM(D, H).double(), torch.nn.Linear(H, K).double()
    kinds = ("input_gate", "forget_gate", "cell", "output_gate")  # torch's order: i, f, g, o

    def by_kind(array):
        return dict(zip(kinds, array.detach().numpy().reshape(4, H, -1), strict=True))

    W_ih, W_hh = by_kind(lstm.weight_ih_l0), by_kind(lstm.weight_hh_l0)
    bias = by_kind(lstm.bias_ih_l0 + lstm.bias_hh_l0)
    state = {f"lstm.{kind}": np.hstack([W_ih[kind], W_hh[kind], bias[kind]]) for kind in kinds}
    state["out.weight"] = np.hstack([linear.weight.detach().numpy(), linear.bias.detach().numpy()[:, None]])
    net.load_state_dict(state)

    x, t = rng.normal(size=(T, D, B)), rng.integers(0, 2, size=(T, K, B)).astype(float)
    s0, y0 = state_like(net, rng, B)

    def tensor(array):  # torch keeps the batch before the features
        return torch.tensor(np.ascontiguousarray(np.swapaxes(array, -1, -2)), requires_grad=True)

    x_torch, s_torch, y_torch = tensor(x), tensor(s0), tensor(y0)
    hidden, (y_end, s_end) = lstm(x_torch, (y_torch[None], s_torch[None]))
    logits = linear(hidden)
    loss_torch = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, tensor(t).detach(), reduction="sum"
    ) / (T * B)
    (loss_torch + s_end.sum() - 2 * y_end.sum()).backward()

    a, (s, y) = net.forward(x, (s0, y0))
    loss, da = sigmoid_cross_entropy(a, t)
    dx, (ds, dy) = net.backward(da, (np.ones_like(s), np.full_like(y, -2)))

    def same(ours, theirs):
        np.testing.assert_allclose(ours, np.swapaxes(theirs.detach().numpy(), -1, -2), rtol=0, atol=1e-10)

    assert abs(loss - loss_torch.item()) < 1e-12
    same(a, logits)
    same(s, s_end[0])
    same(y, y_end[0])
    same(dx, x_torch.grad)
    same(ds, s_torch.grad)
    same(dy, y_torch.grad)
    dW_ih, dW_hh, dbias = (
        by_kind(lstm.weight_ih_l0.grad),
        by_kind(lstm.weight_hh_l0.grad),
        by_kind(lstm.bias_hh_l0.grad),
    )
    for kind in kinds:
        expected = np.hstack([dW_ih[kind], dW_hh[kind], dbias[kind]])
        np.testing.assert_allclose(net.grads[f"lstm.{kind}"], expected, rtol=0, atol=1e-10, err_msg=kind)
    expected = np.hstack([linear.weight.grad.numpy(), linear.bias.grad.numpy()[:, None]])
    np.testing.assert_allclose(net.grads["out.weight"], expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(
        sigmoid(a), np.swapaxes(torch.sigmoid(logits).detach().numpy(), 1, 2), rtol=0, atol=1e-12
    )
