"""The Frechet distance of two sets of feature vectors.

The distance of two normal distributions (Dowson & Landau 1982), with the means and covariances of the sets:

    d2 = |mx - my|^2 + tr(Sx + Sy - 2 (Sx Sy)^(1/2))

The formula is that of the Frechet Inception distance (Heusel et al. 2017) and the Frechet music distance
(arXiv 2412.07948). Those measure features of trained networks, this one hand-made features: numbers of one
kind say nothing about the other.
"""

import numpy as np


def frechet_feature_distance(x, y, shrink=True):
    """Squared Frechet distance of two sets of vectors.

    tr (Sx Sy)^(1/2) is the sum of the singular values of Sx^(1/2) Sy^(1/2). The roots come from eigenvalues,
    with those below 0, which only rounding makes, set to 0: no root of a product that is not symmetric, and
    nothing complex, however few pieces there are.

    Small sets seem farther apart than they are: compare only distances of equally large sets.

    x, y : float64 (N, D), (M, D), a piece a row
    shrink : bool, estimate covariances as Ledoit & Wolf, see `shrunk_covariance`; else as (N - 1) in the
        denominator
    Returns float >= 0, in the features' units squared; 0 for equal sets; NaN if a set has fewer than two
        pieces.
    Raises ValueError if the sets are not (N, D) and (M, D).
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"expected sets (N, D) and (M, D), got {x.shape} and {y.shape}")
    if len(x) < 2 or len(y) < 2:
        return np.nan
    covariance = shrunk_covariance if shrink else sample_covariance
    sx, sy = covariance(x), covariance(y)
    between = np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2)
    overlap = np.linalg.svd(root(sx) @ root(sy), compute_uv=False).sum()
    distance = between + np.trace(sx) + np.trace(sy) - 2 * overlap
    rounding = 1e-12 * (between + np.trace(sx) + np.trace(sy))
    return float(distance) if distance > rounding else 0.0


def sample_covariance(x):
    """Covariance of x (N, D), N - 1 in the denominator: (D, D)."""
    centred = x - x.mean(axis=0)
    return centred.T @ centred / (len(x) - 1)


def shrunk_covariance(x):
    """Covariance of x (N, D), drawn towards a multiple of the identity: (D, D).

    Ledoit & Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (2004): of all
    mixtures (1 - a) S + a mu I of the sample covariance S (N in the denominator) and the identity times its
    mean variance mu, the one nearest to the truth in expectation, as far as the sample tells. With many
    pieces for each dimension a is near 0; with fewer pieces than dimensions S alone would have directions
    without any variance.
    """
    n, d = x.shape
    centred = x - x.mean(axis=0)
    s = centred.T @ centred / n
    mu = np.trace(s) / d
    spread = np.sum((s - mu * np.eye(d)) ** 2)  # from the target; their d^2, times D
    # Of the samples' own matrices x x' from their mean s: the sum of |x x' - s|^2 is sum |x|^4 - n |s|^2.
    error = (np.sum(np.sum(centred**2, axis=1) ** 2) / n - np.sum(s**2)) / n
    a = min(1.0, max(0.0, error / spread)) if spread > 0 else 0.0
    return (1 - a) * s + a * mu * np.eye(d)


def root(matrix):
    """The symmetric square root of a covariance (D, D)."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
