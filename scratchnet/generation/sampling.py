"""Sampling: a network of tokens hears what it said.

    token(t) ~ softmax(a(t-1) / temperature),    a(t) = what the network says after token(t)

    tokens, state = sample(model, start, steps, rng)

For a Sequential of a recurrent layer and a Linear, with or without an Embedding below, all of it is one
compiled loop that a team shares (kernels/team.py): a worker owns some units of every layer and some rows of
the output. With one sequence the time is that of reading all weights once per token. Any other model goes
step by step through its `forward`.

Random numbers are drawn beforehand, one for each token: the first token whose cumulative probability exceeds
it is taken. So both ways give the same tokens, but for rounding.

Memory: with more than one layer the weights once more; with an embedding a table (G H, V).
"""

import numpy as np

from scratchnet.arguments import as_array, generator, number, room, shown, whole
from scratchnet.kernels import team
from scratchnet.kernels.activations import exp
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.matmul import add_product, recurrent_workers, transpose
from scratchnet.kernels.team import barrier, worker_slice
from scratchnet.layers import gru, lstm, rnn
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.layer import expect_tokens
from scratchnet.layers.linear import Linear
from scratchnet.layers.one_thread import alone
from scratchnet.layers.recurrent import fill_rows, table_of
from scratchnet.layers.sequential import Sequential

CELLS = rnn.RNN, lstm.LSTM, gru.GRU


@kernel
def draw(a, temperature, top_k, top_p, u):
    """A token by the logits a (V,), and u uniform in [0, 1); -1 if there is none. See `sample`."""
    V, largest = a.size, a.max()
    if not -np.inf < largest < np.inf:  # also NaN
        return -1
    p = np.empty(V, a.dtype)
    for v in range(V):
        p[v] = exp(a.dtype.type((a[v] - largest) / temperature))
    total = 0.0
    for v in range(V):
        total += p[v]
    if not total > 0:  # NaN among the logits
        return -1
    if top_k < V or top_p < 1:
        order, kept, enough = np.argsort(-p), 0.0, top_p * total
        for rank in range(V):
            if rank >= top_k or kept >= enough:
                p[order[rank]] = 0
            kept += p[order[rank]]
        total = kept
    rest, token = u * total, -1
    for v in range(V):
        if p[v] > 0 and rest >= 0:  # the last one possible, should rounding lead past it
            token = v
            rest -= p[v]
    return token


@kernel
def one_step(k, f, W_ih, W_hh, b, b_hh, peep, x, h_before, c_before, z, q, c, h, lo, hi):
    """The units lo .. hi - 1 of layer k, with the arrays of that layer but for b_hh and peep.

    f is None but for an RNN, peep but for an LSTM, b_hh but for a GRU: the other two cells are not compiled.
    """
    if f is not None:
        rnn.step(W_ih, W_hh, b, x, h_before, h, f, lo, hi)
    if peep is not None:
        lstm.step(W_ih, W_hh, b, peep[k], x, h_before, c_before, z, c, h, lo, hi)
    if b_hh is not None:
        gru.step(W_ih, W_hh, b, b_hh[k], x, h_before, z, q, h, lo, hi)


