"""Every public function and class, given what is no argument for it: a ValueError that says so, nothing else.

A row is a call that is right, and for each argument what it is: that decides which values are wrong there.
"""

import ast
from pathlib import Path

import numpy as np
import pytest
from hostile_values import WRONG, B, D, H, K, T, V

import scratchnet
from scratchnet.blocks.fully_recurrent import FullyRecurrent
from scratchnet.blocks.jacobian import output_jacobian
from scratchnet.blocks.kalman import DecoupledKalman
from scratchnet.blocks.network import Blocks, CellBlocks, Outputs, Wiring
from scratchnet.checking.gradcheck import compare, gradcheck, numeric_gradient
from scratchnet.evaluation.held_out import evaluate, held_out
from scratchnet.evaluation.metrics import class_scores, harmonic_mean, perplexity, surprisal, top_k_accuracy
from scratchnet.evaluation.ngrams import WittenBell
from scratchnet.generation.generate import generate
from scratchnet.generation.sampling import sample
from scratchnet.generation.windows import (
    Windows,
    continue_windows,
    cut_windows,
    evaluation_windows,
    windows_of,
)
from scratchnet.kernels.team import set_size
from scratchnet.layers.attention import Attention
from scratchnet.layers.batch_norm import BatchNorm
from scratchnet.layers.conv1d import Conv1D
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.gru import GRU
from scratchnet.layers.heads import Flatten, LastStep
from scratchnet.layers.initializers import (
    fans,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    initialize,
    orthogonal,
    set_forget_bias,
    uniform,
    zeros,
)
from scratchnet.layers.linear import Linear
from scratchnet.layers.lookup import Lookup
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.nonlinearity import Nonlinearity
from scratchnet.layers.rnn import RNN
from scratchnet.layers.separable_conv1d import DepthwiseConv1D, SeparableConv1D
from scratchnet.layers.sequential import Sequential
from scratchnet.training.batches import RandomWindows, Streams, evaluation_batches, expect_sequence
from scratchnet.training.losses import lengths_mask, sigmoid_cross_entropy, softmax_cross_entropy
from scratchnet.training.optimizers import SGD, Adagrad, Adam, RMSprop, clip_global_norm
from scratchnet.training.pieces import Pieces
from scratchnet.training.schedules import Constant, Cosine, Exponential, Plateau, Product, StepDecay, WarmUp


def rng():
    return np.random.default_rng(0)


def tokens(*shape):
    return rng().integers(0, V, shape)


X, STREAM, BITS = rng().random((T, D, B)), rng().random((T, D)), rng().random((T, K))
ROW, ROWS = tokens(40), [tokens(20), tokens(30)]
RATE = {
    "lr": "positive",
    "weight_decay": "not negative",
    "decays": "function",
    "params": "arrays",
    "grads": "arrays",
}


def model():
    return Sequential([Embedding(V, 2, rng()), LSTM(2, H, rng()), Linear(H, V, rng())])


def wiring():
    return Wiring({"in": D}, {"m": Blocks(1, 2)}, {"out": Outputs(K)}, {"m": ("in", "m"), "out": ("m",)})


def blocks():
    return CellBlocks(wiring(), rng())


def weights():
    return {"w": np.ones(3)}


def recurrent(kind, **more):
    arguments = {
        "input_size": D,
        "hidden_size": H,
        "rng": rng(),
        "num_layers": 1,
        "dropout": 0.0,
        "dtype": float,
    }
    return kind, arguments, {
        "input_size": "whole", "hidden_size": "whole", "rng": "rng", "num_layers": "whole",
         "dropout": "share",
        "dtype": "dtype", **more,
    }  # fmt: skip


def convolution(kind, **more):
    arguments = {
        "input_size": D,
        "kernel_size": 2,
        "rng": rng(),
        "padding": "causal",
        "stride": 1,
        "dtype": float,
    }
    names = {
        "input_size": "whole",
        "kernel_size": "whole",
        "rng": "rng",
        "padding": "name",
        "stride": "whole",
    }
    return kind, arguments | ({"output_size": 3} if more else {}), {**names, "dtype": "dtype", **more}


def epochs(kind, **more):
    arguments = {"sequences": ROWS, "length": 3, "batch": 2, "rng": rng()}
    return kind, arguments, {
        "sequences": "lists of tokens", "length": "whole", "batch": "whole", "rng": "rng", **more,
    }  # fmt: skip


