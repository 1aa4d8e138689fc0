"""A Score as bytes and back, faster than any file format of music; bytes that were damaged are noticed.

32 bytes    SHA-256 of the rest
the rest    safetensors: starts and durations, pitches and velocities, and as JSON all that is not notes
"""

import hashlib
import json
from itertools import islice

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from .score import Note, Score, Track

_DIGEST = hashlib.sha256().digest_size


def pack(score, remarks=()):
    """Bytes of a score, and of lines about it."""
    notes = [note for track in score.tracks for note in track.notes]
    times = np.array([(note.start, note.duration) for note in notes], np.int64).reshape(-1, 2)
    strikes = np.array([(note.pitch, note.velocity) for note in notes], np.uint8).reshape(-1, 2)
    about = {
        "ticks_per_beat": score.ticks_per_beat,
        "tracks": [[track.name, len(track.notes), track.program, track.channel] for track in score.tracks],
        "tempos": score.tempos,
        "meters": score.meters,
        "keys": score.keys,
        "remarks": remarks,
    }
    about = np.frombuffer(json.dumps(about).encode(), np.uint8)
    content = save({"times": times, "strikes": strikes, "about": about})
    return hashlib.sha256(content).digest() + content


def unpack(content):
    """The score of such bytes, and a tuple of the lines.

    Raises
    ------
    ValueError
        If they are no such bytes, damaged, or of another version.
    """
    content, digest = content[_DIGEST:], content[:_DIGEST]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("these bytes are not those of a score, or are damaged")
    try:
        return _unpacked(content)
    except (AttributeError, KeyError, TypeError, SafetensorError) as error:
        raise ValueError(f"these bytes are those of another version ({type(error).__name__})") from None


def _unpacked(content):
    arrays = load(content)
    about = json.loads(arrays["about"].tobytes())
    rows = zip(arrays["times"].tolist(), arrays["strikes"].tolist(), strict=True)
    notes = (Note(*times, *strikes) for times, strikes in rows)
    tracks = [Track(name, islice(notes, count), *rest) for name, count, *rest in about.pop("tracks")]
    remarks = tuple(about.pop("remarks"))
    return Score(tracks=tracks, **about), remarks
