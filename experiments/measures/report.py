"""Sets of pieces against a reference: distances between pieces, and means of what each piece is like.

Each set is compared with one random half of the reference, as often as `splits` says; the reference row is
the other half, compared in the same way. Nothing that differs from person to person can come nearer than
that.
"""

from typing import NamedTuple

import numpy as np

from experiments.common.errors import UserError
from experiments.common.progress import Progress, shown
from experiments.measures.distances import CONSTANT, between, overlap_and_kl, within
from experiments.measures.features import NAMES, extract, vectors
from experiments.measures.frechet import frechet_feature_distance
from experiments.measures.muspy_metrics import all_metrics
from experiments.measures.notes import note_arrays
from experiments.measures.prepare import first_bars, on_grid
from experiments.measures.repetition import all_repetition

REFERENCE = "reference, half against half"
FEWEST = 4  # pieces of the reference: two in each half
# Not in the Frechet distance: the matrices and bar histograms have more dimensions than sets have pieces, and
# tell of the same things.
FRECHET = tuple(name for name in NAMES if not name.endswith("matrix") and name != "bar_pitch_class_histogram")


class Measured(NamedTuple):
    """The pieces of a set, measured.

    vectors : dict of feature to float64 (N, D)
    metrics : dict of metric to float64 (N,), NaN where a piece has none
    left_out : int, pieces with fewer than two onsets, of which no interval and no time between can be told
    """

    vectors: dict
    metrics: dict
    left_out: int

    def __len__(self):
        return len(self.vectors[NAMES[0]])


def measure(scores, line="highest", bars=None, steps_per_beat=None, quiet=True):
    """Measure each piece of a set.

    scores : list of Score
    line : what "the next note" is, see features.extract
    bars : int or None, only so many bars from the first note on
    steps_per_beat : int or None, all notes moved to so many steps in a quarter note
    quiet : bool, no progress bar
    Returns Measured.
    """
    rows, metrics = [], []
    for score in shown(scores, "measuring", "piece", quiet):
        score = on_grid(score, steps_per_beat) if steps_per_beat else score
        score = first_bars(score, bars) if bars else score
        notes = note_arrays(score)
        if len(notes.first) < 2:
            continue
        rows.append(vectors(extract(notes, line)))
        metrics.append(all_metrics(notes) | all_repetition(notes))
    names = list(dict.fromkeys(name for row in metrics for name in row))
    return Measured(
        {name: np.array([row[name] for row in rows]) for name in NAMES},
        {name: np.array([row.get(name, np.nan) for row in metrics], dtype=np.float64) for name in names},
        len(scores) - len(rows),
    )


def compare(sets, reference, rng, splits=10, line="highest", bars=None, steps_per_beat=None, quiet=True):
    """Compare sets of pieces with a reference, such as human pieces that no network has learned from.

    Parameters
    ----------
    sets : dict of name to list of Score
    reference : list of Score, four at least that have two onsets
    rng : numpy Generator, which draws the halves
    splits : int, how many times the reference is divided
    line, bars, steps_per_beat : see `measure`; the same for all
    quiet : bool, no progress bar

    Returns
    -------
    dict, as JSON can hold it but for NaN and infinity:
        splits : int
        half : int, pieces of the reference that every row is compared with
        rows : list of dict, the reference row first, then the sets in their order:
            name : str
            pieces, left_out : int
            compared : int, pieces in a split: as many as `half`, drawn anew each time, or all if there are
                fewer
            frechet : spread; the Frechet distance on FRECHET, each feature divided by its deviation in the
                reference, so that all count alike
            overlap, kl : dict of feature to spread; distances within the half of the reference, and from the
                set to that half
            own_overlap, own_kl : the same; distances within the set, and from the set to the half. Low
                overlap where the other one is high: pieces that are all the same
            metrics : dict of metric to spread, over all pieces
        A spread is {"mean", "sd"}, of splits or pieces; sd with N - 1, NaN for one.

    Raises
    ------
    UserError
        If the reference is too small.
    """
    options = {"line": line, "bars": bars, "steps_per_beat": steps_per_beat, "quiet": quiet}
    human = measure(reference, **options)
    if len(human) < FEWEST:
        raise UserError(f"the reference: expected {FEWEST} pieces with two onsets or more, got {len(human)}")
    measured = {name: measure(scores, **options) for name, scores in sets.items()}
    half = len(human) // 2
    scales = {name: _deviation(human.vectors[name]) for name in FRECHET}
    results = {name: [] for name in (None, *measured)}  # None: the reference itself
    orders = [rng.permutation(len(human)) for _ in range(splits)]  # first: the same whatever the sets are
    with Progress(splits, "comparing", "split", quiet) as bar:
        for order in orders:
            halves = order[:half], order[half : 2 * half]
            for name, rows in results.items():
                own = human if name is None else measured[name]
                drawn = halves[1] if name is None else rng.permutation(len(own))[:half]
                if len(drawn):
                    rows.append(_compare_once(own, drawn, human, halves[0], scales))
            bar.update(1)
    return {
        "splits": splits,
        "half": half,
        "rows": [
            _row(name or REFERENCE, human if name is None else measured[name], rows, half)
            for name, rows in results.items()
        ],
    }


def _deviation(x):
    """Root of the total variance of vectors (N, D); 1 if they are all equal, but for rounding."""
    deviation = np.sqrt(x.var(axis=0).sum())
    return deviation if deviation > CONSTANT * np.abs(x).max() else 1.0


def _compare_once(own, drawn, human, half, scales):
    """All comparisons of some pieces of a set with a half of the reference: dict of (measure, feature)."""
    result = {}
    for name in NAMES:
        x, y = own.vectors[name][drawn], human.vectors[name][half]
        apart, among, own_among = between(x, y), within(y), within(x)
        result["overlap", name], result["kl", name] = overlap_and_kl(among, apart)
        result["own_overlap", name], result["own_kl", name] = overlap_and_kl(own_among, apart)
    x, y = (
        np.hstack([part.vectors[name][chosen] / scales[name] for name in FRECHET])
        for part, chosen in ((own, drawn), (human, half))
    )
    result["frechet", None] = frechet_feature_distance(x, y)
    return result


def _row(name, measured, results, half):
    """The row of a set, from the comparisons of all splits."""

    def over_splits(kind, feature):
        return spread([result[kind, feature] for result in results])

    return {
        "name": name,
        "pieces": len(measured),
        "left_out": measured.left_out,
        "compared": min(half, len(measured)),
        "frechet": over_splits("frechet", None),
        **{
            kind: {feature: over_splits(kind, feature) for feature in NAMES}
            for kind in ("overlap", "kl", "own_overlap", "own_kl")
        },
        "metrics": {metric: spread(values) for metric, values in measured.metrics.items()},
    }


def spread(values):
    """{"mean", "sd"} of the values that are numbers; NaN if there are none, the sd also if there is one."""
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return {"mean": np.nan, "sd": np.nan}
    finite = len(values) > 1 and np.isfinite(values).all()
    return {"mean": float(values.mean()), "sd": float(values.std(ddof=1)) if finite else np.nan}
