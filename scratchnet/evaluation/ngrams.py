"""N-gram models with Witten-Bell smoothing: what a network has to beat.

    p_k(w | h) = (c(h w) + T(h) p_(k-1)(w | h')) / (c(h) + T(h))        p_(-1)(w) = 1 / V

    h       the last k tokens; h' without the first of them
    c       how often a run of tokens was seen in training; c(h) how often h was followed by anything
    T(h)    how many different tokens followed h

Where h was never seen, p_k = p_(k-1). So k = 0 is the smoothed unigram. At the beginning of a sequence
contexts are as long as they can be.

Memory: some 60 bytes for each token that is counted. Counts of one order are kept at a time, as those of the
next need only the number of each token's context, and sorting finds that.

Source: Witten & Bell 1991 (their method C), interpolated as Chen & Goodman 1998, section 2.6.
"""

import numpy as np

from scratchnet.arguments import listed, whole
from scratchnet.described import Described
from scratchnet.training.batches import expect_sequence

MOST = 2**31 - 1  # different tokens
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
        self.order = whole(order, "order", 0, LONGEST)
        self.vocabulary = whole(vocabulary, "vocabulary", 1, MOST)
        self.tokens = None  # until `fit`

    def fit(self, sequences):
        """Take in what is to be counted; returns self.

        Parameters
        ----------
        sequences : list of arrays of whole numbers (L,) below V

        Raises
        ------
        ValueError
            If there is no token, or one is out of range.
        """
        self.tokens, self.before = self._flat(sequences)
        if not self.tokens.size:
            raise ValueError("expected tokens to count, got none")
        return self

    def nats(self, sequences):
        """Negative log-likelihood in nats per token, the mean over all tokens, for contexts of 0 .. order.

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
        sequences = listed(sequences, "sequences")
        if not self._flat(sequences)[0].size:
            raise ValueError("expected tokens to evaluate on, got none")
        return np.array([-np.log(p).mean() for p in self.each_order(sequences)])

    def probabilities(self, sequences):
        """p_k of every token: float64 array (order + 1, L), L tokens in all."""
        return np.array(list(self.each_order(sequences)))

    def each_order(self, sequences):
        """Yield p_k of every token, float64 (L,), for k = 0 .. order: counting takes a while for each."""
        if self.tokens is None:
            raise ValueError("expected a model that has counted: call fit before")
        V, (tokens, before) = self.vocabulary, self._flat(sequences)
        p = np.full(tokens.size, 1 / V)
        learned, ids = np.zeros(self.tokens.size, np.int32), np.zeros(tokens.size, np.int32)
        for k in range(self.order + 1):
            known, size = self.before >= k, 1
            if k:
                contexts, found = _numbered(self._code(learned, self.tokens, k)[known])
                size = len(contexts)
                learned[known] = found  # the others are asked for no more
                where, there = _find(contexts, self._code(ids, tokens, k))
                ids = np.where((before >= k) & (ids >= 0) & there, where, -1).astype(np.int32)
            pairs = learned[known].astype(np.int64) * V + self.tokens[known]
            if pairs.size:  # else no sequence was so long
                p = self._mixed(p, *np.unique(pairs, return_counts=True), size, ids, tokens)
            yield p

    def _mixed(self, shorter, pairs, counts, size, ids, tokens):
        """p_k from p_(k-1), the pairs (context, token) seen, how often, and the tokens' contexts."""
        context = pairs // self.vocabulary
        total = np.bincount(context, counts, size)[ids]  # of any context, where there is none
        types = np.bincount(context, minlength=size)[ids]
        seen = ids >= 0
        where, there = _find(pairs, ids.astype(np.int64) * self.vocabulary + tokens)
        count = np.where(there & seen, counts[where], 0)
        return np.where(seen, (count + types * shorter) / (total + types), shorter)

    def _code(self, ids, tokens, k):
        """A number for each context of length k: from the id of the shorter one and the token before."""
        codes = ids.astype(np.int64) * self.vocabulary
        codes[k:] += tokens[:-k]
        return codes

    def _flat(self, sequences):
        """All tokens in a row, and how many stand before each in its sequence; both int32."""
        arrays = [expect_sequence(sequence, 0) for sequence in listed(sequences, "sequences")]
        arrays = [array for array in arrays if len(array)]
        if not all(0 <= array.min() <= array.max() < self.vocabulary for array in arrays):
            raise ValueError(f"expected tokens in 0 .. {self.vocabulary - 1}")
        nothing = np.zeros(0, np.int32)
        tokens = np.concatenate([nothing, *(array.astype(np.int32) for array in arrays)])
        before = np.concatenate([nothing, *(np.arange(len(array), dtype=np.int32) for array in arrays)])
        return tokens, before


def _numbered(codes):
    """The different codes, sorted, and the place of each code among them, int32."""
    order = np.argsort(codes)
    ranked = codes[order]
    first = np.append(True, ranked[1:] != ranked[:-1])[: len(codes)]
    numbers = np.empty(len(codes), np.int32)
    numbers[order] = np.cumsum(first, dtype=np.int32) - 1
    return ranked[first], numbers


def _find(values, codes):
    """Where each code stands among the sorted values, and whether it does."""
    order = np.argsort(codes)  # searched for in order, they are found several times faster
    where = np.empty(len(codes), np.int64)
    where[order] = np.minimum(np.searchsorted(values, codes[order]), len(values) - 1)
    return where, (values[where] == codes) if len(values) else np.zeros(len(codes), bool)
