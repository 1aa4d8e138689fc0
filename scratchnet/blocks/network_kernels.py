"""The kernels of network.py: both passes over whole sequences; symbols and equations are explained there."""

from typing import NamedTuple

import numpy as np

from scratchnet.kernels.activations import activation, activation_slope, sigmoid
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.rows import add_row, add_scaled


class Weights(NamedTuple):
    """The weights as matrices, with zeros where nothing is wired, and the activation functions."""

    W: np.ndarray  # (3J + C, Z), rows i, f, g, o
    V: np.ndarray  # (K, Z)
    u: np.ndarray  # (3, C) peepholes to i, f, o; (3, 0) if there are none
    block_of: np.ndarray  # (C,) the block of each cell
    g_ab: np.ndarray  # (2,) a and b of the activation function g, a tanh(b x)
    h_ab: np.ndarray  # (2,) and of h


class Pass(NamedTuple):
    """What a forward pass keeps."""

    z: np.ndarray  # (T, Z, B) sources of the blocks
    zo: np.ndarray  # (T, Z, B) sources of the outputs
    net: np.ndarray  # (T, 3J + C, B) i, f, g, o
    s: np.ndarray  # (T + 1, C, B) cell states
    y: np.ndarray  # (T + 1, C, B) cell outputs
    hs: np.ndarray  # (T, C, B) h(s)


class Gradients(NamedTuple):
    """The derivatives that a backward pass computes, and its working memory."""

    dnet: np.ndarray  # (T, 3J + C, B), zeros at first
    dx: np.ndarray  # (T, D, B), zeros at first
    ds: np.ndarray  # (C, B) by the state, of the step after; in the end by the initial state
    dz: np.ndarray  # (Z, B) by the sources, of the step after; in the end by the initial outputs
    dzo: np.ndarray  # (Z, B) by the sources of the outputs


@kernel
def gates_forward(net):
    """net <- sigmoid(net), for a chunk of units and sequences."""
    for n in range(net.size):
        net[n] = sigmoid(net[n])


@kernel(inline=True)
def cell_forward(g, i, f, s_before, s, ab):
    """g <- activation(g), which held the net input;  s = f s_before + i g.  One cell, B sequences."""
    for n in range(g.size):
        g[n] = activation(g[n], ab[0], ab[1])
        s[n] = f[n] * s_before[n] + i[n] * g[n]


@kernel
def cells_forward(i, f, g, s_before, s, block_of, ab):
    """All cells of a time step; each row holds B sequences."""
    for v in range(g.shape[0]):
        j = block_of[v]
        cell_forward(g[v], i[j], f[j], s_before[v], s[v], ab)


@kernel(inline=True)
def output_forward(o, s, hs, y, ab):
    """y = o h(s).  One cell, B sequences."""
    for n in range(s.size):
        hs[n] = activation(s[n], ab[0], ab[1])
        y[n] = o[n] * hs[n]


@kernel
def outputs_forward(o, s, hs, y, block_of, ab):
    """The outputs of all cells of a time step."""
    for v in range(y.shape[0]):
        output_forward(o[block_of[v]], s[v], hs[v], y[v], ab)


@kernel
def add_peepholes(u, s, net, block_of):
    """net_j += u_v s_v, the gates' input from their cells' states; u (C,) or, without peepholes, empty."""
    for v in range(u.size):
        add_scaled(u[v], s[v], net[block_of[v]])


@kernel
def sources(x, y, z):
    """z <- [x; y; 1], for B sequences."""
    D, C = x.shape[0], y.shape[0]
    for n in range(z.shape[1]):
        for k in range(D):
            z[k, n] = x[k, n]
        for v in range(C):
            z[D + v, n] = y[v, n]
        z[D + C, n] = 1


