"""Learning: resumed runs, the best network, failures, gross errors."""

import math
import signal
from dataclasses import replace

import numpy as np
import pytest
from commands import content
from tiny_blues import blues, tiny_blues

from encoders.tokens.blues import BluesFormat
from experiments.blues import chords, runs, training
from experiments.blues.recipes import RECIPES, chord_wiring, make_network
from experiments.blues.settings import Train
from experiments.blues.training import losses, make_pieces, make_trainer
from experiments.common.errors import UserError
from experiments.common.run_folder import RunFolder
from scratchnet.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from scratchnet.training.losses import sigmoid_cross_entropy
from scratchnet.training.optimizers import Adam, clip_global_norm

SETTINGS = {
    "full BPTT": Train(learn=10),
    "gaps, more blocks": Train(learn=8, endings="gap", melody_blocks=6, seed=3),
    "online": Train(recipe="paper", learn=3),
    "Kalman filter": Train(recipe="kalman", learn=3),
    "Kalman filter, gross error": Train(recipe="kalman", learn=3, gross_error=0.7),
    "online, standardised, gross error": Train(recipe="icann", learn=3, gross_error=0.7, endings="onset"),
}


@pytest.fixture(autouse=True)
def patch():
    with tiny_blues() as patch:
        yield patch


def run_of(settings, folder):
    return RunFolder.create(folder, "blues", settings)


def begun(settings, folder):
    """A Session in a new folder."""
    return runs.make_session(settings).create(folder, settings)


def finish(trainer):
    """Learn to the end; the steps on the way, whose norm may be NaN."""
    seen = []
    while not trainer.batches.over:
        seen.append(trainer.step()._replace(norm=0))
    return seen


def assert_same_network(one, other):
    assert one.params.keys() == other.params.keys()
    for name, param in one.params.items():
        np.testing.assert_array_equal(param, other.params[name], err_msg=name)


# ------------------------------------------------------------------------------------------------- resuming


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
def test_a_resumed_run_ends_bit_by_bit_as_one_that_was_never_interrupted(tmp_path, settings):
    whole, session = runs.make_session(settings).trainer, begun(settings, tmp_path / "run")
    expected = finish(whole)
    first = [session.trainer.step()._replace(norm=0)]
    session.save()
    session.trainer.step()  # goes on, and is lost
    resumed = runs.make_session(settings).resume(session.run).trainer
    assert 0 < resumed.batches.done < resumed.batches.total
    assert first + finish(resumed) == expected
    assert_same_network(resumed.model, whole.model)
    ours, theirs = resumed.optimizer.state_dict(), whole.optimizer.state_dict()
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array, err_msg=name)
    assert resumed.batches.rng.random() == whole.batches.rng.random()


@pytest.mark.parametrize(
    "settings",
    [Train(learn=8), Train(recipe="paper", learn=3), Train(recipe="kalman", learn=3)],
    ids=["full BPTT", "online", "Kalman filter"],
)
def test_evaluation_does_not_disturb_learning(settings):
    """Held-out pieces for the one, playing alone for the other: what follows is as if nothing had been."""
    session, alone = runs.make_session(settings), runs.make_session(settings).trainer
    while not session.over:
        assert session.trainer.step()._replace(norm=0) == alone.step()._replace(norm=0)
        session.trainer.evaluate(session.held_out)
    assert_same_network(session.trainer.model, alone.model)


