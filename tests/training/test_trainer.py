"""The training loop: it learns, it measures rightly, and a broken-off run goes on bit for bit."""

import json
import math

import numpy as np
import pytest

from scratchnet.blocks.network import CellBlocks
from scratchnet.blocks.wiring import Blocks, Outputs, Wiring
from scratchnet.evaluation.held_out import HeldOut, evaluate
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.gru import GRU
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.sequential import Sequential
from scratchnet.training.batches import IGNORED, Batch, RandomWindows, Streams, evaluation_batches
from scratchnet.training.checkpoint import load_checkpoint, save_checkpoint
from scratchnet.training.losses import sigmoid_cross_entropy, softmax_cross_entropy
from scratchnet.training.optimizers import SGD, Adam, RMSprop
from scratchnet.training.schedules import Cosine, Plateau, WarmUp
from scratchnet.training.trainer import Diverged, Step, Trainer

V, H = 7, 6
TUNES = [(np.arange(size) * step + shift) % V for size, step, shift in ((40, 1, 0), (31, 2, 3), (25, 3, 1))]
HELD_OUT = evaluation_batches([(np.arange(23) * 2) % V, (np.arange(11) + 4) % V], 2)
PART = HeldOut.of_batches(HELD_OUT)


def network(seed=1, dtype=np.float32, stacked=0.0, dropout=0.0, cell=LSTM, layers=1):
    rng = np.random.default_rng(seed)
    above = [Dropout(dropout, rng)] if dropout else []
    recurrent = cell(5, H, rng, num_layers=layers, dropout=stacked, dtype=dtype)
    return Sequential([Embedding(V, 5, rng, dtype), recurrent, *above, Linear(H, V, rng, dtype)])


def trainer(seed=1, batches="streams", optimizer=Adam, lr=0.02, options=None, **of_network):
    model, rng = network(seed, **of_network), np.random.default_rng([seed, 1])
    if batches == "streams":
        batches = Streams(TUNES, 5, 3, rng)
    elif batches == "windows":
        batches = RandomWindows(np.concatenate(TUNES), 5, 3, rng)
    settings = options() if callable(options) else options or {}
    return Trainer(model, batches, optimizer(model.params, model.grads, lr), **settings)


def through_a_file(path, learner):
    save_checkpoint(path, *learner.state())
    return load_checkpoint(path)


def everything(learner):
    """All that must be equal, as bytes."""
    tensors, metadata = learner.state()
    batch = next(learner.batches)
    return {name: (a.shape, str(a.dtype), a.tobytes()) for name, a in tensors.items()} | {
        "metadata": json.dumps(metadata, sort_keys=True),
        "next": (batch.x.tobytes(), batch.y.tobytes(), batch.reset_state),
    }


def drive(learner, steps, eval_every=3):
    rows = []
    while learner.steps < steps:
        rows.append(learner.step())
        if learner.steps % eval_every == 0:
            rows.append(learner.evaluate(PART))
    return rows


CASES = {
    "random windows": {"batches": "windows"},
    "streams": {},
    "gru, momentum": {"cell": GRU, "optimizer": lambda *a: SGD(*a, momentum=0.9)},
    "rmsprop": {"optimizer": RMSprop},
    "dropout": {"dropout": 0.4},
    "stacked dropout": {"layers": 2, "stacked": 0.4},
    "both, mean of weights, clip": {
        "layers": 2,
        "stacked": 0.3,
        "dropout": 0.3,
        "options": {"ema_decay": 0.9, "clip": 0.5},
    },
    "schedule": {"options": lambda: {"schedule": WarmUp(4, Cosine(12, final=0.1))}},
    "plateau": {"lr": 0.3, "options": lambda: {"schedule": Plateau(patience=0)}},
}


@pytest.mark.parametrize("stop", [0, 4, 6, 13])
@pytest.mark.parametrize("case", CASES)
def test_a_broken_off_run_goes_on_bit_for_bit(case, stop, tmp_path):
    whole = trainer(**CASES[case])
    expected = drive(whole, 16)
    first, second = trainer(**CASES[case]), trainer(seed=2, **CASES[case])
    rows = drive(first, stop)
    second.load_state(*through_a_file(tmp_path / "a", first))
    if first.schedule:  # what a log says of the step before
        assert second.optimizer.lr == first.optimizer.lr
    assert rows + drive(second, 16) == expected
    assert everything(second) == everything(whole)
    assert whole.best["step"] > 0 and (case != "plateau" or whole.schedule.current < 1)


