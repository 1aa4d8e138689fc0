"""How good: the paper's Figure 5 as a table, with cross-entropy, and what a network has to beat.

The paper counts classes: precision and recall of each token of the vocabulary, the mean over the classes that
occur, and F1 as the harmonic mean of these two means (scratchnet/evaluation/metrics.py). What a network
predicts is its likeliest token.
"""

import math
from statistics import mean

import numpy as np

from experiments.common.ngram_baseline import ngrams, to_beat
from experiments.common.progress import Progress
from experiments.common.recipe import as_large
from experiments.common.trained import spread
from experiments.piano.runs import held_out
from scratchnet.evaluation.held_out import outputs
from scratchnet.evaluation.metrics import class_scores, perplexity, surprisal
from scratchnet.training.batches import IGNORED

ORDER = 6  # the longest context of the n-grams
FIGURES = ("nats", "accuracy", "precision", "recall", "f1")


def judge(network, corpus, part, quiet=True):
    """Figures of a network on a part of the corpus: on whole test pieces; on all windows of the pieces to
    choose by, for by windows the network was chosen; on as many tokens of training pieces as of test pieces.

    Returns dict nats : cross-entropy a token; accuracy; precision, recall, f1 : macro, as the paper
        note_perplexity : among how many equally likely notes, each with duration and time, one would choose
        tokens, of_tokens, windows, of_windows, error : of nats, if by a sample (HeldOut).
    """
    held = held_out(corpus, part, as_large(corpus, "test") if part == "train" else None, part == "valid")
    nats, predicted, targets = [], [], []
    with Progress(len(held.batches), f"judging, {part} pieces", "batch", quiet, passing=True) as bar:
        for batch, a in outputs(network, held.batches, bar.update):
            counted = batch.y != IGNORED
            nats.append((surprisal(a, batch.y).sum(0), counted.sum(0)))
            predicted.append(a.argmax(axis=1)[counted])
            targets.append(batch.y[counted])
    total = math.fsum(float(s.sum()) for s, _ in nats)
    predicted, targets = np.concatenate(predicted), np.concatenate(targets)
    scores = class_scores(predicted, targets, len(corpus.encoder))
    each = (np.concatenate(rows) for rows in zip(*nats, strict=True))
    sampled = {} if held.whole else held.counts() | {"error": held.error(*each)}
    return {
        "nats": total / len(targets),
        "accuracy": float((predicted == targets).mean()),
        "precision": scores.macro_precision,
        "recall": scores.macro_recall,
        "f1": scores.f1_of_means,
        "note_perplexity": perplexity(total / notes_in(corpus.encoder, targets)),
        **sampled,
    }


def notes_in(encoder, tokens):
    """How many of the tokens are notes."""
    notes = [k for k, name in enumerate(encoder.vocabulary) if name[0] == "n" and name[1:].isdigit()]
    return int(np.isin(tokens, notes).sum())


def baselines(corpus, quiet=True):
    """What a network has to beat: dict of name -> nats per token of the test pieces."""
    V = len(corpus.encoder)
    return {"uniform": math.log(V)} | ngrams(
        ORDER, V, corpus.sequences("train"), corpus.sequences("test"), quiet
    )


def table(judged, rows):
    """The networks' figures in Markdown.

    judged : dict of model -> list of {"train": figures, "test": figures}, one for each seed
    rows : `baselines`
    """
    title = "| | part | nats per token | accuracy | precision | recall | F1 | perplexity per note |"
    lines = [title, "|---|---|---:|---:|---:|---:|---:|---:|"]
    for model, seeds in judged.items():
        for part in ("train", "test"):
            values = [spread([seed[part][name] for seed in seeds]) for name in FIGURES]
            notes = mean(seed[part]["note_perplexity"] for seed in seeds)
            lines.append(f"| {model} | {part} | {' | '.join(values)} | {notes:.0f} |")
    for label, value in to_beat(rows).items():
        lines.append(f"| {label} | test | {value:.3f} | | | | | |")
    return "\n".join(lines)
