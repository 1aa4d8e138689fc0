"""The polyphony networks: what is learned from, what is counted, and that a stop changes nothing."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from polyphony_files import pieces

from experiments.common.run_folder import RunFolder
from experiments.polyphony import runs
from experiments.polyphony.composing import TICKS, compose, to_score
from experiments.polyphony.data import SOURCES, SPLITS, MusicSet, batches, pad, transpose
from experiments.polyphony.networks import make_network
from experiments.polyphony.recipes import CELLS, NAMES, RECIPES, complete, recipe_of
from experiments.polyphony.report import as_text, standing
from experiments.polyphony.settings import Run, Train
from experiments.polyphony.training import nll, windows
from scratchnet.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from scratchnet.training.losses import sigmoid_cross_entropy
from scratchnet.training.optimizers import Adam, clip_global_norm
from scratchnet.training.trainer import Diverged

TINY = dict(hidden=6, epochs=4, batch=2, patience=9)


def tiny(**changes):
    return complete(Train(**TINY | dict(quiet=True) | changes))


@pytest.fixture
def music():
    return MusicSet("small", **{k[:-4]: v for k, v in pieces().items()})


def learned(config, music, epochs=None, session=None):
    """The trainer after so many epochs, evaluated after each."""
    session = session or runs.make_session(config, music)
    trainer, frames = session.trainer, session.trainer.batches
    while frames.done < (epochs or config.epochs):
        before = frames.done
        trainer.step()
        if frames.done > before:
            trainer.evaluate(session.held_out)
    return trainer


def same(a, b):
    (tensors, metadata), (others, other) = a.state(), b.state()
    return metadata == other and all(np.array_equal(tensors[name], others[name]) for name in tensors | others)


# --------------------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 3), ("rnn", 1)])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_number_of_weights(cell, gates, layers, rng):
    network = make_network(tiny(cell=cell, layers=layers), rng)
    H = 6
    recurrent = gates * (H * 88 + H * H + 2 * H) + (layers - 1) * gates * (H * H + H * H + 2 * H)
    assert network.parameter_count == recurrent + 88 * H + 88


@pytest.mark.parametrize("cell", CELLS)
def test_how_weights_begin(cell, rng):
    params = make_network(tiny(cell=cell, hidden=40, input_scale=0.7), rng).params
    assert params["1.weight_ih_l0"].std() == pytest.approx(0.7, rel=0.1)
    W_hh, bias = params["1.weight_hh_l0"], params["1.bias_ih_l0"]
    for gate in range(len(W_hh) // 40):
        W = W_hh[40 * gate : 40 * gate + 40]
        assert np.allclose(W @ W.T, np.eye(40), atol=1e-5)
        assert set(bias[40 * gate : 40 * gate + 40]) == {1.0 if gate == 1 else 0.0}
    assert not params["1.bias_hh_l0"].any()


# -------------------------------------------------------------------------------------------- what is counted


@pytest.mark.parametrize("cell", CELLS)
def test_padding_does_not_count(cell, music):
    """All pieces in batches, as one piece after the other, note by note."""
    network = make_network(tiny(cell=cell), np.random.default_rng(0))
    total = frames = 0
    network.eval()
    for piece in music.valid:
        a = network.forward(piece[:-1, :, None].astype(np.float32))[:, :, 0].astype(float)
        p = 1 / (1 + np.exp(-a))
        total -= np.log(np.where(piece[1:], p, 1 - p)).sum()
        frames += len(piece) - 1
    assert nll(network, music.valid) == pytest.approx(total / frames, rel=1e-5)


def test_a_network_that_has_learned_nothing_is_no_better_than_chance(music):
    network = make_network(tiny(), np.random.default_rng(0))
    network.load_state_dict({name: np.zeros_like(param) for name, param in network.params.items()})
    assert nll(network, music.test) == pytest.approx(88 * np.log(2), rel=1e-6)


def test_windows_hold_each_prediction_once(rng, music):
    for length in (1, 3, 7, 50):
        cut = windows(music.train, length, rng)
        assert max(map(len, cut)) <= length + 1
        assert sum(len(part) - 1 for part in cut) == sum(len(piece) - 1 for piece in music.train)
        found = [row.tobytes() for part in cut for row in np.hstack([part[:-1], part[1:]])]
        wanted = [row.tobytes() for piece in music.train for row in np.hstack([piece[:-1], piece[1:]])]
        assert sorted(found) == sorted(wanted)


# --------------------------------------------------------------------------------------------------- learning


@pytest.mark.parametrize("cell", CELLS)
def test_a_network_learns(cell, music):
    config = tiny(cell=cell, hidden=24, lr=0.01, dropout=0.0, input_dropout=0.0, epochs=25, ema_decay=0.5)
    first = nll(runs.make_session(config, music).trainer.model, music.valid)
    assert learned(config, music).best["valid"] < 20 < 55 < first


@pytest.mark.parametrize("extra", [{}, dict(window=4, transpose=3, layers=2)])
def test_the_same_seed_gives_the_same_network(music, extra):
    one, again, other = (learned(tiny(seed=seed, **extra), music, 2) for seed in (3, 3, 4))
    assert same(one, again) and not same(one, other)


@pytest.mark.parametrize("extra", [{}, dict(window=4, transpose=3, cell="gru")])
def test_a_resumed_run_is_the_same_run(music, extra):
    config = tiny(**extra)
    whole, first, second = (
        learned(config, music, 3),
        learned(config, music, 1),
        runs.make_session(config, music),
    )
    first.step()  # in the middle of an epoch
    second.trainer.load_state(*first.state())
    assert same(whole, learned(config, music, 3, second))


def test_evaluation_does_not_disturb_learning(music):
    session = runs.make_session(tiny(), music)
    trainer = learned(tiny(), music, 1, session)
    before = trainer.model.state_dict()
    trainer.evaluate(session.held_out)
    assert trainer.model.training
    assert all(np.array_equal(before[name], w) for name, w in trainer.model.params.items())


def test_a_step_is_what_it_was_by_hand(music):
    """Padded pieces, masked cross-entropy; clip; the rate up and down; Adam; the moving average."""
    config = tiny(transpose=2, clip=0.5, lr=0.01)
    trainer, network = (
        runs.make_session(config, music).trainer,
        make_network(config, np.random.default_rng([0, 0])),
    )
    rng, kept = np.random.default_rng([0, 1]), network.state_dict()
    optimizer = Adam(network.params, network.grads, 0.01, weight_decay=config.weight_decay, decoupled=True)
    for epoch in range(2):
        for number, group in enumerate(batches(music.train, 2, rng)):
            shifts = rng.integers(-2, 3, len(group))
            chosen = [transpose(music.train[k], shift) for k, shift in zip(group, shifts, strict=True)]
            x, t, mask, lengths = pad(chosen)
            loss, da = sigmoid_cross_entropy(network.forward(x, lengths=lengths), t, mask)
            network.zero_grad()
            network.backward(da)
            norm, n = clip_global_norm(network.grads, 0.5), 3 * epoch + number
            fall = 0.02 + 0.98 * (1 + np.cos(np.pi * n / (3 * config.epochs))) / 2
            optimizer.lr = 0.01 * (n + 1) / 20 * fall
            optimizer.step()
            keep = min(config.ema_decay, (n + 1) / (n + 11))
            for name, mean in kept.items():
                mean += (1 - keep) * (network.params[name] - mean)
            step = trainer.step()
            assert step == (n + 1, loss, norm, pytest.approx(optimizer.lr), mask.sum())
    for name, w in network.params.items():
        np.testing.assert_allclose(trainer.model.params[name], w, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(trainer.ema[name], kept[name], rtol=1e-5, atol=1e-7)


def test_the_learning_rate(music):
    config = tiny(epochs=100)
    schedule = runs.make_schedule(config, music)
    rates = [schedule(step) for step in range(305)]
    assert rates[0] < 0.1 and max(rates) > 0.99
    assert rates[-1] == pytest.approx(0.02) and np.all(np.diff(rates[runs.WARM_UP :]) <= 0)


def test_patience(music):
    session = runs.make_session(tiny(epochs=50, patience=3), music)
    for session.trainer.waited, over in ((2, False), (3, True)):
        assert session.over is over


# -------------------------------------------------------------------------------------------- what goes wrong


def spoil(trainer):
    trainer.model.params["3.weight"][0, 0] = np.nan


def begun(folder, config, music):
    """A Session in a new folder."""
    return runs.make_session(config, music).create(folder, config)


def test_a_loss_that_is_no_number_stops_learning(tmp_path, music):
    config = tiny(epochs=5)
    session = begun(tmp_path / "run", config, music)

    def spoil_after_two(step, loss):
        if session.done == 2:
            spoil(session.trainer)

    session.on_evaluation = spoil_after_two
    with pytest.raises(Diverged) as caught:
        session.learn(quiet=True)
    assert "not all numbers of last/3.weight are finite" in str(caught.value)
    assert "try a lower --lr or --clip" in str(caught.value)
    network, best = runs.load_network(session.run, config)
    assert nll(network, music.valid) == pytest.approx(best["valid"]) and best["epoch"] in (1, 2)


def test_the_first_loss_may_be_no_number(tmp_path, music):
    session = begun(tmp_path / "run", tiny(), music)
    session.save()
    spoil(session.trainer)
    with pytest.raises(Diverged, match="at step 1 the loss is nan.* holds step 0"):
        session.learn(quiet=True)


# ------------------------------------------------------------------------------------- recipes, tables, music


def test_what_is_given_wins_over_the_recipe():
    config = complete(Run(set="nottingham", cell="gru", lr=0.5, window=0, ema_decay=0.0))
    assert (config.lr, config.window, config.ema_decay) == (0.5, 0, 0.0)
    recipe = recipe_of("nottingham", "gru")
    assert all(getattr(config, k) == recipe[k] for k in NAMES if k not in ("lr", "window", "ema_decay"))
    assert complete(config) == config


def test_every_set_and_cell_has_a_recipe():
    assert set(RECIPES) == {(name, cell) for name in ("jsb", "nottingham") for cell in CELLS}
    assert recipe_of("muse", "lstm") == RECIPES["nottingham", "lstm"]


def test_the_table_stands_in_order(music):
    rows, _ = standing("jsb", music, [("LSTM", 1234, dict.fromkeys(SPLITS, 8.5))])
    tests = [row[4] for row in rows]
    assert tests == sorted(tests, reverse=True)
    text = as_text("JSB Chorales", rows)
    assert (
        "do not score the\nfirst frame" in text
        and "* LSTM   " in text
        and "1,234    8.50    8.50    8.50" in text
    )
    for name in ("Chung et al. 2014", "Bai et al. 2018", "Boulanger-Lewandowski et al. 2012"):
        assert name in text
    assert not any(
        row[5].startswith("Bai") for row in standing("muse", music, [])[0]
    )  # they have no such row


def test_composing_hears_what_it_plays(music):
    """Frames drawn step by step have the probabilities that a whole pass over them gives."""
    network = make_network(tiny(hidden=20, input_scale=2.0), np.random.default_rng(0))
    network.eval()
    frames = compose(network, music.test[0][:3], 12, np.random.default_rng(5), temperature=0.5)
    assert frames.shape == (15, 88) and np.array_equal(frames[:3], music.test[0][:3])
    a = network.forward(frames[:-1, :, None].astype(np.float32))[2:, :, 0].astype(float)
    draws = np.random.default_rng(5)
    expected = [draws.random(88) < 1 / (1 + np.exp(-row / 0.5)) for row in a]
    assert np.array_equal(frames[3:], np.array(expected, np.uint8))


def test_a_score_of_frames():
    frames = np.zeros((4, 88), np.uint8)
    frames[:3, 0] = frames[1, 87] = frames[3, 87] = 1
    score = to_score(frames, SOURCES["nottingham"], 100)
    notes = [(note.start, note.duration, note.pitch) for note in score.notes()]
    eighth = TICKS // 2
    assert notes == [(0, 3 * eighth, 21), (eighth, eighth, 108), (3 * eighth, eighth, 108)]
    assert score.tempos[0][1] == 100


def test_a_checkpoint_of_other_settings_is_refused(tmp_path, music):
    config = tiny(epochs=1)
    session = begun(tmp_path / "run", config, music)
    session.learn(quiet=True)
    run = session.run
    for other in (replace(config, hidden=7), replace(config, cell="gru"), replace(config, set="nottingham")):
        with pytest.raises(CheckpointError, match="expected a network of the settings of the run"):
            runs.load_network(run, other)
        with pytest.raises(CheckpointError, match="expected config (hidden|cell|set) "):
            runs.make_session(other, music).resume(run)


DAMAGE = {
    "best renamed": lambda t, m: ({f"x{k}": v for k, v in t.items()}, m),
    "best of another shape": lambda t, m: ({k: v[..., :1] for k, v in t.items()}, m),
    "best no number": lambda t, m: ({k: v * np.nan for k, v in t.items()}, m),
    "figures without an epoch": lambda t, m: (t, m | {"best": {"valid": 1.0, "test": 1.0}}),
    "epoch no number": lambda t, m: (t, m | {"best": m["best"] | {"epoch": "1"}}),
    "loss no number": lambda t, m: (t, m | {"best": m["best"] | {"valid": np.nan}}),
    "figures a list": lambda t, m: (t, m | {"best": ["epoch", "valid", "test"]}),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of an epoch: its folder, settings and music."""
    music, config = MusicSet("small", **{k[:-4]: v for k, v in pieces().items()}), tiny(epochs=1)
    session = begun(tmp_path_factory.mktemp("runs") / "run", config, music)
    session.learn(quiet=True)
    return session.run.folder, config, music


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_network_is_refused(finished, tmp_path, name):
    folder, config, _ = finished
    run = RunFolder(shutil.copytree(folder, tmp_path / "run"))
    path = run.folder / "best.safetensors"
    save_checkpoint(path, *DAMAGE[name](*load_checkpoint(path)))
    with pytest.raises(CheckpointError) as caught:
        runs.load_network(run, config)
    assert str(caught.value).startswith(f"{path}: does not fit") and len(str(caught.value)) < 500


