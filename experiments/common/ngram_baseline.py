"""N-grams, which a network of tokens has to beat, with a bar while they are counted."""

from statistics import mean

import numpy as np

from experiments.common.progress import Progress
from scratchnet.evaluation.ngrams import WittenBell

MOST = 2**24  # tokens that are counted: more than MAESTRO has, in less than a gigabyte


def ngrams(order, vocabulary, train, test, quiet, counted=None):
    """The nats per token of n-grams of all orders.

    order : the longest context
    vocabulary : V
    train, test : lists of arrays of tokens; of more than MOST to learn from, some sequences are taken, always
        the same
    quiet : no progress bar
    counted : array of bool, which of all test tokens count; None for all
    Returns dict of name -> nats.
    """
    name, total = "", sum(map(len, train))
    if total > MOST:
        order_drawn = np.random.default_rng(0).permutation(len(train))
        sizes = np.cumsum([len(train[k]) for k in order_drawn])
        train = [train[k] for k in order_drawn[: max(1, np.searchsorted(sizes, MOST, "right"))]]
        name = f", from {sum(map(len, train)):,} of {total:,} tokens"
    model, rows = WittenBell(order, vocabulary).fit(train), {}
    with Progress(order + 1, "n-grams", "order", quiet, passing=True) as bar:
        for k, p in enumerate(model.each_order(test)):
            p = p if counted is None else p[counted]
            rows[(f"{k + 1}-gram" if k else "unigram") + name] = float(-np.log(p).mean())
            bar.update(1)
    return rows


def best_ngram(rows):
    """Name and nats of the best n-gram, of a dict of name -> nats."""
    return min(((name, nats) for name, nats in rows.items() if "gram" in name), key=lambda row: row[1])


def ranking(judged, rows):
    """In words: which networks are better than which on the test pieces, and which beat the best n-gram.

    judged : dict of name -> list, one for each seed, of {"test": {"nats": ...}}
    """
    test = {model: mean(seed["test"]["nats"] for seed in seeds) for model, seeds in judged.items()}
    name, nats = best_ngram(rows)
    ranked = " < ".join(f"{model} {test[model]:.3f}" for model in sorted(test, key=test.get))
    worse = ", ".join(model for model in test if test[model] >= nats)
    said = f"Not better than the best n-gram ({name}, {nats:.3f}): {worse}."
    beaten = f"All are better than the best n-gram ({name}, {nats:.3f})."
    return f"Test cross-entropy: {ranked}.\n{said if worse else beaten}"


def to_beat(rows):
    """What a table shows of such a dict: the uniform and the unigram model, and the best n-gram."""
    name, nats = best_ngram(rows)
    return {label: value for label, value in rows.items() if label.startswith("uni")} | {name: nats}
