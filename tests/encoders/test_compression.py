"""WAV files as MP3, Ogg Vorbis and FLAC."""

import sys

import numpy as np
import pytest
from wav_files import samples

from encoders.audio.compression import FORMATS, compress
from encoders.audio.synthesiser import WavWriter

KINDS = sorted(FORMATS)


@pytest.fixture(scope="module")
def wav(tmp_path_factory):
    """Four notes, three seconds."""
    path = tmp_path_factory.mktemp("sound") / "notes.wav"
    with WavWriter(path, 44100) as file:
        file.add([(0.5 * k, 0.5, 60 + 4 * k, 90) for k in range(4)], 2.0)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_the_sound_is_the_same_and_smaller(wav, tmp_path, kind):
    soundfile = pytest.importorskip("soundfile", reason="needs the extra 'audio'")
    path = tmp_path / f"notes{kind}"
    compress(wav, path)
    before, (after, rate) = samples(wav), soundfile.read(path)
    assert rate == 44100 and abs(len(after) - len(before)) < 0.1 * rate
    assert path.stat().st_size < (0.8 if kind == ".flac" else 0.2) * wav.stat().st_size
    if kind == ".flac":
        np.testing.assert_array_equal(after, before)
    lines = [np.abs(np.fft.rfft(x[22050:44100, 0])) for x in (before, after)]  # one note
    assert lines[0].argmax() == pytest.approx(lines[1].argmax(), abs=1)
    assert np.std(after) == pytest.approx(np.std(before), rel=0.05)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_names_that_are_no_format(wav, tmp_path):
    with pytest.raises(ValueError, match=r"\.mp3.*got a\.wma"):
        compress(wav, tmp_path / "a.wma")


def test_what_is_no_sound(tmp_path):
    pytest.importorskip("soundfile", reason="needs the extra 'audio'")
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    with pytest.raises(ValueError, match="text.wav: not a sound"):
        compress(text, tmp_path / "text.mp3")
    assert not (tmp_path / "text.mp3").exists()


def test_the_package_that_is_missing_is_named(wav, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ImportError, match=r"scratchnet\[audio\]"):
        compress(wav, tmp_path / "notes.mp3")
