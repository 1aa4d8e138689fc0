"""The built-in instrument, sample by sample, and other engines as far as this machine has them."""

import importlib.util
import shutil
import struct
import sys
import tracemalloc

import numpy as np
import pytest
from wav_files import samples

from encoders.audio import synthesiser
from encoders.audio.rendering import (
    BLOCK,
    CEILING,
    WavWriter,
    render_midi,
    sampled_engine,
    struck_string,
    write_wav,
)
from encoders.midi import MidiError, write_midi
from encoders.score import Note, Score, Track

SCORE = Score(480, [Track("a", [Note(0, 480, 60), Note(480, 480, 64), Note(480, 480, 67)])])


def play(path, notes, until, sample_rate=44100):
    with WavWriter(path, sample_rate) as wav:
        wav.add(notes, until)
    return samples(path)


def decibel(x):
    return 20 * np.log10(np.abs(x).max())


@pytest.mark.parametrize("pitch", [33, 60, 81, 100])
def test_a_string_sounds_at_its_pitch_and_dies_away(pitch):
    sound = struck_string(pitch, 5, 44100)
    spectrum = np.abs(np.fft.rfft(sound[:32768] * np.hanning(32768)))
    fundamental = 440 * 2 ** ((pitch - 69) / 12)
    frequencies = np.fft.rfftfreq(32768, 1 / 44100)
    near = np.abs(frequencies / fundamental - 1) < 0.06  # a semitone
    peak = frequencies[near][np.argmax(spectrum[near])]
    assert abs(peak - fundamental) < max(1.5, 0.004 * fundamental)
    assert np.sqrt(np.mean(sound[:8820] ** 2)) == pytest.approx(1, rel=1e-3)
    assert abs(sound[0]) < 0.01 and abs(sound[-1]) < 1e-3  # no click at either end
    quarter = sound.size // 4
    assert np.std(sound[-quarter:]) < 0.1 * np.std(sound[:quarter])


def test_a_harder_blow_is_brighter_and_low_notes_ring_longer():
    def centre(sound):
        power = np.abs(np.fft.rfft(sound[:16384])) ** 2
        return np.sum(power * np.arange(power.size)) / np.sum(power)

    assert centre(struck_string(60, 8, 44100)) > 1.2 * centre(struck_string(60, 1, 44100))
    assert struck_string(40, 5, 44100).size > 2 * struck_string(90, 5, 44100).size


def test_a_pitch_above_the_sample_rate_is_silent():
    assert not struck_string(127, 5, 8000).any()


def test_five_voices_are_loud_and_never_clip(tmp_path, rng):
    chords = rng.permuted(np.tile(np.arange(36, 84), (20, 1)), axis=1)[:, :5]
    notes = [(0.5 * i, 0.5, int(pitch), 85) for i, chord in enumerate(chords) for pitch in chord]
    sound = play(tmp_path / "a.wav", notes, 10)
    assert -4 < decibel(sound) < -1
    assert np.abs(sound.mean(axis=0)).max() < 1e-4  # no direct current
    loud = play(tmp_path / "b.wav", [(0, 2, pitch, 127) for pitch in range(40, 80)], 2)
    assert np.abs(loud).max() <= CEILING


def test_louder_notes_are_louder(tmp_path):
    soft, loud = (play(tmp_path / "a.wav", [(0, 1, 60, velocity)], 1) for velocity in (40, 110))
    assert 10 < decibel(loud) - decibel(soft) < 20


def test_no_click_where_a_note_ends(tmp_path):
    sound = play(tmp_path / "a.wav", [(0.1, 0.5, 60, 100)], 1)
    bend = np.abs(np.diff(sound, 2, axis=0))  # a click is a kink
    end = round(0.6 * 44100)
    assert bend[end - 200 : end + 20_000].max() <= 1.1 * bend[end - 4000 : end - 200].max()
    assert bend[: round(0.1 * 44100) - 1].max() == 0  # silence before
    assert bend[-4410:].max() == 0 and not sound[-1].any()  # and after


