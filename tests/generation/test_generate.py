"""Composing: primers, ends, masks; pieces that do not hear each other."""

import numpy as np
import pytest

from scratchnet.generation import generate as generation
from scratchnet.generation.generate import generate
from scratchnet.generation.sampling import draw
from scratchnet.layers.attention import Attention
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.gru import GRU
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.sequential import Sequential

V, H = 9, 8
PRIMERS = [np.array([1]), np.array([2, 3, 4, 5]), np.array([4, 4]), np.array([8])]


def network(kind="compiled"):
    rng, options = np.random.default_rng(3), {"dtype": np.float64}
    layers = {
        "compiled": [Embedding(V, 5, rng, np.float64), LSTM(5, H, rng, num_layers=2, dropout=0.5, **options)],
        "by steps": [LSTM(V, H, rng, **options), Dropout(0.5, rng), GRU(H, H, rng, **options)],
        "attention": [LSTM(V, H // 2, rng, **options), Attention(H // 2, rng, **options)],
    }[kind]
    model = Sequential([*layers, Linear(H, V, rng, np.float64)])
    for param in model.params.values():
        param *= 3
    return model


def one_by_one(model, primer, length, rng, allowed=None):
    """A piece by the network's answer to all that was before, each time from the beginning."""
    piece = list(primer)
    model.eval()
    for u in rng.random(length):
        a = model.forward(np.array(piece)[:, None])[-1, :, 0]
        a = a if allowed is None else np.where(allowed(piece), a, -np.inf)
        piece.append(draw(a, 1.0, np.inf, 1.0, u))
    model.train()
    return piece[len(primer) :]


def own_generators(rng, count):
    return [np.random.default_rng(seed) for seed in rng.integers(2**63, size=count)]


def ends(piece, stop):
    """Where a text ends that is searched as text."""
    at = "".join(map(str, piece)).find("".join(map(str, stop)))
    return len(piece) if at < 0 else at + len(stop)


@pytest.mark.parametrize("chunk", [4, 7, 128])
@pytest.mark.parametrize("kind", ["compiled", "by steps", "attention"])
def test_each_piece_is_what_the_network_says_to_its_own_primer(kind, chunk, monkeypatch):
    monkeypatch.setattr(generation, "CHUNK", chunk)
    monkeypatch.setattr(generation, "WINDOW", 2)
    model = network(kind)
    pieces = generate(model, PRIMERS, 30, np.random.default_rng(1))
    for primer, piece, own in zip(PRIMERS, pieces, own_generators(np.random.default_rng(1), 4), strict=True):
        assert piece.tolist() == one_by_one(model, primer, 30, own)
    assert len({tuple(piece) for piece in pieces}) == 4
    assert model.training


@pytest.mark.parametrize("chunk", [1, 3, 128])
@pytest.mark.parametrize("stop", [[0], [6, 6], [1, 2], [7, 1, 0]])
def test_each_piece_ends_at_its_own_end(stop, chunk, monkeypatch):
    monkeypatch.setattr(generation, "CHUNK", chunk)
    model, primers = network(), [np.array([n % V]) for n in range(20)]
    whole = generate(model, primers, 60, np.random.default_rng(1))
    pieces = generate(model, primers, 60, np.random.default_rng(1), stop=stop)
    again = generate(
        model, primers, 60, np.random.default_rng(1), stop=lambda heard: heard[-len(stop) :].tolist() == stop
    )
    for primer, long, piece, same in zip(primers, whole, pieces, again, strict=True):
        expected = ends([*primer, *long], stop) - 1 if len(stop) > 1 else ends(long, stop)
        assert piece.tolist() == same.tolist() == long[:expected].tolist()
    assert len({len(piece) for piece in pieces}) > 1


def test_an_end_may_begin_in_the_primer_but_not_be_there():
    model = network()
    primer = np.array([3, 6, 6, 1])  # the end stands in it, and its first token again at its end
    piece = generate(model, [primer], 200, np.random.default_rng(2), stop=[6, 6])[0]
    assert len(piece) > 2 and piece[-2:].tolist() == [6, 6]
    first = generate(model, [primer], 1, np.random.default_rng(2))[0]
    stop = [1, int(first[0])]
    assert generate(model, [primer], 50, np.random.default_rng(2), stop=stop)[0].tolist() == [first[0]]


def test_pieces_do_not_depend_on_what_stands_beside_them():
    model = network()
    many = generate(model, PRIMERS, 40, np.random.default_rng(5), stop=[0])
    few = generate(model, PRIMERS[:2], 40, np.random.default_rng(5), stop=[0])
    for piece, same in zip(few, many[:2], strict=True):
        np.testing.assert_array_equal(piece, same)


def test_choices_are_passed_on():
    rng = np.random.default_rng(1)
    cold = generate(network(), PRIMERS, 30, rng, temperature=1e-5)
    greedy = generate(network(), PRIMERS, 30, rng, top_k=1)
    for piece, same in zip(cold, greedy, strict=True):
        np.testing.assert_array_equal(piece, same)


@pytest.mark.parametrize("kind", ["compiled", "by steps"])
def test_a_mask_that_allows_all_changes_nothing(kind):
    model = network(kind)
    plain = generate(model, PRIMERS, 25, np.random.default_rng(1), stop=[0], top_k=4, temperature=1.3)
    for mask in (np.ones((V, V), bool), lambda heard: np.ones(V, bool)):
        masked = generate(
            model, PRIMERS, 25, np.random.default_rng(1), stop=[0], mask=mask, top_k=4, temperature=1.3
        )
        for piece, same in zip(plain, masked, strict=True):
            np.testing.assert_array_equal(piece, same)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_table_says_what_may_follow(dtype):
    """Odd after even, even after odd; what is allowed keeps its proportions."""
    rng = np.random.default_rng(1)
    table = (np.arange(V)[:, None] + np.arange(V)) % 2 == 1
    model = Sequential([LSTM(V, H, rng, dtype=dtype), Linear(H, V, rng, dtype)])
    pieces = generate(model, PRIMERS, 40, np.random.default_rng(1), mask=table)
    for primer, piece, own in zip(PRIMERS, pieces, own_generators(np.random.default_rng(1), 4), strict=True):
        assert (np.abs(np.diff([primer[-1], *piece])) % 2 == 1).all()
        if dtype == np.float64:
            assert piece.tolist() == one_by_one(model, primer, 40, own, lambda heard: table[heard[-1]])


def test_a_temperature_for_each_token_that_was_before():
    """Cold after even tokens: only there the likeliest follows, whatever is drawn elsewhere."""
    model, rng = network(), np.random.default_rng(1)
    even = np.where(np.arange(V) % 2, 1.0, 1e-5)
    same = generate(model, PRIMERS, 25, rng, temperature=np.full(V, 1.3))
    for piece, plain in zip(
        same, generate(model, PRIMERS, 25, np.random.default_rng(1), temperature=1.3), strict=True
    ):
        np.testing.assert_array_equal(piece, plain)
    free = 0
    model.eval()
    for primer, piece in zip(PRIMERS, generate(model, PRIMERS, 25, rng, temperature=even), strict=True):
        heard = np.array([*primer, *piece])
        a = model.forward(heard[:, None])
        for t in range(len(primer) - 1, len(heard) - 1):
            likeliest = heard[t + 1] == a[t, :, 0].argmax()
            assert likeliest or heard[t] % 2
            free += not likeliest
    assert free > 0


def test_a_function_sees_the_whole_piece():
    def no_token_twice(heard):
        allowed = np.ones(V, bool)
        allowed[heard] = False
        return allowed

    for primer, piece in zip(
        PRIMERS, generate(network(), PRIMERS, 5, np.random.default_rng(1), mask=no_token_twice), strict=True
    ):
        assert len(piece) == 5 and len({*piece.tolist(), *primer.tolist()}) == 5 + len(set(primer.tolist()))
    with pytest.raises(ValueError, match="allows a token after"):
        generate(network(), PRIMERS, 9, np.random.default_rng(1), mask=no_token_twice)


def test_nothing_to_compose():
    rng = np.random.default_rng(1)
    assert generate(network(), [], 5, rng) == []
    assert [piece.tolist() for piece in generate(network(), PRIMERS, 0, rng, stop=[1])] == [[], [], [], []]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"primers": [[]]}, "at least one token"),
        ({"primers": [np.array([1.0])]}, "whole numbers"),
        ({"primers": [np.zeros((2, 2), int)]}, r"primers \(L,\)"),
        ({"primers": [np.array([1]), np.array([V, 1])]}, r"tokens in 0 \.\. 8, got 9"),
        ({"primers": [np.array([1, V])]}, r"tokens in 0 \.\. 8, got 9"),
        ({"length": -1}, "length >= 0"),
        ({"stop": []}, r"at least 1 tokens \(stop\)"),
        ({"temperature": 0.0}, "temperature > 0"),
        ({"temperature": 0.0, "mask": np.ones((V, V), bool)}, "temperature > 0"),
        ({"temperature": np.where(np.arange(V) == 3, np.nan, 1.0)}, "finite numbers in temperature"),
        ({"temperature": np.ones(V + 1)}, r"mask of bool \(9,\), got \(10,\)"),
        ({"mask": np.ones((V, V))}, "mask of bool"),
        ({"mask": np.ones((V, V + 1), bool)}, r"mask of bool \(V, V\), or a function, got \(9, 10\)"),
        ({"mask": np.zeros((V, V), bool)}, "allows a token after 1"),
    ],
)
def test_bad_input_is_refused(change, message):
    arguments = {"primers": PRIMERS, "length": 4, "rng": np.random.default_rng(1)} | change
    model = network()
    with pytest.raises(ValueError, match=message):
        generate(model, **arguments)
    assert model.training


@pytest.mark.parametrize("mask", [None, np.ones((V, V), bool)])
def test_networks_gone_wrong_are_refused(mask):
    model = network()
    model.params["2.bias"][0] = np.nan
    with pytest.raises(ValueError, match="finite outputs"):
        generate(model, PRIMERS, 4, np.random.default_rng(1), mask=mask)
