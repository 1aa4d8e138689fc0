"""`compare` and `repeat`: tables and figures, with jobs done in this process."""

import json

import pytest
from tiny_blues import blues, tiny_blues

from experiments.blues import comparison, repetition
from experiments.blues.models import CONTENDERS


def one_after_the_other(function, jobs, workers=None):
    for job in jobs:
        yield function(*job)


@pytest.fixture(scope="module", autouse=True)
def patch():
    with tiny_blues() as patch:
        for module in (comparison, repetition):
            patch.setattr(module, "in_processes", one_after_the_other)
        patch.setattr(comparison, "DRIFT", 1)
        patch.setattr(repetition, "evaluate", lambda *given: repetition_evaluate(*given[:3], 2))
        yield patch


repetition_evaluate = repetition.evaluate


def test_repeat_makes_a_table_with_a_line_a_seed(tmp_path, capsys):
    folder = tmp_path / "repeat"
    assert blues("repeat", "--seeds", 2, "--seed", 5, "--learn", 4, "--quiet", "--out", folder) == 0
    table = (folder / "table.md").read_text()
    assert table.strip() in capsys.readouterr().out
    lines = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")]
    assert lines == ["seed", "---", "5", "6", "median"]
    rows = json.loads((folder / "metrics.json").read_text())["seeds"]
    assert [row["seed"] for row in rows] == [5, 6]
    loss = [row["fresh pieces"]["melody_loss"] for row in rows]
    assert f"{sum(loss) / 2:.5f}" in table.splitlines()[-1]  # of two, the median is the mean


def test_compare_makes_two_tables(tmp_path, capsys):
    folder, names = tmp_path / "compare", ["cell blocks, full BPTT", "simple recurrent, BPTT"]
    arguments = ["--seeds", 2, "--chord-choruses", 2, "--learn", 8, "--quiet", "--out", folder]
    assert blues("compare", *arguments, "--only", *names) == 0
    chords, melody = (folder / "tables.md").read_text().split("\n\nExperiment 2")
    assert chords.count("| 0 of 2 | - | - |") == 2
    for name in names:
        assert f"| {name} |" in chords and f"| {name} |" in melody
    assert CONTENDERS[0].name not in melody
    assert "| random walk over the scale |" in melody and "exact floor of the melody 0.1733" in melody
    metrics = json.loads((folder / "metrics.json").read_text())
    assert [row["seed"] for row in metrics["experiment 2"][names[1]]] == [0, 1]
    assert len((folder / "log.jsonl").read_text().splitlines()) == 8


def test_compare_refuses_an_unknown_name_and_touches_nothing(tmp_path, capsys):
    assert blues("compare", "--only", "transformer", "--out", tmp_path / "new") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("blues compare: error: --only: expected some of [")
    assert not (tmp_path / "new").exists()
