"""Tunes as characters: the alphabet of a corpus, and a number for each character.

    letters = Characters.of(texts)                  sorted, each once; 83 of them in the Irish set
    tokens = letters.encode(stream(texts))          integers (L,)
    letters.decode(tokens) == stream(texts)

From token t a network predicts token t + 1: inputs tokens[:-1], targets tokens[1:]. Two line ends end a tune.
Source: the character model of MIT's course 6.S191, lab 1.
"""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

END = "\n\n"  # of a tune


class Characters:
    """An alphabet, with both look-up tables.

    Parameters
    ----------
    characters : str, each character once; its index is its token

    Attributes
    ----------
    characters : str, token -> character
    numbers : dict, character -> token

    Raises
    ------
    ValueError
        If there is no character, or one occurs twice.
    """

    def __init__(self, characters: str):
        if not isinstance(characters, str) or not characters or len(set(characters)) < len(characters):
            raise ValueError(f"expected a text of different characters, got {characters!r:.60}")
        self.characters = characters
        self.numbers = {character: number for number, character in enumerate(characters)}

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Characters":
        """The alphabet of these texts in Unicode order; it always has the line end."""
        return cls("".join(sorted(set().union("\n", *texts))))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> NDArray[np.int32]:
        """Text -> tokens (L,), int32.

        Raises
        ------
        ValueError
            If characters are not in the alphabet; the message names them.
        """
        numbers = self.numbers
        try:
            return np.fromiter((numbers[character] for character in text), np.int32, len(text))
        except KeyError:
            unknown = sorted(set(text) - numbers.keys())
            first = min(text.index(character) for character in unknown)
            named = " ".join(map(repr, unknown[:20])) + (" ..." if len(unknown) > 20 else "")
            raise ValueError(
                f"expected characters that were learned, got {named}, first at character {first + 1}"
            ) from None

    def decode(self, tokens: ArrayLike) -> str:
        """Tokens (L,) -> text.

        Raises
        ------
        ValueError
            If a token is not in 0 .. len - 1.
        """
        tokens = np.asarray(tokens)
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < len(self):
            raise ValueError(f"expected numbers in 0 .. {len(self) - 1}")
        return "".join(self.characters[token] for token in tokens)


def normal(text: str) -> str:
    """A tune as it is learned: line ends of one kind, no trailing blanks, no empty lines."""
    lines = (line.rstrip() for line in re.split(r"\r\n?|\n", text))
    return "\n".join(line for line in lines if line)


def stream(texts: Iterable[str]) -> str:
    """Tunes one after the other, each followed by END."""
    return "".join(normal(text) + END for text in texts)


def cut(text: str) -> tuple[list[str], str]:
    """The inverse of `stream`, for a text that may break off.

    Returns
    -------
    tunes : list of str, those that are complete
    rest : str, what follows the last END
    """
    *tunes, rest = text.split(END)
    return [tune.strip("\n") for tune in tunes if tune.strip()], rest
