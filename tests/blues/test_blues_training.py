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
from experiments.blues.training import losses, make_learner, make_pieces
from experiments.common.errors import UserError
from experiments.common.run_folder import RunFolder
from scratchnet.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

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


def finish(learner):
    """Learn to the end; the losses on the way."""
    seen = []
    while not learner.done:
        seen.append(learner.advance()[1])
    return seen


def assert_same_network(one, other):
    assert one.params.keys() == other.params.keys()
    for name, param in one.params.items():
        np.testing.assert_array_equal(param, other.params[name], err_msg=name)


# ------------------------------------------------------------------------------------------------- resuming


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
def test_a_resumed_run_ends_bit_by_bit_as_one_that_was_never_interrupted(tmp_path, settings):
    whole, begun, run = runs.begin(settings), runs.begin(settings), run_of(settings, tmp_path / "run")
    expected = finish(whole)
    first = [begun.advance()[1]]
    runs.save(begun, run, None)
    begun.advance()  # goes on, and is lost
    resumed = runs.resume(settings, run)
    assert 0 < resumed.learned < resumed.choruses
    assert first + finish(resumed) == expected
    assert_same_network(resumed.network, whole.network)
    for name, array in whole.memory().items():
        np.testing.assert_array_equal(resumed.memory()[name], array, err_msg=name)
    assert resumed.rng.random() == whole.rng.random()


@pytest.mark.parametrize(
    "settings",
    [Train(learn=8), Train(recipe="paper", learn=3), Train(recipe="kalman", learn=3)],
    ids=["full BPTT", "online", "Kalman filter"],
)
def test_looking_at_the_network_does_not_disturb_learning(settings):
    """Held-out pieces for the one, playing alone for the other: what follows is as if nothing had been."""
    watched, alone = runs.begin(settings), runs.begin(settings)
    while not watched.done:
        assert watched.advance() == alone.advance()
        losses(watched.network, watched.pieces, watched.pieces.development)
    assert_same_network(watched.network, alone.network)


@pytest.mark.parametrize("recipe", ["default", "paper", "kalman"])
def test_a_trial_of_the_chords_does_not_disturb_learning(recipe):
    recipe = RECIPES[recipe]
    pieces = make_pieces(recipe, 0, with_melody=False)
    pair = []
    for _ in range(2):
        network = make_network(recipe, chord_wiring(recipe), np.random.default_rng(0))
        pair.append(make_learner(recipe, network, pieces, 4, 0))
    while not pair[0].done:
        assert pair[0].advance() == pair[1].advance()
        assert chords.trial(pair[0]) == 0  # nothing learned yet, after so few choruses
    assert_same_network(pair[0].network, pair[1].network)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    settings = Train(learn=8)
    run = run_of(settings, tmp_path / "run")
    runs.save(runs.begin(settings), run, None)
    for other in (
        Train(learn=8, steps_per_bar=16),
        Train(learn=8, endings="onset"),
        Train(learn=8, literal_bar_6=True),
    ):
        with pytest.raises(
            CheckpointError, match="checkpoint.safetensors: not of the steps_per_bar, endings"
        ):
            runs.resume(other, run)
    for other in (Train(learn=8, melody_blocks=5), Train(learn=8, recipe="paper")):
        with pytest.raises(CheckpointError, match="does not fit the settings of the run"):
            runs.resume(other, run)


# ------------------------------------------------------------------------------------------------- the best


def scripted(values):
    """For `runs.losses`: the melody loss on held-out pieces as told."""
    values = iter(values)
    return lambda *given: {"chord_loss": 0.0, "chord_errors": 0, "melody_loss": next(values)}


