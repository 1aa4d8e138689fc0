"""A sample as listeners get it: a plain WAV file of one loudness, under a name that tells nothing.

The test keeps copies, so that it does not change when a run folder does. Copies hold format and sound only:
titles, programs and dates that a WAV file may carry would give its maker away.

Loudness is the mean square of the moments that are not quiet: 0.4 s each, at most 20 dB below the mean, in
the manner of the gate of ITU-R BS.1770 but without its filters.
"""

import hashlib
import math
import wave
from typing import NamedTuple

import numpy as np

from experiments.common.errors import UserError
from experiments.common.samples import seconds_text
from scratchnet.files import atomic_open

CEILING = 10 ** (-1 / 20)  # of full scale, for peaks: -1 dB
TARGET = -23.0  # dB below full scale; loud enough, and few pieces have peaks that do not fit
MOST_BYTES = 200_000_000
LEAST_SECONDS, MOST_SECONDS = 0.5, 1200
MOMENT, GATE = 0.4, -20.0  # seconds, dB


class Heard(NamedTuple):
    """A sample's sound. digest : str, hex, the name of its copy; seconds; loudness : dB before levelling."""

    digest: str
    seconds: float
    loudness: float


def take_in(path, folder, level=True):
    """Copy a WAV file into `folder`, as DIGEST.wav.

    path : Path of a WAV file, 16-bit PCM, mono or stereo
    folder : Path, or None to copy nothing
    level : bool, bring it to the common loudness, as far as its peaks leave room
    Returns Heard.
    Raises UserError if the file is not such a WAV file, damaged, too short, too long or too big.
    """
    if path.stat().st_size > MOST_BYTES:
        raise UserError(f"{path}: expected at most {MOST_BYTES // 10**6} MB")
    channels, rate, sound = read_wav(path)
    power, peak = gated_power(sound, rate), int(np.abs(sound.astype(np.int32)).max())
    loudness = 10 * math.log10(power) if power else -math.inf
    gain = 1.0
    if level and power:
        gain = min(10 ** ((TARGET - loudness) / 20), CEILING * 32767 / peak)
    digest = hashlib.sha256(f"{channels} {rate} {gain!r} ".encode() + sound.tobytes()).hexdigest()
    if folder is not None and not (target := folder / f"{digest}.wav").exists():
        with atomic_open(target, "wb") as file, wave.open(file, "wb") as out:
            out.setparams((channels, 2, rate, len(sound), "NONE", ""))
            for second in range(0, len(sound), rate):
                part = np.rint(sound[second : second + rate] * np.float32(gain))
                out.writeframes(np.clip(part, -32768, 32767).astype("<i2").tobytes())
    return Heard(digest, len(sound) / rate, loudness)


def read_wav(path):
    """Channels, sample rate in Hertz, and samples (n, channels) int16. Raises UserError."""
    try:
        with open(path, "rb") as file, wave.open(file) as wav:
            channels, width, rate, frames, *_ = wav.getparams()
            if width != 2 or channels not in (1, 2) or not 8000 <= rate <= 192_000:
                raise UserError(f"{path}: expected 16-bit PCM, mono or stereo, 8 to 192 kHz")
            if not LEAST_SECONDS <= frames / rate <= MOST_SECONDS:
                limits = f"{LEAST_SECONDS} s to {MOST_SECONDS // 60} minutes"
                raise UserError(f"{path}: expected {limits} of sound, got {seconds_text(frames / rate)}")
            data = wav.readframes(frames)
    except (wave.Error, EOFError, RuntimeError):  # RuntimeError: chunks of impossible sizes
        raise UserError(f"{path}: expected a WAV file (16-bit PCM)") from None
    if len(data) != frames * channels * 2:
        raise UserError(f"{path}: cut short, {len(data)} of {frames * channels * 2} bytes of sound")
    return channels, rate, np.frombuffer(data, "<i2").reshape(-1, channels)


def gated_power(sound, rate):
    """Mean square, full scale = 1, of the moments that are not quiet; 0 for silence."""
    step = round(MOMENT * rate)
    squares = [np.mean((sound[i : i + step] / np.float32(32768)) ** 2) for i in range(0, len(sound), step)]
    squares = np.array(squares, float)
    loud = squares >= squares.mean() * 10 ** (GATE / 10)
    return float(squares[loud].mean())
