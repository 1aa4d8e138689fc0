"""One tune, token by token: fields, bar lines and repeats here, notes in abc_music.py.

Ornaments, slurs, lyrics and the order of parts (P:) do not change what is played here, nor do jumps such as
D.C.; of several voices the first one is read.

Source: the ABC music standard 2.1, sections 3 and 4.
"""

from fractions import Fraction

from .abc_events import BOTH, DOUBLE, END, MARK, PLAIN, START, BarLine, Change, Problem, Sound
from .abc_keys import default_unit, parse_key, parse_meter, parse_tempo, parse_unit
from .abc_music import Music
from .abc_scanner import Token, scan, scan_music

MESSAGES = {
    "microtone": "expected semitones, got an accidental of less",
    "overlay": "expected one voice, got an overlay '&'",
    "stray": "expected a field such as 'T:' in the header, got text",
}
JUMPS = ("D.C.", "D.S.", "dacapo", "dacoda", "dalsegno")  # and D.C.alfine and the like


class Reader(Music):
    """Reads one tune; see `read`. Attributes are what it has found."""

    def __init__(self, first_line):
        super().__init__(first_line)
        self.fields, self.chord_symbols = {}, []
        self.tempo, self.voice, self.heard = None, None, True
        self.slurs = 0

    def read_defaults(self, header):
        """Meter and unit length of a file's header, which hold where a tune says nothing else."""
        for line in header.split("\n"):
            if line[:2] in ("L:", "M:"):
                self.set(Token("line", line, self.line, 1), line[0], line[2:].split("%")[0])

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

    def on_decoration(self, token):
        if token.text[1:].startswith(JUMPS):
            self.problem(token, f"a jump that is not played: {token.text}", "warning")

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