def test_the_best_network_on_held_out_pieces_is_kept(tmp_path, patch):
    settings = Train(learn=10)
    run, learner = run_of(settings, tmp_path / "run"), runs.begin(settings)
    patch.setattr(runs, "losses", scripted([3.0, 1.0, 2.0, 1.0, 5.0]))  # every two choruses
    best = runs.learn(learner, run, quiet=True)
    assert best == {"choruses": 4, "total": 1.0, "chord_loss": 0.0, "chord_errors": 0, "melody_loss": 1.0}
    expected = runs.begin(settings)
    expected.advance(), expected.advance()
    assert_same_network(learner.network, expected.network)
    assert_same_network(runs.load_network(run, settings)[0], expected.network)
    assert [row["melody_loss"] for row in run.rows()] == [3, 1, 2, 1, 5]
    assert [row["choruses"] for row in run.rows()] == [2, 4, 6, 8, 10]
    tensors, _ = load_checkpoint(run.checkpoint)
    finish(expected)
    for name, param in expected.network.params.items():  # the last network is kept beside the best
        np.testing.assert_array_equal(tensors[f"last/{name}"], param)


def test_a_resumed_run_remembers_the_best_of_before(tmp_path, patch):
    settings = Train(learn=8)
    run, learner = run_of(settings, tmp_path / "run"), runs.begin(settings)
    patch.setattr(runs, "losses", scripted([1.0, 2.0]))
    original, calls = learner.advance, []

    def advance():
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return original()

    learner.advance = advance
    with pytest.raises(KeyboardInterrupt, match=r"^4 of 8 choruses; go on with: .* train --resume .*run$"):
        runs.learn(learner, run, quiet=True)
    resumed = runs.resume(settings, run)
    assert resumed.learned == 4
    patch.setattr(runs, "losses", scripted([3.0, 4.0]))
    assert runs.learn(resumed, run, quiet=True)["choruses"] == 2
    expected = runs.begin(settings)
    expected.advance()
    assert_same_network(resumed.network, expected.network)


def test_an_interruption_between_two_evaluations_loses_nothing(tmp_path, patch):
    patch.setattr(runs, "EVALUATIONS", 1)
    settings = Train(learn=8)
    run, learner = run_of(settings, tmp_path / "run"), runs.begin(settings)
    original = learner.advance

    def advance():
        if learner.learned == 2:
            signal.raise_signal(signal.SIGINT)
        return original()

    learner.advance = advance
    with pytest.raises(KeyboardInterrupt, match="^4 of 8 choruses"):
        runs.learn(learner, run, quiet=True)
    assert runs.resume(settings, run).learned == 4
    assert_same_network(runs.load_network(run, settings)[0], learner.network)  # the last: none is judged


def test_the_default_recipe_learns(tmp_path):
    settings = Train(learn=40)
    learner = runs.begin(settings)
    before = losses(learner.network, learner.pieces, learner.pieces.development)
    runs.learn(learner, run_of(settings, tmp_path / "run"), quiet=True)
    after = losses(learner.network, learner.pieces, learner.pieces.development)
    assert after["melody_loss"] < 0.6 * before["melody_loss"]
    assert after["chord_loss"] < 0.8 * before["chord_loss"]


def test_losses_by_hand():
    """On stream k the pieces follow each other from piece k on; the first chorus does not count."""
    learner = runs.begin(Train(learn=2))
    network, pieces, numbers = learner.network, learner.pieces, np.array([5, 99])
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
        line.startswith("blues train: error: learning failed after ")
        and "try another --seed or --recipe" in line
    )


def test_a_failure_keeps_the_checkpoint_of_before(tmp_path, patch):
    settings = Train(learn=10)
    run, learner = run_of(settings, tmp_path / "run"), runs.begin(settings)
    original = learner.advance

    def advance():
        if learner.learned == 6:
            learner.network.params["next note.weight"][0, 0] = math.inf
        return original()

    learner.advance = advance
    with pytest.raises(UserError, match="learning failed after 8 choruses, with a loss of (nan|inf)"):
        runs.learn(learner, run, quiet=True)
    network, _, reached = runs.load_network(run, settings)
    assert all(np.isfinite(param).all() for param in network.params.values()) and reached == {"choruses": 6}
    resumed = runs.resume(settings, run)
    assert resumed.learned == 6
    expected = runs.begin(settings)
    for _ in range(3):
        expected.advance()
    assert_same_network(resumed.network, expected.network)


