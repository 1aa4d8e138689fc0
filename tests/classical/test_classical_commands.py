"""`python -m experiments.classical` as its users meet it: files, messages, refusals."""

import json
import shutil

import pytest
from classical_files import write_corpus
from commands import Command
from piano_files import make_piece

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
pytest.importorskip("matplotlib", reason="needs the extra 'experiments'")
pytest.importorskip("pooch", reason="needs the extra 'data'")
from encoders.midi import read_midi, write_midi
from scratchnet.training.checkpoint import load_checkpoint, save_checkpoint

SMALL = "--window 10 --width 0.02 --batch 4 --steps 12 --eval-every 6 --quiet".split()


classical = Command("classical")
pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, pieces):
    """A small run of two builds, which no test changes."""
    folder = tmp_path_factory.mktemp("runs") / "trained"
    arguments = ["--architectures", "model2", "model5", "--length", 12, "--engine", "built-in"]
    assert classical(*SMALL, "--data", pieces, "--out", folder, *arguments) == 0
    return folder


def test_everything(trained):
    assert {path.name for path in trained.iterdir()} == {
        "config.yaml", "environment.json", "metrics.json", "learning.png", "table.md", "samples.json",
        "samples", "model2", "model5",
    }  # fmt: skip
    table = (trained / "table.md").read_text()
    assert "| model2 |" in table and "| model5 |" in table and "| uniform |" in table
    assert "94%, 68%" in table and "5.4 million and 2.5 million" in table
    samples = json.loads((trained / "samples.json").read_text())
    assert [(row["source"], row["primed"]) for row in samples] == [
        ("model2", True), ("model5", True), ("human", False), ("human", False),
    ]  # fmt: skip
    for row in samples:
        wav = trained / row["file"]
        assert wav.stat().st_size > 1000
        assert wav.with_suffix(".png").exists()
        score = read_midi(wav.with_suffix(".mid"))
        if row["primed"]:
            assert score.tracks[0].name == "given"
            assert row["primer_seconds"] == pytest.approx(score.seconds(score.tracks[1].notes[0].start))
    metrics = json.loads((trained / "metrics.json").read_text())
    assert set(metrics["repetition"]) == {"model2", "model5", "human"}
    own = json.loads((trained / "model2" / "metrics.json").read_text())
    assert own.pop("chosen by")["step"] == own["best_step"]
    assert metrics["builds"]["model2"] == [own] and f"| {own['test']['nats']:.3f} |" in table


def test_a_run_of_several_goes_on_where_it_stopped(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    shutil.rmtree(run / "model5")
    before = (run / "model2" / "log.jsonl").read_bytes()
    assert classical("--resume", run, "--quiet") == 0
    assert (run / "model2" / "log.jsonl").read_bytes() == before
    best = "model5/best.safetensors"
    assert (run / best).read_bytes() == (trained / best).read_bytes()


def test_going_on_is_as_if_it_had_not_stopped(trained, pieces, tmp_path, monkeypatch):
    from scratchnet.training.trainer import Trainer

    step, run = Trainer.step, tmp_path / "run"

    def broken(self):
        if self.steps == 8:
            raise RuntimeError("power cut")
        return step(self)

    arguments = [*SMALL, "--data", pieces, "--architecture", "model5", "--out", run, "--save-every", 3]
    monkeypatch.setattr(Trainer, "step", broken)
    with pytest.raises(RuntimeError, match="power cut"):
        classical("train", *arguments)
    monkeypatch.setattr(Trainer, "step", step)
    assert classical("train", "--resume", run, "--quiet") == 0
    assert (run / "best.safetensors").read_bytes() == (trained / "model5" / "best.safetensors").read_bytes()


def test_evaluate_gives_the_same_table(trained, tmp_path, capsys):
    assert classical("evaluate", trained, "--quiet", "--out", tmp_path / "out") == 0
    again = (tmp_path / "out" / "table.md").read_text().splitlines()
    assert again == (trained / "table.md").read_text().splitlines()


def test_an_embedding_is_drawn(pieces, tmp_path, capsys):
    run = tmp_path / "run"
    options = [
        "--input",
        "embedding",
        "--embedding",
        4,
        "--architecture",
        "model3",
        "--noise",
        0.1,
        "--transpose",
        0.5,
    ]
    assert classical("train", *SMALL, "--data", pieces, "--out", run, *options) == 0
    assert (run / "embedding.png").exists() and "semitones apart" in capsys.readouterr().out
    assert "12" in json.loads((run / "metrics.json").read_text())["similarity by semitones"]


def test_compose(trained, tmp_path, capsys):
    prime = tmp_path / "prime.mid"
    write_midi(make_piece(99), prime)
    weights = trained / "model5" / "best.safetensors"
    arguments = ["--n", 2, "--length", 9, "--prime", prime, "--seed", 3, "--no-wav", "--quiet", "--bpm", 90]
    assert classical("compose", weights, "--out", tmp_path / "out", *arguments) == 0
    said = capsys.readouterr().out
    assert "2 pieces of 9 symbols" in said and "times in a row" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *(f"{k}{end}" for k in ("01", "02") for end in (".mid", ".png", ".txt")),
        "composed.json",
    ]
    assert len((tmp_path / "out" / "01.txt").read_text().split()) == 9
    assert read_midi(tmp_path / "out" / "01.mid").tempos[0][1] == pytest.approx(90)
    assert classical("compose", trained / "model5", "--out", tmp_path / "again", *arguments) == 0
    assert (tmp_path / "again" / "02.mid").read_bytes() == (tmp_path / "out" / "02.mid").read_bytes()
    out = tmp_path / "window"
    assert classical("compose", trained / "model5", "--out", out, "--no-wav", "--quiet", "--top-k", 1) == 0


