"""One tune, token by token: fields and voices here, bar lines in bar_lines.py, notes in music.py.

Ornaments, slurs, lyrics, and jumps such as D.C. do not change what is played; of several voices, the first
one that has notes is read.

Source: the ABC music standard 2.1, sections 3, 4 and 7.
"""

import re
from collections.abc import Sequence
from fractions import Fraction

from .bar_lines import BarLines
from .events import Change, Part, quoted
from .keys import Key, default_unit, parse_key, parse_meter, parse_shift, parse_tempo, parse_unit
from .lines import scan
from .parts import parse_order
from .scanner import Token, scan_music

_JUMP = re.compile(r"d\.?\s?[cs]\b|da\s?capo|da\s?coda|dal\s?segno", re.IGNORECASE)  # and D.C.alfine
_TRANSPOSE = re.compile(r"\s*(?:MIDI\s+)?transpose\s*=?\s*([+-]?[0-9]{1,3})\s*$", re.ASCII)


class Reader(BarLines):
    """Reads one tune with `read`; the attributes hold what it has found."""

    def __init__(self, first_line: int):
        super().__init__(first_line)
        self.fields: dict[str, list[str]] = {}
        self.chord_symbols: list[tuple[int, str]] = []
        self.tempo, self.order = None, None
        self.voice, self.heard = None, True  # the voice that is read; whether the tokens are of it
        self.shifts, self.own_shifts = {}, {}  # of the key's field and of the voice's
        self.named = False  # whether the body has had a V: field
        self.slurs = 0

    def read_defaults(self, header: str) -> None:
        """Take meter and unit length from a file's header, unless the tune has its own."""
        for line in header.split("\n"):
            if line[:2] in ("L:", "M:"):
                self.set(Token("line", line, self.line, 1), line[0], line[2:].split("%")[0])

    def read(self, lines: Sequence[str]) -> None:
        """Collect the events of all lines in `self.events`."""
        tokens = list(scan(lines, self.line))
        self.choose_voice(tokens)
        handlers = {name[3:]: getattr(self, name) for name in dir(self) if name.startswith("on_")}
        silent = {"line", "field", "end", "directive", "words", "prose", "stray"}
        for token in tokens:
            handler = handlers.get(token.kind)
            if handler and (token.kind in silent or self.heard and not self.overlaid):
                handler(token)
            elif self.heard and self.overlaid:
                self.end_overlay(token)
        self.finish()
        self.words = {token.line for token in tokens if token.kind in ("words", "prose")}

    def choose_voice(self, tokens: Sequence[Token]) -> None:
        """Choose the first voice that has notes; music before the first V: belongs to the first voice."""
        notes, voice, header = {}, None, True
        for token in tokens:
            if token.kind in ("line", "field"):
                letter, value = parts_of(token)
                header = header and letter != "K"
                if letter == "V":
                    name = name_of(value)
                    notes.setdefault(name, 0)
                    voice = voice if header else name
            elif token.kind in ("note", "microtone"):
                if voice is None:
                    voice = next(iter(notes), "1")
                notes[voice] = notes.get(voice, 0) + 1
        self.voice = next((name for name, count in notes.items() if count), next(iter(notes), None))
        self.heard = not notes or self.voice == next(iter(notes))

    # ------------------------------------------------------------------------------------------ fields

    def on_line(self, token: Token) -> None:
        """A field on a line of its own; in the body, music may follow on the line of a K:, L: or M: field."""
        letter, value = parts_of(token)
        if self.key is None:
            self.fields.setdefault(letter, []).append(value)
        self.field(token, letter, value)

    def on_field(self, token: Token) -> None:
        """An inline field, [K:D]."""
        self.field(token, *parts_of(token))

    def on_glued(self, token: Token) -> None:
        """A field in the middle of music, without brackets."""
        self.odd(token, f"expected a field on a line of its own or in brackets, got {quoted(token.text)}")
        self.field(token, token.text[0], token.text[2:])

    def field(self, token: Token, letter: str, value: str) -> None:
        if letter == "V":
            self.turn_to(token, value)
        elif letter == "P":
            self.part(token, value)
        elif letter == "I":
            self.on_directive(Token("directive", value, token.line, token.column))
        elif letter in "KLMQ" and (self.heard or not self.named):
            self.set(token, letter, value)

    def turn_to(self, token: Token, value: str) -> None:
        """A V: field, which describes the voice, and in the body also changes to it."""
        name = name_of(value)
        if name == self.voice:
            self.own_shifts |= parse_shift(value)
            self.set_shift()
        if self.key is not None:
            self.named, self.heard, self.overlaid = True, name == self.voice, 0
            if not self.heard:
                self.lost_once(token, f"expected one voice, got another: {quoted(name)}")

    def part(self, token: Token, value: str) -> None:
        """A P: field: in the header the order of the parts, in the body the beginning of one."""
        if self.key is not None:
            if value[:1].isalpha() and self.order:
                self.open = None
                self.events.append(Part(value[0], token.line, token.column))
        elif value:
            try:
                self.order = parse_order(value)
            except ValueError as error:
                self.lost(token, str(error))

    def set(self, token: Token, letter: str, value: str) -> None:
        """Set key, unit length, meter or tempo."""
        body = self.key is not None
        try:
            if letter == "K":
                self.begin(self.understand_key(token, value), token)
                self.shifts |= parse_shift(value)
                self.set_shift()
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
                self.odd(token, f"music on the line of the field {letter}:")
                self.set(token, letter, first)
                for piece in scan_music(rest, token.line, token.column + 3 + len(first)):
                    handler = getattr(self, f"on_{piece.kind}", None)
                    if handler:
                        handler(piece)
            else:
                self.problem(token, str(error))
                if letter == "K" and not body:
                    self.begin(parse_key("none"), token)

    def understand_key(self, token: Token, value: str) -> Key:
        """The key of a field, read liberally if need be, which is then reported."""
        try:
            return parse_key(value)
        except ValueError as error:
            if self.key is not None and len(value.split()) > 1:
                raise  # music may follow it
            key = parse_key(value, liberal=True)
            self.lost(token, f"{error}: read as {key.name!r}")
            return key

    @staticmethod
    def understands(letter: str, value: str) -> bool:
        try:
            {"K": parse_key, "L": parse_unit, "M": parse_meter}[letter](value)
        except ValueError:
            return False
        return True

    def set_shift(self) -> None:
        """Combine the shifts of the key and of the voice; the voice's own come first."""
        self.shift = sum((self.shifts | self.own_shifts).values())

    def begin(self, key: Key, token: Token) -> None:
        """Begin a key; the first one ends the header."""
        first, self.key = self.key is None, key
        self.accidentals = {}
        if first:
            self.unit = self.unit or default_unit(self.meter)
            for name, value in (("meter", self.meter), ("tempo", self.tempo)):
                if value:
                    self.events.append(Change(name, value, token.line, token.column))
        self.events.append(Change("key", key.name, token.line, token.column))

    def on_directive(self, token: Token) -> None:
        """%%propagate-accidentals not | octave | pitch, %%MIDI transpose in semitones, %%MIDI nobarlines."""
        words, transpose = token.text.split(), _TRANSPOSE.match(token.text)
        if len(words) > 1 and words[0] == "propagate-accidentals" and words[1] in ("not", "octave", "pitch"):
            self.propagate = words[1]
        elif words[:2] == ["MIDI", "nobarlines"]:
            self.propagate = "not"  # or an accidental would hold to the end
        elif transpose and self.heard:
            self.shifts["MIDI"] = int(transpose[1])
            self.set_shift()

    # --------------------------------------------------------------------------------------------- others

    def on_text(self, token: Token) -> None:
        """A chord symbol, "Am7", or an annotation, which begins with one of ^ _ < > @."""
        self.jump(token, token.text[1:-1].lstrip("^_<>@"))
        if token.text[1:2] not in ("^", "_", "<", ">", "@"):
            self.chord_symbols.append((len(self.events), token.text[1:-1]))

    def on_decoration(self, token: Token) -> None:
        self.jump(token, token.text[1:])

    def jump(self, token: Token, text: str) -> None:
        if _JUMP.match(text):
            self.lost(token, f"a jump that is not played: {quoted(token.text)}")

    def on_words(self, token: Token) -> None:
        self.problem(token, f"expected music, got words, which are left out: {quoted(token.text)}")

    def on_prose(self, token: Token) -> None:
        self.lost(token, f"text after an empty line is left out: {quoted(token.text)}")

    def on_stray(self, token: Token) -> None:
        self.problem(token, "expected a field such as 'T:' in the header, got text")

    def on_gap(self, token: Token) -> None:
        self.lost(token, "music after an empty line, which ends a tune, is read all the same")

    def on_slur(self, token: Token) -> None:
        self.slurs += 1

    def on_unslur(self, token: Token) -> None:
        self.slurs -= 1
        if self.slurs < 0:
            self.odd(token, "')' without a slur that it ends")
            self.slurs = 0

    def on_end(self, token: Token) -> None:
        self.line = token.line
        self.close_chord("expected the end of a chord before that of the line")

    def close_chord(self, message: str) -> None:
        """Report a chord that is open here: it has no end."""
        if self.chord is not None:
            self.problem(self.chord_at, message)
            self.chord = None

    def finish(self) -> None:
        """Report what is still open at the end of the tune."""
        if self.broken_at:
            self.problem(self.broken_at, "expected a note on each side of a broken rhythm")
        if self.left:
            self.problem(self.tuplet_at, "expected more notes in a tuplet")
        self.take_colon()
        if self.slurs:
            self.odd(Token("end", "", self.line, 1), "a slur without an end")


def parts_of(token: Token) -> tuple[str, str]:
    """(letter, value) of a field on a line of its own or in brackets."""
    text = token.text if token.kind == "line" else token.text[1:-1]
    return text[0], text[2:].strip()


def name_of(value: str) -> str:
    """The name of the voice in a V: field."""
    return value.split(None, 1)[0] if value else ""
