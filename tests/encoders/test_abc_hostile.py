"""ABC notation against any text, and against a corpus, whole and spoilt."""

import random
import re
import sys

import pytest
from abc_text import HEAD, music
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
    "piece",
    [
        "(",
        "[",
        "{",
        "|:",
        ":|",
        "A>",
        "(3A",
        "[A",
        "!a",
        '"',
        "A-",
        "A&",
        "[1",
        "|1 A :|",
        "A9999",
        "K:G",
        "^",
        "\\",
        "%",
    ],
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


# ---------------------------------------------------------------------------------------- the Irish tunes


@pytest.fixture(scope="module")
def irish(data_folder):
    path = data_folder / "irish_mit" / "irish.abc"
    if not path.exists():
        pytest.skip(f"no irish_mit/irish.abc among the corpora in {data_folder}")
    return path.read_text(encoding="utf-8")


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