@kernel
def run(p, P, f, W_ih, W_up, W_hh, b, b_hh, peep, W_out, b_out, tokens, u, choice, h, c, z, q, a, count):
    """All steps. At step t the states are read in h[t % 2], c[t % 2] and written in the other half.

    W_ih (G H, V), or with one sequence its columns, b added, as rows (V, G H): they are read one by one.
    W_up (L - 1, G H, H), W_hh (L, G H, H), b and b_hh (L, G H), peep (L, 3 or 0, H),
    W_out (V, H), b_out (V,), tokens (T + 1, B) of which the first are given, u (T, B),
    choice (temperature, top_k, top_p, 0),
    h and c (2, L, H, B), z (G H, B), q (H, B), a (V, B). f, b_hh, peep: see `one_step`.
    """
    T, B = u.shape
    no_weights, no_input = np.empty((b.shape[1], 0), h.dtype), np.empty((0, 1), h.dtype)
    V, L, H = len(a), h.shape[1], h.shape[2]
    lo, hi = worker_slice(p, P, H)
    first, last = worker_slice(p, P, V)
    meeting = 0
    for t in range(T):
        h0, c0, h1, c1 = h[t % 2], c[t % 2], h[(t + 1) % 2], c[(t + 1) % 2]
        for k in range(L):
            if k == 0 and B > 1:
                one_step(k, f, W_ih, W_hh[k], b[k], b_hh, peep, tokens[t],
                         h0[k], c0[k], z, q, c1[k], h1[k], lo, hi)  # fmt: skip
            else:
                W, x, bias = no_weights, no_input, b[k]
                if k > 0:
                    W, x = W_up[k - 1], h1[k - 1]
                else:  # one sequence: a row of W_ih, in which b is added
                    bias = W_ih[tokens[t, 0]]
                one_step(k, f, W, W_hh[k], bias, b_hh, peep, x,
                         h0[k], c0[k], z, q, c1[k], h1[k], lo, hi)  # fmt: skip
            meeting += 1
            barrier(count, P, meeting)
        fill_rows(a[first:last], b_out[first:last])
        add_product(W_out[first:last], h1[L - 1], a[first:last])
        meeting += 1
        barrier(count, P, meeting)
        for n in range(p if B >= P else 0, B, P if B >= P else 1):
            tokens[t + 1, n] = draw(a[:, n].copy(), choice[0], choice[1], choice[2], u[t, n])
            if tokens[t + 1, n] < 0:
                tokens[:, n] = 0
                choice[3] = 1  # a plain number serves as flag: all who write it write the same
        meeting += 1
        barrier(count, P, meeting)


@alone
def sample(model, start, steps, rng, temperature=1.0, top_k=None, top_p=1.0, state=None):
    """Let a network of tokens go on by itself.

    Parameters
    ----------
    model : Sequential from tokens (T, B) to logits (T, V, B)
    start : whole numbers (B,), the tokens it hears first; what comes before them, a primer, goes
        through `model.forward`, whose final state is given here
    steps : how many tokens to draw for each sequence
    rng : numpy Generator
    temperature : above 1 bolder, below 1 more careful
    top_k : only the so many likeliest tokens can be drawn; None for all
    top_p : only the likeliest tokens that make up this probability can be drawn (Holtzman et al. 2020)
    state : the state to start from; None for zeros

    Returns
    -------
    tokens : whole numbers (steps, B)
    state : the state before the last tokens: to go on, give it and those as `start`

    Raises
    ------
    ValueError
        If a number is out of range, or what the network says is not finite.
    """
    return sample_from(model, start, steps, generator(rng), state, expect_choice(temperature, top_k, top_p))


def expect_choice(temperature=1.0, top_k=None, top_p=1.0):
    """(temperature, top_k, top_p) as numbers, top_k infinite for None.

    Raises
    ------
    ValueError
        If one is out of range.
    """
    temperature, top_p = number(temperature, "temperature", above=0), number(top_p, "top_p", above=0, most=1)
    return temperature, np.inf if top_k is None else float(whole(top_k, "top_k")), top_p


def sample_from(model, start, steps, rng, state, choice):
    """See `sample`; `rng` is whatever gives `random((steps, B))`, choice what `expect_choice` returns."""
    expect_model(model)
    steps = whole(steps, "steps", least=0)
    model_layers = list(model.layers) if isinstance(model, Sequential) else []
    recurrent = [layer for layer in model_layers if type(layer) in CELLS]
    rest = [type(layer) for layer in model_layers if type(layer) not in CELLS]
    start = as_array(start, "start")
    if start.ndim != 1 or start.dtype.kind not in "iu" or not len(start):
        raise ValueError(
            f"expected start (B,), a token for each sequence, whole numbers, got {start.shape} {start.dtype}"
        )
    room(steps * len(start), "the tokens of all sequences")
    state = model.initial_state(len(start)) if state is None else state
    choice = np.array([*choice, 0.0])
    u = rng.random((steps, len(start)))
    if len(recurrent) == 1 and rest in ([Linear], [Embedding, Linear]) and type(model_layers[-1]) is Linear:
        return _sample_compiled(model_layers, start, u, choice, state)
    return _sample_by_steps(model, start, u, choice, state)


