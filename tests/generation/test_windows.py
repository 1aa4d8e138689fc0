"""Windows with one target each: to learn from, to evaluate on, to compose with."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnet.evaluation.held_out import HeldOut
from scratchnet.generation.windows import Windows, continue_windows, evaluation_windows
from scratchnet.layers.batch_norm import BatchNorm
from scratchnet.layers.conv1d import Conv1D
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.heads import Flatten
from scratchnet.layers.linear import Linear
from scratchnet.layers.lookup import Lookup
from scratchnet.layers.sequential import Sequential
from scratchnet.training.batches import IGNORED
from scratchnet.training.optimizers import Adam
from scratchnet.training.trainer import Diverged, Trainer

PIECES = [np.arange(100, 109), np.arange(200, 203), np.arange(300, 317)]


def windows(sequences=PIECES, length=4, batch=3, seed=0, **options):
    return Windows(sequences, length, batch, np.random.default_rng(seed), **options)


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(0, 20), min_size=1, max_size=6),
    length=st.integers(1, 6),
    batch=st.integers(1, 5),
)
def test_every_window_once_an_epoch(sizes, length, batch):
    pieces = [np.arange(1000 * k, 1000 * k + size) for k, size in enumerate(sizes, 1)]
    wanted = [s for p in pieces for s in p[length:].tolist()]
    if len(wanted) < batch:
        with pytest.raises(ValueError, match=f"at least {batch} windows"):
            windows(pieces, length, batch)
        return
    batches, found = windows(pieces, length, batch), []
    for _ in range(len(wanted) // batch):
        x, y, reset_state, lengths = next(batches)
        assert x.shape == (length, batch) and y.shape == (1, batch) and reset_state and lengths is None
        np.testing.assert_array_equal(np.diff(np.vstack([x, y]), axis=0), 1)  # within one piece
        found += y[0].tolist()
    assert len(set(found)) == len(found) and set(found) <= set(wanted)
    assert batches.epoch == 1
    next(batches)
    assert batches.epoch == 2
    found = evaluation_windows(pieces, length, batch)
    assert [t for b in found for t in b.y[0].tolist()] == wanted


def test_going_on_sees_the_same_batches():
    def moved(rng):
        return [piece + rng.integers(3) for piece in PIECES]

    for place in (0, 1, 5, 9):
        batches = windows(moved, noise=0.3, vocabulary=50, first=1)
        for _ in range(place):
            next(batches)
        state = json.loads(json.dumps(batches.state_dict()))
        wanted = [next(batches) for _ in range(9)]
        again = windows(moved, noise=0.3, vocabulary=50, first=1, seed=7)
        again.load_state_dict(state)
        for a, b in zip(wanted, (next(again) for _ in range(9)), strict=True):
            np.testing.assert_array_equal(a.x, b.x)
            np.testing.assert_array_equal(a.y, b.y)
    with pytest.raises(ValueError, match="the same tokens"):
        windows(PIECES[:1]).load_state_dict(windows().state_dict())
    with pytest.raises(ValueError, match="length"):
        windows(length=3).load_state_dict(windows().state_dict())


def test_noise_changes_what_is_heard_and_not_what_is_to_be_said():
    pieces = [np.arange(1000, 3000)]
    (x, y, *_), (plain, target, *_) = (
        next(windows(pieces, 20, 500, noise=n, vocabulary=9, first=1)) for n in (0.25, 0.0)
    )
    np.testing.assert_array_equal(y, target)
    hit = x != plain
    assert 0.23 < hit.mean() < 0.27 and set(x[hit]) == set(range(1, 9))


def test_unknown_targets_do_not_count():
    pieces = [np.array([1, 2, 0, 3, 0, 4])]
    (batch,) = evaluation_windows(pieces, 2, 8, unknown=0)
    assert batch.y.tolist() == [[IGNORED, 3, IGNORED, 4]] and batch.x[0].tolist() == [1, 2, 0, 3]
    assert sum(b.y.size for b in evaluation_windows([np.arange(90)], 10, 8, most=12)) == 12
    with pytest.raises(ValueError, match="not unknown"):
        evaluation_windows([np.array([1, 2, 0, 0])], 2, 8, unknown=0)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: windows([np.arange(4)]), "at least 3 windows of 4 tokens and one more, got 0"),
        (lambda: windows([np.zeros((9, 2), int)]), "whole numbers"),
        (lambda: windows([np.zeros(9)]), "whole numbers"),
        (lambda: windows(length=0), "length >= 1"),
        (lambda: windows(noise=1.0, vocabulary=5), "noise"),
        (lambda: windows(noise=0.5), "vocabulary"),
        (lambda: evaluation_windows([np.arange(3)], 3, 2), "at least 4 tokens"),
        (lambda: evaluation_windows(PIECES, 3, 0), "batch"),
        (lambda: evaluation_windows(PIECES, 3, 1, most=0), "most"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def tiny(seed=0, V=7, T=5):
    """Convolution, batch normalisation, dropout, flatten: all that cannot stream."""
    rng = np.random.default_rng(seed)
    return Sequential(
        [Conv1D(V, 6, 3, rng), BatchNorm(6), Dropout(0.2, rng), Flatten(), Linear(6 * (T - 2), V, rng)]
    )


def trainer(ema_decay=0.9):
    model = tiny()
    batches = Windows([np.arange(60) % 7, np.arange(40) * 3 % 7], 5, 8, np.random.default_rng(1))
    return Trainer(model, batches, Adam(model.params, model.grads, 0.01), clip=1.0, ema_decay=ema_decay)


def test_training_goes_on_bit_by_bit_with_running_statistics():
    held_out = HeldOut.of_batches(evaluation_windows([np.arange(30) * 2 % 7], 5, 8))
    straight = trainer()
    stopped = trainer()
    for learner in (straight, stopped):
        for _ in range(6):
            learner.step()
        learner.evaluate(held_out)
    tensors, metadata = stopped.state()
    again = trainer()
    again.load_state(
        {name: array.copy() for name, array in tensors.items()}, json.loads(json.dumps(metadata))
    )
    for _ in range(8):
        assert straight.step() == again.step()
    assert straight.evaluate(held_out) == again.evaluate(held_out)
    ours, theirs = straight.state()[0], again.state()[0]
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)
    assert {f"{part}/1.running_mean" for part in ("last", "mean", "best")} <= ours.keys()
    assert ours["mean/1.num_batches_tracked"] == 14
    for part in ("last", "mean", "best"):  # each is a whole network
        network = tiny(3)
        network.load_state_dict({k.partition("/")[2]: w for k, w in ours.items() if k.startswith(part)})


def test_the_mean_is_evaluated_with_its_own_statistics():
    learner = trainer()
    for _ in range(20):
        learner.step()
    before = learner.model.state_dict()
    held_out = HeldOut.of_batches(evaluation_windows([np.arange(30) * 2 % 7], 5, 8))
    nats = learner.evaluate(held_out)
    for name, array in learner.model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    network = tiny(3)
    network.load_state_dict(learner.ema)
    assert held_out(network) == (nats, 0.0)
    np.testing.assert_array_equal(learner.best_weights["1.running_mean"], learner.ema["1.running_mean"])


def test_a_diverged_step_leaves_the_statistics_alone():
    learner = trainer()
    learner.step()
    learner.model.params["0.weight"][...] = 3e38
    before = {name: array.copy() for name, array in learner.model.running.items()}
    with pytest.raises(Diverged):
        learner.step()
    for name, array in learner.model.running.items():
        np.testing.assert_array_equal(array, before[name])


def test_composing_by_windows_is_composing_step_by_step():
    model = tiny()
    for _ in range(3):
        model.forward(np.random.default_rng(4).integers(0, 7, (5, 9)))  # statistics
    primers = [np.arange(5), np.array([3, 3, 1, 0, 6])]
    mask = np.arange(7) != 2
    found = continue_windows(model, primers, 6, np.random.default_rng(5), mask, top_k=1)
    assert found.shape == (6, 2) and model.training
    model.eval()
    for n, primer in enumerate(primers):
        tokens = list(primer)
        for _ in range(6):
            a = model.forward(np.array(tokens[-5:])[:, None])[0, :, 0]
            tokens.append(int(np.where(mask, a, -np.inf).argmax()))
        assert found[:, n].tolist() == tokens[5:]


def test_a_piece_is_the_same_whatever_stands_beside_it():
    model, primer = tiny(), np.arange(5)
    one = continue_windows(model, [primer], 12, np.random.default_rng(5))
    many = continue_windows(model, [primer] * 3, 12, np.random.default_rng(5))
    assert one[:, 0].tolist() == many[:, 0].tolist() != many[:, 1].tolist()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"temperature": 0}, "temperature > 0"), ({"top_p": 0}, "top_p"), ({"top_k": 0}, "top_k"),
        ({"primers": [np.arange(4), np.arange(5)]}, "of one length"), ({"primers": []}, "of one length"),
        ({"length": -1}, "length >= 0"),
    ],
)  # fmt: skip
def test_composing_refuses(options, message):
    options = {"primers": [np.arange(5)], "length": 2} | options
    with pytest.raises(ValueError, match=message):
        continue_windows(tiny(), rng=np.random.default_rng(0), **options)


def test_outputs_that_are_not_finite_are_refused():
    model = tiny()
    model.params["4.bias"][0] = np.nan
    with pytest.raises(ValueError, match="finite outputs"):
        continue_windows(model, [np.arange(5)], 2, np.random.default_rng(0))


def test_a_lookup_is_a_table(rng):
    table = rng.standard_normal((7, 3)).astype(np.float32)
    layer, x = Lookup(table), rng.integers(0, 7, (4, 2))
    y = layer.forward(x)
    assert y.shape == (4, 3, 2) and y.dtype == np.float32 and not layer.params and not layer.state_dict()
    for t in range(4):
        for n in range(2):
            np.testing.assert_array_equal(y[t, :, n], table[x[t, n]])
    assert layer.backward(y) is None
    with pytest.raises(ValueError, match=r"tokens in 0 \.\. 6"):
        layer.forward(x + 6)
    with pytest.raises(ValueError, match="dy"):
        layer.backward(y[1:])
    for bad in (np.zeros((0, 3)), np.zeros(3), np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match="table"):
            Lookup(bad)
    with pytest.raises(ValueError, match="forward pass"):
        Lookup(table).backward(y)
