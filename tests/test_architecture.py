"""The house has floors: who may import whom, what an installation needs, what the library never does."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("scratchnet", "encoders", "experiments", "benchmarks")  # from the ground up
INSTALLED = ("numpy", "numba", "llvmlite", "scipy", "mido", "packaging", "safetensors", "threadpoolctl")


def modules(*floors):
    return [path for floor in floors for path in sorted((ROOT / floor).rglob("*.py"))]


def where(path):
    return str(path.relative_to(ROOT))


def imported(tree, package):
    """The modules that a file imports, by absolute name, wherever in the file the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base]) if base else ".".join(parents)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def imports_of(path):
    package = ".".join(path.relative_to(ROOT).parent.parts)
    return set(imported(ast.parse(path.read_text(encoding="utf-8")), package))


def test_imports_are_read_rightly():
    tree = ast.parse(
        "import a.b as c\nfrom d import e\ndef f():\n    from .g import h\n    from .. import i\n"
    )
    assert set(imported(tree, "top.sub")) == {"a.b", "d", "d.e", "top.sub.g", "top.sub.g.h", "top", "top.i"}


def test_there_is_something_to_read():
    for floor in FLOORS:
        assert (ROOT / floor / "__init__.py").exists()
    assert len(modules("scratchnet")) > 10 and len(modules("encoders")) > 3


@pytest.mark.parametrize("path", modules(*FLOORS), ids=where)
def test_a_floor_imports_only_from_floors_below(path):
    own = FLOORS.index(path.relative_to(ROOT).parts[0])
    above = {*FLOORS[own + 1 :], "tests"}
    assert not {name for name in imports_of(path) if name.partition(".")[0] in above}


# Rooms from the ground up: each may import from those before it. "": the files that lie in the floor itself.
ROOMS = {
    "scratchnet": ("", "kernels", "layers", "training", "generation", "evaluation", "blocks", "checking"),
    "encoders": ("", "midi", "abc", "tokens", "audio"),
    "experiments": (
        "",
        "common",
        "measures",
        "blues",
        "folk",
        "piano",
        "classical",
        "polyphony",
        "listen",
        "recordings",
    ),
}  # fmt: skip
ALONE = ("blues", "folk", "piano", "classical", "polyphony")  # papers: none of these imports from another


def picture():
    """The plan as a Mermaid diagram: a room may import from those that the arrows lead to, however far."""
    lines = ["flowchart TB"]
    for floor, plan in ROOMS.items():
        rooms = [name for name in plan if name and name not in ALONE[1:]]
        boxes = [
            f'{floor}{n}["{", ".join(ALONE) if name in ALONE else name}"]' for n, name in enumerate(rooms)
        ]
        lines += [f"  subgraph {floor}", "    direction RL", f"    {boxes[0]}"]
        lines += [f"    {box} --> {floor}{n}" for n, box in enumerate(boxes[1:])]
        lines += ["    plain"] * (floor == "scratchnet") + ["  end"]
    lines += [f"  {above} --> {below}" for below, above in zip(FLOORS, FLOORS[1:], strict=False)]
    return "\n".join(lines)


