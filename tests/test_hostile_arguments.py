"""Every public function and class, given what is no argument for it: a ValueError that says so, nothing else.

A row is a call that is right, and for each argument what it is: that decides which values are wrong there.
"""

import ast
import math
from pathlib import Path

import numpy as np
import pytest

import scratchnet
from scratchnet.attention import Attention
from scratchnet.batch_norm import BatchNorm
from scratchnet.batches import RandomWindows, Streams, expect_sequence, judged
from scratchnet.cell_blocks import Blocks, CellBlocks, Outputs, Wiring
from scratchnet.cell_blocks_jacobian import output_jacobian
from scratchnet.conv1d import Conv1D
from scratchnet.dropout import Dropout
from scratchnet.embedding import Embedding
from scratchnet.fully_recurrent import FullyRecurrent
from scratchnet.generation import generate
from scratchnet.gradcheck import compare, gradcheck, numeric_gradient
from scratchnet.gru import GRU
from scratchnet.heads import Flatten, LastStep
from scratchnet.initializers import (
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
from scratchnet.kalman import DecoupledKalman
from scratchnet.linear import Linear
from scratchnet.lookup import Lookup
from scratchnet.losses import lengths_mask, sigmoid_cross_entropy, softmax_cross_entropy
from scratchnet.lstm import LSTM
from scratchnet.metrics import class_scores, harmonic_mean, perplexity, top_k_accuracy
from scratchnet.ngrams import WittenBell
from scratchnet.nonlinearity import Nonlinearity
from scratchnet.optimizers import SGD, Adagrad, Adam, RMSprop, clip_global_norm
from scratchnet.pieces import Pieces
from scratchnet.rnn import RNN
from scratchnet.sampling import sample
from scratchnet.schedules import Constant, Cosine, Exponential, Plateau, StepDecay, WarmUp
from scratchnet.separable_conv1d import DepthwiseConv1D, SeparableConv1D
from scratchnet.sequential import Sequential
from scratchnet.team import set_size
from scratchnet.windows import Windows, continue_windows, cut_windows, judged_windows, windows_of

T, D, H, B, V, K = 4, 2, 3, 2, 5, 2
HUGE = 10**400
NO_NUMBER = (None, math.nan, True, "1", b"1", [1.0], {}, object(), 1j, HUGE, -HUGE)
NO_WHOLE = (*NO_NUMBER, math.inf, 1.5, 10**30, 10**15, -1, np.float32(2), np.array([2]))
NO_ARRAY = (None, "x", math.nan, 3, [], {}, object(), [[1], [1, 2]], np.zeros(0), np.zeros(3, complex), ["a"])
NO_LIST = (None, 3, "x", math.nan, object(), {"a": 1})

WRONG = {
    "whole": (*NO_WHOLE, 0),  # at least 1
    "whole0": NO_WHOLE,
    "positive": (*NO_NUMBER, 0, -1.0, math.inf),
    "positive or infinite": (*NO_NUMBER, 0, -1.0),
    "not negative": (*NO_NUMBER, -1.0, math.inf),
    "not negative or infinite": (*NO_NUMBER, -1.0),
    "number": (*NO_NUMBER, math.inf),
    "share": (*NO_NUMBER, 1.0, -0.1, math.inf),  # [0, 1)
    "part": (*NO_NUMBER, 1.5, -0.1, 0, math.inf),  # (0, 1]
    "unit": (*NO_NUMBER, 1.5, -0.1, math.inf),  # [0, 1]
    "flag": (None, 0, 1, "yes", [], math.nan, np.ones(1, bool)),
    "name": (None, "nonsense", "", 3, ["tanh"], [], math.nan, b"tanh"),
    "rng": (None, 0, "seed", math.nan, np.random, np.random.default_rng, object()),
    "dtype": (None, "nonsense", int, "float16", 3, [], complex, object(), ">f4"),
    "pair": (None, 1.0, (), (0.5,), (0.5,) * 3, "ab", (None, 0.5), (math.nan, 0.5), ("a", 0.5), (-1, math.inf)),
    "pair of numbers": (None, 1.0, (), (0.5,) * 3, "ab", (None, 0.5), (math.nan, 0.5), (0.5, math.inf)),
    "frames": (*NO_ARRAY, np.zeros((T, D)), np.zeros((T, D + 1, B)), np.zeros((0, D, B)), np.full((T, D, B), math.nan)),
    "any frames": (*NO_ARRAY, np.zeros((T, D)), np.full((T, D, B), math.inf), np.zeros((T, D, B), int)),
    "stream": (*NO_ARRAY, np.zeros((T, D + 1)), np.zeros((T, D, 1)), np.full((T, D), math.inf)),
    "targets": (*NO_ARRAY, np.zeros((T, K + 1)), np.full((T, K), 1.5), np.full((T, K), -0.1), np.full((T, K), math.nan)),
    "tokens": (*NO_ARRAY, np.zeros((T, B)), np.full((T, B), V), np.full((T, B), -1), np.zeros((T, B), bool)),
    "a row of tokens": (*NO_ARRAY, np.zeros(9), np.zeros((3, 3), int), np.zeros(20, bool), np.array(["a"] * 20)),
    "lists of tokens": (*NO_LIST, [None], [1.5], [[0.5] * 20], ["abc"], [np.zeros((9, 9), int)], [[]], []),
    "logits": (*NO_ARRAY, np.zeros((T, B)), np.zeros((T, V, B), int), np.zeros((0, V, B))),
    "table": (*NO_ARRAY, np.zeros((2, 2, 2)), np.full((2, 2), math.nan)),
    "shape": (None, 3, "ab", (), (2,), (0, 2), (-1, 2), (2.0, 2), (True, 2), (2**20, 2**20), (10**30, 1), (2,) * 4),
    "any shape": (None, 3, "ab", (0, 2), (-1, 2), (2.0, 2), (2**20, 2**20), (10**30, 1)),
    "arrays": (None, [np.zeros(2)], "x", {"w": None}, {"w": [0.0]}, {"w": np.zeros(2, int)}, {"w": 0.5}),
    "function": (3, "x", [], math.nan),
    "layer": (None, 3, "x", object(), [], np.zeros(3)),
    "layers": (*NO_LIST, [], [None], [3], [Linear], ["Linear"]),
    "model": (None, 3, "x", object(), []),
    "state": (3, "x", (), (None,), [np.zeros(3)] * 5, math.nan, np.zeros((1, H, B)), {"h": 1}),
    "schedule": (3, "x", [], lambda n: 1.0),
    "wiring": (None, 3, "x", {}),
    "groups": (None, 3, "x", [], {1: 2}, {"a": None}, {"a": 1.5}, {"a": "x"}),
    "bias": (*NO_NUMBER[:3], "1", (1.0, 2.0, 3.0), (None, 1.0), math.inf),
    "rules": (None, 3, "x", {}, {"out": None}, {"out": "nonsense"}, {"other": "one"}, {"out": []}),
    "pairs": (None, 3, [], {}, {"w": (None, np.zeros(2))}, {"w": (np.zeros(2), np.zeros(3))}),
    "anything": (),
}  # fmt: skip


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
        "input_size": "whole", "hidden_size": "whole", "rng": "rng", "num_layers": "whole", "dropout": "share",
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
STARTS = (*NO_ARRAY, np.zeros(2), np.array([V]), np.array([-1]), np.zeros((1, 2), int))
WRONG["starts"] = STARTS
WRONG["frames or none"] = (*NO_ARRAY, np.zeros((T, D)), np.zeros((T, D + 1, B)), np.full((T, D, B), math.nan))
WRONG["derivatives"] = (*NO_ARRAY, np.zeros((T, D)), np.zeros((T + 1, 9, B)))
WRONG["bools"] = ("x", 3, np.zeros(V), np.zeros((2, V), bool), np.zeros(V + 1, bool), [None] * V)
WRONG["square of bools"] = ("x", 3, np.zeros((V, V)), np.zeros(V, bool), np.zeros((V + 1, V + 1), bool))
WRONG["stop"] = (3, "x", [], [0.5], [[1]], math.nan, object())
WRONG["lengths"] = ("x", 3, [], [0, 1], [1, T + 1], [1.0, 2.0], [1], [[1, 1]], [None, 1])
WRONG["class numbers"] = (None, "x", 3, [], np.zeros(4), np.full(4, 3), np.full(4, -1), np.zeros((2, 2), int))
WRONG["lengths of any"] = (None, *(wrong for wrong in WRONG["lengths"] if wrong != [1]))
WRONG["places"] = (None, "x", 1.5, math.nan)
WRONG["loss weights"] = (
    "x",
    3,
    np.ones(B),
    np.full((T, B), -1.0),
    np.full((T, B), math.nan),
    np.zeros((T, B)),
)
WRONG["K targets"] = (*NO_ARRAY, np.zeros((T, V)), np.full((T, V, B), 1.5), np.full((T, V, B), math.nan))
WRONG["dict"] = (None, 3, "x", [], {"more": 1})

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
      "squash_g": "pair of numbers", "squash_h": "pair of numbers"}),
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
    (clip_global_norm, {"grads": weights(), "limit": 1.0}, {"grads": "arrays", "limit": "positive or infinite"}),
    (Constant, {}, {}),
    (StepDecay, {"every": 2}, {"every": "whole", "factor": "part"}),
    (Exponential, {"factor": 0.5}, {"factor": "part"}),
    (Cosine, {"steps": 2}, {"steps": "whole", "final": "unit"}),
    (WarmUp, {"steps": 2}, {"steps": "whole", "then": "schedule"}),
    (Plateau, {},
     {"factor": "share", "patience": "whole0", "threshold": "not negative", "lowest": "unit"}),
    *(method(lambda make=make: make, "__call__", {"n": 3}, {"n": "whole0 without a limit"})
      for make in (StepDecay(2), Exponential(0.5), Cosine(3), WarmUp(2))),
    (RandomWindows, {"tokens": ROW, "length": 3, "batch": 2, "rng": rng()},
     {"tokens": "a row of tokens", "length": "whole", "batch": "whole", "rng": "rng"}),
    epochs(Streams),
    epochs(Pieces),
    epochs(Windows, noise="share", vocabulary="whole0", first="whole0"),
    (judged, {"sequences": ROWS, "batch": 2},
     {"sequences": "lists of tokens", "batch": "whole", "heard": "whole", "length": "whole"}),
    (judged_windows, {"sequences": ROWS, "length": 3, "batch": 2},
     {"sequences": "lists of tokens", "length": "whole", "batch": "whole", "most": "whole?", "unknown": "places?"}),
    (windows_of, {"sequences": ROWS, "length": 3}, {"length": "whole"}),
    (expect_sequence, {"tokens": ROW, "least": 1}, {"tokens": "a row of tokens"}),
    (WittenBell, {"order": 2, "vocabulary": V}, {"order": "whole0", "vocabulary": "whole"}),
    method(lambda: WittenBell(2, V), "fit", {"sequences": ROWS}, {"sequences": "lists of tokens"}),
    method(lambda: WittenBell(2, V).fit(ROWS), "nats", {"sequences": ROWS}, {"sequences": "lists of tokens"}),
    (perplexity, {"nats": 1.0}, {"nats": "not a number"}),
    (harmonic_mean, {"a": 1.0, "b": 0.5}, {"a": "not negative", "b": "not negative"}),
    (top_k_accuracy, {"a": rng().random((T, V, B)), "t": tokens(T, B)},
     {"a": "logits of any kind", "t": "tokens", "k": "whole", "ignore_index": "places"}),
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
     {"layer": "layer", "x": "frames", "state": "gradcheck state", "rng": "generator or none", "tolerance": "positive"}),
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
        lambda: SeparableConv1D(D, 3, 1, rng(), dtype=float), lambda: DepthwiseConv1D(D, 1, rng(), dtype=float),
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
        lambda: LSTM(D, H, rng()), lambda: Attention(D, rng()), blocks, lambda: FullyRecurrent(D, 3, K, rng()),
        lambda: Conv1D(D, 3, 2, rng(), "causal"), model)),
    method(lambda: Linear(D, 3, rng()), "load_state_dict", {"state": Linear(D, 3, rng()).state_dict()},
           {"state": "dict"}),
    method(lambda: SGD(weights(), weights(), 0.1), "load_state_dict",
           {"state": SGD(weights(), weights(), 0.1).state_dict()}, {"state": "dict"}),
    method(lambda: Plateau(), "load_state_dict", {"state": Plateau().state_dict()}, {"state": "dict"}),
    method(lambda: Constant(), "load_state_dict", {"state": {}}, {"state": "dict"}),
]  # fmt: skip
WRONG["whole0 without a limit"] = tuple(x for x in NO_WHOLE if x is not NO_WHOLE[13] and x != 10**15)
WRONG["not a number"] = (*NO_NUMBER[:-2],)
WRONG["logits of any kind"] = (*NO_ARRAY, np.zeros((T, B)), np.zeros((T + 1, V, B)), np.full((T, V, B), "a"))
WRONG["size of a team"] = (*NO_WHOLE[1:], 0)
WRONG["generator or none"] = WRONG["rng"][1:]
WRONG["gradcheck state"] = (3, "x", math.nan, {"h": 1}, (None,), ("a",))
WRONG["float64"] = (None, 3, "x", [1.0], np.zeros(2, np.float32), np.zeros(2, int))
WRONG["primers"] = (
    *NO_LIST,
    [None],
    [1.5],
    [[0.5] * 20],
    ["abc"],
    [np.zeros((9, 9), int)],
    [[]],
    [[V]],
    [[-1]],
)
WRONG["temperature"] = (
    *WRONG["positive"][:5],
    *WRONG["positive"][6:],
    np.zeros(V),
    np.ones(V + 1),
    [math.nan] * V,
)
WRONG["scaling"] = (3, "x", (), (np.ones(D),), (np.ones(D), np.ones(D + 1)), (np.ones(D), [math.nan] * D))


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


