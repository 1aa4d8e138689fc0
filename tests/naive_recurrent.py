"""Slow, independent reference of the recurrent layers: pure loops, one sequence and one number at a time.

It shares no code with scratchnet. All it takes from the library is data: the parameters by their names.
"""

import math


def sigmoid(a):
    return 1 / (1 + math.exp(-a)) if a > 0 else math.exp(a) / (1 + math.exp(a))


FUNCTIONS = {"tanh": math.tanh, "relu": lambda a: a if a > 0 else 0.0, "sigmoid": sigmoid}


def net(W, b, x, k):
    return sum(float(W[k, d]) * float(x[d]) for d in range(len(x))) + float(b[k])


def rnn_step(p, layer, nonlinearity, x, h):
    W, R, b, s = (p[f"{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    return [FUNCTIONS[nonlinearity](net(W, b, x, k) + net(R, s, h, k)) for k in range(len(h))]


def lstm_step(p, layer, x, h, c):
    W, R, b, s = (p[f"{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    H = len(h)
    peep = p.get(f"peephole_l{layer}", [[0.0] * H] * 3)
    new_h, new_c = [], []
    for k in range(H):
        a = [net(W, b, x, gate * H + k) + net(R, s, h, gate * H + k) for gate in range(4)]
        i = sigmoid(a[0] + peep[0][k] * c[k])
        f = sigmoid(a[1] + peep[1][k] * c[k])
        state = f * c[k] + i * math.tanh(a[2])
        o = sigmoid(a[3] + peep[2][k] * state)
        new_c.append(state)
        new_h.append(o * math.tanh(state))
    return new_h, new_c


def gru_step(p, layer, x, h):
    W, R, b, s = (p[f"{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    H, new = len(h), []
    for k in range(H):
        r = sigmoid(net(W, b, x, k) + net(R, s, h, k))
        u = sigmoid(net(W, b, x, H + k) + net(R, s, h, H + k))
        n = math.tanh(net(W, b, x, 2 * H + k) + r * net(R, s, h, 2 * H + k))
        new.append((1 - u) * n + u * h[k])
    return new


def run(kind, p, layers, x, state, nonlinearity="tanh"):
    """x (T, D) and state (arrays (layers, H)) of one sequence -> outputs (T, H), final state."""
    rows = [list(map(float, row)) for row in x]
    final = [[] for _ in state]
    for layer in range(layers):
        now = [list(map(float, part[layer])) for part in state]
        out = []
        for row in rows:
            if kind == "lstm":
                now = list(lstm_step(p, layer, row, *now))
            elif kind == "gru":
                now = [gru_step(p, layer, row, now[0])]
            else:
                now = [rnn_step(p, layer, nonlinearity, row, now[0])]
            out.append(now[0])
        rows = out
        for part, array in zip(final, now, strict=True):
            part.append(array)
    return rows, final
