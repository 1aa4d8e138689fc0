"""From a trained network to music: what it hears first, drawing, scores."""

import numpy as np

from encoders.midi import read_midi
from encoders.score import Score, Track
from experiments.common.errors import UserError
from experiments.common.progress import Progress
from scratchnet.generation.windows import continue_windows

WRITTEN = 32  # of the symbols that were heard first, so many are written before what was composed


def test_windows(corpus, count, rng):
    """Windows of test pieces that begin anywhere: list of arrays (T,)."""
    sequences = corpus.sequences("test")
    found = []
    for _ in range(count):
        tokens = sequences[rng.integers(len(sequences))]
        start = rng.integers(len(tokens) - corpus.window)
        found.append(tokens[start : start + corpus.window])
    return found


def primer(encoder, vocabulary, path, window):
    """The first symbols of a MIDI file as tokens (T,), and how many of them are not in the vocabulary.

    Raises UserError if it has fewer, or none that the network knows; MidiError if it cannot be read.
    """
    try:
        symbols = encoder.symbols(read_midi(path))
    except OSError as error:
        raise UserError(f"--prime {path}: cannot be read ({error.strerror})") from None
    if len(symbols) < window:
        raise UserError(f"--prime {path}: expected at least {window} symbols, got {len(symbols)}")
    tokens = vocabulary.encode(symbols[:window])
    unknown = int((tokens == vocabulary.unknown).sum())
    if unknown == window:
        raise UserError(f"--prime {path}: the network knows none of its first {window} symbols")
    return tokens, unknown


def draw(network, vocabulary, primers, rng, settings, quiet=True):
    """What follows each primer: int64 array (length, B).

    primers : list of arrays (T,)
    settings : Drawing
    """
    mask = np.arange(len(vocabulary)) != vocabulary.unknown
    with Progress(settings.length, "composing", "symbol", quiet) as bar:
        return continue_windows(
            network, primers, settings.length, rng, mask, settings.temperature,
            settings.top_k and min(settings.top_k, len(vocabulary)), settings.top_p, lambda: bar.update(1),
        )  # fmt: skip


def as_score(encoder, given, composed, bpm):
    """A Score with a track of what was given, if anything, and one of what was composed; when the second
    begins, in seconds.

    given, composed : lists of symbols
    """
    before = encoder.score(given, bpm)
    ticks = sum(round(encoder.parse(name)[1] * before.ticks_per_beat) for name in given)
    whole = encoder.score([*given, *composed], bpm)
    notes = whole.notes()
    tracks = [Track("given", [note for note in notes if note.start < ticks])] if given else []
    tracks.append(Track("composed", [note for note in notes if note.start >= ticks]))
    return Score(whole.ticks_per_beat, tracks, whole.tempos), whole.seconds(ticks)
