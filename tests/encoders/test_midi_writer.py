"""MIDI files written: whole, in pieces, and what cannot be."""

import tracemalloc
from dataclasses import replace

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_bytes import SCORE

from encoders.midi import MidiError, MidiWriter, read_midi, write_midi
from encoders.score import MAJOR_KEYS, MINOR_KEYS, Note, Score, Track


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


def test_a_score_without_channels_gets_some(tmp_path):
    score = replace(SCORE, tracks=[replace(track, channel=None) for track in SCORE.tracks])
    write_midi(score, tmp_path / "a.mid")
    assert [track.channel for track in read_midi(tmp_path / "a.mid").tracks] == [0, 1, 2, 3]


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


def test_real_performances_survive_a_round_trip(data_folder, tmp_path):
    paths = (data_folder / "maestro_v2_sample").rglob("*.midi")
    for path in sorted(paths, key=lambda path: path.stat().st_size)[:4]:
        score = read_midi(path)
        assert len(score.notes()) > 300
        write_midi(score, tmp_path / "again.mid")
        assert read_midi(tmp_path / "again.mid") == score
        on = [m for track in mido.MidiFile(path).tracks for m in track if m.type == "note_on" and m.velocity]
        assert len(score.notes()) == len(on)
