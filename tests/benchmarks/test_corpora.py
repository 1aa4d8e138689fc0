"""What a training costs beside its steps: the observation of one, tunes in other keys, the table."""

import json
import time

import pytest

pytest.importorskip("tqdm", reason="needs the extra 'experiments'")
pytest.importorskip("yaml", reason="needs the extra 'experiments'")
from abc_tunes import write_tunes

from benchmarks import corpora
from encoders.abc.collection import read_collection

TINY = ["--hidden", "4", "--layers", "1", "--embedding", "3", "--batch", "4", "--length", "16", "--quiet"]
ROW = {"first_step_s": 2.34, "judged": 1000, "of": 25000, "share": 0.083, "after_s": 12.0}
ROW |= {"first_step_cold_s": 20.0, "peak_mb": 700.4}


@pytest.mark.parametrize("to_the_end", [False, True])
def test_a_training_is_observed(to_the_end, tmp_path, capsys):
    flags = ["--data", str(write_tunes(tmp_path / "tunes.abc", 12)), "--out", str(tmp_path / "run"), *TINY]
    found = corpora.observe("folk", flags, time.time(), to_the_end)
    assert found["first_step_s"] > 0
    if not to_the_end:
        assert len(found) == 1
        return
    assert found.keys() == ROW.keys() - {"first_step_cold_s", "peak_mb"}
    assert 0 < found["share"] < 1 and found["after_s"] > 0 and 0 < found["judged"] == found["of"]
    assert f"stopped after step {2 * corpora.STEPS};" in capsys.readouterr().out


def test_wrong_flags_are_no_observation(tmp_path):
    with pytest.raises(SystemExit, match="folk train --data .* ended with status 2"):
        corpora.observe("folk", ["--data", str(tmp_path / "none.abc")], time.time(), True)


@pytest.mark.parametrize("count", [3, 10, 25])
def test_more_tunes_than_there_are_come_in_other_keys(count, tmp_path):
    path = corpora.tunes([write_tunes(tmp_path / "tunes.abc", 10)], count, tmp_path)
    kept = read_collection([path]).kept
    assert len(kept) == count == len({row.tune.text for row in kept})


def test_the_table_is_made_of_what_was_measured(tmp_path, capsys):
    path = tmp_path / "corpora.json"
    path.write_text(json.dumps({"folk 12000": ROW, "piano 50": ROW | {"judged": 25000}}))
    corpora.main(["--json", str(path), "--table"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| piano, 50 performances | all of 25,000 | 20.0 | 2.3 | 8.3% | 12.0 | 700 |")
    assert lines[3].startswith("| folk, 12,000 tunes | 1,000 of 25,000 |")
    assert corpora.read(tmp_path / "none.json") == {}
