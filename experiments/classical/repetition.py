"""One note repeating for ever: what users of such networks complain of most, as figures of each piece."""

import numpy as np

from experiments.measures.repetition import is_stuck, longest_run, top_gram_share


def repetition(encoder, symbols):
    """Figures of a piece: a dict; what they are is said in experiments/measures/repetition.py.

    longest_run : how often the same pitches are struck in a row, at most
    top_gram_share : share of the piece that the most frequent pattern of four symbols fills
    different : different symbols, in parts of all
    stuck : whether the piece is stuck

    encoder : NoteChords
    symbols : list of str, at least four
    """
    score = encoder.score(symbols)
    return {
        "longest_run": longest_run(score),
        "top_gram_share": top_gram_share(score),
        "different": len(set(symbols)) / len(symbols),
        "stuck": is_stuck(score),
    }


def in_words(found):
    """A line about the `repetition` of a piece."""
    text = (
        f"the same pitches at most {found['longest_run']} times in a row, one pattern of four fills "
        f"{found['top_gram_share']:.0%}, {found['different']:.0%} of the symbols different"
    )
    return text + ("; STUCK" if found["stuck"] else "")


def summary(pieces):
    """Figures of several pieces, dicts of `repetition`: a dict, for metrics.json."""
    return {
        "pieces": len(pieces),
        "stuck": float(np.mean([piece["stuck"] for piece in pieces])),
        "longest run": int(np.max([piece["longest_run"] for piece in pieces])),
        "median run": float(np.median([piece["longest_run"] for piece in pieces])),
        "median share of one pattern": float(np.median([piece["top_gram_share"] for piece in pieces])),
        "different": float(np.mean([piece["different"] for piece in pieces])),
    }