def test_it_learns_and_the_rows_say_what_happened():
    learner = trainer(options={"clip": 100.0})
    rows = [learner.step() for _ in range(60)]
    assert [row.step for row in rows] == list(range(1, 61))
    assert abs(rows[0].loss - math.log(V)) < 0.5 and rows[-1].loss < 0.7 * rows[0].loss
    assert all(row.targets == 15 and row.lr == 0.02 and 0 < row.norm < 100 for row in rows)


def test_one_step_is_what_the_textbook_says():
    """Forward from the carried state, backward to the beginning of the window only, clip, update."""
    learner, model = trainer(dtype=np.float64, optimizer=SGD, options={"clip": 0.1}), network(1, np.float64)
    batches = Streams(TUNES, 5, 3, np.random.default_rng([1, 1]))
    state = model.initial_state(3)
    for n in range(4):
        x, y, _, _ = next(batches)
        a, state = model.forward(x, state)
        loss, da = softmax_cross_entropy(a, y)
        model.zero_grad()
        model.backward(da)
        norm = math.sqrt(sum(float((g**2).sum()) for g in model.grads.values()))
        for name, w in model.params.items():
            w -= 0.02 * model.grads[name] * min(1, 0.1 / norm)
        row = learner.step()
        assert row == Step(n + 1, loss, pytest.approx(norm, rel=1e-12), 0.02, 15)
    for name, w in model.params.items():
        np.testing.assert_allclose(learner.model.params[name], w, rtol=1e-12, atol=1e-14)


def test_a_fresh_batch_begins_with_zeros():
    learner = trainer()
    for _ in range(learner.batches.steps):
        learner.step()
    at = np.concatenate([part.reshape(-1) for part in learner.carried])
    assert np.abs(at).max() > 0
    copy = network(3)
    copy.load_state_dict(learner.model.state_dict())
    rng = np.random.default_rng()
    rng.bit_generator.state = learner.batches.rng.bit_generator.state
    x, y, reset_state, _ = next(Streams(TUNES, 5, 3, rng))
    assert reset_state and learner.step().loss == softmax_cross_entropy(copy.forward(x), y)[0]


class Frames:
    """Three batches of frames x, y (T, 4, B), of which some steps are padding, over and over."""

    stateful = False

    def __init__(self, dtype):
        rng, self.place, self.made = np.random.default_rng(5), 0, []
        for T, lengths in ((5, [5, 2, 3]), (3, [3, 1]), (4, None)):
            B = 3 if lengths is None else len(lengths)
            x, y = rng.standard_normal((T, 4, B)).astype(dtype), rng.integers(0, 2, (T, 4, B))
            self.made.append(Batch(x, y, True, None if lengths is None else np.array(lengths)))

    def __next__(self):
        self.place += 1
        return self.made[(self.place - 1) % 3]

    def state_dict(self):
        return {"place": self.place}

    def load_state_dict(self, state):
        self.place = state["place"]


def of_frames(seed=3):
    rng = np.random.default_rng(seed)
    model = Sequential([LSTM(4, H, rng, dtype=np.float64), Linear(H, 4, rng, dtype=np.float64)])
    sgd = SGD(model.params, model.grads, 0.5)
    return Trainer(model, Frames(np.float64), sgd, loss=sigmoid_cross_entropy)


def test_another_loss_of_sequences_of_unequal_lengths(tmp_path):
    """Each sequence by itself, without padding: the gradients of all frames that count, and their mean."""
    learner, by_hand = of_frames(), of_frames()
    model, batches = by_hand.model, by_hand.batches
    for n in range(4):
        x, y, _, lengths = next(batches)
        T, B = len(x), x.shape[2]
        lengths = np.full(B, T) if lengths is None else lengths
        total = 0.0
        model.zero_grad()
        for k, length in enumerate(lengths):
            a = model.forward(x[:length, :, [k]])
            loss, da = sigmoid_cross_entropy(a, y[:length, :, [k]])
            model.backward(da * length / lengths.sum())
            total += loss * length / lengths.sum()
        norm = math.sqrt(sum(float((g**2).sum()) for g in model.grads.values()))
        by_hand.optimizer.step()
        step = learner.step()
        assert step == (n + 1, pytest.approx(total), pytest.approx(norm), 0.5, lengths.sum())
    for name, w in model.params.items():
        np.testing.assert_allclose(learner.model.params[name], w, rtol=1e-10)
    assert learner.carried is None
    again = of_frames(seed=4)
    again.load_state(*through_a_file(tmp_path / "a", learner))
    assert [again.step() for _ in range(3)] == [learner.step() for _ in range(3)]


