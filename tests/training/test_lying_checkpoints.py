"""Files of weights whose settings are not those of the weights: one line, before anything is made of them."""

import copy
import json

import numpy as np
import pytest

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
from encoders.tokens.note_chords import NoteChords
from encoders.tokens.note_duration import NoteDuration
from experiments.blues import runs as blues_runs
from experiments.blues.recipes import RECIPES, blues_wiring, make_network
from experiments.classical import networks as classical_networks
from experiments.classical import runs as classical_runs
from experiments.classical.builds import BUILDS
from experiments.common.errors import UserError
from experiments.folk import networks as folk_networks
from experiments.folk import runs as folk_runs
from experiments.piano import networks as piano_networks
from experiments.piano import runs as piano_runs
from experiments.polyphony import networks as polyphony_networks
from experiments.polyphony.settings import Train as PolyphonyTrain
from scratchnet.training.checkpoint import CheckpointError, save_checkpoint

SYMBOLS = ["C4_quarter", "D4_half", "0.4.7_whole"]
NESTED = json.loads("[" * 50 + "]" * 50)
ENDLESS = 2**63 - 1
HOSTILE = [
    ENDLESS, 10**400, -1, -(10**400), 0, 10**9, 99_999, 1.5, float("nan"), float("inf"), 1e308, None, True,
    "", "x" * 10**5, [], {}, NESTED,
]  # fmt: skip


def names(value):
    return repr(value)[:20]


def folk(settings=None):
    settings = {"hidden": 6, "layers": 2, "embedding": 3, "dropout": 0.1} | (settings or {})
    network = folk_networks.make_network(settings, 4, np.random.default_rng(0), settings["dropout"])
    return folk_runs.load_network, network, {"config": settings, "vocabulary": "abc\n"}


def piano(settings=None):
    settings = {"model": "attention", "hidden": 6, "layers": 1, "embedding": 0, "dropout": 0.1} | (
        settings or {}
    )
    encoder = NoteDuration()
    rng = np.random.default_rng(0)
    network = piano_networks.make_network(settings, len(encoder), rng, settings["dropout"])
    return piano_runs.load_network, network, {"config": settings, "encoder": encoder.settings()}


CLASSICAL = {
    "architecture": "model7", "width": 0.02, "head": "flatten", "conv": 3, "kernel": 2, "input": "embedding",
    "embedding": 4, "window": 9,
}  # fmt: skip


def classical(settings=None):
    settings = CLASSICAL | (settings or {})
    metadata = {"config": settings, "encoder": NoteChords().settings(), "vocabulary": SYMBOLS}
    writing = classical_runs.writing_of(metadata)
    network = classical_networks.make_network(settings, *writing, np.random.default_rng(0))
    return classical_runs.load_network, network, metadata


@pytest.fixture(params=[folk, piano, classical], ids=lambda make: make.__name__)
def honest(request, tmp_path):
    """A function that writes the file with other metadata and loads it; the metadata as they should be."""
    load, network, metadata = request.param()
    path = tmp_path / "best.safetensors"

    def lie(metadata, weights=None):
        save_checkpoint(path, network.state_dict() if weights is None else weights, metadata)
        return load(path)

    return lie, network, metadata | {"best": {"step": 1, "nats": 1.5}}


def refused(use):
    with pytest.raises((CheckpointError, UserError)) as caught:
        use()
    text = str(caught.value)
    assert len(text) < 600 and "\n" not in text and "best.safetensors" in text
    return text


def test_an_honest_file_is_loaded(honest):
    lie, network, metadata = honest
    loaded = lie(metadata)[0].state_dict()
    assert all((loaded[name] == array).all() for name, array in network.state_dict().items())


@pytest.mark.parametrize("value", HOSTILE, ids=names)
def test_a_setting_that_lies(honest, value):
    lie, _, metadata = honest
    for part in ("config", "encoder"):
        for name, true in metadata.get(part, {}).items():
            lying = copy.deepcopy(metadata)
            lying[part][name] = value
            harmless = name in ("dropout", "conv", "kernel", "together", "bpm", "steps_per_beat", "longest")
            harmless |= name in ("lowest", "highest") or value == true
            if harmless:
                try:
                    lie(lying)
                except (CheckpointError, UserError) as error:
                    assert len(str(error)) < 600
            else:
                refused(lambda lying=lying: lie(lying))


