"""A Score of one voice as a tune in ABC notation; `read_tune` reads it back without loss."""

from fractions import Fraction
from itertools import groupby

from ..score import Score, check_key
from .keys import FIFTHS, parse_key
from .scanner import STEPS

UNIT = Fraction(1, 8)
BARS_IN_LINE = 4
LONGEST = 32  # whole notes; longer notes are written as several tied ones
MOST = 9999  # numerator or denominator of a length
TUPLETS = {3: 2, 5: 4, 7: 4, 9: 8}  # notes: in the time of how many
SIGNS = {2: "^^", 1: "^", 0: "=", -1: "_", -2: "__"}


def write_tune(score: Score, title: str = "", number: int = 1, key: str | None = None) -> str:
    """Write a score as ABC.

    Notes that begin together must end together, and before the next ones begin. Everything in a Score is kept
    but velocities, the names and programs of tracks, and silence at the end.

    Parameters
    ----------
    score : Score with one track that has notes
    title : str
    number : int, for the X: field
    key : str, one of Score's names, the key to write it in; None for the score's own

    Returns
    -------
    str
        `read_tune(text).score(ticks_per_beat=score.ticks_per_beat)` has the same notes, tempos, meters, keys.

    Raises
    ------
    ValueError
        If there are no notes, several voices or drums, or a number that ABC cannot express.
    """
    voice = _voice(score)
    keys = {0: check_key(key)} if key else dict(score.keys)
    tempos, meters = dict(score.tempos), {tick: (n, d) for tick, n, d in score.meters}
    for tempo in tempos.values():
        if not 1 <= tempo <= 10000:
            raise ValueError(f"expected tempos between 1 and 10000, got {tempo}")
    title = " ".join(title.split()).replace("%", "\\%")
    header = [f"X:{number}", f"T:{title}", "M:{}/{}".format(*meters.pop(0)), f"L:{UNIT}"]
    header += [] if score.tempos == ((0, 120.0),) else [f"Q:1/4={_decimal(tempos[0])}"]
    del tempos[0]
    first = keys.pop(0, "none")
    changes = [(tick, f"[K:{name}]", name) for tick, name in keys.items()]
    changes += [(tick, f"[Q:1/4={_decimal(tempo)}]", None) for tick, tempo in tempos.items()]
    changes += [(tick, "[M:{}/{}]".format(*meter), None) for tick, meter in meters.items()]
    changes.sort(key=lambda change: change[0])
    end = max(score.end, *(tick for tick, *_ in changes), 0)
    writer = _Writer(score, first)
    lines = score.bar_lines(end)
    bars = []
    for bar in range(len(lines) - 1):
        last = lines[bar + 1] if bar + 2 < len(lines) else max(lines[-1], end + 1)
        inside = [change for change in changes if lines[bar] <= change[0] < last]
        bars.append(writer.bar(voice, lines[bar], lines[bar + 1], inside))
    rows = [bars[k : k + BARS_IN_LINE] for k in range(0, len(bars), BARS_IN_LINE)]
    body = " |\n".join(" | ".join(row) for row in rows) + " |]"
    return "\n".join([*header, f"K:{first}", body]) + "\n"


def _voice(score):
    """[(start, end, pitches)] by rising start, without rests; ValueError unless it is one voice."""
    tracks = [track for track in score.tracks if track.notes]
    if len(tracks) != 1 or tracks[0].is_drums:
        raise ValueError(
            f"expected one track with notes that are no drums, got {len(tracks)} tracks with notes"
        )
    voice, before = [], 0
    for start, notes in groupby(tracks[0].notes, key=lambda note: note.start):
        notes = list(notes)
        ends, pitches = {note.end for note in notes}, {note.pitch for note in notes}
        if start < before or len(ends) > 1 or len(pitches) < len(notes):
            raise ValueError(f"expected one voice, got notes that overlap at tick {start}")
        (before,) = ends
        voice.append((start, before, tuple(sorted(pitches))))
    return voice


def _decimal(number):
    """A float in digits that restore it, without an exponent."""
    return f"{number:g}" if float(f"{number:g}") == number else repr(number)


