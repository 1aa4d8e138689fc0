"""MIDI files: `read_midi` makes a Score, `write_midi` stores one, `MidiWriter` stores music while it is made.

The reader takes files of any origin. It walks the bytes itself, so that a damaged file cannot hang it or fill
the memory, keeps what a `Score` holds, and refuses a file whose notes could not be trusted. The writer puts
tempo, meter and key in a first track and each instrument in a track of its own (a "type 1" file).

    MThd  type, number of tracks, ticks in a quarter note
    MTrk  (ticks since the last event, event) (ticks, event) ... end of track

The bytes are read in midi_events.py and midi_reader.py and written in midi_writer.py.
"""

from encoders.midi_reader import MAX_BYTES, parse
from encoders.midi_writer import MidiWriter

__all__ = ["MAX_BYTES", "MidiError", "MidiWriter", "read_midi", "write_midi"]


class MidiError(ValueError):
    """A file that cannot be read as MIDI; the message names it and says why."""


def read_midi(path, pedal=False):
    """Read a MIDI file.

    A track of the result is one instrument: the notes of one track of the file with the same channel and
    program. Notes of one pitch that overlap end in the order in which they began; a note that never ends,
    ends with its track; a note of no length is dropped. The patterns of a type 2 file follow one another.
    Tempos, meters and keys that mean nothing (0 beats a bar, nine sharps) are passed over. Where time is
    counted in film frames (SMPTE) a quarter note is taken to last half a second, see midi_events.py.

    Parameters
    ----------
    path : path-like
    pedal : bool
        Let the sustain pedal (controller 64, down from the value 64 on) lengthen the notes of its channel: a
        note sounds until the pedal is up or its key is struck again. Otherwise notes last as long as keys
        are held.

    Returns
    -------
    Score

    Raises
    ------
    MidiError
        If the file is damaged or no MIDI file, or absurdly large or long: more than 16 MB, 500,000 notes,
        100,000 quarter notes, a day, or ten minutes and ten more seconds a note.
    OSError
        If there is no such file or it cannot be opened.
    """
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    try:
        return parse(data, pedal)
    except ValueError as error:
        raise MidiError(f"cannot read {path} as MIDI: {error}") from None


def write_midi(score, path):
    """Write a score as a MIDI file of type 1; the file appears whole or not at all.

    Parameters
    ----------
    score : Score
    path : path-like

    Raises
    ------
    ValueError
        If a tempo does not fit into MIDI (below 3.6 quarter notes a minute) or a silence is too long.
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
