"""What the README says can be done, can be done."""

import configparser
import contextlib
import io
import re
from pathlib import Path

import numba
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "docs" / "README.md", *sorted((ROOT / "experiments").glob("*/README.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert links
    for link in links:
        assert link.startswith("https://") or (page.parent / link).exists(), link


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="minutes, when not compiled")
def test_the_examples_run_and_say_what_they_promise():
    text = PAGES[0].read_text(encoding="utf-8")
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in re.findall(r"```python\n(.*?)```", text, re.S):
            exec(block, names)
    assert "gradients agree" in printed.getvalue()
    assert names["wrong"] < 20
    song = names["song"][:20, 0]
    after = dict(zip(song, np.roll(song, -1), strict=True))
    heard = names["tokens"][:, 0]
    assert np.mean([after[a] == b for a, b in zip(heard[:-1], heard[1:], strict=True)]) > 0.9


@pytest.mark.torch
def test_the_weights_travel(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    monkeypatch.chdir(tmp_path)
    text = PAGES[0].read_text(encoding="utf-8")
    train, *_ = re.findall(r"```python\n(.*?)```", text, re.S)
    (travel,) = re.findall(r"```py\n(.*?)```", text, re.S)
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(train.replace("range(60)", "range(2)"), names)
        before = names["model"].state_dict()
        exec(travel, names)
    for name, param in names["model"].params.items():
        np.testing.assert_array_equal(param, before[name])


def test_pictures_and_recordings_come_first_and_are_small():
    text = PAGES[0].read_text(encoding="utf-8")
    shown = set(re.findall(r"\]\(docs/([a-z]+\.(?:png|svg|mp3))\)", text[: text.index("```sh")]))
    files = {path.name: path.stat().st_size for path in (ROOT / "docs").iterdir() if path.suffix != ".md"}
    assert shown == set(files)
    assert sum(files.values()) < 2e6
    assert all(size < 200_000 for name, size in files.items() if not name.endswith(".mp3"))
    made = PAGES[1].read_text(encoding="utf-8")
    assert all(f"({name})" in made for name in files)


def test_no_blank_is_left():
    for page in PAGES:
        assert "@@" not in page.read_text(encoding="utf-8")


def test_every_package_is_installed_and_every_extra_exists():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    packages = setup["options"]["packages"].split()
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for folder in ("scratchnet", "encoders", "experiments", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert set(packages) == found
    extras = setup["options.extras_require"]
    named = re.findall(r"scratchnet\[([a-z,]+)\]", " ".join(extras.values()))
    named += re.findall(r"\.\[([a-z,]+)\]", PAGES[0].read_text(encoding="utf-8"))
    assert {extra for names in named for extra in names.split(",")} <= set(extras)
