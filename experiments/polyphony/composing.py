"""From a trained network to a score: frames are drawn one at a time, and heard by the network again."""

import numpy as np

from encoders.score import Note, Score, Track
from scratchnet.kernels.activations import sigmoid

TICKS = 480  # a quarter note


def compose(network, prime, frames, rng, temperature=1.0):
    """Draw frames.

    network : Sequential, in evaluation mode
    prime : uint8 (T, 88), T >= 1: heard first
    frames : how many to draw
    rng : numpy Generator
    temperature : the net input of the outputs is divided by it
    Returns uint8 (T + frames, 88), the prime included.
    """
    a, state = network.forward(prime[:, :, None].astype(np.float32), network.initial_state(1))
    music = [*prime]
    for _ in range(frames):
        p = sigmoid(a[-1, :, 0].astype(np.float64) / temperature)
        music.append((rng.random(p.size) < p).astype(np.uint8))
        a, state = network.forward(music[-1][None, :, None].astype(np.float32), state)
    return np.stack(music)


def to_score(frames, source, bpm, name="piano"):
    """Frames as a Score. A note that sounds in neighbouring frames is one long note: frames do not tell more.

    frames : uint8 (T, 88)
    source : data.Source of the set
    bpm : quarter notes per minute
    """
    tick = TICKS // source.frames_per_beat
    edge = np.zeros((1, frames.shape[1]), np.int8)
    changes = np.diff(np.concatenate([edge, frames.astype(np.int8), edge]), axis=0).T  # (88, T + 1)
    notes = []
    for k, row in enumerate(changes):
        for start, end in zip(np.flatnonzero(row > 0), np.flatnonzero(row < 0), strict=True):
            notes.append(Note(start * tick, (end - start) * tick, source.lowest + k))
    return Score(TICKS, [Track(name, notes)], ((0, float(bpm)),))
