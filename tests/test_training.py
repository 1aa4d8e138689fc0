"""The training loop: what a step does, and that going on is as if nothing had happened."""

import json

import numpy as np
import pytest

from scratchnet.batches import RandomWindows, Streams, judged
from scratchnet.dropout import Dropout
from scratchnet.linear import Linear
from scratchnet.losses import softmax_cross_entropy
from scratchnet.lstm import LSTM
from scratchnet.optimizers import SGD, Adam, clip_global_norm
from scratchnet.schedules import Cosine, Plateau, WarmUp
from scratchnet.sequential import Sequential
from scratchnet.training import Diverged, Trainer, evaluate

V = 5
TEXT = np.tile([0, 1, 2, 3, 0, 2, 4], 40)


def network(rng, layers=1, dropout=0.0, H=8):
    lstm = LSTM(V, H, rng, num_layers=layers, dropout=dropout)
    return Sequential([lstm, Dropout(dropout, rng), Linear(H, V, rng)])


def trainer(
    seed=0, streams=True, layers=1, dropout=0.0, average=0.0, schedule=None, clip=1.0, optimizer=Adam
):
    model = network(np.random.default_rng([seed, 0]), layers, dropout)
    rng = np.random.default_rng([seed, 1])
    batches = Streams([TEXT[:100], TEXT[100:]], 6, 3, rng) if streams else RandomWindows(TEXT, 6, 3, rng)
    return Trainer(model, batches, optimizer(model.params, model.grads, 0.02), clip, schedule, average)


HELD_OUT = judged([TEXT[:30], TEXT[:12]], 2)


def test_it_learns():
    one = trainer()
    first = one.judge(HELD_OUT)
    losses = [one.step().loss for _ in range(250)]
    assert losses[0] > 1.5 and losses[-1] < 0.4 and one.judge(HELD_OUT) < 0.5 < first
    assert one.best["step"] == 250 and one.steps == 250


def test_a_step_is_what_it_says():
    one, two = trainer(dropout=0.3, layers=2), trainer(dropout=0.3, layers=2)
    model, adam, state = two.model, two.optimizer, None
    for number in range(1, 60):
        step = one.step()
        batch = next(two.batches)
        state = model.initial_state(3) if batch.fresh else state
        a, state = model.forward(batch.x, state)
        loss, da = softmax_cross_entropy(a, batch.y)
        model.zero_grad()
        model.backward(da, need_dx=False)
        norm = clip_global_norm(model.grads, 1.0)
        adam.step()
        assert (step.step, step.loss, step.norm, step.lr, step.tokens) == (
            number,
            float(loss),
            norm,
            0.02,
            18,
        )
    for name, w in one.model.params.items():
        np.testing.assert_array_equal(w, model.params[name])


def test_judging_disturbs_nothing():
    one, two = (trainer(dropout=0.3, layers=2, average=0.9) for _ in range(2))
    for _ in range(20):
        one.judge(HELD_OUT)
        assert one.step() == two.step()


def test_the_mean_is_judged_and_kept():
    one = trainer(average=0.9)
    mean = {name: w.copy() for name, w in one.model.params.items()}
    for step in range(1, 30):
        one.step()
        keep = np.float32(1 - min(0.9, step / (10 + step)))
        for name, w in one.model.params.items():
            mean[name] += keep * (w - mean[name])
    nats = one.judge(HELD_OUT)
    for name, w in mean.items():
        np.testing.assert_array_equal(one.best_weights[name], w)
    one.model.load_state_dict(mean)
    assert evaluate(one.model, HELD_OUT) == nats == one.best["nats"]


def test_nats_do_not_depend_on_the_batch(rng):
    model, texts = network(rng), [TEXT[:k] for k in (9, 20, 5, 31, 17)]
    nats = [evaluate(model, judged(texts, batch)) for batch in (1, 2, 5)]
    np.testing.assert_allclose(nats, nats[0], rtol=1e-6)
    total = 0.0
    for text in texts:
        loss, _ = softmax_cross_entropy(model.forward(text[:-1, None]), text[1:, None])
        total += loss * (len(text) - 1)
    np.testing.assert_allclose(nats[0], total / sum(len(text) - 1 for text in texts), rtol=1e-6)


def test_waiting_for_a_better_judgement():
    one = trainer(optimizer=SGD)
    one.judge(HELD_OUT)
    for name in one.model.params:
        one.model.params[name] *= 3
    one.judge(HELD_OUT)
    one.judge(HELD_OUT)
    assert one.waited == 2 and one.best["step"] == 0


SETTINGS = [
    {},
    {"streams": False},
    {"dropout": 0.4, "layers": 2},
    {"average": 0.95},
    {"schedule": WarmUp},
    {"schedule": Plateau},
    {"optimizer": SGD, "clip": None},
]


def made(settings):
    schedules = {WarmUp: lambda: WarmUp(5, Cosine(60)), Plateau: lambda: Plateau(factor=0.5, patience=1)}
    settings = dict(settings)
    if "schedule" in settings:
        settings["schedule"] = schedules[settings["schedule"]]()
    return trainer(**settings)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: " ".join(map(str, settings)) or "plain")
def test_going_on_is_bit_by_bit_the_same(settings):
    one = made(settings)
    for k in range(31):
        one.step()
        if k % 10 == 0:
            one.judge(HELD_OUT)
    tensors, metadata = one.state()
    tensors = {name: array.copy() for name, array in tensors.items()}
    two = made(settings | {"seed": 3})
    two.load_state(tensors, json.loads(json.dumps(metadata)))
    for k in range(40):
        assert one.step() == two.step()
        if k % 10 == 0:
            assert one.judge(HELD_OUT) == two.judge(HELD_OUT)
    ours, theirs = one.state(), two.state()
    assert ours[1] == theirs[1] and ours[0].keys() == theirs[0].keys()
    for name, array in ours[0].items():
        np.testing.assert_array_equal(array, theirs[0][name])


def test_the_state_of_another_trainer():
    tensors, metadata = trainer(average=0.9).state()
    with pytest.raises(ValueError, match="mean of the weights"):
        trainer().load_state(tensors, metadata)
    with pytest.raises(ValueError, match="does not fit"):
        trainer(layers=2, average=0.9).load_state(tensors, metadata)


def test_divergence_changes_nothing():
    one = trainer()
    one.step()
    one.model.params["0.bias_ih_l0"][0] = np.nan
    before = one.model.state_dict()
    with pytest.raises(Diverged, match="at step 2 the loss is nan"):
        one.step()
    for name, w in one.model.params.items():
        np.testing.assert_array_equal(w, before[name])
    assert one.steps == 1
    with pytest.raises(Diverged, match="held-out loss is nan"):
        one.judge(HELD_OUT)


@pytest.mark.parametrize("average", [-0.1, 1.0])
def test_bad_input(average):
    with pytest.raises(ValueError, match="average in"):
        trainer(average=average)
