"""How good: the paper's Figure 2 beside ours, and what a network has to beat."""

import math
from statistics import mean, median

import numpy as np

from experiments.classical.runs import held_out
from experiments.common.ngram_baseline import ngrams, ranking, to_beat
from experiments.common.progress import Progress
from experiments.common.trained import spread
from scratchnet.evaluation.held_out import outputs
from scratchnet.training.batches import IGNORED
from scratchnet.training.checkpoint import load_checkpoint

ORDER = 4  # the longest context of the n-grams
MOST_TRAIN = 2000  # windows of training pieces that are judged, evenly spread
# Accuracy on training and test pieces by the authors' poster. Their paper's table has losses, of which we
# know one, "train .0097, test .7092" (in the abstract that figure is a test accuracy).
PUBLISHED = {
    "baseline": (0.94, 0.60),
    "model1": (0.93, 0.88),
    "model2": (0.94, 0.68),
    "model3": (0.95, 0.79),
    "model4": (0.94, 0.72),
    "model5": (0.93, 0.73),
}
PAPER_SIZES = "5.4 million and 2.5 million"  # weights, as the paper has it, of which builds it does not say


def judge(network, corpus, part, most=None, quiet=True):
    """Figures of a network on all windows of a part of the corpus, or on `most`: a dict.

    nats : categorical cross-entropy of targets that are in the vocabulary
    formula : the paper's: also -log(1 - p) of every symbol that was not the target
    accuracy : share of all targets that are the likeliest symbol; one that is not in the vocabulary is never
    unknown : share of such targets
    windows : how many targets there are
    """
    nats, formula, right, known, count = 0.0, 0.0, 0, 0, 0
    held = held_out(corpus, part, most)
    with Progress(len(held.batches), f"judging, {part} pieces", "batch", quiet, passing=True) as bar:
        for batch, a in outputs(network, held.batches, bar.update):
            a = a[0].astype(np.float64)  # (V, B)
            t, counts = batch.y[0], batch.y[0] != IGNORED
            a = a - a.max(axis=0)
            p = np.exp(a)
            total = p.sum(axis=0)
            rows = t[counts], np.flatnonzero(counts)
            own = (np.log(total) - a[np.where(counts, t, 0), np.arange(len(t))])[counts]
            rest = np.log(np.maximum(1 - p / total, np.finfo(float).tiny))
            nats += own.sum()
            formula += (own - rest[:, counts].sum(axis=0) + rest[rows]).sum()
            right += int((a.argmax(axis=0) == t)[counts].sum())
            known, count = known + int(counts.sum()), count + len(t)
    return {
        "nats": nats / known,
        "formula": formula / known,
        "accuracy": right / count,
        "unknown": 1 - known / count,
        "windows": count,
    }


def judge_run(session, network, corpus, keep=True, quiet=True):
    """All that the table says of a trained network: a dict that JSON can hold.

    train, valid, test : `judge` by the best weights; last : test nats by the last ones; best_step, steps;
    weights; seconds : of learning, without judging

    session : Session, at its end
    network : Sequential with the best weights
    corpus : Corpus to be judged by
    keep : whether the run's metrics.json gets it, too
    quiet : no progress bar
    """
    found = {
        "train": judge(network, corpus, "train", MOST_TRAIN, quiet),
        "valid": judge(network, corpus, "valid", quiet=quiet),
        "test": judge(network, corpus, "test", quiet=quiet),
        "weights": network.parameter_count,
        "best_step": session.trainer.best["step"],
        "steps": session.trainer.steps,
        "seconds": seconds_of(session.run, session.trainer.batches.batch),
    }
    found["last"] = found["test"]["nats"]  # the same weights, if the last are the best
    if found["best_step"] != found["steps"]:
        best = network.state_dict()
        network.load_state_dict(last_weights(session.run))
        found["last"] = judge(network, corpus, "test", quiet=quiet)["nats"]
        network.load_state_dict(best)
    if keep:
        session.run.write_metrics(found)
    return found


def last_weights(run):
    """The weights after the last step, or their running mean where there is one, by name."""
    tensors, _ = load_checkpoint(run.require_checkpoint())
    parts = [{k[len(p) :]: w for k, w in tensors.items() if k.startswith(p)} for p in ("mean/", "last/")]
    return parts[0] or parts[1]


def seconds_of(run, batch):
    """Seconds that were spent learning, by the log."""
    rows = [row for row in run.rows("step", "tokens_per_s") if row["tokens_per_s"] > 0]
    steps = np.diff([0, *(row["step"] for row in rows)])
    return float(sum(n * batch / row["tokens_per_s"] for n, row in zip(steps, rows, strict=True)))


def baselines(corpus, part="test", quiet=True):
    """What a network has to beat: dict of name -> nats, of the windows' targets in the vocabulary."""
    V = len(corpus.vocabulary) - 1  # token 0 is never to be predicted
    sequences = corpus.sequences(part)
    counts = np.concatenate(
        [(np.arange(len(s)) >= corpus.window) & (s != corpus.vocabulary.unknown) for s in sequences]
    )
    found = ngrams(ORDER, V + 1, corpus.sequences("train"), sequences, quiet, counts)
    return {"uniform": math.log(V)} | found


def table(judged, rows):
    """The paper's Figure 2 and ours in Markdown.

    judged : dict of build -> list of what `judge_run` gives, one for each seed
    rows : `baselines`
    """
    lines = [
        "| build | weights | train loss | test loss | test, last | test, printed formula | train accuracy | "
        "test accuracy | poster: train, test | best at step | seconds |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|---:|---:|",
    ]
    for build, seeds in judged.items():
        cells = [
            f"{seeds[0]['weights']:,}",
            *(spread([seed[part]["nats"] for seed in seeds]) for part in ("train", "test")),
            spread([seed["last"] for seed in seeds]),
            spread([seed["test"]["formula"] for seed in seeds]),
            *(f"{spread([100 * s[part]['accuracy'] for s in seeds], 1)} %" for part in ("train", "test")),
            "{:.0%}, {:.0%}".format(*PUBLISHED[build]) if build in PUBLISHED else "",
            f"{mean(seed['best_step'] for seed in seeds):.0f} of {seeds[0]['steps']}",
            f"{median(seed['seconds'] for seed in seeds):.0f}",
        ]
        lines.append(f"| {build} | {' | '.join(cells)} |")
    for label, value in to_beat(rows).items():
        lines.append(f"| {label} | | | {value:.3f} | | | | | | | |")
    return "\n".join(lines)


def verdict(judged, rows):
    """In words: the order of the architectures, the n-grams, the unknown symbols, the paper's sizes."""
    first = next(iter(judged.values()))[0]["test"]
    return "\n".join(
        [
            ranking(judged, rows),
            f"Losses are nats per symbol; the {first['unknown']:.1%} of {first['windows']:,} test targets "
            "that do not occur in the training pieces count as wrong in the accuracy, and not in the losses.",
            f"The paper has networks of {PAPER_SIZES} weights.",
        ]
    )