@pytest.mark.parametrize("recipe", ["default", "paper", "kalman"])
def test_a_trial_of_the_chords_does_not_disturb_learning(recipe):
    recipe = RECIPES[recipe]
    pieces = make_pieces(recipe, 0, with_melody=False)
    pair = []
    for _ in range(2):
        network = make_network(recipe, chord_wiring(recipe), np.random.default_rng(0))
        pair.append(make_trainer(recipe, network, pieces, 4, 0))
    while not pair[0].batches.over:
        assert pair[0].step()._replace(norm=0) == pair[1].step()._replace(norm=0)
        assert chords.trial(pair[0], recipe.repeats) == 0  # nothing learned yet, after so few choruses
    assert_same_network(pair[0].model, pair[1].model)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    settings = Train(learn=8)
    session = begun(settings, tmp_path / "run")
    session.save()
    for other in (
        Train(learn=8, steps_per_bar=16),
        Train(learn=8, endings="onset"),
        Train(learn=8, literal_bar_6=True),
        Train(learn=8, melody_blocks=5),
    ):
        with pytest.raises(CheckpointError, match="checkpoint.safetensors: expected (format|network) "):
            runs.make_session(other).resume(session.run)
    with pytest.raises(CheckpointError, match="expected network dtype|does not fit the settings of the run"):
        runs.make_session(Train(learn=8, recipe="paper")).resume(session.run)


# ------------------------------------------------------------------------------------------------- the best


def scripted(values):
    """For `training.losses`: the melody loss on held-out pieces as told."""
    values = iter(values)
    return lambda *given: {"chord_loss": 0.0, "chord_errors": 0, "melody_loss": next(values)}


def before_step(session, done, act):
    """Let something happen before the step that follows on so many choruses."""
    step = session.trainer.step

    def stepping():
        if session.done == done:
            act()
        return step()

    session.trainer.step = stepping


def test_the_best_network_on_held_out_pieces_is_kept(tmp_path, patch):
    settings = Train(learn=10)
    session = begun(settings, tmp_path / "run")
    patch.setattr(training, "losses", scripted([3.0, 1.0, 2.0, 1.0, 5.0]))  # every two choruses
    best = runs.learn(session)
    row = {"choruses": 4, "total": 1.0, "chord_loss": 0.0, "chord_errors": 0, "melody_loss": 1.0}
    assert best == {"step": 2, "nats": 1.0} | row
    expected = runs.make_session(settings).trainer
    expected.step(), expected.step()
    assert_same_network(session.trainer.model, expected.model)
    assert_same_network(runs.load_network(session.run, settings)[0], expected.model)
    rows = session.run.rows()
    assert [row["melody_loss"] for row in rows] == [3, 1, 2, 1, 5]
    assert [row["choruses"] for row in rows] == [2, 4, 6, 8, 10]
    tensors, _ = load_checkpoint(session.run.checkpoint)
    finish(expected)
    for name, param in expected.model.params.items():  # the last network is kept beside the best
        np.testing.assert_array_equal(tensors[f"last/{name}"], param)


def test_a_resumed_run_remembers_the_best_of_before(tmp_path, patch):
    settings = Train(learn=8)
    session = begun(settings, tmp_path / "run")
    patch.setattr(training, "losses", scripted([1.0, 2.0]))
    before_step(session, 2, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt, match=r"^chorus 4 of 8 is saved in .* train --resume .*run$"):
        runs.learn(session)
    resumed = runs.make_session(settings).resume(session.run)
    assert resumed.done == 4 and resumed.due
    patch.setattr(training, "losses", scripted([2.0, 3.0, 4.0]))
    assert runs.learn(resumed)["choruses"] == 2
    expected = runs.make_session(settings).trainer
    expected.step()
    assert_same_network(resumed.trainer.model, expected.model)


def test_an_interruption_between_two_evaluations_loses_nothing(tmp_path, patch):
    patch.setattr(runs, "EVALUATIONS", 1)
    settings = Train(learn=8)
    session = begun(settings, tmp_path / "run")
    before_step(session, 2, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt, match="^chorus 4 of 8"):
        runs.learn(session)
    assert runs.make_session(settings).resume(session.run).done == 4
    network, _, reached = runs.load_network(session.run, settings)
    assert_same_network(network, session.trainer.model)  # the last: none is evaluated
    assert reached == {"choruses": 4}


