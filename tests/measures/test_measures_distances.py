"""Distances between sets: densities, overlap and divergence beside SciPy's, the Frechet distance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import integrate, linalg, stats

from experiments.measures import distances
from experiments.measures.distances import (
    Density,
    between,
    kl_divergence,
    overlap_and_kl,
    overlap_area,
    within,
)
from experiments.measures.frechet import frechet_feature_distance, root, sample_covariance, shrunk_covariance

values = st.floats(0, 1000, allow_subnormal=False).map(lambda x: round(x, 3))
samples = arrays(np.float64, st.integers(1, 12), elements=values)


def test_distances_by_hand():
    x, y = np.array([[0.0, 0], [3, 4], [0, 1]]), np.array([[0.0, 0], [6, 8]])
    assert within(x).tolist() == [5, 1, pytest.approx(18**0.5)]
    assert between(x, y).tolist() == [0, 10, 5, 5, 1, pytest.approx(85**0.5)]
    assert len(within(x[:1])) == 0 and between(x[:1], y[:1]).tolist() == [0]


@settings(max_examples=30)
@given(arrays(np.float64, (5, 3), elements=values))
def test_each_distance_leaves_one_out(x):
    slow = [np.linalg.norm(x[i] - x[j]) for i in range(5) for j in range(i + 1, 5)]
    np.testing.assert_allclose(within(x), slow, atol=1e-9)


# Densities -----------------------------------------------------------------------------------------


def test_the_density_is_scipys(rng):
    x = rng.gamma(2, size=40)
    points = np.linspace(-2, 9, 50)
    np.testing.assert_allclose(np.exp(Density(x).log(points)), stats.gaussian_kde(x)(points), rtol=1e-12)
    far = Density(x).log(np.array([1e6]))[0]
    assert np.isfinite(far) and far < -1e9  # where scipy's density is 0


def test_many_samples_in_bins_are_as_good(rng, monkeypatch):
    x, y = rng.normal(size=3000), rng.normal(1, 2, size=2500)
    binned = overlap_and_kl(x, y)
    monkeypatch.setattr(distances, "MANY", 10**9)
    assert binned == pytest.approx(overlap_and_kl(x, y), rel=5e-4)


def test_overlap_and_kl_beside_quadrature(rng):
    x, y = rng.normal(size=30), rng.normal(1, 0.5, size=25)
    p, q = stats.gaussian_kde(x), stats.gaussian_kde(y)
    whole = {"limit": 200, "epsabs": 1e-5}
    area, _ = integrate.quad(lambda t: min(p(t)[0], q(t)[0]), -8, 9, **whole)
    assert overlap_area(x, y) == pytest.approx(area, abs=1e-4)
    kl, _ = integrate.quad(lambda t: p(t)[0] * (p.logpdf(t)[0] - q.logpdf(t)[0]), -4, 4, **whole)
    assert kl_divergence(x, y) == pytest.approx(kl, rel=1e-3)


def test_the_whole_support_counts_not_only_between_the_samples():
    x = np.array([0.0, 1.0])  # two wide kernels: a good part of them lies beyond 0 and 1
    inside, _ = integrate.quad(lambda t: stats.gaussian_kde(x)(t)[0], 0, 1)
    assert inside < 0.6 and overlap_area(x, x) == pytest.approx(1, abs=1e-12)


def test_two_grids_as_mgeval(rng):
    x, y = rng.normal(size=30), rng.normal(50, 1, size=30)
    theirs = stats.entropy(*(stats.gaussian_kde(s)(np.linspace(s.min(), s.max(), 1000)) for s in (x, y)))
    assert kl_divergence(x, y, two_grids=True) == pytest.approx(theirs, rel=1e-9)
    assert theirs < 1 < 100 < kl_divergence(x, y)  # far apart, and theirs does not see it
    assert kl_divergence(np.zeros(3), np.zeros(3), two_grids=True) == 0


def test_kl_of_densities_far_apart_is_right():
    x = np.array([0.0, 1.0, 2.0])
    width = Density(x).width
    for away in (1e3, 1e6):  # nearly (away / width)^2 / 2: what a normal density has
        assert kl_divergence(x, x + away) == pytest.approx((away / width) ** 2 / 2, rel=0.02)
        assert overlap_area(x, x + away) < 1e-12


def test_widths_that_differ_much(rng):
    wide, narrow = rng.normal(0, 1000, size=50), rng.normal(0, 1e-3, size=50)
    overlap, kl = overlap_and_kl(narrow, wide)
    assert 0 < overlap < 1e-3 and np.isfinite(kl) and kl > 5
    assert overlap_area(wide, narrow) == pytest.approx(overlap, rel=1e-6)


def test_point_masses():
    one, also_one, two = np.ones(4), np.ones(2) * (1 + 1e-12), np.full(3, 2.0)
    assert overlap_and_kl(one, also_one) == (1, 0)
    assert overlap_and_kl(one, two) == (0, np.inf)
    assert overlap_and_kl(one, np.array([0.0, 1.0, 2.0])) == (0, np.inf)
    assert overlap_and_kl(np.array([0.0, 1.0, 2.0]), one) == (0, np.inf)
    assert overlap_and_kl(np.zeros(3), np.zeros(1)) == (1, 0)


def test_without_samples_or_numbers_nothing_is_known():
    for a, b in (([], [1.0, 2]), ([1.0, 2], []), ([1.0, np.nan], [1.0, 2])):
        a, b = np.array(a), np.array(b)
        assert np.isnan(overlap_area(a, b)) and np.isnan(kl_divergence(a, b))
        assert np.isnan(kl_divergence(a, b, two_grids=True))


@settings(max_examples=80)
@given(samples, samples)
def test_bounds(a, b):
    overlap, kl = overlap_and_kl(a, b)
    assert 0 <= overlap <= 1 and kl >= 0
    assert overlap == pytest.approx(overlap_area(b, a), abs=1e-9)
    # Pinsker: the divergence of two densities is at least twice the square of what they do not share.
    assert kl >= 2 * (1 - overlap) ** 2 - 1e-3


@settings(max_examples=40)
@given(samples, st.floats(0.01, 100))
def test_equal_sets_are_alike_and_units_do_not_matter(a, scale):
    assert overlap_and_kl(a, a) == pytest.approx((1, 0), abs=1e-9)
    b = a**2 / 1000
    moved = overlap_and_kl(a * scale, b * scale)
    assert moved == pytest.approx(overlap_and_kl(a, b), rel=1e-2, abs=1e-4)


# Frechet -------------------------------------------------------------------------------------------


def test_frechet_of_two_normals_by_hand():
    x = np.array([[-1.0, 0], [1, 0], [0, -2], [0, 2]])  # variances 2/3 and 8/3, no covariance
    y = x * [3, 0.5] + [4, 3]
    # Between the means 25; a standard deviation that becomes k times as large adds (k - 1)^2 variances.
    expected = 25 + 4 * 2 / 3 + 0.25 * 8 / 3
    assert frechet_feature_distance(x, y, shrink=False) == pytest.approx(expected)


def test_frechet_beside_a_matrix_root(rng):
    x, y = rng.normal(size=(50, 5)), rng.normal(1, 2, size=(40, 5)) @ rng.normal(size=(5, 5))
    sx, sy = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    np.testing.assert_allclose(sample_covariance(x), sx, atol=1e-12)
    np.testing.assert_allclose(root(sx) @ root(sx), sx, atol=1e-12)
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(sx + sy - 2 * linalg.sqrtm(sx @ sy)).real
    assert frechet_feature_distance(x, y, shrink=False) == pytest.approx(expected)


@settings(max_examples=60)
@given(
    arrays(np.float64, st.tuples(st.integers(2, 8), st.just(4)), elements=values),
    arrays(np.float64, st.tuples(st.integers(2, 8), st.just(4)), elements=values),
    st.booleans(),
)
def test_frechet_is_a_distance(x, y, shrink):
    forth, back = frechet_feature_distance(x, y, shrink), frechet_feature_distance(y, x, shrink)
    assert forth == pytest.approx(back, rel=1e-6, abs=1e-6) and forth >= 0
    assert frechet_feature_distance(x, x[::-1], shrink) == pytest.approx(0, abs=1e-6)
    assert frechet_feature_distance(x, x + 1, shrink) == pytest.approx(4, abs=1e-5)


def test_shrinking_as_the_paper_says(rng):
    x = rng.normal(size=(12, 5)) @ rng.normal(size=(5, 5))
    centred = x - x.mean(0)
    s = centred.T @ centred / 12
    mu = np.trace(s) / 5
    d2 = np.sum((s - mu * np.eye(5)) ** 2) / 5
    b2 = min(d2, sum(np.sum((np.outer(row, row) - s) ** 2) / 5 for row in centred) / 12**2)
    expected = b2 / d2 * mu * np.eye(5) + (d2 - b2) / d2 * s
    np.testing.assert_allclose(shrunk_covariance(x), expected, rtol=1e-10)


def test_shrinking_brings_small_sets_nearer_to_the_truth(rng):
    error = {True: [], False: []}
    for _ in range(50):
        x = rng.normal(size=(8, 20))
        for shrink, covariance in ((True, shrunk_covariance), (False, sample_covariance)):
            error[shrink].append(np.sum((covariance(x) - np.eye(20)) ** 2))
    assert np.mean(error[True]) < np.mean(error[False]) / 5


def test_frechet_of_more_dimensions_than_pieces(rng):
    x, y = rng.normal(size=(5, 40)), rng.normal(size=(5, 40)) + 1
    for shrink in (True, False):
        assert np.isfinite(frechet_feature_distance(x, y, shrink))
    constant = np.ones((5, 40))
    assert frechet_feature_distance(constant, constant) == 0
    assert frechet_feature_distance(constant, constant + 1) == pytest.approx(40)


def test_sets_that_are_too_small_or_do_not_fit():
    assert np.isnan(frechet_feature_distance(np.zeros((1, 2)), np.zeros((5, 2))))
    with pytest.raises(ValueError, match=r"expected sets \(N, D\) and \(M, D\), got \(4, 2\) and \(4, 3\)"):
        frechet_feature_distance(np.zeros((4, 2)), np.zeros((4, 3)))