def initial(function, **more):
    arguments = {"rng": rng(), "shape": (3, 4), "dtype": float}
    return function, arguments, {"rng": "rng", "shape": "shape", "dtype": "dtype", **more}


def optimizer(kind, **more):
    return kind, {"params": weights(), "grads": weights(), "lr": 0.1}, RATE | more


def method(owner, name, *arguments):
    """A method of an object that is made anew for every call."""

    def call(**given):
        return getattr(owner(), name)(**given)

    call.__name__ = f"{getattr(owner, '__name__', 'object')}.{name}"
    return call, *arguments


def after_forward(make, x):
    """`backward` after a forward pass."""

    def call(dy, **given):
        layer = make()
        layer.forward(x)
        return layer.backward(dy, **given)

    call.__name__ = f"{make().__class__.__name__}.backward"
    return call, {"dy": make().forward(x)}, {"dy": "derivatives"}


LSTM_CHOICE = {"steps": "whole0", "rng": "rng", "temperature": "positive", "top_k": "whole?", "top_p": "part"}

CALLS = [
    recurrent(RNN, nonlinearity="name"),
    recurrent(LSTM, peepholes="flag"),
    recurrent(GRU),
    (Linear, {"input_size": D, "output_size": 3, "rng": rng()},
     {"input_size": "whole", "output_size": "whole", "rng": "rng", "dtype": "dtype"}),
    (Embedding, {"num_embeddings": V, "embedding_dim": 3, "rng": rng()},
     {"num_embeddings": "whole", "embedding_dim": "whole", "rng": "rng", "dtype": "dtype"}),
    (Dropout, {"p": 0.5, "rng": rng()}, {"p": "share", "rng": "rng", "locked": "flag"}),
    convolution(Conv1D, output_size="whole", bias="flag"),
    convolution(SeparableConv1D, output_size="whole", bias="flag"),
    convolution(DepthwiseConv1D),
    (BatchNorm, {"num_features": D},
     {"num_features": "whole", "momentum": "part?", "eps": "positive", "affine": "flag", "unbiased": "flag",
      "dtype": "dtype"}),
    (Nonlinearity, {"kind": "relu"}, {"kind": "name"}),
    (Attention, {"hidden_size": H, "rng": rng()},
     {"hidden_size": "whole", "rng": "rng", "score": "name", "tanh": "flag?", "dtype": "dtype"}),
    (Flatten, {}, {}),
    (LastStep, {}, {}),
    (Lookup, {"table": np.ones((V, D))}, {"table": "table", "dtype": "dtype"}),
    (Sequential, {"layers": [Linear(2, 2, rng())]}, {"layers": "layers"}),
    (FullyRecurrent, {"input_size": D, "units": 3, "output_size": K, "rng": rng()},
     {"input_size": "whole", "units": "whole", "output_size": "whole", "rng": "rng", "scale": "not negative?",
      "dtype": "dtype"}),
    (CellBlocks, {"wiring": wiring(), "rng": rng()},
     {"wiring": "wiring", "rng": "rng", "scale": "not negative?", "peepholes": "flag", "dtype": "dtype",
      "activation_g": "pair of numbers", "activation_h": "pair of numbers"}),
    (Blocks, {"blocks": 2},
     {"blocks": "whole", "cells": "whole", "input_bias": "bias", "forget_bias": "bias", "output_bias": "bias",
      "cell_bias": "flag"}),
    (Outputs, {"units": 2}, {"units": "whole", "bias": "number"}),
    (Wiring, {"inputs": {"in": 2}, "blocks": {}, "outputs": {"out": Outputs(1)}, "feeds": {"out": ("in",)}},
     {"inputs": "groups", "blocks": "groups", "outputs": "groups", "feeds": "groups"}),
    (DecoupledKalman, {"network": blocks()},
     {"network": "wiring", "measurement_noise": "pair", "process_noise": "pair", "anneal": "positive",
      "covariance": "positive", "groups": "name", "error": "name"}),
    optimizer(SGD, momentum="share", nesterov="flag"),
    optimizer(Adagrad, eps="not negative"),
    optimizer(RMSprop, alpha="share", eps="not negative", momentum="share"),
    optimizer(Adam, betas="pair", eps="not negative", decoupled="flag"),
    (clip_global_norm, {"grads": weights(), "limit": 1.0}, {"grads": "arrays",
     "limit": "positive or infinite"}),
    (Constant, {}, {}),
    (StepDecay, {"every": 2}, {"every": "whole", "factor": "part"}),
    (Exponential, {"factor": 0.5}, {"factor": "part"}),
    (Cosine, {"steps": 2}, {"steps": "positive", "final": "unit"}),
    (WarmUp, {"steps": 2}, {"steps": "whole", "then": "schedule"}),
    (Product, {"first": StepDecay(2), "second": Constant()}, {"first": "schedule", "second": "schedule"}),
    (Plateau, {},
     {"factor": "share", "patience": "whole0", "threshold": "not negative", "lowest": "unit"}),
    *(method(lambda make=make: make, "__call__", {"n": 3}, {"n": "whole0 without a limit"})
      for make in (StepDecay(2), Exponential(0.5), Cosine(3), WarmUp(2))),
    (RandomWindows, {"tokens": ROW, "length": 3, "batch": 2, "rng": rng()},
     {"tokens": "a row of tokens", "length": "whole", "batch": "whole", "rng": "rng"}),
    epochs(Streams),
    epochs(Pieces),
    epochs(Windows, noise="share", vocabulary="whole0", first="whole0"),
    (evaluation_batches, {"sequences": ROWS, "batch": 2},
     {"sequences": "lists of tokens", "batch": "whole", "context": "whole", "length": "whole"}),
    (evaluation_windows, {"sequences": ROWS, "length": 3, "batch": 2},
     {"sequences": "lists of tokens", "length": "whole", "batch": "whole", "most": "whole?",
      "unknown": "places?"}),
    (held_out, {"sequences": ROWS, "batch": 2, "rng": rng()},
     {"sequences": "lists of tokens", "batch": "whole", "rng": "rng",
     "most": "whole without a limit?", "context": "whole",
      "windows": "flag"}),
    (evaluate, {"model": model(), "batches": evaluation_batches(ROWS, 2)}, {"model": "model"}),
    (windows_of, {"sequences": ROWS, "length": 3}, {"length": "whole"}),
    (expect_sequence, {"tokens": ROW, "least": 1}, {"tokens": "a row of tokens"}),
    (WittenBell, {"order": 2, "vocabulary": V}, {"order": "whole0", "vocabulary": "whole"}),
    method(lambda: WittenBell(2, V), "fit", {"sequences": ROWS}, {"sequences": "lists of tokens"}),
    method(lambda: WittenBell(2, V).fit(ROWS), "nats", {"sequences": ROWS}, {"sequences": "lists of tokens"}),
    (perplexity, {"nats": 1.0}, {"nats": "not a number"}),
    (harmonic_mean, {"a": 1.0, "b": 0.5}, {"a": "not negative", "b": "not negative"}),
    (top_k_accuracy, {"a": rng().random((T, V, B)), "t": tokens(T, B)},
     {"a": "logits of any kind", "t": "tokens", "k": "whole", "ignore_index": "places"}),
    (surprisal, {"a": rng().random((T, V, B)), "t": tokens(T, B)},
     {"a": "logits of any kind", "t": "tokens", "ignore_index": "places"}),
    (class_scores, {"predicted": tokens(4) % 3, "targets": tokens(4) % 3, "V": 3},
     {"predicted": "class numbers", "targets": "class numbers", "V": "whole"}),
    (softmax_cross_entropy, {"a": rng().random((T, V, B)), "t": tokens(T, B)},
     {"a": "logits", "t": "tokens", "weights": "loss weights", "ignore_index": "places"}),
    (sigmoid_cross_entropy, {"a": rng().random((T, V, B)), "t": rng().random((T, V, B))},
     {"a": "logits", "t": "K targets", "mask": "loss weights"}),
    (lengths_mask, {"lengths": [1, 2], "T": T}, {"lengths": "lengths of any", "T": "whole"}),
    (uniform, {"rng": rng(), "shape": (3, 4)},
     {"rng": "rng", "shape": "shape", "dtype": "dtype", "bound": "not negative?"}),
    *(initial(function) for function in (glorot_uniform, glorot_normal, he_uniform, he_normal)),
    (orthogonal, {"rng": rng(), "shape": (4, 3)},
     {"rng": "rng", "shape": "shape", "dtype": "dtype", "blocks": "whole"}),
    (zeros, {"rng": rng(), "shape": (4,)}, {"shape": "any shape", "dtype": "dtype"}),
    (fans, {"shape": (4, 3)}, {"shape": "shape"}),
    (initialize, {"layer": LSTM(D, H, rng()), "scheme": "keras", "rng": rng()},
     {"layer": "layer", "scheme": "name", "rng": "rng"}),
    (set_forget_bias, {"layer": LSTM(D, H, rng()), "value": 1.0}, {"layer": "layer", "value": "number"}),
    (set_size, {"workers": 1}, {"workers": "size of a team"}),
    (gradcheck, {"layer": Linear(D, 3, rng(), dtype=float), "x": X},
     {"layer": "layer", "x": "frames", "state": "gradcheck state", "rng": "generator or none",
      "tolerance": "positive"}),
    (numeric_gradient, {"f": lambda: 0.0, "array": np.ones(2)}, {"array": "float64"}),
    (compare, {"pairs": {"w": (np.ones(2), np.ones(2))}}, {"pairs": "pairs", "tolerance": "positive"}),
    (sample, {"model": model(), "start": tokens(B), "steps": 3, "rng": rng()},
     {"model": "model", "start": "starts", "state": "state", **LSTM_CHOICE}),
    (generate, {"model": model(), "primers": ROWS, "length": 3, "rng": rng()},
     {"model": "model", "primers": "primers", "length": "whole0", "stop": "stop", "mask": "square of bools",
      "rng": "rng", "temperature": "temperature", "top_k": "whole?", "top_p": "part"}),
    (continue_windows, {"model": model(), "primers": [tokens(4), tokens(4)], "length": 2, "rng": rng()},
     {"model": "model", "primers": "lists of tokens", "length": "whole0", "rng": "rng", "mask": "bools",
      "temperature": "positive", "top_k": "whole?", "top_p": "part", "progress": "function"}),
    *(method(lambda kind=kind: kind(D, H, rng(), dtype=float), "forward", {"x": X},
             {"x": "frames", "state": "state", "lengths": "lengths"}) for kind in (RNN, LSTM, GRU)),
    *(method(make, "forward", {"x": X}, {"x": "frames", "lengths": "lengths"}) for make in (
        lambda: Attention(D, rng(), dtype=float), lambda: Conv1D(D, 3, 1, rng(), dtype=float),
        lambda: SeparableConv1D(D, 3, 1, rng(), dtype=float), lambda: DepthwiseConv1D(D, 1, rng(),
         dtype=float),
        lambda: BatchNorm(D, dtype=float))),
    *(method(make, "forward", {"x": X}, {"x": "frames"}) for make in (
        lambda: FullyRecurrent(D, 3, K, rng()), blocks)),
    method(lambda: Linear(D, 3, rng(), dtype=float), "forward", {"x": X}, {"x": "frames or none"}),
    *(method(make, "forward", {"x": X}, {"x": "any frames"}) for make in (
        lambda: Nonlinearity("tanh"), lambda: Dropout(0.5, rng()), Flatten, LastStep)),
    *(method(make, "forward", {"x": tokens(T, B)}, {"x": "tokens"}) for make in (
        lambda: Embedding(V, 3, rng()), lambda: Lookup(np.ones((V, 2))), model)),
    method(model, "forward", {"x": tokens(T, B)}, {"state": "state", "lengths": "lengths"}),
    method(blocks, "forward", {"x": X}, {"state": "state"}),
    method(lambda: FullyRecurrent(D, 3, K, rng()), "forward", {"x": X}, {"state": "state"}),
    method(lambda: Attention(D, rng(), dtype=float), "forward", {"x": X}, {"state": "state"}),
    method(lambda: Conv1D(D, 3, 2, rng(), "causal", dtype=float), "forward", {"x": X}, {"state": "state"}),
    *(after_forward(make, X) for make in (
        lambda: Linear(D, 3, rng(), dtype=float), lambda: LSTM(D, H, rng(), dtype=float),
        lambda: Attention(D, rng(), dtype=float), lambda: Conv1D(D, 3, 1, rng(), dtype=float),
        lambda: BatchNorm(D, dtype=float), lambda: Nonlinearity("relu"), lambda: LastStep(), blocks)),
    *(method(make, "learn_online", {"x": STREAM, "t": BITS, "lr": 0.1},
             {"x": "stream", "t": "targets", "lr": "not negative", "momentum": "share",
              "gross_error": "not negative or infinite"})
      for make in (blocks, lambda: FullyRecurrent(D, 3, K, rng()))),
    method(lambda: DecoupledKalman(blocks()), "learn", {"x": STREAM, "t": BITS},
           {"x": "stream", "t": "targets", "gross_error": "not negative or infinite"}),
    method(blocks, "listen", {"x": STREAM}, {"x": "stream"}),
    method(blocks, "play", {"x": STREAM, "steps": 2, "rules": {"out": "one"}, "rng": rng()},
           {"x": "stream", "steps": "whole0", "rules": "rules", "rng": "rng", "temperature": "positive",
            "scaling": "scaling"}),
    (output_jacobian, {"network": blocks(), "x": STREAM}, {"network": "wiring", "x": "stream"}),
    *(method(make, "initial_state", {"B": 2}, {"B": "whole0"}) for make in (
        lambda: LSTM(D, H, rng()), lambda: Attention(D, rng()), blocks, lambda: FullyRecurrent(D,
         3, K, rng()),
        lambda: Conv1D(D, 3, 2, rng(), "causal"), model)),
    method(lambda: Linear(D, 3, rng()), "load_state_dict", {"state": Linear(D, 3, rng()).state_dict()},
           {"state": "dict"}),
    method(lambda: SGD(weights(), weights(), 0.1), "load_state_dict",
           {"state": SGD(weights(), weights(), 0.1).state_dict()}, {"state": "dict"}),
    method(lambda: Plateau(), "load_state_dict", {"state": Plateau().state_dict()}, {"state": "dict"}),
    method(lambda: Constant(), "load_state_dict", {"state": {}}, {"state": "dict"}),
]  # fmt: skip


