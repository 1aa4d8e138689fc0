"""Compositions have names of their own, and a line of JSON says how each was made."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("yaml", reason="needs the extra 'experiments'")
import scratchnet
from experiments.blues.settings import Run
from experiments.common.compositions import home_of, how_made, new_folder, new_piece
from experiments.common.errors import UserError


@dataclass(frozen=True)
class Compose:
    run: Path
    temperature: float = 0.8
    seed: int = 3
    top_p: float = float("inf")
    prime: tuple[Path, ...] = (Path("a.mid"),)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def compose(home, text, out=None, overwrite=False, how=None):
    with new_piece(out, home, (".wav", ".png"), overwrite, how or {"text": text}) as midi:
        midi.write_text(text)
        midi.with_suffix(".png").write_text(text)
    return midi


def test_how_it_was_made(tmp_path):
    how = how_made("folk", tmp_path / "run", {"step": 900}, Compose(tmp_path / "run"))
    midi = compose(tmp_path, "x", how=how)
    text = midi.with_suffix(".json").read_text()
    assert text.count("\n") == 1 and text.endswith("\n")
    found = json.loads(text, parse_constant=pytest.fail)
    date = found.pop("date")
    assert date[4] == "-" and date[10] == "T"
    del found["commit"]
    assert found == {
        "experiment": "folk", "run": str(tmp_path / "run"), "step": 900, "temperature": 0.8, "seed": 3,
        "options": {"temperature": 0.8, "seed": 3, "top_p": None, "prime": ["a.mid"]},
        "version": scratchnet.__version__,
    }  # fmt: skip


def test_how_it_was_made_lists_no_settings_of_learning():
    config = Run(steps_per_bar=16, learn=9, choruses=2)
    how = how_made("blues", "run", {}, config)
    assert how["options"] == {"engine": "auto", "temperature": 1.0, "bpm": 110.0, "choruses": 2}
    assert how["seed"] == 0


def test_the_number_goes_up(tmp_path):
    (tmp_path / "composed-7").mkdir()  # as earlier versions named them, after the seed
    for name in ("composed-x.mid", "composed-99x", "xcomposed-99.mid", "composed.mid", "composed-"):
        (tmp_path / name).touch()
    before = set(names(tmp_path))
    assert [compose(tmp_path, text).name for text in "ab"] == ["composed-8.mid", "composed-9.mid"]
    with new_folder(None, tmp_path, False, {}) as folder:
        assert folder == tmp_path / "composed-10" and names(folder) == ["composed.json"]
    assert set(names(tmp_path)) - before == {
        "composed-10", *(f"composed-{n}.{suffix}" for n in (8, 9) for suffix in ("json", "mid", "png"))
    }  # fmt: skip
    assert (tmp_path / "composed-8.mid").read_text() == "a"


@pytest.mark.parametrize("make", [new_piece, new_folder])
def test_many_at_a_time_do_not_meet(tmp_path, make):
    def one(text):
        given = ((".png",), False) if make is new_piece else (False,)
        with make(None, tmp_path, *given, {"text": text}) as path:
            return path

    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(one, map(str, range(40))))
    assert len(set(paths)) == 40 and {p.stem for p in paths} == {f"composed-{n}" for n in range(1, 41)}
    lines = [p.with_suffix(".json") if make is new_piece else p / "composed.json" for p in paths]
    assert [json.loads(line.read_text())["text"] for line in lines] == [str(n) for n in range(40)]


def test_what_fails_leaves_nothing(tmp_path):
    for error in (OSError("no power"), KeyboardInterrupt()):
        with pytest.raises(type(error)), new_piece(None, tmp_path, (".png",), False, {}) as midi:
            midi.with_suffix(".png").touch()
            raise error
        for out in (None, tmp_path / "mine"):
            with pytest.raises(type(error)), new_folder(out, tmp_path, False, {}) as folder:
                (folder / "01.mid").touch()
                raise error
    assert names(tmp_path) == []


def test_what_fails_in_a_folder_of_the_users_leaves_it(tmp_path):
    (tmp_path / "mine").mkdir()
    for name in ("a.mid", "a.json", "mine/composed.json"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(OSError), new_folder(tmp_path / "mine", tmp_path, True, {}) as folder:
        raise OSError
    with pytest.raises(OSError), new_piece(tmp_path / "a.mid", tmp_path, (), True, {}):
        raise OSError
    assert folder == tmp_path / "mine" and names(folder) == ["composed.json"]
    assert {(tmp_path / n).read_text() for n in ("a.mid", "a.json", "mine/composed.json")} == {"mine"}


@pytest.mark.parametrize("name", ["a.mid", "a.wav", "a.png", "a.json"])
def test_nothing_is_overwritten_unless_asked_for(tmp_path, name):
    out = tmp_path / "a.mid"
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=f"{name} is there already"):
        compose(tmp_path, "x", out)
    assert names(tmp_path) == [name] and (tmp_path / name).read_text() == "mine"
    compose(tmp_path, "x", out, overwrite=True)
    assert out.read_text() == "x" and json.loads((tmp_path / "a.json").read_text()) == {"text": "x"}


def test_a_folder_with_files_is_left_alone(tmp_path):
    out = tmp_path / "out"
    for _ in range(2):
        with new_folder(out, tmp_path, False, {"n": 1}) as folder:
            assert json.loads((folder / "composed.json").read_text()) == {"n": 1}
        (out / "composed.json").unlink()
    (out / "mine").touch()
    with pytest.raises(UserError, match="not empty"), new_folder(out, tmp_path, False, {}):
        pass
    with new_folder(out, tmp_path, True, {"n": 2}):
        pass
    assert names(out) == ["composed.json", "mine"]
    assert json.loads((out / "composed.json").read_text()) == {"n": 2}


def test_home(tmp_path):
    (tmp_path / "best.safetensors").touch()
    assert home_of(tmp_path) == home_of(tmp_path / "best.safetensors") == tmp_path


def test_importing_it_is_light():
    heavy = "{'numpy', 'numba', 'matplotlib'}"
    code = f"import experiments.common.compositions, sys; print({heavy} & {{*sys.modules}})"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
