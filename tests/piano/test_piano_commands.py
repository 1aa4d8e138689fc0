"""`python -m experiments.piano` as its users meet it: files, messages, refusals."""

import json
import shutil
import signal

import pytest
from commands import Command
from piano_files import make_piece, write_pieces

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
pytest.importorskip("matplotlib", reason="needs the extra 'experiments'")
pytest.importorskip("pooch", reason="needs the extra 'data'")
from encoders.midi import read_midi, write_midi
from encoders.score import Note, Score, Track
from scratchnet.training.trainer import Trainer

SMALL = "--hidden 10 --batch 4 --length 24 --steps 30 --eval-every 15 --quiet".split()


piano = Command("piano")
pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    return write_pieces(tmp_path_factory.mktemp("data") / "pieces", 8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, pieces):
    """A small run of two networks, which no test changes."""
    folder = tmp_path_factory.mktemp("runs") / "trained"
    arguments = ["--models", "rnn", "attention", "--n", 1, "--bars", 1, "--prime-bars", 1]
    assert piano(*SMALL, "--data", pieces, "--out", folder, *arguments) == 0
    return folder


def test_everything(trained):
    names = {path.name for path in trained.iterdir()}
    assert names == {
        "config.yaml", "environment.json", "metrics.json", "learning.png", "scores.png", "table.md",
        "samples.json", "samples", "rnn-0", "attention-0",
    }  # fmt: skip
    table = (trained / "table.md").read_text()
    assert "| rnn | test |" in table and "| attention | train |" in table and "| uniform |" in table
    samples = json.loads((trained / "samples.json").read_text())
    assert {(row["source"], row["primed"]) for row in samples} == {
        ("rnn", False), ("rnn", True), ("attention", False), ("attention", True), ("human", False),
    }  # fmt: skip
    for row in samples:
        wav = trained / row["file"]
        assert wav.stat().st_size > 1000
        assert wav.with_suffix(".mid").exists() and wav.with_suffix(".png").exists()
        if row["primed"]:
            assert row["primer_seconds"] == 2.0
            assert read_midi(wav.with_suffix(".mid")).tracks[0].name == "given"
    assert (trained / "samples" / "attention-free-1-attention.png").exists()
    assert not (trained / "samples" / "rnn-free-1-attention.png").exists()
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["networks"]["rnn"][0]["test"]["nats"] < metrics["baselines"]["uniform"]


