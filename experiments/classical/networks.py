"""A whole network: how symbols enter, one of the builds, the choice of the next symbol."""

import numpy as np

from experiments.classical.builds import BUILDS, Counted, Stack
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.lookup import Lookup
from scratchnet.layers.sequential import Sequential

# the settings that decide names and shapes of the weights
NETWORK = ("architecture", "width", "head", "conv", "kernel", "input", "embedding", "window")
SMALL = 0.05  # deviation of an embedding's first numbers: what is learned is to outgrow them


def make_network(settings, encoder, vocabulary, rng):
    """A network with fresh weights, from tokens (T, B) to logits (1, V, B).

    settings : dict with NETWORK
    encoder : NoteChords
    vocabulary : SymbolVocabulary
    rng : numpy Generator; it also draws what dropout drops, ever after
    Raises ValueError if the window is too short for the convolutions.
    """
    V, below, size = len(vocabulary), [], len(vocabulary)
    if settings["input"] == "embedding":
        below, size = [Embedding(V, settings["embedding"], rng)], settings["embedding"]
        below[0].params["weight"] *= SMALL
    elif settings["input"] != "one-hot":
        below = [Lookup(features(settings["input"], encoder, vocabulary))]
        size = below[0].table.shape[1]
    stack = Stack(size, settings["window"], rng, settings["width"], settings["conv"], settings["kernel"])
    BUILDS[settings["architecture"]](stack)
    if stack.steps < 1:
        raise ValueError(
            f"a window of {settings['window']} symbols is too short for {settings['architecture']}"
        )
    stack.choice(settings["head"], V)
    return Sequential([*below, *stack.layers])


def least_weights(settings, symbols):
    """How many weights such a network has at least.

    settings : dict with NETWORK
    symbols : V
    """
    kind, embedding = settings["input"], settings["embedding"]
    size = {"embedding": embedding, "number": 1}.get(kind, symbols)
    counted = Counted(size, settings["window"], None, settings["width"], settings["conv"], settings["kernel"])
    BUILDS[settings["architecture"]](counted)
    counted.choice(settings["head"], symbols)
    return counted.weights + (embedding * symbols if kind == "embedding" else 0)


def features(kind, encoder, vocabulary):
    """The table of a Lookup: (V, 1) for "number", (V, V + 7) for "chroma".

    number : the token's place in the vocabulary in [0, 1), as the paper feeds it
    chroma : one-hot, and `pitch_features` beside it
    """
    V = len(vocabulary)
    if kind == "number":
        return np.arange(V)[:, None] / V
    rows = [pitch_features(encoder.parse(name)[0]) for name in vocabulary.names]
    return np.hstack([np.eye(V), rows])


def pitch_features(pitches):
    """Where pitches stand on three scales, after Mozer's CONCERT (1994), itself after Shepard (1982).

    pitches : tuple of MIDI numbers
    Returns float64 array (7,), the mean over the pitches of: cosine and sine on the circle of the twelve
        pitch classes, the same on the circle of fifths, height in octaves from middle C; then how many
        pitches there are, in parts of five, and whether there is none.
    """
    if not pitches:
        return np.array([0, 0, 0, 0, 0, 0, 1.0])
    p = np.array(pitches)
    chroma, fifths = 2 * np.pi * p / 12, 2 * np.pi * 7 * p / 12
    places = np.stack([np.cos(chroma), np.sin(chroma), np.cos(fifths), np.sin(fifths), (p - 60) / 12])
    return np.array([*places.mean(axis=1), len(p) / 5, 0])
