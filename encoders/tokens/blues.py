"""Twelve-bar blues as Eck & Schmidhuber (2002, IDSIA-07-02) gave it to their network: chords, melodies, bits.

One binary unit per note: 12 chord units C3..B3 (MIDI 48..59) and 13 melody units C4..C5 (60..72), which never
overlap. A unit is 1 while its note sounds. The report takes 8 time steps per bar: an eighth note per step, 96
steps per chorus.

The chords are those of the report's figure 2 at sounding pitch. The melodies are all that the grammar below
generates. It was reconstructed from the six choruses printed in section 8.1 of the report, every bar of which
it explains, and it generates exactly the report's 2^12 = 4096 pieces. Twelve forks, one bit each: bars 4 and
8 have two, bars 11 and 12 none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

BARS, BEATS = 12, 4  # in a chorus, in a bar
PIECES = 4096
CHORD_LOW, CHORD_UNITS = 48, 12
MELODY_LOW, MELODY_UNITS = 60, 13
SCALE = (60, 63, 65, 66, 67, 70, 72)  # the C minor blues scale; the report calls it pentatonic (figure 3)

C, F7, GM7, EM, A7 = (48, 52, 55), (48, 51, 53, 57), (50, 53, 55, 58), (52, 55, 59), (49, 52, 55, 57)
DM7, G7, DM = (48, 50, 53, 57), (50, 53, 55, 59), (50, 53, 57)
DIM = (48, 51, 54, 57)  # F#dim7 = Cdim7, what the label of bar 6 means ...
DIM_PRINTED = (48, 50, 54, 57)  # ... and the notes as printed, with one sharp sign only
CHORD_NAMES = {C: "C", F7: "F7", GM7: "Gm7", EM: "Em", A7: "A7", DM7: "Dm7", G7: "G7", DM: "Dm"}
CHORD_NAMES |= {DIM: "F#dim", DIM_PRINTED: "F#dim"}
# (first half, second half) of each bar, four bars to a line
HALF_BARS = ((C, C), (F7, F7), (C, C), (GM7, C))
HALF_BARS += ((F7, F7), (DIM, DIM), (C, C), (EM, A7))
HALF_BARS += ((DM7, DM7), (G7, G7), (C, A7), (DM, G7))

# A melody in quarter notes: a row of forks, (option for bit 0, option for bit 1), and fixed bars, (option,).
_OPENING = ((67, 70, 65, 60), (60, 70, 67, 63))  # bars 1 to 3, and 7
_MIDDLE = ((65, 66, 67, 70), (65, 72, 70, 63))  # bars 5 and 6
GRAMMAR = (
    _OPENING,
    _OPENING,
    _OPENING,
    ((60, 70), (67, 70)),  # bar 4, in halves
    ((67, 70), (70, 63)),
    _MIDDLE,
    _MIDDLE,
    _OPENING,
    ((60, 70), (67, 70)),  # bar 8, in halves
    ((67, 63), (65, 60)),
    ((67, 60, 63, 66), (67, 72, 67, 66)),
    ((65, 60, 65, 63), (65, 70, 65, 63)),
    ((60, 63, 70, 66),),
    ((62, 62, 67, 67),),
)
FORKS = sum(len(options) > 1 for options in GRAMMAR)


@dataclass(frozen=True)
class BluesFormat:
    """How a chorus becomes bits.

    Parameters
    ----------
    steps_per_bar : 8 as in the report, 16 or 32
    endings : how two successive notes of one pitch are told apart (section 5 of the report): "merged", not at
        all; "gap", a note's last step is zero; "onset", one extra unit for chords and one for melody (Todd
        1989) is 1 where a note begins
    literal_bar_6 : bar 6 as printed (48 50 54 57) instead of as labelled (48 51 54 57)

    Raises
    ------
    ValueError
        If steps_per_bar is not 8, 16 or 32, or endings is unknown.
    """

    steps_per_bar: int = 8
    endings: Literal["merged", "gap", "onset"] = "merged"
    literal_bar_6: bool = False

    def __post_init__(self):
        if self.steps_per_bar not in (8, 16, 32):
            raise ValueError(f"expected steps_per_bar 8, 16 or 32, got {self.steps_per_bar}")
        if self.endings not in ("merged", "gap", "onset"):
            raise ValueError(f"expected endings merged, gap or onset, got {self.endings}")

    @property
    def steps(self) -> int:
        """Time steps in a chorus."""
        return BARS * self.steps_per_bar

    @property
    def beat(self) -> int:
        """Time steps in a quarter note."""
        return self.steps_per_bar // BEATS

    @property
    def chord_units(self) -> int:
        """Number of units for chords."""
        return CHORD_UNITS + (self.endings == "onset")

    @property
    def melody_units(self) -> int:
        """Number of units for the melody."""
        return MELODY_UNITS + (self.endings == "onset")


def piece_bits(number: int) -> tuple[int, ...]:
    """The twelve choices of piece 0..4095, the first fork in the highest bit.

    Raises
    ------
    ValueError
        If there is no such piece.
    """
    if not 0 <= number < PIECES:
        raise ValueError(f"expected a piece number 0..{PIECES - 1}, got {number}")
    return tuple(int(bit) for bit in f"{number:012b}")


def melody(number: int) -> NDArray[np.int64]:
    """The 48 quarter notes of a piece: array of MIDI pitches."""
    bits = iter(piece_bits(number))
    notes: list[int] = []
    for options in GRAMMAR:
        notes.extend(options[next(bits)] if len(options) > 1 else options[0])
    return np.array(notes)


def chord_events(literal_bar_6: bool = False) -> list[tuple[int, int, tuple[int, ...]]]:
    """The chords of a chorus: list of (start, duration, pitches), in half bars.

    A chord that is repeated in the next bar is struck anew.
    """
    events = []
    for bar, halves in enumerate(HALF_BARS):
        if literal_bar_6:
            halves = tuple(DIM_PRINTED if chord is DIM else chord for chord in halves)
        if halves[0] is halves[1]:
            events.append((2 * bar, 2, halves[0]))
        else:
            events += [(2 * bar, 1, halves[0]), (2 * bar + 1, 1, halves[1])]
    return events


def encode(
    events: Iterable[tuple[int, int, Iterable[int]]], low: int, units: int, form: BluesFormat, steps: int
) -> NDArray[np.uint8]:
    """Bits of a sequence of notes.

    Parameters
    ----------
    events : iterable of (start, duration, pitches) in time steps
    low, units : lowest pitch, and number of units for pitches
    form : BluesFormat
    steps : length of the result

    Returns
    -------
    uint8 array (steps, units), or (steps, units + 1) with an onset unit
    """
    bits = np.zeros((steps, units + (form.endings == "onset")), np.uint8)
    for start, duration, pitches in events:
        end = start + duration - (form.endings == "gap")
        for pitch in pitches:
            bits[start:end, pitch - low] = 1
        if form.endings == "onset":
            bits[start, units] = 1
    return bits


def encode_chords(form: BluesFormat = BluesFormat()) -> NDArray[np.uint8]:
    """The twelve bars of chords: uint8 array (steps, chord units)."""
    half = form.steps_per_bar // 2
    events = [
        (start * half, length * half, chord) for start, length, chord in chord_events(form.literal_bar_6)
    ]
    return encode(events, CHORD_LOW, CHORD_UNITS, form, form.steps)


def encode_melody(number: int, form: BluesFormat = BluesFormat()) -> NDArray[np.uint8]:
    """The melody of a piece: uint8 array (steps, melody units)."""
    events = [(k * form.beat, form.beat, (pitch,)) for k, pitch in enumerate(melody(number))]
    return encode(events, MELODY_LOW, MELODY_UNITS, form, form.steps)


def all_melodies(form: BluesFormat = BluesFormat()) -> NDArray[np.uint8]:
    """All pieces: uint8 array (4096, steps, melody units)."""
    return np.stack([encode_melody(number, form) for number in range(PIECES)])


def decode(bits: ArrayLike, low: int, units: int, form: BluesFormat) -> list[tuple[int, int, int]]:
    """Notes of a sequence of bits; the inverse of `encode` except for what the format merges.

    Parameters
    ----------
    bits : array (T, units or units + 1) of 0 and 1
    low : pitch of the first unit
    units : number of units for pitches
    form : BluesFormat

    Returns
    -------
    list of (start, duration, pitch) in time steps, by start and pitch
    """
    on = np.asarray(bits)[:, :units].astype(bool)
    begins = on & ~np.vstack([np.zeros((1, units), bool), on[:-1]])
    if form.endings == "onset":
        begins |= on & np.asarray(bits)[:, units:].astype(bool)
    notes = []
    for unit in range(units):
        starts = np.flatnonzero(begins[:, unit])
        silent = np.flatnonzero(~on[:, unit])
        for k, start in enumerate(starts):
            later = silent[np.searchsorted(silent, start) :][:1]
            end = min([*starts[k + 1 : k + 2], *later, len(on)])
            end = min(end + (form.endings == "gap"), len(on))  # the zero at the end belongs to the note
            notes.append((int(start), int(end - start), low + unit))
    return sorted(notes)


def loss_floor(form: BluesFormat = BluesFormat()) -> float:
    """The smallest mean loss that a model can reach on the melodies: nats per step, summed over 13 sigmoids.

    At each of the 12 forks two notes are equally likely; the two units that tell them apart cost ln 2 each;
    everything else can be known. The floor of the chords is 0. An onset unit adds nothing: it is certain when
    notes begin.
    """
    return FORKS * 2 * np.log(2) / form.steps
