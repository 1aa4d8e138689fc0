"""The truncated derivative of every output of a network of memory blocks by every weight, forwards in time.

The truncated gradient (learning.py) sums over the outputs before it reaches a weight; a Kalman filter needs
each output on its own. With S_g, S_i, S_f, the partial derivatives of a cell's state, and
c_kv = V_kv o_j h'(s_v), the derivative of the net input a_k of an output by the state of cell v:

    da_k/dw_g = c_kv S_g                          weights into cell v                    rank 1
    da_k/dw_i = sum_v c_kv S_i                    into the input gate of block j         rank cells per block
    da_k/dw_f = sum_v c_kv S_f                    into its forget gate                   rank cells per block
    da_k/dw_o = o (1 - o) sum_v V_kv h(s_v) z     into its output gate                   rank 1
    da_k/dw_l = [k = l] z                         into output l                          rank 1

So the derivatives by the n weights into one unit are the product of two thin matrices, A^T B: A (R, K) leads
from the unit to the outputs, B (R, n) from its weights to the unit; R is the rank. A gate's peepholes are
among its weights. Only the product is dense, K n numbers, and it is never formed.

Memory: R n numbers per unit, about as many as the stream itself keeps.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from scratchnet.arguments import instance
from scratchnet.blocks.learning import step
from scratchnet.blocks.online import expect_inputs
from scratchnet.blocks.weights import BlockWeights
from scratchnet.kernels.activations import activation_slope
from scratchnet.kernels.jit import kernel
from scratchnet.layers.one_thread import alone


class Factors(NamedTuple):
    """The derivatives da/dw of a time step. U units in the order i, f, g, o, outputs, or groups of them."""

    member: np.ndarray  # (weights,) the index in w of every weight, unit after unit
    first: np.ndarray  # (U + 1,) the first of a unit's weights in `member`
    rank: np.ndarray  # (U,) R of a unit
    row: np.ndarray  # (U + 1,) start in B of a unit's R rows of n numbers
    A: np.ndarray  # (U, largest R, K)
    B: np.ndarray  # one chunk per unit
    V: np.ndarray  # (K, C) weights from cells to outputs, zero where nothing is wired


def make_factors(network):
    """Empty `Factors` for a network of memory blocks."""
    n, w = network.stream.arrays, network.wiring
    J, C, K = w.block_count, w.cell_count, w.output_size
    cells = [np.flatnonzero(network.block_of == j) for j in range(J)]
    member = [np.arange(at, at + length) for at, _, length in n.row.astype(int)]
    rank = np.ones(len(member), int)
    rank[: 2 * J] = 2 * [len(block) for block in cells]
    for gate, first in enumerate((0, J, 2 * J + C) if network.peepholes else ()):
        for j, block in enumerate(cells):
            member[first + j] = np.append(member[first + j], n.peephole[block, gate])
    return empty_factors(member, rank, K, C)


def empty_factors(member, rank, K, C):
    """`Factors` of groups of weights: `member`, a list of index arrays, and the rank of each group."""
    sizes = [len(weights) for weights in member]
    rows = np.multiply(sizes, rank)
    return Factors(
        member=np.concatenate(member),
        first=np.append(0, np.cumsum(sizes)),
        rank=np.array(rank),
        row=np.append(0, np.cumsum(rows)),
        A=np.zeros((len(rank), max(rank), K)),
        B=np.zeros(rows.sum()),
        V=np.zeros((K, C)),
    )


@kernel(inline=True)
def propagate_row(S, f, c, z):
    """S <- f S + c z: the partials of one cell by one row of weights."""
    for k in range(S.size):
        S[k] = f * S[k] + c * z[k]


@kernel(inline=True)
def propagate_partials(n):
    """The partials of all cells, from the step before to the step that was just made."""
    J = n.first_cell.size - 1
    one = n.w.dtype.type(1)
    for j in range(J):
        i, f = n.units[j], n.units[J + j]
        start, stop = n.first_cell[j], n.first_cell[j + 1]
        source, length = n.row[j, 1], n.row[j, 2]
        z = n.z[source : source + length]
        for c in range(start, stop):
            g, s_before = n.units[2 * J + c], n.s_before[c]
            into_i, into_f = g * i * (one - i), s_before * f * (one - f)
            into_g = i * activation_slope(g, n.g_ab[0], n.g_ab[1])
            at_i, at_f, at_g = n.partial_start[c, 0], n.partial_start[c, 1], n.partial_start[c, 2]
            length_g = n.row[2 * J + c, 2]
            propagate_row(n.partials[at_i : at_i + length], f, into_i, z)
            propagate_row(n.partials[at_f : at_f + length], f, into_f, z)
            propagate_row(n.partials[at_g : at_g + length_g], f, into_g, z)
            if n.peephole.size > 0:
                at_i, at_f = n.peephole_partial[c, 0], n.peephole_partial[c, 1]
                propagate_row(n.partials[at_i : at_i + stop - start], f, into_i, n.s_before[start:stop])
                propagate_row(n.partials[at_f : at_f + stop - start], f, into_f, n.s_before[start:stop])


@kernel(inline=True)
def copy_to(target, at, source):
    """target[at:] <- source."""
    for k in range(source.size):
        target[at + k] = source[k]


@kernel(inline=True)
def output_weights(n, F):
    """V <- the weights from cells to outputs, and the factors of the output units."""
    K, C = F.V.shape
    D, first = n.x_y_1.size - C - 1, n.units.size - K
    for k in range(K):
        at, source, length = n.row[first + k, 0], n.row[first + k, 1], n.row[first + k, 2]
        F.V[k] = 0
        for m in range(length):
            cell = n.gather[source + m] - D
            if 0 <= cell < C:
                F.V[k, cell] = n.w[at + m]
        F.A[first + k, 0] = 0
        F.A[first + k, 0, k] = 1
        copy_to(F.B, F.row[first + k], n.z[source : source + length])


@kernel(inline=True)
def block_factors(n, F, j):
    """The factors of the units of block j."""
    J, C, K = n.first_cell.size - 1, n.s.size, F.V.shape[0]
    start, stop = n.first_cell[j], n.first_cell[j + 1]
    O = 2 * J + C
    o, peepholes = n.units[O + j], n.peephole.size > 0
    source, length = n.row[O + j, 1], n.row[O + j, 2]
    copy_to(F.B, F.row[O + j], n.z[source : source + length])
    if peepholes:
        copy_to(F.B, F.row[O + j] + np.int64(length), n.s[start:stop])
    F.A[O + j, 0] = 0
    for c in range(start, stop):
        slope = o * activation_slope(n.hs[c], n.h_ab[0], n.h_ab[1])
        for k in range(K):
            F.A[O + j, 0, k] += o * (1 - o) * n.hs[c] * F.V[k, c]
            seen = slope * F.V[k, c]
            F.A[2 * J + c, 0, k] = seen
            F.A[j, c - start, k] = seen
            F.A[J + j, c - start, k] = seen
        at_g, length_g = n.partial_start[c, 2], n.row[2 * J + c, 2]
        copy_to(F.B, F.row[2 * J + c], n.partials[at_g : at_g + length_g])
        for gate in range(2):
            unit = gate * J + j
            at, here = n.partial_start[c, gate], F.row[unit]
            here += (c - start) * (F.first[unit + 1] - F.first[unit])
            copy_to(F.B, here, n.partials[at : at + length])
            if peepholes:
                at_u = n.peephole_partial[c, gate]
                copy_to(F.B, here + np.int64(length), n.partials[at_u : at_u + stop - start])


@kernel(inline=True)
def fill_factors(n, F):
    """All factors, of the step to which the partials were just propagated."""
    output_weights(n, F)
    for j in range(n.first_cell.size - 1):
        block_factors(n, F, j)


@kernel
def run_with_partials(n, F, x):
    """A whole stream with fixed weights; F receives the derivatives at its last step."""
    for now in range(x.shape[0]):
        step(n, x, now)
        propagate_partials(n)
    fill_factors(n, F)


def dense(factors, size):
    """The derivatives as one matrix.

    Parameters
    ----------
    factors : Factors
    size : number of weights

    Returns
    -------
    array (K, size), in the order of the network's vector of weights
    """
    whole = np.zeros((factors.A.shape[2], size))
    for unit, R in enumerate(factors.rank):
        weights = factors.member[factors.first[unit] : factors.first[unit + 1]]
        B = factors.B[factors.row[unit] : factors.row[unit + 1]].reshape(R, -1)
        whole[:, weights] = factors.A[unit, :R].T @ B
    return whole


@alone
def output_jacobian(network: BlockWeights, x: ArrayLike) -> dict[str, np.ndarray]:
    """The truncated derivatives of the outputs' net inputs a at the end of a stream, with fixed weights.

    Starts with a `reset`, and leaves the network reset. Recurrent inputs count as constants, as always in the
    truncated gradient.

    Parameters
    ----------
    network : CellBlocks of float64
    x : array (T, D), at least one step

    Returns
    -------
    dict : name -> array (K, *shape of the parameter), da/dw; times y (1 - y) it is dy/dw

    Raises
    ------
    ValueError
        If the network is not of float64, a shape differs, there is no step, or a number is not finite.
    """
    expect_float64(network)
    w = network.wiring
    x = expect_inputs(x, w.input_size, network.dtype)
    if len(x) == 0:
        raise ValueError(f"expected x (T, {w.input_size}) with at least one step, got {x.shape}")
    factors = make_factors(network)
    network.reset()
    try:
        run_with_partials(network.stream.arrays, factors, x)
    finally:
        network.reset()
    C = dense(factors, network.flat.size)
    rows = [network.views(row) for row in C]
    return {name: np.stack([row[name] for row in rows]) for name in network.params}


def expect_float64(network):
    """Refuse a network that is not of double precision: a covariance would not stay positive definite."""
    instance(network, "network", BlockWeights)
    if network.dtype != np.float64:
        raise ValueError(f"expected a network of float64, got {network.dtype}")