def test_the_default_recipe_learns(tmp_path):
    session = begun(Train(learn=40), tmp_path / "run")
    network, pieces = session.trainer.model, session.trainer.batches.pieces
    before = losses(network, pieces, pieces.development)
    runs.learn(session)
    after = losses(network, pieces, pieces.development)
    assert after["melody_loss"] < 0.6 * before["melody_loss"]
    assert after["chord_loss"] < 0.8 * before["chord_loss"]


def test_a_step_of_full_bptt_is_what_it_was_by_hand():
    """Random pieces from a zero state, masked by nothing; clip; half a cosine; Adam."""
    recipe, settings = RECIPES["default"], Train(learn=9)
    trainer, network = runs.make_session(settings).trainer, runs.make_session(settings).trainer.model
    adam = Adam(network.params, network.grads, recipe.lr, betas=(0.9, recipe.beta2))
    rng, learned = np.random.default_rng([0, 1]), 0
    while learned < 9:
        wave = (1 + np.cos(np.pi * learned / 9)) / 2
        adam.lr = recipe.lr * (recipe.final + (1 - recipe.final) * wave)
        x, t = trainer.batches.pieces.draw(rng, recipe.length, recipe.batch)
        loss, da = sigmoid_cross_entropy(network.forward(x), t.astype(network.dtype))
        network.zero_grad()
        network.backward(da)
        norm = clip_global_norm(network.grads, recipe.clip)
        adam.step()
        learned += recipe.length * recipe.batch
        assert trainer.step()[1:4] == (loss, norm, pytest.approx(adam.lr, rel=1e-12))
        assert trainer.batches.done == learned
    for name, param in network.params.items():
        np.testing.assert_allclose(trainer.model.params[name], param, rtol=1e-5, atol=1e-7)


def test_losses_by_hand():
    """On stream k the pieces follow each other from piece k on; the first chorus does not count."""
    trainer = runs.make_session(Train(learn=2)).trainer
    network, pieces, numbers = trainer.model, trainer.batches.pieces, np.array([5, 99])
    nats = np.zeros(2)
    for order in ([5, 99, 5], [99, 5, 99]):
        bits = pieces.stream(np.array(order)[:, None])[:, :, 0].astype(float)
        network.reset()
        y = network.listen(bits)[95:-1]
        t = bits[96:]
        cross_entropy = -np.log(np.where(t == 1, y, 1 - y))
        nats += cross_entropy[:, :12].sum(1).mean() / 2, cross_entropy[:, 12:].sum(1).mean() / 2
    result = losses(network, pieces, numbers)
    assert (result["chord_loss"], result["melody_loss"]) == pytest.approx(tuple(nats), rel=1e-5)


# ------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(("recipe", "lr"), [("default", 3e38), ("paper", 1e300)])
def test_an_absurd_learning_rate_ends_in_one_line(tmp_path, capsys, patch, recipe, lr):
    patch.setitem(RECIPES, recipe, replace(RECIPES[recipe], lr=lr, chords_first=False))
    assert blues("train", "--recipe", recipe, "--learn", 8, "--quiet", "--out", tmp_path / "run") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line.startswith("blues train: error: learning failed: ") and "try another --seed or --recipe" in line
    )


def spoil(session):
    session.trainer.model.params["next note.weight"][0, 0] = math.inf


def test_a_failure_keeps_the_checkpoint_of_before(tmp_path):
    settings = Train(learn=10)
    session = begun(settings, tmp_path / "run")
    before_step(session, 6, lambda: spoil(session))
    with pytest.raises(UserError, match="learning failed: .*checkpoint.safetensors holds step 3"):
        runs.learn(session)
    network, _, _ = runs.load_network(session.run, settings)
    assert all(np.isfinite(param).all() for param in network.params.values())
    resumed = runs.make_session(settings).resume(session.run)
    assert resumed.done == 6
    expected = runs.make_session(settings).trainer
    for _ in range(3):
        expected.step()
    assert_same_network(resumed.trainer.model, expected.model)