@pytest.mark.parametrize("value", [*HOSTILE, {"step": ENDLESS}, {"step": "1", "nats": 1}], ids=names)
def test_a_part_that_lies(honest, value):
    lie, _, metadata = honest
    for part in metadata:
        if part == "best" and value is None:
            assert lie(metadata | {part: value})  # not judged yet
        else:
            refused(lambda part=part: lie(metadata | {part: value}))


def test_weights_that_are_damaged(honest):
    lie, network, metadata = honest
    good = network.state_dict()
    name = next(iter(good))
    for change in (
        {name: np.full_like(good[name], np.nan)}, {name: good[name][None]}, {"more": np.zeros(3)},
        {name: good[name][..., :1]},
    ):  # fmt: skip
        refused(lambda change=change: lie(metadata, good | change))
    refused(lambda: lie(metadata, {k: v for k, v in good.items() if k != name}))
    refused(lambda: lie(metadata, {}))
    refused(lambda: lie(metadata, {f"{k:x<90}{k}": np.zeros(1) for k in map(str, range(5000))}))


def close(least, network):
    """A bound is one only if it holds, and worth something only if it is near."""
    assert 0.5 * network.parameter_count < least <= network.parameter_count


@pytest.mark.parametrize("embedding", [0, 5])
@pytest.mark.parametrize("layers", [1, 3])
def test_the_bounds_on_recurrent_networks(layers, embedding):
    settings = {"hidden": 12, "layers": layers, "embedding": embedding, "dropout": 0.0}
    _, network, metadata = folk(settings)
    close(folk_networks.least_weights(metadata["config"], 4), network)
    for model in ("rnn", "gru", "lstm", "attention", "vector-attention"):
        _, network, metadata = piano(settings | {"model": model})
        close(piano_networks.least_weights(metadata["config"], len(NoteDuration())), network)
    for cell in ("rnn", "gru", "lstm"):
        config = PolyphonyTrain(
            cell=cell, hidden=12, layers=layers, dropout=0.0, input_dropout=0.0, input_scale=0.4
        )
        network = polyphony_networks.make_network(config, np.random.default_rng(0))
        close(polyphony_networks.least_weights(config), network)


@pytest.mark.parametrize("build", BUILDS)
def test_the_bounds_on_builds(build):
    for change in ({"head": "last"}, {"input": "one-hot"}, {"input": "number"}, {"input": "chroma"}, {}):
        settings = CLASSICAL | {"architecture": build, "conv": None, "kernel": None, "window": 12} | change
        _, network, metadata = classical(settings)
        close(classical_networks.least_weights(settings, len(SYMBOLS) + 1), network)


# ------------------------------------------------------------------------------------------ memory blocks


@pytest.fixture(scope="module")
def blocks():
    recipe = RECIPES["default"]
    return make_network(recipe, blues_wiring(recipe), np.random.default_rng(0))


def test_the_bound_on_memory_blocks(blocks):
    recipe = RECIPES["default"]
    for count in (1, 4, 40):
        network = make_network(recipe, blues_wiring(recipe, melody_blocks=count), np.random.default_rng(0))
        assert blues_runs.least_weights(network.options()) <= network.parameter_count


@pytest.mark.parametrize(
    "value", [ENDLESS, 10**400, 10**9, 10**5, -1, 0, 1.5, None, "x", [], True], ids=names
)
def test_wiring_that_lies(blocks, value):
    options = json.loads(json.dumps(blocks.options()))
    lies = [("inputs", "chords"), ("blocks", "chord blocks", "blocks"), ("blocks", "melody blocks", "cells"),
            ("outputs", "next chord", "units")]  # fmt: skip
    weights = {"all": np.zeros(blocks.parameter_count)}
    for *way, last in lies:
        lying = copy.deepcopy(options)
        place = lying["wiring"]
        for name in way:
            place = place[name]
        place[last] = value
        with pytest.raises((ValueError, TypeError)):
            blues_runs.expect_weights(blues_runs.least_weights(lying), weights)


def test_dtypes_that_lie(blocks):
    for dtype in ("object", "float16", "S99999999999", None, 3, ["float32"]):
        with pytest.raises((ValueError, TypeError)):
            blues_runs.least_weights(blocks.options() | {"dtype": dtype})
