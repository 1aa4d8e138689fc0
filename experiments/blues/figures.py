"""The pictures of a run."""

import numpy as np

from encoders.piano_roll import draw_piano_roll
from encoders.score import Score, Track
from encoders.tokens.blues import BARS, CHORD_NAMES, chord_events, loss_floor
from experiments.blues.composing import TICKS, TRACKS, Player
from experiments.common.figures import draw_activity, draw_curve
from experiments.common.json_files import is_number


def draw_choruses(path, choruses, form, bpm, title, given=0):
    """A piano roll of a few choruses of bits; the first `given` steps are shaded. Chords are named as they
    sound.
    """
    player, parts = Player(form), ([], [])
    for bits in choruses:
        chords, melody, _ = player.feed(bits)
        parts[0].extend(chords)
        parts[1].extend(melody)
    parts[1].extend(player.finish()[0])
    tracks = [Track(name, notes, program) for (name, program), notes in zip(TRACKS, parts, strict=True)]
    score = Score(TICKS, tracks, ((0, float(bpm)),), ((0, 4, 4),))
    struck = {}
    for note in parts[0]:
        struck[note.start] = (*struck.get(note.start, ()), note.pitch)
    labels = [(start, CHORD_NAMES[pitches]) for start, pitches in struck.items() if pitches in CHORD_NAMES]
    shaded = [(0, given * TICKS // form.beat)] if given else []
    draw_piano_roll(score, path, title=title, bars_per_row=BARS, labels=labels, highlight=shaded)


def draw_training(path, rows, form):
    """Loss against choruses learned from, with the exact floor. rows: of log.jsonl, where a resumed run may
    have gone over a stretch twice.
    """
    rows = [row for _, row in sorted({row["choruses"]: row for row in rows}.items())]
    x, melody = [row["choruses"] for row in rows], any("melody_loss" in row for row in rows)

    def curve(name):
        return x, [row[name] if is_number(row.get(name)) else np.nan for row in rows]

    series = {
        "melody, held-out pieces": curve("melody_loss"),
        "chords, held-out pieces": curve("chord_loss"),
        "both, training pieces": curve("loss"),
    }
    if not melody:
        series = {"chords": series["chords, held-out pieces"]}
    floors = {"exact floor of the melody": loss_floor(form)} if melody else {}
    draw_curve(
        path,
        series,
        floors,
        xlabel="choruses learned from",
        ylabel="nats per time step",
        title="Learning the blues",
        logy=True,
    )


def draw_gates(path, network, pieces, bits, title):
    """Gates and cell states over one chorus (steps, D) of bits, in its place after another one."""
    network.forward(pieces.scaled(np.vstack([bits, bits])[:, :, None]))
    record = {name: values[len(bits) :, :, 0].T for name, values in network.record().items()}
    blocks, cells = [], []
    for name, group in network.wiring.blocks.items():
        letter = name[0]
        blocks += [f"{letter}{j + 1}" for j in range(group.blocks)]
        cells += [f"{letter}{j + 1}.{v + 1}" for j in range(group.blocks) for v in range(group.cells)]
    gates, largest = ("input gate", "forget gate", "output gate"), np.abs(record["state"]).max(1)  # (C,)
    state = "cell state, as a part of each cell's largest (at the left)"
    panels = [(name, record[name], (0, 1)) for name in gates]
    panels.append((state, record["state"] / np.maximum(largest, 1e-9)[:, None], (-1, 1)))
    panels.append(("cell output", record["cell output"], (-1, 1)))
    labels = {name: blocks for name in gates} | {"cell output": cells}
    labels[state] = [f"{size:.3g}   {cell}" for size, cell in zip(largest, cells, strict=True)]
    letters = ", ".join(f"{name[0]}: {name}" for name in network.wiring.blocks)
    draw_activity(
        path, panels, bar_length=pieces.form.steps_per_bar, bar_labels=bar_names(pieces.form),
        row_labels=labels, title=f"{title} ({letters})",
    )  # fmt: skip


def bar_names(form):
    """The chords of each bar, as text."""
    names = [[] for _ in range(BARS)]
    for start, _, chord in chord_events(form.literal_bar_6):
        names[start // 2].append(CHORD_NAMES[chord])
    return [" ".join(bar) for bar in names]
