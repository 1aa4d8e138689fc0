"""The comparison's networks, and its anchors."""

from dataclasses import replace

import numpy as np
import pytest

from encoders.tokens.blues import MELODY_LOW, SCALE, loss_floor
from experiments.blues.chords import warm_up
from experiments.blues.comparison import FREQUENCY, WALK, anchors, cross_entropy, trial, walk_loss
from experiments.blues.models import BOTH, CHORDS, CONTENDERS, FORM
from experiments.blues.training import make_pieces, make_trainer


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.name)
@pytest.mark.parametrize(("sizes", "weights"), [(CHORDS, 664), (BOTH, 1542)], ids=["chords", "both"])
def test_all_networks_have_about_the_reports_number_of_weights(contender, sizes, weights, rng):
    count = contender.make(sizes, rng).parameter_count
    assert abs(count - weights) < 0.06 * weights


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.name)
def test_every_network_learns_and_composes(contender, rng):
    pieces = make_pieces(contender.recipe, 0, FORM)
    network = contender.make(BOTH, rng)
    before = network.state_dict()
    trainer = make_trainer(replace(contender.recipe, batch=2, length=1), network, pieces, 2, 0)
    trainer.batches.length = 1
    trainer.step()
    assert any((before[name] != param).any() for name, param in network.params.items())
    network.reset()
    prime = pieces.stream(pieces.fresh[:1, None])[:3, :, 0]
    names = getattr(network, "wiring", None)
    rules = {"next chord": "threshold", "next note": "one"} if names else {}
    bits = network.play(prime, 5, rules, rng)
    assert bits.shape == (5, 25)
    assert (bits[:, 12:].sum(1) == 1).all()


def test_warming_up_changes_nothing(rng):
    contender = CONTENDERS[1]
    pieces = make_pieces(contender.recipe, 0, FORM, with_melody=False)
    network = contender.make(CHORDS, rng)
    trainer = make_trainer(contender.recipe, network, pieces, 7, 0)
    before, generator = network.state_dict(), trainer.batches.rng.bit_generator.state
    warm_up(trainer)
    assert all((before[name] == param).all() for name, param in network.params.items())
    assert (trainer.batches.done, trainer.batches.total, trainer.steps) == (0, 7, 0)
    assert trainer.batches.rng.bit_generator.state == generator
    assert not network.stream_state()["velocity"].any()


def test_warming_up_a_batch_trainer_changes_nothing(rng):
    contender = next(c for c in CONTENDERS if c.name == "cell blocks, full BPTT")
    pieces = make_pieces(contender.recipe, 0, FORM, with_melody=False)
    warm, cold = (
        make_trainer(
            replace(contender.recipe, batch=1), contender.make(CHORDS, np.random.default_rng(5)), pieces, 9, 0
        )
        for _ in range(2)
    )
    warm_up(warm)
    assert warm.step() == cold.step()
    ours, theirs = warm.state()[0], cold.state()[0]
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array)
    assert warm.steps == 1


def test_a_trial_gives_a_row():
    name, experiment, row = trial("cell blocks, truncated RTRL, lr 1e-4", 1, 3, 2)
    assert (name, experiment) == ("cell blocks, truncated RTRL, lr 1e-4", 1)
    assert row["seed"] == 3 and row["choruses"] == 2 and row["steps"] == 192 and row["success"] is False


def test_anchors_lie_between_the_floor_and_chance():
    values = anchors(0)
    assert loss_floor(FORM) < values[WALK] < values[FREQUENCY] < 13 * np.log(2)


def test_cross_entropy_of_a_certain_prediction_is_zero():
    bits = np.array([[0, 1, 0]])
    assert cross_entropy(np.array([0.0, 1.0, 0.0]), bits) == pytest.approx([0], abs=1e-9)
    assert cross_entropy(np.array([0.5, 0.5, 0.5]), bits) == pytest.approx([3 * np.log(2)])


def test_a_walk_predicts_a_walk():
    """One piece that climbs the scale: each beat costs what a third costs in independent units, within a beat
    nothing.
    """
    notes = np.repeat(np.array(SCALE[1:6]) - MELODY_LOW, FORM.beat)
    bits = (notes[:, None] == np.arange(13)).astype(np.uint8)[None]
    rate = np.full(13, 0.5)
    third = -np.log(1 / 3) - 2 * np.log(2 / 3)
    assert walk_loss(bits, rate, 0.0) == pytest.approx((4 * third + 13 * np.log(2)) / 10, rel=1e-2)
