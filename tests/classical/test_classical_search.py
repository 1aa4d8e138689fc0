"""The search: all builds over seeds, on the runner that folk's sweep uses, too."""

import json

import pytest
from classical_files import write_corpus

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
pytest.importorskip("matplotlib", reason="needs the extra 'experiments'")
from experiments.classical import search
from experiments.classical.settings import Search, complete
from experiments.common import sweep_runner
from experiments.common.errors import UserError
from scratchnet.kernels.jit import CACHE_FOLDER

pytest.importorskip("optuna", reason="needs the extra 'sweep'")
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    folder.mkdir()
    if CACHE_FOLDER is not None:  # workers need not compile what has been
        CACHE_FOLDER.make()
        (folder / CACHE_FOLDER.path.name).symlink_to(CACHE_FOLDER.path)
    monkeypatch.setenv("SCRATCHNET_CACHE", str(folder))


def config(tmp_path, **options):
    options = {"steps": 6, "seeds": 2, "workers": 1, "architectures": ("model2", "model6"), "width": 0.02,
               "window": 10, "batch": 4, "eval_every": 3, "out": tmp_path / "search"} | options  # fmt: skip
    return complete(Search(data=(write_corpus(tmp_path / "data"),), quiet=True, **options))


def test_every_run_once_and_the_table(tmp_path):
    settings, said = config(tmp_path), []
    assert search.work(settings) == 4
    assert search.work(settings) == 0
    plan = search.plan_of(settings, search.load(settings))
    done = sweep_runner.finished(sweep_runner.open_study(plan), plan.choices)
    assert set(done) == {("model2", 0), ("model2", 1), ("model6", 0), ("model6", 1)}
    for (build, seed), trial in done.items():
        folder = settings.out / f"{build}-{seed}"
        rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        assert trial.value == min(row["held_out"] for row in rows if "held_out" in row)
        figures = json.loads((folder / "metrics.json").read_text())
        assert trial.user_attrs["figures"]["test"] == figures["test"]
    search.search(settings, said.append)
    text = (settings.out / "search.md").read_text()
    assert "4 runs, 4 of them done before" in said[1] and "\n" + text == said[-2] + "\n"
    assert text.count(" ± ") >= 10 and "Not there" not in text and (settings.out / "search.png").is_file()
    more = config(tmp_path, seeds=3)
    corpus = search.load(more)
    search.write_report(more, search.plan_of(more, corpus), done, corpus, said.append)
    assert "Not there: model2 with seed 2, model6 with seed 2." in said[-2]


def test_a_lost_run_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    settings, learned = config(tmp_path, architectures=("model2",), seeds=1), []
    corpus = search.load(settings)
    plan = search.plan_of(settings, corpus)
    study = sweep_runner.open_study(plan)
    trial = study.ask()  # as a killed process leaves it: running, and silent
    run = sweep_runner.run_of(trial, plan)
    from scratchnet.training.trainer import Trainer

    step = Trainer.step

    def dying(self):
        if self.steps == 4:
            raise SystemError("killed")
        return step(self)

    options = {"save_every": 2}
    changed = config(tmp_path, architectures=("model2",), seeds=1, **options)
    monkeypatch.setattr(Trainer, "step", dying)
    with pytest.raises(SystemError):
        search.learn(changed, run, corpus, trial)
    trial.set_user_attr(sweep_runner.SEEN, 0.0)
    monkeypatch.setattr(Trainer, "step", lambda self: learned.append(1) or step(self))
    assert search.work(changed) == 1
    assert len(learned) == 2  # the last two steps only
    assert len(sweep_runner.finished(study, plan.choices)) == 1


def test_a_study_of_other_settings(tmp_path):
    settings = config(tmp_path)
    corpus = search.load(settings)
    sweep_runner.open_study(search.plan_of(settings, corpus))
    with pytest.raises(UserError, match="the study has steps 6, not 7"):
        sweep_runner.open_study(search.plan_of(config(tmp_path, steps=7), corpus))
    other = config(tmp_path, transpose=1.0)
    with pytest.raises(UserError, match="the study has (transpose|symbols)"):
        sweep_runner.open_study(search.plan_of(other, search.load(other)))


def test_diverged_runs_are_named(tmp_path):
    settings, said = config(tmp_path, architectures=("model2",), seeds=1, lr=3e38, clip=1e30), []
    search.search(settings, said.append)
    assert "no run is done yet" in said[-1] or "(diverged)" in said[-2]
