"""The collection of all layers is complete, and the command that checks them says what it finds."""

import importlib
import pkgutil

import numpy as np

import scratchnet
from scratchnet.checking import every_layer
from scratchnet.checking.__main__ import main
from scratchnet.layers.layer import Layer
from scratchnet.layers.linear import Linear


def test_every_layer_is_there():
    for module in pkgutil.walk_packages(scratchnet.__path__, "scratchnet."):
        if ".plain" not in module.name:
            importlib.import_module(module.name)
    known = {type(layer).__name__ for _, layer, _ in every_layer.layers(np.random.default_rng(0))}
    every, todo = set(), [Layer]
    while todo:
        for cls in todo.pop().__subclasses__():
            todo.append(cls)
            if cls.__module__.startswith("scratchnet."):
                every.add(cls.__name__)
    bases, nothing_to_learn = {"Recurrent", "BlockWeights", "Convolution", "Head"}, {"Lookup"}
    missing = every - known - bases - nothing_to_learn
    assert not missing, f"without an example in layers() of scratchnet/checking/every_layer.py: {missing}"
    assert every - known == bases | nothing_to_learn
    unnamed = every - bases - {"DepthwiseConv1D"} - set(scratchnet.__all__)
    assert not unnamed, f"`from scratchnet import` does not know {unnamed}: see scratchnet/__init__.py"


def test_the_command_reports_on_all_and_fails_if_one_is_wrong(capsys, monkeypatch):
    few = [row for row in every_layer.layers(np.random.default_rng(0)) if row[0] in ("Linear", "Embedding")]
    monkeypatch.setattr(every_layer, "layers", lambda rng: few)
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["agrees"] * 4 + ["0"]
    right = Linear.backward
    monkeypatch.setattr(Linear, "backward", lambda self, dy: 1.001 * right(self, dy))
    assert main() == 1
    assert "WRONG" in capsys.readouterr().out
