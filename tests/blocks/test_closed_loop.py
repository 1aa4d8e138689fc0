"""Networks that hear themselves: how outputs become bits, and bits the next inputs."""

import numpy as np
import pytest

from scratchnet.blocks.network import CellBlocks
from scratchnet.blocks.wiring import Blocks, Outputs, Wiring

DTYPES = [np.float64, np.float32]


def network(sizes, rng, dtype=np.float64):
    """Groups of outputs by name and size; every unit is an input, too, and hears everything."""
    everything = ("bits", "memory")
    wiring = Wiring(
        inputs={"bits": sum(sizes.values())},
        blocks={"memory": Blocks(2, 2)},
        outputs={name: Outputs(size) for name, size in sizes.items()},
        feeds={"memory": everything, **dict.fromkeys(sizes, everything)},
    )
    return CellBlocks(wiring, rng, scale=1.0, dtype=dtype)


def constant(probabilities, dtype=np.float64):
    """A network of one group, "note", whose outputs are these numbers whatever it hears."""
    net = network({"note": len(probabilities)}, np.random.default_rng(0), dtype)
    for param in net.params.values():
        param.fill(0)
    p = np.array(probabilities)
    net.params["note.weight"][:, -1] = np.log(p / (1 - p))
    return net


def played(probabilities, rule, steps=1, temperature=1.0, dtype=np.float64):
    net = constant(probabilities, dtype)
    start = np.zeros((1, len(probabilities)))
    return net.play(start, steps, {"note": rule}, np.random.default_rng(0), temperature)


def draw(y, rule, uniform, temperature):
    """Bits of one group by its definition."""
    if rule == "threshold":
        return y > 0.5
    bits = np.zeros(len(y), bool)
    if rule == "one" or y.sum() >= 0.5:
        powers = y ** (1 / temperature)
        bits[np.flatnonzero(uniform < np.cumsum(powers) / powers.sum())[0]] = True
    return bits


# -------------------------------------------------------------------------------------------------- rules