def test_transfer(trained, tmp_path, capsys):
    other = write_corpus(tmp_path / "other", (6, 1, 1))
    out = tmp_path / "out"
    options = ["--data", other, "--quiet", "--steps", 6, "--freeze", 1, "--out", out]
    assert classical("transfer", trained / "model5", *options) == 0
    table = (out / "table.md").read_text()
    assert (
        "nothing learned yet" in table and "continued, 1 layers frozen" in table and "from nothing" in table
    )
    assert (out / "continued" / "best.safetensors").exists()
    assert classical("transfer", trained / "model5", *options) == 2  # the folder is there


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "none.mid"], "no such file"),
        (["--data", "EMPTY"], "no file *.mid"),
        (["--data", "PIECES", "--architectures", "model8"], "expected one of baseline, model1, model2"),
        (["train", "--data", "PIECES", "--architecture", "lstm"], "expected one of baseline"),
        (["search", "--data", "PIECES", "--architectures", "x", "--out", "s"], "expected one of baseline"),
        (["search", "--data", "PIECES", "--seeds", "200", "--out", "s"], "expected seeds below"),
        (["train", "--data", "PIECES", "--window", "5000"], "symbols, no more than the window of 5000"),
        (["train", "--data", "PIECES", "--window", "10", "--batch", "9000"], "too little music"),
        (["train", "--data", "PIECES", "--window", "4", "--architecture", "model7"], "too short for model7"),
        (["train", "--resume", "none"], "no such run folder"),
        (["--resume", "run", "--steps", "3"], "leave out --steps"),
        (["compose", "none"], "none"),
        (["compose", "TRAINED/model2", "--prime", "none.mid", "--out", "x"], "none.mid: cannot be read"),
        (["compose", "TRAINED/model2", "--prime", "bad.mid", "--out", "x"], "MIDI"),
        (["compose", "TRAINED/model2", "--prime", "short.mid", "--out", "x"], "expected at least 10 symbols"),
        (["compose", "TRAINED/model2", "--temperature", "0"], "--temperature"),
        (["evaluate", "."], "there is no config.yaml"),
        (["transfer", "TRAINED/model2", "--data", "PIECES", "--freeze", "9", "--out", "t"], "leave one to"),
        (["transfer", "none", "--data", "PIECES"], "none"),
    ],
)  # fmt: skip
def test_one_line_and_status_2(trained, pieces, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.mid").write_bytes(b"MThd, or not")
    write_midi(make_piece(1, 1), tmp_path / "short.mid")
    words = {"TRAINED": str(trained), "PIECES": str(pieces), "EMPTY": "empty"}
    for word, meaning in words.items():
        arguments = [argument.replace(word, meaning) for argument in arguments]
    assert classical(*arguments, "--quiet") == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and message in said.err


def test_without_a_network_there_is_one_line(tmp_path, monkeypatch, capsys):
    from experiments.common.errors import UserError

    def offline(*arguments):
        raise UserError("cannot be downloaded; give MIDI files with --data FOLDER")

    monkeypatch.setattr("experiments.common.midi_pieces.fetch", offline)
    assert classical("--out", tmp_path / "run") == 2
    assert "--data FOLDER" in capsys.readouterr().err and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        {"vocabulary": ["C4_quarter", "<b>"]}, {"vocabulary": []}, {"vocabulary": 3}, {"encoder": {}},
        {"config": {}}, {"vocabulary": ["C4_quarter"]}, {"encoder": None},
    ],
)  # fmt: skip
def test_a_strangers_network_is_refused(trained, tmp_path, capsys, spoil):
    tensors, metadata = load_checkpoint(trained / "model2" / "best.safetensors")
    save_checkpoint(tmp_path / "best.safetensors", tensors, metadata | spoil)
    assert classical("compose", tmp_path / "best.safetensors", "--out", tmp_path / "out", "--quiet") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "do not fit" in said


@pytest.mark.slow
def test_to_overwrite_is_to_begin_afresh(trained, tmp_path):
    other, run = write_corpus(tmp_path / "other", (4, 1, 1)), tmp_path / "run"
    arguments = ["--data", other, "--architectures", "model2", "--length", 4, "--out", run]
    assert classical(*SMALL, *arguments) == 0
    first = (run / "model2" / "best.safetensors").read_bytes()
    assert classical(*SMALL, *arguments, "--overwrite", "--seed", 1) == 0
    assert (run / "model2" / "best.safetensors").read_bytes() != first
    assert classical(*SMALL, *arguments, "--overwrite") == 0
    assert (run / "model2" / "best.safetensors").read_bytes() == first
