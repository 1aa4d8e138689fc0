"""What an installation puts into other people's environments: one package, under the project's own name."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOREIGN = ("encoders", "experiments", "benchmarks", "tests")  # folders of ours, and of many other projects

pytest.importorskip("setuptools", reason="needs the extra 'test'")
pytestmark = pytest.mark.slow

BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"

BESIDE_THEIRS = f"""
import importlib, pkgutil, sys
import scratchnet, scratchnet.encoders

for package in (scratchnet, scratchnet.encoders):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
        print(module.name, sys.modules[module.name].__file__)
for name in {FOREIGN!r}:
    assert name not in sys.modules, name
    assert importlib.import_module(name).WHOSE == "theirs", name
"""
MUSIC = """
from scratchnet.encoders.midi import write_midi
from scratchnet.encoders.midi.collection import read_collection
from scratchnet.encoders.score import Note, Score, Track

if __name__ == "__main__":
    write_midi(Score(96, [Track("piano", notes=[Note(0, 96, 60, 64)])]), "a.mid")
    (kept,) = read_collection(["a.mid"], workers=1).kept
    assert [note.pitch for note in kept.music.tracks[0].notes] == [60]
"""
IN_A_CLONE = f"""
import importlib, os

for name in {FOREIGN[:3]!r}:
    assert importlib.import_module(name).__path__[0] == os.path.join(os.getcwd(), name), name
import experiments.blues.jobs, benchmarks.cases
"""


def run(command, folder):
    """What it prints in the folder; nothing of this process's own paths is handed on."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the checkout, for building writes beside the sources."""
    folder = tmp_path_factory.mktemp("source")
    left_out = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist", "runs", "__pycache__", "*.png")
    return shutil.copytree(ROOT, folder / "scratchnet", ignore=left_out)


@pytest.fixture(scope="module", params=["wheel", "editable"])
def installed(request, source, tmp_path_factory):
    """Installed in an environment of its own that takes the packages it needs from this one.

    Returns
    -------
    (which kind, names in the wheel, path of the interpreter)
    """
    folder = tmp_path_factory.mktemp(request.param)
    run([sys.executable, "-c", BUILD, f"build_{request.param}", str(folder)], source)
    (built,) = folder.glob("*.whl")
    venv.create(folder / "venv")
    places = sysconfig.get_paths("venv", dict.fromkeys(("base", "platbase"), str(folder / "venv")))
    with zipfile.ZipFile(built) as archive:
        archive.extractall(places["purelib"])
        names = archive.namelist()
    needed = [path for path in sys.path if path.endswith("site-packages")]
    Path(places["purelib"], "needed.pth").write_text("\n".join(needed), encoding="utf-8")
    return request.param, names, str(next(Path(places["scripts"]).glob("python*")))


def test_one_package_is_installed(installed):
    kind, names, _ = installed
    code = {name for name in names if ".dist-info/" not in name}
    if kind == "editable":
        assert all(name.startswith("__editable__") for name in code)
        return
    ours = {path.relative_to(ROOT).as_posix() for path in (ROOT / "scratchnet").rglob("*.py")}
    encoders = {
        f"scratchnet/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "encoders").rglob("*.py")
    }
    assert code == ours | encoders | {"scratchnet/py.typed"}


def test_beside_somebody_elses_folders(installed, source, tmp_path):
    kind, _, python = installed
    for name in FOREIGN:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("WHOSE = 'theirs'\n")
    (tmp_path / "script.py").write_text(BESIDE_THEIRS)
    found = dict(line.split(maxsplit=1) for line in run([python, "script.py"], tmp_path).splitlines())
    assert {"scratchnet.layers.lstm", "scratchnet.encoders.midi.reader"} <= found.keys()
    home = source if kind == "editable" else Path(python).parents[1]
    assert all(home.resolve() in Path(file).resolve().parents for file in found.values())


def test_music_is_read_and_written(installed, tmp_path):
    (tmp_path / "script.py").write_text(MUSIC)
    run([installed[2], "script.py"], tmp_path)


def test_experiments_run_in_a_clone(installed, source):
    run([installed[2], "-c", IN_A_CLONE], source)
