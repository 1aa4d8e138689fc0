"""Small pieces, hypothesis strategies, and slow, obvious versions of what the measures count."""

import math
from collections import Counter

import numpy as np
from hypothesis import strategies as st

from encoders.score import Note, Score, Track

BEAT = 24  # ticks


def piece(*notes, beat=BEAT, **options):
    """A Score of one track; a note is (start, duration, pitch) in ticks."""
    return Score(beat, [Track("", [Note(*note) for note in notes])], **options)


def tune(*pitches, length=BEAT, beat=BEAT, **options):
    """One voice of equal notes, one after the other; None is a rest, a tuple is a chord."""
    notes = []
    for place, pitch in enumerate(pitches):
        chord = pitch if isinstance(pitch, tuple) else () if pitch is None else (pitch,)
        notes += [(place * length, length, each) for each in chord]
    return piece(*notes, beat=beat, **options)


def copies(bars, *notes):
    """A bar of 4/4 with (start, duration, pitch) in it, as often as `bars` says."""
    return piece(*((start + bar * 4 * BEAT, *rest) for bar in range(bars) for start, *rest in notes))


@st.composite
def scores(draw, fewest=0, drums=True):
    """Pieces of a few bars in one or two meters, with chords, overlaps and silences."""
    beat = draw(st.sampled_from([4, 12, 24, 48]))
    note = st.builds(
        Note, st.integers(0, 14 * beat), st.integers(1, 5 * beat), st.integers(36, 84), st.just(80)
    )
    tracks = [Track("tones", draw(st.lists(note, min_size=fewest, max_size=30)))]
    if drums:
        tracks.append(Track("drums", draw(st.lists(note, max_size=4)), channel=9))
    meter = st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 4)])
    meters = [(0, *draw(meter))]
    if draw(st.booleans()):
        meters.append((draw(st.integers(1, 12)) * beat, *draw(meter)))
    return Score(beat, tracks, meters=meters)


@st.composite
def odd_scores(draw):
    """What a file can hold, however unmusical: tiny bars, coarse and fine ticks, changes within bars."""
    beat = draw(st.sampled_from([1, 2, 7, 480, 32767]))
    note = st.builds(Note, st.integers(0, 40), st.integers(1, 40), st.integers(0, 127), st.just(1))
    far = st.builds(Note, st.integers(0, 3 * beat), st.integers(1, 9 * beat), st.integers(0, 127), st.just(1))
    channel = st.sampled_from([None, 9])
    tracks = [
        Track("", draw(st.lists(note | far, max_size=6)), channel=draw(channel))
        for _ in range(draw(st.integers(0, 2)))
    ]
    meter = st.tuples(st.sampled_from([1, 3, 255]), st.sampled_from([1, 4, 64]))
    ticks = draw(st.lists(st.integers(1, 60), unique=True, max_size=3))
    return Score(
        beat,
        tracks,
        tempos=[(0, 120.0), *((tick, draw(st.sampled_from([0.01, 1e5]))) for tick in sorted(ticks))],
        meters=[(0, *draw(meter)), *((tick, *draw(meter)) for tick in sorted(ticks))],
    )


def finer(score, times):
    """The same music at a finer resolution."""
    return Score(
        score.ticks_per_beat * times,
        [
            Track(
                track.name,
                [Note(n.start * times, n.duration * times, n.pitch, n.velocity) for n in track.notes],
                track.program,
                track.channel,
            )
            for track in score.tracks
        ],
        [(tick * times, tempo) for tick, tempo in score.tempos],
        [(tick * times, *meter) for tick, *meter in score.meters],
        [(tick * times, key) for tick, key in score.keys],
    )


def tones(score):
    """All notes but drums, by start, then pitch, then end."""
    notes = [note for track in score.tracks if not track.is_drums for note in track.notes]
    return sorted(notes, key=lambda note: (note.start, note.pitch, note.end))


def roll(score):
    """Which pitches sound in each tick: a list of sets."""
    return [{n.pitch for n in tones(score) if n.start <= tick < n.end} for tick in range(score.end)]


def bars_of(score):
    """(begin, end) of each bar, in ticks."""
    lines = score.bar_lines()
    return list(zip(lines[:-1], lines[1:], strict=True))


def upper_line(score):
    return list({note.start: note for note in tones(score)}.values())


def entropy(items):
    counts = Counter(items)
    total = sum(counts.values())
    return -sum(n / total * math.log2(n / total) for n in counts.values()) if total else math.nan


def pitch_class_transitions(score, together=0.05):
    """Every pair of two different notes of which one ends where the other begins."""
    notes, matrix = tones(score), np.zeros((12, 12), int)
    for i, a in enumerate(notes):
        for j, b in enumerate(notes):
            if i != j and abs(score.seconds(a.end) - score.seconds(b.start)) < together:
                matrix[a.pitch % 12, b.pitch % 12] += 1
    return matrix


def bar_histogram(score):
    """Shares of the ticks in which each pitch class sounds, bar by bar; two notes of a pitch count twice."""
    rows = []
    for begin, end in bars_of(score):
        row = np.zeros(12)
        for note in tones(score):
            row[note.pitch % 12] += max(0, min(end, note.end) - max(begin, note.start))
        rows.append(row / max(row.sum(), 1))
    return np.array(rows).reshape(-1, 12)


def length_class(ticks, whole, lengths):
    """The nearest class, and how far it is in 96ths of a whole note."""
    parts = ticks * 96 / whole
    away = [abs(parts - length) for length in lengths]
    return away.index(min(away)), min(away)


def note_lengths(score, lengths, line):
    """Histogram and transitions with rests, event by event."""
    whole = 4 * score.ticks_per_beat
    counts, events, sounded = np.zeros(24), [], None
    for start in sorted({note.start for note in tones(score)}):
        chord = [note for note in tones(score) if note.start == start]
        if sounded is not None and start > sounded:
            number, away = length_class(start - sounded, whole, lengths)
            if away < 3:
                counts[12 + number] += 1
                events.append(12 + number)
        numbers = [length_class(note.duration, whole, lengths)[0] for note in chord]
        for number in numbers:
            counts[number] += 1
        events += numbers if line == "notes" else numbers[-1:]
        sounded = max([sounded or 0, *(note.end for note in chord)])
    matrix = np.zeros((24, 24), int)
    for a, b in zip(events, events[1:], strict=False):
        matrix[a, b] += 1
    return counts / max(counts.sum(), 1), matrix


def onsets_of_bars(score, steps_per_beat=4):
    """For each bar its length in steps and the set of steps with an onset, of tones and drums."""

    def step(tick):
        return math.floor(tick * steps_per_beat / score.ticks_per_beat + 0.5)

    bars = bars_of(score)
    steps = {min(step(note.start), step(bars[-1][1]) - 1) for note in score.notes()}
    return [
        (step(end) - step(begin), {s - step(begin) for s in steps if step(begin) <= s < step(end)})
        for begin, end in bars
    ]
