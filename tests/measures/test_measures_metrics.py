"""MusPy's metrics, measures of repetition, and what pieces go through before they are measured."""

import itertools
import math

import measured_music as slow
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measured_music import BEAT, copies, finer, odd_scores, piece, scores, tune

from encoders.score import Note, Score, Track
from experiments.measures import muspy_metrics as metrics
from experiments.measures import repetition
from experiments.measures.prepare import first_bars, on_grid
from experiments.measures.report import measure

BAR = 4 * BEAT
FOUR = [(place * BEAT, BEAT, 60) for place in range(4)]


def drums(*starts):
    return Score(BEAT, [Track("drums", [Note(start, 1, 38) for start in starts], channel=9)])


def approx(value):
    return pytest.approx(value, nan_ok=True)


# MusPy ---------------------------------------------------------------------------------------------


def test_pitches_by_hand():
    music = tune(60, 62, 72, 60)
    assert metrics.n_pitches_used(music) == 3 and metrics.n_pitch_classes_used(music) == 2
    assert metrics.pitch_range(music) == 12
    assert metrics.pitch_entropy(music) == 1.5  # 1/2, 1/4, 1/4
    assert metrics.pitch_class_entropy(music) == approx(-0.75 * math.log2(0.75) + 0.25 * 2)


def test_empty_beats_and_bars():
    music = piece((0, BEAT, 60), (3 * BEAT, 1, 60), (2 * BAR, BAR, 60))
    assert metrics.empty_beat_rate(music) == 6 / 12
    assert metrics.empty_measure_rate(music) == 1 / 3


def test_a_piece_that_ends_on_a_line_has_nothing_empty_after_it():
    for bars in (1, 2, 5):
        assert metrics.empty_beat_rate(copies(bars, *FOUR)) == 0
        assert metrics.empty_measure_rate(copies(bars, *FOUR)) == 0
    assert metrics.empty_beat_rate(piece((0, BEAT, 60), (2 * BEAT, BEAT, 60))) == 1 / 3  # the end is no sound


def test_equal_bars_that_end_on_the_line_have_perfect_groove():
    assert metrics.groove_consistency(copies(2, *FOUR)) == 1  # MusPy: 0.979, for an empty third bar
    assert metrics.groove_consistency(copies(2, *FOUR[:3], (3 * BEAT, BEAT - 1, 60))) == 1
    assert repetition.grooving_similarity(copies(3, *FOUR)) == 1


def test_groove_by_hand():
    # The second bar has one onset less and one elsewhere: three of sixteen steps differ, then two of sixteen.
    music = piece(*FOUR, (BAR, 6, 60), (BAR + 6, 6, 60), (2 * BAR, BEAT, 60))
    assert metrics.groove_consistency(music) == approx(1 - (4 + 1) / 32)
    assert repetition.grooving_similarity(music) == approx(1 - (4 + 1 + 3) / 48)


def test_groove_is_of_sixteenths_whatever_the_resolution_of_the_file():
    # Played by hand, a little early or late: alike on the grid, never in the same tick.
    played = copies(2, *FOUR).tracks[0].notes
    late = [
        Note(max(0, n.start * 20 + shift), 20, 60)
        for n, shift in zip(played, [3, -7, 9, -2] * 2, strict=True)
    ]
    assert metrics.groove_consistency(piece(*((n.start, 480, 60) for n in late), beat=480)) == 1


def test_an_onset_just_before_the_end_stays_in_the_last_bar():
    music = copies(2, *FOUR[:3], (BAR - 1, 1, 60))
    assert metrics.groove_consistency(music) < 1  # it sounds with the first of the next bar, once
    onsets, lines = metrics.onset_grid(music)
    assert onsets.max() == lines[-1] - 1


def test_polyphony_by_hand():
    music = piece((0, 48, 60), (24, 48, 64), (24, 24, 67), (96, 24, 60))
    # 24 ticks of one, 24 of three, 24 of one, 24 of none, 24 of one
    assert metrics.polyphony(music) == (1 + 3 + 1 + 1) / 4
    assert metrics.polyphony_rate(music) == 24 / 120
    assert metrics.polyphony_rate(tune((60, 64))) == 0 and metrics.polyphony_rate(tune((60, 64)), 1) == 1


def test_a_pitch_that_is_struck_while_it_sounds_is_one_pitch():
    assert metrics.polyphony(piece((0, 48, 60), (24, 48, 60), (72, 10, 60))) == 1


def test_scales():
    c_major = tune(60, 62, 64, 65, 67, 69, 71, 72)
    assert metrics.scale_consistency(c_major) == metrics.pitch_in_scale_rate(c_major, 0, "major") == 1
    assert metrics.pitch_in_scale_rate(c_major, 9, "minor") == 1
    assert metrics.pitch_in_scale_rate(c_major, 7, "major") == 7 / 8
    assert metrics.scale_consistency(tune(*range(60, 72))) == 7 / 12
    with pytest.raises(ValueError, match="'major' or 'minor', got 'dorian'"):
        metrics.pitch_in_scale_rate(c_major, 0, "dorian")


