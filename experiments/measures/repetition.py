"""How much a piece repeats itself: from the note that never stops to bars that are alike.

The first four find music that is stuck, the most frequent complaint about networks that compose. The others
are of Wu & Yang, "The Jazz Transformer on the front line" (ISMIR 2020; their program is MusDr). Each
function takes a Score or NoteArrays. Drums count in the groove only.
"""

import numpy as np

from experiments.measures.muspy_metrics import STEPS_PER_BEAT, entropy, onset_grid
from experiments.measures.notes import note_arrays

GRAM = 4  # onsets
STUCK_RUN, STUCK_GRAM = 0.5, 0.8  # shares of a piece's onsets beyond which it is stuck; see README.md


def chords(music):
    """What begins at each onset, numbered: int64 (O,), equal numbers where equal pitches begin together."""
    notes = note_arrays(music)
    bits = np.left_shift(np.uint64(1), (notes.pitch % 64).astype(np.uint64))
    halves = [np.where(notes.pitch // 64 == half, bits, np.uint64(0)) for half in (0, 1)]
    numbers = np.zeros(len(notes.first), dtype=np.int64)
    if len(notes):
        for half in halves:
            _, number = np.unique(np.bitwise_or.reduceat(half, notes.first), return_inverse=True)
            _, numbers = np.unique(numbers * (len(number) + 1) + number, return_inverse=True)
    return numbers


def longest_run(music):
    """How often the same note or chord is struck in a row, at most; 0 without notes."""
    numbers = chords(music)
    if len(numbers) == 0:
        return 0
    changes = np.flatnonzero(np.diff(numbers)) + 1
    return int(np.max(np.diff(np.concatenate([[0], changes, [len(numbers)]]))))


def longest_run_share(music):
    """`longest_run` as a share of the onsets; NaN without notes."""
    notes = note_arrays(music)
    return longest_run(notes) / len(notes.first) if len(notes) else np.nan


def top_gram_share(music, n=GRAM):
    """Share of the onsets that lie in the pattern of `n` onsets in a row that fills most of the piece.

    1 for one note, or a figure of up to n onsets, for ever, but for what is left over at the end.
    NaN if there are fewer than n onsets.
    """
    numbers = chords(music)
    if len(numbers) < n:
        return np.nan
    kinds = numbers.max() + 1
    grams = numbers[: len(numbers) - n + 1]
    for later in range(1, n):
        _, grams = np.unique(
            grams * kinds + numbers[later : len(numbers) - n + 1 + later], return_inverse=True
        )
    order = np.argsort(grams, kind="stable")  # the places of each gram, rising
    same = np.diff(grams[order]) == 0
    covered = np.append(np.where(same, np.minimum(np.diff(order), n), n), n)
    return float(np.bincount(grams[order], covered).max() / len(numbers))


def is_stuck(music):
    """Whether one chord in a row makes up half of the piece, or one pattern of four onsets four fifths."""
    notes = note_arrays(music)
    return bool(longest_run_share(notes) >= STUCK_RUN or top_gram_share(notes) >= STUCK_GRAM)


def pitch_class_entropy_of_bars(music, bars):
    """MusDr's H_k: mean entropy, in bits, of the pitch classes of the notes that begin in k bars in a row.

    All stretches of `bars` bars count that have a note; of a shorter piece, the whole. NaN without notes.
    """
    notes = note_arrays(music)
    if len(notes) == 0:
        return np.nan
    bars = min(bars, notes.bars)
    counts = np.bincount(notes.bar_of(notes.start) * 12 + notes.pitch_class, minlength=12 * notes.bars)
    begun = np.zeros((notes.bars + 1, 12), dtype=np.int64)
    np.cumsum(counts.reshape(-1, 12), axis=0, out=begun[1:])
    stretches = begun[bars:] - begun[:-bars]
    return float(entropy(stretches[stretches.any(axis=1)]).mean())


def grooving_similarity(music, steps_per_beat=STEPS_PER_BEAT):
    """MusDr's GS: one less the share of grid steps in which two bars differ, the mean over all pairs of bars.

    Exact (MusDr draws a thousand pairs): of B bars of which c have an onset at a step, c (B - c) pairs differ
    there. Bars of the most frequent length only; NaN if there are not two.
    """
    onsets, lines = onset_grid(music, steps_per_beat)
    counts = np.bincount(np.diff(lines), minlength=1)
    counts[0] = 0  # bars shorter than a step
    length, bars = int(counts.argmax()), int(counts.max())
    if bars < 2:
        return np.nan
    bar = np.searchsorted(lines, onsets, side="right") - 1
    kept = np.diff(lines)[bar] == length
    sounding = np.bincount((onsets - lines[bar])[kept], minlength=length)
    return float(1 - (sounding * (bars - sounding)).sum() / (bars * (bars - 1) / 2 * length))


def all_repetition(music):
    """All measures of repetition.

    Returns dict of str to number.
    """
    notes = note_arrays(music)
    return {
        "longest_run": longest_run(notes),
        "longest_run_share": longest_run_share(notes),
        "top_gram_share": top_gram_share(notes),
        "stuck": float(is_stuck(notes)),
        "H1": pitch_class_entropy_of_bars(notes, 1),
        "H4": pitch_class_entropy_of_bars(notes, 4),
        "GS": grooving_similarity(notes),
    }
