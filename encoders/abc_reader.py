"""From tokens to events: who sounds how high and how long, in the order in which it is written.

What notes mean depends on what stood before: the key, accidentals since the bar line (they hold for all
octaves of a letter, as the standard has it, unless %%propagate-accidentals says otherwise), tuplets, broken
rhythm, ties. Grace notes, ornaments, slurs, lyrics and the order of parts (P:) do not change what is played
here. Of several voices the first one is read.

Source: the ABC music standard 2.1, section 4.
"""

from fractions import Fraction

from encoders.abc_events import (
    BOTH,
    DOUBLE,
    END,
    MARK,
    PLAIN,
    START,
    WHOLE,
    BarLine,
    Change,
    Problem,
    Sound,
    exact,
)
from encoders.abc_keys import ACCIDENTALS, default_unit, parse_key, parse_meter, parse_tempo, parse_unit
from encoders.abc_scanner import STEPS, parse_length, parse_note, scan, scan_music

MIDDLE_C = 60
NORMAL = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # the time of how many notes a tuplet takes, if nothing is said
LONGEST = 64 * WHOLE  # no note or rest is longer
MOST_PROBLEMS = 200  # are told of one tune

MESSAGES = {
    "close": "']' without a chord that it ends",
    "microtone": "expected semitones, got an accidental of less",
    "overlay": "expected one voice, got an overlay '&'",
    "stray": "expected a field such as 'T:' in the header, got text",
}