def test_a_failure_is_noticed_between_two_evaluations(tmp_path, patch):
    patch.setattr(runs, "EVALUATIONS", 1)
    session = begun(Train(learn=10), tmp_path / "run")
    session.save()
    spoil(session)
    with pytest.raises(UserError, match="learning failed: at step 1 the loss is (nan|inf).*holds step 0"):
        runs.learn(session)


def test_a_network_that_fails_on_held_out_pieces_only_is_not_kept(tmp_path, patch):
    settings = Train(learn=6)
    session = begun(settings, tmp_path / "run")
    patch.setattr(training, "losses", scripted([2.0, math.inf]))
    with pytest.raises(UserError, match="learning failed: after step 2 the held-out loss is inf"):
        runs.learn(session)
    assert runs.make_session(settings).resume(session.run).done == 2


# ---------------------------------------------------------------------------- checkpoints that are damaged


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Tensors and metadata of a training that was stopped after the best network was found; its settings."""
    with tiny_blues():
        settings = Train(learn=6)
        session = begun(settings, tmp_path_factory.mktemp("runs") / "run")
        session.trainer.step()
        session.trainer.evaluate(session.held_out)
        session.save()
        return *load_checkpoint(session.run.checkpoint), settings


def changed(m, **values):
    """Metadata with other values of the trainer."""
    return m | {"trainer": m["trainer"] | values}


def choruses(m, **values):
    return changed(m, batches=m["trainer"]["batches"] | values)


WEIGHT = "next note.weight"
DAMAGE = {
    "one of the best renamed": lambda t, m: (t | {"best/x": t.pop(f"best/{WEIGHT}")}, m),
    "best missing": lambda t, m: ({k: v for k, v in t.items() if not k.startswith("best/")}, m),
    "best of another shape": lambda t, m: (t | {f"best/{WEIGHT}": t[f"best/{WEIGHT}"][:, :1]}, m),
    "best no number": lambda t, m: (t | {f"best/{WEIGHT}": t[f"best/{WEIGHT}"] * np.nan}, m),
    "without a step": lambda t, m: (t, changed(m, best={"nats": 1.5})),
    "without a loss": lambda t, m: (t, changed(m, best={"step": 2})),
    "loss no number": lambda t, m: (t, changed(m, best={"step": 2, "nats": math.nan})),
    "figures a list": lambda t, m: (t, changed(m, best=[2, 1.5])),
    "figures a text": lambda t, m: (t, changed(m, best="x" * 10**5)),
    "Adam renamed": lambda t, m: ({k.replace("optimizer/m", "optimizer/n"): v for k, v in t.items()}, m),
    "Adam no number": lambda t, m: (t | {k: v * np.nan for k, v in t.items() if "/v." in k}, m),
    **{
        f"done {value!r:.20}": lambda t, m, v=value: (t, choruses(m, done=v))
        for value in (-1, 1.0, "2", None, True, 10**400, [2])
    },
    **{
        f"generator {value!r:.20}": lambda t, m, v=value: (t, choruses(m, generator=v))
        for value in (None, "x", {}, {"bit_generator": "MT19937", "state": {"key": [0] * 624, "pos": 10**9}})
    },
    "nothing but the best": lambda t, m: ({k: v for k, v in t.items() if k.startswith("best/")}, m),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_what_is_damaged_is_said_before_the_training(stopped, tmp_path, damage):
    tensors, metadata, settings = stopped
    run = run_of(settings, tmp_path / "run")
    save_checkpoint(run.checkpoint, tensors, metadata)
    assert runs.make_session(settings).resume(run).done == 2
    save_checkpoint(run.checkpoint, *damage(dict(tensors), metadata))
    with pytest.raises(CheckpointError) as caught:
        runs.make_session(settings).resume(run)
    text = str(caught.value)
    assert text.startswith(f"{run.checkpoint}: does not fit the settings of the run (") and len(text) < 500


def test_a_run_of_an_earlier_version_composes_but_does_not_go_on(stopped, tmp_path):
    tensors, metadata, settings = stopped
    run = run_of(settings, tmp_path / "run")
    old = {name: metadata[name] for name in ("network", "format")} | {"memory": {"learned": 2}}
    for best in (None, {"choruses": 2, "total": 1.0}):
        save_checkpoint(run.checkpoint, tensors, old | {"best": best})
        network, _, reached = runs.load_network(run, settings)
        assert reached == {"choruses": 2}
        np.testing.assert_array_equal(network.params[WEIGHT], tensors[f"last/{WEIGHT}"])
    with pytest.raises(CheckpointError, match="of an earlier version"):
        runs.make_session(settings).resume(run)


# ---------------------------------------------------------------------------------------------- gross errors


def test_a_gross_error_resets_the_network_and_begins_the_next_piece():
    """By hand: each piece is learned up to the first gross error, from a network at rest after one."""
    settings = Train(recipe="paper", learn=4, gross_error=0.62, seed=1)
    trainer, by_hand = runs.make_session(settings).trainer, runs.make_session(settings).trainer
    recipe, network, stopped = RECIPES["paper"], by_hand.model, []
    while not by_hand.batches.over:
        x, t = (array[:, :, 0] for array in next(by_hand.batches)[:2])
        for step in range(96):
            y, _, _ = network.learn_online(x[step : step + 1], t[step : step + 1], recipe.lr, recipe.momentum)
            if abs(y[0] - t[step]).max() > 0.62:
                network.reset()
                stopped.append(step)
                break
    finish(trainer)
    assert stopped and min(stopped) < 95  # otherwise this shows nothing
    assert_same_network(trainer.model, network)


def test_every_piece_ends_at_once_if_every_error_is_gross(patch):
    patch.setattr(training, "AT_ONCE", 3)
    trainer = runs.make_session(Train(recipe="paper", learn=3, gross_error=0.001)).trainer
    resets, steps, network = [], [], trainer.model
    reset, learn_online = network.reset, network.learn_online

    def counted(*given):
        y, loss, wrong = learn_online(*given)
        steps.append(len(y))
        return y, loss, wrong

    patch.setattr(network, "reset", lambda: (resets.append(1), reset()))
    patch.setattr(network, "learn_online", counted)
    finish(trainer)
    assert steps == [1, 1, 1] and len(resets) == 3


# --------------------------------------------------------------------------------------------------- pieces


def test_seeds_differ_in_weights_and_pieces_and_a_seed_is_reproducible():
    first, again, other = (runs.make_session(Train(learn=2, seed=seed)).trainer for seed in (5, 5, 6))
    assert_same_network(first.model, again.model)
    assert first.step() == again.step() != other.step()
    assert (first.model.flat == again.model.flat).all() and (first.model.flat != other.model.flat).any()


@pytest.mark.parametrize("form", [BluesFormat(16), BluesFormat(32, "gap"), BluesFormat(8, "onset", True)])
def test_every_format_can_be_learned(form):
    settings = Train(
        learn=2, **{name: getattr(form, name) for name in ("steps_per_bar", "endings", "literal_bar_6")}
    )
    trainer = runs.make_session(settings).trainer
    assert trainer.batches.pieces.form == form
    assert all(math.isfinite(step.loss) for step in finish(trainer))


def test_nothing_is_written_besides_the_run(tmp_path):
    settings = Train(learn=4)
    session = begun(settings, tmp_path / "run")  # whose folder is locked as long as it is there
    runs.learn(session)
    assert set(content(tmp_path / "run")) == {
        ".lock",  # as long as the process works there
        "config.yaml",
        "environment.json",
        "log.jsonl",
        "checkpoint.safetensors",
        "best.safetensors",
    }
