"""The polyphony networks: what is learned from, what is counted, and that a stop changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
from polyphony_files import pieces

from experiments.common.run_folder import RunFolder
from experiments.polyphony import runs, training
from experiments.polyphony.composing import TICKS, compose, to_score
from experiments.polyphony.data import SOURCES, SPLITS, MusicSet
from experiments.polyphony.networks import make_network
from experiments.polyphony.recipes import CELLS, NAMES, RECIPES, complete, recipe_of
from experiments.polyphony.report import as_text, standing
from experiments.polyphony.settings import Run, Train
from experiments.polyphony.training import Diverged, Learner, nll, windows
from scratchnet.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

TINY = dict(hidden=6, epochs=4, batch=2, patience=9)


def tiny(**changes):
    return complete(Train(**TINY | dict(quiet=True) | changes))


@pytest.fixture
def music():
    return MusicSet("small", **{k[:-4]: v for k, v in pieces().items()})


def learned(config, music, epochs=None):
    learner = Learner(config, music)
    while learner.epoch < (epochs or config.epochs):
        learner.learn()
        learner.judge()
    return learner


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
    config = tiny(cell=cell, hidden=24, lr=0.01, dropout=0.0, input_dropout=0.0, epochs=25, average=0.5)
    learner = learned(config, music)
    assert learner.best["valid"] < 20 < 55 < nll(Learner(config, music).network, music.valid)


@pytest.mark.parametrize("extra", [{}, dict(window=4, transpose=3, layers=2)])
def test_the_same_seed_gives_the_same_network(music, extra):
    one, again, other = (learned(tiny(seed=seed, **extra), music, 2) for seed in (3, 3, 4))
    assert same(one, again) and not same(one, other)


@pytest.mark.parametrize("extra", [{}, dict(window=4, transpose=3, cell="gru")])
def test_a_resumed_run_is_the_same_run(music, extra):
    config = tiny(**extra)
    whole, first, second = learned(config, music, 3), learned(config, music, 1), Learner(config, music)
    second.load_state(*first.state())
    while second.epoch < 3:
        second.learn()
        second.judge()
    assert same(whole, second)


def test_the_mean_of_the_weights(music):
    learner = Learner(tiny(average=0.75), music)
    mean = learner.network.state_dict()["1.weight_hh_l0"].astype(float)
    for step in range(1, 60):
        learner.network.params["1.weight_hh_l0"] += 0.25
        learner.optimizer.steps = step
        learner.update_average()
        keep = min(0.75, step / (10 + step))
        mean = keep * mean + (1 - keep) * learner.network.params["1.weight_hh_l0"]
    assert np.allclose(learner.average["1.weight_hh_l0"], mean, rtol=1e-5)
    plain = Learner(tiny(average=0), music)
    plain.learn()
    assert all(np.allclose(plain.average[name], w, atol=1e-7) for name, w in plain.network.params.items())


def test_judging_does_not_disturb_learning(music):
    learner = learned(tiny(), music, 1)
    before = learner.network.state_dict()
    learner.judge()
    assert all(np.array_equal(before[name], w) for name, w in learner.network.params.items())


def test_the_learning_rate(music):
    learner = Learner(tiny(lr=0.01, epochs=100), music)
    rates = []
    for step in range(100 * learner.steps + 5):
        learner.optimizer.steps = step
        rates.append(learner.rate())
    assert learner.steps == 3 and rates[0] < 0.001 and max(rates) > 0.0099
    assert rates[-1] == pytest.approx(0.0002) and np.all(np.diff(rates[training.WARM_UP :]) <= 0)


def test_patience(music):
    learner = Learner(tiny(epochs=50, patience=3), music)
    learner.best = {"epoch": 10, "valid": 1.0, "test": 1.0}
    for learner.epoch, done in ((12, False), (13, True), (50, True)):
        assert learner.done is done


# -------------------------------------------------------------------------------------------- what goes wrong


def spoil(learner):
    learner.network.params["3.weight"][0, 0] = np.nan


def test_a_judgement_that_is_broken_off_leaves_the_weights(music):
    learner = Learner(tiny(epochs=5), music)
    learner.learn()
    before = learner.network.state_dict()

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learner.judge(stop)
    after = learner.network.state_dict()
    assert learner.best is None and all(np.array_equal(before[name], after[name]) for name in before)


def test_a_loss_that_is_no_number_stops_learning(tmp_path, music):
    config = tiny(epochs=5)
    run, learner = RunFolder.create(tmp_path / "run", "polyphony", config), Learner(config, music)
    judge = learner.judge

    def judge_and_spoil(progress):
        row = judge(progress)
        if learner.epoch == 2:
            spoil(learner)
        return row

    learner.judge = judge_and_spoil
    with pytest.raises(Diverged) as caught:
        runs.learn(learner, run, quiet=True)
    text, best = str(caught.value), learner.best["epoch"]
    assert f"went astray after step {2 * learner.steps} (2 epochs are done): the loss is nan" in text
    assert f"try a lower --lr or --clip; the network of epoch {best} is kept in" in text
    network, best = runs.load_network(run, config)
    assert nll(network, music.valid) == pytest.approx(best["valid"])


def test_the_first_loss_may_be_no_number(tmp_path, music):
    run, learner = RunFolder.create(tmp_path / "run", "polyphony", tiny()), Learner(tiny(), music)
    spoil(learner)
    with pytest.raises(Diverged, match="after step 0 .*nothing was learned before"):
        runs.learn(learner, run, quiet=True)


def test_weights_that_are_no_numbers_are_not_kept(music):
    learner = learned(tiny(), music, 1)
    kept = dict(learner.best)
    learner.average["3.bias"][0] = np.inf
    with pytest.raises(Diverged, match="the weights are not finite"):
        learner.judge()
    assert learner.best == kept


def test_a_gradient_that_is_no_number_changes_nothing(music, monkeypatch):
    monkeypatch.setattr(training, "clip_global_norm", lambda grads, limit: np.inf)
    learner = Learner(tiny(), music)
    before = learner.network.state_dict()
    with pytest.raises(Diverged):
        learner.learn()
    assert all(np.array_equal(before[name], w) for name, w in learner.network.params.items())


# ------------------------------------------------------------------------------------- recipes, tables, music


def test_what_is_given_wins_over_the_recipe():
    config = complete(Run(set="nottingham", cell="gru", lr=0.5, window=0, average=0.0))
    assert (config.lr, config.window, config.average) == (0.5, 0, 0.0)
    recipe = recipe_of("nottingham", "gru")
    assert all(
        getattr(config, k) == getattr(recipe, k) for k in NAMES if k not in ("lr", "window", "average")
    )
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
    run = RunFolder.create(tmp_path / "run", "polyphony", config)
    runs.learn(Learner(config, music), run, quiet=True)
    for other in (replace(config, hidden=7), replace(config, cell="gru"), replace(config, set="nottingham")):
        for use in (lambda c: runs.load_network(run, c), lambda c: runs.resume(c, music, run)):
            with pytest.raises(ValueError, match="expected a network of the settings of the run"):
                use(other)


DAMAGE = {
    "best renamed": lambda t, m: ({k.replace("best/", "beast/"): v for k, v in t.items()}, m),
    "best missing": lambda t, m: ({k: v for k, v in t.items() if not k.startswith("best/")}, m),
    "best of another shape": lambda t, m: (
        {k: v[..., :1] if k[:4] == "best" else v for k, v in t.items()},
        m,
    ),
    "best no number": lambda t, m: ({k: v * np.nan if k[:4] == "best" else v for k, v in t.items()}, m),
    "figures without an epoch": lambda t, m: (t, m | {"best": {"valid": 1.0, "test": 1.0}}),
    "epoch no number": lambda t, m: (t, m | {"best": m["best"] | {"epoch": "1"}}),
    "loss no number": lambda t, m: (t, m | {"best": m["best"] | {"valid": np.nan}}),
    "figures a list": lambda t, m: (t, m | {"best": ["epoch", "valid", "test"]}),
}
STATE = {
    "mean of a shape that fits": lambda t, m: (
        {k: v[..., :1] if k[:4] == "aver" else v for k, v in t.items()},
        m,
    ),
    "mean missing": lambda t, m: ({k: v for k, v in t.items() if not k.startswith("average/")}, m),
    "never judged": lambda t, m: (t, m | {"best": None}),
    "epochs below none": lambda t, m: (t, m | {"epoch": -1}),
    "epochs a text": lambda t, m: (t, m | {"epoch": "1"}),
    "another generator": lambda t, m: (t, m | {"generators": [{"bit_generator": "MT19937"}] * 2}),
    "one generator": lambda t, m: (t, m | {"generators": m["generators"][:1]}),
}


@pytest.mark.parametrize("name", [*DAMAGE, *STATE])
def test_what_is_damaged_is_said_before_the_training(tmp_path, music, name):
    config = tiny(epochs=1)
    run = RunFolder.create(tmp_path / "run", "polyphony", config)
    learner = Learner(config, music)
    learner.best, learner.best_weights = {"epoch": 1, "valid": 1.0, "test": 1.0}, learner.network.state_dict()
    learner.epoch = 1
    runs.save(learner, run)
    assert runs.resume(config, music, run).done and runs.load_network(run, config)
    save_checkpoint(run.checkpoint, *(DAMAGE | STATE)[name](*load_checkpoint(run.checkpoint)))
    uses = [lambda: runs.resume(config, music, run)]
    if name in DAMAGE:  # also of what composing needs
        uses.append(lambda: runs.load_network(run, config))
    for use in uses:
        with pytest.raises(CheckpointError) as caught:
            use()
        text = str(caught.value)
        assert text.startswith(f"{run.checkpoint}: does not fit") and len(text) < 500