def test_pan_and_start_and_length(tmp_path):
    sound = play(tmp_path / "a.wav", [(1.0, 0.2, 60, 100, -1), (2.0, 0.2, 60, 100, 1)], 3)
    left, right = sound[44100:66150].std(axis=0)
    assert left > 4 * right  # what is right is the room
    left, right = sound[88200:110250].std(axis=0)
    assert right > 4 * left
    assert np.abs(sound[:44100]).max() == 0 < np.abs(sound[44100:44500]).max()
    assert 3 <= len(sound) / 44100 < 3 + 3 * BLOCK / 44100


def test_pieces_sound_the_same_as_the_whole(tmp_path, rng):
    notes = [(float(t), 0.6, int(rng.integers(40, 90)), 90) for t in np.sort(rng.uniform(0, 8, 60))]
    whole = play(tmp_path / "whole.wav", notes, 8, 22050)
    with WavWriter(tmp_path / "pieces.wav", 22050) as wav:
        for second in range(8):
            wav.add([note for note in notes if second <= note[0] < second + 1], second + 1)
    np.testing.assert_array_equal(samples(tmp_path / "pieces.wav"), whole)


def test_memory_does_not_grow_with_length(tmp_path):
    def peak(seconds):
        tracemalloc.start()
        with WavWriter(tmp_path / "a.wav", 8000) as wav:
            for second in range(seconds):
                wav.add([(second, 0.9, 60, 80)], second + 1)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(10)  # fills the caches
    assert peak(200) < 1.2 * peak(40)


def test_an_exception_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), WavWriter(tmp_path / "a.wav") as wav:
        wav.add([(0, 1, 60, 80)], 5)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "add, message",
    [
        (lambda wav: wav.add([(1.0, 1, 60, 80)], 1.0), "outside the piece from 0.0 to 1.0 s"),
        (lambda wav: [wav.add([], 2), wav.add([], 1)], "until must not decrease: 1 after 2"),
        (lambda wav: wav.add([], float("nan")), "until must not decrease"),
        (lambda wav: wav.add([(0, 1, 128, 80)], 1), r"expected \(start >= 0.*got \(0, 1, 128, 80\)"),
        (lambda wav: wav.add([(0, float("nan"), 60, 80)], 1), "expected"),
        (lambda wav: wav.add([(0, 1, 60, 80, 1.5)], 1), "expected"),
        (lambda wav: wav.add([], 7 * 3600), r"a\.wav: a WAV file ends at 4 GiB, here 6.8 hours"),
    ],
)
def test_bad_notes_are_refused_and_nothing_is_left(tmp_path, add, message):
    with pytest.raises(ValueError, match=message), WavWriter(tmp_path / "a.wav") as wav:
        add(wav)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_grows_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(synthesiser, "WAV_BYTES", 6 * BLOCK)
    with pytest.raises(ValueError, match="ends at 4 GiB"):
        play(tmp_path / "a.wav", [(0, 9, 30, 80)], 1)  # the sound goes on after `until`
    assert list(tmp_path.iterdir()) == []


def test_sample_rate_is_checked(tmp_path):
    with pytest.raises(ValueError, match="sample_rate must be between 8000 and 192000 Hz, got 1"):
        WavWriter(tmp_path / "a.wav", 1)


def test_a_writer_that_is_not_open_says_so(tmp_path):
    with pytest.raises(ValueError, match="inside its `with` block"):
        WavWriter(tmp_path / "a.wav").add([], 1)


def test_a_score_is_played_by_its_tempo_without_drums(tmp_path):
    score = Score(
        480,
        [Track("a", [Note(480, 480, 60)]), Track("drums", [Note(0, 480, 40)], channel=9)],
        tempos=((0, 30.0),),
    )
    write_wav(score, tmp_path / "a.wav")
    sound = samples(tmp_path / "a.wav")
    assert np.abs(sound[: 2 * 44100]).max() == 0 < np.abs(sound[2 * 44100 :]).max()
    write_wav(Score(480), tmp_path / "silence.wav")
    assert len(samples(tmp_path / "silence.wav")) == 0


