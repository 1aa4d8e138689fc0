"""A model that two threads call: right, or refused with a word; never wrong numbers.

Nothing is left to chance: one thread is stopped inside of a call while the other makes its own.
"""

import contextlib
import copy
import threading

import numpy as np
import pytest

from scratchnet.blocks.fully_recurrent import FullyRecurrent
from scratchnet.blocks.kalman import DecoupledKalman
from scratchnet.blocks.network import Blocks, CellBlocks, Outputs, Wiring
from scratchnet.checking.every_layer import layers
from scratchnet.evaluation.held_out import HeldOut, evaluate
from scratchnet.generation.generate import generate
from scratchnet.generation.sampling import sample
from scratchnet.generation.windows import continue_windows
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.layer import Layer
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.one_thread import InUse, alone
from scratchnet.layers.sequential import Sequential
from scratchnet.training.batches import RandomWindows, evaluation_batches
from scratchnet.training.optimizers import SGD
from scratchnet.training.trainer import Trainer

TIMEOUT = 60  # seconds, after which a test that hangs fails
LAYERS = {name: (layer, x) for name, layer, x in layers(np.random.default_rng(0))}


def in_thread(function, *arguments):
    """What the function returns or raises in another thread."""
    result = []

    def run():
        try:
            result.append(function(*arguments))
        except BaseException as error:
            result.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    assert not thread.is_alive()
    return result[0]


@contextlib.contextmanager
def stopped_inside(model):
    """Another thread is inside of a call of the model for as long as the block lasts."""
    inside, go_on = threading.Event(), threading.Event()

    @alone
    def stop(model):
        inside.set()
        assert go_on.wait(TIMEOUT)

    thread = threading.Thread(target=stop, args=(model,), daemon=True)
    thread.start()
    assert inside.wait(TIMEOUT)
    try:
        yield
    finally:
        go_on.set()
        thread.join(TIMEOUT)


class Gate(Layer):
    """Lets through what it gets, but stops when it is told to."""

    def __init__(self):
        super().__init__()
        self.inside, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def forward(self, x):
        self.inside.set()
        assert self.go_on.wait(TIMEOUT)
        return x

    def backward(self, dy):
        return dy


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_refuses_a_call_while_another_thread_is_in_it(name):
    layer, x = LAYERS[name]
    y = layer.forward(x)
    with stopped_inside(layer):
        with pytest.raises(InUse, match=f"another thread is using this {type(layer).__name__}"):
            layer.forward(x)
        with pytest.raises(InUse):
            layer.backward(y)
        with pytest.raises(InUse):
            layer.eval()
        with pytest.raises(InUse):
            layer.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(layer.forward(x), y)


@pytest.mark.parametrize("name", LAYERS)
def test_backward_belongs_to_the_thread_of_the_last_forward(name):
    layer, x = LAYERS[name]
    y = layer.forward(x)
    in_thread(layer.forward, x[::-1].copy())
    with pytest.raises(InUse, match="in the thread of its last forward pass"):
        layer.backward(y)
    layer.forward(x)
    assert isinstance(in_thread(layer.backward, y), InUse)
    layer.backward(y)


def test_a_model_passes_from_thread_to_thread(rng):
    model, x = Sequential([LSTM(3, 4, rng), Linear(4, 2, rng)]), rng.standard_normal((5, 3, 2))

    def turn():
        model.zero_grad()
        y = model.forward(x)
        return y, model.backward(y), {name: grad.copy() for name, grad in model.grads.items()}

    wanted = turn()
    for _ in range(3):
        y, dx, grads = in_thread(turn)
        np.testing.assert_array_equal(y, wanted[0])
        np.testing.assert_array_equal(dx, wanted[1])
        for name, grad in grads.items():
            np.testing.assert_array_equal(grad, wanted[2][name])