def test_drums():
    music = drums(0, 6, 12, 8)
    assert metrics.drum_in_pattern_rate(music, "duple") == 3 / 4
    assert metrics.drum_in_pattern_rate(music, "triple") == 2 / 4
    assert metrics.all_metrics(music)["drum_pattern_consistency"] == 3 / 4
    assert "drum_pattern_consistency" not in metrics.all_metrics(tune(60))
    assert math.isnan(metrics.drum_pattern_consistency(tune(60)))
    assert metrics.n_pitches_used(music) == 0 and metrics.empty_beat_rate(music) == 0
    assert math.isnan(metrics.pitch_entropy(music)) and metrics.polyphony_rate(music) == 0
    with pytest.raises(ValueError, match="'duple' or 'triple', got 'quintuple'"):
        metrics.drum_in_pattern_rate(music, "quintuple")


def test_of_silence_most_is_unknown():
    found = metrics.all_metrics(piece()) | repetition.all_repetition(piece())
    known = {name for name, value in found.items() if not math.isnan(value)}
    assert known == {"n_pitches_used", "n_pitch_classes_used", "pitch_range", "longest_run", "stuck"}
    assert all(found[name] == 0 for name in known)


@settings(max_examples=60)
@given(scores(), st.integers(0, 4))
def test_as_the_slow_versions(score, threshold):
    found, notes, roll = metrics.all_metrics(score), slow.tones(score), slow.roll(score)
    assert found["n_pitches_used"] == len({note.pitch for note in notes})
    assert found["pitch_entropy"] == approx(slow.entropy(note.pitch for note in notes))
    assert found["pitch_class_entropy"] == approx(slow.entropy(note.pitch % 12 for note in notes))
    sounding = [len(step) for step in roll if step]
    assert found["polyphony"] == approx(np.mean(sounding) if sounding else math.nan)
    share = np.mean([len(step) > threshold for step in roll]) if roll else math.nan
    assert metrics.polyphony_rate(score, threshold) == approx(share)
    beat = score.ticks_per_beat
    beats = [(begin, begin + beat) for begin in range(0, score.end, beat)]
    for name, stretches in (("empty_beat_rate", beats), ("empty_measure_rate", slow.bars_of(score))):
        empty = [
            not any(note.start < end and note.end > begin for note in score.notes())
            for begin, end in stretches
        ]
        assert found[name] == approx(np.mean(empty) if empty else math.nan), name
    rates = [metrics.pitch_in_scale_rate(score, root, mode) for root in range(12) for mode in metrics.SCALES]
    assert found["scale_consistency"] == approx(max(rates) if notes else math.nan)


@settings(max_examples=60)
@given(scores())
def test_groove_as_the_slow_version(score):
    bars = slow.onsets_of_bars(score) if score.end else []
    neighbours = [(a, b, length) for (length, a), (other, b) in itertools.pairwise(bars) if length == other]
    steps = sum(length for *_, length in neighbours)
    expected = 1 - sum(len(a ^ b) for a, b, _ in neighbours) / steps if steps else math.nan
    assert metrics.groove_consistency(score) == approx(expected)
    lengths = [length for length, _ in bars]
    usual = max(sorted(set(lengths)), key=lengths.count, default=0)  # none of these is shorter than a step
    kept = [onsets for length, onsets in bars if length == usual]
    pairs = [1 - len(a ^ b) / usual for a, b in itertools.combinations(kept, 2)]
    assert repetition.grooving_similarity(score) == approx(np.mean(pairs) if pairs else math.nan)


@settings(max_examples=100)
@given(odd_scores())
def test_no_piece_is_too_odd(score):
    found = metrics.all_metrics(score) | repetition.all_repetition(score)
    for name, value in found.items():
        if name.endswith(("rate", "share", "consistency", "GS")):
            assert math.isnan(value) or 0 <= value <= 1, name
    for steps in (1, 4):
        measure([score], steps_per_beat=steps, bars=2)
    measure([score])


@settings(max_examples=40)
@given(scores(), st.integers(2, 9), st.integers(-24, 24))
def test_neither_resolution_nor_key_changes_a_metric(score, times, semitones):
    before = metrics.all_metrics(score) | repetition.all_repetition(score)
    for other in (finer(score, times), score.transpose(semitones)):
        assert metrics.all_metrics(other) | repetition.all_repetition(other) == approx(before)


# Repetition ----------------------------------------------------------------------------------------


def test_one_note_for_ever_is_found():
    stuck = repetition.all_repetition(tune(*[60] * 40))
    assert stuck["longest_run"] == 40 and stuck["longest_run_share"] == stuck["top_gram_share"] == 1
    assert stuck["stuck"] == 1 and stuck["H1"] == stuck["H4"] == 0


@pytest.mark.parametrize("figure", [(60, 62), (60, 64, 67), (60, 67, 64, 67), ((60, 64), 67)])
def test_a_figure_for_ever_is_found(figure):
    music = tune(*figure * 20)
    assert repetition.longest_run(music) == 1
    assert repetition.top_gram_share(music) > 0.95  # of three notes in turn, the last two may be left over
    assert repetition.is_stuck(music)