@pytest.mark.parametrize("dtype", DTYPES)
def test_threshold_is_on_above_one_half_and_not_at_it(dtype):
    assert played([0.49, 0.5, 0.51, 0.99, 0.01], "threshold", dtype=dtype).tolist() == [[0, 0, 1, 1, 0]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_one_draws_exactly_one_with_the_probabilities_of_the_outputs(dtype, temperature):
    y, steps = np.array([0.1, 0.6, 0.3, 0.02]), 3000
    bits = played(y, "one", steps, temperature, dtype)
    assert (bits.sum(1) == 1).all()
    p = y ** (1 / temperature) / (y ** (1 / temperature)).sum()
    deviation = np.sqrt(p * (1 - p) / steps)
    assert (abs(bits.mean(0) - p) < 4 * deviation).all()


@pytest.mark.parametrize(("y", "sounds"), [([0.2, 0.29], False), ([0.2, 0.31], True), ([0.04] * 13, True)])
def test_one_or_none_is_silent_where_the_outputs_sum_to_less_than_one_half(y, sounds):
    bits = played(y, "one or none", 200)
    assert (bits.sum(1) == sounds).all()
    if sounds:
        assert (bits == played(y, "one", 200)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_sounds_however_small_the_outputs_are_together(dtype):
    bits = played([0.001, 0.003, 0.001], "one", 300, dtype=dtype)
    assert (bits.sum(1) == 1).all()
    assert abs(bits[:, 1].mean() - 0.6) < 0.12


def test_a_low_temperature_plays_safe_and_a_high_one_makes_all_alike():
    y = [0.5, 0.4, 0.1]
    assert played(y, "one", 300, 0.05)[:, 0].mean() > 0.95  # (5/4)^20 = 87 to 1
    assert (abs(played(y, "one", 3000, 1000.0).mean(0) - 1 / 3) < 0.04).all()


def test_each_group_follows_its_own_rule(rng):
    net = network({"chord": 3, "note": 4, "onset": 1}, rng)
    rules = {"note": "one", "chord": "threshold", "onset": "threshold"}
    bits = net.play(np.zeros((1, 8)), 100, rules, rng)
    assert bits.dtype == np.uint8 and bits.shape == (100, 8) and set(bits.ravel()) == {0, 1}
    assert (bits[:, 3:7].sum(1) == 1).all()
    assert len(set(bits[:, :3].sum(1).tolist())) > 1


# ----------------------------------------------------------------------------------------------- feedback


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("note", ["one", "one or none"])
def test_its_bits_are_what_it_hears_next(rng, note, scaled):
    """Replayed by hand: hear the same bits step by step, draw of the outputs with the same random numbers."""
    net = network({"chord": 2, "note": 4}, rng)
    shift, gain = (rng.normal(size=(2, 6))) if scaled else (np.zeros(6), np.ones(6))
    start = rng.integers(0, 2, (3, 6))
    rules, temperature = {"chord": "threshold", "note": note}, 1.7
    bits = net.play(
        start, 40, rules, np.random.default_rng(5), temperature, (shift, gain) if scaled else None
    )

    net.reset()
    uniforms = np.random.default_rng(5).random((40, 2))
    net.listen((start[:2] - shift) * gain)
    heard = start[2:]
    for now in range(40):
        y = net.listen((heard - shift) * gain)[0]
        expected = np.concatenate(
            [
                draw(y[:2], "threshold", uniforms[now, 0], temperature),
                draw(y[2:], note, uniforms[now, 1], temperature),
            ]
        )
        assert bits[now].tolist() == expected.tolist(), now
        heard = bits[now : now + 1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_in_pieces_as_in_one_go(rng, dtype):
    net = network({"chord": 2, "note": 4}, rng, dtype)
    start, rules = rng.integers(0, 2, (5, 6)), {"chord": "threshold", "note": "one"}
    whole = net.play(start, 60, rules, np.random.default_rng(3))
    net.reset()
    generator, heard, pieces = np.random.default_rng(3), start, []
    for steps in (1, 20, 0, 39):
        pieces.append(net.play(heard, steps, rules, generator))
        heard = pieces[-1][-1:] if steps else heard
    assert (np.concatenate(pieces) == whole).all()


def test_playing_changes_neither_weights_nor_what_was_given(rng):
    net = network({"note": 4}, rng)
    weights, start = net.state_dict(), np.eye(4)[:2]
    net.play(start, 30, {"note": "one"}, rng, scaling=(np.full(4, 0.5), np.full(4, 2.0)))
    assert (start == np.eye(4)[:2]).all()
    for name, param in net.params.items():
        np.testing.assert_array_equal(param, weights[name])


# ---------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("temperature", [0, -1, np.nan, np.inf])
def test_other_temperatures_are_refused(temperature):
    with pytest.raises(ValueError, match="expected temperature > 0"):
        played([0.5, 0.2], "one", temperature=temperature)


@pytest.mark.parametrize(
    "rules", [{}, {"note": "two"}, {"chord": "one"}, {"note": "one", "chord": "threshold"}]
)
def test_rules_that_do_not_fit_are_refused(rng, rules):
    with pytest.raises(ValueError, match=r"expected for each of \['note'\] one of"):
        network({"note": 3}, rng).play(np.zeros((1, 3)), 2, rules, rng)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((0, 3)), "at least one step"),
        (np.zeros((1, 4)), r"expected x \(T, 3\), got \(1, 4\)"),
        (np.zeros(3), r"expected x \(T, 3\), got \(3,\)"),
        (np.full((1, 3), np.nan), "expected finite numbers in x"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(rng, x, message):
    with pytest.raises(ValueError, match=message):
        network({"note": 3}, rng).play(x, 2, {"note": "one"}, rng)


def test_a_network_that_cannot_hear_itself_is_refused(rng):
    wiring = Wiring({"bits": 3}, {"memory": Blocks(1)}, {"note": Outputs(2)}, {"note": ("bits",)})
    with pytest.raises(ValueError, match="as many outputs as inputs, to be fed back, got 2 and 3"):
        CellBlocks(wiring, rng).play(np.zeros((1, 3)), 2, {"note": "one"}, rng)
