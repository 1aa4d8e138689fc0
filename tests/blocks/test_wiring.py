"""Wiring: names, sizes, and who feeds whom."""

import numpy as np
import pytest

from scratchnet.blocks.wiring import Blocks, Outputs, Wiring

GOOD = {
    "inputs": {"p": 2, "q": 3},
    "blocks": {"a": Blocks(2, 3), "b": Blocks(3)},
    "outputs": {"m": Outputs(4), "n": Outputs(1)},
    "feeds": {"a": ("b", "q"), "b": ("p", "a", "b"), "m": ("a", "p")},
}


def test_sizes():
    wiring = Wiring(**GOOD)
    assert wiring.input_size == 5
    assert wiring.block_count == 2 + 3
    assert wiring.cell_count == 2 * 3 + 3
    assert wiring.output_size == 5


def test_slices_lie_one_after_another():
    wiring = Wiring(**GOOD)
    assert wiring.slices("inputs") == {"p": slice(0, 2), "q": slice(2, 5)}
    assert wiring.slices("blocks") == {"a": slice(0, 2), "b": slice(2, 5)}
    assert wiring.slices("cells") == {"a": slice(0, 6), "b": slice(6, 9)}
    assert wiring.slices("outputs") == {"m": slice(0, 4), "n": slice(4, 5)}


def test_sources_are_in_the_order_of_the_groups_whatever_the_order_in_feeds():
    wiring = Wiring(**GOOD)
    np.testing.assert_array_equal(wiring.sources("a"), [2, 3, 4, 11, 12, 13])  # q, then the cells of b
    np.testing.assert_array_equal(wiring.sources("b"), [0, 1, 5, 6, 7, 8, 9, 10, 11, 12, 13])
    np.testing.assert_array_equal(wiring.sources("m"), [0, 1, 5, 6, 7, 8, 9, 10])


def test_what_feeds_does_not_name_has_no_sources():
    sources = Wiring(**GOOD).sources("n")
    assert sources.shape == (0,) and np.issubdtype(sources.dtype, np.integer)


def test_the_block_of_every_cell():
    np.testing.assert_array_equal(Wiring(**GOOD).block_of, [0, 0, 0, 1, 1, 1, 2, 3, 4])


def test_a_wiring_cannot_be_changed_by_accident():
    with pytest.raises(AttributeError):
        Wiring(**GOOD).inputs = {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outputs": {"p": Outputs(1)}}, "a name of its own"),
        ({"blocks": {"a": Blocks(1), "q": Blocks(1)}, "feeds": {}}, "a name of its own"),
        ({"inputs": {}, "feeds": {}}, "inputs and outputs"),
        ({"outputs": {}, "feeds": {}}, "inputs and outputs"),
        ({"inputs": {"p": 0, "q": 3}}, r"inputs\['p'\] >= 1, got 0"),
        ({"inputs": {"p": 2.5, "q": 3}}, "inputs as name: number of units"),
        ({"inputs": {"p": 2**31, "q": 3}}, "numbers in all groups"),
        ({"blocks": {"a": 2}, "feeds": {}}, "blocks as name: Blocks"),
        ({"outputs": {"m": 2}}, "outputs as name: Outputs"),
        ({"feeds": {"a": "p"}}, "feeds as name: names of groups"),
        ({"feeds": None}, "feeds to be a dict"),
        ({"feeds": {"z": ("p",)}}, r"group of blocks or outputs, got feeds\['z'\]"),
        ({"feeds": {"p": ("q",)}}, r"group of blocks or outputs, got feeds\['p'\]"),
        ({"feeds": {"a": ("z",)}}, r"group of inputs or blocks, got 'z' in feeds\['a'\]"),
        ({"feeds": {"a": ("m",)}}, r"group of inputs or blocks, got 'm' in feeds\['a'\]"),
    ],
)
def test_what_cannot_be_wired_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Wiring(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Blocks(0), "blocks >= 1, got 0"),
        (lambda: Blocks(1, 0), "cells >= 1, got 0"),
        (lambda: Blocks(1, cell_bias=None), "cell_bias to be True or False"),
        (lambda: Outputs(-1), "units >= 1, got -1"),
        (lambda: Blocks(2, forget_bias=(1.0, 2.0, 3.0)), "one forget_bias or 2, got 3"),
        (lambda: Blocks(2, output_bias=(1.0,)), "one output_bias or 2, got 1"),
        (lambda: Blocks(2, input_bias=(1.0, "2")), "input_bias to be a finite number, got '2'"),
    ],
)
def test_groups_that_are_none_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
