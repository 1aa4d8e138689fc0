"""Copies, duplicates, and a split that keeps them together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.melody import PARTS, Copies, groups, melody, split
from encoders.score import Note, Score, Track


def tune(rng, length=40):
    return [(int(step), int(parts)) for step, parts in rng.integers(-4, 5, (length, 2))]


def test_a_melody_has_no_key_and_no_resolution():
    notes = [Note(0, 480, 60), Note(0, 480, 64), Note(480, 240, 62), Note(960, 160, 67)]
    score = Score(480, [Track("", notes)])
    assert melody(score) == [(-2, PARTS // 2), (5, PARTS // 3)]  # of the chord the upper note
    assert melody(score.transpose(7)) == melody(score)
    finer = Score(960, [Track("", [Note(2 * n.start, 2 * n.duration, n.pitch) for n in notes])])
    assert melody(finer) == melody(score)
    assert melody(Score(480)) == []


def test_groups(rng):
    one, two, three = (tune(rng) for _ in range(3))
    nearly = one[:25] + tune(rng, 8)
    assert groups([one, two, nearly, three, two, []]) == [[0, 2], [1, 4], [3], [5]]
    assert groups([]) == []
    # a is like b and b like c
    assert groups([one[:24], one[:24] + two[:24], two[:24]]) == [[0, 1, 2]]


def test_what_all_tunes_have_in_common_says_nothing(rng):
    same = tune(rng, 20)
    assert len(groups([same + tune(rng, 5) for _ in range(60)])) == 60


def test_split(rng):
    parts = split([[0, 5], [1], [2], [3, 4, 9], [6], [7], [8]], (0.6, 0.2, 0.2), rng)
    assert sorted(sum(parts, [])) == list(range(10)) and 5 <= len(parts[0]) <= 7
    assert any({3, 4, 9} <= set(part) for part in parts) and any({0, 5} <= set(part) for part in parts)
    one, two = (split([[k] for k in range(50)], (0.5, 0.5), np.random.default_rng(3)) for _ in range(2))
    assert one == two != split([[k] for k in range(50)], (0.5, 0.5), np.random.default_rng(4))


@pytest.mark.parametrize("shares", [(0.5, 0.6), (1.5, -0.5), (0.5, 0.5)])
def test_a_split_that_cannot_be(shares, rng):
    with pytest.raises(ValueError, match="expected"):
        split([[0, 1]], shares, rng)


def naive(others, pairs):
    """Length and start of the longest run of pairs in any other."""
    best = (0, 0)
    for start in range(len(pairs)):
        for end in range(start + 1, len(pairs) + 1):
            run = pairs[start:end]
            if end - start > best[0] and any(run in other for other in others):
                best = (end - start, start)
    return best


@given(st.lists(st.text("abc", max_size=12), max_size=5), st.text("abcd", max_size=12))
def test_the_longest_copy(others, text):
    found = Copies(others).longest(text)
    length, start = naive(others, text)
    # the first one that ends, of several as long
    assert found.notes == (length + 1 if length else 0)
    if length:
        run = text[found.start : found.start + length]
        assert run in others[found.tune]
        assert found.tune == min(k for k, other in enumerate(others) if run in other)
    else:
        assert found.tune is None and start == 0


def test_a_copy_in_a_tune(rng):
    tunes = [tune(rng, 60) for _ in range(20)]
    mixed = tune(rng, 10) + tunes[7][20:40] + tune(rng, 10)
    found = Copies(tunes).longest(mixed)
    assert found.tune == 7 and found.notes >= 21 and found.start <= 10
