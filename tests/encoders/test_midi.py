import struct
import tracemalloc
from dataclasses import replace

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_bytes import END, control, events, midi_bytes, off, on, times_and_pitches
from mido.midifiles.meta import encode_variable_int

from encoders.midi import MAX_BYTES, MidiError, MidiWarning, MidiWriter, read_midi, write_midi
from encoders.midi.pedal import held_ends, pedal_times
from encoders.score import MAJOR_KEYS, MINOR_KEYS, Note, Score, Track
from encoders.tokens.note_duration import NoteDuration

SCORE = Score(
    480,
    [
        Track("小提琴", [Note(0, 480, 69, 100), Note(480, 240, 71, 1), Note(480, 960, 60)], 40, channel=0),
        Track("drums", [Note(0, 10, 36, 127)], channel=9),
        Track("", [Note(1920, 1, 0), Note(1920, 1, 127)], program=127, channel=5),
        Track("silent", (), program=3, channel=6),
    ],
    tempos=((0, 120.0), (240, 60.0), (960, 200.0)),
    meters=((0, 6, 8), (1440, 3, 4)),
    keys=((0, "F#m"), (960, "Cb")),
)


def read_bytes(tmp_path, data, **options):
    path = tmp_path / "file.mid"
    path.write_bytes(data)
    return read_midi(path, **options)


def test_everything_survives_a_round_trip(tmp_path):
    path = tmp_path / "score.mid"
    write_midi(SCORE, path)
    assert read_midi(path) == SCORE
    assert list(tmp_path.iterdir()) == [path]


@st.composite
def scores(draw):
    ticks = st.integers(1, 5000)

    def changes(value):
        at = draw(st.lists(ticks, unique=True, max_size=3))
        return [(tick, draw(value)) for tick in sorted(at)]

    def track(channel):
        notes = []
        for pitch in draw(st.lists(st.integers(0, 127), unique=True, max_size=4)):
            start = 0
            for _ in range(draw(st.integers(0, 4))):  # notes of one pitch must not overlap
                start += draw(st.integers(0, 1000))
                duration = draw(st.integers(1, 1000))
                notes.append(Note(start, duration, pitch, draw(st.integers(1, 127))))
                start += duration
        name = draw(st.text(st.characters(codec="utf-8"), max_size=8))
        return Track(name, notes, draw(st.integers(0, 127)), channel)

    tempo = st.integers(1, 0xFFFFFF).map(lambda microseconds: 60e6 / microseconds)
    meter = st.tuples(st.integers(1, 255), st.sampled_from([1, 2, 4, 8, 16, 32, 64]))
    return Score(
        draw(st.integers(1, 32767)),
        [track(channel) for channel in draw(st.permutations(range(16)))[: draw(st.integers(0, 4))]],
        [(0, draw(tempo)), *changes(tempo)],
        [(0, *draw(meter)), *((tick, *value) for tick, value in changes(meter))],
        changes(st.sampled_from(MAJOR_KEYS + MINOR_KEYS)),
    )


@settings(max_examples=60)
@given(scores())
def test_any_score_survives_a_round_trip(tmp_path_factory, score):
    path = tmp_path_factory.mktemp("midi") / "score.mid"
    try:
        write_midi(score, path)
        assert read_midi(path, strict=True) == score
    except MidiError as error:  # a quarter note of 16 s lets a few thousand ticks last for days
        assert "lasts longer than" in str(error)


def test_a_written_file_says_the_same_to_mido(tmp_path):
    write_midi(SCORE, tmp_path / "score.mid")
    file = mido.MidiFile(tmp_path / "score.mid")
    assert (file.type, file.ticks_per_beat, len(file.tracks)) == (1, 480, 5)
    conductor, violin = file.tracks[:2]
    assert [(message.type, message.time) for message in conductor] == [
        ("set_tempo", 0),
        ("time_signature", 0),
        ("key_signature", 0),
        ("set_tempo", 240),
        ("set_tempo", 720),
        ("key_signature", 0),
        ("time_signature", 480),
        ("end_of_track", 481),
    ]
    assert [m.tempo for m in conductor if m.type == "set_tempo"] == [500_000, 1_000_000, 300_000]
    assert (conductor[1].numerator, conductor[1].denominator, conductor[2].key) == (6, 8, "F#m")
    assert (violin[1].program, violin[1].channel) == (40, 0)
    played = [(m.type, m.time, m.note, m.velocity) for m in violin if m.type.startswith("note")]
    assert played == [
        ("note_on", 0, 69, 100),
        ("note_off", 480, 69, 64),
        ("note_on", 0, 60, 80),
        ("note_on", 0, 71, 1),
        ("note_off", 240, 71, 64),
        ("note_off", 720, 60, 64),
    ]
    assert {sum(message.time for message in track) for track in file.tracks} == {1921}


