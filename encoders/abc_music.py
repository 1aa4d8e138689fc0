"""Sounds of an ABC tune: how high and how long, by what is written and by what stood before.

What notes mean depends on the key, on accidentals since the bar line (they hold for all octaves of a letter,
as the standard has it, unless %%propagate-accidentals says otherwise), on tuplets, broken rhythm and ties.

Source: the ABC music standard 2.1, section 4.
"""

from fractions import Fraction

from .abc_events import WHOLE, Problem, Sound, exact
from .abc_keys import ACCIDENTALS
from .abc_scanner import STEPS, TOKEN, parse_length, parse_note

MIDDLE_C = 60
NORMAL = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # the time of how many notes a tuplet takes, if nothing is said
LONGEST = 64 * WHOLE  # no note or rest is longer
MOST_PROBLEMS = 200  # are told of one tune
MOST_GRACES = 16  # before one note


class Music:
    """Makes events of the tokens that sound; the base of abc_reader.py's Reader."""

    def __init__(self, first_line):
        self.line = first_line
        self.events, self.problems = [], []
        self.key, self.meter, self.unit = None, None, None
        self.propagate = "pitch"
        self.accidentals = {}
        self.tuplet, self.left = Fraction(1), 0  # factor, and how many sounds it still holds for
        self.tuplet_at = self.broken_at = self.tied = None
        self.next_factor = Fraction(1)  # of the sound after a broken rhythm
        self.last = None  # index of the last sound, of which a broken rhythm may take
        self.graces = ()  # pitches before the next sound
        self.chord, self.chord_at = None, None  # notes of the chord that is open
        self.known = {}  # notes by their text: what they are with this unit length

    def problem(self, token, message, severity="error"):
        """Note down something wrong."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(token.line, token.column, message, severity))

    def pitch(self, letter, octave, sign):
        """The MIDI number of a note, by its own accidental, one before it in the bar, or the key."""
        place = (letter, octave) if self.propagate == "octave" else letter
        if sign:
            alter = ACCIDENTALS[sign]
            if self.propagate != "not":
                self.accidentals[place] = alter
        elif self.tied and self.tied.get((letter, octave)) is not None:
            alter = self.tied[letter, octave]
        else:
            alter = self.accidentals.get(place)
            if alter is None:
                alter = self.key.accidentals.get(letter, 0)
        self.alter = alter
        return MIDDLE_C + STEPS[letter] + 12 * octave + alter + self.key.shift

    def note(self, token, text):
        """((letter, octave), alteration, pitch) and length of a note, None if it is none."""
        note = self.known.get(text)
        if note is None:
            try:
                *note, length = parse_note(text)
            except ValueError as error:
                self.problem(token, str(error))
                return None
            self.known[text] = note = (*note, exact(length * self.unit * WHOLE))
        letter, octave, sign, length = note
        pitch = self.pitch(letter, octave, sign)
        if not 0 <= pitch <= 127:
            self.problem(token, f"expected a note between MIDI 0 and 127, got {text!r}, {pitch}")
            return None
        return ((letter, octave), self.alter, pitch), length

    def on_note(self, token):
        found = self.note(token, token.text)
        if found is None:
            return
        if self.chord is None:
            self.sound(token, [found[0]], found[1])
        else:
            self.chord.append(found)

    def on_grace(self, token):
        """Grace notes, {ga} or {/g}: of the note that follows."""
        pitches = []
        for piece in TOKEN.finditer(token.text, 1, len(token.text) - 1):
            if piece.lastgroup == "note" and len(pitches) < MOST_GRACES:
                found = self.note(token, piece[0])
                pitches += [found[0][2]] if found else []
        self.graces = tuple(pitches)

    def on_rest(self, token):
        try:
            length = exact(parse_length(token.text[1:]) * self.unit * WHOLE)
        except ValueError as error:
            self.problem(token, str(error))
            return
        if self.chord is not None:
            self.problem(token, "expected notes in a chord, got a rest", "warning")
        elif token.text[0] in "ZX":  # whole bars
            bars = parse_length(token.text[1:])
            if bars.denominator > 1 or not self.meter:
                self.problem(token, f"expected a whole number of bars of some meter, got {token.text!r}")
            else:
                self.sound(token, [], int(bars) * WHOLE * self.meter[0] // self.meter[1], whole=True)
        else:
            self.sound(token, [], length)

    def on_chord(self, token):
        if self.chord is not None:
            self.problem(token, "expected the end of a chord before the next one")
        self.chord, self.chord_at, self.chord_ties = [], token, []

    def on_close(self, token):
        if self.chord is None:
            self.problem(token, "']' without a chord that it ends")
            return
        notes, self.chord = self.chord, None
        if not notes:
            self.problem(self.chord_at, "expected notes in a chord, got none")
            return
        try:
            factor = parse_length(token.text[1:])
        except ValueError as error:
            self.problem(token, str(error))
            return
        if len({length for _, length in notes}) > 1:
            self.problem(
                self.chord_at, "notes of unequal length in a chord: the first one's counts", "warning"
            )
        self.sound(self.chord_at, [note for note, _ in notes], exact(notes[0][1] * factor))
        if self.chord_ties:
            self.tie(token, self.chord_ties)

    def sound(self, token, notes, length, whole=False):
        """One sound, of the length that is written."""
        if self.left and not whole:
            length = exact(length * self.tuplet)
            self.left -= 1
        if self.broken_at and not whole:
            length = exact(length * self.next_factor)
            self.broken_at = None
        if length > LONGEST and not whole or length > 64 * LONGEST:
            self.problem(token, "expected a length of at most 64 whole notes")
            return
        pitches = tuple(sorted({pitch for _, _, pitch in notes}))
        if self.tied and pitches and not any(place in self.tied for place, _, _ in notes):
            self.problem(token, "a tie leads to another note", "warning")
        self.tied, self.notes = None, notes
        self.last = len(self.events)
        self.events.append(Sound(pitches, (), length, token.line, token.column, self.graces))
        self.graces = ()

    def on_tie(self, token):
        if self.chord is not None and self.chord:
            self.chord_ties.append(self.chord[-1][0])
        elif self.last is None or not self.events[self.last].pitches:
            self.problem(token, "expected a note before a tie")
        else:
            self.tie(token, self.notes)

    def tie(self, token, notes):
        """The last sound's notes go on in the next one."""
        self.tied = {}
        for place, alter, _ in notes:  # two on one line, C and ^C: each has to say its accidental
            self.tied[place] = None if place in self.tied else alter
        self.events[self.last] = self.events[self.last]._replace(ties=tuple(sorted({p for *_, p in notes})))

    def on_broken(self, token):
        """A > B: the first note gets a dot, the second loses half its length; more signs, more dots."""
        if self.last is None or self.broken_at:
            self.problem(token, "expected a note on each side of a broken rhythm")
            return
        short = Fraction(1, 2 ** len(token.text))
        first, self.next_factor = (2 - short, short) if token.text[0] == ">" else (short, 2 - short)
        sound = self.events[self.last]
        self.events[self.last] = sound._replace(length=exact(sound.length * first))
        self.broken_at = token

    def on_tuplet(self, token):
        p, q, r = (token.text[1:].split(":") + ["", ""])[:3]
        p = int(p)
        compound = self.meter is not None and self.meter[0] % 3 == 0 and self.meter[0] > 3
        q = int(q) if q and int(q) else NORMAL.get(p, 3 if compound else 2)
        if self.left:
            self.problem(token, "expected the end of a tuplet before the next one", "warning")
        self.tuplet, self.left, self.tuplet_at = Fraction(q, p), int(r) if r and int(r) else p, token
