"""MIDI files: `read_midi` makes a Score, `write_midi` stores one, `MidiWriter` stores music as it is made.

The reader accepts files of any origin. It parses the bytes itself, so that a damaged file can neither hang it
nor fill the memory, and keeps what a `Score` holds. Damage is repaired or left out, with a warning, and
changes nothing that came before it. The writer puts tempo, meter and key in a first track and each instrument
in a track of its own (a "type 1" file).

    MThd  type, number of tracks, ticks in a quarter note
    MTrk  (ticks since the last event, event) (ticks, event) ... end of track

The bytes are read in chunks.py, track.py and reader.py, and written in writer.py.
"""

import warnings

from ..score import Score
from ..sources import StrPath
from .reader import MAX_BYTES, parse
from .writer import MidiWriter

__all__ = ["MAX_BYTES", "MidiError", "MidiWarning", "MidiWriter", "read_midi", "write_midi"]


class MidiError(ValueError):
    """A file that cannot be read as MIDI; the message names the file and the reason."""


class MidiWarning(RuntimeWarning):
    """A file in which something was mended or left out; the message names both."""


def read_midi(path: StrPath, pedal: bool = False, strict: bool = False) -> Score:
    """Read a MIDI file, with or without a RIFF wrapper ("RMID").

    A track of the result is one instrument: the notes of one track of the file with the same channel and
    program. Overlapping notes of one pitch end in the order in which they began; notes of zero length are
    dropped. The patterns of a type 2 file follow one another. Where time is counted in film frames (SMPTE), a
    quarter note is taken to last half a second, see events.py.

    A damaged file is read as far as possible, with a `MidiWarning` for each kind of damage:

    - bytes before the header, between chunks and after a track's end are skipped; a header or a track with
      another name is recognised by its content, and a file of unknown type is read as type 1
    - tracks are read to their end, whatever their lengths and the header's track count say
    - an event that makes no sense is left out, up to the next bytes that read as several whole events; if
      there are none, or the track breaks off, it ends with the last whole event
    - a meta event or system exclusive message is as long as it says or as its kind is, whichever lets the
      music go on; a number may have up to eight bytes; a data byte above 127 counts as 127, or begins the
      next event
    - a message may leave out its status where a meta event or system exclusive message has cancelled it
    - a tempo, meter or key without a meaning (0 beats a bar, nine sharps) is skipped
    - a note whose note-off is missing ends when its key is struck again, or else with its track
    - in a damaged file, what lies beyond 100,000 quarter notes, a day, or ten minutes plus ten seconds per
      note is left out

    Damage changes no note that ended before it, unless a note-off is missing among overlapping notes of one
    pitch: which of them it belongs to cannot be known.

    Parameters
    ----------
    path : path-like
    pedal : bool
        Let the sustain pedal (controller 64, down from value 64) lengthen the notes of its channel: a note
        sounds until the pedal goes up or its key is struck again. Otherwise notes last as long as keys are
        held.
    strict : bool
        Refuse a file in which anything would be mended or left out.

    Returns
    -------
    Score

    Raises
    ------
    MidiError
        If it is not a MIDI file, is damaged and has no whole note, or is absurdly large: more than 16 MB,
        500,000 notes, 500,000 movements of a pedal, or 100,000 changes of tempo, meter and key; or if it is
        undamaged and lasts longer than the limits above.
    OSError
        If there is no such file or it cannot be opened.
    """
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    try:
        score, findings = parse(data, pedal)
        if strict and findings:
            raise ValueError(findings[0])
    except ValueError as error:
        raise MidiError(f"cannot read {path} as MIDI: {error}") from None
    for line in findings:
        warnings.warn(f"{path}: {line}", MidiWarning, stacklevel=2)
    return score


def write_midi(score: Score, path: StrPath) -> None:
    """Write a score as a MIDI file of type 1; the file appears whole or not at all.

    Parameters
    ----------
    score : Score
    path : path-like

    Raises
    ------
    ValueError
        If a tempo does not fit into MIDI (below 3.6 quarter notes per minute) or a silence is too long.
    OSError
        If the file cannot be written.
    """
    changes = (
        [(tick, {"tempo": tempo}) for tick, tempo in score.tempos[1:]]
        + [(tick, {"meter": meter}) for tick, *meter in score.meters[1:]]
        + [(tick, {"key": key}) for tick, key in score.keys]
    )
    tracks = [(track.name, track.program, track.channel) for track in score.tracks]
    with MidiWriter(path, score.ticks_per_beat, score.tempos[0][1], score.meters[0][1:], tracks) as midi:
        for tick, change in sorted(changes, key=lambda item: item[0]):
            midi.change(tick, **change)
        for i, track in enumerate(score.tracks):
            midi.add(i, track.notes, score.end)
