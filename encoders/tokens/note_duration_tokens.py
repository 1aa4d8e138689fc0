"""The 312 tokens of note_duration.py: their names, their numbers, and which may follow which.

The names and numbers are musicautobot's (A. Shaw, 2019). Of the special ones, pieces use xxbos, xxpad, xxsep
and xxeos; of the durations, all but d0; tempos (mt) and dummies never.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

LONGEST_DURATION = 160  # d0 to d160 are in the vocabulary; d0 is never used
PITCHES = 128

SPECIAL = tuple("xxbos xxpad xxeos xxs2scls3 xxmask xxcseq xxmseq xxnscls xxsep".split())
VOCABULARY = (
    *SPECIAL,
    *(f"n{pitch}" for pitch in range(PITCHES)),
    *(f"d{steps}" for steps in range(LONGEST_DURATION + 1)),
    *(f"mt{tempo}" for tempo in range(10)),
    *(f"dummy{k}" for k in range(4)),  # to a multiple of eight
)
NUMBERS = {name: token for token, name in enumerate(VOCABULARY)}
BOS, PAD, END, SEP = (NUMBERS[name] for name in ("xxbos", "xxpad", "xxeos", "xxsep"))
N0, D0 = NUMBERS["n0"], NUMBERS["d0"]


def may_follow(lowest: int, highest: int, longest: int) -> NDArray[np.bool_]:
    """Whether a token (row) may be followed by another (column): array of bool (V, V), read-only.

    A note is followed by its duration, a separator by one of 1 to 160 steps; the opening and a duration by a
    note, a separator or the end; the end by padding. Rows of tokens that no piece has (xxmask, d0, pitches
    out of range) are empty. Every sequence that keeps to it can be decoded.

    Parameters
    ----------
    lowest, highest : int, range of the pitches
    longest : int, longest duration of a note, in steps
    """
    allowed = np.zeros((len(VOCABULARY), len(VOCABULARY)), bool)
    notes = slice(N0 + lowest, N0 + highest + 1)
    durations = slice(D0 + 1, D0 + LONGEST_DURATION + 1)
    allowed[BOS, PAD] = allowed[END, PAD] = True
    allowed[notes, D0 + 1 : D0 + longest + 1] = True
    allowed[SEP, durations] = True
    for row in (PAD, durations):
        allowed[row, notes] = True
        allowed[row, [SEP, END]] = True
    allowed.flags.writeable = False
    return allowed


def text(tokens: ArrayLike) -> str:
    """The names of tokens, separated by spaces: "xxbos xxpad n72 d2"."""
    return " ".join(VOCABULARY[token] for token in np.asarray(tokens, np.int64))


def parse(text: str) -> NDArray[np.int64]:
    """The inverse of `text`: names, separated by white space, to tokens (L,).

    Raises
    ------
    ValueError
        If a word is not a name; the message says which and where.
    """
    words = text.split()
    for place, word in enumerate(words, 1):
        if word not in NUMBERS:
            raise ValueError(f"expected names like n60, d4 or xxsep, got {word!r:.40} as word {place}")
    return np.array([NUMBERS[word] for word in words], np.int64)
