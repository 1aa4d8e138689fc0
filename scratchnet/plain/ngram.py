"""An n-gram with Witten-Bell smoothing on paper: counting in dicts. The fast one is evaluation/ngrams.py.

    p_k(w | h) = (c(h w) + T(h) p_(k-1)(w | h')) / (c(h) + T(h))        p_(-1)(w) = 1 / V

h is the last k tokens and h' the same without the first; c counts how often something was seen in training,
T(h) how many different tokens followed h. Where h was never seen, p_k = p_(k-1). (Witten & Bell 1991, C.)
"""

from collections import Counter, defaultdict

import numpy as np


class NGram:
    """Contexts of up to k tokens, V different ones."""

    def __init__(self, k, V):
        self.k, self.V = k, V
        self.followed = defaultdict(Counter)  # context -> how often each token came after it

    def fit(self, sequences):
        """Count; `sequences` is a list of lists of tokens."""
        for tokens in map(list, sequences):
            for n, w in enumerate(tokens):
                for k in range(min(self.k, n) + 1):
                    self.followed[tuple(tokens[n - k : n])][w] += 1
        return self

    def probability(self, w, h):
        """The probability of token w after the tokens h."""
        p = 1 / self.V
        for k in range(min(self.k, len(h)) + 1):
            counts = self.followed.get(tuple(h[len(h) - k :]))
            if counts:
                p = (counts[w] + len(counts) * p) / (counts.total() + len(counts))
        return p

    def nats(self, sequences):
        """Mean negative log-likelihood of a token, in nats."""
        each = [
            -np.log(self.probability(w, tokens[:n]))
            for tokens in map(list, sequences)
            for n, w in enumerate(tokens)
        ]
        return np.mean(each)
