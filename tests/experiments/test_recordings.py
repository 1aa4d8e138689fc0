import pytest

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
from encoders.audio.synthesiser import WavWriter
from experiments.recordings.__main__ import program


def recordings(*arguments):
    return program.main([str(argument) for argument in arguments])


@pytest.fixture
def wav(tmp_path):
    with WavWriter(tmp_path / "a.wav", 22050) as file:
        file.add([(0.0, 0.2, 60, 90)], 0.2)
    return tmp_path / "a.wav"


def test_beside_the_sound_or_in_a_folder(wav, tmp_path, capsys):
    pytest.importorskip("soundfile", reason="needs the extra 'audio'")
    assert recordings(wav) == 0
    assert recordings(wav, "--kind", "ogg", "--out", tmp_path / "sent") == 0
    assert (tmp_path / "a.mp3").exists() and (tmp_path / "sent" / "a.ogg").exists()
    assert "a.mp3, 0.0" in capsys.readouterr().out
    assert recordings(wav) == 2 and "there already" in capsys.readouterr().err
    assert recordings(wav, "--overwrite") == 0


@pytest.mark.parametrize("names", [["b.wav"], ["a.wav", "x/../a.wav"]])
def test_what_cannot_be_is_said_before_anything_is_written(wav, tmp_path, capsys, names):
    (tmp_path / "x").mkdir()
    assert recordings(*(tmp_path / name for name in names), "--out", tmp_path / "sent") == 2
    assert capsys.readouterr().err.startswith("recordings: error: ")
    assert not (tmp_path / "sent").exists()