def test_a_model_whose_backward_always_gives_dx():
    """Memory blocks have no need_dx, and no lengths."""
    wiring = Wiring({"in": 4}, {"b": Blocks(2, 1)}, {"out": Outputs(4)}, {"b": ("in", "b"), "out": ("b",)})
    model = CellBlocks(wiring, np.random.default_rng(1))
    batches = Frames(np.float64)
    batches.made = batches.made[2:] * 3
    learner = Trainer(model, batches, Adam(model.params, model.grads, 0.05), loss=sigmoid_cross_entropy)
    losses = [learner.step().loss for _ in range(60)]
    assert losses[-1] < 0.9 * losses[0]


def test_further_figures_of_an_evaluation_are_kept_with_the_best(tmp_path):
    learner, found = trainer(), iter([(3.0, 0.1, {"a": 1}), (2.0, 0.0, {"a": 2, "b": 2.5}), (4.0, 0.2)])
    for steps, best in ((1, {"error": 0.1, "a": 1}), (2, {"a": 2, "b": 2.5}), (3, {"a": 2, "b": 2.5})):
        learner.step()
        nats = learner.evaluate(lambda model, progress: next(found))
        assert learner.best == {"step": min(steps, 2), "nats": min(nats, learner.best["nats"])} | best
    assert (learner.error, learner.figures, learner.waited) == (0.2, {}, 1)
    again = trainer()
    again.load_state(*through_a_file(tmp_path / "a", learner))
    assert again.best == learner.best


def test_the_schedule_sets_the_rate_of_each_step():
    learner = trainer(options={"schedule": WarmUp(4)})
    assert [learner.step().lr for _ in range(6)] == pytest.approx([0.005, 0.01, 0.015, 0.02, 0.02, 0.02])


def test_the_mean_of_weights_is_evaluated_and_kept():
    learner = trainer(lr=0.1, options={"ema_decay": 0.5})
    mean = learner.model.state_dict()
    for step in range(1, 9):
        learner.step()
        weights, share = learner.model.state_dict(), min(0.5, step / (10 + step))
        mean = {name: (1 - share) * weights[name] + share * mean[name] for name in mean}
    for name, w in learner.ema.items():
        np.testing.assert_allclose(w, mean[name], rtol=1e-4, atol=1e-6)
    nats = learner.evaluate(PART)
    other = network(5)
    other.load_state_dict(learner.ema)
    assert nats == evaluate(other, HELD_OUT) != evaluate(learner.model, HELD_OUT)
    for name, w in learner.model.params.items():
        np.testing.assert_array_equal(w, weights[name])
        np.testing.assert_array_equal(learner.best_weights[name], learner.ema[name])


def test_evaluation_disturbs_nothing():
    options = {"layers": 2, "stacked": 0.4, "dropout": 0.4, "options": {"ema_decay": 0.9}}
    one, other = trainer(**options), trainer(**options)
    for _ in range(7):
        one.step()
        one.evaluate(PART)
        evaluate(one.model, HELD_OUT)
        other.step()
    one.best = one.best_weights = None
    one.best_weights, one.waited = {}, 0
    assert one.model.training
    assert everything(one) == everything(other)


@pytest.mark.parametrize("batch", [1, 2, 5, 9])
@pytest.mark.parametrize("length", [3, 8, 100])
def test_held_out_nats_do_not_depend_on_the_batches(batch, length, rng):
    model = network(dtype=np.float64, layers=2, stacked=0.5)
    sequences = [rng.integers(0, V, size) for size in (9, 20, 3, 14, 5, 20, 33)]
    total = count = 0
    model.eval()
    for tokens in sequences:
        a = model.forward(tokens[:-1, None])[:, :, 0]
        log_p = a - np.log(np.exp(a).sum(axis=1, keepdims=True))
        total -= log_p[np.arange(len(tokens) - 1), tokens[1:]][1:].sum()
        count += len(tokens) - 2
    model.train()
    ours = evaluate(model, evaluation_batches(sequences, batch, context=2, length=length))
    assert ours == pytest.approx(total / count, rel=1e-12)
    assert model.training


def test_evaluating_nothing_is_refused():
    model = network()
    model.eval()
    for batches in ([], [Batch(np.zeros((2, 2), int), np.full((2, 2), IGNORED))]):
        with pytest.raises(ValueError, match="at least one target"):
            evaluate(model, batches)
    assert not model.training


def test_waiting_and_the_best():
    learner, nats, waited = trainer(lr=3.0), [], []
    for _ in range(40):
        learner.step()
        nats.append(learner.evaluate(PART))
        best = int(np.argmin(nats))
        assert (
            learner.best == {"step": best + 1, "nats": nats[best]} and learner.waited == len(nats) - 1 - best
        )
        waited.append(learner.waited)
    assert max(waited) > 1
    best = network(5)
    best.load_state_dict(learner.best_weights)
    assert evaluate(best, HELD_OUT) == learner.best["nats"]


