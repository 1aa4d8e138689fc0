"""Means, intervals and tests of ratings, against numbers worked out by hand and by SciPy."""

import csv
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from experiments.listen.analysis import Kind, by_listener, comparisons, holm, means, signed_rank_p, t_interval
from experiments.listen.report import as_cell, as_text, write_csv, write_table
from experiments.listen.storage import Rating

LSTM, PRIMED, HUMAN, RNN = Kind("lstm", False), Kind("lstm", True), Kind("human", False), Kind("rnn", False)


def rated(scores):
    """Ratings from dict of (listener, kind) -> list of scores."""
    return [
        Rating(listener, "some", 0, *kind, "", sample, score, 9.0, "2026-01-01 00:00:00")
        for (listener, kind), given in scores.items()
        for sample, score in enumerate(given)
    ]


def test_the_listener_is_the_unit():
    ratings = rated({(1, LSTM): [1, 2, 3, 4], (2, LSTM): [5], (3, LSTM): [3, 3]})
    assert by_listener(ratings) == {LSTM: {1: 2.5, 2: 5.0, 3: 3.0}}
    (row,) = means(ratings)
    # by hand: mean 3.5, standard deviation sqrt((1 + 2.25 + 0.25) / 2), t(2 df) = 4.302653
    half = 4.302653 * math.sqrt(1.75 / 3)
    assert row[:4] == (LSTM, 3, 7, 4) and row.mean == 3.5
    assert row.low == pytest.approx(3.5 - half, abs=1e-5) and row.high == 5.0  # no rating is higher


@given(st.lists(st.floats(0, 5), min_size=2, max_size=12))
@example([0.0, 0.0, 8.35e-11])
def test_intervals_are_scipys(values):
    mean, low, high = t_interval(values)
    if len(set(values)) > 1 and high - low > 1e-9:
        expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    else:  # scipy warns of numbers that are nearly equal
        assert low <= mean <= high <= low + 1e-9


def test_few_listeners():
    assert t_interval([]) == (None, None, None) and t_interval([4.0]) == (4.0, None, None)
    assert t_interval([3.0, 3.0]) == (3.0, 3.0, 3.0)
    assert signed_rank_p([]) is None and signed_rank_p([1.0]) is None
    assert signed_rank_p([0.0, 0.0]) == 1.0


def test_signed_ranks_by_hand():
    # ranks 1..5 all positive: of 32 sign patterns the two extremes
    assert signed_rank_p([1, 2, 3, 4, 5]) == pytest.approx(2 / 32)
    # ties: ranks 1.5, 1.5, 3; minus on a 1.5: sums <= 1.5 are {}, {a}, {b}: 3 of 8, two-sided 6 of 8
    assert signed_rank_p([-1, 1, 2]) == pytest.approx(6 / 8)
    # Pratt: the zero takes rank 1, then 2.5, 2.5, 4 all positive: two of eight
    assert signed_rank_p([0, 1, 1, 3]) == pytest.approx(2 / 8)


@given(
    st.lists(st.floats(0.01, 5).map(lambda x: round(x, 3)), min_size=2, max_size=13, unique=True), st.data()
)
@settings(max_examples=40)
def test_signed_ranks_without_ties_are_scipys_exact_ones(sizes, data):
    signs = data.draw(st.lists(st.sampled_from([-1, 1]), min_size=len(sizes), max_size=len(sizes)))
    differences = [sign * size for sign, size in zip(signs, sizes, strict=True)]
    assert signed_rank_p(differences) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)


def test_signed_ranks_with_ties_and_zeros_are_scipys_over_all_signs():
    differences = [0.0, 0.5, 0.5, -0.5, 1.0, 2.0, 0.0, -1.0, 1.0, 3.0]
    every_sign = stats.PermutationMethod(n_resamples=2**10)
    expected = stats.wilcoxon(differences, zero_method="pratt", method=every_sign).pvalue
    assert signed_rank_p(differences) == pytest.approx(expected)


def test_many_listeners_are_near_the_normal_distribution(rng):
    differences = rng.integers(-8, 9, 400) / 2
    expected = stats.wilcoxon(differences, zero_method="pratt", method="approx").pvalue
    assert signed_rank_p(differences) == pytest.approx(expected, rel=0.02)


def test_holm_by_hand():
    corrected = holm([0.01, None, 0.04, 0.03, 0.005])
    assert corrected[1] is None
    assert [corrected[i] for i in (0, 2, 3, 4)] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == [] and holm([None]) == [None] and holm([0.9, 0.8]) == [1.0, 1.0]


