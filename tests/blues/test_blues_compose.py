"""`python -m experiments.blues compose`: names, primers, tempo, and what renders the sound."""

import shutil
import sys
from pathlib import Path

import pytest
from commands import content
from tiny_blues import TRAINED, blues, compose, train, tune

from encoders.midi import read_midi, write_midi
from encoders.score import Note, Score, Track
from encoders.tokens.blues import melody as pitches_of
from experiments.blues import jobs
from experiments.blues.composing import prime_from_midi
from scratchnet.training.checkpoint import load_checkpoint

pytestmark = pytest.mark.usefixtures("tiny")


def composed(run, *arguments):
    """The Score that these flags lead to."""
    path = run.parent / f"tune{len(list(run.parent.iterdir()))}.mid"
    assert compose(run, "--out", path, *arguments) == 0
    return read_midi(path)


def test_compose_into_the_run_folder(run, capsys):
    assert blues("compose", run, "--choruses", 1, "--seed", 6, "--bpm", 400, "--engine", "built-in") == 0
    files = {f"composed-1.{suffix}" for suffix in ("mid", "wav", "png", "json")}
    assert set(content(run)) == TRAINED | files
    assert capsys.readouterr() == (
        f"1 chorus, 7 s: {run / 'composed-1.mid'}, composed-1.wav (sound: built-in)\n", ""
    )  # fmt: skip


def test_compose_without_sound_under_another_name(run, tmp_path):
    before = content(run)
    assert compose(run, "--out", tmp_path / "My Blues.MIDI") == 0
    assert content(run) == before
    assert set(content(tmp_path)) == {"My Blues.MIDI", "My Blues.png", "My Blues.json", "run"} | {
        f"run/{name}" for name in TRAINED
    }


def test_the_same_seed_composes_the_same(trained, tmp_path):
    one, again, other = (tmp_path / f"{name}.mid" for name in "abc")
    for path, seed in ((one, 1), (again, 1), (other, 2)):
        assert compose(trained, "--seed", seed, "--out", path) == 0
    assert one.read_bytes() == again.read_bytes() != other.read_bytes()


def test_how_long_and_how_fast(run):
    score = composed(run, "--choruses", 3, "--bpm", 72.5)
    assert score.end == 3 * 48 * 480
    assert score.tempos[0][1] == pytest.approx(72.5, rel=1e-5)


def test_temperature_matters(run):
    melodies = {
        tuple((note.start, note.pitch) for note in composed(run, "--temperature", heat).tracks[1].notes)
        for heat in (0.05, 1, 20)
    }
    assert len(melodies) == 3