@kernel
def forward(x, weights, kept, a):
    """The whole sequence: fill kept, of which the initial state s[0], y[0] is given, and a (T, K, B)."""
    W, V, u, block_of, g_ab, h_ab = weights
    z, zo, net, s, y, hs = kept
    T, D, B = x.shape
    C, R = y.shape[1], net.shape[1]
    J = (R - C) // 3
    for t in range(T):
        sources(x[t], y[t], z[t])
        np.dot(W, z[t], net[t])
        i, f, g, o = net[t, :J], net[t, J : 2 * J], net[t, 2 * J : 2 * J + C], net[t, 2 * J + C :]
        add_peepholes(u[0], s[t], i, block_of)
        add_peepholes(u[1], s[t], f, block_of)
        gates_forward(net[t, : 2 * J].reshape(2 * J * B))
        cells_forward(i, f, g, s[t], s[t + 1], block_of, g_ab)
        add_peepholes(u[2], s[t + 1], o, block_of)
        gates_forward(o.reshape(J * B))
        outputs_forward(o, s[t + 1], hs[t], y[t + 1], block_of, h_ab)
        sources(x[t], y[t + 1], zo[t])
        np.dot(V, zo[t], a[t])


@kernel(inline=True)
def output_backward(o, hs, dy, do, ds, ab):
    """do += h(s) dy;  ds += o h'(s) dy.  One cell, B sequences."""
    for n in range(dy.size):
        do[n] += hs[n] * dy[n]
        ds[n] += o[n] * activation_slope(hs[n], ab[0], ab[1]) * dy[n]


@kernel
def outputs_backward(o, hs, dy, do, ds, block_of, ab):
    """All cells of a time step."""
    for v in range(dy.shape[0]):
        output_backward(o[block_of[v]], hs[v], dy[v], do[block_of[v]], ds[v], ab)


@kernel
def gates_backward(gate, d):
    """d <- d gate (1 - gate), the derivative by the net input, for a chunk of units and sequences."""
    one = gate.dtype.type(1)
    for n in range(gate.size):
        d[n] *= gate[n] * (one - gate[n])


@kernel(inline=True)
def cell_backward(i, f, g, s_before, ds, di, df, dg, ab):
    """di += g ds;  df += s_before ds;  dg = i g' ds;  ds <- f ds, its way back through the carousel."""
    for n in range(ds.size):
        di[n] += g[n] * ds[n]
        df[n] += s_before[n] * ds[n]
        dg[n] = i[n] * activation_slope(g[n], ab[0], ab[1]) * ds[n]
        ds[n] *= f[n]


@kernel
def cells_backward(i, f, g, s_before, ds, di, df, dg, block_of, ab):
    """All cells of a time step."""
    for v in range(ds.shape[0]):
        j = block_of[v]
        cell_backward(i[j], f[j], g[v], s_before[v], ds[v], di[j], df[j], dg[v], ab)


@kernel
def peepholes_backward(u, dnet, ds, block_of):
    """ds_v += u_v dnet_j."""
    for v in range(u.size):
        add_scaled(u[v], dnet[block_of[v]], ds[v])


@kernel
def add_rows(part, total):
    """total += part, for two matrices."""
    for k in range(part.shape[0]):
        add_row(part[k], total[k])


@kernel
def backward(da, WT, VT, weights, kept, gradients):
    """The whole sequence, backwards; da (T, K, B), WT and VT the transposes of W and V."""
    _, _, u, block_of, g_ab, h_ab = weights
    _, _, net, s, _, hs = kept
    dnet, dx, ds, dz, dzo = gradients
    T, D, B = dx.shape
    C, R = s.shape[1], net.shape[1]
    J = (R - C) // 3
    for t in range(T - 1, -1, -1):
        i, f, g, o = net[t, :J], net[t, J : 2 * J], net[t, 2 * J : 2 * J + C], net[t, 2 * J + C :]
        di, df, dg, do = dnet[t, :J], dnet[t, J : 2 * J], dnet[t, 2 * J : 2 * J + C], dnet[t, 2 * J + C :]
        np.dot(VT, da[t], dzo)
        add_rows(dzo[D : D + C], dz[D : D + C])
        dy = dz[D : D + C]
        outputs_backward(o, hs[t], dy, do, ds, block_of, h_ab)
        gates_backward(o.reshape(J * B), do.reshape(J * B))
        peepholes_backward(u[2], do, ds, block_of)
        cells_backward(i, f, g, s[t], ds, di, df, dg, block_of, g_ab)
        gates_backward(net[t, : 2 * J].reshape(2 * J * B), dnet[t, : 2 * J].reshape(2 * J * B))
        peepholes_backward(u[0], di, ds, block_of)
        peepholes_backward(u[1], df, ds, block_of)
        np.dot(WT, dnet[t], dz)
        add_rows(dzo[:D], dx[t])
        add_rows(dz[:D], dx[t])
