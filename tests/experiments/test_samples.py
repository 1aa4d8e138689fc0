"""What run folders offer to listeners: lists and files, honest and hostile."""

import json
import math
import os
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listening import write_run, write_tone

from experiments.common.errors import UserError
from experiments.common.samples import LIST_BYTES, Sample, read_list, read_runs, unique_names
from experiments.listen.sound import TARGET, gated_power, read_wav, take_in


def refusal(function, *arguments):
    """The message of the UserError that a call raises: one line."""
    with pytest.raises(UserError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value) and str(caught.value).isprintable()
    return str(caught.value)


def read_run(folder):
    return read_runs([folder])


def list_of(folder, *entries):
    folder.mkdir(exist_ok=True)
    (folder / "samples.json").write_text(json.dumps(entries))
    return folder


# Lists --------------------------------------------------------------------------------------------


def test_a_list_says_whose_and_whether_primed(tmp_path):
    run = tmp_path / "run"
    write_tone(run / "composed/3.wav")
    entry = {
        "file": "composed/3.wav",
        "source": "lstm",
        "primed": True,
        "title": "Étude",
        "primer_seconds": 8,
    }
    list_of(run, entry, {**entry, "primed": False, "title": None, "unknown": 1, "primer_seconds": None})
    path = run / "composed/3.wav"
    assert read_run(run) == [Sample(path, "lstm", True, "Étude", 8.0), Sample(path, "lstm")]


def test_without_a_list_the_sound_files_count(tmp_path):
    for name in ("a.wav", "composed-1/b.WAV", "tunes/c.wav", "tunes/deeper/d.wav", ".hidden/e.wav"):
        write_tone(tmp_path / "my run" / name)
    (tmp_path / "my run" / "notes.txt").touch()
    found = read_run(tmp_path / "my run")
    assert [(s.path.name, s.source, s.primed, s.title) for s in found] == [
        ("a.wav", "my run", False, "a"), ("b.WAV", "my run composed-1", False, "b"),
        ("c.wav", "my run", False, "c"),
    ]  # fmt: skip


def test_folders_of_one_name_are_different_sources(tmp_path):
    for name in ("a/samples", "b/samples", "c"):
        write_tone(tmp_path / name / "1.wav")
    found = read_runs([tmp_path / "a/samples", tmp_path / "b/samples", tmp_path / "c"])
    assert [sample.source for sample in found] == ["a/samples", "b/samples", "c"]
    assert (
        unique_names([Path("x/y"), Path("x/y")]) == [str(Path("x/y").resolve())] * 2
        and unique_names([]) == []
    )


def test_what_was_composed_later_is_a_source_of_its_own(tmp_path):
    for name in ("tunes/1.wav", "composed-1/1.wav", "composed-2/1.wav", "composed-x/1.wav"):
        write_tone(tmp_path / "folk" / name)
    told = {"experiment": "folk", "options": {"prime": "X:1"}}
    (tmp_path / "folk/composed-2/composed.json").write_text(json.dumps(told))
    assert [sample.kind for sample in read_run(tmp_path / "folk")] == [
        "folk composed-1", "folk composed-2 primed", "folk", "folk",
    ]  # fmt: skip
    assert [sample.kind for sample in read_run(tmp_path / "folk/composed-2")] == ["composed-2 primed"]


def test_people_among_the_models(tmp_path):
    run = write_run(tmp_path / "run", "rnn", pieces=1)
    write_tone(tmp_path / "people" / "chopin.wav")
    sources = [(sample.source, sample.primed) for sample in read_runs([run], tmp_path / "people")]
    assert sources == [("rnn", False), ("rnn", True), ("human", False)]


def run_of(folder, *entries):
    """A run folder, marked as one, with a list."""
    list_of(folder, *entries)
    (folder / "environment.json").write_text('{"scratchnet run": 1}')
    return folder


def test_a_folder_inside_a_run_is_told_apart_by_the_list_of_the_run(tmp_path):
    run = tmp_path / "run"
    for name in ("samples/1.wav", "samples/2.wav", "other/3.wav", "unlisted/4.wav"):
        write_tone(run / name)
    rows = [("samples/1.wav", "lstm", True), ("samples/2.wav", "human", False), ("other/3.wav", "rnn", False)]
    entries = [{"file": file, "source": source, "primed": primed} for file, source, primed in rows]
    list_of(run, *entries)
    assert [s.source for s in read_run(run / "samples")] == ["samples"] * 2  # of somebody else's folder
    run_of(run, *entries)
    assert [(s.kind, s.path) for s in read_run(run / "samples")] == [
        ("lstm primed", run / "samples/1.wav"), ("human", run / "samples/2.wav"),
    ]  # fmt: skip
    assert [s.kind for s in read_run(run / "other")] == ["rnn"]
    assert [s.source for s in read_run(run / "unlisted")] == ["unlisted"]
    assert (
        [s.path.name for s in read_runs([], run)]
        == ["2.wav"]
        == [s.path.name for s in read_runs([], run / "samples")]
    )
    assert "expected pieces by people" in refusal(read_runs, [], run / "other")


