"""The twelve features of Yang & Lerch, "On the evaluation of generative models in music" (Neural Computing
and Applications, 2018), by the names of their program mgeval.

    extract(score)                    Features: counts, histograms, matrices
    vectors(extract(score))           a vector for each feature, to measure distances between pieces

All tracks but drums count together. What differs from mgeval, and why, is in README.md.
"""

from dataclasses import dataclass, fields

import numpy as np

from experiments.measures.notes import note_arrays

# Whole, half, quarter, 8th, 16th; dotted half, quarter, 8th, 16th; triplets of half, quarter, 8th. In parts,
# 96 to a whole note. The order is mgeval's; of two that are equally near, the first counts.
LENGTHS = (96, 48, 24, 12, 6, 72, 36, 18, 9, 32, 16, 8)
REST_TOLERANCE = 3  # parts: a silence farther from every class is no rest
TOGETHER = 0.05  # seconds: a note follows one that ends so close to its start


@dataclass(frozen=True, eq=False)
class Features:
    """The features of one piece of B bars. L is 12, or 24 with rests.

    total_used_pitch : int, how many different pitches
    bar_used_pitch : int64 (B,), the same of the notes that begin in each bar
    total_used_note : int, how many notes
    bar_used_note : int64 (B,), how many begin in each bar
    total_pitch_class_histogram : float64 (12,), share of the sounding time; zeros without notes
    bar_pitch_class_histogram : float64 (B, 12), the same of what sounds in each bar; zeros in a silent bar
    pitch_class_transition_matrix : int64 (12, 12), how often a note of one class (row) is followed by one of
        another: it begins when the first one ends, give or take 0.05 seconds
    pitch_range : int, semitones from the lowest to the highest note; NaN without notes
    avg_pitch_shift : float, mean size of the interval to the next note, in semitones; NaN with one note or
        none
    avg_IOI : float, mean time from a note's start to the next one's, in seconds; NaN with one note or none
    note_length_hist : float64 (L,), share of the notes (and rests) of each class of LENGTHS, the rests after
        the notes; zeros without notes
    note_length_transition_matrix : int64 (L, L), how often a length (row) is followed by another
    """

    total_used_pitch: int
    bar_used_pitch: np.ndarray
    total_used_note: int
    bar_used_note: np.ndarray
    total_pitch_class_histogram: np.ndarray
    bar_pitch_class_histogram: np.ndarray
    pitch_class_transition_matrix: np.ndarray
    pitch_range: float
    avg_pitch_shift: float
    avg_IOI: float
    note_length_hist: np.ndarray
    note_length_transition_matrix: np.ndarray


NAMES = tuple(field.name for field in fields(Features))


def extract(music, line="highest", rests=False, unit="whole"):
    """The features of a piece.

    music : Score or NoteArrays
    line : "highest" or "notes", what "the next note" is for avg_pitch_shift, avg_IOI and
        note_length_transition_matrix. "highest": of notes that begin in one tick only the highest counts, so
        that a chord is one step of the upper line. "notes", as mgeval: every note counts, by start, then
        upwards. No difference in music of one voice.
    rests : bool, count silences too, in classes 12 to 23 of the two features of note length
    unit : "whole" or "bar", what LENGTHS are parts of. "bar", as mgeval, makes a quarter note in 3/4 time a
        "half triplet".
    Returns Features.
    Raises ValueError if `line` or `unit` is none of these.
    """
    if line not in ("highest", "notes") or unit not in ("whole", "bar"):
        raise ValueError(f"expected line 'highest' or 'notes', unit 'whole' or 'bar', got {line!r}, {unit!r}")
    notes = note_arrays(music)
    followers = notes.highest if line == "highest" else np.arange(len(notes))
    bar = notes.bar_of(notes.start)
    used = np.unique(bar * 128 + notes.pitch) // 128
    shifts = np.abs(np.diff(notes.pitch[followers]))
    starts = notes.score.seconds(notes.start)
    onsets = starts[followers]
    histogram, transitions = note_lengths(notes, followers, rests, unit)
    return Features(
        total_used_pitch=len(np.unique(notes.pitch)),
        bar_used_pitch=np.bincount(used, minlength=notes.bars),
        total_used_note=len(notes),
        bar_used_note=np.bincount(bar, minlength=notes.bars),
        total_pitch_class_histogram=shares(
            np.bincount(notes.pitch_class, notes.end - notes.start, minlength=12)
        ),
        bar_pitch_class_histogram=bar_histogram(notes),
        pitch_class_transition_matrix=pitch_class_transitions(
            starts, notes.score.seconds(notes.end), notes.pitch_class
        ),
        pitch_range=int(np.ptp(notes.pitch)) if len(notes) else np.nan,
        avg_pitch_shift=float(np.mean(shifts)) if len(shifts) else np.nan,
        avg_IOI=float(onsets[-1] - onsets[0]) / len(shifts) if len(shifts) else np.nan,
        note_length_hist=histogram,
        note_length_transition_matrix=transitions,
    )


