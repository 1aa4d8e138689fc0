"""MIDI files read: whole ones, strange ones, and what is refused."""

import struct
import tracemalloc

import pytest
from midi_bytes import END, SCORE, events, meta, midi_bytes, off, on, read_bytes, times_and_pitches
from mido.midifiles.meta import encode_variable_int

from encoders.midi import MAX_BYTES, MidiError, MidiWarning, read_midi, write_midi
from encoders.score import Note, Score, Track
from encoders.tokens.note_duration import NoteDuration


def test_velocity_0_running_status_and_overlapping_notes(tmp_path):
    track = bytes([0, 0x90, 60, 80, 10, 60, 90, 10, 60, 0, 10, 60, 0]) + END  # first in, first out
    assert times_and_pitches(read_bytes(tmp_path, midi_bytes(track))) == [(0, 20, 60), (10, 30, 60)]


def test_hanging_notes_end_with_the_track_and_empty_ones_vanish(tmp_path):
    track = bytes([0, 0x90, 60, 80, 0, 62, 80, 0, 62, 0, 5, 62, 80, 2, 0x80, 99, 0, 93, 0xFF, 0x2F, 0])
    with pytest.warns(MidiWarning, match="2 note-offs are missing"):
        score = read_bytes(tmp_path, midi_bytes(track))
    assert times_and_pitches(score) == [(0, 100, 60), (5, 100, 62)]


def test_all_notes_off_ends_its_channel_only(tmp_path):
    track = bytes([0, 0x90, 60, 80, 0, 0x91, 64, 80, 10, 0xB0, 123, 0, 10, 0xB1, 123, 0]) + END
    assert times_and_pitches(read_bytes(tmp_path, midi_bytes(track))) == [(0, 10, 60), (0, 20, 64)]


def test_a_track_of_several_instruments_is_parted(tmp_path):
    first, second = [(0, [0xC0, 7]), (0, on(60)), (10, off(60))], [(0, [0xC0, 8]), (0, on(62)), (10, off(62))]
    track = events(*first, *second, (0, on(64, 3)), (10, off(64, 3)))
    score = read_bytes(tmp_path, midi_bytes(track, kind=0))
    instruments = [(track.program, track.channel, len(track.notes)) for track in score.tracks]
    assert instruments == [(7, 0, 1), (8, 0, 1), (0, 3, 1)]


def test_patterns_of_type_2_follow_one_another(tmp_path):
    first = bytes([0, 0xFF, 0x51, 3, 0x0F, 0x42, 0x40, 0, 0x90, 60, 80, 100, 60, 0]) + END
    second = bytes([0, 0x90, 62, 80, 50, 62, 0]) + END
    score = read_bytes(tmp_path, midi_bytes(first, second, kind=2))
    assert times_and_pitches(score) == [(0, 100, 60), (100, 150, 62)]
    assert score.tempos == ((0, 60.0), (100, 120.0))


def test_unknown_meta_events_keep_their_time_and_strange_bytes_are_clipped(tmp_path):
    track = bytes([7, 0xFF, 0x60, 2, 1, 2, 0, 0xF8, 0, 0x90, 60, 200, 3, 0x80, 60, 0]) + END
    with pytest.warns(MidiWarning, match="1 data bytes are above 127"):
        score = read_bytes(tmp_path, midi_bytes(track))
    assert score.notes() == [Note(7, 3, 60, 127)]


def test_senseless_tempo_meter_and_key_are_passed_over(tmp_path):
    tempo = meta(0x51, 0, 0, 0)
    meters = meta(0x58, 0, 2, 24, 8), meta(0x58, 4, 200, 24, 8), meta(0x58, 3)
    keys = meta(0x59, 9, 0), meta(0x59, 0, 5)
    track = events(*((0, event) for event in (tempo, *meters, *keys)), (0, on(60)), (9, off(60)))
    with pytest.warns(MidiWarning) as caught:
        score = read_bytes(tmp_path, midi_bytes(track))
    assert score == Score(480, [Track("", [Note(0, 9, 60)], channel=0)])
    assert [str(warning.message).partition(": ")[2] for warning in caught] == [
        "a tempo, meter or key means nothing (and 5 more)",
        "meta event 0x58 has 1 bytes, expected 4",
    ]


NOTES = bytes([0, 0x90, 60, 80, 9, 60, 0]) + END


LONG = bytes([0xFF, 0xFF, 0xFF, 0x7F])  # the longest time between two events


