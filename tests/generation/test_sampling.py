"""Sampling: the compiled loop against the model's own forward pass, and the laws of chance."""

import numpy as np
import pytest

from scratchnet.generation import sampling
from scratchnet.generation.sampling import draw, sample
from scratchnet.kernels import team
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.gru import GRU
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.rnn import RNN
from scratchnet.layers.sequential import Sequential

V, H, B = 11, 9, 3
START = np.array([1, 2, 3])


def cells(rng, D, layers):
    options = {"num_layers": layers, "dtype": np.float64}
    return {
        "tanh": RNN(D, H, rng, **options),
        "relu": RNN(D, H, rng, nonlinearity="relu", **options),
        "lstm": LSTM(D, H, rng, **options),
        "peepholes": LSTM(D, H, rng, peepholes=True, **options),
        "gru": GRU(D, H, rng, **options),
    }


def network(rng, cell="lstm", layers=1, embedding=True):
    D = 5 if embedding else V
    below = [Embedding(V, D, rng, np.float64)] if embedding else []
    model = Sequential([*below, cells(rng, D, layers)[cell], Linear(H, V, rng, np.float64)])
    for param in model.params.values():
        param *= 2  # decided opinions: drawing then depends on what was heard
    return model


def by_steps(model, steps, seed, temperature=1.0, top_k=np.inf, top_p=1.0, state=None):
    """The same through `model.forward`, a step at a time."""
    u = np.random.default_rng(seed).random((steps, B))
    state = model.initial_state(B) if state is None else state
    return sampling._sample_by_steps(model, START, u, np.array([temperature, top_k, top_p, 0]), state)


@pytest.mark.parametrize("embedding", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["tanh", "relu", "lstm", "peepholes", "gru"])
def test_compiled_loop_says_what_the_forward_pass_says(cell, layers, embedding, rng):
    model = network(rng, cell, layers, embedding)
    tokens, state = sample(model, START, 40, np.random.default_rng(1))
    expected, expected_state = by_steps(model, 40, 1)
    np.testing.assert_array_equal(tokens, expected)
    assert len(np.unique(tokens)) > 3
    for ours, theirs in zip(state, expected_state, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "choice", [{"temperature": 0.3}, {"top_k": 2}, {"top_p": 0.6}, {"top_k": 4, "top_p": 0.5}]
)
def test_choices_act_alike_both_ways(choice, rng):
    model = network(rng)
    tokens, _ = sample(model, START, 40, np.random.default_rng(1), **choice)
    np.testing.assert_array_equal(tokens, by_steps(model, 40, 1, **choice)[0])
    assert not np.array_equal(tokens, sample(model, START, 40, np.random.default_rng(1))[0])


@pytest.mark.parametrize("size", [1, 2, 4])
def test_any_team_says_the_same(size, rng, monkeypatch):
    monkeypatch.setattr("scratchnet.kernels.matmul.PARALLEL_STEP_FROM", 0)
    model = network(rng, layers=2)
    expected, _ = by_steps(model, 30, 1)
    try:
        team.set_size(size)
        tokens, _ = sample(model, START, 30, np.random.default_rng(1))
    finally:
        team.set_size(None)
    np.testing.assert_array_equal(tokens, expected)


def test_pieces_are_the_whole(rng):
    model = network(rng, layers=2)
    whole, end = sample(model, START, 30, np.random.default_rng(1))
    piece_rng = np.random.default_rng(1)
    first, state = sample(model, START, 7, piece_rng)
    before = [part.copy() for part in state]
    second, last = sample(model, first[-1], 23, piece_rng, state=state)
    np.testing.assert_array_equal(np.concatenate([first, second]), whole)
    for part, was in zip(state, before, strict=True):
        np.testing.assert_array_equal(part, was)
    for part, expected in zip(last, end, strict=True):
        np.testing.assert_allclose(part, expected, rtol=0, atol=1e-12)


def test_a_primer_then_on(rng):
    model = network(rng)
    primer = rng.integers(0, V, (6, B))
    _, state = model.forward(primer[:-1], model.initial_state(B))
    tokens, _ = sample(model, primer[-1], 5, np.random.default_rng(1), state=state)
    a, _ = model.forward(np.concatenate([primer, tokens[:-1]]), model.initial_state(B))
    u = np.random.default_rng(1).random((5, B))
    for t in range(5):
        assert [draw(a[5 + t, :, n].copy(), 1.0, np.inf, 1.0, u[t, n]) for n in range(B)] == list(tokens[t])