def test_runs_are_of_whole_chords():
    assert repetition.longest_run(tune((60, 64), (60, 64), (60, 64), (60, 65), 60, 60)) == 3
    assert repetition.longest_run(tune(0, 64, 127, 127)) == 2  # pitches that share a bit of two words
    assert repetition.longest_run(tune(3, 67, 3, 67)) == 1


def test_a_scale_is_not_stuck():
    music = tune(*range(50, 80))
    assert repetition.longest_run(music) == 1 and repetition.top_gram_share(music) == 4 / 30
    assert not repetition.is_stuck(music)


@settings(max_examples=60)
@given(st.lists(st.integers(60, 62), min_size=1, max_size=25), st.integers(1, 5))
def test_repetition_as_the_slow_versions(pitches, n):
    music = tune(*pitches)
    assert repetition.longest_run(music) == max(len(list(run)) for _, run in itertools.groupby(pitches))
    grams = [tuple(pitches[k : k + n]) for k in range(len(pitches) - n + 1)]
    covered = [
        {k + j for k, gram in enumerate(grams) if gram == kind for j in range(n)} for kind in set(grams)
    ]
    expected = max(map(len, covered)) / len(pitches) if grams else math.nan
    assert repetition.top_gram_share(music, n) == approx(expected)


@settings(max_examples=40)
@given(scores(fewest=1), st.integers(1, 6))
def test_entropy_of_bars_as_the_slow_version(score, k):
    bars = slow.bars_of(score)
    k_or_all = min(k, len(bars))
    windows = [(bars[i][0], bars[i + k_or_all - 1][1]) for i in range(len(bars) - k_or_all + 1)]
    classes = [
        [note.pitch % 12 for note in slow.tones(score) if begin <= note.start < end] for begin, end in windows
    ]
    expected = np.mean([slow.entropy(found) for found in classes if found])
    assert repetition.pitch_class_entropy_of_bars(score, k) == approx(expected)


@pytest.mark.slow
def test_human_pieces_are_not_stuck(data_folder):
    from experiments.measures.collection import read_pieces

    scores = read_pieces(data_folder / "irish_mit", quiet=True).scores
    scores += read_pieces(data_folder / "classical_44_c_major", quiet=True).scores
    assert len(scores) > 800
    assert not any(repetition.is_stuck(score) for score in scores)


# Preparing -----------------------------------------------------------------------------------------


def test_a_performance_on_a_grid():
    played = piece((11, 400, 60), (14, 100, 64), (475, 20, 60), (478, 300, 60), beat=480)
    (track,) = on_grid(played, 4).tracks
    assert [(n.start, n.duration, n.pitch) for n in track.notes] == [(0, 3, 60), (0, 1, 64), (4, 2, 60)]
    assert on_grid(played, 4).ticks_per_beat == 4


def test_changes_come_along():
    music = piece((0, 1920, 60), beat=480, tempos=((0, 90.0), (350, 80.0), (365, 70.0)), meters=((0, 3, 4),))
    moved = on_grid(music, 4)
    assert moved.tempos == ((0, 90.0), (3, 70.0)) and moved.meters == ((0, 3, 4),)
    assert moved.seconds(moved.end) == pytest.approx(music.seconds(music.end), rel=0.02)


@settings(max_examples=40)
@given(scores(), st.sampled_from([1, 4, 6]))
def test_what_is_on_the_grid_stays(score, steps):
    once = on_grid(score, steps)
    assert on_grid(once, steps) == once
    assert all(note.start % 1 == 0 and note.duration >= 1 for note in once.notes())


def test_first_bars():
    music = copies(5, *FOUR, (3 * BEAT + 12, BEAT, 72))
    cut = first_bars(music, 2)
    assert cut.end == 2 * BAR and len(cut.notes()) == 10  # the last note is cut at the line
    assert first_bars(music, 99) == music


def test_silence_before_the_first_bar_is_no_bar():
    music = piece(
        (3 * 72 + 5, 10, 60), (5 * 72, 10, 62),
        tempos=((0, 100.0), (200, 50.0)), meters=((0, 3, 4),), keys=((0, "G"), (4 * 72, "D")),
    )  # fmt: skip
    cut = first_bars(music, 1)
    assert [(note.start, note.pitch) for note in cut.notes()] == [(5, 60)]
    assert cut.tempos == ((0, 50.0),) and cut.meters == ((0, 3, 4),) and cut.keys == ((0, "G"),)
    assert len(first_bars(music, 3).notes()) == 2 and first_bars(music, 3).keys == ((0, "G"), (72, "D"))


@settings(max_examples=40)
@given(scores(), st.integers(1, 5))
def test_first_bars_are_bars_of_the_piece(score, bars):
    cut = first_bars(score, bars)
    assert len(cut.bar_lines()) - 1 <= bars
    if score.end:
        lines = score.bar_lines()
        begin = max(line for line in lines if line <= score.notes()[0].start)
        begins = [line for line in lines[:-1] if line >= begin][:bars]
        assert [line + begin for line in cut.bar_lines()[:-1]] == begins[: len(cut.bar_lines()) - 1]