class _Writer:
    """Writes bar after bar, remembering key, accidentals and ties."""

    def __init__(self, score, key):
        self.whole = 4 * score.ticks_per_beat
        self.meters = score.meters
        self.tied, self.sounding = {}, {}  # place -> accidental, of the notes before and of these
        self.next = 0  # index of the first sound of the voice that is not over
        self.set_key(key)

    def set_key(self, name):
        self.key = parse_key(name)
        self.flats = sum(self.key.accidentals.values()) < 0
        self.accidentals = {}

    def bar(self, voice, begin, end, changes):
        """The text of the ticks begin .. end, without bar lines; changes [(tick, text, key or None)]."""
        self.accidentals = {}
        beat = self.beat(begin)
        marks = sorted({begin, end, *(tick for tick, *_ in changes)})
        pieces = []  # (tick, text, odd part of the length, the length as text, the same within a tuplet)
        for first, last in zip(marks, [*marks[1:], None], strict=True):
            for _, text, key in (change for change in changes if change[0] == first):
                pieces.append((first, text, None, "", ""))
                if key:
                    self.set_key(key)
            if last is not None and first < end:
                pieces += self.sounds(voice, first, last)
        return self.join(pieces, begin, beat)

    def sounds(self, voice, first, last):
        """Pieces for the ticks first .. last, in which nothing changes."""
        now = first
        while now < last:
            while self.next < len(voice) and voice[self.next][1] <= now:
                self.next += 1
            start, stop, pitches = voice[self.next] if self.next < len(voice) else (last, last, ())
            if start > now:
                stop, pitches = start, ()
            until = min(stop, last, now + LONGEST * self.whole)
            self.sounding = {}
            head = self.notes(pitches)
            length = Fraction(until - now, self.whole) / UNIT
            while length.numerator > MOST and until > now + 1:
                until = now + (until - now) // 2
                length = Fraction(until - now, self.whole) / UNIT
            tail = "-" if pitches and until < stop else ""
            self.tied = self.sounding if tail else {}
            odd = length.denominator // (length.denominator & -length.denominator)
            shorter = length * odd / TUPLETS[odd] if odd in TUPLETS else length
            yield now, head, odd, _length(length) + tail, _length(shorter) + tail
            now = until

    def notes(self, pitches):
        names = [self.note(pitch) for pitch in pitches] or ["z"]
        return names[0] if len(names) == 1 else f"[{''.join(names)}]"

    def note(self, pitch):
        """The name of a pitch: a note of the key, or else one with a sharp, in flat keys with a flat."""
        found = None
        for letter, step in STEPS.items():
            alter = self.key.accidentals.get(letter, 0)
            if (pitch - step - alter) % 12 == 0:
                found = letter, alter
        for letter in FIFTHS if not found else ():
            for alter in (0, -1 if self.flats else 1):
                if (pitch - STEPS[letter] - alter) % 12 == 0 and (not found or alter == 0):
                    found = letter, alter
        letter, alter = found
        octave = (pitch - STEPS[letter] - alter) // 12 - 5
        now = self.tied.get((letter, octave))  # as the reader sees it
        if now is None:
            now = self.accidentals.get(letter, self.key.accidentals.get(letter, 0))
        sign = "" if now == alter else SIGNS[alter]
        if sign:
            self.accidentals[letter] = alter
        place = letter, octave
        self.sounding[place] = None if place in self.sounding else alter
        return sign + (letter + "," * -octave if octave < 1 else letter.lower() + "'" * (octave - 1))

    def beat(self, tick):
        """Ticks of a beat; notes of one beat are written without spaces."""
        numerator, denominator = [meter[1:] for meter in self.meters if meter[0] <= tick][-1]
        compound = numerator % 3 == 0 and numerator > 3 and denominator >= 8
        return max(1, self.whole * 3 // denominator if compound else self.whole // max(4, denominator // 2))

    @staticmethod
    def join(pieces, begin, beat):
        """The pieces as text; neighbours with the same odd part in their lengths make one tuplet."""
        text, before = "", None
        for odd, group in groupby(pieces, key=lambda piece: piece[2]):
            group = list(group)
            for index, (tick, head, _, length, shorter) in enumerate(group):
                now = (tick - begin) // beat
                text += " " if text and (now != before or odd is None) else ""
                before = now
                if odd in TUPLETS and index % 99 == 0:
                    count = min(99, len(group) - index)
                    text += f"({odd}" if odd == count == 3 else f"({odd}:{TUPLETS[odd]}:{count}"
                text += head + (shorter if odd in TUPLETS else length)
        return text


def _length(length):
    """A Fraction of unit lengths as ABC writes it: 1 is "", a half "/"."""
    if max(length.numerator, length.denominator) > MOST:
        raise ValueError(f"expected lengths that ABC can write, got {length} eighths")
    above = "" if length.numerator == 1 else str(length.numerator)
    below = "" if length.denominator == 1 else "/" if length.denominator == 2 else f"/{length.denominator}"
    return above + below
