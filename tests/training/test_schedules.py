"""Schedules: their values, and that the steps taken follow them."""

import json
import math

import numpy as np
import pytest

from scratchnet.training.optimizers import SGD, Adam
from scratchnet.training.schedules import (
    Constant,
    Cosine,
    Exponential,
    Plateau,
    Product,
    Schedule,
    StepDecay,
    WarmUp,
)

ALL = {
    "constant": lambda: Constant(),
    "step": lambda: StepDecay(3, 0.5),
    "exponential": lambda: Exponential(0.9),
    "cosine": lambda: Cosine(8, 0.1),
    "warm-up": lambda: WarmUp(4, Cosine(6)),
    "plateau": lambda: Plateau(0.5, 1),
    "product": lambda: Product(WarmUp(3), Product(Plateau(0.5, 1), Cosine(8.5, 0.1))),
}


def values(schedule, steps):
    return [schedule(n) for n in range(steps)]


def test_values_by_hand():
    assert values(Constant(), 3) == [1, 1, 1]
    assert values(StepDecay(2, 0.5), 6) == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert values(Exponential(0.5), 4) == [1, 0.5, 0.25, 0.125]
    np.testing.assert_allclose(values(Cosine(4, 0.2), 7), [1, 0.2 + 0.8 * (2 + 2**0.5) / 4, 0.6,
                               0.2 + 0.8 * (2 - 2**0.5) / 4, 0.2, 0.2, 0.2], rtol=1e-14)  # fmt: skip
    assert values(Cosine(2.5), 4)[1:] == pytest.approx([0.654508497, 0.095491503, 0])
    assert values(Product(WarmUp(2), StepDecay(2, 0.5)), 5) == [0.5, 1, 0.5, 0.5, 0.25]
    assert values(WarmUp(4), 6) == [0.25, 0.5, 0.75, 1, 1, 1]
    assert values(WarmUp(2, StepDecay(2, 0.5)), 7) == [0.5, 1, 1, 1, 0.5, 0.5, 0.25]


@pytest.mark.parametrize("name", ALL)
def test_the_steps_taken_follow_the_schedule(name):
    """With gradients of 1, gradient descent moves by the rate itself."""
    schedule, other = ALL[name](), ALL[name]()
    params, grads = {"w": np.zeros(3)}, {"w": np.ones(3)}
    optimizer, moved, factors = SGD(params, grads, lr=0.25), [], []
    for _ in range(12):
        before = params["w"].copy()
        factors.append(other(optimizer.steps))
        assert schedule.apply(optimizer) == optimizer.lr == 0.25 * factors[-1]
        optimizer.step()
        moved.append(before - params["w"])
        for each in (schedule, other):
            each.observe(1.0)  # never better than the first
    np.testing.assert_allclose(moved, 0.25 * np.array(factors)[:, None] * np.ones(3), rtol=0, atol=1e-15)
    if name != "constant":
        assert len(set(factors)) > 2  # it does act


def test_the_first_rate_of_a_cosine_is_the_optimizers_and_the_last_is_final():
    optimizer = Adam({"w": np.zeros(1)}, {"w": np.ones(1)}, 0.1)
    schedule, rates = Cosine(5, 0.01), []
    for _ in range(6):
        rates.append(schedule.apply(optimizer))
        optimizer.step()
    assert rates[0] == 0.1 and rates[-1] == pytest.approx(0.001, rel=1e-14)
    assert all(a > b for a, b in zip(rates, rates[1:], strict=False))


def test_at_the_end_of_a_cosine_to_zero_nothing_moves():
    params = {"w": np.zeros(1)}
    optimizer = Adam(params, {"w": np.ones(1)}, 0.1)
    optimizer.steps = 10
    assert Cosine(10).apply(optimizer) == 0
    optimizer.step()
    assert params["w"] == 0


def test_a_resumed_training_goes_on_in_its_schedule(rng):
    gradients = rng.normal(size=(12, 4))

    def train(optimizer, schedule, steps):
        for _ in steps:
            optimizer.grads["w"][:] = gradients[optimizer.steps]
            schedule.apply(optimizer)
            optimizer.step()

    def make():
        return Adam({"w": np.zeros(4)}, {"w": np.zeros(4)}, 0.1), WarmUp(3, Cosine(9))

    whole, schedule = make()
    train(whole, schedule, range(12))
    first, schedule = make()
    train(first, schedule, range(7))
    second, fresh = make()
    second.load_state_dict(first.state_dict())
    second.params["w"][:] = first.params["w"]
    train(second, fresh, range(5))
    np.testing.assert_array_equal(second.params["w"], whole.params["w"])


def test_plateau_by_hand():
    schedule = Plateau(0.5, patience=1)
    heard = []
    for loss in (3.0, 2.0, 2.5, 2.0, 1.0, 1.5, 1.0, math.nan, 1.5, 0.5):
        schedule.observe(loss)
        heard.append(schedule(0))
    assert heard == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    assert schedule.best == 0.5 and schedule.waited == 0


