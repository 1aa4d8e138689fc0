"""ABC against whole corpora, as they are and spoilt, and against any text."""

import random
import re
import sys

import pytest
from abc_text import HEAD, C, D, E, F, music
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encoders.abc import AbcError, read_tune, split_tunes, validate, write_tune

ALPHABET = "ABCDEFGabcdefgz^_=,'0123456789/|:[](){}<>-!\"+~.&*%\\ \nXKLMQTV#xyZ$"


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(st.text(st.sampled_from(ALPHABET), max_size=120) | st.text(max_size=60))
def test_any_text_is_read_or_refused(body):
    for text in (body, HEAD + body):
        problems = validate(text)
        assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)
        try:
            tune = read_tune(text)
            tune.score(), tune.score(repeats=False)
        except AbcError as error:
            assert str(error).startswith("line ") and "\n" not in str(error)


@pytest.mark.parametrize(
    "piece", '( [ { |: :| A> (3A [A !a " A- A& [1 A9999 K:G ^ \\ %'.split() + ["|1 A :|"]
)
def test_time_is_linear(piece):
    """Counted in lines of Python, for a clock says something else on every day."""
    few, many = (lines_run(validate, HEAD + piece * count) for count in (200, 1600))
    assert many < 10 * few  # quadratic: 64 times


def lines_run(function, *arguments):
    """How many lines of Python a call runs."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*arguments)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.slow
@pytest.mark.data
def test_all_irish_tunes(irish):
    tunes = [read_tune(text, line) for line, text in split_tunes(irish)]
    assert len(tunes) == 804 and all(tune.valid for tune in tunes)
    scores = [tune.score() for tune in tunes]
    assert min(len(score.notes()) for score in scores) > 30
    bars = [bar for tune in tunes for bar in tune.bars]
    assert (len(bars), sum(not bar.fills for bar in bars)) == (16098, 23)
    for tune, score in list(zip(tunes, scores, strict=True))[::10]:
        again = read_tune(write_tune(score, tune.title))
        assert music(again.score(ticks_per_beat=score.ticks_per_beat)) == music(score)


@pytest.mark.data
def test_spoilt_irish_tunes(irish):
    rng = random.Random(0)
    tunes = split_tunes(irish)
    for _ in range(150):
        text = rng.choice(tunes)[1]
        for _ in range(rng.randrange(1, 6)):
            place, other = rng.randrange(len(text)), rng.choice(tunes)[1]
            cut = rng.randrange(len(other))
            text = rng.choice(
                [
                    text[:place] + text[place + 1 :],
                    text[:place] + text[place] * 3 + text[place:],
                    text[:place] + other[cut : cut + 40] + text[place:],
                    text[:place] + rng.choice(ALPHABET) + text[place + 1 :],
                ]
            )
        for _, tune in split_tunes(text):
            validate(tune)
            if re.search("^K:", tune, re.MULTILINE):
                try:
                    read_tune(tune).score()
                except AbcError:
                    pass


RIGHT = {
    "bar_shapes_end_repeat.abc": [[C, D, E, F, 67, 69, 71, 72] * 2],
    "cr_line_ends.abc": [[C, D, E, F], [67, 69, 71, 72]],
    "folk_rnn.abc": [
        [60, 67, 64, 62, 64, 65, 64, 67, 60, 67, 69, 67, 67, 65] * 2,
        [60, 63, 67, 72, 70, 69, 65, 62, 60] * 2,
    ],
    "key_with_glued_accidental.abc": [[66, 69, 72, 74]],
    "overlay.abc": [[72, 67, 69, 71, 72]],
    "part_order.abc": [[C, D, E, F, C, D]],
    "prose_after_blank_line.abc": [[C, D, E, F, 67, 69, 71, 72], [72, 71, 69, 67]],
    "render_says_nothing.abc": [[72], [60, 67, 64, 62, 64, 65, 64] * 2],
    "tuplets.abc": [[72] * 6],
    "voice_clef_octave_transpose.abc": [[48, 50, 52, 53]],
}


@pytest.mark.data
@pytest.mark.parametrize("name", RIGHT)
def test_reader_cases(data_folder, name):
    path = data_folder / "reader_cases" / name
    if not path.exists():
        pytest.skip(f"no {name} among the corpora in {data_folder}")
    tunes = [read_tune(tune, line) for line, tune in split_tunes(path.read_bytes().decode())]
    assert [[note.pitch for note in tune.score().notes()] for tune in tunes] == RIGHT[name]
    if name == "tuplets.abc":
        (tune,) = tunes
        score = tune.score()
        beats = [note.duration / score.ticks_per_beat for note in score.notes()]
        assert beats == pytest.approx([0.9, 0.9, 1.8, 1.8, 0.5, 0.5])
    if name == "overlay.abc":
        assert [note.start for note in tunes[0].score().notes()] == [0, 1920, 2400, 2880, 3360]
