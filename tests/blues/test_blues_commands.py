"""`python -m experiments.blues`: what the commands do, and the files that they write."""

import json
import re

import pytest
from commands import content
from tiny_blues import TRAINED, blues, train

from encoders.midi import read_midi
from encoders.tokens.blues import loss_floor
from experiments.blues import chords

JUDGED = {"fresh pieces", "free composition", "composed melodies", "held-out melodies"}

pytestmark = pytest.mark.usefixtures("tiny")


def test_everything(tmp_path, capsys):
    folder = tmp_path / "new" / "run"
    flags = "--learn 4 --choruses 2 --bpm 400 --engine built-in --seed 3".split()
    assert blues(*flags, "--out", folder) == 0
    assert set(content(folder)) == TRAINED | {
        f"composed.{suffix}" for suffix in ("mid", "wav", "png", "json")
    }
    out, err = capsys.readouterr()
    assert "1542 weights, 4 choruses, recipe default" in out
    assert f"2 choruses, 14 s: {folder / 'composed.mid'}, composed.wav (sound: built-in)" in out
    assert f"exact floor {loss_floor():.4f}" in out
    assert out.endswith(f"Everything is in {folder}. Listen: {folder / 'composed.wav'}\n")
    assert re.search(r"training: 4/4 chorus, .*chorus/s, .*loss=", err) and "left" in err

    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics) == JUDGED | {"chords first", "learning", "weights"}
    assert metrics["weights"] == 1542
    assert metrics["learning"]["choruses"] in (2, 4)
    assert metrics["fresh pieces"]["melody_floor"] == pytest.approx(0.17329, abs=1e-5)
    assert metrics["fresh pieces"]["melody_loss"] > metrics["fresh pieces"]["melody_floor"]
    assert metrics["free composition"]["choruses"] == 2
    assert metrics["held-out melodies"]["bars_in_training"] == 1.0
    for shares in (metrics["composed melodies"], metrics["held-out melodies"]):
        assert set(shares) == {
            "bars_in_training", "bars_in_training_anywhere", "choruses_in_training", "choruses_in_grammar",
            "distinct_choruses", "notes_in_scale",
        }  # fmt: skip
        assert all(0 <= share <= 1 for share in shares.values())

    score = read_midi(folder / "composed.mid")
    assert [track.name for track in score.tracks] == ["chords", "melody"]
    assert score.tempos[0][1] == pytest.approx(400) and score.meters == ((0, 4, 4),)
    assert score.end == 24 * 4 * 480
    for picture in folder.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 10_000


def test_train(trained):
    assert set(content(trained)) == TRAINED
    metrics = json.loads((trained / "metrics.json").read_text())
    assert JUDGED < set(metrics)
    rows = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert [row["choruses"] for row in rows] == [2, 4]
    figures = {"choruses", "total", "loss", "chord_loss", "chord_errors", "melody_loss"}
    assert set(rows[0]) == figures | {"step", "held_out", "lr"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags", ["--recipe paper", "--recipe icann --gross-error 0.5", "--recipe kalman", "--melody-blocks 6"]
)
def test_train_in_other_ways(tmp_path, capsys, flags):
    run = train(tmp_path / "run", *flags.split(), learn=2)
    assert set(content(run.folder)) == TRAINED
    weights = int(re.match(r"(\d+) weights", capsys.readouterr().out)[1])
    assert weights == run.metrics()["weights"] == (1542 if "recipe" in flags else 2010)


def test_chords_that_are_not_learned(tmp_path, capsys):
    folder = tmp_path / "run"
    assert blues("chords", "--seeds", 2, "--seed", 7, "--limit", 2, "--quiet", "--out", folder) == 0
    assert set(content(folder)) == {"config.yaml", "environment.json", "log.jsonl", "metrics.json"}
    result = json.loads((folder / "metrics.json").read_text())["experiment 1"]
    assert (result["succeeded"], result["seeds"], [row["seed"] for row in result["rows"]]) == (0, 2, [7, 8])
    assert [row["choruses"] for row in result["rows"]] == [2, 2]
    assert "0 of 2 networks play the twelve bars by themselves" in capsys.readouterr().out


def test_chords_that_are_learned(tmp_path, capsys, monkeypatch):
    """With a judge who is content after four choruses."""
    monkeypatch.setattr(chords, "CHECK", 2)
    monkeypatch.setattr(chords, "plays_alone", lambda network, pieces, count: count)
    folder = tmp_path / "run"
    assert blues("chords", "--seeds", 1, "--limit", 40, "--quiet", "--out", folder) == 0
    assert "gates.png" in content(folder)
    result = json.loads((folder / "metrics.json").read_text())["experiment 1"]
    (row,) = result["rows"]
    assert row["success"] and row["steps"] == 96 * row["choruses"] == result["median_steps"]
    assert row["choruses"] < 40 and row["goes_on"] == 1000
    assert "1 of 1 networks" in capsys.readouterr().out


def test_evaluate(run, capsys):
    before = json.loads((run / "metrics.json").read_text())
    assert blues("evaluate", run, "--choruses", 1, "--seed", 5) == 0
    after = json.loads((run / "metrics.json").read_text())
    assert set(before) == set(after)
    assert before["fresh pieces"] == after["fresh pieces"]  # nothing is drawn there
    assert after["free composition"]["choruses"] == 1
    assert re.search(r"chords right +\d of 1 choruses", capsys.readouterr().out)
    assert set(content(run)) == TRAINED


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run(tmp_path):
    one, again, other = (
        train(tmp_path / name, "--seed", seed) for name, seed in (("a", 4), ("b", 4), ("c", 5))
    )
    assert one.checkpoint.read_bytes() == again.checkpoint.read_bytes() != other.checkpoint.read_bytes()
    assert one.rows() == again.rows() != other.rows()
