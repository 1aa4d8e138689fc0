"""Compressed sound: a WAV file as MP3, Ogg Vorbis or FLAC, by soundfile and libsndfile."""

from pathlib import Path

from scratchnet.files import atomic_path

from ..sources import StrPath

FORMATS = {".mp3": ("MP3", "MPEG_LAYER_III"), ".ogg": ("OGG", "VORBIS"), ".flac": ("FLAC", "PCM_16")}
QUALITY = 0.7  # from 0, the best, to 1, the smallest: about 90 kbit per second of MP3
BLOCK = 44100  # samples; libsndfile's stack overflows if given minutes of Vorbis at once


def compress(wav_path: StrPath, path: StrPath) -> None:
    """Write the sound of a WAV file in the format that the suffix of `path` names; FLAC is lossless.

    Parameters
    ----------
    wav_path : path-like
    path : path-like, *.mp3, *.ogg or *.flac

    Raises
    ------
    ValueError
        If the suffix is none of these, or the WAV file cannot be read.
    ImportError
        If soundfile is not installed.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"expected a name that ends in {', '.join(FORMATS)}, got {path.name:.80}")
    form, subtype = FORMATS[path.suffix.lower()]
    try:
        import soundfile
    except ImportError:
        raise ImportError('compressed sound needs: pip install "scratchnet[audio]"') from None
    options = {"format": form, "subtype": subtype}
    if form != "FLAC":
        options["compression_level"] = QUALITY
    if form == "MP3":
        options["bitrate_mode"] = "VARIABLE"
    with open(wav_path, "rb") as file:
        try:
            wav = soundfile.SoundFile(file)
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{wav_path}: not a sound that can be read ({error.error_string})") from None
        with wav, atomic_path(path) as temporary:
            rate, channels = wav.samplerate, wav.channels
            with soundfile.SoundFile(temporary, "w", rate, channels, **options) as compressed:
                for block in wav.blocks(BLOCK, dtype="float32"):
                    compressed.write(block)
