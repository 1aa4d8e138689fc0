"""Values that are no arguments, by what an argument is; see test_hostile_arguments.py."""

import math

import numpy as np

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
    "pair": (None, 1.0, (), (0.5,), (0.5,) * 3, "ab", (None, 0.5), (math.nan, 0.5), ("a", 1), (-1, math.inf)),
    "pair of numbers": (None, 1.0, (), (0.5,) * 3, "ab", (None, 0.5), (math.nan, 0.5), (0.5, math.inf)),
    "frames": (*NO_ARRAY, np.zeros((T, D)), np.zeros((T, D + 1, B)), np.zeros((0, D, B)),
               np.full((T, D, B), math.nan)),
    "any frames": (*NO_ARRAY, np.zeros((T, D)), np.full((T, D, B), math.inf), np.zeros((T, D, B), int)),
    "stream": (*NO_ARRAY, np.zeros((T, D + 1)), np.zeros((T, D, 1)), np.full((T, D), math.inf)),
    "targets": (*NO_ARRAY, np.zeros((T, K + 1)), np.full((T, K), 1.5), np.full((T, K), -0.1),
                np.full((T, K), math.nan)),
    "tokens": (*NO_ARRAY, np.zeros((T, B)), np.full((T, B), V), np.full((T, B), -1),
               np.zeros((T, B), bool)),
    "a row of tokens": (*NO_ARRAY, np.zeros(9), np.zeros(20, bool), np.array(["a"] * 20)),
    "lists of tokens": (*NO_LIST, [None], [1.5], [[0.5] * 20], ["abc"], [np.zeros((9, 9), int)], [[]], []),
    "logits": (*NO_ARRAY, np.zeros((T, B)), np.zeros((T, V, B), int), np.zeros((0, V, B))),
    "table": (*NO_ARRAY, np.zeros((2, 2, 2)), np.full((2, 2), math.nan)),
    "shape": (None, 3, "ab", (), (2,), (0, 2), (-1, 2), (2.0, 2), (True, 2), (2**20, 2**20), (10**30, 1),
              (2,) * 4),
    "any shape": (None, 3, "ab", (0, 2), (-1, 2), (2.0, 2), (2**20, 2**20), (10**30, 1)),
    "arrays": (None, [np.zeros(2)], "x", {"w": None}, {"w": [0.0]}, {"w": np.zeros(2, int)}, {"w": 0.5}),
    "function": (3, "x", [], math.nan),
    "layer": (None, 3, "x", object(), [], np.zeros(3)),
    "layers": (*NO_LIST, [], [None], [3], [type], ["Linear"]),
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


WRONG["starts"] = (*NO_ARRAY, np.zeros(2), np.array([V]), np.array([-1]), np.zeros((1, 2), int))

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

WRONG["whole0 without a limit"] = tuple(x for x in NO_WHOLE if type(x) is not int or x != 10**15)

WRONG["whole without a limit"] = (*WRONG["whole0 without a limit"], 0)
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
