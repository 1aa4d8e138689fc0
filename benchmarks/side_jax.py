"""The cases in JAX: jit of value_and_grad over lax.scan, with Adam written out.

Two ways to multiply the inputs by the first layer's weights, before the scan: every vector ("product"), or,
for tokens, the V rows of the embedding, of which each step then picks ("table").
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import LR

NAME, VERSION = "JAX", jax.__version__


def rnn_cell(w, carry, z):
    h = jnp.tanh(z + carry[0] @ w["hh"])
    return (h,), h


def gru_cell(w, carry, z):
    (h,) = carry
    r, z, n = jnp.split(z, 3, -1)
    ar, az, an = jnp.split(h @ w["hh"] + w["bias_hh"], 3, -1)
    z = jax.nn.sigmoid(z + az)
    h = (1 - z) * jnp.tanh(n + jax.nn.sigmoid(r + ar) * an) + z * h
    return (h,), h


def lstm_cell(w, carry, z):
    h, c = carry
    i, f, g, o = jnp.split(z + h @ w["hh"], 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


CELLS = {"rnn": rnn_cell, "gru": gru_cell, "lstm": lstm_cell}


def convolve(x, w, groups=1):
    """x (B, T, D), w (K, D, C); no padding."""
    layout = ("NWC", "WIO", "NWC")
    return jax.lax.conv_general_dilated(
        x, w, (1,), "VALID", dimension_numbers=layout, feature_group_count=groups
    )


def before_recurrence(case, w, x):
    """Convolution, relu and batch normalisation, of x (T, B, D)."""
    x = jnp.swapaxes(x, 0, 1)
    if case.C:
        place = case.places["convolution"]
        if case.separable:
            x = convolve(x, w[f"{place}.depthwise.weight"], case.data_size)
            place = f"{place}.pointwise"
        x = jax.nn.relu(convolve(x, w[f"{place}.weight"]) + w[f"{place}.bias"])
    if case.norm:
        place = case.places["norm"]
        deviation = jnp.sqrt(x.var((0, 1)) + 1e-5)
        x = (x - x.mean((0, 1))) / deviation * w[f"{place}.weight"] + w[f"{place}.bias"]
    return jnp.swapaxes(x, 0, 1)


def recurrent_weights(case, w, n):
    """The weights of recurrent layer n by short names; a bias that is only added is added once."""
    place = case.places["recurrent"]
    names = {"ih": "weight_ih", "hh": "weight_hh", "bias": "bias_ih", "bias_hh": "bias_hh"}
    short = {key: w[f"{place}.{name}_l{n}"] for key, name in names.items()}
    if case.layer != "gru":
        short["bias"] = short["bias"] + short["bias_hh"]
    return short


def zero_state(case, B):
    return (jnp.zeros((B, case.H)),) * (2 if case.layer == "lstm" else 1)


def attend(w, place, h):
    """[h, context]: running sums of exp(e) h and exp(e)."""
    weight = jnp.exp(jnp.tanh(h @ w[f"{place}.weight"] + w[f"{place}.bias"]))

    def add(sums, now):
        sums = sums[0] + now[0] * now[1], sums[1] + now[0]
        return sums, sums[0] / sums[1]

    zeros = jnp.zeros(h.shape[1:]), jnp.zeros((h.shape[1], 1))
    return jnp.concatenate([h, jax.lax.scan(add, zeros, (weight, h))[1]], -1)


def forward(case, mode, w, x):
    """Logits (T, B, V) of x (T, B) or (T, B, D)."""
    cell = CELLS[case.layer]
    convolved = case.C is not None or case.norm
    if convolved:
        x = before_recurrence(case, w, jax.nn.one_hot(x, case.V) if case.tokens else x)
    for n in range(case.depth):
        layer = recurrent_weights(case, w, n)
        if n == 0 and case.tokens and not convolved:
            embedding = w["0.weight"] if case.E else None
            if mode == "table":
                table = embedding @ layer["ih"] if case.E else layer["ih"]
                z = table[x] + layer["bias"]
            else:
                x = embedding[x] if case.E else jax.nn.one_hot(x, case.V)
                z = x @ layer["ih"] + layer["bias"]
        else:
            z = x @ layer["ih"] + layer["bias"]
        _, x = jax.lax.scan(partial(cell, layer), zero_state(case, x.shape[1]), z)
    if case.attention:
        x = attend(w, case.places["attention"], x)
    place = case.places["linear"]
    return x @ w[f"{place}.weight"] + w[f"{place}.bias"]


def loss_of(case, mode, w, x, t):
    a = forward(case, mode, w, x)
    if case.frames:
        return (jnp.maximum(a, 0) - a * t + jnp.log1p(jnp.exp(-jnp.abs(a)))).sum() / (t.shape[0] * t.shape[1])
    picked = jnp.take_along_axis(a, t[..., None], -1)[..., 0]
    return (jax.nn.logsumexp(a, -1) - picked).mean()


def adam_step(case, mode, w, m, v, n, x, t):
    loss, grads = jax.value_and_grad(partial(loss_of, case, mode))(w, x, t)
    n = n + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
    rate, scale = LR / (1 - 0.9**n), 1 / (1 - 0.999**n)
    w = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v * scale) + 1e-8), w, m, v)
    return loss, w, m, v, n


def draw(case, steps, w, key, start, temperature):
    layer = recurrent_weights(case, w, 0)
    table = w["0.weight"] @ layer["ih"] + layer["bias"]
    place = case.places["linear"]

    def step(carry, key):
        state, token = carry
        state, h = lstm_cell(layer, state, table[token])
        a = h @ w[f"{place}.weight"] + w[f"{place}.bias"]
        token = jax.random.categorical(key, a / temperature)
        return (state, token), token

    keys = jax.random.split(key, steps)
    return jax.lax.scan(step, (zero_state(case, start.shape[0]), start), keys)[1]


class Model:
    """One case; see side_torch.Model. Weights are held as (in, out), so that x @ W needs no transpose."""

    def __init__(self, case, weights, threads):
        self.case = case
        table = case.tokens and not case.sampling and not case.C
        self.modes = ("table", "product") if table else ("scan",)
        self.w = {name: self._transposed(name, w) for name, w in weights.items()}
        self.m, self.v = ({name: jnp.zeros_like(w) for name, w in self.w.items()} for _ in range(2))
        self.n, self.key = jnp.float32(0), jax.random.key(0)
        self._forward = {mode: jax.jit(partial(forward, case, mode)) for mode in self.modes}
        self._gradients = {
            mode: jax.jit(jax.value_and_grad(partial(loss_of, case, mode))) for mode in self.modes
        }
        self._step = {
            mode: jax.jit(partial(adam_step, case, mode), donate_argnums=(0, 1, 2)) for mode in self.modes
        }
        self._draw = jax.jit(partial(draw, case), static_argnums=0)
        self.use(self.modes[0])

    def _transposed(self, name, w):
        embedding = self.case.E and name == "0.weight"
        return jnp.array(w if w.ndim == 1 or embedding else np.ascontiguousarray(w.T))

    def use(self, mode):
        self.mode = mode

    def take(self, x, t):
        self.x, self.t = (jnp.array(a if a.ndim == 2 else a.transpose(0, 2, 1)) for a in (x, t))

    def logits(self):
        return np.asarray(self._forward[self.mode](self.w, self.x)).transpose(0, 2, 1)

    def gradients(self):
        loss, grads = self._gradients[self.mode](self.w, self.x, self.t)
        embedding = self.case.E and "0.weight"
        return float(loss), {
            name: np.asarray(g if g.ndim == 1 or name == embedding else g.T) for name, g in grads.items()
        }

    def step(self):
        loss, self.w, self.m, self.v, self.n = jax.block_until_ready(
            self._step[self.mode](self.w, self.m, self.v, self.n, self.x, self.t)
        )
        return float(loss)

    def sample(self, start, steps, temperature=1.0):
        self.key, key = jax.random.split(self.key)
        return np.asarray(self._draw(steps, self.w, key, jnp.array(start), temperature))