@pytest.mark.parametrize("notes", [24, 5])
def test_a_piece_is_heard_first(run, notes):
    score = composed(run, "--prime", 1234, "--prime-notes", notes)
    expected = pitches_of(1234)[:notes].tolist()
    heard = [0] * notes
    for note in score.tracks[1].notes:
        for beat in range(note.start // 480, min(note.end // 480, notes)):
            heard[beat] = note.pitch
    assert heard == expected
    assert [note.pitch for note in score.tracks[0].notes if note.start == 0] == [48, 52, 55]


def test_a_midi_file_is_heard_first(run, tmp_path):
    score = composed(run, "--prime", tune(tmp_path / "a.mid", [61, 64, 69, 71]))
    notes = [note.pitch for note in score.tracks[1].notes if note.start < 4 * 480]
    assert notes == [61, 64, 69, 71]


def test_a_primer_of_twelve_bars_is_the_whole_first_chorus(run, tmp_path):
    path = tmp_path / "long.mid"
    write_midi(Score(96, [Track("a", [Note(0, 48 * 96, 66)])]), path)
    score = composed(run, "--prime", path)
    assert [(note.start, note.duration, note.pitch) for note in score.tracks[1].notes] == [(0, 48 * 480, 66)]


@pytest.mark.slow
@pytest.mark.parametrize("endings", ["gap", "onset"])
def test_other_formats_compose_too(tmp_path, endings):
    run = train(tmp_path / "run", "--endings", endings, "--steps-per-bar", 16, "--literal-bar-6", learn=2)
    score = composed(run.folder, "--prime", 77)
    assert score.end <= 48 * 480
    first = [note for note in score.tracks[1].notes if note.start < 24 * 480]
    assert [note.pitch for note in first] == pitches_of(77)[:24].tolist()
    assert {note.duration for note in first[:-1]} == {480}
    path = tmp_path / "again.mid"
    assert compose(run.folder, "--prime", 77, "--out", path) == 0
    with pytest.raises(ValueError, match=r"expected 1\.\.24 melody notes"):
        prime_from_midi(path)  # it has more than a primer


@pytest.mark.parametrize("suffix", ["mid", "wav", "png"])
def test_what_is_there_is_not_overwritten_unless_asked_for(run, tmp_path, refused, suffix):
    there, out = tmp_path / f"tune.{suffix}", tmp_path / "tune.mid"
    there.write_bytes(b"dear to me")
    before = content(tmp_path)
    flags = ("compose", run, "--choruses", 1, "--bpm", 400, "--engine", "built-in", "--out", out)
    assert f"{there} is there already" in refused(*flags)
    assert content(tmp_path) == before
    assert blues(*flags, "--overwrite") == 0
    assert there.read_bytes() != b"dear to me"


def test_without_sound_a_wav_file_may_stay(run, tmp_path):
    (tmp_path / "tune.wav").write_bytes(b"dear to me")
    assert compose(run, "--out", tmp_path / "tune.mid") == 0
    assert (tmp_path / "tune.wav").read_bytes() == b"dear to me"


def test_a_run_folder_is_not_overwritten_unless_asked_for(run, refused):
    before = content(run)
    assert f"{run}: the folder is not empty" in refused("train", "--learn", 2, "--out", run)
    assert content(run) == before
    assert blues("train", "--learn", 2, "--quiet", "--out", run, "--overwrite") == 0
    assert load_checkpoint(run / "checkpoint.safetensors")[1]["trainer"]["batches"]["done"] == 2


@pytest.fixture
def engines(monkeypatch):
    """Pretend that these are installed: `engines(("fluidsynth", font))`, `engines(None)`."""

    def pretend(found):
        monkeypatch.setattr(jobs, "sampled_engine", lambda: found)
        monkeypatch.setattr(jobs.shutil, "which", lambda name: found and f"/usr/bin/{name}")

    return pretend


def test_a_sampled_piano_plays_where_there_is_one(run, tmp_path, engines, monkeypatch, capsys):
    played = []
    monkeypatch.setattr(jobs, "render_midi", lambda *given: played.append(given))
    engines(("fluidsynth", Path("piano.sf2")))
    out = tmp_path / "tune.mid"
    flags = ("compose", run, "--choruses", 1, "--out", out, "--overwrite")
    assert blues(*flags) == 0
    assert played == [(out, tmp_path / "tune.wav", "fluidsynth")]
    assert "(sound: fluidsynth)" in capsys.readouterr().out


def test_if_it_fails_the_built_in_instrument_plays(run, tmp_path, engines, monkeypatch, capsys):
    played = []

    def render(midi, wav, engine):
        played.append(engine)
        if engine != "built-in":
            raise ValueError("fluidsynth could not play")
        return engine

    monkeypatch.setattr(jobs, "render_midi", render)
    engines(("fluidsynth", Path("piano.sf2")))
    flags = ("compose", run, "--choruses", 1, "--out", tmp_path / "tune.mid", "--overwrite")
    assert blues(*flags) == 0
    assert played == ["fluidsynth", "built-in"]
    out = capsys.readouterr().out
    assert "fluidsynth could not play; the built-in" in out and "(sound: built-in)" in out
    assert blues(*flags, "--engine", "fluidsynth") == 2
    assert "--engine: fluidsynth could not play" in capsys.readouterr().err


def test_engines_that_are_not_there_are_refused_before_the_work(run, refused, engines, capsys, monkeypatch):
    before = content(run)
    engines(None)
    assert "--engine: there is no program fluidsynth" in refused("compose", run, "--engine", "fluidsynth")
    monkeypatch.setitem(sys.modules, "symusic", None)
    assert blues("compose", run, "--engine", "symusic") == 3
    assert 'pip install "scratchnet[audio]"' in capsys.readouterr().err
    assert content(run) == before


def test_a_bad_soundfont_is_refused_before_the_work(run, refused, monkeypatch, tmp_path):
    monkeypatch.setenv("SCRATCHNET_SOUNDFONT", str(tmp_path / "none.sf2"))
    before = content(run)
    if shutil.which("fluidsynth") is None:
        monkeypatch.setattr(
            jobs, "sampled_engine", lambda: jobs.render_midi.__globals__["_find_soundfont"](None)
        )
    assert "$SCRATCHNET_SOUNDFONT" in refused("compose", run)
    assert "none.sf2" in refused("--learn", 2, "--out", tmp_path / "new")
    assert content(run) == before and not (tmp_path / "new").exists()