def test_a_failure_is_noticed_between_two_evaluations(tmp_path, patch):
    patch.setattr(runs, "EVALUATIONS", 1)
    settings = Train(learn=10)
    run, learner = run_of(settings, tmp_path / "run"), runs.begin(settings)
    learner.network.params["next note.weight"][0, 0] = math.inf
    with pytest.raises(UserError, match="learning failed after 2 choruses"):
        runs.learn(learner, run, quiet=True)
    assert not run.checkpoint.exists()


def test_a_network_that_fails_on_held_out_pieces_only_is_not_kept(tmp_path, patch):
    settings = Train(learn=6)
    run, learner = run_of(settings, tmp_path / "run"), runs.begin(settings)
    patch.setattr(runs, "losses", scripted([2.0, math.inf]))
    with pytest.raises(UserError, match="learning failed after 4 choruses, with a loss of inf"):
        runs.learn(learner, run, quiet=True)
    assert runs.resume(settings, run).learned == 2


def test_a_network_that_fails_with_its_last_step_is_not_kept(tmp_path):
    settings = Train(learn=4)
    run, learner = run_of(settings, tmp_path / "run"), runs.begin(settings)
    original = learner.advance

    def advance():
        result = original()
        if learner.done:
            learner.network.params["next chord.weight"][1, 1] = math.nan
        return result

    learner.advance = advance
    with pytest.raises(UserError, match="learning failed after 4 choruses"):
        runs.learn(learner, run, quiet=True)
    assert runs.resume(settings, run).learned == 2