def test_the_picture_is_the_plan():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{picture()}\n```" in text, f"put this into CONTRIBUTING.md:\n{picture()}"


def room(module):
    """(floor, room) of a dotted name."""
    floor, _, rest = module.partition(".")
    name = rest.partition(".")[0]
    return floor, name if (ROOT / floor / name).is_dir() else ""


@pytest.mark.parametrize("path", modules("scratchnet", "encoders", "experiments"), ids=where)
def test_a_room_imports_only_from_rooms_below(path):
    floor, own = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
    if own == "plain" or path == ROOT / "scratchnet" / "__init__.py":  # whose names are lazy
        return
    used = {room(name) for name in imports_of(path) if name.partition(".")[0] == floor}
    rooms = ROOMS[floor]
    above = {name for _, name in used} - set(rooms[: rooms.index(own) + 1])
    assert not above
    if own in ALONE:
        assert not {name for _, name in used} & (set(ALONE) - {own})


def test_every_room_is_on_the_plan_and_says_what_lives_there():
    for floor, rooms in ROOMS.items():
        folders = {path.parent.name for path in (ROOT / floor).glob("*/__init__.py")}
        assert folders - {"plain"} == {name for name in rooms if name}
        for name in folders:
            text = ast.get_docstring(ast.parse((ROOT / floor / name / "__init__.py").read_text("utf-8")))
            assert text and len(text) > 30, f"{floor}/{name}"


@pytest.mark.parametrize("path", modules("scratchnet/plain"), ids=where)
def test_the_textbook_needs_only_numpy(path):
    assert {name.partition(".")[0] for name in imports_of(path)} <= {
        "math",
        "numpy",
        "scratchnet",
        "collections",
    }
    assert {name for name in imports_of(path) if name.startswith("scratchnet.")} <= {
        name for name in imports_of(path) if name.startswith("scratchnet.plain")
    }


@pytest.mark.parametrize("path", modules("encoders"), ids=where)
def test_encoders_know_nothing_of_networks(path):
    used = {name for name in imports_of(path) if name.startswith("scratchnet.")}
    neutral = ("scratchnet.files", "scratchnet.kernels.jit", "scratchnet.messages")
    assert not {name for name in used if not (name + ".").startswith(tuple(f"{n}." for n in neutral))}


@pytest.mark.parametrize("path", modules("encoders"), ids=where)
def test_encoders_do_not_know_what_their_folder_is_called(path):
    """An installation has them as scratchnet.encoders, for a folder `encoders` may be somebody else's."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    named |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not {name for name in named if name.partition(".")[0] == "encoders"}, "from .module import name"


BLOCKED_IMPORTS = """
import importlib, sys

ALLOWED = {allowed!r}

class Finder:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in ALLOWED and top not in sys.stdlib_module_names and not top.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"No module named {{name!r}} (blocked)", name=name)

sys.meta_path.insert(0, Finder())
for name in {names!r}:
    importlib.import_module(name)
    print(name)
leaked = {{name.partition(".")[0] for name in sys.modules}} & {optional!r}
assert not leaked, leaked
"""
OPTIONAL = {
    "matplotlib",
    "tqdm",
    "yaml",
    "symusic",
    "pretty_midi",
    "torch",
    "pandas",
    "music21",
    "hypothesis",
    "pooch",
    "requests",
}


def run_with_imports_blocked(names):
    allowed = (*INSTALLED, "scratchnet", "encoders")
    code = BLOCKED_IMPORTS.format(allowed=allowed, names=names, optional=OPTIONAL)
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


def test_a_plain_installation_imports_every_module():
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in modules("scratchnet", "encoders")
        if path.name != "__main__.py"
    ]
    done = run_with_imports_blocked(names)
    assert done.returncode == 0, f"after {done.stdout.split()[-1:]}\n{done.stderr}"
    assert done.stdout.split() == names


def test_the_block_blocks():
    done = run_with_imports_blocked(["pytest"])
    assert done.returncode != 0 and "No module named 'pytest' (blocked)" in done.stderr


@pytest.mark.parametrize("path", modules("scratchnet", "encoders"), ids=where)
def test_the_library_neither_pickles_nor_prints_nor_reads_the_command_line(path):
    used = {name.partition(".")[0] for name in imports_of(path)}
    assert not used & {
        "pickle",
        "cPickle",
        "dill",
        "joblib",
        "shelve",
        "marshal",
        "argparse",
        "optparse",
        "getopt",
    }
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "input", "eval", "exec"), f"line {node.lineno}"
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant) and node.value.value is False, (
                f"line {node.value.lineno}"
            )
        if isinstance(node, ast.Attribute):
            assert (ast.unparse(node)) not in ("sys.argv", "sys.stdin"), f"line {node.lineno}"


@pytest.mark.parametrize("path", modules(*FLOORS), ids=where)
def test_random_numbers_come_only_from_a_generator(path):
    assert "random" not in imports_of(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
            assert node.attr in ("Generator", "default_rng", "SeedSequence", "PCG64"), f"line {node.lineno}"


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=where)
def test_examples_are_drawn_as_the_profile_says(path):
    """Else a search for new ones would not search, or the same tests would not say the same."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "settings":
            named = {keyword.arg for keyword in node.keywords}
            assert not named & {"derandomize", "database", "deadline"}, f"line {node.lineno}"
