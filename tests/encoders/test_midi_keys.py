"""Strikes and releases of keys as notes, where releases are missing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.midi.keys import Keys


def notes_of(moves, end=100, settled=()):
    """[(start, end), ...] of one key's moves, tick by tick: a capital strikes, a small letter releases."""
    keys, notes = Keys(keep_empty=False), []
    for tick, move in enumerate(moves):
        if tick in settled:
            keys.settle()
        if move == ".":
            continue
        if move.isupper():
            keys.strike(0, 60, tick, 80, notes)
        else:
            keys.release(0, 60, tick)
    keys.finish(end)
    return sorted((start, stop) for start, stop, _, _ in notes), keys.missing


@pytest.mark.parametrize(
    "moves, notes, missing",
    [
        ("AaBb", [(0, 1), (2, 3)], 0),
        ("ABab", [(0, 2), (1, 3)], 0),  # they overlap: the first that began is the first to end
        ("ABaCbc", [(0, 2), (1, 4), (3, 5)], 0),
        ("ABbCcDd", [(0, 1), (1, 2), (3, 4), (5, 6)], 1),
        ("AaBCcDd", [(0, 1), (2, 3), (3, 4), (5, 6)], 1),
        ("ABabCDdEe", [(0, 2), (1, 3), (4, 5), (5, 6), (7, 8)], 1),  # what was complete, stays
        ("ABbCDdEe", [(0, 1), (1, 2), (3, 4), (4, 5), (6, 7)], 2),
        ("A.B.C", [(0, 2), (2, 4), (4, 100)], 3),
        ("aA.aa", [(1, 3)], 0),  # a release of what is not down
        ("A", [(0, 100)], 1),
        ("", [], 0),
    ],
)
def test_a_note_without_its_release_ends_when_its_key_is_struck_again(moves, notes, missing):
    assert notes_of(moves) == (notes, missing)


def test_what_ended_before_a_damage_stays():
    assert notes_of("ABaCbD")[0] == [(0, 1), (1, 2), (3, 4), (5, 100)]  # one explanation of two
    assert notes_of("ABaCbD", settled=[5])[0] == [(0, 2), (1, 4), (3, 5), (5, 100)]
    assert notes_of("ABCcD", settled=[4])[0] == [(0, 1), (1, 2), (2, 3), (4, 100)]  # more than one is missing
    assert notes_of("ABCDd", settled=[3])[0] == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_all_notes_off_is_a_release():
    keys, notes = Keys(keep_empty=False), []
    keys.strike(0, 60, 0, 80, notes)
    keys.strike(0, 62, 0, 80, notes)
    keys.strike(1, 60, 5, 80, notes)
    keys.release_all(0, 10)
    keys.release_all(0, 11)
    assert sorted(notes) == [(0, 10, 60, 80), (0, 10, 62, 80)] and keys.missing == 0
    keys.finish(20)
    assert notes[2:] == [(5, 20, 60, 80)] and keys.missing == 1


@pytest.mark.parametrize("keep, wanted", [(False, []), (True, [(3, 3, 60, 80)])])
def test_notes_of_no_length(keep, wanted):
    keys, notes = Keys(keep), []
    keys.strike(0, 60, 3, 80, notes)
    keys.release(0, 60, 3)
    assert notes == wanted


def test_a_note_struck_twice_at_once_and_released_once_is_one():
    keys, notes = Keys(keep_empty=True), []
    for velocity in (80, 70):
        keys.strike(0, 60, 3, velocity, notes)
    keys.release(0, 60, 9)
    keys.finish(50)
    assert notes == [(3, 9, 60, 70)] and keys.missing == 1


@settings(max_examples=200)
@given(st.integers(1, 8), st.data())
def test_any_release_may_be_lost(count, data):
    """Of notes that do not overlap, one is longer, up to the next, and no other changes."""
    lost = data.draw(st.integers(0, count - 1))
    moves = "".join("A." if k == lost else "Aa" for k in range(count))
    notes, missing = notes_of(moves, end=2 * count)
    assert missing == 1
    assert notes == [(2 * k, 2 * k + (2 if k == lost else 1)) for k in range(count)]


@settings(max_examples=300)
@given(st.text("Aa.", max_size=30), st.sets(st.integers(0, 29), max_size=2))
def test_notes_end_in_the_order_in_which_they_begin(moves, settled):
    """So a file can hold them: it has no other way to say which of two notes of one pitch ends."""
    notes, missing = notes_of(moves, settled=settled)
    ends = [end for _, end in notes]
    assert ends == sorted(ends)
    assert 0 <= missing <= moves.count("A") and len(notes) <= moves.count("A")
