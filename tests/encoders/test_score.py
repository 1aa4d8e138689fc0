"""Notes, tracks and scores: what they accept, and the maps of time."""

import numpy as np
import pytest

from encoders.score import MAJOR_KEYS, MINOR_KEYS, Note, Score, Track


def test_note_keeps_plain_ints_and_knows_its_end():
    note = Note(np.int64(10), np.int32(5), np.uint8(60))
    assert (note.start, note.duration, note.pitch, note.velocity, note.end) == (10, 5, 60, 80, 15)
    assert all(type(value) is int for value in (note.start, note.duration, note.pitch, note.velocity))


@pytest.mark.parametrize(
    "values, message",
    [
        ((-1, 1, 60), "note start must be at least 0, got -1"),
        ((0, 0, 60), "note duration must be at least 1, got 0"),
        ((0, 1, 128), "note pitch must be between 0 and 127, got 128"),
        ((0, 1, 60, 0), "note velocity must be between 1 and 127, got 0"),
        ((0.5, 1, 60), "note start must be a whole number, got 0.5"),
        ((0, 1, "C"), "note pitch must be a whole number, got 'C'"),
    ],
)
def test_note_refuses(values, message):
    with pytest.raises(ValueError, match=message):
        Note(*values)


def test_track_sorts_its_notes_into_a_tuple():
    late, high, low = Note(4, 1, 60), Note(0, 1, 67), Note(0, 9, 60)
    assert Track("a", [late, high, low]).notes == (low, high, late)
    assert Track("drums", channel=9).is_drums and not Track("any").is_drums


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Track(3), "track name must be text"),
        (lambda: Track("a", [(0, 1, 60)]), "must hold Note objects"),
        (lambda: Track("a", program=128), "program must be between 0 and 127"),
        (lambda: Track("a", channel=16), "channel must be between 0 and 15"),
        (lambda: Score(0), "ticks_per_beat must be between 1 and 32767, got 0"),
        (lambda: Score(480, [Note(0, 1, 60)]), "tracks must be Track objects"),
        (lambda: Score(480, tempos=()), "tempos must begin at tick 0"),
        (lambda: Score(480, tempos=((5, 120.0),)), "tempos must begin at tick 0"),
        (lambda: Score(480, tempos=((0, 0.0),)), "tempo must be a positive number"),
        (lambda: Score(480, tempos=((0, float("nan")),)), "tempo must be a positive number"),
        (lambda: Score(480, tempos=((0, 60.0), (9, 50.0), (9, 70.0))), "tempos must be ordered by tick"),
        (lambda: Score(480, meters=((0, 4, 3),)), "denominator must be a power of two, got 3"),
        (lambda: Score(480, meters=((0, 0, 4),)), "numerator must be between 1 and 255"),
        (lambda: Score(480, keys=((0, "H"),)), "key must be one like"),
        (lambda: Score(480, keys=((-1, "C"),)), "tick in keys must be at least 0"),
    ],
)
def test_track_and_score_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_notes_of_all_tracks_by_start_then_pitch():
    high, low = Track("a", [Note(0, 4, 72), Note(8, 4, 50)]), Track("b", [Note(0, 2, 60), Note(4, 9, 40)])
    score = Score(480, [high, low])
    assert [(note.start, note.pitch) for note in score.notes()] == [(0, 60), (0, 72), (4, 40), (8, 50)]
    assert score.end == 13
    assert Score(480).end == 0 and Score(480).notes() == []


def test_seconds_follow_the_tempo_map():
    score = Score(100, tempos=((0, 60.0), (200, 120.0), (300, 30.0)))
    assert score.seconds(0) == 0
    assert score.seconds(150) == pytest.approx(1.5)
    assert score.seconds(200) == pytest.approx(2.0)
    assert score.seconds(300) == pytest.approx(2.5)
    assert score.seconds(400) == pytest.approx(4.5)
    ticks = np.array([[0, 150, 200], [250, 300, 400]])
    np.testing.assert_allclose(score.seconds(ticks), [[0, 1.5, 2], [2.25, 2.5, 4.5]])
    assert isinstance(score.seconds(7), float)
    assert score.seconds(np.array([], dtype=np.int64)).shape == (0,)


def test_bar_lines_follow_the_meters():
    assert Score(10).bar_lines() == [0]
    assert Score(10).bar_lines(1) == [0, 40]
    assert Score(10).bar_lines(40) == [0, 40]
    assert Score(10).bar_lines(41) == [0, 40, 80]
    assert Score(10, meters=((0, 6, 8),)).bar_lines(60) == [0, 30, 60]
    changing = Score(10, [Track("a", [Note(0, 150, 60)])], meters=((0, 4, 4), (80, 3, 4), (140, 2, 4)))
    assert changing.bar_lines() == [0, 40, 80, 110, 140, 160]
    assert changing.bar_lines(80) == [0, 40, 80]
    assert changing.bar_lines(30) == [0, 40]


def test_a_meter_that_changes_within_a_bar_begins_a_new_one():
    assert Score(10, meters=((0, 4, 4), (50, 2, 4))).bar_lines(70) == [0, 40, 50, 70]


def test_transpose_moves_tones_and_keys_but_not_drums():
    drums = Track("drums", [Note(0, 1, 36)], channel=9)
    score = Score(480, [Track("a", [Note(0, 1, 60)], program=5), drums], keys=((0, "C"), (9, "Am")))
    up = score.transpose(3)
    assert up.tracks == (Track("a", [Note(0, 1, 63)], program=5), drums)
    assert up.keys == ((0, "Eb"), (9, "Cm"))
    assert score.transpose(-12).keys == score.keys
    assert score.transpose(2).transpose(-2) == score
    with pytest.raises(ValueError, match="pitch 60 moved by -40 semitones leaves the range 21..108"):
        score.transpose(-40, lowest=21, highest=108)


def test_every_key_moves_to_the_key_with_the_moved_tonic():
    tonics = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}

    def tonic(key):
        return (tonics[key[0]] + key.count("#") - key[1:].count("b")) % 12

    for names in (MAJOR_KEYS, MINOR_KEYS):
        for key in names:
            for semitones in range(-12, 13):
                moved = Score(480, keys=((0, key),)).transpose(semitones).keys[0][1]
                assert tonic(moved) == (tonic(key) + semitones) % 12 and moved in names


def test_scores_cannot_be_changed():
    with pytest.raises(AttributeError):
        Score(480).ticks_per_beat = 96
