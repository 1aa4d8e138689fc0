"""The metrics of MusPy (Dong, Chen, McAuley & Berg-Kirkpatrick, ISMIR 2020), by its names, of one piece.

    all_metrics(score)       dict of name to number
    pitch_entropy(score)     and so on, each alone

Each function takes a Score or NoteArrays. Drums count where nothing else is said only for rhythm: beats,
bars and groove. Time is exact, in ticks, so that no metric depends on the resolution of a file. What differs
from MusPy, and why, is in README.md.
"""

import numpy as np

from experiments.measures.notes import note_arrays

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}  # semitones above the root
DRUM_PARTS = {"duple": 4, "triple": 3}  # of a beat, on which a drum is in the pattern
STEPS_PER_BEAT = 4  # sixteenths


def n_pitches_used(music):
    """How many different pitches; 0 without notes."""
    return len(np.unique(note_arrays(music).pitch))


def n_pitch_classes_used(music):
    """How many different pitch classes; 0 without notes."""
    return len(np.unique(note_arrays(music).pitch_class))


def pitch_range(music):
    """Semitones from the lowest to the highest note; 0 without notes, as MusPy says."""
    pitch = note_arrays(music).pitch
    return int(np.ptp(pitch)) if len(pitch) else 0


def empty_beat_rate(music):
    """Share of the quarter notes, from the start to the end of the last note, in which nothing sounds, drums
    neither; NaN without notes.
    """
    notes = note_arrays(music)
    beats = -(-notes.score.end // notes.ticks_per_beat)
    return _empty_rate(notes, np.arange(beats + 1) * notes.ticks_per_beat)


def empty_measure_rate(music):
    """Share of the bars in which nothing sounds, drums neither; NaN without notes."""
    notes = note_arrays(music)
    return _empty_rate(notes, notes.bar_lines)


def _empty_rate(notes, lines):
    """Share of the stretches between lines, (K + 1,) ticks, in which nothing sounds."""
    start, end = notes.played
    if len(start) == 0:
        return np.nan
    stretches = len(lines) - 1
    first = np.searchsorted(lines, start, side="right") - 1
    after = np.searchsorted(lines, end, side="left")  # a note that ends on a line does not sound after it
    sounding = np.cumsum(
        np.bincount(first, minlength=stretches + 1) - np.bincount(after, minlength=stretches + 1)
    )
    return float(np.mean(sounding[:stretches] == 0))


def _sounding(notes):
    """How many different pitches sound, and for how long: (pitches (K,), ticks (K,)), from the first note on.

    Two notes of one pitch that overlap sound as one, as in a piano roll.
    """
    order = np.lexsort((notes.start, notes.pitch))
    offset = notes.pitch[order] * (notes.score.end + 1)  # lays the pitches one after the other
    start, end = notes.start[order] + offset, np.maximum.accumulate(notes.end[order] + offset)
    begins = np.flatnonzero(np.append(True, start[1:] > end[:-1]))  # of stretches of one pitch without a gap
    ends = np.append(begins[1:], len(start)) - 1
    ticks = np.concatenate([notes.start[order][begins], end[ends] - offset[ends]])
    change = np.repeat([1, -1], len(begins))
    order = np.argsort(ticks)
    return np.cumsum(change[order])[:-1], np.diff(ticks[order])


def polyphony(music):
    """How many pitches sound at a time, the mean over the time when any does; NaN without notes."""
    notes = note_arrays(music)
    if len(notes) == 0:
        return np.nan
    pitches, ticks = _sounding(notes)
    return float(pitches @ ticks / ticks[pitches > 0].sum())


def polyphony_rate(music, threshold=2):
    """Share of the time, from tick 0 to the end of the last note, in which more than `threshold` pitches
    sound.

    Strictly more, as MusPy counts; its manual says "multiple pitches", which is a threshold of 1. NaN if
    nothing sounds, drums neither.
    """
    notes = note_arrays(music)
    if notes.score.end == 0:
        return np.nan
    if len(notes) == 0:
        return 0.0
    pitches, ticks = _sounding(notes)
    return float(ticks[pitches > threshold].sum() / notes.score.end)


def pitch_in_scale_rate(music, root, mode):
    """Share of the notes that are in a scale; NaN without notes.

    music : Score or NoteArrays
    root : int, pitch class
    mode : "major" or "minor" (natural)
    Raises ValueError if `mode` is neither.
    """
    if mode not in SCALES:
        raise ValueError(f"expected mode 'major' or 'minor', got {mode!r}")
    pitch_class = note_arrays(music).pitch_class
    if len(pitch_class) == 0:
        return np.nan
    return float(np.isin((pitch_class - root) % 12, SCALES[mode]).mean())


def scale_consistency(music):
    """The largest `pitch_in_scale_rate` of all 24 keys; NaN without notes.

    (A natural minor scale has the notes of the major scale three semitones above: 12 differ.)
    """
    counts = np.bincount(note_arrays(music).pitch_class, minlength=12)
    if counts.sum() == 0:
        return np.nan
    return float(
        max(counts[(root + np.array(SCALES["major"])) % 12].sum() for root in range(12)) / counts.sum()
    )


def entropy(counts):
    """Entropy of counts (..., K) along the last axis, in bits; NaN where all are 0."""
    counts = np.asarray(counts, dtype=np.float64)
    total = counts.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        p = counts / total
    return -np.sum(p * np.log2(np.where(p > 0, p, 1)), axis=-1) + 0.0  # no minus zero


def pitch_entropy(music):
    """Entropy of the pitches, in bits, each note counted once; NaN without notes."""
    return float(entropy(np.bincount(note_arrays(music).pitch, minlength=128)))


def pitch_class_entropy(music):
    """Entropy of the pitch classes, in bits, each note counted once; NaN without notes."""
    return float(entropy(np.bincount(note_arrays(music).pitch_class, minlength=12)))


def onset_grid(music, steps_per_beat=STEPS_PER_BEAT):
    """Where notes and drums begin, on a grid.

    music : Score or NoteArrays
    steps_per_beat : int, steps of the grid in a quarter note; an onset goes to the nearest one, from the
        middle on to the later one, but not past the end of the piece
    Returns onsets : int64 (O,), different steps, rising; none if the piece is shorter than half a step; lines
        : int64 (bars + 1,), the steps of the bar lines; equal ones where a bar is shorter than a step.
    """
    notes = note_arrays(music)
    start, _ = notes.played
    beat = notes.ticks_per_beat
    onsets, lines = ((2 * ticks * steps_per_beat + beat) // (2 * beat) for ticks in (start, notes.bar_lines))
    last = lines[-1] - 1
    return np.unique(np.minimum(onsets, last)) if last >= 0 else onsets[:0], lines


def groove_consistency(music, steps_per_beat=STEPS_PER_BEAT):
    """One less the share of grid steps in which a bar and the next one differ: one has an onset, one has not.

    Only neighbours of equal length count, and bars of a step at least. NaN if there are none, or without
    notes.

    music : Score or NoteArrays
    steps_per_beat : int, see `onset_grid`; MusPy takes the ticks of the file, and so finds performances all
        alike
    """
    onsets, lines = onset_grid(music, steps_per_beat)
    length = np.diff(lines)
    pairs = np.zeros(len(lines), dtype=bool)  # of a bar and the one after it
    pairs[: len(length) - 1] = (length[:-1] == length[1:]) & (length[1:] > 0)
    if not pairs.any():
        return np.nan
    bar = np.searchsorted(lines, onsets, side="right") - 1
    count = np.bincount(bar, minlength=len(length))
    paired = pairs[bar]
    again = np.count_nonzero(np.isin(onsets[paired] + length[bar[paired]], onsets))
    here = np.flatnonzero(pairs)
    differing = count[here].sum() + count[here + 1].sum() - 2 * again
    return float(1 - differing / length[here].sum())


def drum_in_pattern_rate(music, meter):
    """Share of the drum hits that fall on parts of a beat: "duple" fourths, "triple" thirds; NaN without
    drums.

    Raises ValueError if `meter` is neither.
    """
    if meter not in DRUM_PARTS:
        raise ValueError(f"expected meter 'duple' or 'triple', got {meter!r}")
    notes = note_arrays(music)
    if len(notes.hit_start) == 0:
        return np.nan
    return float(np.mean(notes.hit_start * DRUM_PARTS[meter] % notes.ticks_per_beat == 0))


def drum_pattern_consistency(music):
    """The larger of the two `drum_in_pattern_rate`s; NaN without drums."""
    notes = note_arrays(music)
    return max(drum_in_pattern_rate(notes, meter) for meter in DRUM_PARTS)


METRICS = (
    n_pitches_used, n_pitch_classes_used, pitch_range, empty_beat_rate, empty_measure_rate, polyphony,
    polyphony_rate, scale_consistency, pitch_entropy, pitch_class_entropy, groove_consistency,
)  # fmt: skip


def all_metrics(music):
    """All metrics that need nothing but the piece; those of drums only if it has drums.

    Returns dict of str to number.
    """
    notes = note_arrays(music)
    metrics = METRICS + ((drum_pattern_consistency,) if len(notes.hit_start) else ())
    return {metric.__name__: metric(notes) for metric in metrics}
