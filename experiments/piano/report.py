"""How good: the paper's Figure 5 as a table, with cross-entropy, and what a network has to beat.

The paper counts classes: precision and recall of each token of the vocabulary, the mean over the classes that
occur, and F1 as the harmonic mean of these two means (scratchnet/metrics.py). A network's prediction is its
likeliest token.
"""

import math
from statistics import mean

import numpy as np

from experiments.piano.runs import held_out
from experiments.token_jobs import best_ngram, spread
from scratchnet.batches import IGNORED
from scratchnet.metrics import class_scores, perplexity
from scratchnet.ngrams import WittenBell

ORDER = 6  # the longest context of the n-grams
FIGURES = ("nats", "accuracy", "precision", "recall", "f1")


def judge(network, corpus, part):
    """Figures of a network on a part of the corpus: a dict.

    nats : cross-entropy a token; accuracy; precision, recall, f1 : macro, as the paper
    note_perplexity : among how many equally likely notes, each with its duration and time, one would choose
    """
    total, predicted, targets, carried = 0.0, [], [], None
    for batch in held_out(corpus, part):
        if batch.fresh or carried is None:
            carried = network.initial_state(batch.x.shape[1])
        a, carried = network.forward(batch.x, carried)
        counted = batch.y != IGNORED
        logits, t = a.swapaxes(1, 2)[counted].astype(np.float64), batch.y[counted]
        top = logits.max(axis=1)
        total += (
            np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top - logits[np.arange(len(t)), t]
        ).sum()
        predicted.append(logits.argmax(axis=1))
        targets.append(t)
    predicted, targets = np.concatenate(predicted), np.concatenate(targets)
    scores = class_scores(predicted, targets, len(corpus.encoder))
    return {
        "nats": float(total / len(targets)),
        "accuracy": float((predicted == targets).mean()),
        "precision": scores.macro_precision,
        "recall": scores.macro_recall,
        "f1": scores.f1_of_means,
        "note_perplexity": perplexity(total / notes_in(corpus.encoder, targets)),
    }


def notes_in(encoder, tokens):
    """How many of the tokens are notes."""
    notes = [k for k, name in enumerate(encoder.vocabulary) if name[0] == "n" and name[1:].isdigit()]
    return int(np.isin(tokens, notes).sum())


def baselines(corpus):
    """What a network has to beat: dict of name -> nats a token of the test pieces."""
    V = len(corpus.encoder)
    model = WittenBell(ORDER, V).fit([s.astype(np.int64) for s in corpus.sequences("train")])
    rows = {"uniform": math.log(V)}
    test = [s.astype(np.int64) for s in corpus.sequences("test")]
    for order, nats in enumerate(model.nats(test)):
        rows[f"{order + 1}-gram" if order else "unigram"] = float(nats)
    return rows


def table(judged, rows):
    """The networks' figures in Markdown.

    Parameters
    ----------
    judged : dict of model -> list of {"train": figures, "test": figures}, one for each seed
    rows : `baselines`
    """
    title = "| | part | nats a token | accuracy | precision | recall | F1 | perplexity a note |"
    lines = [title, "|---|---|---:|---:|---:|---:|---:|---:|"]
    for model, seeds in judged.items():
        for part in ("train", "test"):
            values = [spread([seed[part][name] for seed in seeds]) for name in FIGURES]
            notes = mean(seed[part]["note_perplexity"] for seed in seeds)
            lines.append(f"| {model} | {part} | {' | '.join(values)} | {notes:.0f} |")
    name, nats = best_ngram(rows)
    for label, value in {"uniform": rows["uniform"], "unigram": rows["unigram"], name: nats}.items():
        lines.append(f"| {label} | test | {value:.3f} | | | | | |")
    return "\n".join(lines)


def verdict(judged, rows):
    """In words: who is better than whom on the test pieces."""
    test = {model: mean(seed["test"]["nats"] for seed in seeds) for model, seeds in judged.items()}
    name, nats = best_ngram(rows)
    ranked = sorted(test, key=test.get)
    lines = ["In test cross-entropy: " + " < ".join(f"{model} {test[model]:.3f}" for model in ranked) + "."]
    worse = [model for model in test if test[model] >= nats]
    lines.append(
        f"Not better than the best n-gram ({name}, {nats:.3f}): {', '.join(worse)}."
        if worse
        else f"All are better than the best n-gram ({name}, {nats:.3f})."
    )
    return "\n".join(lines)
