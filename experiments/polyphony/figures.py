"""The pictures of a run."""

import numpy as np

from encoders.piano_roll import draw_piano_roll
from experiments.common.figures import draw_activity, draw_curve
from experiments.common.json_files import is_number
from experiments.polyphony.anchors import LOGISTIC
from experiments.polyphony.composing import TICKS, to_score
from scratchnet.kernels.activations import sigmoid

SHOWN = 64  # frames in a picture


def draw_learning(path, rows, title, levels):
    """Nats per frame against epochs. rows: of log.jsonl, where a resumed run may have an epoch twice."""
    rows = [row for _, row in sorted({row["epoch"]: row for row in rows}.items())]
    epochs = [row["epoch"] for row in rows]
    names = {"train": "training pieces, with dropout", "valid": "validation pieces", "test": "test pieces"}
    for row in rows:
        row.setdefault("train", row.get("loss"))  # as earlier versions called it
    series = {
        label: (epochs, [row[split] if is_number(row.get(split)) else np.nan for row in rows])
        for split, label in names.items()
    }
    floors = {"logistic\nregression": levels[LOGISTIC]["test"]} if levels else {}
    draw_curve(path, series, floors, xlabel="epoch", ylabel="nats per frame", title=title)


def draw_prediction(path, network, piece, source, title):
    """The frames of a piece (T, 88), and what was predicted for each of them from those before."""
    piece = piece[: SHOWN + 1]
    network.eval()
    p = sigmoid(network.forward(piece[:-1, :, None].astype(np.float32))[:, :, 0])  # (T, 88)
    used = np.flatnonzero(piece.any(0) | (p > 0.05).any(0))
    low, high = used.min(), used.max()
    rows = slice(low, high + 1)
    labels = [octave(source.lowest + k) for k in range(high, low - 1, -1)]  # high notes above
    panels = {
        "the frames that came": piece[1:, rows].T[::-1],
        "probability of each note, from the frames before": p[:, rows].T[::-1],
    }
    draw_activity(
        path,
        [(name, values, (0, 1)) for name, values in panels.items()],
        row_labels=dict.fromkeys(panels, labels),
        title=title,
    )


def octave(pitch):
    """C4 for 60, and nothing for notes that are no C: there is no room for all names."""
    return f"C{pitch // 12 - 1}" if pitch % 12 == 0 else ""


def draw_composition(path, frames, given, source, bpm, title):
    """A piano roll of frames (T, 88); the first `given` are shaded."""
    score = to_score(frames, source, bpm)
    shaded = [(0, given * TICKS // source.frames_per_beat)]
    draw_piano_roll(score, path, title=title, highlight=shaded)
