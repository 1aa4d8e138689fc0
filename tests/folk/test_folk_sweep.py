"""The sweep: shared by processes, robust against those that die, never done twice."""

import json
import multiprocessing
import time

import pytest
from abc_tunes import write_tunes

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
pytest.importorskip("matplotlib", reason="needs the extra 'experiments'")
from experiments.common import sweep_runner
from experiments.common.errors import UserError
from experiments.common.processes import begin_process
from experiments.common.recipe import LEARNING
from experiments.folk import sweep
from experiments.folk.__main__ import program
from experiments.folk.settings import Sweep

optuna = pytest.importorskip("optuna", reason="needs the extra 'sweep'")
TINY = LEARNING | {"hidden": 8, "steps": 20, "batch": 4, "length": 20, "stateful": False}
FEW = {"optimizer": ("momentum", "adam"), "length": (10, 20)}
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(scope="module")
def tunes(tmp_path_factory):
    return write_tunes(tmp_path_factory.mktemp("data") / "tunes.abc")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Few runs of small networks."""
    monkeypatch.setattr(sweep, "AXES", FEW)
    monkeypatch.setitem(sweep.PRESETS, "paper", TINY)


def config(tunes, tmp_path, **options):
    options = {
        "steps": 10,
        "hidden": 8,
        "workers": 1,
        "axes": tuple(FEW),
        "out": tmp_path / "sweep",
    } | options
    return Sweep(data=(tunes,), **options)


def test_every_run_once(tunes, tmp_path):
    settings = config(tunes, tmp_path)
    assert sweep.work(settings) == 4
    assert sweep.work(settings) == 0
    done = sweep.finished(sweep.open_study(settings))
    assert set(done) == {("optimizer", "momentum"), ("optimizer", "adam"), ("length", 10), ("length", 20)}
    for (axis, value), trial in done.items():
        folder = settings.out / f"{axis}-{value}"
        rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        held_out = [[row["step"], row["held_out"]] for row in rows if "held_out" in row]
        assert trial.user_attrs["curves"]["held_out"] == held_out and len(held_out) == 10
        assert trial.value == min(nats for _, nats in held_out)
        assert [trial.intermediate_values[step] for step, _ in held_out] == [nats for _, nats in held_out]


def test_the_report(tunes, tmp_path):
    settings, said = config(tunes, tmp_path), []
    sweep.work(settings)
    from experiments.folk.sweep_report import write_report

    write_report(settings, sweep.finished(sweep.open_study(settings)), said.append)
    text = (settings.out / "sweep.md").read_text()
    assert (
        said[0] + "\n" == text
        and "| optimizer | **adam** | " in text
        and "| length of a sequence | **20** |" in text
    )
    assert (settings.out / "sweep-optimizer.png").is_file() and (settings.out / "sweep-length.png").is_file()
    write_report(settings, {}, said.append)
    assert "Not yet done: optimizer-momentum, optimizer-adam, length-10, length-20." in said[-2]


def test_a_lost_run_is_taken_over_from_its_checkpoint(tunes, tmp_path, monkeypatch):
    settings = config(tunes, tmp_path)
    real, learned = sweep.runs.make_session, []

    class Killed(BaseException):
        pass

    def dying(*arguments):
        session = real(*arguments)
        evaluate = session.trainer.evaluate

        def evaluate_and_die(*arguments):
            if session.trainer.steps == 5:
                session.save()
                raise Killed
            return evaluate(*arguments)

        session.trainer.evaluate = evaluate_and_die
        return session

    def counting(*arguments):
        session = real(*arguments)
        step = session.trainer.step
        session.trainer.step = lambda: learned.append(session.run.folder.name) or step()
        return session

    monkeypatch.setattr(sweep.runs, "make_session", dying)
    study = sweep.open_study(settings)
    trial = study.ask()  # as a killed process leaves it: running, and silent
    run = {
        "axis": trial.suggest_categorical("axis", list(sweep.AXES)),
        "value": trial.suggest_categorical("value", [v for axis in sweep.AXES.values() for v in axis]),
    }
    with pytest.raises(Killed):
        sweep.learn(settings, run, sweep.load(settings.data), trial)
    trial.set_user_attr(sweep_runner.SEEN, time.time() - 1000)
    monkeypatch.setattr(sweep.runs, "make_session", counting)
    assert sweep.work(settings) == 4
    assert len(sweep.finished(sweep.open_study(settings))) == 4
    assert learned.count(sweep.name_of(run)) == 5  # the last five steps only


def test_a_run_that_lives_is_left_alone(tunes, tmp_path):
    study = sweep.open_study(config(tunes, tmp_path))
    trial = study.ask()
    trial.set_user_attr(sweep_runner.SEEN, time.time())
    sweep_runner.give_back_lost_runs(study)
    assert [t.number for t in sweep_runner.running(study)] == [trial.number] and len(
        sweep_runner.waiting(study)
    ) == 3


def work_small(settings):
    """`work` in a new process, which knows nothing of monkeypatch."""
    begin_process()
    sweep.AXES = FEW
    sweep.PRESETS["paper"] = TINY
    sweep_runner.LOST = 3.0
    sweep_runner.BEAT = 0.5
    sweep.work(settings)


@pytest.mark.slow
def test_two_workers_of_which_one_is_killed(tunes, tmp_path):
    settings = config(tunes, tmp_path, steps=60)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work_small, args=(settings,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    study = sweep.open_study(settings)
    deadline = time.time() + 120
    while len(sweep_runner.running(study)) < 2 and len(sweep.finished(study)) < 3 and time.time() < deadline:
        time.sleep(0.05)
    workers[0].kill()
    for worker in workers:
        worker.join(120)
    assert workers[1].exitcode == 0
    assert len(sweep.finished(study)) == 4
    complete = [t for t in study.get_trials() if t.state == optuna.trial.TrialState.COMPLETE]
    assert len(complete) == 4  # nothing twice


def test_pruning(tunes, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "AXES", {"optimizer": ("momentum", "adam", "sgd", "rmsprop")})
    monkeypatch.setattr(optuna.trial.Trial, "should_prune", lambda trial: trial.number == 3)
    settings = config(tunes, tmp_path, axes=("optimizer",), prune=True)
    assert sweep.work(settings) == 4
    done = sweep.finished(sweep.open_study(settings))
    states = [trial.state.name for trial in done.values()]
    assert states.count("PRUNED") == 1 and states.count("COMPLETE") == 3
    assert all(trial.user_attrs["curves"]["held_out"] for trial in done.values())


def test_a_diverged_run_is_a_result(tunes, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "RATES", sweep.RATES | {"adam": 3e38})
    settings = config(tunes, tmp_path, axes=("optimizer",))
    sweep.work(settings)
    done = sweep.finished(sweep.open_study(settings))
    assert done["optimizer", "adam"].value == float("inf") and done["optimizer", "momentum"].value < 10


def test_a_study_of_other_settings(tunes, tmp_path):
    sweep.open_study(config(tunes, tmp_path))
    with pytest.raises(UserError, match="the study has steps 10, not 20"):
        sweep.open_study(config(tunes, tmp_path, steps=20))


@pytest.mark.slow
def test_a_database_that_is_not_there(tunes, tmp_path, capsys):
    out = ["--out", str(tmp_path / "s"), "--data", str(tunes), "--axes", "optimizer"]
    assert program.main(["sweep", "--storage", "sqlite:////no/such/folder/a.db", *out]) == 2
    told = capsys.readouterr().err
    assert "cannot open the study" in told and told.count("\n") == 1