def test_what_lies_beside_the_sound(tmp_path):
    run = tmp_path / "run"
    for name in ("a.mid", "a.abc", "b.abc", "c.wav", "e.mid"):
        write_tone(run / name)
    (run / "f.mid").symlink_to(write_tone(tmp_path / "secret.wav"))
    rows = [{**GOOD, "file": f"{letter}.wav", "primed": letter == "b"} for letter in "abcdef"]
    missing = []
    found = read_list(list_of(run, *rows), (".mid", ".abc"), missing)
    assert [(s.kind, s.path.name) for s in found] == [
        ("lstm", "a.mid"),
        ("lstm primed", "b.abc"),
        ("lstm", "e.mid"),
    ]
    assert [where.rpartition(" ")[2] for where, _ in missing] == ["3", "4", "6"]
    assert missing[0][1] == "no .mid or .abc beside c.wav" and "leads out" in missing[2][1]
    assert "no .mid beside b.wav" in refusal(read_list, run, (".mid",))
    assert read_list(tmp_path) is None is read_list(tmp_path / "nowhere")


def test_a_folder_of_runs_is_no_source(tmp_path):
    write_run(tmp_path / "piano-1", "lstm", pieces=1)
    write_tone(tmp_path / "a.wav")
    assert "piano-1 in it has a samples.json" in refusal(read_run, tmp_path)


GOOD = {"file": "a.wav", "source": "lstm", "primed": False}
BAD_ENTRIES = [
    ("text", "expected an object"),
    ({}, "expected file"),
    ({**GOOD, "file": 3}, "expected file"),
    ({**GOOD, "file": "b.wav"}, "no such file"),
    ({**GOOD, "file": "\x00"}, "expected file"),
    ({**GOOD, "file": "../secret.wav"}, "inside the run folder"),
    ({**GOOD, "file": "sub/../../secret.wav"}, "inside the run folder"),
    ({**GOOD, "file": "/etc/passwd"}, "inside the run folder"),
    ({**GOOD, "file": "..\\secret.wav"}, "inside the run folder"),
    ({**GOOD, "file": "C:a.wav"}, "inside the run folder"),
    ({**GOOD, "file": "way out.wav"}, "link that leads out"),
    ({**GOOD, "file": "folder out/secret.wav"}, "link that leads out"),
    ({**GOOD, "file": "circle.wav"}, "no such file"),
    ({**GOOD, "file": "pipe.wav"}, "expected a file"),
    ({**GOOD, "file": "sub"}, "expected a file"),
    ({**GOOD, "file": "."}, "expected a file"),
    ({**GOOD, "source": ""}, "expected source"),
    ({**GOOD, "source": "   "}, "expected source"),
    ({**GOOD, "source": "a\nb"}, "expected source"),
    ({**GOOD, "source": "\ud800"}, "expected source"),
    ({**GOOD, "source": "x" * 201}, "expected source"),
    ({**GOOD, "primed": 1}, "expected primed"),
    ({**GOOD, "primed": "false"}, "expected primed"),
    ({**GOOD, "title": ["a"]}, "expected title"),
    ({**GOOD, "primer_seconds": -1}, "expected primer_seconds"),
    ({**GOOD, "primer_seconds": math.nan}, "expected primer_seconds"),
    ({**GOOD, "primer_seconds": math.inf}, "expected primer_seconds"),
    ({**GOOD, "primer_seconds": True}, "expected primer_seconds"),
]


