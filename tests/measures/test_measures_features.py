"""The features of Yang & Lerch: by hand, beside slow versions, and what must not change them."""

import measured_music as slow
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measured_music import BEAT, finer, piece, scores, tune

from encoders.score import Note, Score, Track
from experiments.measures.features import LENGTHS, NAMES, extract, normalise, vectors


def same(a, b):
    for name in NAMES:
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-12, atol=1e-12, err_msg=name)


def test_a_scale_by_hand():
    found = extract(
        tune(60, 62, 64, 65, 67)
    )  # quarters at 120 a minute: four in the first bar, one in the next
    assert (found.total_used_pitch, found.total_used_note, found.pitch_range) == (5, 5, 7)
    assert found.bar_used_pitch.tolist() == found.bar_used_note.tolist() == [4, 1]
    assert found.avg_pitch_shift == (2 + 2 + 1 + 2) / 4 and found.avg_IOI == 0.5
    assert found.total_pitch_class_histogram.tolist() == [0.2, 0, 0.2, 0, 0.2, 0.2, 0, 0.2, 0, 0, 0, 0]
    assert found.bar_pitch_class_histogram[0].tolist() == [0.25, 0, 0.25, 0, 0.25, 0.25] + [0] * 6
    assert np.argwhere(found.pitch_class_transition_matrix).tolist() == [[0, 2], [2, 4], [4, 5], [5, 7]]
    assert found.note_length_hist[2] == 1 and found.note_length_transition_matrix[2, 2] == 4


def test_a_chord_is_one_step_of_the_upper_line_or_three_notes():
    music = tune((60, 64, 67), (60, 65, 69))
    upper, each = extract(music), extract(music, line="notes")
    assert (upper.avg_pitch_shift, upper.avg_IOI) == (2, 0.5)
    assert each.avg_pitch_shift == (4 + 3 + 7 + 5 + 4) / 5 and each.avg_IOI == pytest.approx(0.5 / 5)
    assert upper.note_length_transition_matrix.sum() == 1 and each.note_length_transition_matrix.sum() == 5
    # From each of C, E and G to each of C, F and A, however the next note is counted.
    assert upper.pitch_class_transition_matrix.sum() == 9
    assert upper.pitch_class_transition_matrix[[0, 4, 7]][:, [0, 5, 9]].all()


def test_a_note_over_a_bar_line_sounds_in_both_bars_but_begins_in_one():
    found = extract(piece((3 * BEAT, 3 * BEAT, 60), (4 * BEAT, BEAT, 67)))
    assert found.bar_used_note.tolist() == [1, 1] and found.bar_used_pitch.tolist() == [1, 1]
    np.testing.assert_allclose(found.bar_pitch_class_histogram[:, [0, 7]], [[1, 0], [2 / 3, 1 / 3]])


def test_a_pitch_counts_once_in_a_bar():
    assert extract(tune(60, 72, 60, 60, 60)).bar_used_pitch.tolist() == [2, 1]


@pytest.mark.parametrize("number, parts", list(enumerate(LENGTHS)))
def test_each_length_has_its_class(number, parts):
    assert extract(piece((0, parts, 60))).note_length_hist[number] == 1  # 24 ticks a beat: 96 to a whole note


def test_of_two_lengths_equally_near_the_first_of_the_list_counts():
    assert extract(piece((0, 7, 60))).note_length_hist[LENGTHS.index(6)] == 1  # 6 or 8
    assert extract(piece((0, 60, 60))).note_length_hist[LENGTHS.index(48)] == 1  # 48 or 72


def test_the_unit_of_lengths_outside_four_four():
    waltz = tune(60, 62, 64, meters=((0, 3, 4),))
    assert extract(waltz).note_length_hist[LENGTHS.index(24)] == 1
    assert (
        extract(waltz, unit="bar").note_length_hist[LENGTHS.index(32)] == 1
    )  # as mgeval: a third of the bar


def test_rests_are_silences():
    found = extract(piece((0, 24, 60), (48, 24, 62), (60, 24, 64), (96, 24, 65)), rests=True)
    counts = np.zeros(24)
    counts[2], counts[12 + 2], counts[12 + 3] = 4 / 6, 1 / 6, 1 / 6  # a quarter and an eighth of silence
    np.testing.assert_allclose(found.note_length_hist, counts)
    events = [(2, 14), (14, 2), (2, 2), (2, 15), (15, 2)]
    assert found.note_length_transition_matrix.sum() == 5
    assert all(found.note_length_transition_matrix[event] == 1 for event in events)


def test_a_breath_between_notes_is_no_rest():
    assert extract(piece((0, 22, 60), (24, 24, 62)), rests=True).note_length_hist[12:].sum() == 0


def test_drums_are_no_tones():
    drums = Track("drums", [Note(0, 5, 35), Note(50, 5, 38)], channel=9)
    plain = tune(60, 62)
    same(extract(Score(BEAT, [*plain.tracks, drums])), extract(plain))


def test_times_are_of_the_tempo_map():
    assert extract(tune(60, 62, 64, tempos=((0, 60.0), (BEAT, 240.0)))).avg_IOI == (1 + 0.25) / 2