STATE = {
    "mean of another shape": lambda t, m: t.update({"mean/3.bias": np.zeros(3, np.float32)}),
    "mean missing": lambda t, m: t.pop("mean/3.bias"),
    "epochs below none": lambda t, m: m["trainer"]["batches"].update(epoch=-1),
    "epochs a text": lambda t, m: m["trainer"]["batches"].update(epoch="1"),
    "other pieces": lambda t, m: m["trainer"]["batches"].update(tokens=1),
    "another generator": lambda t, m: m["trainer"].update(generators=[{"bit_generator": "MT19937"}]),
    "no generator": lambda t, m: m["trainer"].update(generators=[]),
    "figures of text": lambda t, m: m["trainer"]["best"].update(valid="x"),
}


@pytest.mark.parametrize("name", STATE)
def test_what_is_damaged_is_said_before_the_training(finished, tmp_path, name):
    folder, config, music = finished
    run = RunFolder(shutil.copytree(folder, tmp_path / "run"))
    tensors, metadata = load_checkpoint(run.checkpoint)
    assert runs.make_session(config, music).resume(run).over
    STATE[name](tensors, metadata)
    save_checkpoint(run.checkpoint, tensors, metadata)
    with pytest.raises(CheckpointError, match="does not fit the settings of the run"):
        runs.make_session(config, music).resume(run)


def test_a_run_of_an_earlier_version_composes_but_does_not_go_on(finished, tmp_path):
    folder, config, music = finished
    run = RunFolder(shutil.copytree(folder, tmp_path / "run"))
    weights, metadata = load_checkpoint(run.folder / "best.safetensors")
    expected, best = runs.load_network(run, config)
    (run.folder / "best.safetensors").unlink()
    stored = {f"best/{name}": w for name, w in weights.items()}
    save_checkpoint(run.checkpoint, stored, {"network": metadata["config"], "best": best, "epoch": 1})
    network, found = runs.load_network(run, config)
    assert found == best
    for name, w in expected.params.items():
        np.testing.assert_array_equal(network.params[name], w)
    with pytest.raises(CheckpointError, match="of an earlier version"):
        runs.make_session(config, music).resume(run)
