"""N-gram models with Witten-Bell smoothing: what a network has to beat.

    p_k(w | h) = (c(h w) + T(h) p_(k-1)(w | h')) / (c(h) + T(h))        p_(-1)(w) = 1 / V

    h       the last k tokens; h' without the first of them
    c       how often a run of tokens was seen in training; c(h) how often h was followed by anything
    T(h)    how many different tokens followed h

Where h was never seen, p_k = p_(k-1). So k = 0 is the smoothed unigram. At the beginning of a sequence
contexts are as long as they can be.

Source: Witten & Bell 1991 (their method C), interpolated as Chen & Goodman 1998, section 2.6.
"""

import numpy as np

from scratchnet.arguments import listed, whole
from scratchnet.batches import expect_sequence
from scratchnet.described import Described

LONGEST = 1000  # contexts; a model of one order counts for each shorter one, too


class WittenBell(Described):
    """An n-gram model of sequences of tokens.

    Parameters
    ----------
    order : k, the longest context
    vocabulary : V, the number of different tokens

    Raises
    ------
    ValueError
        If order is negative or above 1000, or there is no token.
    """

    def __init__(self, order, vocabulary):
        self.order, self.vocabulary = whole(order, "order", 0, LONGEST), whole(vocabulary, "vocabulary")
        self.pairs = None  # until `fit`

    def fit(self, sequences):
        """Count; returns self.

        Parameters
        ----------
        sequences : list of arrays of whole numbers (L,) below V

        Raises
        ------
        ValueError
            If there is no token, or one is out of range.
        """
        tokens, before = self._flat(sequences)
        if not tokens.size:
            raise ValueError("expected tokens to count, got none")
        self.contexts, self.pairs, self.counts, self.totals, self.types = [], [], [], [], []
        ids = np.zeros(tokens.size, np.int64)
        for k in range(self.order + 1):
            known = ids >= 0
            if k:
                known = before >= k
                codes = self._code(ids, tokens, k)[known]
                contexts = np.unique(codes)
                ids = np.full(tokens.size, -1, np.int64)
                ids[known] = np.searchsorted(contexts, codes)
                self.contexts.append(contexts)
            pairs, counts = np.unique(ids[known] * self.vocabulary + tokens[known], return_counts=True)
            size = len(self.contexts[-1]) if k else 1
            self.pairs.append(pairs)
            self.counts.append(counts)
            self.totals.append(np.bincount(pairs // self.vocabulary, counts, size))
            self.types.append(np.bincount(pairs // self.vocabulary, minlength=size))
        return self

    def nats(self, sequences):
        """Negative log-likelihood in nats a token, the mean over all tokens, for contexts of 0 .. order.

        Parameters
        ----------
        sequences : list of arrays of whole numbers (L,) below V

        Returns
        -------
        float64 array (order + 1,)

        Raises
        ------
        ValueError
            If there is no token, one is out of range, or `fit` was not called.
        """
        p = self.probabilities(sequences)
        if not p.size:
            raise ValueError("expected tokens to be judged by, got none")
        return -np.log(p).mean(1)

    def probabilities(self, sequences):
        """p_k of every token: float64 array (order + 1, L), L tokens in all."""
        if self.pairs is None:
            raise ValueError("expected a model that has counted: call fit before")
        tokens, before = self._flat(sequences)
        p = np.full(tokens.size, 1 / self.vocabulary)
        found, ids = [], np.zeros(tokens.size, np.int64)
        for k in range(self.order + 1):
            if not len(self.pairs[k]):  # no sequence was so long
                found.append(p)
                continue
            if k:
                known = (before >= k) & (ids >= 0)
                where, there = _find(self.contexts[k - 1], self._code(ids, tokens, k))
                ids = np.where(known & there, where, -1)
            seen = ids >= 0
            where, there = _find(self.pairs[k], ids * self.vocabulary + tokens)
            count = np.where(there & seen, self.counts[k][where], 0)
            total, types = self.totals[k][ids], self.types[k][ids]  # of any context, where there is none
            p = np.where(seen, (count + types * p) / (total + types), p)
            found.append(p)
        return np.array(found)

    def _code(self, ids, tokens, k):
        """A number for each context of length k: from the id of the shorter one and the token before."""
        first = np.zeros_like(tokens)
        first[k:] = tokens[:-k]
        return ids * self.vocabulary + first

    def _flat(self, sequences):
        """All tokens in a row, and how many stand before each in its sequence."""
        sequences = [expect_sequence(sequence, 0) for sequence in listed(sequences, "sequences")]
        arrays = [sequence.astype(np.int64) for sequence in sequences]
        tokens = np.concatenate([*arrays, np.zeros(0, np.int64)])
        before = np.concatenate([*(np.arange(len(array)) for array in arrays), np.zeros(0, np.int64)])
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < self.vocabulary:
            raise ValueError(f"expected tokens in 0 .. {self.vocabulary - 1}")
        return tokens, before


def _find(values, codes):
    """Where each code stands among the sorted values, and whether it does."""
    where = np.minimum(np.searchsorted(values, codes), len(values) - 1)
    return where, (values[where] == codes) if len(values) else np.zeros(len(codes), bool)