SLOW = bytes([0, 0xFF, 0x51, 3, 255, 255, 255])  # the slowest tempo: 17 seconds to a quarter note


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "does not begin with the letters MThd"),
        (b"RIFF" + bytes(40), "does not begin with the letters MThd"),
        (b"MThd", "its header is cut short"),
        (b"MThd" + struct.pack(">LHH", 4, 1, 1), "header is cut short"),
        (midi_bytes(NOTES, division=0), "0 ticks in a beat"),
        (midi_bytes(NOTES, division=0xE600), "film frames .SMPTE., 26 a second of 0 ticks each"),
        (midi_bytes(NOTES, division=0xE700), "25 a second of 0 ticks"),
        (midi_bytes(NOTES, division=0xFFFF), "1 a second of 255 ticks"),
        (midi_bytes(NOTES[:2]), "ends in the middle of an event"),
        (midi_bytes(NOTES[:3]), "ends in the middle of an event"),
        (midi_bytes(bytes([0, 60, 80])), "data byte 0x3c where an event should begin"),
        (midi_bytes(bytes([0xFF] * 9)), "more than four bytes"),
        (midi_bytes(bytes([0, 0xFF, 1, 0x8F, 0xFF, 0xFF, 0x7F])), "ends in the middle of an event"),
        (midi_bytes(LONG + NOTES[1:], division=1), "lasts longer than 100000 quarter notes"),
        (midi_bytes(SLOW + bytes([0x83, 0xFF, 0x7F]) + NOTES[1:], division=1), "lasts longer than 24 hours"),
        (midi_bytes(bytes([0x8B, 0]) + NOTES[1:], division=1), "longer than 10 minutes with 1 notes"),
    ],
)
def test_what_holds_no_music_is_refused_in_one_line(tmp_path, data, reason):
    with pytest.raises(MidiError, match=reason) as caught:
        read_bytes(tmp_path, data)
    assert str(caught.value).startswith(f"cannot read {tmp_path / 'file.mid'} as MIDI: ")
    assert "\n" not in str(caught.value)


def test_size_and_number_of_notes_are_limited(tmp_path, monkeypatch):
    path = tmp_path / "large.mid"
    with open(path, "wb") as file:
        file.truncate(MAX_BYTES + 1)  # a sparse file: it takes no space
    with pytest.raises(MidiError, match="larger than 16 MB"):
        read_midi(path)
    monkeypatch.setattr("encoders.midi.reader.MAX_NOTES", 1000)
    with pytest.raises(MidiError, match="more than 1000 notes"):
        read_bytes(tmp_path, midi_bytes(bytes([0, 0x90]) + bytes([60, 80, 0]) * 1001))
    monkeypatch.setattr("encoders.midi.reader.MAX_CHANGES", 10)
    with pytest.raises(MidiError, match="more than 10 changes"):
        read_bytes(tmp_path, midi_bytes(bytes([1, 0xFF, 0x51, 3, 7, 161, 32]) * 12))


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_midi(tmp_path / "none.mid")


@pytest.mark.filterwarnings("ignore::encoders.midi.files.MidiWarning")
def test_damaged_bytes_never_escape_as_another_error(tmp_path, rng):
    write_midi(SCORE, tmp_path / "good.mid")
    good = (tmp_path / "good.mid").read_bytes()
    refused = 0
    for _ in range(800):
        data = bytearray(good)
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(len(data))] = rng.integers(256)
        if rng.random() < 0.3:
            del data[rng.integers(len(data)) :]
        try:
            assert isinstance(read_bytes(tmp_path, bytes(data)), Score)
        except MidiError:
            refused += 1
    assert 0 < refused < 300  # both ways were taken


@pytest.mark.parametrize(
    "division, per_second", [(0xE728, 25 * 40), (0xE804, 24 * 4), (0xE250, 30 * 80), (0xE301, 30000 / 1001)]
)
def test_film_frames_are_time_and_no_tempo_changes_it(tmp_path, division, per_second):
    tempo = bytes([0, 0xFF, 0x51, 3, 0x0F, 0x42, 0x40])
    note = bytes([100, 0x90, 60, 80, 0x87, 0x68, 60, 0]) + END  # after 100 ticks, for 1000
    for kind in (1, 2):
        score = read_bytes(tmp_path, midi_bytes(tempo + note, kind=kind, division=division))
        (note_read,) = score.notes()
        assert score.seconds(note_read.start) == pytest.approx(100 / per_second, rel=1e-9)
        assert score.seconds(note_read.end) == pytest.approx(1100 / per_second, rel=1e-9)
        write_midi(score, tmp_path / "again.mid")
        assert read_midi(tmp_path / "again.mid") == score


@pytest.mark.slow
def test_a_hundred_bytes_cost_little_later_too(tmp_path):
    fast = bytes([0, 0xFF, 0x51, 3, 0, 0, 1, 0, 0xFF, 0x58, 4, 1, 6, 24, 8])  # a bar is a 64th note
    path = tmp_path / "vast.mid"
    for division in (1, 20, 32767):
        ticks = bytes(encode_variable_int(min(99_990 * division, 0x0FFFFFFF)))
        path.write_bytes(midi_bytes(fast + ticks + NOTES[1:], division=division))
        tracemalloc.start()
        score = read_midi(path, pedal=True)
        for encoder in (NoteDuration(steps_per_beat=48), NoteDuration(bpm=1000)):
            encoder.decode(encoder.encode(score))
        assert len(score.bar_lines()) > 1000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 200e6
