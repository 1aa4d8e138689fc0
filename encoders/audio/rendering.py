"""Sound: notes to a WAV file, without a soundfont, another program or a network.

`write_wav` plays a score on the built-in instrument, a struck string (synthesiser.py); `render_midi` plays a
MIDI file, and prefers a sampled instrument if one is installed: FluidSynth, or symusic with a soundfont.
"""

import importlib.util
import io
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np

from scratchnet.files import atomic_open, temporary_folder

from ..midi.files import read_midi
from ..score import Score
from ..sources import StrPath
from .synthesiser import BLOCK, CEILING, WAV_BYTES, WavWriter, struck_string, wave_file

__all__ = [
    "BLOCK",
    "CEILING",
    "ENGINES",
    "WavWriter",
    "render_midi",
    "sampled_engine",
    "struck_string",
    "write_wav",
]

MAX_FONT_MINUTES = 20  # symusic renders in memory
ENGINES = ("auto", "fluidsynth", "symusic", "built-in")


def write_wav(score: Score, path: StrPath, sample_rate: int = 44100) -> None:
    """Play a score on the built-in instrument into a WAV file. Drum tracks are left out.

    Parameters
    ----------
    score : Score
    path : path-like
    sample_rate : int, in Hertz
    """
    notes = [note for track in score.tracks if not track.is_drums for note in track.notes]
    starts = score.seconds(np.array([note.start for note in notes], dtype=np.int64))
    ends = score.seconds(np.array([note.end for note in notes], dtype=np.int64))
    with WavWriter(path, sample_rate) as wav:
        played = [
            (start, end - start, note.pitch, note.velocity)
            for note, start, end in zip(notes, starts.tolist(), ends.tolist(), strict=True)
        ]
        wav.add(played, score.seconds(score.end))


def sampled_engine(soundfont: StrPath | None = None) -> tuple[str, Path] | None:
    """The sampled instrument that `render_midi` would use.

    Parameters
    ----------
    soundfont : path-like, or None for the first of $SCRATCHNET_SOUNDFONT, those in /usr/share/sounds/sf2, and
        the one inside the pretty_midi package

    Returns
    -------
    (engine, soundfont) : ("fluidsynth" or "symusic", Path), or None if there is none

    Raises
    ------
    ValueError
        If the file named, here or in $SCRATCHNET_SOUNDFONT, is not a soundfont.
    """
    engine = "fluidsynth" if shutil.which("fluidsynth") else "symusic" if _package_folder("symusic") else None
    font = _find_soundfont(soundfont)
    return (engine, font) if engine and font else None


def _find_soundfont(soundfont):
    named = soundfont or os.environ.get("SCRATCHNET_SOUNDFONT")
    if named:
        named = Path(named)
        with open(named, "rb") if named.is_file() else io.BytesIO() as file:
            head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"sfbk":  # FluidSynth would silently use another
            raise ValueError(f"no soundfont {named}: expected an .sf2 or .sf3 file")
        return named
    fonts = sorted(Path("/usr/share/sounds/sf2").glob("*.sf2"))
    package = _package_folder("pretty_midi")
    fonts += sorted(package.glob("*.sf2")) if package else []
    return fonts[0] if fonts else None


def _package_folder(name):
    """The folder of a package, without importing it; None if it is not installed."""
    spec = importlib.util.find_spec(name)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def render_midi(
    midi_path: StrPath, wav_path: StrPath, engine: str = "auto", soundfont: StrPath | None = None
) -> str:
    """Play a MIDI file into a 44.1 kHz stereo WAV file.

    A sampled engine plays everything in the file, pedal and bends included; its sound is scaled to -1 dBFS.

    Parameters
    ----------
    midi_path, wav_path : path-like
    engine : "auto", "fluidsynth", "symusic" or "built-in"
        "auto" takes what `sampled_engine` finds, or else the built-in instrument.
    soundfont : path-like, an .sf2 or .sf3 file for the sampled engines

    Returns
    -------
    str, the name of the engine that played

    Raises
    ------
    MidiError
        If the file cannot be read as MIDI.
    ValueError
        If the engine is unknown, the soundfont is not one, the piece is too long, or the engine fails.
    ImportError
        If "symusic" is asked for and not installed.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    score = read_midi(midi_path)  # refuses what would hang or fill the disk
    seconds = score.seconds(score.end)
    font = None
    if engine == "auto":
        engine, font = sampled_engine(soundfont) or ("built-in", None)
        if engine == "symusic" and seconds > 60 * MAX_FONT_MINUTES:
            engine = "built-in"
    elif engine != "built-in":
        font = _find_soundfont(soundfont)
        if font is None:
            raise ValueError(f'{engine} needs a soundfont: name one, or pip install "scratchnet[audio]"')
    if engine == "built-in":
        write_wav(score, wav_path)
    elif engine == "fluidsynth":
        _render_with_fluidsynth(midi_path, wav_path, font, seconds)
    else:
        _render_with_symusic(midi_path, wav_path, font, seconds)
    return engine


def _render_with_fluidsynth(midi_path, wav_path, font, seconds):
    program = shutil.which("fluidsynth")
    if program is None:
        raise ValueError("there is no program fluidsynth on the PATH: apt-get install fluidsynth")
    if 4 * (seconds + 60) * 44100 > WAV_BYTES:
        raise ValueError(f"{midi_path} lasts {seconds / 3600:.1f} hours, more than a WAV file can hold")
    with temporary_folder(Path(wav_path).absolute()) as folder:
        raw = folder / "sound.raw"
        timeout = 60 + seconds  # it renders at ten times the speed of the music or better
        command = [program, *"-niq -g 0.4 -r 44100 -T raw -O s32 -E little -F".split(), raw]
        command += [Path(font).absolute(), Path(midi_path).absolute()]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise ValueError(f"fluidsynth did not finish {midi_path} in {timeout:.0f} seconds") from None
        if done.returncode != 0 or not raw.exists() or raw.stat().st_size == 0:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["no sound and no message"]
            raise ValueError(f"fluidsynth could not play {midi_path} with {font}: {said[-1]}")
        sound = np.memmap(raw, "<i4", "r").reshape(-1, 2)
        _write_normalised(sound[: round((seconds + 10) * 44100)], wav_path)  # no endless silence


def _render_with_symusic(midi_path, wav_path, font, seconds):
    if seconds > 60 * MAX_FONT_MINUTES:
        raise ValueError(f"{midi_path} lasts {seconds / 60:.0f} minutes, symusic plays {MAX_FONT_MINUTES}")
    try:
        import symusic
    except ImportError:
        raise ImportError('the engine "symusic" needs: pip install "scratchnet[audio]"') from None
    try:
        sound = symusic.Synthesizer(str(font), 44100).render(symusic.Score(str(midi_path)), True)
    except RuntimeError as error:
        raise ValueError(f"symusic could not play {midi_path} with {font}: {error}") from None
    _write_normalised(np.asarray(sound).T, wav_path)


def _write_normalised(sound, wav_path):
    """Write samples (n, 2) of any scale as a WAV file with its peak at -1 dBFS, a second at a time."""
    pieces = [sound[i : i + 44100] for i in range(0, len(sound), 44100)]
    peak = max((np.abs(piece.astype(np.float32)).max() for piece in pieces), default=0)
    with atomic_open(wav_path, "wb") as file, wave_file(file, 44100) as out:
        for piece in pieces:
            scaled = piece.astype(np.float32) * np.float32(CEILING * 32767 / max(peak, 1e-9))
            out.writeframes(np.rint(scaled).astype("<i2").tobytes())