def test_render_with_the_built_in_instrument(tmp_path):
    write_midi(SCORE, tmp_path / "a.mid")
    assert render_midi(tmp_path / "a.mid", tmp_path / "a.wav", engine="built-in") == "built-in"
    write_wav(SCORE, tmp_path / "b.wav")
    np.testing.assert_array_equal(samples(tmp_path / "a.wav"), samples(tmp_path / "b.wav"))


def test_auto_falls_back_to_the_built_in_instrument(tmp_path, monkeypatch):
    monkeypatch.delenv("SCRATCHNET_SOUNDFONT", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    write_midi(SCORE, tmp_path / "a.mid")
    assert sampled_engine() is None
    assert render_midi(tmp_path / "a.mid", tmp_path / "a.wav") == "built-in"
    assert decibel(samples(tmp_path / "a.wav")) > -20


def test_render_refuses(tmp_path, monkeypatch):
    write_midi(SCORE, tmp_path / "a.mid")
    (tmp_path / "bad.mid").write_bytes(b"junk")
    (tmp_path / "bad.sf2").write_bytes(b"junk")
    with pytest.raises(MidiError):
        render_midi(tmp_path / "bad.mid", tmp_path / "a.wav")
    with pytest.raises(ValueError, match="engine must be one of auto, fluidsynth, .* got 'piano'"):
        render_midi(tmp_path / "a.mid", tmp_path / "a.wav", engine="piano")
    for font in ("bad.sf2", "none.sf2"):
        with pytest.raises(ValueError, match=f"no soundfont .*{font}"):
            render_midi(tmp_path / "a.mid", tmp_path / "a.wav", "fluidsynth", tmp_path / font)
    monkeypatch.setenv("SCRATCHNET_SOUNDFONT", str(tmp_path / "bad.sf2"))
    with pytest.raises(ValueError, match="no soundfont"):
        sampled_engine()
    assert not (tmp_path / "a.wav").exists()


def test_a_failing_fluidsynth_is_reported(tmp_path, monkeypatch):
    write_midi(SCORE, tmp_path / "a.mid")
    (tmp_path / "font.sf2").write_bytes(b"RIFF" + struct.pack("<L", 4) + b"sfbk")
    program = tmp_path / "fluidsynth"
    program.write_text("#!/bin/sh\necho out of strings >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    with pytest.raises(ValueError, match="fluidsynth could not play .*a.mid with .*font.sf2: out of strings"):
        render_midi(tmp_path / "a.mid", tmp_path / "a.wav", "fluidsynth", tmp_path / "font.sf2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mid", "fluidsynth", "font.sf2"]


def test_without_symusic_the_extra_is_named(tmp_path, monkeypatch):
    write_midi(SCORE, tmp_path / "a.mid")
    (tmp_path / "font.sf2").write_bytes(b"RIFF" + struct.pack("<L", 4) + b"sfbk")
    monkeypatch.setitem(sys.modules, "symusic", None)
    with pytest.raises(ImportError, match=r'pip install "scratchnet\[audio\]"'):
        render_midi(tmp_path / "a.mid", tmp_path / "a.wav", "symusic", tmp_path / "font.sf2")


@pytest.mark.parametrize("engine", ["fluidsynth", "symusic"])
def test_sampled_engines_are_brought_to_full_loudness(tmp_path, engine):
    if engine == "symusic":
        pytest.importorskip("symusic", reason="needs the extra 'audio'")
    elif shutil.which("fluidsynth") is None:
        pytest.skip("needs the program fluidsynth on the PATH")
    if sampled_engine() is None:
        pytest.skip("a sampled instrument needs a soundfont on this machine")
    write_midi(SCORE, tmp_path / "a.mid")
    assert render_midi(tmp_path / "a.mid", tmp_path / "a.wav", engine) == engine
    sound = samples(tmp_path / "a.wav")
    assert decibel(sound) == pytest.approx(-1, abs=0.05)
    assert 0.9 < len(sound) / 44100 < 12
    assert {path.name for path in tmp_path.iterdir()} == {"a.mid", "a.wav"}
