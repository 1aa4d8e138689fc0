"""The stream as an object: its verbs are those of the network, whose weights and lock it shares."""

from threading import Thread

import numpy as np
import pytest

from scratchnet.blocks.fully_recurrent import FullyRecurrent
from scratchnet.blocks.network import CellBlocks
from scratchnet.blocks.wiring import Blocks, Outputs, Wiring
from scratchnet.layers.one_thread import InUse, alone

WIRING = Wiring(
    inputs={"notes": 3},
    blocks={"memory": Blocks(2, 2)},
    outputs={"next": Outputs(3)},
    feeds={"memory": ("notes", "memory"), "next": ("notes", "memory")},
)


def cell_blocks():
    return CellBlocks(WIRING, np.random.default_rng(0))


def fully_recurrent():
    return FullyRecurrent(3, 5, 3, np.random.default_rng(0))


def bits(seed=1):
    return (np.random.default_rng(seed).random((8, 3)) < 0.5).astype(float)


@pytest.mark.parametrize("make", [cell_blocks, fully_recurrent])
def test_the_network_and_its_stream_learn_alike(make):
    one, other = make(), make()
    for _ in range(2):  # the second goes on from the first
        mine, yours = (
            one.learn_online(bits(), bits(2), 0.1, 0.9),
            other.stream.learn(bits(), bits(2), 0.1, 0.9),
        )
        np.testing.assert_array_equal(mine[0], yours[0])
        assert mine[1:] == yours[1:]
    for name, array in one.stream_state().items():
        np.testing.assert_array_equal(array, other.stream.state()[name])
        assert array is one.stream.state()[name] and array.any()
    for name, param in one.params.items():
        np.testing.assert_array_equal(param, other.params[name])
        assert not np.array_equal(param, make().params[name])
    one.reset()
    assert not any(
        array.any() for name, array in one.stream_state().items() if name in ("partials", "states")
    )


def test_the_other_verbs_too():
    one, other = cell_blocks(), cell_blocks()
    np.testing.assert_array_equal(one.listen(bits()), other.stream.listen(bits()))
    played = [net.play(bits(), 6, {"next": "one"}, np.random.default_rng(3)) for net in (one, other.stream)]
    np.testing.assert_array_equal(*played)
    gradients = one.truncated_gradient(bits(), bits(2)), other.stream.truncated_gradient(bits(), bits(2))
    assert gradients[0].keys() == gradients[1].keys() == one.params.keys()
    for name in one.params:
        np.testing.assert_array_equal(gradients[0][name], gradients[1][name])
    one, other = fully_recurrent(), fully_recurrent()
    np.testing.assert_array_equal(one.advance(bits()[0]), other.stream.advance(bits()[0]))
    gradients = one.rtrl_gradient(bits(), bits(2)), other.stream.gradient(bits(), bits(2))
    np.testing.assert_array_equal(gradients[0]["weight"], gradients[1]["weight"])


@pytest.mark.parametrize("make", [cell_blocks, fully_recurrent])
def test_the_stream_works_on_the_weights_of_its_network(make):
    network = make()
    assert network.stream.network is network
    weights = network.state_dict()
    network.stream.learn(bits(), bits(2), 0.1)
    network.load_state_dict(weights)
    again = make()
    again.load_state_dict(weights)
    again.reset()
    network.stream.reset()
    x = bits(4)[:, :, None]
    np.testing.assert_array_equal(network.forward(x), again.forward(x))
    assert repr(network.stream) == f"{type(network.stream).__name__}({network.description()})"


@pytest.mark.parametrize("make", [cell_blocks, fully_recurrent])
def test_a_stream_is_refused_while_another_thread_has_the_network(make):
    network, refused = make(), []

    def try_it():
        for verb in (network.stream.reset, lambda: network.stream.learn(bits(), bits(2), 0.1)):
            try:
                verb()
            except InUse as error:
                refused.append(str(error))

    @alone
    def hold(network):
        thread = Thread(target=try_it)
        thread.start()
        thread.join()

    hold(network)
    assert len(refused) == 2 and all(type(network).__name__ in text for text in refused)
