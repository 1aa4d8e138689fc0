"""The built-in instrument: `WavWriter` plays notes into a WAV file, with no soundfont and no other program.

It is a struck string. A string of fundamental f sounds at the partials

    f_k = k f sqrt(1 + B k^2)              stiffness B makes high partials sharp
    a_k = sin(k pi / 8) / k exp(-f_k / c)  struck at an eighth of its length; a hard blow raises the cutoff c

and each partial decays at two rates: first fast, while both polarisations of the string move the bridge, then
slowly (Weinreich 1977). Sums of decaying sines over a grid of blocks are one matrix product, which is cheap.
A small room (convolution with decaying noise) adds air; a soft limiter keeps loud textures below full scale.
"""

import contextlib
import functools
import wave
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from scratchnet.files import atomic_open

from ..sources import StrPath

BLOCK = 2**16  # samples synthesised at a time, about 1.5 s
CEILING = 0.89  # -1 dBFS, never exceeded
KNEE = 0.6  # quieter samples are not limited
ROOM_SECONDS = 0.9
WAV_BYTES = 2**32 - 1024  # the format counts bytes in 32 bits


@functools.lru_cache(maxsize=96)  # about 1 MB each
def struck_string(pitch: int, hardness: int, sample_rate: int) -> NDArray[np.float32]:
    """The sound of one undamped string until it has died away.

    Parameters
    ----------
    pitch : int in 0..127, MIDI number
    hardness : int in 0..8, of the blow: brightness, not loudness
    sample_rate : int, in Hertz

    Returns
    -------
    float32 array (samples,), read-only, of loudness 1 (root mean square of the first fifth of a second)
    """
    f = 440 * 2 ** ((pitch - 69) / 12)
    B = 1.5e-4 * 2 ** ((pitch - 21) / 18)
    k = np.arange(1, 61)
    partials = k * f * np.sqrt(1 + B * k**2)  # (K,) Hz
    audible = partials < 0.45 * sample_rate
    k, partials = k[audible], partials[audible]
    cutoff = 350 + 1.6 * f + 180 * hardness
    strength = (np.abs(np.sin(k * np.pi / 8)) + 0.05) / k * np.exp(-partials / cutoff)
    phase = np.exp(1j * np.pi * k**2 / 12)  # Schroeder (1970): spread in time, without a sharp peak

    ring = 30 * 2 ** ((21 - pitch) / 20)  # seconds in which the slow part of the fundamental falls by 60 dB
    slow = np.log(1000) / ring * (1 + 0.1 * (k - 1) + (partials / 6000) ** 2)  # (K,) decay rates, 1/s
    # Two slightly detuned strings, one decaying fast and one slowly, beat. Then the knock of the key bed.
    frequencies = np.concatenate([partials, partials * 2 ** (0.7 / 1200), [82.0, 145.0, 263.0]])
    decays = np.concatenate([2.8 * slow, slow, [45.0, 60.0, 80.0]])
    knock = -1j * np.array([0.05, 0.03, 0.02]) * audible.any()  # -1j: a sine, which begins at zero
    amplitudes = np.concatenate([strength * phase, 0.4 * strength * phase, knock])

    seconds = min(0.7 * ring, 7.0) + 0.1
    width = 1024
    rows = int(np.ceil(seconds * sample_rate / width))
    rate = (2j * np.pi * frequencies - decays) / sample_rate  # exp(rate n) is the decaying wave at sample n
    coarse = np.exp(np.outer(np.arange(rows) * width, rate)) * amplitudes
    fine = np.exp(np.outer(rate, np.arange(width)))
    left, right = np.hstack([coarse.real, -coarse.imag]), np.vstack([fine.real, fine.imag])
    sound = (left.astype(np.float32) @ right.astype(np.float32)).reshape(-1)

    attack = max(2, int((0.002 + 0.0005 * (8 - hardness)) * sample_rate))
    sound[:attack] *= _fade(attack)[::-1]
    tail = sound.size // 4
    sound[-tail:] *= _fade(tail)
    loudness = np.sqrt(np.mean(sound[: sample_rate // 5] ** 2))
    sound /= max(loudness, 1e-9)
    sound.flags.writeable = False
    return sound


@functools.lru_cache(maxsize=64)
def _fade(samples):
    """Half a cosine from 1 to 0, float32 (samples,)."""
    return (0.5 + 0.5 * np.cos(np.pi * np.arange(1, samples + 1) / samples)).astype(np.float32)


@functools.lru_cache(maxsize=2)
def _room(sample_rate):
    """Spectra of a small room's echo, left and right, for blocks of `BLOCK` samples: complex64 (2, bins)."""
    rng = np.random.default_rng(1)
    n = int(ROOM_SECONDS * sample_rate)
    time = np.arange(n) / sample_rate
    echo = rng.standard_normal((2, n)) * np.exp(-time * np.log(1000) / ROOM_SECONDS)
    echo[:, : int(0.008 * sample_rate)] = 0  # the first wall is 1.4 m away
    echo = signal.sosfilt(
        signal.butter(1, [180, min(4500, 0.4 * sample_rate)], "bandpass", fs=sample_rate, output="sos"), echo
    )
    echo *= 0.12 / np.sqrt(np.sum(echo**2, axis=1, keepdims=True))
    return fft.rfft(echo.astype(np.float32), fft.next_fast_len(BLOCK + n, real=True))


class WavWriter:
    """A stereo 16-bit WAV file written in pieces by the built-in instrument, in memory that does not grow.

    The file appears under its name when the `with` block ends; if it ends with an exception, nothing remains.

    Parameters
    ----------
    path : path-like
    sample_rate : int in 8000..192000, in Hertz

    Raises
    ------
    ValueError
        If the sample rate is out of range.

    Examples
    --------
    >>> with WavWriter("out.wav") as wav:  # doctest: +SKIP
    ...     wav.add([(0.0, 1.0, 60, 80), (0.5, 1.0, 64, 80)], until=2.0)
    """

    def __init__(self, path: StrPath, sample_rate: int = 44100):
        if not 8000 <= sample_rate <= 192000:
            raise ValueError(f"sample_rate must be between 8000 and 192000 Hz, got {sample_rate}")
        self.path, self.sample_rate = Path(path), int(sample_rate)
        self._wave: wave.Wave_write | None = None  # the file, inside the `with` block
        self._until = 0.0
        self._position = 0  # samples written
        self._waiting: list[tuple] = []  # notes of blocks not yet begun, by start
        self._dry = np.zeros((2, BLOCK), np.float32)  # from `_position` on: the notes that have begun
        self._echo = np.zeros((2, 0), np.float32)  # from `_position` on: the echo of the blocks written
        self._no_dc = signal.butter(2, 20, "highpass", fs=self.sample_rate, output="sos")
        self._no_dc_state = np.zeros((1, 2, 2))

    def __enter__(self) -> "WavWriter":
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(atomic_open(self.path, "wb"))
            self._wave = stack.enter_context(wave_file(file, self.sample_rate))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> bool | None:
        if exception[0] is not None:
            return self._stack.__exit__(*exception)  # which deletes what there is
        with self._stack:
            self._finish()
        return None

    def add(self, notes: Iterable[Sequence[float]], until: float) -> None:
        """Add notes, and write what is complete.

        Parameters
        ----------
        notes : iterable of (start, duration, pitch, velocity) or (start, duration, pitch, velocity, pan)
            In seconds, seconds, MIDI number in 0..127, 1..127, and -1 (left) to 1 (right). Without pan, low
            notes come from the left and high ones from the right, as a pianist hears them. They start before
            `until`, and not before the previous `until`.
        until : float, in seconds; every note that starts before it has now been added

        Raises
        ------
        ValueError
            If a note is out of range, or the file would exceed the 4 GiB that the format can hold.
        """
        if self._wave is None:
            raise ValueError(f"{self.path} is not open: a WavWriter writes inside its `with` block")
        if not self._until <= until < float("inf"):
            raise ValueError(f"until must not decrease: {until} after {self._until}")
        if 4 * until * self.sample_rate > WAV_BYTES:
            hours = WAV_BYTES / 4 / self.sample_rate / 3600
            raise ValueError(f"{self.path}: a WAV file ends at 4 GiB, here {hours:.1f} hours")
        notes = sorted((_checked(note) for note in notes), key=lambda note: note[0])
        if notes and not self._until <= notes[0][0] <= notes[-1][0] < until:
            raise ValueError(
                f"notes start from {notes[0][0]} to {notes[-1][0]} s, "
                f"outside the piece from {self._until} to {until} s being added"
            )
        self._waiting = [*self._waiting, *notes]
        self._until = until
        while (self._position + BLOCK) / self.sample_rate <= until:
            self._write_block()

    def _write_block(self):
        """Start the notes of the next block; mix, limit and write it."""
        end = (self._position + BLOCK) / self.sample_rate
        begun = 0
        while begun < len(self._waiting) and self._waiting[begun][0] < end:
            self._begin(*self._waiting[begun])
            begun += 1
        del self._waiting[:begun]

        block, self._dry = self._dry[:, :BLOCK], self._dry[:, BLOCK:]
        room = _room(self.sample_rate)
        size = BLOCK + int(ROOM_SECONDS * self.sample_rate)
        length = fft.next_fast_len(size, real=True)
        echo = fft.irfft(fft.rfft(block.sum(axis=0), length) * room, length)[:, :size]
        echo[:, : self._echo.shape[1]] += self._echo
        self._echo = echo[:, BLOCK:].copy()
        self._emit(block + echo[:, :BLOCK])

        if self._dry.shape[1] < BLOCK:
            self._dry = np.pad(self._dry, ((0, 0), (0, BLOCK - self._dry.shape[1])))

    def _begin(self, start, duration, pitch, velocity, pan):
        """Add one note to the blocks to come."""
        sound = struck_string(pitch, round(velocity / 127 * 8), self.sample_rate)
        held = max(round(duration * self.sample_rate), round(0.03 * self.sample_rate))
        release = round((0.05 + 0.12 * 2 ** ((36 - pitch) / 24)) * self.sample_rate)  # slower in the bass
        if held < sound.size:
            sound = sound[: held + release].copy()
            sound[held:] *= _fade(release)[: sound.size - held]
        offset = round(start * self.sample_rate) - self._position
        missing = offset + sound.size - self._dry.shape[1]
        if missing > 0:
            self._dry = np.pad(self._dry, ((0, 0), (0, missing + BLOCK)))
        loudness = 0.12 * (velocity / 100) ** 1.6 * 2 ** ((60 - pitch) / 60)
        angle = (pan + 1) * np.pi / 4
        for side, share in enumerate((np.cos(angle), np.sin(angle))):
            self._dry[side, offset : offset + sound.size] += np.float32(loudness * share) * sound

    def _emit(self, block):
        """Write float samples (2, n) as 16-bit integers, without direct current, softly limited."""
        block, self._no_dc_state = signal.sosfilt(self._no_dc, block, zi=self._no_dc_state)
        loud = np.abs(block) > KNEE
        if loud.any():
            beyond = np.abs(block[loud]) - KNEE
            room = CEILING - KNEE
            block[loud] = np.sign(block[loud]) * (KNEE + room * np.tanh(beyond / room))
        if 4 * (self._position + block.shape[1]) > WAV_BYTES:
            raise ValueError(f"{self.path}: a WAV file ends at 4 GiB")
        self._wave.writeframes(np.rint(block.T * 32767).astype("<i2").tobytes())
        self._position += block.shape[1]

    def _finish(self):
        """Write what still sounds, until the last echo has died away."""
        end = self._until * self.sample_rate
        while self._position < end or self._dry.any() or np.abs(self._echo).max(initial=0) > 1e-5:
            self._write_block()


def _checked(note):
    """`note` as (start, duration, pitch, velocity, pan); a ValueError if it is out of range."""
    start, duration, pitch, velocity, *pan = note
    pan = pan[0] if pan else min(max((pitch - 64) / 80, -0.6), 0.6)
    in_time = start >= 0 and 0 < duration < np.inf
    if not (in_time and 0 <= pitch <= 127 and 1 <= velocity <= 127 and -1 <= pan <= 1):
        raise ValueError(
            "expected (start >= 0, duration > 0, pitch 0..127, velocity 1..127, pan -1..1), got "
            f"{tuple(note)}"
        )
    return float(start), float(duration), int(pitch), int(velocity), float(pan)


@contextlib.contextmanager
def wave_file(file: BinaryIO, sample_rate: int) -> Iterator[wave.Wave_write]:
    """The `wave` module's writer of 16-bit stereo to an open file."""
    with wave.open(file, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(sample_rate)
        yield out
