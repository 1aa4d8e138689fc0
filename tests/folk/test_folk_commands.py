"""`python -m experiments.folk` as its users meet it: files, messages, refusals."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from abc_tunes import write_tunes
from commands import Command

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
pytest.importorskip("matplotlib", reason="needs the extra 'experiments'")
from encoders.abc import read_tune, split_tunes
from encoders.midi import read_midi
from experiments.folk import composing
from scratchnet.training.checkpoint import load_checkpoint, save_checkpoint

SMALL = "--hidden 12 --layers 1 --batch 4 --length 24 --eval-every 20 --quiet".split()


folk = Command("folk")
pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def tunes(tmp_path_factory):
    return write_tunes(tmp_path_factory.mktemp("data") / "tunes.abc")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tunes):
    """A small run, which no test changes."""
    folder = tmp_path_factory.mktemp("runs") / "trained"
    assert folk("train", *SMALL, "--steps", 60, "--data", tunes, "--out", folder) == 0
    return folder


def test_everything(tunes, tmp_path, capsys):
    out = tmp_path / "run"
    assert folk(*SMALL, "--steps", 40, "--data", tunes, "--out", out, "--n", 2, "--raw") == 0
    said = capsys.readouterr().out
    for words in (
        "40 tunes",
        "best on validation tunes",
        "uniform",
        "the best n-gram",
        "valid ABC:",
        "Listen:",
    ):
        assert words in said
    names = {path.name for path in out.iterdir()}
    assert names == {
        "config.yaml", "environment.json", "log.jsonl", "metrics.json", "checkpoint.safetensors",
        "best.safetensors", "learning.png", "tunes",
    }  # fmt: skip
    assert (out / "tunes" / "tunes.abc").read_text().startswith("X:")
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["nats"]["network"] < metrics["nats"]["uniform"] and metrics["tunes"]["drawn"] == 50


def test_going_on_is_as_if_it_had_not_stopped(trained, tunes, tmp_path, capsys):
    run = tmp_path / "run"
    assert folk("train", *SMALL, "--steps", 60, "--data", tunes, "--out", run, "--save-every", 25) == 0
    first = (run / "best.safetensors").read_bytes()
    assert first == (trained / "best.safetensors").read_bytes()
    assert folk("train", "--resume", run, "--quiet") == 0
    assert "stopped after step 60" in capsys.readouterr().out
    assert (run / "best.safetensors").read_bytes() == first


def test_compose(trained, tmp_path, capsys):
    out = tmp_path / "tunes"
    arguments = ["--n", 3, "--raw", "--length", 200, "--seed", 3]
    assert folk("compose", trained, "--out", out, "--title", "Tune 9", "--key", "D", *arguments) == 0
    assert "3 are in" in capsys.readouterr().out
    found = split_tunes((out / "tunes.abc").read_text())
    assert len(found) == 3 and all(text.startswith("X:1\nT:Tune 9\nM:C\nL:1/8\nK:D") for _, text in found)
    again = tmp_path / "again"
    assert folk("compose", trained / "best.safetensors", "--out", again, "--title", "Tune 9", "--key", "D",
                *arguments, "--no-include-primer") == 0  # fmt: skip
    texts = [text.split("K:D", 1)[1] for _, text in found]
    assert (again / "tunes.abc").read_text().split() == "\n\n".join(texts).split()


def test_each_composition_has_a_name_of_its_own(trained, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(trained / "best.safetensors", run)
    shutil.copy(trained / "config.yaml", run)
    for temperature in (0.5, 1.5):
        flags = "--n", 1, "--raw", "--length", 30, "--no-wav", "--temperature", temperature
        assert folk("compose", run, *flags) == 0
    made = [json.loads((run / f"composed-{n}" / "composed.json").read_text()) for n in (1, 2)]
    assert [how["temperature"] for how in made] == [0.5, 1.5]
    assert made[0]["step"] == 60 and made[0]["options"]["length"] == 30 and made[0]["run"] == str(run)


def nothing_valid(monkeypatch):
    """Whatever is drawn is no tune."""
    judge = composing.judge
    monkeypatch.setattr(composing, "judge", lambda text: replace(judge(text), tune=None, reason="no tune"))


def test_a_network_that_draws_no_valid_tune(tunes, tmp_path, monkeypatch, capsys):
    nothing_valid(monkeypatch)
    monkeypatch.setattr(composing, "PATIENCE", 1)
    out = tmp_path / "run"
    flags = "--steps", 20, "--n", 1, "--top-k", 5
    assert folk(*SMALL, *flags, "--data", tunes, "--out", out) == 0
    said = capsys.readouterr().out
    assert "drawn 0 are valid, fewer than the 1 asked for; the last error: no tune; train longer" in said
    assert "valid ABC: 0%" in said and "fill their meter: – (test tunes:" in said and "nan" not in said
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["tunes"]["valid"] == 0 and metrics["tunes"]["copies"]["composed"] == {"tunes": 0}
    assert metrics["nats"]["network"] > 0 and (out / "learning.png").is_file()
    before = sorted(out.rglob("*"))
    assert folk("compose", out, "--n", 1, "--length", 20) == 2
    told = capsys.readouterr().err
    assert told.startswith("folk compose: error: of ") and "0 are valid" in told and told.count("\n") == 1
    assert sorted(out.rglob("*")) == before


def test_valid_tunes_get_sound_and_a_picture(tunes, tmp_path):
    text = split_tunes(tunes.read_text())[0][1]
    out = tmp_path / "out"
    (tmp_path / "mine.abc").write_text(text)
    assert folk("render", tmp_path / "mine.abc", "--out", out, "--engine", "built-in") == 0
    score = read_midi(out / "01.mid")
    assert [note.pitch for note in score.notes()] == [note.pitch for note in read_tune(text).score().notes()]
    assert (out / "01.wav").stat().st_size > 100_000
    assert (out / "01.svg").is_file() or (out / "01.png").is_file()


def test_render_says_what_it_left_out(tmp_path, capsys):
    path, out = tmp_path / "mixed.abc", tmp_path / "out"
    head = "M:4/4\nL:1/4\nK:C\n"
    bodies = {
        "good": "CDEF|", "voices": "V:1\nCDEF|\nV:2\nC4|", "endings": "|:C|1-2-3 D:|2 E|", "slow": "Q:1\nC|",
        "silent": "z4|", "blanks": "|: C 2 E F :|",
    }  # fmt: skip
    text = "\n\n".join(f"X:{k}\nT:{name}\n{head}{bodies[name]}" for k, name in enumerate(bodies))
    path.write_text(text + "\n\nX:9\nno key\n")
    assert folk("render", path, "--out", out, "--no-wav", "--quiet") == 0
    said = capsys.readouterr().out.replace(str(path), "FILE")
    for line in (
        "FILE, line 15: expected one voice, got another: '2'",
        "FILE, line 23: expected numbers of endings, got '1-2-3'",
        "FILE, line 33: left out: expected a tune, found no notes",
        "FILE, line 45: a blank within a note, which is read as if there were none",
        "FILE, line 47: left out: expected a header that ends with a key, K:, found none",
        "FILE, line 25: left out: a MIDI file cannot hold a tempo of 1.0 quarter notes per minute",
        "     5 tunes kept",
        "     3 of them not as they are written",
        "     2 tunes or files dropped",
        f"4 tunes are in {out}",
    ):
        assert f"\n{line}\n" in f"\n{said}\n", line
    assert sorted(path.name for path in out.glob("*.mid")) == ["01.mid", "02.mid", "03.mid", "05.mid"]


def test_what_was_read_otherwise_is_in_the_run_folder(tmp_path, capsys):
    path, run = write_tunes(tmp_path / "tunes.abc", 30), tmp_path / "run"
    path.write_text(path.read_text().replace("E", "^/E", 40) + "\n\nX:1\nno key\n")
    assert folk("train", *SMALL, "--steps", 2, "--data", path, "--out", run) == 0
    told = (run / "reading.txt").read_text()
    assert "a micro-tone" in told and "found none" in told and "    30 tunes kept" in told
    assert "    30 tunes kept" in capsys.readouterr().out


def test_evaluate(trained, capsys):
    assert folk("evaluate", trained, "--n", 4, "--length", 100, "--quiet") == 0
    said = capsys.readouterr().out
    assert "valid ABC:" in said and "of 4 tunes drawn" in said and "a character of the test tunes" in said


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["compose", "RUN", "--prime", "X:1\nT:é"],
            "expected characters that were learned, got 'é', first at character 7",
        ),
        (["compose", "RUN", "--prime", "X", "--key", "D"], "got both"),
        (["compose", "no_such_run"], "no_such_run"),
        (["compose", "RUN", "--temperature", "0"], "--temperature: expected"),
        (["compose", "RUN", "--out", "."], "the folder is not empty"),
        (["train", "--data", "no_such.abc"], "no_such.abc: no such file"),
        (["train", "--data", "EMPTY"], "(1 dropped; the first: empty.abc: empty)"),
        (["train", "--steps", "0"], "--steps: expected"),
        (["train", "--data", "TUNES", "--length", "9000"], "too few tunes for --length 9000"),
        (["train", *SMALL, "--data", "TUNES", "--lr", "1e300"], "these settings: expected lr <="),
        (
            ["train", "--data", "TUNES", "--hidden", "100000", "--layers", "1000"],
            "these settings: expected at most 2147483648 numbers in the weights",
        ),
        (["train", "--resume", "no_such_run"], "no such run folder"),
        (["train", "--resume", "run", "--lr", "1", "--batch", "3"], "own settings; leave out --lr, --batch"),
        (["evaluate", "RUN", "--data", "OTHER"], "other characters than"),
        (["render", "EMPTY", "--out", "new"], "no tune that can be played"),
        (["dance"], "no command 'dance'"),
    ],
)
def test_wrong_use_is_one_line(arguments, message, trained, tunes, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.abc").touch()
    (tmp_path / "other.abc").write_text(tunes.read_text().replace("Tune", "Füne"))
    places = {"RUN": trained, "TUNES": tunes, "EMPTY": "empty.abc", "OTHER": "other.abc"}
    assert folk(*(places.get(word, word) for word in arguments)) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1 and told.startswith("folk")


def test_damaged_files(trained, tmp_path, capsys):
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    content = (run / "best.safetensors").read_bytes()
    tensors, metadata = load_checkpoint(run / "best.safetensors")
    for spoil, message in [
        (lambda path: path.write_bytes(content[:-50]), "damaged"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: save_checkpoint(path, tensors, {"config": {}}), "found no vocabulary"),
        (
            lambda path: save_checkpoint(path, tensors, metadata | {"vocabulary": "aa"}),
            "different characters",
        ),
        (lambda path: save_checkpoint(path, tensors, metadata | {"vocabulary": "ab"}), "weight"),
        (lambda path: path.unlink(), "no best.safetensors"),
    ]:
        spoil(run / "best.safetensors")
        assert folk("compose", run, "--n", 1) == 2
        told = capsys.readouterr().err
        assert message in told and told.count("\n") == 1


def test_learning_that_goes_astray(tunes, tmp_path):
    astray = ["--lr", 3e38, "--optimizer", "adam", "--out", tmp_path / "run"]
    with pytest.raises(SystemExit, match="^folk: error: at step .* holds step 0; try a lower --lr"):
        folk("train", *SMALL, "--steps", 40, "--data", tunes, *astray)
