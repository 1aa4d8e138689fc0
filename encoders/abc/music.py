"""Sounds of an ABC tune: pitch and length, from what is written and what came before.

What a note means depends on the key, on tuplets, broken rhythm and ties, and on accidentals since the bar
line, which hold for all octaves of a letter, as in the standard, unless %%propagate-accidentals differs.

Source: the ABC music standard 2.1, section 4.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction

from .events import WHOLE, Problem, Sound, exact, quoted
from .keys import ACCIDENTALS
from .scanner import STEPS, TOKEN, Token, parse_length, parse_note

MIDDLE_C = 60
NORMAL = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # notes of a tuplet: in the time of how many, unless it says so
LONGEST = 64 * WHOLE  # no note or rest is longer
MOST_PROBLEMS = 200  # reported for one tune
MOST_GRACES = 16  # before one note

Place = tuple[tuple[str, int], int, int | None]  # (letter, octave), alteration, pitch of a note


class Music:
    """Makes events of the tokens that sound; the base of reader.py's Reader."""

    def __init__(self, first_line: int):
        self.line = self.first_line = first_line
        self.events, self.problems = [], []
        self.key, self.meter, self.unit = None, None, None
        self.shift = 0  # semitones by which everything sounds higher than written
        self.propagate = "pitch"
        self.accidentals = {}
        self.tuplet, self.left = Fraction(1), 0  # factor, and for how many more sounds
        self.tuplet_at = self.tied = None
        self.broken_at, self.broken = None, (1, 1)  # factors of the sounds before and after it
        self.last = None  # index of the last sound, which a broken rhythm may change
        self.latest = 0  # index after the last sound
        self.graces = ()  # pitches before the next sound
        self.chord, self.chord_at = None, None  # notes of the chord that is open
        self.known = {}  # text of a note -> its meaning with this unit length
        self.said = set()

    def problem(self, token: Token, message: str) -> None:
        """Report an error."""
        self._note(token, message, "error", True)

    def lost(self, token: Token, message: str) -> None:
        """Report that something is left out or changed."""
        self._note(token, message, "warning", True)

    def lost_once(self, token: Token, message: str) -> None:
        """The same, but only once per tune."""
        if message not in self.said:
            self.said.add(message)
            self.lost(token, message)

    def odd(self, token: Token, message: str) -> None:
        """Report what is irregular, yet sounds as it is meant."""
        self._note(token, message, "warning", False)

    def _note(self, token: Token, message: str, severity: str, unheard: bool) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(token.line, token.column, message, severity, unheard))

    def pitch(self, letter: str, octave: int, sign: str | int) -> int:
        """The MIDI number of a note, by its own accidental, one earlier in the bar, or the key.

        `sign` is an accidental, a number of semitones, or empty.
        """
        place = (letter, octave) if self.propagate == "octave" else letter
        if sign != "":
            alter = ACCIDENTALS.get(sign, sign)
            if self.propagate != "not":
                self.accidentals[place] = alter
        elif self.tied and self.tied.get((letter, octave)) is not None:
            alter = self.tied[letter, octave]
        else:
            alter = self.accidentals.get(place)
            if alter is None:
                alter = self.key.accidentals.get(letter, 0)
        self.alter = alter
        return MIDDLE_C + STEPS[letter] + 12 * octave + alter + self.shift

    def note(self, token: Token, text: str) -> tuple[Place, int | Fraction]:
        """((letter, octave), alteration, pitch) and length of a note; the pitch is None if out of range."""
        note = self.known.get(text)
        if note is None:
            *note, length, wrong = parse_note(text)
            if wrong:
                self.problem(token, wrong)
            self.known[text] = note = (*note, exact(length * self.unit * WHOLE))
        letter, octave, sign, length = note
        if " " in text or "\t" in text:
            self.lost_once(token, "a blank within a note, which is read as if there were none")
        pitch = self.pitch(letter, octave, sign)
        if not 0 <= pitch <= 127:
            self.problem(
                token, f"expected a note between MIDI 0 and 127, got {quoted(text)}, {pitch}; a rest is read"
            )
            pitch = None
        return ((letter, octave), self.alter, pitch), length

    def on_note(self, token: Token) -> None:
        note, length = self.note(token, token.text)
        if self.chord is None:
            self.sound(token, [note], length)
        else:
            self.chord.append((note, length))

    def on_microtone(self, token: Token) -> None:
        """A note whose accidental is a fraction of a semitone, ^/c; a half is rounded to none."""
        self.lost(token, f"a micro-tone, {quoted(token.text)}, is rounded to a semitone")
        self.on_note(token)

    def on_grace(self, token: Token) -> None:
        """Grace notes, {ga} or {/g}, before the next note."""
        pitches = []
        for piece in TOKEN.finditer(token.text, 1, len(token.text) - 1):
            if piece.lastgroup in ("note", "microtone") and len(pitches) < MOST_GRACES:
                pitch = self.note(token, piece[0])[0][2]
                pitches += [] if pitch is None else [pitch]
        self.graces = tuple(pitches)

    def on_rest(self, token: Token) -> None:
        length = self.length(token, token.text[1:])
        if self.chord is not None:
            self.lost(token, "expected notes in a chord, got a rest")
        elif token.text[0] in "ZX":  # whole bars
            meter = self.meter or (4, 4)
            if length.denominator > 1:
                self.problem(token, f"expected a whole number of bars, got {quoted(token.text)}")
            elif not self.meter:
                self.lost(token, "a rest of bars without a meter: 4/4 is taken")
            self.sound(token, [], exact(length * WHOLE * meter[0] / meter[1]), whole=True)
        else:
            self.sound(token, [], exact(length * self.unit * WHOLE))

    def length(self, token: Token, text: str) -> Fraction:
        """The length of a note, rest or chord in unit lengths; 1 if the text is not a length."""
        length, wrong = parse_length(text)
        if wrong:
            self.problem(token, wrong)
        return length

    def on_chord(self, token: Token) -> None:
        if self.chord is not None:
            self.problem(token, "expected the end of a chord before the next one")
        self.chord, self.chord_at, self.chord_ties = [], token, []

    def on_close(self, token: Token) -> None:
        if self.chord is None:
            self.problem(token, "']' without a chord that it ends")
            return
        notes, self.chord = self.chord, None
        if not notes:
            self.problem(self.chord_at, "expected notes in a chord, got none")
            return
        factor = self.length(token, token.text[1:])
        if len({length for _, length in notes}) > 1:
            self.lost(self.chord_at, "notes of unequal length in a chord: the first one's counts")
        self.sound(self.chord_at, [note for note, _ in notes], exact(notes[0][1] * factor))
        if self.chord_ties:
            self.tie(token, self.chord_ties)

    def sound(
        self, token: Token, notes: Sequence[Place], length: int | Fraction, whole: bool = False
    ) -> None:
        """One sound of the written length."""
        if self.left and not whole:
            length = exact(length * self.tuplet)
            self.left -= 1
        if self.broken_at and not whole:
            length = self.break_rhythm(length)
        if length > LONGEST and not whole or length > 64 * LONGEST:
            self.problem(token, "expected a length of at most 64 whole notes")
            return
        pitches = tuple(sorted({pitch for _, _, pitch in notes if pitch is not None}))
        if self.tied and pitches and not any(place in self.tied for place, _, _ in notes):
            self.odd(token, "a tie leads to another note")
        self.tied, self.notes = None, notes
        self.last = len(self.events)
        self.events.append(Sound(pitches, (), length, token.line, token.column, self.graces))
        self.graces, self.latest = (), len(self.events)

    def on_tie(self, token: Token) -> None:
        if self.chord is not None and self.chord:
            self.chord_ties.append(self.chord[-1][0])
        elif self.last is None or not self.events[self.last].pitches:
            self.problem(token, "expected a note before a tie")
        else:
            self.tie(token, self.notes)

    def tie(self, token: Token, notes: Iterable[Place]) -> None:
        """Tie the notes of the last sound to the next one."""
        self.tied = {}
        for place, alter, _ in notes:  # two on one line, C and ^C: each must write its accidental
            self.tied[place] = None if place in self.tied else alter
        self.events[self.last] = self.events[self.last]._replace(
            ties=tuple(sorted({p for *_, p in notes if p is not None}))
        )

    def on_broken(self, token: Token) -> None:
        """A > B: the first note is dotted, the second halved; more signs, more dots."""
        if self.last is None or self.broken_at:
            self.problem(token, "expected a note on each side of a broken rhythm")
            return
        short = Fraction(1, 2 ** len(token.text))
        self.broken = (2 - short, short) if token.text[0] == ">" else (short, 2 - short)
        self.broken_at = token

    def break_rhythm(self, length: int | Fraction) -> int | Fraction:
        """The length of a sound after a broken rhythm; the sound before it is changed, too.

        The standard does not define it between unequal lengths; as in abc2midi, both stay as written.
        """
        token, self.broken_at = self.broken_at, None
        before = self.events[self.last]
        if before.length != length:
            self.lost(token, "a broken rhythm between unlike lengths, which stay as written")
            return length
        self.events[self.last] = before._replace(length=exact(length * self.broken[0]))
        return exact(length * self.broken[1])

    def on_tuplet(self, token: Token) -> None:
        p, q, r = (int(number or 0) for number in (token.text[1:].split(":") + ["", ""])[:3])
        compound = self.meter is not None and self.meter[0] % 3 == 0 and self.meter[0] > 3
        q = q or NORMAL.get(p, 3 if compound else 2)
        if self.left:
            self.odd(token, "expected the end of a tuplet before the next one")
        self.tuplet, self.left, self.tuplet_at = Fraction(q, p), r or p, token
