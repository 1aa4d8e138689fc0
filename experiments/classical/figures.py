"""The pictures of a run: eight learning curves, compositions, where an embedding puts the pitches."""

import numpy as np

from experiments.common.figures import draw_curve, mean_curves, new_figure

NAMES = "C C♯ D E♭ E F F♯ G G♯ A B♭ B".split()


def draw_learning(path, curves, ngram, nats):
    """Loss on the validation pieces, against steps.

    curves : dict of build -> list, one for each seed, of [[step, nats], ...]; the mean is drawn
    ngram, nats : the best n-gram, and its loss on the same pieces
    """
    draw_curve(
        path,
        mean_curves(curves),
        {ngram: nats},
        xlabel="step",
        ylabel="nats per symbol",
        title="Classical piano: validation pieces",
    )


def draw_embedding(path, pitches, vectors, title):
    """Where vectors of notes stand: similarities of all pairs, and the plane that shows most of them.

    pitches : MIDI numbers (N,), rising
    vectors : array (N, E)
    """
    vectors = vectors - vectors.mean(axis=0)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    u, s, _ = np.linalg.svd(vectors, full_matrices=False)
    plane, share = u[:, :2] * s[:2], (s[:2] ** 2).sum() / (s**2).sum()
    with new_figure(path, (11, 5)) as figure:
        left, right = figure.subplots(1, 2)
        image = left.imshow(unit @ unit.T, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        marks = [k for k, pitch in enumerate(pitches) if pitch % 12 == 0]
        labels = [f"C{pitches[k] // 12 - 1}" for k in marks]
        left.set_xticks(marks, labels)
        left.set_yticks(marks, labels)
        left.set_title(title)
        figure.colorbar(image, ax=left, label="cosine similarity", shrink=0.8)
        dots = right.scatter(*plane.T, c=pitches, cmap="viridis", s=18)
        for (x, y), pitch in zip(plane, pitches, strict=True):
            right.annotate(NAMES[pitch % 12], (x, y), (3, 2), textcoords="offset points", fontsize=7)
        right.set(
            title="two principal components", xlabel=f"{share:.0%} of the variance", xticks=[], yticks=[]
        )
        figure.colorbar(dots, ax=right, label="pitch (MIDI)", shrink=0.8)


def similarity_by_interval(pitches, vectors):
    """Mean cosine similarity of the vectors of notes that are 1, 2, ... 24 semitones apart.

    Returns dict of semitones -> mean; intervals that do not occur are left out.
    """
    vectors = vectors - vectors.mean(axis=0)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    close, apart = unit @ unit.T, np.abs(np.subtract.outer(pitches, pitches))
    return {d: float(close[apart == d].mean()) for d in range(1, 25) if (apart == d).any()}