# ---------------------------------------------------------------------------- checkpoints that are damaged


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Tensors and metadata of a training that was stopped after the best network was judged; its settings."""
    with tiny_blues():
        settings = Train(learn=6)
        run, learner = run_of(settings, tmp_path_factory.mktemp("runs") / "run"), runs.begin(settings)
        learner.advance()
        best = learner.network.state_dict(), {"choruses": 2, "total": 1.5, "chord_loss": 0.5}
        runs.save(learner, run, best)
        return *load_checkpoint(run.checkpoint), settings


def renamed(tensors, old, new):
    return {name.replace(old, new): tensor for name, tensor in tensors.items()}


WEIGHT = "next note.weight"
DAMAGE = {
    "best renamed": lambda t, m: (renamed(t, "best/", "beast/"), m),
    "one of the best renamed": lambda t, m: (renamed(t, f"best/{WEIGHT}", "best/x"), m),
    "best missing": lambda t, m: ({k: v for k, v in t.items() if not k.startswith("best/")}, m),
    "best of another shape": lambda t, m: (t | {f"best/{WEIGHT}": t[f"best/{WEIGHT}"][:, :1]}, m),
    "best of another type": lambda t, m: (t | {f"best/{WEIGHT}": t[f"best/{WEIGHT}"].astype("f8")}, m),
    "best no number": lambda t, m: (t | {f"best/{WEIGHT}": t[f"best/{WEIGHT}"] * np.nan}, m),
    "without choruses": lambda t, m: (t, m | {"best": {"total": 1.5}}),
    "without total": lambda t, m: (t, m | {"best": {"choruses": 2}}),
    "total no number": lambda t, m: (t, m | {"best": {"choruses": 2, "total": math.nan}}),
    "choruses no number": lambda t, m: (t, m | {"best": {"choruses": "2", "total": 1.0}}),
    "figures a list": lambda t, m: (t, m | {"best": [2, 1.5]}),
    "figures a text": lambda t, m: (t, m | {"best": "x" * 10**5}),
    "Adam renamed": lambda t, m: (renamed(t, "adam/", "eve/"), m),
    "Adam of a shape that fits": lambda t, m: (
        t | {k: v[..., :1] for k, v in t.items() if k[:4] == "adam"},
        m,
    ),
    "Adam no number": lambda t, m: (t | {k: v * np.nan for k, v in t.items() if k[:4] == "adam"}, m),
    "something more": lambda t, m: (t | {"more/x": np.zeros(1)}, m),
    **{
        f"learned {value!r:.20}": lambda t, m, v=value: (t, m | {"memory": m["memory"] | {"learned": v}})
        for value in (-1, 1.0, "2", None, True, 10**400, [2])
    },
    **{
        f"generator {value!r:.20}": lambda t, m, v=value: (t, m | {"memory": m["memory"] | {"generator": v}})
        for value in (None, "x", {}, {"bit_generator": "MT19937", "state": {"key": [0] * 624, "pos": 10**9}})
    },
    "nothing but the best": lambda t, m: ({k: v for k, v in t.items() if k.startswith("best/")}, m),
    "all learned, none judged": lambda t, m: (t, m | {"best": None, "memory": m["memory"] | {"learned": 6}}),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_what_is_damaged_is_said_before_the_training(stopped, tmp_path, damage):
    *whole, settings = stopped
    run = run_of(settings, tmp_path / "run")
    save_checkpoint(run.checkpoint, *whole)
    assert runs.resume(settings, run).learned == 2
    save_checkpoint(run.checkpoint, *damage(*whole))
    with pytest.raises(CheckpointError) as caught:
        runs.resume(settings, run)
    text = str(caught.value)
    assert text.startswith(f"{run.checkpoint}: does not fit the settings of the run (") and len(text) < 500


# ---------------------------------------------------------------------------------------------- gross errors


def test_a_gross_error_resets_the_network_and_begins_the_next_piece():
    """By hand: each piece is learned up to the first gross error, from a network at rest after one."""
    settings = Train(recipe="paper", learn=4, gross_error=0.62, seed=1)
    learner, by_hand = runs.begin(settings), runs.begin(settings)
    recipe, network, stopped = by_hand.recipe, by_hand.network, []
    while not by_hand.done:
        x, t = (array[:, :, 0] for array in by_hand.pieces.draw(by_hand.rng, 1, 1))
        for step in range(96):
            y, _, _ = network.learn_online(x[step : step + 1], t[step : step + 1], recipe.lr, recipe.momentum)
            if abs(y[0] - t[step]).max() > 0.62:
                network.reset()
                stopped.append(step)
                break
        by_hand.learned += 1
    finish(learner)
    assert stopped and min(stopped) < 95  # otherwise this shows nothing
    assert_same_network(learner.network, network)


def test_every_piece_ends_at_once_if_every_error_is_gross(patch):
    learner = runs.begin(Train(recipe="paper", learn=3, gross_error=0.001))
    resets, steps = [], []
    reset, learn_online = learner.network.reset, learner.network.learn_online

    def counted(*given):
        y, loss, wrong = learn_online(*given)
        steps.append(len(y))
        return y, loss, wrong

    patch.setattr(learner.network, "reset", lambda: (resets.append(1), reset()))
    patch.setattr(learner.network, "learn_online", counted)
    patch.setattr(training.OnlineLearner, "AT_ONCE", 3)
    finish(learner)
    assert steps == [1, 1, 1] and len(resets) == 3


# --------------------------------------------------------------------------------------------------- pieces


def test_seeds_differ_in_weights_and_pieces_and_a_seed_is_reproducible():
    first, again, other = (runs.begin(Train(learn=2, seed=seed)) for seed in (5, 5, 6))
    assert_same_network(first.network, again.network)
    assert first.advance() == again.advance() != other.advance()
    assert (first.network.flat == again.network.flat).all() and (
        first.network.flat != other.network.flat
    ).any()


@pytest.mark.parametrize("form", [BluesFormat(16), BluesFormat(32, "gap"), BluesFormat(8, "onset", True)])
def test_every_format_can_be_learned(form):
    settings = Train(
        learn=2, **{name: getattr(form, name) for name in ("steps_per_bar", "endings", "literal_bar_6")}
    )
    learner = runs.begin(settings)
    assert learner.pieces.form == form
    assert all(math.isfinite(loss) for loss in finish(learner))


def test_nothing_is_written_besides_the_run(tmp_path):
    settings = Train(learn=4)
    run = run_of(settings, tmp_path / "run")
    runs.learn(runs.begin(settings), run, quiet=True)
    assert set(content(tmp_path / "run")) == {
        ".lock",  # as long as the process works there
        "config.yaml",
        "environment.json",
        "log.jsonl",
        "checkpoint.safetensors",
    }