def expect_model(model):
    """Refuse what is no model that goes on from a state."""
    if not (hasattr(model, "forward") and hasattr(model, "initial_state")):
        raise ValueError(f"expected model to be a Sequential with a recurrent layer, got {shown(model)}")


def _sample_compiled(layers, start, u, choice, state):
    """See `run`. layers: [Embedding,] recurrent, Linear."""
    *below, cell, out = layers
    (T, B), L, H, rows = u.shape, cell.num_layers, cell.hidden_size, cell.gates * cell.hidden_size
    W_ih = cell.params["weight_ih_l0"]
    if below:
        W_ih = table_of(W_ih, below[0].params["weight"])
    tokens = np.zeros((T + 1, B), np.int64)
    tokens[:1] = expect_tokens(start[None], W_ih.shape[1])
    if out.output_size != W_ih.shape[1]:
        raise ValueError(f"expected as many outputs as tokens, {W_ih.shape[1]}, got {out.output_size}")

    def stack(name, first=0):
        arrays = [cell.params[f"{name}_l{layer}"] for layer in range(first, L)]
        if len(arrays) == 1:
            return arrays[0][None]  # no copy
        return np.array(arrays) if arrays else np.empty((0, rows, H), cell.dtype)

    b_ih, b_hh = stack("bias_ih"), stack("bias_hh")
    f = peep = None
    if type(cell) is gru.GRU:
        b = np.array([gru.step_biases(*both) for both in zip(b_ih, b_hh, strict=True)])
    else:
        b, b_hh = b_ih + b_hh, None
    if type(cell) is rnn.RNN:
        f = rnn.NONLINEARITIES[cell.nonlinearity]
    elif type(cell) is lstm.LSTM:
        peep = stack("peephole") if cell.peepholes else np.empty((L, 0, H), cell.dtype)
    if B == 1:
        W_ih = transpose(W_ih) + b[0]
    checked = cell._expect_state(state, "state", B)
    h, c = np.zeros((2, L, H, B), cell.dtype), np.zeros((2, L, H, B), cell.dtype)
    for array, part in zip((h, c), checked, strict=False):
        array[0] = part
    z, q, a = (np.empty((n, B), cell.dtype) for n in (rows, H, out.output_size))
    W_hh = stack("weight_hh")
    team.run(
        run, f, W_ih, stack("weight_ih", 1), W_hh, b, b_hh, peep,
        out.params["weight"], out.params["bias"], tokens, u, choice, h, c, z, q, a, team.counter(),
        workers=recurrent_workers(W_hh[0], B),
    )  # fmt: skip
    _refuse_flag(choice)
    return tokens[1:], tuple(array[T % 2].copy() for array, _ in zip((h, c), checked, strict=False))


def _sample_by_steps(model, start, u, choice, state):
    """Through the model's own forward pass, a step at a time."""
    tokens, now = np.empty(u.shape, np.int64), start
    for t in range(len(u)):
        a, state = model.forward(now[None], state)
        now = np.array([draw(a[0, :, n].copy(), *choice[:3], u[t, n]) for n in range(len(now))])
        choice[3] = (now < 0).any()
        _refuse_flag(choice)
        tokens[t] = now
    return tokens, state


def _refuse_flag(choice):
    if choice[3]:
        raise ValueError(
            "expected finite outputs of the network, got NaN or infinity: were its weights trained?"
        )
