"""What a network has to beat: simple models and compressors, in nats and bits a character."""

import bz2
import gzip
import lzma
import math

from scratchnet.ngrams import WittenBell

ORDER = 6  # the longest context of the n-grams
COMPRESSORS = {
    "gzip": lambda data: gzip.compress(data, 9, mtime=0),
    "bz2": lambda data: bz2.compress(data, 9),
    "xz": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
}


def baselines(train, test, characters):
    """Rows for uniform, unigram and n-gram models, and for compressors that have seen the training text.

    Parameters
    ----------
    train, test : arrays of tokens
    characters : Characters

    Returns
    -------
    dict of name -> nats a character of the test text
    """
    V = len(characters)
    rows = {"uniform": math.log(V)}
    for order, nats in enumerate(WittenBell(ORDER, V).fit([train]).nats([test])):
        rows[f"{order + 1}-gram" if order else "unigram"] = float(nats)
    before, all_ = (characters.decode(tokens).encode() for tokens in (train, [*train, *test]))
    for name, compress in COMPRESSORS.items():
        size = len(compress(all_)) - len(compress(before))
        rows[f"{name}, after the training tunes"] = 8 * size / len(test) * math.log(2)
    return rows
