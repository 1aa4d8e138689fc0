"""What a network has to beat: simple models and compressors, in nats and bits a character."""

import bz2
import lzma
import math
import zlib

from experiments.common.ngram_baseline import ngrams
from experiments.common.progress import Progress

ORDER = 6  # the longest context of the n-grams
COMPRESSORS = {
    "gzip": lambda: zlib.compressobj(9, wbits=31),
    "bz2": lambda: bz2.BZ2Compressor(9),
    "xz": lambda: lzma.LZMACompressor(preset=9 | lzma.PRESET_EXTREME),
}
SEEN = 2**23  # bytes of the training text that a compressor sees, the last ones; of more, xz takes minutes
CHUNK = 2**16  # bytes between two looks at the bar


def baselines(train, test, characters, quiet=True):
    """Rows for uniform, unigram and n-gram models, and for compressors that have seen the training text.

    train, test : arrays of tokens
    characters : Characters
    quiet : no progress bar
    Returns dict of name -> nats per character of the test text.
    """
    V = len(characters)
    rows = {"uniform": math.log(V)} | ngrams(ORDER, V, [train], [test], quiet)
    before, after = (characters.decode(tokens).encode() for tokens in (train, test))
    whole = "the training tunes" if len(before) <= SEEN else f"{SEEN:,} bytes of training tunes"
    before = before[-SEEN:]
    chunks = len(COMPRESSORS) * (2 * len(before) + len(after)) // CHUNK
    with Progress(chunks, "compressors", "chunk", quiet, passing=True) as bar:
        for name, make in COMPRESSORS.items():
            size = compressed(make(), before + after, bar) - compressed(make(), before, bar)
            rows[f"{name}, after {whole}"] = 8 * size / len(test) * math.log(2)
    return rows


def compressed(compressor, data, bar):
    """How many bytes are left of these."""
    size = 0
    for first in range(0, len(data), CHUNK):
        size += len(compressor.compress(data[first : first + CHUNK]))
        bar.update(1)
    return size + len(compressor.flush())
