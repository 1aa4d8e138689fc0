"""One update of the decoupled extended Kalman filter; the symbols are those of kalman.py.

The derivatives of a group are C_i = A_i^T B_i, with A_i (R, K) and B_i (R, n_i). With U = cov_i B_i^T (here
laid out as B_i, R rows) and S = Gamma^-1 = L L^T

    C_i cov_i C_i^T = A_i^T (B_i U) A_i      G_i e = U A_i (S^-1 e)      G_i C_i cov_i = U (X X^T) U^T,
                                                                         X^T = L^-1 A_i^T

so that no matrix (K, n_i) is needed, and a group costs about 2 R n_i^2 operations. Only the lower triangle of
a covariance is kept, row by row: it cannot become asymmetric.
"""

from typing import NamedTuple

import numpy as np

from scratchnet.kernels.jit import kernel


class Filter(NamedTuple):
    """The memory of an update, besides the Factors of the groups."""

    covariance: np.ndarray  # lower triangles, row by row, group after group
    start: np.ndarray  # (groups + 1,) where a group's triangle begins
    U: np.ndarray  # cov B^T, laid out as B
    X: np.ndarray  # (groups, R, K) A L^-T
    S: np.ndarray  # (K, K) its lower triangle holds Gamma^-1, then L
    e: np.ndarray  # (K,) errors, then Gamma e
    scale: np.ndarray  # (K,) C = scale da/dw
    H: np.ndarray  # (largest R, largest R)


@kernel(inline=True)
def times_covariance(triangle, b, u):
    """u <- cov b."""
    at = 0
    for k in range(b.size):
        row, head = triangle[at : at + k], u[:k]
        here, total = b[k], 0.0
        for m in range(k):
            total += row[m] * b[m]
            head[m] += row[m] * here
        u[k] = total + triangle[at + k] * here
        at += k + 1


@kernel(inline=True)
def factorise(S):
    """The lower triangle of S <- L, S = L L^T."""
    for k in range(S.shape[0]):
        for m in range(k + 1):
            total = S[k, m]
            for l in range(m):
                total -= S[k, l] * S[m, l]
            S[k, m] = np.sqrt(total) if k == m else total / S[m, m]


@kernel(inline=True)
def forward_solve(L, b):
    """b <- L^-1 b."""
    for k in range(b.size):
        total = b[k]
        for m in range(k):
            total -= L[k, m] * b[m]
        b[k] = total / L[k, k]


@kernel(inline=True)
def backward_solve(L, b):
    """b <- L^-T b."""
    for k in range(b.size - 1, -1, -1):
        total = b[k]
        for m in range(k + 1, b.size):
            total -= L[m, k] * b[m]
        b[k] = total / L[k, k]


@kernel(inline=True)
def add_measurement(G, M, g):
    """U <- cov B^T of group g, and S += A^T (B U) A."""
    n, R = G.first[g + 1] - G.first[g], G.rank[g]
    triangle, at = M.covariance[M.start[g] : M.start[g + 1]], G.row[g]
    for c in range(R):
        u = M.U[at + c * n : at + (c + 1) * n]
        times_covariance(triangle, G.B[at + c * n : at + (c + 1) * n], u)
        for d in range(R):
            b = G.B[at + d * n : at + (d + 1) * n]
            total = 0.0
            for m in range(n):
                total += b[m] * u[m]
            M.H[d, c] = total
    for c in range(R):
        for d in range(R):
            for k in range(M.e.size):
                seen = M.H[d, c] * G.A[g, d, k]
                for l in range(k + 1):
                    M.S[k, l] += seen * G.A[g, c, l]


@kernel(inline=True)
def correct(w, G, M, g, q):
    """The weights and the covariance of group g, once S is L and e is Gamma e."""
    n, R, K = G.first[g + 1] - G.first[g], G.rank[g], M.e.size
    at, member = G.row[g], G.member[G.first[g] : G.first[g + 1]]
    triangle = M.covariance[M.start[g] : M.start[g + 1]]
    for c in range(R):
        move, u = 0.0, M.U[at + c * n : at + (c + 1) * n]
        for k in range(K):
            move += G.A[g, c, k] * M.e[k]
            M.X[g, c, k] = G.A[g, c, k]
        for m in range(n):
            w[member[m]] += move * u[m]
        forward_solve(M.S, M.X[g, c])
        for d in range(c + 1):
            total = 0.0
            for k in range(K):
                total += M.X[g, c, k] * M.X[g, d, k]
            M.H[c, d] = M.H[d, c] = total
    here = 0
    for m in range(n):
        row = triangle[here : here + m + 1]
        for c in range(R):
            change = 0.0
            for d in range(R):
                change += M.U[at + d * n + m] * M.H[d, c]
            u = M.U[at + c * n : at + c * n + m + 1]
            for l in range(m + 1):
                row[l] -= change * u[l]
        row[m] += q
        here += m + 1


@kernel(inline=True)
def update(w, G, M, r, q):
    """One step of the filter: weights and covariances from the groups' factors and the errors e."""
    for k in range(M.e.size):
        M.S[k] = 0
        M.S[k, k] = r
    for g in range(G.rank.size):
        add_measurement(G, M, g)
    factorise(M.S)
    forward_solve(M.S, M.e)
    backward_solve(M.S, M.e)
    for g in range(G.rank.size):
        correct(w, G, M, g, q)