def bar_histogram(notes):
    """How long each pitch class sounds in each bar, as shares of the bar's sound: float64 (B, 12).

    What has sounded of a class before a bar line t is the sum of (t - start) over its notes that began, less
    the sum of (t - end) over those that ended; a bar is the difference of two lines. So a note of a thousand
    bars costs no more than another.
    """
    sounded = np.zeros((len(notes.bar_lines), 12), dtype=np.int64)
    for pitch_class in range(12):
        own = notes.pitch_class == pitch_class
        for sign, ticks in ((1, notes.start[own]), (-1, np.sort(notes.end[own]))):
            count = np.searchsorted(ticks, notes.bar_lines)
            sums = np.append(0, np.cumsum(ticks))
            sounded[:, pitch_class] += sign * (count * notes.bar_lines - sums[count])
    return shares(np.diff(sounded, axis=0))


def pitch_class_transitions(starts, ends, pitch_class, together=TOGETHER):
    """How often a note of one class ends where one of another begins: int64 (12, 12).

    A note that is shorter than `together` does not follow itself.

    starts, ends : float64 (N,), in seconds, by rising start
    pitch_class : int64 (N,)
    together : float, in seconds; the start and the end are less than this apart
    """
    first = np.searchsorted(starts, ends - together, side="right")
    last = np.searchsorted(starts, ends + together, side="left")
    one_hot = np.zeros((len(starts) + 1, 12), dtype=np.int32)
    one_hot[np.arange(1, len(starts) + 1), pitch_class] = 1
    begun = np.cumsum(one_hot, axis=0)  # of each class among the notes so far
    following = begun[last] - begun[first]
    index = np.arange(len(starts))
    following[index, pitch_class] -= (first <= index) & (index < last)
    matrix = np.zeros((12, 12), dtype=np.int64)
    for source in range(12):
        matrix[source] = following[pitch_class == source].sum(axis=0)
    return matrix


def note_lengths(notes, followers, rests, unit):
    """The histogram of note lengths, and the matrix of transitions along the notes `followers`."""
    beats = np.full(notes.bars, 4 * notes.ticks_per_beat) if unit == "whole" else np.diff(notes.bar_lines)
    whole = beats[notes.bar_of(notes.start)]
    length, _ = nearest_length(notes.end - notes.start, whole)
    line = length[followers]
    size = 12
    counts = np.bincount(length, minlength=12)
    if rests:
        size = 24
        ended = np.maximum.accumulate(notes.end)
        silence = np.diff(notes.start, prepend=0)
        silence[1:] = notes.start[1:] - ended[:-1]
        silence[:1] = 0  # a piece begins with its first note
        rest, distance = nearest_length(silence, whole)
        is_rest = (silence > 0) & (distance * 96 < REST_TOLERANCE * whole)
        counts = np.append(counts, np.bincount(rest[is_rest], minlength=12))
        after_rest = np.flatnonzero(is_rest)
        places = np.searchsorted(notes.start[followers], notes.start[after_rest])
        line = np.insert(line, places, rest[after_rest] + 12)
    pairs = np.bincount(line[:-1] * size + line[1:], minlength=size * size)
    return shares(counts), pairs.reshape(size, size)


def nearest_length(ticks, whole):
    """The nearest class of LENGTHS, and how far it is as a part of the whole times `whole`.

    ticks : int64 (N,)
    whole : int64 (N,), how many ticks 96 parts are
    Returns index : int64 (N,); distance : float64 (N,), in ticks.
    """
    index = np.zeros(len(ticks), dtype=np.int64)
    best = np.abs(96 * ticks - LENGTHS[0] * whole)
    for number, parts in enumerate(LENGTHS):
        away = np.abs(96 * ticks - parts * whole)
        nearer = away < best
        index[nearer], best[nearer] = number, away[nearer]
    return index, best / 96


def shares(counts):
    """Counts divided by their sum, along the last axis; zeros stay zeros. float64."""
    total = counts.sum(axis=-1, keepdims=True)
    return counts / np.where(total == 0, 1, total)


def normalise(matrix, how="all"):
    """A matrix of transitions in one of mgeval's three normalisations.

    matrix : (L, L)
    how : "counts" as it is, "rows" each row sums to 1, "all" the whole sums to 1; what is empty stays zeros
    Returns float64 (L, L).
    Raises ValueError if `how` is none of these.
    """
    if how == "counts":
        return matrix.astype(np.float64)
    if how == "rows":
        return shares(matrix)
    if how == "all":
        return shares(matrix.reshape(-1)).reshape(matrix.shape)
    raise ValueError(f"expected a normalisation 'counts', 'rows' or 'all', got {how!r}")


def vectors(features, how="all"):
    """Each feature as a vector, so that pieces can be compared.

    What a feature has for each bar is averaged over the bars, the histogram over bars that sound: mgeval lays
    the bars one after the other, which needs pieces of equal length.

    features : Features
    how : the normalisation of the two matrices, see `normalise`. (mgeval compares counts: of two pieces of
        different length they say little but that.)
    Returns dict of str to float64 (D,), in the order of NAMES; D is the same for all pieces.
    """
    result = {}
    for name in NAMES:
        value = getattr(features, name)
        if name.endswith("matrix"):
            value = normalise(value, how)
        elif name.startswith("bar"):
            rows = value[value.any(axis=1)] if value.ndim == 2 else value
            value = rows.mean(axis=0) if len(rows) else np.zeros(value.shape[1:])
        result[name] = np.ravel(np.asarray(value, dtype=np.float64))
    return result
