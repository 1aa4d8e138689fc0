"""The sweep of the paper: five settings, one at a time, the others as the paper chose them.

Who does which run, and what becomes of one whose process dies: see experiments/common/sweep_runner.py.
"""

from dataclasses import replace
from functools import partial

from experiments.common import sweep_runner
from experiments.common.runner import begin_or_go_on
from experiments.common.sweep_runner import Plan
from experiments.folk import runs
from experiments.folk.data import load
from experiments.folk.settings import PRESETS, Train, complete

STUDY = "folk"
AXES = {
    "optimizer": ("sgd", "momentum", "adagrad", "rmsprop", "adam"),
    "hidden": (128, 256, 512, 1024, 2048),
    "lr": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    "length": (50, 100, 200, 400, 800),
    "batch": (4, 8, 16, 32, 64),
}
RATES = {"sgd": 1.0, "momentum": 0.1, "adagrad": 1e-2, "rmsprop": 1e-3, "adam": 1e-3}  # usual ones


def grid(config):
    """All runs: list of dicts {"axis", "value"}."""
    return [{"axis": axis, "value": value} for axis in config.axes for value in values_of(axis, config)]


def values_of(axis, config):
    """The values of an axis; with fewer units than the paper's, the axis of units ends at twice as many."""
    if axis == "hidden" and config.hidden:
        return tuple(value for value in AXES[axis] if value <= 2 * config.hidden)
    return AXES[axis]


def settings_of(config, run):
    """The complete settings of one run."""
    base = complete(Train(preset="paper", data=config.data, seed=config.seed, quiet=True, steps=config.steps,
                          hidden=config.hidden, eval_every=max(1, config.steps // 10)))  # fmt: skip
    settings = replace(base, **{run["axis"]: run["value"]}, out=config.out / name_of(run))
    if run["axis"] == "optimizer":
        settings = replace(settings, lr=RATES[run["value"]])
    return settings


def name_of(run):
    return f"{run['axis']}-{run['value']}"


def paper_choice(axis, config):
    """The value that the paper settled on."""
    return config.hidden if axis == "hidden" and config.hidden else PRESETS["paper"][axis]


def plan_of(config):
    """The Plan of a Sweep."""
    return Plan(
        STUDY, config.out, config.storage, grid(config),
        {"axis": list(AXES), "value": [value for axis in AXES for value in AXES[axis]]},
        {"steps": config.steps, "hidden": config.hidden, "seed": config.seed},
        config.steps // 4 if config.prune else None,
    )  # fmt: skip


def open_study(config):
    """The Optuna study of a Sweep, with every run in it; UserError if it cannot be opened or is another."""
    return sweep_runner.open_study(plan_of(config))


def finished(study):
    """The finished trials by (axis, value), the last one of each."""
    return sweep_runner.finished(study, ("axis", "value"))


def work(config):
    """Take runs until none is left; how many were done. One worker, one thread."""
    corpus = load(config.data, quiet=True)
    return sweep_runner.work(plan_of(config), lambda run, trial: learn(config, run, corpus, trial))


def learn(config, run, corpus, trial):
    """One run, from its checkpoint if there is one; the held-out loss at its end."""
    settings = settings_of(config, run)
    session = begin_or_go_on(partial(runs.make_session, settings, corpus), settings.out, settings, wait=True)
    return sweep_runner.learn_session(session, trial, config.prune)


def sweep(config, say):
    """`sweep`: all runs, on as many processes as asked for; then figures and a table."""
    from experiments.folk.sweep_report import write_report

    study, plan = open_study(config), plan_of(config)
    total, already = len(plan.grid), len(finished(study))
    place = sweep_runner.place(plan)
    say(f"{total} runs of {config.steps} steps, {already} of them done before; in {place}")
    if already < total:
        sweep_runner.run_workers(work, config, config.workers, say)
    write_report(config, finished(study), say)
