"""The table of the README: sets x cells x seeds, each network in a process of its own."""

import os
import shlex
import time

import numpy as np

from experiments.common.errors import UserError
from experiments.common.json_files import is_number
from experiments.common.processes import in_processes
from experiments.common.progress import Progress
from experiments.common.run_folder import RunFolder
from experiments.polyphony import runs
from experiments.polyphony.anchors import SCORED
from experiments.polyphony.data import SOURCES, SPLITS, load
from experiments.polyphony.recipes import NAMES, complete, recipe_of
from experiments.polyphony.report import judge, standing
from experiments.polyphony.settings import Train
from scratchnet.files import atomic_open
from scratchnet.training.trainer import Diverged


def one(config):
    """Learn and judge one network, in a process of its own: its row. What is finished is only read; what was
    interrupted goes on.
    """
    from scratchnet.kernels import team

    team.set_size(1)  # the processes share the cores
    run = open_run(config)
    if run is not None:
        run = RunFolder.resume(config.out, wait=True)  # another process may be at it
        if is_row(row := run.metrics().get("row"), config):
            return row
    began = time.perf_counter()
    music = load(config.set, config.data, quiet=True)
    session = runs.make_session(config, music)
    if run is None:
        run = session.create(config.out, config, overwrite=True).run
    elif run.checkpoint.is_file():
        session.resume(run)
    else:
        session.within(run)
    before = run.metrics().get("seconds", 0)
    before = before if is_number(before) else 0
    row = {"set": config.set, "cell": config.cell, "seed": config.seed, "folder": str(run.folder)}
    try:
        session.learn(quiet=True)
    except Diverged as error:
        return row | {"diverged": str(error)}  # not written: another try is allowed
    network, best = runs.load_network(run, config)
    nll = judge(network, music)
    row |= {
        "weights": network.parameter_count, "epoch": best["epoch"], "epochs": session.done, **nll,
        "seconds": before + time.perf_counter() - began,
    }  # fmt: skip
    run.write_metrics({"nll": nll, "row": row})
    return row


def is_row(row, config):
    """Whether metrics.json has the figures of a finished network of these settings."""
    numbers = "weights", "epoch", "epochs", "seconds", *SPLITS
    same = isinstance(row, dict) and all(row.get(k) == getattr(config, k) for k in ("set", "cell", "seed"))
    return same and all(is_number(row.get(name)) for name in numbers)


def open_run(config):
    """The RunFolder of these settings, or None; a UserError if the folder is of other settings."""
    if not (config.out / "config.yaml").is_file():
        return None
    run = RunFolder.open(config.out)
    there = runs.settings_of(run)
    different = [k for k in (*NAMES, "set", "cell", "seed") if getattr(there, k) != getattr(config, k)]
    if different:
        name = different[0]
        was, is_now = getattr(there, name), getattr(config, name)
        raise UserError(f"{config.out}: a run with {name} {was}, and not {is_now}; choose another --out")
    return run


def make_table(config, say):
    """`table`: all runs, a table for each set, tables.md."""
    sets = {name: load(name, data_of(config, name), config.quiet) for name in dict.fromkeys(config.sets)}
    jobs = []
    for name in sets:
        for cell in dict.fromkeys(config.cells):
            for seed in range(config.seed, config.seed + config.seeds):
                settings = Train(
                    set=name, cell=cell, seed=seed, epochs=config.epochs, quiet=True,
                    data=data_of(config, name), out=config.out / f"{name}-{cell}-{seed}",
                )  # fmt: skip
                jobs.append((complete(settings),))
    for (settings,) in jobs:
        open_run(settings)  # folders of other settings are refused now, not hours later
    rows, workers = [], config.workers or os.cpu_count()
    jobs.sort(
        key=lambda job: job[0].set != "nottingham"
    )  # the long ones first: none is left alone at the end
    with Progress(len(jobs), "networks", "network", config.quiet) as bar:
        for row in in_processes(one, jobs, workers):
            rows.append(row)
            bar.update(1, **{f"{row['set']}-{row['cell']}": row.get("test", "diverged")})
    rows.sort(key=lambda row: row["seed"])
    texts = [markdown(name, music, rows, config) for name, music in sets.items()]
    with atomic_open(config.out / "tables.md") as file:
        file.write("\n\n".join(texts) + "\n")
    say("\n\n".join(texts))
    say(f"\nThe runs and tables are in {config.out}.")


def data_of(config, name):
    """The path of a set: of several sets, a file can only be one."""
    if config.data is None or config.data.is_dir():
        return config.data
    if len(set(config.sets)) > 1:
        raise UserError(f"--data: expected a folder, for several --sets, got {config.data}")
    return config.data


def markdown(name, music, rows, config):
    """The table of one set: ours with mean and spread over seeds, simple models, published rows."""
    ours, notes = [], []
    for cell in dict.fromkeys(config.cells):
        kept = [row for row in rows if (row["set"], row["cell"]) == (name, cell) and "test" in row]
        gone = sum((row["set"], row["cell"]) == (name, cell) for row in rows) - len(kept)
        recipe = recipe_of(name, cell)
        label = f"**{cell.upper()}**, {recipe['layers']} x {recipe['hidden']}"
        if gone:
            notes.append(f"{gone} of {len(kept) + gone} {cell.upper()} networks diverged.")
        if kept:
            means = {k: float(np.mean([row[k] for row in kept])) for k in ("train", "valid", "test")}
            ours.append((label, kept[0]["weights"], means))
            notes.append(settings_line(name, cell, kept, config))
    table = [
        f"{SOURCES[name].title}; {' '.join(SCORED.split())}",
        "",
        "| model | weights | train | valid | test | test, each seed | epoch | minutes | source |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for model, weights, *nats, source in standing(name, music, ours, config.quiet)[0]:
        seeds = epoch = minutes = ""
        if weights:
            cell = model.split("**")[1].lower()
            kept = [row for row in rows if (row["set"], row["cell"]) == (name, cell) and "test" in row]
            seeds = ", ".join(f"{row['test']:.2f}" for row in kept)
            epoch = f"{np.median([row['epoch'] for row in kept]):.0f}"
            minutes = f"{np.median([row['seconds'] for row in kept]) / 60:.1f}"
        numbers = " | ".join("" if value is None else f"{value:.2f}" for value in nats)
        count = f"{weights:,}" if weights else ""
        table.append(f"| {model} | {count} | {numbers} | {seeds} | {epoch} | {minutes} | {source} |")
    return "\n".join([*table, "", *notes])


def settings_line(name, cell, kept, config):
    """Spread, command and settings of a row, as a line of a list."""
    tests = [row["test"] for row in kept]
    spread = f"standard deviation {np.std(tests, ddof=1):.3f}" if len(tests) > 1 else "one seed"
    recipe = recipe_of(name, cell)
    settings = ", ".join(f"{key.replace('_', ' ')} {recipe[key]:g}" for key in NAMES)
    line = f"python -m experiments.polyphony train --set {name} --cell {cell} --seed {kept[0]['seed']}"
    if config.epochs:
        line += f" --epochs {config.epochs}"
    return f"- {cell.upper()}: `{shlex.join(shlex.split(line))}`; test {spread}; {settings}"
