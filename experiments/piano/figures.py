"""The pictures of a run: learning, the paper's bars, attention."""

import numpy as np

from experiments.common.figures import COLORS, draw_curve, mean_curves, new_figure
from scratchnet.layers.attention import Attention

LOOKED_AT = 160  # tokens in the picture of attention


def draw_learning(path, curves, levels):
    """Nats per token against steps. curves: dict of model -> list, one for each seed, of [[step, nats]]."""
    title = "Piano: validation pieces"
    draw_curve(path, mean_curves(curves), levels, xlabel="step", ylabel="nats per token", title=title)


def draw_scores(path, judged):
    """The paper's Figure 5: macro precision, recall and F1 of each network, on training and test pieces."""
    kinds = ("precision", "recall", "f1")
    with new_figure(path, (8.4, 3.6)) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, part, title in zip(
            panels, ("train", "test"), ("training pieces", "test pieces"), strict=True
        ):
            for k, (model, seeds) in enumerate(judged.items()):
                heights = np.array([[seed[part][kind] for kind in kinds] for seed in seeds])
                places = np.arange(3) + (k - (len(judged) - 1) / 2) * 0.8 / len(judged)
                axes.bar(
                    places, heights.mean(0), 0.74 / len(judged), color=COLORS[k % len(COLORS)], label=model
                )
                if len(seeds) > 1:
                    spread = heights.std(0, ddof=1)
                    axes.errorbar(places, heights.mean(0), spread, fmt="none", ecolor="#222222", capsize=2)
            axes.set_xticks(range(3), ("precision", "recall", "F1"))
            axes.set_title(title)
            axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
            axes.set_axisbelow(True)
        panels[0].set_ylabel("macro mean over classes")
        panels[1].legend(loc="best")


def attention_weights(network, tokens):
    """At [t, k] how much token k counts in what the network recalls at token t; None without attention.

    In the vector form the mean over the units.

    tokens : array (L,)
    Returns array (L, L) or None.
    """
    layers = [layer for layer in network.layers if isinstance(layer, Attention)]
    if not layers:
        return None
    network.forward(tokens[:, None])
    alpha = layers[0].weights()
    return alpha.mean(axis=2)[:, :, 0] if layers[0].score == "vector" else alpha[:, :, 0]


def draw_attention(path, network, encoder, tokens, title):
    """Which past notes each note looked at, a row a note; whether there was anything to draw."""
    tokens = np.asarray(tokens)[:LOOKED_AT]
    alpha = attention_weights(network, tokens)
    if alpha is None:
        return False
    names = [encoder.vocabulary[k] for k in tokens]
    notes = [k for k, name in enumerate(names) if name[0] == "n" and name[1:].isdigit()]
    shown = alpha[np.ix_(notes, notes)]
    pitches = [int(names[k][1:]) for k in notes]
    uniform = shown * (np.array(notes)[:, None] + 1)  # 1: as much as in a plain mean
    uniform[np.triu_indices(len(notes), 1)] = np.nan
    with new_figure(path, (8, 8.6)) as figure:
        upper, lower = figure.subplots(2, 1, height_ratios=(1, 4), sharex=True)
        low, high = np.nanpercentile(uniform, (2, 98))  # the first notes have few others beside them
        colours = {"cmap": "viridis", "vmin": low, "vmax": high}
        upper.scatter(range(len(notes)), pitches, c=np.nanmean(uniform, axis=0), s=14, **colours)
        upper.set(ylabel="pitch (MIDI)", title=title)
        image = lower.imshow(uniform, aspect="auto", interpolation="nearest", **colours)
        lower.set(xlabel="note that is looked at", ylabel="note that is played")
        figure.colorbar(
            image, ax=[upper, lower], label="weight, in parts of that in a plain mean", shrink=0.8
        )
    return True