INTERNAL = {  # modules whose functions are called by those above, with what these have looked at
    "arguments", "checkpoint", "compiled_files", "described", "every_layer", "files", "jit", "kalman_update", "layer",
    "one_thread", "online", "product", "stream", "team", "threads", "tile", "training", "convolution", "recurrent",
    "block_weights", "attention_kernels", "cell_blocks_online", "closed_loop",
}  # fmt: skip
BASES = {
    "Head",
    "Optimizer",
    "Schedule",
    "Epochs",
    "Batch",
    "ClassScores",
    "Row",
    "Report",
    "Diverged",
    "Stream",
}
PARTS = {"bits", "checksum", "main", "columns", "sample_from", "expect_choice", "expect_model", "step_biases",
         "expect_array", "expect_float64", "make_factors", "empty_factors", "dense", "Factors"}  # fmt: skip


def public(path):
    """Classes, and functions that are no kernels, of a module."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        kernel = any("kernel" in ast.unparse(d) for d in getattr(node, "decorator_list", []))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not kernel and not node.name.startswith("_"):
            yield node.name


def test_everything_public_is_here():
    tried = {name_of(row) for row in CALLS} | {cut_windows.__name__}
    for path in Path(scratchnet.__file__).parent.glob("*.py"):
        if path.stem not in INTERNAL and path.stem != "activations":
            assert not set(public(path)) - tried - BASES - PARTS, path.stem
