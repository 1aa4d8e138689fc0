"""The comparison the report calls for: the same music and the same number of choruses for every network and
gradient.
"""

import contextlib
import time
from dataclasses import replace

import numpy as np

from encoders.tokens.blues import MELODY_LOW, SCALE, loss_floor
from experiments.blues.chords import learn_alone, warm_up
from experiments.blues.evaluation import chord_drift
from experiments.blues.models import BOTH, CHORDS, CONTENDERS, FORM
from experiments.blues.training import losses, make_pieces, make_trainer
from experiments.common.errors import UserError
from experiments.common.processes import in_processes
from experiments.common.progress import Progress
from scratchnet.files import atomic_open
from scratchnet.training.optimizers import Diverged

DRIFT = 100  # choruses of free composition
WALK, FREQUENCY = "random walk over the scale", "frequency of each unit"


def chords_trial(contender, seed, choruses):
    """Experiment 1 for one network: the row of `learn_alone`."""
    pieces = make_pieces(contender.recipe, seed, FORM, with_melody=False)
    network = contender.make(CHORDS, np.random.default_rng([seed, 0]))
    trainer = make_trainer(replace(contender.recipe, batch=1), network, pieces, choruses, seed)
    row = learn_alone(trainer, contender.recipe.repeats, seed)
    return row | {"weights": network.parameter_count}


def melody_trial(contender, seed, choruses):
    """Experiment 2 for one network, from random weights: losses on fresh pieces, and chords in free
    composition.
    """
    pieces = make_pieces(contender.recipe, seed, FORM)
    network = contender.make(BOTH, np.random.default_rng([seed, 0]))
    trainer = make_trainer(contender.recipe, network, pieces, choruses, seed)
    warm_up(trainer)
    began = time.perf_counter()
    while not trainer.batches.over:
        with contextlib.suppress(Diverged):
            trainer.step()
    seconds = time.perf_counter() - began
    row = losses(network, pieces, pieces.fresh) | chord_drift(
        network, pieces, DRIFT, np.random.default_rng([seed, 4])
    )
    return row | {"seed": seed, "seconds": seconds, "weights": network.parameter_count}


def trial(name, experiment, seed, choruses):
    """One cell of the table, in a process of its own."""
    contender = next(c for c in CONTENDERS if c.name == name)
    run = chords_trial if experiment == 1 else melody_trial
    return name, experiment, run(contender, seed, choruses)


def anchors(seed):
    """Melody losses of two models that need no training, on fresh pieces: name -> nats per step."""
    pieces = make_pieces(CONTENDERS[0].recipe, seed, FORM)
    training, fresh = pieces.melodies[pieces.training], pieces.melodies[pieces.fresh]
    rate = training.mean((0, 1), dtype=float)
    walks = [(walk_loss(training[:500], rate, share), share) for share in np.linspace(0.1, 1, 10)]
    return {FREQUENCY: cross_entropy(rate, fresh).mean(), WALK: walk_loss(fresh, rate, min(walks)[1])}


def cross_entropy(p, bits):
    """-sum over units of the log-probability of bits, units independent of probability p: nats per step."""
    p = np.broadcast_to(np.clip(p, 1e-12, 1 - 1e-12), bits.shape)
    return -np.log(np.where(bits, p, 1 - p)).sum(-1)


def walk_loss(melodies, rate, share):
    """Mean cross-entropy of a random walk that knows the beat: within a beat the note stays, at the next one
    it moves by at most one step of the scale. Melodies also leap, which a walk calls impossible: with
    probability `share` it draws by frequency instead.
    """
    scale = np.array(SCALE) - MELODY_LOW
    notes = melodies.argmax(2)[:, :: FORM.beat]  # (pieces, beats)
    place = np.abs(notes[..., None] - scale).argmin(-1)
    step = np.stack([np.clip(place[:, :-1] + k, 0, len(scale) - 1) for k in (-1, 0, 1)])
    walk = (scale[step][..., None] == np.arange(melodies.shape[2])).mean(0)
    moves = cross_entropy((1 - share) * walk + share * rate, melodies[:, FORM.beat :: FORM.beat])
    first = cross_entropy(rate, melodies[:, 0])
    return float((moves.sum() + first.sum()) / (melodies.shape[0] * melodies.shape[1]))


