"""All builds over several seeds, by the sweep runner of all experiments; at the end the paper's Figure 2."""

from functools import partial

from experiments.classical import figures, report, runs
from experiments.classical.data import load
from experiments.classical.settings import BUILDS, Train, complete
from experiments.common import sweep_runner
from experiments.common.errors import UserError
from experiments.common.ngram_baseline import best_ngram
from experiments.common.runner import begin_or_go_on
from experiments.common.sweep_runner import Plan
from scratchnet.files import atomic_open

STUDY = "classical"
SEEDS = 100  # that a study can hold
SHARED = (
    "preset", "width", "head", "conv", "kernel", "input", "embedding", "chords", "durations", "window",
    "limit", "epochs", "steps", "batch", "lr", "optimizer", "transpose", "noise",
)  # fmt: skip


def plan_of(config, corpus):
    """The Plan of a Search with complete settings."""
    seeds = range(config.seed, config.seed + config.seeds)
    return Plan(
        STUDY, config.out, config.storage,
        [{"build": build, "seed": seed} for seed in seeds for build in config.architectures],
        {"build": list(BUILDS), "seed": list(range(SEEDS))},
        {name: getattr(config, name) for name in SHARED}
        | {"windows": corpus.windows("train"), "symbols": len(corpus.vocabulary)},
    )  # fmt: skip


def settings_of(config, run):
    """The complete Train settings of one run."""
    settings = runs.train_settings(config, architecture=run["build"], seed=run["seed"], quiet=True)
    return complete(Train(**{**vars(settings), "out": config.out / f"{run['build']}-{run['seed']}"}))


def work(config):
    """Take runs until none is left; how many were done. One worker, one thread."""
    corpus = load(config)
    plan = plan_of(config, corpus)
    return sweep_runner.work(plan, lambda run, trial: learn(config, run, corpus, trial))


def learn(config, run, corpus, trial):
    """One run, from its checkpoint if there is one; the held-out loss at its end."""
    settings = settings_of(config, run)
    session = begin_or_go_on(partial(runs.make_session, settings, corpus), settings.out, settings, wait=True)
    nats = sweep_runner.learn_session(session, trial)
    if session.trainer.best:
        network, _, _, _ = runs.load_network(session.run.folder)
        found = report.judge_run(session, network, corpus)
        trial.set_user_attr("figures", found)
    return nats


def search(config, say):
    """`search`: all runs, on as many processes as asked for; then the figure and the table."""
    runs.expect_architectures(config.architectures)
    if config.seed + config.seeds > SEEDS:
        raise UserError(
            f"--seed and --seeds: expected seeds below {SEEDS}, got {config.seed + config.seeds - 1}"
        )
    config = complete(config)
    corpus = load(config)
    plan = plan_of(config, corpus)
    say(corpus.describe())
    study = sweep_runner.open_study(plan)
    done = sweep_runner.finished(study, plan.choices)
    already = sum(plan.key(run) in done for run in plan.grid)
    say(f"{len(plan.grid)} runs, {already} of them done before; in {sweep_runner.place(plan)}")
    if already < len(plan.grid):
        sweep_runner.run_workers(work, config, config.workers, say)
    write_report(config, plan, sweep_runner.finished(study, plan.choices), corpus, say)


def write_report(config, plan, trials, corpus, say):
    """The table search.md and the figure search.png in the folder of the search."""
    judged, curves, missing = {}, {}, []
    for run in plan.grid:
        trial = trials.get(plan.key(run))
        if trial is None or "figures" not in trial.user_attrs:
            missing.append(f"{run['build']} with seed {run['seed']}" + (" (diverged)" if trial else ""))
            continue
        judged.setdefault(run["build"], []).append(trial.user_attrs["figures"])
        if "curves" in trial.user_attrs:
            curves.setdefault(run["build"], []).append(trial.user_attrs["curves"]["held_out"])
    judged = {build: judged[build] for build in config.architectures if build in judged}
    if not judged:
        say(f"no run is done yet in {config.out}")
        return
    rows = report.baselines(corpus, quiet=config.quiet)
    text = report.table(judged, rows) + "\n\n" + report.verdict(judged, rows)
    if missing:
        text += f"\nNot there: {', '.join(missing)}."
    with atomic_open(config.out / "search.md") as file:
        file.write(text + "\n")
    ngram = best_ngram(report.baselines(corpus, "valid", config.quiet))
    figures.draw_learning(config.out / "search.png", curves, *ngram)
    say("\n" + text)
    say(f"\nThe table and the figure are in {config.out}.")
