"""Learning as estimation: the decoupled extended Kalman filter for networks of memory blocks.

The weights are the hidden state of a nearly static system, the outputs are noisy measurements of it, and
every time step is one update of an extended Kalman filter (Singhal & Wu 1989). Decoupled means that weights
of different groups are treated as uncorrelated, so that each group has its own covariance: one small matrix
per unit instead of one large one (Puskorius & Feldkamp 1991, 1994). For LSTM, with the derivatives of the
truncated gradient: Perez-Ortiz, Gers, Eck & Schmidhuber (2003), whose groups are the weights into a unit.

    w_i     weights of group i                                            (n_i,)
    C_i     derivatives of the K outputs by them                          (K, n_i)
    cov_i   error covariance of group i, initially p I                    (n_i, n_i)
    e       errors of the outputs                                         (K,)
    r, q    variance of the measurement noise and of the process noise

    Gamma = (sum_i C_i cov_i C_i^T + r I)^-1        G_i = cov_i C_i^T Gamma
    w_i <- w_i + G_i e                              cov_i <- cov_i - G_i C_i cov_i + q I

The weights into a unit act through R numbers: R is 1, or the number of cells in a block. So C_i is the
product of two thin matrices (jacobian.py), and a step costs about R n_i^2 operations per group, not K n_i^2
(kalman_update.py). The global filter, with all weights in one group, is the same with R = K. r > 0 and q > 0
keep the covariances positive definite, in double precision.

Two ways to form the error of a sigmoid output y = sigmoid(a) with target t:

    difference   e = t - y                          C = dy/dw = y (1 - y) da/dw                 the usual one
    entropy      e = sign(t - y) sqrt(2 E)          C = (t - y)/e da/dw

In the second, E is the unit's cross-entropy in excess of a perfect answer's; the filter minimises half the
sum of the e^2 (Puskorius & Feldkamp 2001, section 2.7.2). C e is then the gradient of the cross-entropy, and
does not vanish where an output is certain but wrong, as that of `difference` does.

r and q decay geometrically over the first `anneal` steps. Memory: n_i^2/2 numbers per group.
"""

import numpy as np
from numpy.typing import ArrayLike

from scratchnet.arguments import number, one_of, pair, room
from scratchnet.blocks.jacobian import (
    empty_factors,
    expect_float64,
    fill_factors,
    make_factors,
    propagate_partials,
)
from scratchnet.blocks.kalman_update import Filter, update
from scratchnet.blocks.learning import compare, step
from scratchnet.blocks.network import CellBlocks
from scratchnet.blocks.online import expect_inputs, expect_learned, expect_targets
from scratchnet.described import Described
from scratchnet.kernels.jit import kernel
from scratchnet.layers.one_thread import alone_with

GROUPS, ERRORS = ("unit", "all"), ("difference", "entropy")


@kernel(inline=True)
def form_errors(n, t, now, entropy, scale, e):
    """The error of every output, and the factor that turns da/dw into the derivative C that goes with it."""
    first = n.units.size - e.size
    for k in range(e.size):
        a, y, target = n.a[k], n.units[first + k], t[now, k]
        difference = target - y
        scale[k], e[k] = y * (1 - y), difference
        if entropy:
            E = np.log1p(np.exp(-abs(a))) + (a * (1 - target) if a > 0 else -a * target)
            if 0 < target < 1:
                E += target * np.log(target) + (1 - target) * np.log(1 - target)
            if E > 1e-12:
                e[k] = np.sqrt(2 * E) if difference > 0 else -np.sqrt(2 * E)
                scale[k] = difference / e[k]
            else:  # the limit, where the quotient would be one of rounding errors
                scale[k] = np.sqrt(scale[k])
                e[k] = 0


@kernel(inline=True)
def gather_all(F, G, scale):
    """One group of all weights: B <- C, dense, and A = I."""
    K, W = G.V.shape[0], G.member.size
    for k in range(K):
        G.A[0, k, k] = 1
        for unit in range(F.rank.size):
            n = F.first[unit + 1] - F.first[unit]
            row = G.B[k * W + F.first[unit] : k * W + F.first[unit + 1]]
            row[:] = 0
            for c in range(F.rank[unit]):
                a = scale[k] * F.A[unit, c, k]
                B = F.B[F.row[unit] + c * n : F.row[unit] + (c + 1) * n]
                for m in range(n):
                    row[m] += a * B[m]


@kernel(inline=True)
def scale_outputs(F, scale):
    """A <- A diag(scale)."""
    for unit in range(F.rank.size):
        for c in range(F.rank[unit]):
            for k in range(scale.size):
                F.A[unit, c, k] *= scale[k]