def test_pieces_give_the_same_file_as_the_whole(tmp_path):
    notes = [Note(i * 100, 350, 40 + i % 20, 1 + i % 127) for i in range(200)]
    score = Score(480, [Track("a", notes, 12)], tempos=((0, 90.0),), meters=((0, 3, 4),))
    write_midi(score, tmp_path / "whole.mid")
    with MidiWriter(tmp_path / "pieces.mid", 480, 90, (3, 4), [("a", 12)]) as midi:
        for begin in range(0, 20_400, 600):
            midi.add(0, [note for note in notes if begin <= note.start < begin + 600], begin + 600)
    whole, pieces = read_midi(tmp_path / "whole.mid"), read_midi(tmp_path / "pieces.mid")
    assert whole == pieces and len(whole.notes()) == 200
    assert {sum(m.time for m in track) for track in mido.MidiFile(tmp_path / "pieces.mid").tracks} == {20_400}


def test_a_long_piece_takes_little_memory(tmp_path):
    tracemalloc.start()
    with MidiWriter(tmp_path / "long.mid", tracks=[("a", 0)]) as midi:
        for i in range(8_000):
            midi.add(0, [Note(i * 120, 120, 60 + i % 12)], (i + 1) * 120)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(read_midi(tmp_path / "long.mid").notes()) == 8_000
    assert peak < 500_000  # the notes alone would take more than a megabyte


def test_tracks_get_channels_of_their_own_and_never_the_drums(tmp_path):
    with MidiWriter(tmp_path / "a.mid", tracks=[("fixed", 1, 0), *((str(i), i) for i in range(15))]) as midi:
        for i in range(16):
            midi.add(i, [Note(0, 1, 60)], 1)
    channels = [track.channel for track in read_midi(tmp_path / "a.mid").tracks]
    assert channels == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 1]


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "kept.mid"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), MidiWriter(path, tracks=[("a", 0)]) as midi:
        midi.add(0, [Note(0, 10, 60)], 10)
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "use, message",
    [
        (lambda midi: midi.add(0, [Note(50, 1, 60)], 50), "starts at 50, outside the added ticks 0 to 50"),
        (lambda midi: [midi.add(0, [], 50), midi.add(0, [Note(49, 1, 60)], 60)], "starts at 49, outside"),
        (lambda midi: [midi.add(0, [], 50), midi.add(0, [], 40)], "until must not decrease: 40 after 50"),
        (
            lambda midi: [midi.change(9, tempo=60), midi.change(8, tempo=50)],
            "tick 8 cannot follow one at tick 9",
        ),
        (lambda midi: midi.change(0, tempo=3), "cannot hold a tempo of 3"),
        (lambda midi: midi.change(0, key="H"), "key must be one like"),
        (lambda midi: midi.add(0, [Note(2**30, 1, 60)], 2**31), "cannot follow one at tick 0"),
        (lambda midi: midi.add(1, [], 10), "no track 1 is open: 1 inside"),
        (lambda midi: midi.add(-1, [], 10), "no track -1 is open"),
    ],
)
def test_writer_refuses_and_leaves_nothing(tmp_path, use, message):
    with pytest.raises(ValueError, match=message), MidiWriter(tmp_path / "a.mid", tracks=[("a", 0)]) as midi:
        use(midi)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_is_not_open_says_so(tmp_path):
    with pytest.raises(ValueError, match="inside the `with` block"):
        MidiWriter(tmp_path / "a.mid", tracks=[("a", 0)]).add(0, [], 10)


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
    track = (
        bytes(
            [
                0,
                0xC0,
                7,
                0,
                0x90,
                60,
                80,
                10,
                60,
                0,
                0,
                0xC0,
                8,
                0,
                0x90,
                62,
                80,
                10,
                62,
                0,
                0,
                0x93,
                64,
                80,
                10,
                64,
                0,
            ]
        )
        + END
    )
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
    track = (
        bytes(
            [
                0,
                0xFF,
                0x51,
                3,
                0,
                0,
                0,
                0,
                0xFF,
                0x58,
                4,
                0,
                2,
                24,
                8,
                0,
                0xFF,
                0x58,
                4,
                4,
                200,
                24,
                8,
                0,
                0xFF,
                0x58,
                1,
                3,
                0,
                0xFF,
                0x59,
                2,
                9,
                0,
                0,
                0xFF,
                0x59,
                2,
                0,
                5,
                0,
                0x90,
                60,
                80,
                9,
                60,
                0,
            ]
        )
        + END
    )
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


DOWN, UP = control(64, 64), control(64, 63)


