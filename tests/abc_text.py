"""What the tests of ABC notation share: a head for a tune, and what is heard of its body."""

from fractions import Fraction

from encoders.abc import read_tune, validate
from encoders.abc.events import WHOLE

C, D, E, F, G, A, B = 60, 62, 64, 65, 67, 69, 71
LETTERS = dict(zip((C, D, E, F, G, A, B), "CDEFGAB", strict=True))
HEAD = "X:1\nT:A tune\nM:4/4\nL:1/8\nK:C\n"


def notes(body, head=HEAD, repeats=True):
    """[(start, duration, pitch)] in eighths."""
    score = read_tune(head + body).score(repeats)
    eighth = Fraction(score.ticks_per_beat, 2)
    return [(note.start / eighth, note.duration / eighth, note.pitch) for note in score.notes()]


def pitches(body, head=HEAD, repeats=True):
    """The MIDI numbers of what sounds."""
    return [pitch for *_, pitch in notes(body, head, repeats)]


def letters(body, head=HEAD, repeats=True):
    """The same as letters, of notes from C to the B above."""
    return "".join(LETTERS[pitch] for pitch in pitches(body, head, repeats))


def lengths(body, head=HEAD):
    """Lengths of all sounds in eighths, as exact fractions; rests in brackets."""
    events = read_tune(head + body).events
    return [Fraction(event.length, WHOLE) * 8 for event in events if hasattr(event, "pitches")]


def messages(text):
    return [f"{problem.line}:{problem.column} {problem.message}" for problem in validate(text)]


def music(score):
    return [(n.start, n.duration, n.pitch) for n in score.notes()], score.tempos, score.meters, score.keys