def test_silence_and_single_notes():
    for music in (piece(), piece((5, 5, 60))):
        found = extract(music)
        assert np.isnan(found.avg_pitch_shift) and np.isnan(found.avg_IOI)
        assert found.pitch_class_transition_matrix.sum() == found.note_length_transition_matrix.sum() == 0
    assert np.isnan(extract(piece()).pitch_range) and extract(piece()).total_pitch_class_histogram.sum() == 0
    assert extract(piece((5, 5, 60))).pitch_range == 0


def test_three_normalisations():
    counts = np.array([[1, 3], [0, 0]])
    assert normalise(counts, "counts").tolist() == [[1, 3], [0, 0]]
    assert normalise(counts, "rows").tolist() == [[0.25, 0.75], [0, 0]]
    assert normalise(counts * [[1, 1], [4, 4]] + [[0, 0], [4, 0]], "all").tolist() == [
        [1 / 8, 3 / 8],
        [0.5, 0],
    ]
    with pytest.raises(ValueError, match="'counts', 'rows' or 'all', got 'columns'"):
        normalise(counts, "columns")


@pytest.mark.parametrize("options", [{"line": "lowest"}, {"unit": "beat"}])
def test_options_are_checked(options):
    with pytest.raises(ValueError, match="expected line"):
        extract(tune(60), **options)


@settings(max_examples=60)
@given(scores(), st.sampled_from(["highest", "notes"]))
def test_as_the_slow_versions(score, line):
    found, notes = extract(score, line, rests=True), slow.tones(score)
    assert found.total_used_note == len(notes)
    assert found.total_used_pitch == len({note.pitch for note in notes})
    bars = [[note for note in notes if begin <= note.start < end] for begin, end in slow.bars_of(score)]
    assert found.bar_used_note.tolist() == [len(bar) for bar in bars]
    assert found.bar_used_pitch.tolist() == [len({note.pitch for note in bar}) for bar in bars]
    np.testing.assert_allclose(found.bar_pitch_class_histogram, slow.bar_histogram(score))
    assert (found.pitch_class_transition_matrix == slow.pitch_class_transitions(score)).all()
    line_notes = slow.upper_line(score) if line == "highest" else notes
    if len(line_notes) > 1:
        pairs = list(zip(line_notes, line_notes[1:], strict=False))
        assert found.avg_pitch_shift == pytest.approx(np.mean([abs(a.pitch - b.pitch) for a, b in pairs]))
        waits = [score.seconds(b.start) - score.seconds(a.start) for a, b in pairs]
        assert found.avg_IOI == pytest.approx(np.mean(waits))
    histogram, matrix = slow.note_lengths(score, LENGTHS, line)
    np.testing.assert_allclose(found.note_length_hist, histogram)
    assert (found.note_length_transition_matrix == matrix).all()


@settings(max_examples=40)
@given(scores(), st.integers(-24, 24))
def test_transposition_turns_histograms_and_leaves_intervals(score, semitones):
    found, moved = extract(score), extract(score.transpose(semitones))
    for name in NAMES:
        before, after = np.asarray(getattr(found, name)), getattr(moved, name)
        if "pitch_class" in name:
            before = np.roll(before, semitones, axis=-1)
            before = np.roll(before, semitones, axis=0) if name.endswith("matrix") else before
        np.testing.assert_allclose(after, before, rtol=1e-12, atol=1e-12, err_msg=name)


@settings(max_examples=40)
@given(scores(), st.integers(2, 9), st.sampled_from(["whole", "bar"]))
def test_resolution_changes_nothing(score, times, unit):
    same(extract(score, rests=True, unit=unit), extract(finer(score, times), rests=True, unit=unit))


@settings(max_examples=40)
@given(scores(fewest=1))
def test_vectors_are_finite_and_shares_sum_to_one(score):
    found = vectors(extract(score))
    assert list(found) == list(NAMES)
    sizes = [1, 1, 1, 1, 12, 12, 144, 1, 1, 1, 12, 144]
    assert [len(value) for value in found.values()] == sizes
    for name in ("total_pitch_class_histogram", "bar_pitch_class_histogram", "note_length_hist"):
        assert found[name].sum() == pytest.approx(1) and (found[name] >= 0).all()


def test_averages_over_bars():
    found = vectors(extract(piece((0, 96, 60), (2 * 96, 96, 67))))  # the bar between is silent
    assert found["bar_used_note"] == pytest.approx(2 / 3)
    assert found["bar_pitch_class_histogram"][[0, 7]].tolist() == [0.5, 0.5]


def test_a_note_of_many_bars_costs_little():
    long = extract(piece((0, 15000 * BEAT * 4, 60), (BEAT, 1, 64)))
    assert len(long.bar_used_note) == 15000 and long.bar_pitch_class_histogram[1:, 0].min() == 1


def test_a_real_piece(data_folder):
    from encoders.midi import read_midi

    path = next((data_folder / "classical_44_c_major").rglob("mz_545_1_format0*"))
    found = extract(read_midi(path))
    c, f_sharp = found.total_pitch_class_histogram[[0, 6]]  # Mozart's sonata in C
    assert c > 4 * f_sharp and found.total_used_note == 2714
    assert found.note_length_hist[[3, 4]].sum() > 0.5  # eighths and sixteenths
