"""Piano music as pairs of note and duration, on a grid of sixteenth notes.

    xxbos xxpad  n72 d2  n52 d16  xxsep d2  n74 d2 ...  xxeos
    opening      a note, an eighth long, with one a bar long; two steps later the next; end

`n60` is middle C, `d1` one step of the grid, and `xxsep d4` advances by four steps. Notes on the same step
are ordered from highest to lowest. A piece begins at step 0, with its first rest; a final rest is left out.

    score --encode--> tokens --decode--> score == quantise(score)

The format and its 312 tokens are musicautobot's, and so are the 38 numbers for the bar that the paper prints.
A step is a sixteenth of a bar of 4/4, `d16` a bar, `d2` an eighth note (the paper calls it a 16th). This
encoder differs in four points, where musicautobot loses music or plays it wrong:

- A note of less than half a step lasts one step; there it vanishes, as would more than a quarter of the notes
  of MAESTRO without the pedal.
- All 128 pitches are kept unless asked otherwise; there 21 to 107, without the piano's top key.
- A rest of more than 160 steps is several `xxsep` in a row; there such a file is refused.
- A pitch struck twice on one step, as two parts may do, is one note, the longer; there it is two.

Sources: the paper's section on data; musicautobot (A. Shaw, 2019) for the numbers of the tokens.
"""

from dataclasses import dataclass
from functools import cached_property
from operator import index
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..score import Note, Score, Track
from .note_duration_tokens import (
    BOS,
    D0,
    END,
    LONGEST_DURATION,
    N0,
    PAD,
    PITCHES,
    SEP,
    VOCABULARY,
    may_follow,
    parse,
    text,
)
from .stored_settings import StoredSettings
from .time_grid import TimeGrid, TimingError, tones

TICKS = 480  # in a quarter note of decoded scores, or a little less: a whole number in a step


class GridNotes(NamedTuple):
    """Notes on the grid, by step, then from highest to lowest: int64 arrays (N,)."""

    steps: NDArray[np.int64]
    pitches: NDArray[np.int64]
    durations: NDArray[np.int64]


