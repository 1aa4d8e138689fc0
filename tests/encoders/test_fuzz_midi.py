"""The first of the damaged files that fuzz_midi.py makes, and that it would notice a fault."""

import mido
import pytest
from fuzz_midi import (
    damaged,
    damaged_behind,
    examine,
    examine_what_came_before,
    notes_by_bytes,
    shortened,
    sources,
)

from encoders.midi import write_midi
from encoders.score import Note, Score, Track

SCORE = Score(
    96,
    [
        Track("a", [Note(k * 30, 50, 40 + k % 30, 1 + k) for k in range(100)], 7, channel=0),
        Track("b", [Note(k * 100, 400, 60) for k in range(3)], channel=9),
    ],
    tempos=((0, 120.0), (500, 60.0)),
    meters=((0, 6, 8), (1440, 3, 4)),
    keys=((0, "F#m"),),
)


@pytest.fixture
def own(tmp_path):
    """A file of ours, and one with a pedal."""
    write_midi(SCORE, tmp_path / "a.mid")
    feet = [mido.Message("control_change", control=64, value=k % 2 * 127, time=40) for k in range(60)]
    strikes = [mido.Message("note_on", note=50 + k % 9, velocity=k % 3 * 30) for k in range(60)]
    track = mido.MidiTrack([message for pair in zip(feet, strikes, strict=True) for message in pair])
    mido.MidiFile(tracks=[track], type=0).save(tmp_path / "b.mid")
    return sources([tmp_path])


def kinds(outcomes):
    """How many were read, mended and refused."""
    read, mended = outcomes.count("read"), sum(outcome.startswith("mended") for outcome in outcomes)
    return read, mended, len(outcomes) - read - mended


def test_damaged_files_are_read_or_refused(own):
    outcomes = [examine(damaged(own, number)) for number in range(150)]
    read, mended, refused = kinds(outcomes)
    assert read > 5 and mended > 50 and refused > 0
    assert len(set(outcomes)) > 20


@pytest.mark.slow
def test_damaged_files_of_others(data_folder):
    originals = sources([data_folder / name for name in ("odd_midi", "golden", "maestro_v2_sample")])
    assert len(originals) > 150
    outcomes = [examine(damaged(originals, number)) for number in range(150)]
    read, mended, refused = kinds(outcomes)
    assert read > 10 and mended > 50 and refused > 0


def test_a_damage_changes_nothing_that_came_before_it(own):
    outcomes = [examine_what_came_before(*damaged_behind(own, number)) for number in range(400)]
    assert outcomes.count("kept") > 150


def test_a_damage_in_files_of_others_changes_nothing_that_came_before_it(data_folder):
    folders = ("odd_midi/jazz-soft", "odd_midi/muspy", "classical_44_c_major", "golden")
    files = sources([data_folder / name for name in folders])
    originals = [data for data in files if data[:4] == b"MThd" and len(data) > 60]
    assert len(originals) > 30
    outcomes = [examine_what_came_before(*damaged_behind(originals, number)) for number in range(300)]
    assert outcomes.count("kept") > 100


def test_a_fault_would_be_noticed(own, monkeypatch):
    assert examine(own[0]) == "read"
    with monkeypatch.context() as patch:
        patch.setattr("encoders.tokens.note_duration.NoteDuration.quantise", lambda self, score: score)
        with pytest.raises(AssertionError, match="does not come back"):
            examine(own[0])
    monkeypatch.setattr("encoders.midi.reader.check_tempo", lambda tempo: tempo[0])
    with pytest.raises(TypeError):
        examine(own[0])


def test_a_lost_note_would_be_noticed(own, monkeypatch):
    original = own[0]
    ends = [end for end, _ in notes_by_bytes(original)]
    assert len(ends) > 50 and ends == sorted(ends)
    assert examine_what_came_before(original, original, len(original)) == "kept"
    cut = original[: ends[10]]
    assert examine_what_came_before(original, cut, ends[10]) == "kept"
    with pytest.raises(AssertionError, match=f"1 of 12 notes before byte {ends[11]} are lost"):
        examine_what_came_before(original, cut, ends[11])


def test_damage_can_be_repeated_and_long_files_are_shortened(own):
    assert [damaged(own, n) for n in range(20)] == [damaged(own, n) for n in range(20)]
    assert len({damaged(own, n) for n in range(20)}) == 20
    long = own[0][:14] + b"MTrk\x00\x01\x00\x00" + bytes(65536)
    assert shortened(own[0]) == own[0] and shortened(long)[14:22] == b"MTrk\x00\x00\x0b\xb8"
