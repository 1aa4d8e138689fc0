"""Relative evaluation (Yang & Lerch 2018, section 3.3): is a set of pieces as far from the reference as the
reference's pieces are from each other?

For one feature, pieces are points. The distances within a set and those between two sets are each smoothed
to a density by a Gaussian kernel; how alike two densities are is told by their overlap and their KL
divergence.

    within(x)  between(x, y)          distances
    overlap_area(a, b)                1 if they are distributed alike, 0 if they have nothing in common
    kl_divergence(a, b)               0 if alike, in nats
"""

import numpy as np

CONSTANT = 1e-9  # distances that differ by no more than this part of the largest are one
PER_WIDTH = 8  # points of the grid in a kernel's standard deviation
REACH = 8  # standard deviations beyond the outermost samples: all but 1e-15 of the density
BINS = 50  # in a standard deviation, when there are many samples
MANY = 2000


def within(x):
    """Euclidean distances between the pieces of a set, each pair once.

    (Leave-one-out: of each piece to all others. That is every pair twice, which mgeval keeps; the density
    would be drawn as if there were twice as many samples.)

    x : float64 (N, D)
    Returns float64 (N (N - 1) / 2,); empty for a set of one.
    """
    from scipy.spatial.distance import pdist

    return pdist(x)


def between(x, y):
    """Euclidean distances from each piece of one set to each of another.

    x : float64 (N, D)
    y : float64 (M, D)
    Returns float64 (N M,).
    """
    from scipy.spatial.distance import cdist

    return cdist(x, y).ravel()


class Density:
    """A Gaussian kernel density of samples; its width is Scott's rule, as scipy's gaussian_kde has it.

    Samples that are all equal (or only one) have no width: then `width` is 0, and it is a point mass at
    `place`.

    samples : float64 (N,), N >= 1, finite
    """

    def __init__(self, samples):
        samples = np.asarray(samples, dtype=np.float64)
        self.low, self.high = samples.min(), samples.max()
        self.width, self.place = 0.0, float(samples.mean())
        if self.high - self.low <= CONSTANT * max(abs(self.low), abs(self.high)):
            return
        self.width = float(samples.std(ddof=1) * len(samples) ** -0.2)
        if len(samples) > MANY:  # equal within a fiftieth of the width: the density changes by 2e-5 of itself
            step = self.width / BINS
            at, counts = np.unique(np.round((samples - self.low) / step), return_counts=True)
            self.centres, weights = self.low + at * step, counts / len(samples)
        else:
            self.centres, weights = samples, np.full(len(samples), 1 / len(samples))
        self.log_weights = np.log(weights) - np.log(self.width * np.sqrt(2 * np.pi))

    def grid(self):
        """Points over all of the support."""
        margin = REACH * self.width
        count = int(np.ceil((self.high - self.low + 2 * margin) / self.width * PER_WIDTH))
        return np.linspace(self.low - margin, self.high + margin, count + 1)

    def log(self, points):
        """The logarithm of the density at some points; finite however far they are from all samples."""
        result = np.empty(len(points))
        rows = max(1, 50_000 // len(self.centres))  # so many at once as fit the cache
        for begin in range(0, len(points), rows):
            exponents = points[begin : begin + rows, None] - self.centres
            exponents /= self.width
            exponents *= exponents
            exponents *= -0.5
            exponents += self.log_weights
            largest = exponents.max(axis=1, keepdims=True)  # taken out, so that far away not all terms are 0
            exponents -= largest
            np.exp(exponents, out=exponents)
            result[begin : begin + rows] = largest[:, 0] + np.log(exponents.sum(axis=1))
        return result


def overlap_area(a, b):
    """What two densities have in common: the integral of the smaller of them over the whole line.

    a, b : float64 (N,), (M,), samples
    Returns float in 0..1; two point masses overlap by 1 if they are at one place, else by 0; a point mass and
        a density by 0; NaN without samples.
    """
    return overlap_and_kl(a, b)[0]


def kl_divergence(a, b, two_grids=False):
    """Kullback-Leibler divergence of the density of `b` from that of `a`, in nats: the mean, over a, of
    log a / b.

    a, b : float64 (N,), (M,), samples
    two_grids : bool, as mgeval: each density at 1000 points of its own samples' range, so that values are
        compared that belong to different distances. Two sets far from each other can have 0.
    Returns float >= 0; of point masses 0 if they are at one place, else infinity; infinity too if only one is
        a point mass; NaN without samples.
    """
    if two_grids and known(a, b):
        p, q = Density(a), Density(b)
        if p.width and q.width:
            from scipy.stats import entropy

            return float(entropy(*(np.exp(d.log(np.linspace(d.low, d.high, 1000))) for d in (p, q))))
    return overlap_and_kl(a, b)[1]


def overlap_and_kl(a, b):
    """`overlap_area` and `kl_divergence`, in the time of one; by the trapezoid rule, to 1e-4 or so."""
    if not known(a, b):
        return np.nan, np.nan
    p, q = Density(a), Density(b)
    if p.width == 0 or q.width == 0:
        apart = abs(p.place - q.place) > CONSTANT * max(abs(p.place), abs(q.place))
        return (0.0, np.inf) if apart or p.width != q.width else (1.0, 0.0)
    points = np.union1d(p.grid(), q.grid())
    log_p, log_q = p.log(points), q.log(points)
    overlap = np.trapezoid(np.exp(np.minimum(log_p, log_q)), points)
    kl = np.trapezoid(np.exp(log_p) * (log_p - log_q), points)
    return float(np.clip(overlap, 0, 1)), float(max(0.0, kl))  # but for rounding they are within


def known(a, b):
    """Whether there are samples of both, all of them numbers."""
    return len(a) > 0 and len(b) > 0 and bool(np.isfinite(a).all() and np.isfinite(b).all())