@kernel
def run(n, F, G, M, together, x, t, y, entropy, r, q, anneal, before, gross_error):
    """A whole stream, one update per step; as `run` of learning.py.

    F, G: Factors of units and of groups, the same unless all weights form one group. r, q: (first, last).
    before: number of earlier updates.
    """
    loss, wrong = 0.0, 0
    for now in range(x.shape[0]):
        step(n, x, now)
        worst, misses, nats = compare(n, t, y, now)
        wrong += misses
        loss += nats
        propagate_partials(n)
        fill_factors(n, F)
        form_errors(n, t, now, entropy, M.scale, M.e)
        if together:
            gather_all(F, G, M.scale)
        else:
            scale_outputs(G, M.scale)
        progress = min((before + now) / anneal, 1.0)
        update(n.w, G, M, r[0] * (r[1] / r[0]) ** progress, q[0] * (q[1] / q[0]) ** progress)
        if worst > gross_error:
            return now + 1, loss, wrong
    return x.shape[0], loss, wrong


class DecoupledKalman(Described):
    """Train a network of memory blocks on a stream, one filter update per time step.

    Parameters
    ----------
    network : CellBlocks of float64; its weights are changed in place
    measurement_noise : (first, last) variance r, positive
    process_noise : (first, last) variance q, positive
    anneal : steps over which r and q go from first to last
    covariance : p, the initial variance of every weight
    groups : "unit", one for the weights into each unit; or "all", the global filter
    error : "difference" or "entropy", see above

    Attributes
    ----------
    memory : name -> array, all that a later run needs besides the network and its stream (`stream_state`):
        "covariance", the lower triangles, and "steps" (1,), the updates so far. Not copies

    Raises
    ------
    ValueError
        If the network is not of float64, or a number or a name is out of range.
    """

    def __init__(
        self,
        network: CellBlocks,
        measurement_noise: tuple[float, float] = (100.0, 3.0),
        process_noise: tuple[float, float] = (1e-2, 1e-6),
        anneal: float = 10_000,
        covariance: float = 100.0,
        groups: str = "unit",
        error: str = "difference",
    ) -> None:
        expect_float64(network)
        self.measurement_noise = pair(measurement_noise, "measurement_noise", above=0)
        self.process_noise = pair(process_noise, "process_noise", above=0)
        self.network, self.anneal = network, number(anneal, "anneal", above=0)
        self.covariance = number(covariance, "covariance", above=0)
        self.groups, self.error = one_of(groups, "groups", GROUPS), one_of(error, "error", ERRORS)
        self._factors = self._groups = make_factors(network)
        K, C = network.wiring.output_size, network.wiring.cell_count
        if groups == "all":
            self._groups = empty_factors([self._factors.member], [K], K, C)
        G, sizes = self._groups, np.diff(self._groups.first)
        start = np.append(0, np.cumsum(sizes * (sizes + 1) // 2))
        room(int(start[-1]), "the covariances")
        self.memory = {"covariance": np.zeros(start[-1]), "steps": np.zeros(1, np.int64)}
        for n, at in zip(sizes, start, strict=False):
            self.memory["covariance"][at + np.cumsum(np.arange(1, n + 1)) - 1] = covariance
        self._filter = Filter(
            covariance=self.memory["covariance"],
            start=start,
            U=np.zeros_like(G.B),
            X=np.zeros_like(G.A),
            S=np.zeros((K, K)),
            e=np.zeros(K),
            scale=np.zeros(K),
            H=np.zeros((G.A.shape[1],) * 2),
        )

    @alone_with("network")
    def learn(self, x: ArrayLike, t: ArrayLike, gross_error: float = np.inf) -> tuple[np.ndarray, float, int]:
        """Learn from a stream, updating all weights after every step; continues where the last call ended.

        Parameters and returns are those of `CellBlocks.learn_online`, without a learning rate.

        Raises
        ------
        ValueError
            If a shape differs, a number is not finite, or a target is not in [0, 1].
        Diverged
            If the weights are no longer finite. They are lost.
        """
        network, w = self.network, self.network.wiring
        x = expect_inputs(x, w.input_size, network.dtype)
        t = expect_targets(t, len(x), w.output_size, network.dtype)
        gross_error = number(gross_error, "gross_error", least=0, infinite=True)
        y, before = np.empty_like(t), self.memory["steps"]
        arrays = network.stream.arrays, self._factors, self._groups, self._filter
        settings = self.error == "entropy", self.measurement_noise, self.process_noise, self.anneal
        with np.errstate(all="ignore"):  # as when compiled: divergence is reported below
            steps, loss, wrong = run(
                *arrays, self.groups == "all", x, t, y, *settings, int(before[0]), gross_error
            )
        before += steps
        expect_learned(network.flat, steps)
        return y[:steps], loss, wrong

    def covariances(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The covariance of every group.

        Returns
        -------
        list of (weights, covariance) : indices (n,) into `network.flat`, and an array (n, n)
        """
        G, result = self._groups, []
        for g in range(len(G.rank)):
            weights = G.member[G.first[g] : G.first[g + 1]]
            lower = np.zeros((len(weights), len(weights)))
            triangle = self.memory["covariance"][self._filter.start[g] : self._filter.start[g + 1]]
            lower[np.tril_indices(len(weights))] = triangle
            result.append((weights.copy(), lower + np.tril(lower, -1).T))
        return result
