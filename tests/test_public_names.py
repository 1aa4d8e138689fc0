"""`from scratchnet import LSTM`: every name that is promised is there and costs nothing until it is used."""

import ast
import inspect
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import scratchnet

TYPED = ("blocks.", "checking.", "layers.")  # rooms whose public signatures have types


def test_every_name_comes_from_its_home():
    for name in scratchnet.__all__:
        value = getattr(scratchnet, name)
        assert value.__name__ == name and value.__module__ == f"scratchnet.{scratchnet._HOME[name]}"
        assert inspect.getdoc(value), name
    assert len(scratchnet.__all__) == len(set(scratchnet.__all__)) > 50


def test_editors_see_the_same():
    tree = ast.parse(Path(scratchnet.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module.removeprefix("scratchnet.")
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        for alias in node.names
    }
    assert seen == scratchnet._HOME, "a name stands in scratchnet/__init__.py twice: import and _MODULES"
    assert set(scratchnet.__all__) <= set(dir(scratchnet))
    assert (Path(scratchnet.__file__).parent / "py.typed").exists()


def test_a_star_takes_all_and_nothing_else():
    names = {}
    exec("from scratchnet import *", names)
    assert set(names) - {"__builtins__"} == set(scratchnet.__all__)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'scratchnet' has no attribute 'Transformer'"):
        getattr(scratchnet, "Transformer")  # noqa: B009
    with pytest.raises(ImportError, match="cannot import name 'Transformer'"):
        from scratchnet import Transformer  # noqa: F401


def test_the_package_alone_imports_nothing():
    code = "import sys, scratchnet; dir(scratchnet); print({'numpy', 'numba'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def callables(thing):
    """A public function; or the constructor and the public methods and properties of a class of ours."""
    if inspect.isfunction(thing):
        yield thing
        return
    for cls in thing.__mro__:
        if cls.__module__.startswith("scratchnet."):
            for name, member in vars(cls).items():
                member = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
                written = inspect.isfunction(member) and member.__code__.co_filename != "<string>"
                if written and (name == "__init__" or not name.startswith("_")):
                    yield member


def is_annotated(function):
    signature = inspect.signature(function)
    parameters = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    return signature.return_annotation is not signature.empty and all(
        p.annotation is not p.empty for p in parameters
    )


FOR_KERNELS_AND_SUBCLASSES = {
    "scratch", "last_pass", "layer_forward", "layer_backward", "convolve", "add_gradients", "input_gradient",
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n, home in scratchnet._HOME.items() if home.startswith(TYPED)])
def test_public_signatures_are_annotated(name):
    for function in callables(getattr(scratchnet, name)):
        if function.__name__ not in FOR_KERNELS_AND_SUBCLASSES:
            forms = typing.get_overloads(inspect.unwrap(function)) or [function]
            assert all(map(is_annotated, forms)), function.__qualname__
