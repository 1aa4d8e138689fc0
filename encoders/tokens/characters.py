"""Tunes as characters: the alphabet of a corpus, and a number for each character.

    letters = Characters.of(texts)                  sorted, each once; 83 of them in the Irish set
    tokens = letters.encode(stream(texts))          whole numbers (L,)
    letters.decode(tokens) == stream(texts)

A network hears token t and says token t + 1: inputs tokens[:-1], targets tokens[1:]. Two line ends end a
tune. Source: the character model of MIT's course 6.S191, lab 1.
"""

import re

import numpy as np

END = "\n\n"  # of a tune


class Characters:
    """An alphabet, with both look-up tables.

    Parameters
    ----------
    characters : str, each character once; its place is its number

    Attributes
    ----------
    characters : str, number -> character
    numbers : dict, character -> number

    Raises
    ------
    ValueError
        If there is no character, or one twice.
    """

    def __init__(self, characters):
        if not isinstance(characters, str) or not characters or len(set(characters)) < len(characters):
            raise ValueError(f"expected a text of different characters, got {characters!r:.60}")
        self.characters = characters
        self.numbers = {character: number for number, character in enumerate(characters)}

    @classmethod
    def of(cls, texts):
        """The alphabet of these texts, in the order of Unicode, the line end always among it."""
        return cls("".join(sorted(set().union("\n", *texts))))

    def __len__(self):
        return len(self.characters)

    def encode(self, text):
        """Text -> numbers (L,), int32.

        Raises
        ------
        ValueError
            If a character is not in the alphabet; all such are named.
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

    def decode(self, tokens):
        """Numbers (L,) -> text.

        Raises
        ------
        ValueError
            If a number is not in 0 .. len - 1.
        """
        tokens = np.asarray(tokens)
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < len(self):
            raise ValueError(f"expected numbers in 0 .. {len(self) - 1}")
        return "".join(self.characters[token] for token in tokens)


def normal(text):
    """A tune as it is learned: line ends of one kind, no blanks at ends of lines, no empty lines."""
    lines = (line.rstrip() for line in re.split(r"\r\n?|\n", text))
    return "\n".join(line for line in lines if line)


def stream(texts):
    """Tunes one after the other, each with its end."""
    return "".join(normal(text) + END for text in texts)


def cut(text):
    """The inverse of `stream`, for a text that may break off.

    Returns
    -------
    tunes : list of str, those that are complete
    rest : str, what follows the last end
    """
    *tunes, rest = text.split(END)
    return [tune.strip("\n") for tune in tunes if tune.strip()], rest