@dataclass(frozen=True)
class NoteDuration(StoredSettings):
    """The encoder and its settings.

    Parameters
    ----------
    lowest, highest : int in 0..127, the pitches that a piece may have; a piano has 21 to 108
    longest : int in 1..160, in steps: longer notes are cut; 128 steps are eight bars
    steps_per_beat : int in 1..48, grid steps in a quarter note; 4 make sixteenth notes
    bpm : float in 1..1000, quarter notes per minute, or None
        None: the grid follows the beats of the score. That is right for scores, and for performances whose
        tempo map follows the player.
        A number: the grid is one of real time, with 60 / bpm / steps_per_beat seconds per step, whatever the
        tempos of the score: for performances whose beats mean nothing.

    Raises
    ------
    ValueError
        If a setting is out of range.

    Examples
    --------
    >>> encoder = NoteDuration()
    >>> score = Score(480, [Track("", [Note(0, 240, 72), Note(0, 1920, 52), Note(240, 240, 74)])])
    >>> encoder.text(encoder.encode(score))
    'xxbos xxpad n72 d2 n52 d16 xxsep d2 n74 d2'
    """

    lowest: int = 0
    highest: int = PITCHES - 1
    longest: int = 128
    steps_per_beat: int = 4
    bpm: float | None = None

    vocabulary = VOCABULARY  # names of the tokens; a token is an index into it
    bos, pad, end, sep = BOS, PAD, END, SEP

    def __post_init__(self):
        for name, least, most in (
            ("lowest", 0, PITCHES - 1),
            ("highest", 0, PITCHES - 1),
            ("longest", 1, LONGEST_DURATION),
            ("steps_per_beat", 1, 48),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise ValueError(f"{name} must be a whole number in {least}..{most}, got {value!r}")
        if self.lowest > self.highest:
            raise ValueError(f"lowest must not be above highest, got {self.lowest} and {self.highest}")
        if self.bpm is not None:
            if not isinstance(self.bpm, int | float) or not 1 <= self.bpm <= 1000:
                raise ValueError(f"bpm must be a number in 1..1000 or None, got {self.bpm!r}")
            object.__setattr__(self, "bpm", float(self.bpm))

    def __len__(self) -> int:
        return len(VOCABULARY)

    # Onto the grid

    def encode(self, score: Score, end: bool = False) -> NDArray[np.int64]:
        """Tokens of a score; `quantise` describes what is kept of it.

        Parameters
        ----------
        score : Score
        end : bool, end with xxeos

        Returns
        -------
        int64 array (L,)

        Raises
        ------
        ValueError
            If a pitch is out of range.
        """
        notes = self._on_grid(score)
        rests = np.diff(notes.steps, prepend=0)
        separators = -(-rests // LONGEST_DURATION)  # before each note: as many as it takes
        at = np.arange(len(rests)) + np.cumsum(separators)  # where among the pairs the note stands
        pairs = np.full((at[-1] + 1 if len(at) else 0, 2), (SEP, D0 + LONGEST_DURATION))
        parted = rests > 0
        pairs[at[parted] - 1, 1] = D0 + rests[parted] - LONGEST_DURATION * (separators[parted] - 1)
        pairs[at, 0] = N0 + notes.pitches
        pairs[at, 1] = D0 + notes.durations
        closing = np.full(int(end), END)
        return np.concatenate([[BOS, PAD], pairs.ravel(), closing]).astype(np.int64)

    def quantise(self, score: Score) -> Score:
        """The score on the grid: what `decode(encode(score))` returns.

        Onsets and durations are rounded to whole steps, each by itself, halves to the even number. A note
        lasts at least one step, and at most `longest`. Of several notes of one pitch on one step the longest
        stays; a pitch may be struck again while it sounds. All tracks become one; drums, dynamics, tempo,
        meter and key are left out.

        Raises
        ------
        ValueError
            If a pitch is out of range.
        """
        return self._score(self._on_grid(score))

    def timing_error(self, score: Score) -> TimingError:
        """By how much `quantise` moves and lengthens notes, including the cut of long ones."""
        return self._grid.timing_error(score)

    @property
    def _grid(self):
        return TimeGrid(self.steps_per_beat, self.bpm, self.longest)

    def _on_grid(self, score):
        notes = tones(score)
        pitches = notes.pitches
        outside = pitches[(pitches < self.lowest) | (pitches > self.highest)]
        if len(outside):
            raise ValueError(
                f"expected pitches in {self.lowest}..{self.highest}, got {outside[0]} "
                f"({len(outside)} of {len(pitches)} notes are outside)"
            )
        return _in_order(*self._grid.round(score, notes), pitches)

    # From the grid

    def decode(self, tokens: ArrayLike, bpm: float | None = None, program: int = 0) -> Score:
        """The score of a sequence of tokens.

        The opening may be missing, as in what a network adds to a primer. What follows the end is ignored,
        and so is half a pair where the tokens break off.

        Parameters
        ----------
        tokens : array of integers (L,)
        bpm : float, quarter notes per minute; None for that of the grid or, if it has none, for 120
        program : int in 0..127, General MIDI instrument

        Returns
        -------
        Score
            With one track, in 4/4 time; all notes have one velocity.

        Raises
        ------
        ValueError
            If a token is not `allowed` after the previous one; the message names it and its index. Or if the
            tempo or the instrument is out of range.
        """
        return self._score(self.notes(tokens), bpm, program)

    def notes(self, tokens: ArrayLike) -> GridNotes:
        """The notes of a sequence of tokens as in `decode`, but on the grid."""
        tokens = self._checked(tokens)
        opening = 2 if len(tokens) and tokens[0] == BOS else 0
        ends = np.flatnonzero(tokens == END)
        tokens = tokens[: ends[0]] if len(ends) else tokens
        first, second = tokens[opening : len(tokens) - (len(tokens) - opening) % 2].reshape(-1, 2).T
        is_note, durations = first != SEP, second - D0
        steps = np.cumsum(np.where(is_note, 0, durations))
        return _in_order(steps[is_note], durations[is_note], first[is_note] - N0)

    def positions(self, tokens: ArrayLike) -> NDArray[np.int64]:
        """The grid step of each token; that of a separator is where its rest begins.

        Parameters
        ----------
        tokens : array of integers (L,), as for `decode`

        Returns
        -------
        int64 array (L,)
        """
        tokens = np.asarray(tokens)
        rests = np.zeros(len(tokens) + 1, np.int64)
        after = np.flatnonzero(tokens[:-1] == SEP) + 1
        rests[after + 1] = tokens[after] - D0
        return np.cumsum(rests)[:-1]

    def _score(self, notes, bpm=None, program=0):
        bpm = bpm if bpm is not None else self.bpm or 120.0
        per_step = TICKS // self.steps_per_beat
        starts, lengths = notes.steps * per_step, notes.durations * per_step
        track = [
            Note(*values)
            for values in zip(starts.tolist(), lengths.tolist(), notes.pitches.tolist(), strict=True)
        ]
        return Score(per_step * self.steps_per_beat, [Track("piano", track, program)], ((0, bpm),))

    def _checked(self, tokens):
        """Tokens as an array; a ValueError unless all that `notes` looks at are allowed."""
        tokens = np.asarray(tokens)
        if tokens.ndim != 1 or (tokens.dtype.kind not in "iu" and tokens.size):
            raise ValueError(f"expected whole numbers (L,), got {tokens.dtype} {tokens.shape}")
        tokens = tokens.astype(np.int64)
        wrong = np.flatnonzero((tokens < 0) | (tokens >= len(VOCABULARY)))
        if len(wrong):
            raise ValueError(
                f"expected tokens in 0..{len(VOCABULARY) - 1}, got {tokens[wrong[0]]} at place {wrong[0]}"
            )
        # The first token may be any that can begin a piece: it counts as following PAD.
        before = np.concatenate([[PAD], tokens[:-1]])
        allowed = self.allowed[before, tokens]
        allowed[:1] |= tokens[:1] == BOS
        ends = np.flatnonzero(tokens == END)
        wrong = np.flatnonzero(~allowed[: ends[0] + 1 if len(ends) else None])
        if len(wrong):
            place = wrong[0]
            behind = f"after {VOCABULARY[before[place]]}" if place else "at the beginning"
            raise ValueError(f"token {VOCABULARY[tokens[place]]} at place {place} cannot stand {behind}")
        return tokens

    # The grammar

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """Whether a token (row) may be followed by another (column): `may_follow` with these settings."""
        return may_follow(self.lowest, self.highest, self.longest)

    def transpose(self, tokens: ArrayLike, semitones: int) -> NDArray[np.int64]:
        """Tokens with every note transposed.

        Parameters
        ----------
        tokens : array of integers, of any shape
        semitones : int, upwards if positive

        Returns
        -------
        int64 array of the same shape, a new one

        Raises
        ------
        ValueError
            If a pitch would leave the range.
        """
        tokens = np.array(tokens, np.int64)
        is_note = (tokens >= N0) & (tokens < N0 + PITCHES)
        pitches = tokens[is_note] - N0 + index(semitones)
        outside = pitches[(pitches < self.lowest) | (pitches > self.highest)]
        if len(outside):
            raise ValueError(
                f"pitch {outside[0] - semitones} moved by {semitones} semitones leaves the range "
                f"{self.lowest}..{self.highest}"
            )
        tokens[is_note] = N0 + pitches
        return tokens

    # As text

    text = staticmethod(text)
    parse = staticmethod(parse)


def _in_order(steps, durations, pitches):
    """GridNotes with the longest note of each pitch on each step."""
    order = np.lexsort((-durations, -pitches, steps))
    steps, durations, pitches = steps[order], durations[order], pitches[order]
    again = (np.diff(steps, prepend=-1) == 0) & (np.diff(pitches, prepend=-1) == 0)
    return GridNotes(steps[~again], pitches[~again], durations[~again])
