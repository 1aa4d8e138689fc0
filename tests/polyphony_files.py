"""Small sets of polyphonic music, whole and damaged, for several test modules."""

import numpy as np
import scipy.io


def piece(rng, T, low=30, high=50):
    """A random piece, uint8 (T, 88): chords that stay or move by a step."""
    roll, place = np.zeros((T, 88), np.uint8), rng.integers(low, high)
    for t in range(T):
        place = int(np.clip(place + rng.integers(-1, 2), low, high))
        roll[t, [place, place + 4, place + 7]] = 1
    return roll


def pieces(seed=0, sizes=(6, 3, 3), lengths=(5, 12)):
    """Three lists of pieces."""
    rng = np.random.default_rng(seed)
    return {
        f"{split}data": [piece(rng, rng.integers(*lengths)) for _ in range(size)]
        for split, size in zip(("train", "valid", "test"), sizes, strict=True)
    }


def cells(rolls):
    """A list of arrays as scipy wants a cell array, (1, N) of objects."""
    array = np.empty((1, len(rolls)), object)
    for k, roll in enumerate(rolls):
        array[0, k] = roll
    return array


def write_mat(path, content=None, **options):
    """Write lists of pieces by name (small random ones if not given) as the sets are; returns the path."""
    content = pieces() if content is None else content
    variables = {k: cells(v) if isinstance(v, list) else v for k, v in content.items()}
    scipy.io.savemat(path, variables, do_compression=options.pop("compressed", True), **options)
    return path