def name_of(row):
    return row[0].__name__


@pytest.fixture(autouse=True)
def default_size():
    yield
    set_size(None)


@pytest.mark.parametrize("row", CALLS, ids=name_of)
def test_nothing_but_a_sentence(row):
    function, good, kinds = row
    function(**good)
    failures = []
    for name, kind in kinds.items():
        for value in WRONG[kind.removesuffix("?")]:
            if value is None and kind.endswith("?"):  # which is an argument there
                continue
            try:
                function(**good | {name: value})
                failures.append(f"{name}={value!r:.60} is accepted")
            except ValueError as error:
                text = str(error)
                said = text.startswith("expected") or "does not fit" in text
                if not said or "\n" in text or len(text) > 240:
                    failures.append(f"{name}={value!r:.60}: {text[:300]}")
            except Exception as error:
                failures.append(f"{name}={value!r:.60}: {error!r:.200}")
    assert not failures, "\n".join(failures)


INTERNAL = set(  # modules whose functions are called by those above, with what these have looked at
    """
    arguments attention_kernels blas checkpoint closed_loop compiled_files convolution described
    every_layer files jit kalman_update layer learning matmul messages microkernel network_kernels
    one_thread online recurrent rtrl stream stream_arrays team trainer weights
    """.split()
)
BASES = {
    "Head",
    "Optimizer",
    "Schedule",
    "Epochs",
    "Batch",
    "ClassScores",
    "Row",
    "Report",
    "HeldOut",
    "Diverged",
}
PARTS = set(  # not arguments of users
    """
    bits checksum columns dense empty_factors expect_array expect_choice expect_float64 expect_model
    expect_rate main make_factors outputs sample_from step_biases
    """.split()
)


def public(path):
    """Classes, and functions, of a module; without kernels and the tuples of arrays that kernels take."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        kernel = any("kernel" in ast.unparse(d) for d in getattr(node, "decorator_list", []))
        kernel |= any(ast.unparse(base) == "NamedTuple" for base in getattr(node, "bases", []))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not kernel and not node.name.startswith("_"):
            yield node.name


def test_everything_public_is_here():
    tried = {name_of(row) for row in CALLS} | {cut_windows.__name__}
    root = Path(scratchnet.__file__).parent
    for path in {*root.rglob("*.py")} - {*(root / "plain").iterdir()}:
        if path.stem not in INTERNAL and path.stem != "activations":
            untried = set(public(path)) - tried - BASES - PARTS
            assert not untried, f"{path.name}: {untried} without a row in CALLS (what is it called with?)"