def test_a_model_in_the_middle_of_its_layers(rng):
    """One thread stops inside the second layer; another then comes in vain, and the first is right."""
    gate = Gate()
    model = Sequential([LSTM(3, 4, rng), gate, Linear(4, 2, rng)])
    x, other = rng.standard_normal((2, 5, 3, 2))
    y, result = model.forward(x), []
    gate.inside.clear()
    gate.go_on.clear()
    first = threading.Thread(target=lambda: result.append(model.forward(x)), daemon=True)
    first.start()
    assert gate.inside.wait(TIMEOUT)
    with pytest.raises(InUse, match="Sequential"):
        model.forward(other)
    with pytest.raises(InUse, match="Sequential"):
        model.backward(y)
    gate.go_on.set()
    first.join(TIMEOUT)
    np.testing.assert_array_equal(result[0], y)


def test_one_layer_in_two_models(rng):
    shared, x = Linear(3, 3, rng), rng.standard_normal((4, 3, 2))
    gate = Gate()
    first, second = Sequential([shared, gate]), Sequential([shared, Linear(3, 2, rng)])
    y = first.forward(x)
    in_thread(second.forward, 2 * x)
    with pytest.raises(InUse, match="backward of this Linear"):
        first.backward(y)


V = 5


def token_model(rng):
    return Sequential([Embedding(V, 3, rng), LSTM(3, 4, rng), Dropout(0.5, rng), Linear(4, V, rng)])


def test_what_lasts_longer_than_a_pass_has_the_model_to_itself(rng):
    model, tokens = token_model(rng), rng.integers(0, V, 40)
    trainer = Trainer(model, RandomWindows(tokens, 4, 2, rng), SGD(model.params, model.grads, 0.1))
    calls = {
        "generate": lambda: generate(model, [[1]], 3, rng),
        "sample": lambda: sample(model, [1], 3, rng),
        "continue_windows": lambda: continue_windows(model, [[1, 2]], 1, rng),
        "evaluate": lambda: evaluate(model, evaluation_batches([tokens], 1)),
        "step": trainer.step,
        "trainer.evaluate": lambda: trainer.evaluate(HeldOut.of_batches(evaluation_batches([tokens], 1))),
        "state": trainer.state,
    }
    for call in calls.values():
        with stopped_inside(model), pytest.raises(InUse):
            call()
        call()
    said = []

    def stop(piece):  # called while the piece is composed
        said.append(
            (in_thread(model.train), in_thread(trainer.step), in_thread(model.forward, tokens[:, None]))
        )
        return False

    generate(model, [[1]], 2, rng, stop=stop)
    assert len(said) == 2 and all(isinstance(error, InUse) for errors in said for error in errors)
    assert model.training  # as before


def test_a_stream_is_for_one_thread_at_a_time(rng):
    wiring = Wiring(
        {"in": 2}, {"memory": Blocks(1)}, {"out": Outputs(2)}, {"memory": ("in",), "out": ("memory",)}
    )
    blocks, recurrent = CellBlocks(wiring, rng), FullyRecurrent(2, 3, 2, rng)
    x, t = rng.standard_normal((4, 2)), rng.random((4, 2))
    kalman = DecoupledKalman(blocks)
    for network, calls in {
        blocks: [
            lambda: blocks.listen(x),
            lambda: blocks.learn_online(x, t, 0.1),
            lambda: blocks.truncated_gradient(x, t),
            lambda: blocks.play(x, 2, {"out": "threshold"}, rng),
            lambda: kalman.learn(x, t),
            blocks.reset,
        ],
        recurrent: [
            lambda: recurrent.advance(x[0]),
            lambda: recurrent.learn_online(x, t, 0.1),
            lambda: recurrent.rtrl_gradient(x, t),
            recurrent.reset,
        ],
    }.items():
        for call in calls:
            with stopped_inside(network), pytest.raises(InUse):
                call()
            call()


def test_threads_with_copies_of_their_own(rng):
    model, x = token_model(rng), rng.integers(0, V, (6, 2))
    other = copy.deepcopy(model)
    y = model.forward(x)
    with stopped_inside(model):
        model_of_the_thread = in_thread(other.forward, x)
    np.testing.assert_array_equal(y, model_of_the_thread)  # and the same dropout
    with stopped_inside(other):
        model.backward(y)


def test_an_error_lets_go_of_the_model(rng):
    layer = Linear(3, 2, rng)
    with pytest.raises(ValueError):
        layer.forward(np.zeros((4, 5, 1)))
    assert in_thread(layer.forward, np.zeros((4, 3, 1), np.float32)).shape == (4, 2, 1)