def test_a_model_of_another_kind_goes_step_by_step(rng):
    model = Sequential([RNN(V, H, rng), RNN(H, H, rng), Linear(H, V, rng)])
    tokens, state = sample(model, START, 10, rng)
    assert tokens.shape == (10, B) and len(state) == 2


def test_frequencies_are_the_probabilities(rng):
    a = np.array([0.0, 1.0, 2.0, -1.0])
    p = np.exp(a) / np.exp(a).sum()
    u = (np.arange(10000) + 0.5) / 10000
    counts = np.bincount([draw(a, 1.0, np.inf, 1.0, x) for x in u], minlength=4)
    np.testing.assert_allclose(counts / 10000, p, atol=2e-4)


def test_temperature_top_k_and_top_p():
    a, u = np.log([0.5, 0.3, 0.15, 0.05]), (np.arange(1000) + 0.5) / 1000

    def shares(*choice):
        return np.bincount([draw(a, *choice, x) for x in u], minlength=4) / 1000

    np.testing.assert_allclose(shares(1.0, 2, 1.0), [0.625, 0.375, 0, 0], atol=2e-3)
    np.testing.assert_allclose(shares(1.0, np.inf, 0.7), [0.625, 0.375, 0, 0], atol=2e-3)
    np.testing.assert_allclose(shares(1.0, np.inf, 0.5), [1, 0, 0, 0], atol=2e-3)
    cold = np.array([0.5, 0.3, 0.15, 0.05]) ** 2
    np.testing.assert_allclose(shares(0.5, np.inf, 1.0), cold / cold.sum(), atol=2e-3)


def test_the_ends_of_chance():
    a = np.array([-np.inf, 0.0, 0.0, -np.inf])  # two that cannot be
    assert draw(a, 1.0, np.inf, 1.0, 0.0) == 1
    assert draw(a, 1.0, np.inf, 1.0, np.nextafter(1, 0)) == 2
    assert draw(np.array([3e4, 0.0]), 1e-3, np.inf, 1.0, 0.7) == 0  # no overflow
    assert draw(np.array([np.nan, 0.0]), 1.0, np.inf, 1.0, 0.7) == -1
    assert draw(np.array([0.0, np.inf]), 1.0, np.inf, 1.0, 0.7) == -1


def test_float32_and_float64_agree(rng):
    big = network(rng)
    small = Sequential([Embedding(V, 5, rng), LSTM(5, H, rng), Linear(H, V, rng)])
    small.load_state_dict(big.state_dict())
    ours, _ = sample(small, START, 20, np.random.default_rng(1))
    exact, _ = sample(big, START, 20, np.random.default_rng(1))
    np.testing.assert_array_equal(ours, exact)


@pytest.mark.parametrize("model", ["compiled", "by steps"])
def test_networks_gone_wrong_are_refused(model, rng):
    layers = [LSTM(V, H, rng), Linear(H, V, rng)]
    network = Sequential(layers if model == "compiled" else [LSTM(V, V, rng), *layers])
    layers[-1].params["bias"][0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        sample(network, START, 4, rng)


def test_bad_input_is_refused(rng):
    model = network(rng)
    with pytest.raises(ValueError, match="temperature > 0"):
        sample(model, START, 4, rng, temperature=0)
    with pytest.raises(ValueError, match="top_p"):
        sample(model, START, 4, rng, top_p=0)
    with pytest.raises(ValueError, match="top_k"):
        sample(model, START, 4, rng, top_k=0)
    with pytest.raises(ValueError, match=r"tokens in 0 \.\. 10"):
        sample(model, np.array([1, 11, 2]), 4, rng)
    with pytest.raises(ValueError, match=r"start \(B,\)"):
        sample(model, START[None], 4, rng)
    with pytest.raises(ValueError, match="state"):
        sample(model, START, 4, rng, state=model.initial_state(2))
    with pytest.raises(ValueError, match="as many outputs as tokens"):
        sample(Sequential([LSTM(V, H, rng), Linear(H, V + 1, rng)]), START, 4, rng)
    assert sample(model, START, 0, rng)[0].shape == (0, B)