@pytest.mark.parametrize("entry, message", BAD_ENTRIES, ids=lambda value: str(value)[:50])
def test_bad_entries(entry, message, tmp_path):
    run = tmp_path / "run"
    write_tone(run / "a.wav")
    write_tone(tmp_path / "secret.wav")
    (run / "sub").mkdir()
    (run / "way out.wav").symlink_to(tmp_path / "secret.wav")
    (run / "folder out").symlink_to(tmp_path)
    (run / "circle.wav").symlink_to(run / "circle.wav")
    os.mkfifo(run / "pipe.wav")
    said = refusal(read_run, list_of(run, GOOD, entry))
    assert message in said and "sample 2" in said


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "not a JSON file"),
        (b"\xff\xfe", "not a JSON file"),
        (b"[" * 100_000, "not a JSON file"),
        (b"{}", "expected a list"),
        (b"[]", "expected a list"),
        (b"[" + b"0," * 2000 + b"0]", "expected a list of 1 to"),
        (b" " * (LIST_BYTES + 1), "at most"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_bad_lists(content, message, tmp_path):
    (tmp_path / "samples.json").write_bytes(content)
    assert message in refusal(read_run, tmp_path)


def test_a_list_that_leads_out(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "list.json").write_text("[]")
    (run / "samples.json").symlink_to(tmp_path / "list.json")
    assert "leads out" in refusal(read_run, run)
    (run / "samples.json").unlink()
    os.mkfifo(run / "samples.json")
    assert "expected a file" in refusal(read_run, run)


def test_bad_folders(tmp_path):
    assert "no such folder" in refusal(read_run, tmp_path / "nowhere")
    (tmp_path / "file").touch()
    assert "got a file" in refusal(read_run, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert "nothing to hear" in refusal(read_run, tmp_path / "empty")
    assert "nothing to hear" in refusal(read_runs, [], tmp_path / "empty")
    write_tone(tmp_path / "secret.wav")
    (tmp_path / "empty" / "x.wav").symlink_to(tmp_path / "secret.wav")
    assert "leads out" in refusal(read_run, tmp_path / "empty")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
entries = st.fixed_dictionaries(
    {}, optional={key: json_values for key in ("file", "source", "primed", "title", "primer_seconds")}
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(json_values | entries, max_size=3) | json_values)
def test_any_json_is_read_or_refused(tmp_path, content):
    write_tone(tmp_path / "a.wav", 0.5)
    (tmp_path / "samples.json").write_text(json.dumps(content))
    refusal(read_run, tmp_path)  # no drawn text names a file that is there


# Sound --------------------------------------------------------------------------------------------


def level_of(path):
    channels, rate, sound = read_wav(path)
    return 10 * math.log10(gated_power(sound, rate))


def test_all_get_one_loudness(tmp_path):
    quiet = write_tone(tmp_path / "quiet.wav", loudness=0.02)
    loud = write_tone(tmp_path / "loud.wav", loudness=0.9, channels=2)
    for path, before in ((quiet, 0.02), (loud, 0.9)):
        heard = take_in(path, tmp_path)
        assert heard.loudness == pytest.approx(10 * math.log10(before**2 / 2), abs=0.05)
        assert level_of(tmp_path / f"{heard.digest}.wav") == pytest.approx(TARGET, abs=0.05)
        assert heard.seconds == 1.0


def test_peaks_are_not_cut(tmp_path):
    path = tmp_path / "click.wav"
    sound = np.full((8000, 1), 20, "<i2")
    sound[::800] = 20000
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(sound.tobytes())
    copy = read_wav(tmp_path / f"{take_in(path, tmp_path).digest}.wav")[2]
    assert 25000 < copy.max() < 32767


def test_silence_between_phrases_does_not_count():
    rate = 8000
    tone = 0.2 * np.sin(np.arange(rate * 2))
    with_pause = np.concatenate([tone, np.zeros(rate * 6), tone])
    as_wav = [np.rint(x * 32767).astype(np.int16)[:, None] for x in (tone, with_pause)]
    assert gated_power(as_wav[0], rate) == pytest.approx(gated_power(as_wav[1], rate), rel=0.02)
    assert gated_power(np.zeros((800, 2), np.int16), rate) == 0


def test_unlevelled_copies_are_equal_sound_without_what_else_the_file_holds(tmp_path):
    path = write_tone(tmp_path / "a.wav")
    clean = path.read_bytes()
    note = b"LIST\x1a\x00\x00\x00INFOISFT\x0e\x00\x00\x00made by a LSTM"
    size = len(clean) + len(note) - 8
    path.write_bytes(clean[:4] + size.to_bytes(4, "little") + clean[8:] + note)
    heard = take_in(path, tmp_path, level=False)
    assert (tmp_path / f"{heard.digest}.wav").read_bytes() == clean
    assert take_in(path, tmp_path, level=False) == heard
    assert take_in(path, tmp_path).digest != heard.digest


def test_silence_can_be_taken(tmp_path):
    heard = take_in(write_tone(tmp_path / "a.wav", loudness=0), tmp_path)
    assert heard.loudness == -math.inf and not read_wav(tmp_path / f"{heard.digest}.wav")[2].any()


def wav_bytes(channels=1, width=2, rate=8000, frames=8000):
    import io

    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((channels, width, rate, 0, "NONE", ""))
        wav.writeframes(bytes(channels * width * frames))
    return file.getvalue()


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "expected a WAV"),
        (b"RIFF", "expected a WAV"),
        (b"ID3\x03 an mp3 under another name", "expected a WAV"),
        (wav_bytes(width=1), "16-bit"),
        (wav_bytes(width=3), "16-bit"),
        (wav_bytes(channels=6), "mono or stereo"),
        (wav_bytes(rate=4000), "8 to 192 kHz"),
        (wav_bytes(frames=0), "0.5 s to 20 minutes"),
        (wav_bytes(frames=3000), "0.5 s to 20 minutes"),
        (wav_bytes()[:-100], "cut short"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_is_no_sound(content, message, tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert message in refusal(take_in, path, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


def test_what_is_too_big(tmp_path):
    path = write_tone(tmp_path / "a.wav")
    os.truncate(path, 300_000_000)  # a hole: nothing is written
    assert "at most 200 MB" in refusal(take_in, path, tmp_path)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 43), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, 8044)
)
def test_damaged_headers_are_read_or_refused(tmp_path, changes, length):
    content = bytearray(wav_bytes(frames=4000))
    for place, value in changes:
        content[place] = value
    path = tmp_path / "a.wav"
    path.write_bytes(content[:length] if length % 3 == 0 else content)
    try:
        take_in(path, tmp_path)
    except UserError as error:
        assert str(error).startswith(str(path))
