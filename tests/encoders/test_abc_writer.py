"""ABC notation there and back, against any tune."""

import pytest
from abc_text import music
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encoders.abc import read_tune, write_tune
from encoders.score import MAJOR_KEYS, MINOR_KEYS, Note, Score, Track


@st.composite
def scores(draw):
    ticks = draw(st.sampled_from([24, 96, 480, 960]))
    length = st.integers(1, 6 * ticks) | st.sampled_from(
        [ticks // 3, ticks // 2, ticks, 2 * ticks, ticks // 4]
    )
    voice, now = [], draw(st.integers(0, 2 * ticks))
    for _ in range(draw(st.integers(1, 20))):
        duration = draw(length)
        for pitch in draw(st.sets(st.integers(0, 127), min_size=1, max_size=3)):
            voice.append(Note(now, duration, pitch))
        now += duration + draw(st.sampled_from([0, 0, 0, 1, ticks]))

    def steps(values, first):
        found, before = [], None
        for tick in sorted({0, *draw(st.sets(st.integers(1, now + ticks), max_size=3))} if first else set()):
            value = draw(values.filter(lambda value, before=before: value != before))
            found.append((tick, value))
            before = value
        return found

    meters = st.tuples(st.integers(1, 12), st.sampled_from([1, 2, 4, 8, 16]))
    return Score(
        ticks,
        [Track("melody", voice)],
        steps(st.floats(1, 10000) | st.integers(30, 300), True),
        [(tick, *meter) for tick, meter in steps(meters, True)],
        steps(st.sampled_from(MAJOR_KEYS + MINOR_KEYS), draw(st.booleans())),
    )


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(scores())
def test_there_and_back(score):
    text = write_tune(score, "100% here\nand there")
    tune = read_tune(text)
    assert tune.valid and music(tune.score(ticks_per_beat=score.ticks_per_beat)) == music(score)
    assert tune.title.replace("\\", "") == "100% here and there"


def test_what_is_written():
    triplets = [Note(160 * k, 160, pitch) for k, pitch in enumerate((66, 69, 74))]
    rest = [Note(480, 480, 65), Note(960, 1440, 62), Note(2880, 120, 64), Note(3000, 120, 60)]
    score = Score(480, [Track("", triplets + rest)], ((0, 90),), ((0, 4, 4),), ((0, "D"),))
    assert write_tune(score, "Name", 3) == (
        "X:3\nT:Name\nM:4/4\nL:1/8\nQ:1/4=90\nK:D\n(3FAd =F2 D4- | D2 z2 E/=C/z3 |]\n"
    )


def test_what_cannot_be_written():
    with pytest.raises(ValueError, match="one track with notes"):
        write_tune(Score(480))
    with pytest.raises(ValueError, match="overlap at tick 5"):
        write_tune(Score(480, [Track("", [Note(0, 10, 60), Note(5, 10, 62)])]))
    with pytest.raises(ValueError, match="no drums"):
        write_tune(Score(480, [Track("", [Note(0, 10, 60)], channel=9)]))
    with pytest.raises(ValueError, match="expected tempos"):
        write_tune(Score(480, [Track("", [Note(0, 10, 60)])], ((0, 0.5),)))
    with pytest.raises(ValueError, match="lengths that ABC can write"):
        write_tune(Score(32749, [Track("", [Note(0, 1, 60)])]))