@pytest.mark.parametrize(
    "track, with_pedal",
    [
        ([(0, DOWN), (0, on(60)), (10, off(60)), (10, UP)], [(0, 20)]),
        ([(0, on(60)), (10, off(60)), (0, DOWN), (10, UP)], [(0, 20)]),  # caught at the last moment
        ([(0, on(60)), (10, off(60)), (1, DOWN), (10, UP)], [(0, 10)]),
        ([(0, DOWN), (0, on(60)), (10, UP), (0, off(60)), (10, DOWN)], [(0, 10)]),
        ([(0, DOWN), (0, on(60)), (10, off(60)), (10, on(60)), (10, off(60)), (10, UP)], [(0, 20), (20, 40)]),
        ([(0, DOWN), (0, on(60)), (5, on(60)), (5, off(60)), (5, off(60)), (5, UP)], [(0, 10), (5, 20)]),
        ([(0, DOWN), (0, on(60)), (10, off(60)), (5, UP), (0, DOWN), (5, UP)], [(0, 15)]),  # pressed anew
        ([(0, DOWN), (0, on(60)), (10, off(60)), (5, DOWN), (5, control(64, 127)), (5, UP)], [(0, 25)]),
        ([(0, DOWN), (0, on(60)), (0, off(60)), (10, UP)], [(0, 10)]),  # no length but for the pedal
        ([(0, DOWN), (0, on(60)), (10, off(60)), (90, off(61))], [(0, 100)]),  # never up: to the end
        ([(0, DOWN), (0, on(60)), (10, control(123, 0)), (10, UP)], [(0, 20)]),  # keys up, the pedal holds
        ([(0, DOWN), (0, on(60)), (10, control(120, 0)), (10, UP)], [(0, 10)]),  # silence
        ([(0, DOWN), (0, on(60)), (10, off(60)), (5, control(121, 0)), (10, UP)], [(0, 15)]),
        ([(0, control(64, 64, 1)), (0, on(60)), (10, off(60)), (10, control(64, 0, 1))], [(0, 10)]),
        ([(0, control(66, 127)), (0, on(60)), (10, off(60)), (10, control(66, 0))], [(0, 10)]),
    ],
)
def test_the_pedal_lengthens_notes_if_asked(tmp_path, track, with_pedal):
    path = tmp_path / "pedal.mid"
    path.write_bytes(midi_bytes(events(*track)))
    assert [(note.start, note.end) for note in read_midi(path, pedal=True).notes()] == with_pedal
    without = events(*((ticks, [0xF6] if message[1] == 64 else message) for ticks, message in track))
    assert read_midi(path).notes() == read_bytes(tmp_path, midi_bytes(without)).notes()


def test_a_pedal_in_a_track_of_its_own(tmp_path):
    notes, feet = events((0, on(60)), (10, off(60))), events((5, DOWN), (20, UP))
    path = tmp_path / "tracks.mid"
    for tracks in ((notes, feet), (feet, notes)):
        path.write_bytes(midi_bytes(*tracks))
        assert times_and_pitches(read_midi(path, pedal=True)) == [(0, 25, 60)]
    pattern = events((0, DOWN), (0, on(60)), (10, off(60)), (10, off(1)))
    path.write_bytes(midi_bytes(pattern, notes, kind=2))  # the second pattern begins with the pedal up
    assert times_and_pitches(read_midi(path, pedal=True)) == [(0, 20, 60), (20, 30, 60)]


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10), st.integers(60, 62)), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=8),
)
def test_the_pedal_tick_by_tick(keys, moves):
    starts, lengths, pitches = np.array(keys).T
    ends, moves, last = starts + lengths, sorted(moves, key=lambda move: move[0]), 50
    down, up = pedal_times(moves, last)
    assert (down < up).all() and (up[:-1] <= down[1:]).all()
    expected = []
    for start, end, pitch in zip(starts, ends, pitches, strict=True):
        again = {s for s, p in zip(starts, pitches, strict=True) if p == pitch and s > start}
        tick, is_down = end, [state for at, state in moves if at <= end][-1:] == [True]
        struck_before = any(s <= end for s in again)
        while is_down and not struck_before and tick < last:
            tick += 1
            at_once = [state for at, state in moves if at == tick]
            is_down = False not in at_once
            struck_before = tick in again
        expected.append(tick)
    assert held_ends(starts, ends, pitches, down, up).tolist() == expected


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


def test_the_pedal_is_not_moved_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("encoders.midi.reader.MAX_PEDALS", 10)
    (tmp_path / "a.mid").write_bytes(midi_bytes(events(*[(1, DOWN), (1, UP)] * 6)))
    with pytest.raises(MidiError, match="more than 10 movements"):
        read_midi(tmp_path / "a.mid", pedal=True)
    assert read_midi(tmp_path / "a.mid").notes() == []


def test_real_performances_survive_a_round_trip(data_folder, tmp_path):
    paths = (data_folder / "maestro_v2_sample").rglob("*.midi")
    for path in sorted(paths, key=lambda path: path.stat().st_size)[:4]:
        score = read_midi(path)
        assert len(score.notes()) > 300
        write_midi(score, tmp_path / "again.mid")
        assert read_midi(tmp_path / "again.mid") == score
        on = [m for track in mido.MidiFile(path).tracks for m in track if m.type == "note_on" and m.velocity]
        assert len(score.notes()) == len(on)


def test_a_score_without_channels_gets_some(tmp_path):
    score = replace(SCORE, tracks=[replace(track, channel=None) for track in SCORE.tracks])
    write_midi(score, tmp_path / "a.mid")
    assert [track.channel for track in read_midi(tmp_path / "a.mid").tracks] == [0, 1, 2, 3]