def test_pairs_that_differ_in_one_thing():
    primed_rnn = Kind("rnn", True)
    scores = {LSTM: 3, PRIMED: 4, HUMAN: 5, RNN: 1, primed_rnn: 2}
    ratings = rated({(listener, kind): [score] for listener in (1, 2) for kind, score in scores.items()})
    found = comparisons(ratings)
    pairs = {frozenset((row.a, row.b)) for row in found}
    missing = {frozenset((LSTM, primed_rnn)), frozenset((PRIMED, RNN))}
    assert len(pairs) == len(found) == 8 and not pairs & missing
    row = next(row for row in found if {row.a, row.b} == {HUMAN, RNN})
    assert row[:6] == (HUMAN, RNN, 2, 4.0, 4.0, 4.0) and row.p == 0.5 and row.p_holm == 1.0
    assert [row.kind.source for row in means(ratings)] == ["human", "lstm", "lstm", "rnn", "rnn"]


def test_only_listeners_who_heard_both_are_paired():
    ratings = rated({(1, LSTM): [5], (1, HUMAN): [4], (2, LSTM): [0], (3, HUMAN): [5]})
    (row,) = comparisons(ratings)
    assert (row.a, row.b) == (LSTM, HUMAN) or (row.a, row.b) == (HUMAN, LSTM)
    assert row.listeners == 1 and abs(row.difference) == 1 and row.low is row.p is row.p_holm is None


def test_differences_of_thirds_are_zero_where_they_are():
    ratings = rated({(k, kind): scores for k in (1, 2, 3)
                     for kind, scores in ((LSTM, [1, 1, 2]), (HUMAN, [1, 2, 1]))})  # fmt: skip
    assert comparisons(ratings)[0].p == 1.0


answers = st.dictionaries(
    st.tuples(st.integers(1, 18), st.sampled_from([LSTM, PRIMED, HUMAN, RNN])),
    st.lists(st.integers(0, 5), min_size=1, max_size=3),
    max_size=60,
)


@given(answers)
@settings(max_examples=60)
def test_any_answers_make_a_report_without_warnings(tmp_path_factory, scores):
    ratings = rated(scores)
    rows, pairs = means(ratings), comparisons(ratings)
    for row in rows:
        assert 0 <= row.mean <= 5 and (row.low is None or 0 <= row.low <= row.mean + 1e-12 <= row.high + 1e-9)
    for row in pairs:
        assert (row.p is None) == (row.listeners < 2) and (row.p is None or 0 < row.p <= row.p_holm <= 1)
    text = as_text(ratings, rows, pairs, (20, 3, len(ratings)))
    folder = tmp_path_factory.mktemp("report")
    write_csv(folder, ratings, rows, pairs)
    for content in (text, *(path.read_text() for path in folder.iterdir())):
        assert "nan" not in content.lower() and "None" not in content


def test_the_table():
    scores = {LSTM: [3, 4, 2], PRIMED: [4, 5, 5], HUMAN: [5, 4, 5]}
    ratings = rated({(k, kind): [s] for kind, given in scores.items() for k, s in enumerate(given)})
    text = as_text(ratings, means(ratings), comparisons(ratings), (4, 3, 9))
    lines = text.splitlines()
    assert lines[0] == "4 listeners began, 3 finished; 9 answers"
    assert any(line.split() == ["human", "4.67", "3.23", "to", "5.00", "3", "1", "-"] for line in lines)
    (lstm,) = (line.split() for line in lines if line.startswith("lstm   "))
    assert lstm[:2] == ["lstm", "3.00"] and lstm[7] == "4.67"
    assert as_text([], [], [], (0, 0, 0)).endswith("Nothing has been rated yet.")


def test_cells_that_a_spreadsheet_would_compute():
    assert as_cell("=1+1") == "'=1+1" and as_cell("a=1") == "a=1" and as_cell(-1.5) == -1.5
    assert as_cell(True) == 1 and as_cell(None) == ""
    for hidden in ("\t=1", "\r=1", "\xa0=1", "\n-1", "\u200b=1", "\ufeff=1", " =1", "\tplain"):
        assert as_cell(hidden).startswith("'")
    for wide in ("＝1", "＋1", "－1", "＠a", "\u22121"):
        assert as_cell(wide) == f"'{wide}"
    assert as_cell("Étude; op. 25 - no. 1") == "Étude; op. 25 - no. 1"
    assert as_cell("a;=1+1;b") == "a;'=1+1;b" and as_cell('a;" -1') == "a;\" '-1"


@given(
    st.lists(st.text(st.sampled_from(list("=+-@＝ ;,\t\r\n\"'a\xa0\0")), max_size=8), min_size=1, max_size=4)
)
@example(["\t=1"])
def test_no_spreadsheet_finds_a_formula_whatever_it_takes_for_a_separator(tmp_path_factory, texts):
    path = tmp_path_factory.getbasetemp() / "cells.csv"
    write_table(path, ["number", "text"], [(k, text, k) for k, text in enumerate(texts)])
    for separator in ",;\t":
        with open(path, newline="") as file:
            cells = [cell for row in csv.reader(file, delimiter=separator) for cell in row]
        assert not [cell for cell in cells if cell.strip(' "\t\r\n\xa0\0')[:1] in tuple("=+-@＝")]