def check_names(only):
    """A UserError if a name is not one of the networks'."""
    names = [contender.name for contender in CONTENDERS]
    for name in only:
        if name not in names:
            raise UserError(f"--only: expected some of {names}, got {name!r}")


def run_comparison(config, run, say):
    """`compare`: all trials, two tables, metrics.json."""
    names = [contender.name for contender in CONTENDERS]
    chosen = [name for name in names if not config.only or name in config.only]
    seeds = range(config.seed, config.seed + config.seeds)
    budget = {1: config.chord_choruses, 2: config.learn}
    jobs = [
        (name, experiment, seed, budget[experiment])
        for experiment in (1, 2)
        for name in chosen
        for seed in seeds
    ]
    rows = {(name, experiment): [] for name in chosen for experiment in (1, 2)}
    with Progress(len(jobs), "comparing", "network", config.quiet) as progress:
        for name, experiment, row in in_processes(trial, jobs):
            rows[name, experiment].append(row)
            run.log(network=name, experiment=experiment, **row)
            progress.update(1)
    for kept in rows.values():
        kept.sort(key=lambda row: row["seed"])
    floors = anchors(config.seed)
    tables = chord_table(chosen, rows, config), melody_table(chosen, rows, floors, config)
    for table in tables:
        say("\n" + table)
    with atomic_open(run.path("tables.md")) as file:
        file.write("\n\n".join(tables) + "\n")
    metrics = {f"experiment {e}": {name: rows[name, e] for name in chosen} for e in (1, 2)}
    run.write_metrics(metrics | {"anchors": floors, "melody_floor": loss_floor(FORM)})
    say(f"\nThe rows and tables are in {run.folder}.")


def chord_table(names, rows, config):
    """Experiment 1 as a Markdown table."""
    lines = [
        f"Experiment 1, the chords alone; at most {config.chord_choruses:,} choruses, {config.seeds} seeds",
        "",
        "| network | weights | succeeded | time steps to success, median | goes on, of 1000 | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for name in names:
        kept = rows[name, 1]
        right = [row for row in kept if row["success"]]
        steps = f"{np.median([row['steps'] for row in right]):,.0f}" if right else "-"
        goes_on = f"{np.median([row['goes_on'] for row in right]):.0f}" if right else "-"
        seconds = np.median([row["seconds"] for row in kept])
        lines.append(
            f"| {name} | {kept[0]['weights']} | {len(right)} of {len(kept)} | {steps} | {goes_on} "
            f"| {seconds:.1f} |"
        )
    return "\n".join(lines)


def melody_table(names, rows, floors, config):
    """Experiment 2 as a Markdown table."""
    floor = loss_floor(FORM)
    lines = [
        f"Experiment 2, chords and melody; {config.learn:,} choruses, {config.seeds} seeds; "
        f"exact floor of the melody {floor:.4f}",
        "",
        "| network | weights | melody loss, nats per step: median (least, most) | above the floor "
        f"| chord loss | chord-perfect choruses of {DRIFT}, each seed | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in names:
        kept = rows[name, 2]
        loss = [row["melody_loss"] for row in kept]
        chords, seconds = (np.median([row[key] for row in kept]) for key in ("chord_loss", "seconds"))
        perfect = ", ".join(str(row["perfect_choruses"]) for row in kept)
        lines.append(
            f"| {name} | {kept[0]['weights']} | {np.median(loss):.3f} ({min(loss):.3f}, {max(loss):.3f}) "
            f"| {100 * (np.median(loss) / floor - 1):.0f} % | {chords:.4f} | {perfect} | {seconds:.0f} |"
        )
    for name, loss in floors.items():
        lines.append(f"| {name} | - | {loss:.3f} | {100 * (loss / floor - 1):.0f} % | - | - | - |")
    return "\n".join(lines)
