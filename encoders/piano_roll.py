"""Pictures of scores: bars to the right, pitch upwards, a colour for each track, louder notes darker."""

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from scratchnet.files import atomic_path

from .score import DRUM_CHANNEL, Score
from .sources import StrPath

MAX_BARS = 192  # more would make a picture metres high

# Okabe and Ito's colours, which colour-blind readers can tell apart; the pale yellow is left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6A3D9A", "#5B4A3A")
DRUM_COLOUR = "#777777"

_NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_BLACK_KEYS = (1, 3, 6, 8, 10)


def draw_piano_roll(
    score: Score,
    path: StrPath,
    title: str | None = None,
    bars_per_row: int = 12,
    bars: tuple[int, int] | None = None,
    labels: Sequence[tuple[int, str]] = (),
    highlight: Sequence[tuple[int, int]] = (),
) -> None:
    """Draw a score as a piano roll.

    Parameters
    ----------
    score : Score
    path : path-like ending in .png, .svg or .pdf; the file appears whole or not at all
    title : str, above the picture
    bars_per_row : int
    bars : (first, last), the bars to draw, counted from 1 and both included; None for all, or for the first
        `MAX_BARS` if there are more, which the picture then says
    labels : sequence of (tick, text), such as chord names, written above the notes
    highlight : sequence of (start, end) in ticks, such as a prompt, drawn on a shaded ground

    Raises
    ------
    ValueError
        If the file name has another suffix or a bar number is out of range.
    ImportError
        If matplotlib is not installed.
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ValueError(f"{path}: a picture's name must end in .png, .svg or .pdf")
    if bars_per_row < 1:
        raise ValueError(f"bars_per_row must be at least 1, got {bars_per_row}")
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError('pictures need matplotlib: pip install "scratchnet[experiments]"') from None

    lines = score.bar_lines(max(score.end, 1))  # an empty score is drawn as one empty bar
    count = len(lines) - 1
    first, last = bars or (1, min(count, MAX_BARS))
    if not 1 <= first <= last <= count or last - first >= MAX_BARS:
        raise ValueError(f"bars must be at most {MAX_BARS} between 1 and {count}, got {first} to {last}")
    rows = [range(row, min(row + bars_per_row, last + 1)) for row in range(first, last + 1, bars_per_row)]
    # Every row has the same scale: as wide as the widest.
    width = max(lines[row[-1]] - lines[row[0] - 1] for row in rows)
    shown = [note.pitch for note in score.notes() if lines[first - 1] < note.end and note.start < lines[last]]
    low, high = _pitch_range(shown)

    size = (min(14, 3 + 0.95 * bars_per_row), len(rows) * (0.75 + 0.062 * (high - low + 1)) + 0.7)
    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}  # same score, same bytes
    with matplotlib.rc_context({"svg.hashsalt": "scratchnet", "font.size": 9}):
        figure = Figure(figsize=size, layout="constrained", facecolor="white")
        axes = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
        for ax, row in zip(axes, rows, strict=True):
            begin, end = lines[row[0] - 1], lines[row[-1]]
            _draw_ground(ax, score, lines, row, begin, width, low, high, highlight)
            _draw_notes(ax, score, begin, end)
            for tick, text in labels:
                if begin <= tick < end:
                    ax.text(tick, high + 0.9, text, fontweight="bold", color="#333333", parse_math=False)
        remark = f"bars {first} to {last} of {count}" if bars is None and last < count else None
        _draw_header(figure, score, title, remark)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=130, metadata=undated.get(path.suffix.lower()))


def _pitch_range(pitches):
    """Lowest and highest pitch to show: the notes and a margin, at least an octave and a half."""
    low, high = (min(pitches) - 2, max(pitches) + 2) if pitches else (60, 72)
    missing = max(0, 18 - (high - low))
    return max(0, low - missing // 2), min(127, high + missing - missing // 2)


def _draw_ground(ax, score, lines, row, begin, width, low, high, highlight):
    """Keys, beats, bar lines and bar numbers of one row, and what is highlighted."""
    end = lines[row[-1]]
    floor, ceiling = low - 0.5, high + 0.5
    for pitch in range(low, high + 1):
        if pitch % 12 in _BLACK_KEYS:
            ax.fill_between([begin, end], pitch - 0.5, pitch + 0.5, color="#F1F1F4", linewidth=0, zorder=0)
        if pitch % 12 in (0, 5):  # a line below C and F, where two white keys meet
            colour = "#B9B9C4" if pitch % 12 == 0 else "#E3E3EA"
            ax.hlines(pitch - 0.5, begin, end, color=colour, linewidth=0.6, zorder=1)
    for start, stop in highlight:
        if start < end and stop > begin:
            shade = {"color": "#FFE9A8", "alpha": 0.55, "linewidth": 0}
            ax.axvspan(max(start, begin), min(stop, end), **shade, zorder=0.5)
    meter_ticks = [tick for tick, _, _ in score.meters]
    for bar in row:
        denominator = score.meters[bisect_right(meter_ticks, lines[bar - 1]) - 1][2]
        beat = 4 * score.ticks_per_beat / denominator
        beats = round((lines[bar] - lines[bar - 1]) / beat)
        at = [lines[bar - 1] + beat * i for i in range(1, min(beats, 32))]
        ax.vlines(at, floor, ceiling, color="#DCDCE4", linewidth=0.5, zorder=1)
    at = [lines[bar - 1] for bar in row]
    ax.vlines([*at, end], floor, ceiling, color="#6B6B78", linewidth=0.9, zorder=2)
    ax.set_xticks(at, [str(bar) for bar in row], ha="left")
    steps = (0, 2, 4, 5, 7, 9, 11) if high - low <= 21 else (0, 4, 7) if high - low <= 40 else (0,)
    named = [pitch for pitch in range(low, high + 1) if pitch % 12 in steps]
    ax.set_yticks(named, [f"{_NAMES[pitch % 12]}{pitch // 12 - 1}" for pitch in named], fontsize=7)
    for label, pitch in zip(ax.get_yticklabels(), named, strict=True):
        label.set_fontweight("bold" if pitch % 12 == 0 else "normal")
    ax.tick_params(length=0, colors="#555560", pad=3)
    ax.set_xlim(begin, begin + width)
    ax.set_ylim(floor, ceiling)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _draw_notes(ax, score, begin, end):
    """The notes of one row as rectangles, clipped at its edges."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgba

    for track, colour in zip(score.tracks, _colours(score), strict=True):
        corners, faces = [], []
        for note in track.notes:
            if note.start < end and note.end > begin:
                left, right = max(note.start, begin), min(note.end, end)
                low, high = note.pitch - 0.42, note.pitch + 0.42
                corners.append([(left, low), (right, low), (right, high), (left, high)])
                faces.append(to_rgba(colour, 0.4 + 0.6 * note.velocity / 127))
        bars = PolyCollection(corners, facecolors=faces, edgecolors="white", linewidths=0.5, zorder=3)
        ax.add_collection(bars)


def _colours(score):
    """A colour for each track."""
    return [
        DRUM_COLOUR if track.channel == DRUM_CHANNEL else COLOURS[i % len(COLOURS)]
        for i, track in enumerate(score.tracks)
    ]


def _draw_header(figure, score, title, remark):
    """The title on the left, the names of the tracks on the right."""
    from matplotlib.patches import Patch

    heading = "   ".join(part for part in (title, remark) if part)
    if heading:
        figure.suptitle(heading, x=0.01, ha="left", fontsize=12, fontweight="bold").set_parse_math(False)
    # matplotlib hides names that begin with an underscore: hence the space
    handles = [
        Patch(color=colour, label=f" {track.name or f'track {i}'}"[:24])
        for i, (track, colour) in enumerate(zip(score.tracks, _colours(score), strict=True), 1)
        if track.notes
    ][:16]
    if len(handles) > 1:
        size = {"handlelength": 1.0, "handleheight": 0.8, "columnspacing": 1.4, "frameon": False}
        columns = min(len(handles), 6)
        legend = figure.legend(handles=handles, loc="outside upper right", ncols=columns, **size)
        for text in legend.get_texts():
            text.set_parse_math(False)