class Reader:
    """Reads one tune; see `read`. Attributes are what it has found."""

    def __init__(self, first_line):
        self.line = first_line
        self.events, self.problems, self.fields, self.chord_symbols = [], [], {}, []
        self.key, self.meter, self.unit, self.tempo = None, None, None, None
        self.propagate = "pitch"
        self.accidentals, self.voice, self.heard = {}, None, True
        self.tuplet, self.left = Fraction(1), 0  # factor, and how many sounds it still holds for
        self.tuplet_at = self.broken_at = self.tied = None
        self.next_factor = Fraction(1)  # of the sound after a broken rhythm
        self.last = None  # index of the last sound, of which a broken rhythm may take
        self.slurs = 0
        self.chord, self.chord_at = None, None  # notes of the chord that is open
        self.known = {}  # notes by their text: what they are with this unit length

    def read(self, lines):
        """Events of all lines, in `self.events`."""
        handlers = {name[3:]: getattr(self, name) for name in dir(self) if name.startswith("on_")}
        silent = {"line", "field", "end", "directive"}
        for token in scan(lines, self.line):
            kind = token.kind
            if self.heard or kind in silent:
                handler = handlers.get(kind)
                if handler:
                    handler(token)
                elif kind in MESSAGES:
                    self.problem(token, MESSAGES[kind])
        self.finish()

    def problem(self, token, message, severity="error"):
        """Note down something wrong."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(token.line, token.column, message, severity))

    # ------------------------------------------------------------------------------------------ fields

    def on_line(self, token):
        """A field on a line of its own; what is glued to a K:, L: or M: field in the body is music."""
        letter, value = token.text[0], token.text[2:].strip()
        if self.key is None:
            self.fields.setdefault(letter, []).append(value)
        self.field(token, letter, value)

    def on_field(self, token):
        """An inline field, [K:D]."""
        self.field(token, token.text[1], token.text[3:-1].strip())

    def on_glued(self, token):
        """A field in the middle of music, without its brackets."""
        self.problem(token, f"expected a field on a line of its own or in brackets, got {token.text[:12]!r}",
                     "warning")  # fmt: skip
        self.field(token, token.text[0], token.text[2:])

    def field(self, token, letter, value):
        if letter == "V":
            name = value.split()[0] if value.split() else ""
            if self.key is None:
                return
            if self.voice is None:  # music before the first V: is a voice without a name
                self.voice = "" if any(type(event) is Sound for event in self.events) else name
            if name != self.voice and self.heard:
                self.problem(token, f"expected one voice, got another: {name[:20]!r}", "warning")
            self.heard = name == self.voice
        elif letter in "KLMQ" and self.heard:
            self.set(token, letter, value)

    def set(self, token, letter, value):
        """Key, unit length, meter or tempo."""
        body = self.key is not None
        try:
            if letter == "K":
                self.begin(parse_key(value), token)
            elif letter == "L":
                self.unit, self.known = parse_unit(value), {}
            elif letter == "M":
                self.meter = parse_meter(value)
                if body and self.meter:
                    self.events.append(Change("meter", self.meter, token.line, token.column))
            else:
                self.tempo = parse_tempo(value, self.unit or Fraction(1, 8)) or self.tempo
                if body and self.tempo:
                    self.events.append(Change("tempo", self.tempo, token.line, token.column))
        except ValueError as error:
            first, _, rest = value.partition(" ")
            if body and rest and letter in "KLM" and self.understands(letter, first):
                self.problem(token, f"music on the line of the field {letter}:", "warning")
                self.set(token, letter, first)
                for piece in scan_music(rest, token.line, token.column + 3 + len(first)):
                    handler = getattr(self, f"on_{piece.kind}", None)
                    if handler:
                        handler(piece)
            else:
                self.problem(token, str(error))
                if letter == "K" and not body:
                    self.begin(parse_key("none"), token)

    @staticmethod
    def understands(letter, value):
        try:
            {"K": parse_key, "L": parse_unit, "M": parse_meter}[letter](value)
        except ValueError:
            return False
        return True

    def begin(self, key, token):
        """A key: the first one ends the header."""
        first, self.key = self.key is None, key
        self.accidentals = {}
        if first:
            self.unit = self.unit or default_unit(self.meter)
            for name, value in (("meter", self.meter), ("tempo", self.tempo)):
                if value:
                    self.events.append(Change(name, value, token.line, token.column))
        self.events.append(Change("key", key.name, token.line, token.column))

    def on_directive(self, token):
        """A line %%propagate-accidentals not | octave | pitch."""
        words = token.text.split()
        if len(words) > 1 and words[0] == "propagate-accidentals" and words[1] in ("not", "octave", "pitch"):
            self.propagate = words[1]

    # ------------------------------------------------------------------------------------------ sounds

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

    def on_note(self, token):
        note = self.known.get(token.text)
        if note is None:
            try:
                *note, length = parse_note(token.text)
            except ValueError as error:
                self.problem(token, str(error))
                return
            self.known[token.text] = note = (*note, exact(length * self.unit * WHOLE))
        letter, octave, sign, length = note
        pitch = self.pitch(letter, octave, sign)
        if not 0 <= pitch <= 127:
            self.problem(token, f"expected a note between MIDI 0 and 127, got {token.text!r}, {pitch}")
            return
        note = (letter, octave), self.alter, pitch
        if self.chord is None:
            self.sound(token, [note], length)
        else:
            self.chord.append((note, length))

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
            self.problem(token, MESSAGES["close"])
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
        self.events.append(Sound(pitches, (), length, token.line, token.column))

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

    # ------------------------------------------------------------------------------------ bars and repeats

    def on_bar(self, token):
        signs = token.text.lstrip(".").rstrip("0123456789,-[")
        numbers = token.text[len(token.text.rstrip("0123456789,-")) :]
        start, end = signs.endswith(":"), signs.startswith(":")
        kind = BOTH if start and end else START if start else END if end else PLAIN
        if kind is PLAIN and signs != "|":
            kind = DOUBLE
        times = len(signs) - len(signs.lstrip(":")) + 1 if end else 1
        if set(signs) == {":"}:
            times = max(2, len(signs) // 2 + 1)
        self.bar_line(token, kind, times, numbers)

    def on_ending(self, token):
        self.bar_line(token, MARK, 1, token.text[1:])

    def bar_line(self, token, kind, times, numbers):
        self.close_chord("expected the end of a chord before the bar line")
        if self.broken_at:
            self.problem(self.broken_at, "expected a note on each side of a broken rhythm")
            self.broken_at = None
        if self.left and kind is not MARK:
            self.problem(self.tuplet_at, "expected more notes in a tuplet, got a bar line", "warning")
            self.left = 0
        if kind is not MARK:
            self.accidentals, self.last = {}, None
        endings = endings_of(numbers)
        if numbers and not endings:
            self.problem(token, f"expected numbers of endings, got {numbers!r}")
        self.events.append(BarLine(kind, times, endings, token.line, token.column))

    # --------------------------------------------------------------------------------------------- others

    def on_text(self, token):
        """A chord symbol, "Am7", or an annotation, which begins with one of ^ _ < > @."""
        if token.text[1:2] not in ("^", "_", "<", ">", "@"):
            self.chord_symbols.append((len(self.events), token.text[1:-1]))

    def on_slur(self, token):
        self.slurs += 1

    def on_unslur(self, token):
        self.slurs -= 1
        if self.slurs < 0:
            self.problem(token, "')' without a slur that it ends", "warning")
            self.slurs = 0

    def on_other(self, token):
        self.problem(token, f"expected music, got {token.text!r}")

    def on_end(self, token):
        self.line = token.line
        self.close_chord("expected the end of a chord before that of the line")

    def close_chord(self, message):
        """A chord that is open here has no end."""
        if self.chord is not None:
            self.problem(self.chord_at, message)
            self.chord = None

    def finish(self):
        """What is still open at the end of the tune."""
        if self.broken_at:
            self.problem(self.broken_at, "expected a note on each side of a broken rhythm")
        if self.left:
            self.problem(self.tuplet_at, "expected more notes in a tuplet")
        if self.slurs:
            self.problems.append(Problem(self.line, 1, "a slur without an end", "warning"))


def endings_of(text):
    """The numbers of "1", "1,3" or "1-3" as a tuple; () if there are none between 1 and 99."""
    numbers = []
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        if not first or not 1 <= int(first) <= int(last or first):
            return ()
        numbers += range(int(first), int(last or first) + 1)
    return tuple(numbers)
