"""Like with like: pieces are made comparable before they are measured."""

from dataclasses import replace

from encoders.score import Note


def on_grid(score, steps_per_beat):
    """The piece with all that happens moved to the nearest step of a grid; from the middle on, to the later
    one.

    Performances have no two notes that begin together, pieces from a network that counts sixteenths have:
    they are compared on the grid of the network. No note becomes shorter than a step; of notes of one pitch
    that begin in one step the longest is kept, of changes of tempo, meter or key in one step the last.

    score : Score
    steps_per_beat : int, steps in a quarter note
    Returns Score, of which a tick is a step.
    """
    beat = score.ticks_per_beat

    def step(tick):
        return (2 * tick * steps_per_beat + beat) // (2 * beat)

    def moved(track):
        longest = {}
        for note in track.notes:
            start = step(note.start)
            length = max(1, step(note.end) - start)
            before = longest.get((start, note.pitch))
            if before is None or length > before.duration:
                longest[start, note.pitch] = Note(start, length, note.pitch, note.velocity)
        return replace(track, notes=longest.values())

    def changes(rows):
        return tuple((tick, *values) for tick, values in {step(tick): rest for tick, *rest in rows}.items())

    return replace(
        score,
        ticks_per_beat=steps_per_beat,
        tracks=[moved(track) for track in score.tracks],
        tempos=changes(score.tempos),
        meters=changes(score.meters),
        keys=changes(score.keys),
    )


def first_bars(score, bars):
    """The piece from the bar in which it begins, cut at the bar line after `bars` bars.

    Silent bars before the first note do not count: they are gone. Changes within stay where they were.
    """
    lines = score.bar_lines()
    start = min((note.start for track in score.tracks for note in track.notes), default=0)
    first = max((line for line in lines if line <= start), default=0)
    kept = [line for line in lines if line > first][:bars]
    last = kept[-1] if kept else first

    def within(rows):
        """The rows from `first` on, the one in force there among them."""
        before = [row for row in rows if row[0] <= first]
        now = [(0, *before[-1][1:])] if before else []
        return now + [(row[0] - first, *row[1:]) for row in rows if first < row[0] < last]

    tracks = [
        replace(
            track,
            notes=[
                Note(note.start - first, min(note.end, last) - note.start, note.pitch, note.velocity)
                for note in track.notes
                if note.start < last
            ],
        )
        for track in score.tracks
    ]
    return replace(
        score,
        tracks=tracks,
        tempos=within(score.tempos),
        meters=within(score.meters),
        keys=within(score.keys),
    )
