"""Symbols by name, and their tokens: those of the training pieces, and one token for all others."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

UNKNOWN = "?"


class SymbolVocabulary:
    """Symbols and their tokens. Token 0 stands for all symbols that are not in it.

    Parameters
    ----------
    names : iterable of str, the symbols of the training pieces; stored sorted, each once

    Raises
    ------
    ValueError
        If there is none, or one is not a str.
    """

    unknown = 0

    def __init__(self, names: Iterable[str]):
        names = list(names)
        if any(not isinstance(name, str) for name in names):
            raise ValueError("expected symbols as text")
        found = sorted({*names} - {UNKNOWN})
        if not found:
            raise ValueError("expected at least one symbol, got none")
        self.names = (UNKNOWN, *found)
        self.tokens = {name: token for token, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def encode(self, symbols: Iterable[str]) -> NDArray[np.int32]:
        """Symbols -> tokens (L,), int32; 0 for symbols that are not in it."""
        return np.array([self.tokens.get(name, self.unknown) for name in symbols], np.int32)

    def decode(self, tokens: ArrayLike) -> list[str]:
        """Tokens (L,) -> symbols.

        Raises
        ------
        ValueError
            If a token is out of range.
        """
        tokens = np.asarray(tokens)
        if tokens.size and (
            tokens.dtype.kind not in "iu" or not 0 <= tokens.min() <= tokens.max() < len(self)
        ):
            raise ValueError(f"expected tokens in 0..{len(self) - 1}, got {tokens.tolist()!r:.60}")
        return [self.names[token] for token in tokens]