def test_plateau_asks_for_the_threshold_and_keeps_the_lowest():
    schedule = Plateau(0.1, patience=0, threshold=0.5, lowest=0.05)
    for loss, factor in ((2.0, 1.0), (1.6, 0.1), (1.4, 0.1), (1.3, 0.05), (1.3, 0.05)):
        schedule.observe(loss)
        assert schedule(7) == pytest.approx(factor, rel=1e-15)


def test_plateau_goes_on_from_its_state():
    losses = [3.0, 2.0, 2.5, 2.0, 1.0, 1.5, 1.0, 1.5]
    for cut in range(len(losses)):
        whole, first, second = (WarmUp(1, Plateau(0.5, patience=2)) for _ in range(3))
        for loss in losses:
            whole.observe(loss)
        for loss in losses[:cut]:
            first.observe(loss)
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        for loss in losses[cut:]:
            second.observe(loss)
        assert second(5) == whole(5) < 1
        assert second.state_dict() == whole.state_dict()


def test_states_that_do_not_fit_are_refused_and_change_nothing():
    schedule = Plateau(0.5, patience=2)
    schedule.observe(1.0)
    good = schedule.state_dict()
    for change in (
        {"best": math.nan},
        {"waited": 3},
        {"waited": -1},
        {"current": 2.0},
        {"current": math.nan},
    ):
        with pytest.raises(ValueError, match=f"expected {next(iter(change))}"):
            schedule.load_state_dict(good | change)
    for state in ({}, {"best": 1.0}, good | {"more": 1}):
        with pytest.raises(ValueError, match="expected a state of"):
            schedule.load_state_dict(state)
    assert schedule.state_dict() == good
    Constant().load_state_dict({})
    with pytest.raises(ValueError, match="expected the empty state of Constant"):
        Constant().load_state_dict(good)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StepDecay(0), "every >= 1"),
        (lambda: StepDecay(1, 0.0), r"factor in \(0, 1\]"),
        (lambda: Exponential(1.5), r"factor in \(0, 1\]"),
        (lambda: Exponential(math.nan), r"factor in \(0, 1\]"),
        (lambda: Cosine(0), "steps > 0"),
        (lambda: Cosine(math.nan), "steps > 0"),
        (lambda: Product(WarmUp(2), 3), "second"),
        (lambda: Product(Plateau(), Constant()).load_state_dict({}), "expected the states of"),
        (lambda: Cosine(5, -0.1), r"final in \[0, 1\]"),
        (lambda: WarmUp(0), "steps >= 1"),
        (lambda: Plateau(1.0), r"factor in \(0, 1\)"),
        (lambda: Plateau(patience=-1), "patience"),
        (lambda: Plateau(patience=1.5), "patience"),
        (lambda: Plateau(threshold=-1), "threshold"),
        (lambda: Plateau(lowest=2), "lowest"),
    ],
)
def test_numbers_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_base_class_is_not_a_schedule():
    with pytest.raises(TypeError, match="__call__"):
        Schedule()


@pytest.mark.torch
def test_torch_agrees(rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    of = torch.optim.lr_scheduler
    pairs = (
        (StepDecay(3, 0.3), lambda o: of.StepLR(o, 3, 0.3)),
        (Exponential(0.8), lambda o: of.ExponentialLR(o, 0.8)),
        (Cosine(20, 0.1), lambda o: of.CosineAnnealingLR(o, 20, eta_min=0.05 * 0.1)),
        (WarmUp(5), lambda o: of.LinearLR(o, 0.2, 1.0, 4)),
        (
            WarmUp(5, Cosine(15)),
            lambda o: of.SequentialLR(o, [of.LinearLR(o, 0.2, 1.0, 4), of.CosineAnnealingLR(o, 15)], [5]),
        ),
    )
    for schedule, make in pairs:
        params, grads = {"w": rng.normal(size=3)}, {"w": np.zeros(3)}
        tensor = torch.tensor(params["w"].copy(), requires_grad=True)
        ours, theirs = Adam(params, grads, 0.05), torch.optim.Adam([tensor], 0.05)
        scheduler = make(theirs)
        for _ in range(20):
            grads["w"][:] = rng.normal(size=3)
            tensor.grad = torch.tensor(grads["w"])
            schedule.apply(ours)
            assert ours.lr == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-12)
            ours.step()
            theirs.step()
            scheduler.step()
        np.testing.assert_allclose(params["w"], tensor.detach().numpy(), rtol=0, atol=1e-12)


@pytest.mark.torch
def test_torch_finds_the_same_plateaus(rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        theirs, factor=0.5, patience=2, threshold=0.1, threshold_mode="abs", min_lr=0.03, eps=0
    )
    schedule = Plateau(0.5, patience=2, threshold=0.1, lowest=0.03)
    for n in range(40):
        loss = 3 / (1 + n) + 0.2 * rng.random()
        scheduler.step(loss)
        schedule.observe(loss)
        assert schedule(n) == theirs.param_groups[0]["lr"]
    assert schedule(0) == 0.03
