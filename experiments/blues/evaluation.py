"""How good is the blues: chords that never drift, melodies near the exact floor, and are they copies?"""

import numpy as np

from encoders.tokens.blues import BARS, MELODY_LOW, MELODY_UNITS, SCALE, loss_floor
from experiments.blues.composing import choruses, prime_from_piece
from experiments.blues.training import losses


def chord_drift(network, pieces, count, rng):
    """Free composition for `count` choruses: how long the chords stay right.

    The network hears the first time step only (with melody: of a fresh piece); each chorus is compared with
    the twelve bars, bit by bit.

    Returns dict : "choruses", "perfect_choruses", "first_wrong_step" (None if there is none).
    """
    width = pieces.form.chord_units
    prime = pieces.stream(rng.choice(pieces.fresh, (1, 1)))[:1, :, 0]
    perfect, first_wrong, step = 0, None, 0
    for bits in choruses(network, pieces, prime, count, rng):
        wrong = np.flatnonzero((bits[:, :width] != pieces.chords).any(1))
        perfect += len(wrong) == 0
        if len(wrong) and first_wrong is None:
            first_wrong = step + int(wrong[0])
        step += len(bits)
    return {"choruses": count, "perfect_choruses": int(perfect), "first_wrong_step": first_wrong}


def melody_bars(bits):
    """(choruses, steps, units) -> (choruses, 12) hashable bars."""
    bars = np.packbits(bits.astype(bool), axis=2).reshape(len(bits), BARS, -1)
    return [[bar.tobytes() for bar in chorus] for chorus in bars]


def novelty(pieces, melodies):
    """Whether composed melodies are copies of training pieces.

    melodies : uint8 array (choruses, steps, melody units)
    Returns dict of shares in [0, 1]: "bars_in_training" (the same bar at the same place),
        "bars_in_training_anywhere", "choruses_in_training", "choruses_in_grammar" (one of the 4096),
        "distinct_choruses", and "notes_in_scale" (of the steps that sound).
    """
    composed = melody_bars(melodies)
    known = melody_bars(pieces.melodies[pieces.training])
    all_pieces = {tuple(chorus) for chorus in melody_bars(pieces.melodies)}
    training = {tuple(chorus) for chorus in known}
    places = [{chorus[k] for chorus in known} for k in range(BARS)]
    anywhere = set().union(*places)
    in_scale = np.isin(np.arange(MELODY_UNITS) + MELODY_LOW, SCALE)
    sounding = melodies[:, :, :MELODY_UNITS]
    return {
        "bars_in_training": float(
            np.mean([bar in places[k] for chorus in composed for k, bar in enumerate(chorus)])
        ),
        "bars_in_training_anywhere": float(
            np.mean([bar in anywhere for chorus in composed for bar in chorus])
        ),
        "choruses_in_training": float(np.mean([tuple(chorus) in training for chorus in composed])),
        "choruses_in_grammar": float(np.mean([tuple(chorus) in all_pieces for chorus in composed])),
        "distinct_choruses": len({tuple(chorus) for chorus in composed}) / len(composed),
        "notes_in_scale": float(sounding[:, :, in_scale].sum() / max(sounding.sum(), 1)),
    }


def evaluate(network, pieces, rng, count=1000):
    """All figures of one network.

    count : choruses of free composition
    Returns dict, nested, as in metrics.json.
    """
    result = {
        "fresh pieces": losses(network, pieces, pieces.fresh),
        "free composition": chord_drift(network, pieces, count, rng),
    }
    if pieces.with_melody:
        floor = loss_floor(pieces.form)
        loss = result["fresh pieces"]["melody_loss"]
        result["fresh pieces"] |= {"melody_floor": floor, "above_floor": loss / floor - 1}
        prime = prime_from_piece(int(rng.choice(pieces.fresh)), 1, pieces.form)
        melodies = [
            bits[:, pieces.form.chord_units :]
            for bits in choruses(network, pieces, prime, min(count, 1000), rng)
        ]
        result["composed melodies"] = novelty(pieces, np.stack(melodies))
        result["held-out melodies"] = novelty(pieces, pieces.melodies[pieces.fresh])
    return result
