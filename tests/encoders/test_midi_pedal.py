"""The sustain pedal lengthens notes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_bytes import control, events, midi_bytes, off, on, read_bytes, times_and_pitches

from encoders.midi import MidiError, read_midi
from encoders.midi.pedal import held_ends, pedal_times

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


def test_the_pedal_is_not_moved_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("encoders.midi.reader.MAX_PEDALS", 10)
    (tmp_path / "a.mid").write_bytes(midi_bytes(events(*[(1, DOWN), (1, UP)] * 6)))
    with pytest.raises(MidiError, match="more than 10 movements"):
        read_midi(tmp_path / "a.mid", pedal=True)
    assert read_midi(tmp_path / "a.mid").notes() == []