@pytest.mark.parametrize("where", ["weights", "gradient"])
def test_numbers_gone_wrong_stop_before_the_weights_change(where, monkeypatch):
    learner = trainer(options={"ema_decay": 0.9})
    drive(learner, 3)
    if where == "weights":
        learner.model.params["2.bias"][0] = np.inf  # a loss that is NaN
    else:
        backward = learner.model.backward
        monkeypatch.setattr(
            learner.model,
            "backward",
            lambda *a, **k: (backward(*a, **k), learner.model.grads["2.bias"].fill(np.nan)),
        )
    before = {name: w.tobytes() for name, w in learner.model.params.items()}
    moments = {name: w.tobytes() for name, w in learner.optimizer.state_dict().items()}
    with pytest.raises(Diverged, match=r"at step 4 the loss is \S+, the gradient's norm nan"):
        learner.step()
    assert {name: w.tobytes() for name, w in learner.model.params.items()} == before
    assert {name: w.tobytes() for name, w in learner.optimizer.state_dict().items()} == moments
    assert learner.steps == 3


def test_a_state_from_which_nothing_could_go_on_is_not_handed_out():
    learner = trainer()
    learner.step()
    learner.optimizer.memory["v"]["2.bias"][0] = np.inf
    with pytest.raises(Diverged, match="optimizer/v.2.bias"):
        learner.state()
    learner = trainer()
    learner.model.params["2.bias"][0] = np.nan
    with pytest.raises(Diverged, match="held-out loss is nan"):
        learner.evaluate(PART)


SPOILED = {
    "no weights": lambda t, m: [t.pop(name) for name in list(t) if name.startswith("last/")],
    "a weight less": lambda t, m: t.pop("last/0.weight"),
    "another shape": lambda t, m: t.update({"last/0.weight": np.zeros(3, np.float32)}),
    "no optimizer": lambda t, m: [t.pop(name) for name in list(t) if name.startswith("optimizer/")],
    "another step": lambda t, m: m.update(step=4),
    "no mean": lambda t, m: t.pop("mean/0.weight"),
    "another mean": lambda t, m: t.update({"mean/0.weight": np.zeros(3, np.float32)}),
    "no best": lambda t, m: t.pop("best/0.weight"),
    "best that is none": lambda t, m: m.update(best=None),
    "best of text": lambda t, m: m.update(best="x"),
    "best with a word": lambda t, m: m["best"].update(valid="x"),
    "best without step": lambda t, m: m.update(best={"nats": 1.0}),
    "waited": lambda t, m: m.update(waited="x"),
    "carried of another size": lambda t, m: t.update({"carried/0": np.zeros((1, H, 2), np.float32)}),
    "carried less": lambda t, m: t.pop("carried/1"),
    "carried NaN": lambda t, m: t["carried/0"].fill(np.nan),
    "batches": lambda t, m: m.update(batches=None),
    "generators": lambda t, m: m.update(generators=[]),
    "generators of numbers": lambda t, m: m.update(generators=3),
    "a generator": lambda t, m: m.update(generators=[{}]),
    "a schedule": lambda t, m: m.update(schedule={"best": 1.0}),
    "nothing": lambda t, m: m.clear(),
}  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILED)
def test_strange_states_are_refused(spoil, tmp_path):
    options = {"dropout": 0.3, "options": {"ema_decay": 0.9}}
    learner = trainer(**options)
    drive(learner, 3)
    tensors, metadata = through_a_file(tmp_path / "a", learner)
    trainer(**options).load_state(tensors, metadata)
    SPOILED[spoil](tensors, metadata)
    with pytest.raises(ValueError):
        trainer(**options).load_state(tensors, metadata)


def test_a_state_of_other_settings_is_refused(tmp_path):
    learner = trainer()
    drive(learner, 3)
    tensors, metadata = through_a_file(tmp_path / "a", learner)
    for other, message in (
        ({"layers": 2}, "missing"),
        ({"optimizer": SGD}, "does not fit the optimizer"),
        ({"options": {"ema_decay": 0.5}}, "mean of the weights"),
        ({"options": lambda: {"schedule": Plateau()}}, "expected a state of"),
        ({"batches": "windows"}, "place in batches"),
    ):
        with pytest.raises(ValueError, match=message):
            trainer(**other).load_state(tensors, metadata)


def test_settings_out_of_range():
    with pytest.raises(ValueError, match="ema_decay"):
        trainer(options={"ema_decay": 1.0})
