"""Experiment 2 with several seeds."""

import tempfile
import time
from dataclasses import replace

import numpy as np

from encoders.tokens.blues import loss_floor
from experiments.blues import runs
from experiments.blues.evaluation import evaluate
from experiments.common.processes import in_processes
from experiments.common.progress import Progress
from experiments.common.run_folder import RunFolder
from scratchnet.files import atomic_open


def one(config, seed):
    """Train and evaluate one network, in a process of its own; nothing is kept but the figures."""
    config = replace(config, seed=seed)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        session = runs.make_session(config).within(RunFolder(folder))
        network, pieces = session.trainer.model, session.trainer.batches.pieces
        row = {"seed": seed, "weights": network.parameter_count}
        if chords := runs.learn_chords_first(session, config):
            row["chords_first"] = chords
        row["best"] = runs.learn(session)
    row["seconds"] = time.perf_counter() - began
    return row | evaluate(network, pieces, np.random.default_rng([seed, 4]), config.choruses)


def run_repetition(config, run, say):
    """`repeat`: all seeds, a table, metrics.json."""
    jobs, rows = [(config, seed) for seed in range(config.seed, config.seed + config.seeds)], []
    with Progress(len(jobs), "learning", "network", config.quiet) as progress:
        for row in in_processes(one, jobs):
            rows.append(row)
            run.log(**row)
            progress.update(1, loss=row["fresh pieces"]["melody_loss"])
    rows.sort(key=lambda row: row["seed"])
    text = table(rows, config)
    say(text)
    with atomic_open(run.path("table.md")) as file:
        file.write(text + "\n")
    run.write_metrics({"seeds": rows})
    say(f"\nThe rows are in {run.folder}.")


def table(rows, config):
    """Markdown, a line a seed, and the median."""
    floor = loss_floor(runs.form_of(config))
    lines = [
        f"{rows[0]['weights']} weights, recipe {config.recipe}, {config.steps_per_bar} steps per bar, "
        f"endings {config.endings}; "
        f"exact floor of the melody {floor:.5f} nats per step",
        "",
        "| seed | chord-perfect choruses | melody loss, fresh pieces | above the floor | bars known "
        "| choruses known | in the grammar | notes in scale | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    columns = []
    for row in rows:
        fresh, free, melodies = row["fresh pieces"], row["free composition"], row["composed melodies"]
        values = [
            free["perfect_choruses"],
            fresh["melody_loss"],
            100 * fresh["above_floor"],
            *(
                100 * melodies[k]
                for k in ("bars_in_training", "choruses_in_training", "choruses_in_grammar", "notes_in_scale")
            ),
            row["seconds"],
        ]
        columns.append(values)
        lines.append(line(row["seed"], values, config.choruses))
    lines.append(line("median", np.median(columns, 0), config.choruses))
    return "\n".join(lines)


def line(label, values, choruses):
    perfect, loss, above, bars, known, grammar, scale, seconds = values
    return (
        f"| {label} | {perfect:.0f} of {choruses} | {loss:.5f} | {above:.1f} % | {bars:.1f} % "
        f"| {known:.1f} % | {grammar:.1f} % | {scale:.1f} % | {seconds:.0f} |"
    )