@pytest.mark.slow
def test_a_run_of_several_goes_on_where_it_stopped(trained, pieces, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    shutil.rmtree(run / "attention-0")
    (run / "metrics.json").unlink()
    before = (run / "rnn-0" / "log.jsonl").read_bytes()
    assert piano("--resume", run, "--quiet") == 0
    assert (run / "rnn-0" / "log.jsonl").read_bytes() == before
    best = "attention-0/best.safetensors"
    assert (run / best).read_bytes() == (trained / best).read_bytes()
    assert (run / "table.md").read_text() == (trained / "table.md").read_text()


def test_what_is_wrong_with_the_last_of_several_is_said_first(trained, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    last = run / "attention-0" / "checkpoint.safetensors"
    last.write_bytes(last.read_bytes()[:-9])
    assert piano("--resume", run, "--quiet") == 2
    out, err = capsys.readouterr()
    assert out == "" and f"{last}: damaged" in err and err.count("\n") == 1


def test_ctrl_c_in_a_run_of_several_says_how_all_go_on(pieces, tmp_path, monkeypatch, capsys):
    def interrupted_step(trainer, real=Trainer.step):
        if trainer.steps == 5:
            signal.raise_signal(signal.SIGINT)
        return real(trainer)

    run = tmp_path / "run"
    monkeypatch.setattr(Trainer, "step", interrupted_step)
    assert piano(*SMALL, "--data", pieces, "--models", "rnn", "lstm", "--out", run) == 130
    assert f"go on with: python -m experiments.piano --resume {run}\n" in capsys.readouterr().err


def test_going_on_is_as_if_it_had_not_stopped(trained, pieces, tmp_path, capsys):
    run = tmp_path / "run"
    arguments = [*SMALL, "--data", pieces, "--model", "attention", "--out", run, "--save-every", 7]
    assert piano("train", *arguments) == 0
    first = (run / "best.safetensors").read_bytes()
    assert first == (trained / "attention-0" / "best.safetensors").read_bytes()
    assert piano("train", "--resume", run, "--quiet") == 0
    assert "stopped after step 30" in capsys.readouterr().out
    assert (run / "best.safetensors").read_bytes() == first


def test_evaluate_gives_the_same_table(trained, tmp_path, capsys):
    assert piano("evaluate", trained, "--quiet", "--out", tmp_path / "out") == 0
    lines = (trained / "table.md").read_text().splitlines()[:-1]
    again = (tmp_path / "out" / "table.md").read_text().splitlines()[:-1]
    assert sorted(again) == sorted(lines)


def test_compose(trained, tmp_path, capsys):
    out = tmp_path / "out"
    prime = tmp_path / "prime.mid"
    write_midi(make_piece(99), prime)
    weights = trained / "attention-0" / "best.safetensors"
    arguments = ["--n", 2, "--bars", 2, "--prime", prime, "--prime-bars", 2, "--seed", 3, "--bpm", 90]
    assert piano("compose", weights, "--out", out, *arguments, "--no-wav") == 0
    assert "2 pieces of 2 bars" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == [
        *(f"{k}{end}" for k in ("01", "02") for end in ("-attention.png", ".mid", ".png", ".txt")),
        "composed.json",
    ]
    score = read_midi(out / "01.mid")
    given = [(n.start, n.pitch) for n in make_piece(99).notes() if n.start < 2 * 1920]
    assert [(n.start, n.pitch) for n in score.tracks[0].notes] == given
    assert score.tempos[0][1] == pytest.approx(90)
    again = tmp_path / "again"
    assert piano("compose", trained / "attention-0", "--out", again, *arguments, "--no-wav") == 0
    assert (again / "02.mid").read_bytes() == (out / "02.mid").read_bytes()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "none.mid"], "no such file"),
        (["train", "--resume", "none"], "no such run folder"),
        (["--resume", "run", "--steps", "3"], "leave out --steps"),
        (["compose", "none"], "none"),
        (["compose", "TRAINED/rnn-0", "--prime", "none.mid", "--out", "x"], "none.mid: cannot be read"),
        (["compose", "TRAINED/rnn-0", "--prime", "BAD", "--out", "x"], "MIDI"),
        (["compose", "TRAINED/rnn-0", "--prime", "EMPTY", "--out", "x"], "no notes"),
        (["compose", "TRAINED/rnn-0", "--temperature", "0"], "--temperature"),
        (["evaluate", "TRAINED", "--data", "none.mid"], "no such file"),
        (["evaluate", "."], "there is no config.yaml"),
        (["train", "--data", "PIECES", "--batch", "5000"], "too little music"),
        (["--models", "transformer"], "models"),
    ],
)  # fmt: skip
def test_one_line_and_status_2(trained, pieces, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.mid").write_bytes(b"MThd, or not")
    write_midi(Score(480, [Track("", [Note(90000, 1, 60)])]), tmp_path / "empty.mid")
    words = {"TRAINED": str(trained), "PIECES": str(pieces), "BAD": "bad.mid", "EMPTY": "empty.mid"}
    for word, meaning in words.items():
        arguments = [argument.replace(word, meaning) for argument in arguments]
    assert piano(*arguments, *([] if "compose" in arguments else ["--quiet"])) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and message in said.err


def test_another_corpus_is_refused(trained, tmp_path, capsys):
    other = write_pieces(tmp_path / "other", 5)
    run = tmp_path / "run"
    assert piano("train", *SMALL, "--data", other, "--out", run, "--model", "rnn") == 0
    capsys.readouterr()
    assert piano("evaluate", trained, run, "--quiet") == 2
    assert "learned from other music" in capsys.readouterr().err


def test_what_is_composed_is_measured_beside_test_pieces(trained, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["--n", 3, "--bars", 1, "--quiet", "--out", out]
    assert piano("evaluate", trained, *arguments) == 0
    table = (out / "measures.md").read_text()
    assert "| reference, half against half |" in table and "| attention |" in table
    assert (out / "measures.png").stat().st_size > 5000
    rows = json.loads((out / "metrics.json").read_text())["measures"]["rows"]
    assert [row["name"] for row in rows[1:]] == ["attention", "rnn"]
    assert piano("evaluate", trained, *arguments, "--bars", 50) == 2
    assert "at least 4 excerpts of 50 bars of test pieces, got 0" in capsys.readouterr().err
