"""What the README says can be done, can be done."""

import code
import configparser
import re
import runpy
from pathlib import Path

import numba
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("scratchnet", "encoders", "experiments", "benchmarks")
README = ROOT / "README.md"
PAGES = [README, *sorted(page for floor in (*FLOORS, "docs") for page in (ROOT / floor).rglob("*.md"))]

compiled = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="minutes, when not compiled")


def page_name(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert links
    for link in links:
        assert link.startswith("https://") or (page.parent / link).exists(), link


class Prompt(code.InteractiveConsole):
    """A prompt that is given one line after the other, and raises where it would show an error."""

    def paste(self, block):
        for line in block.splitlines():
            waits = self.push(line)
        if waits:  # the reader presses Enter
            assert not self.push(""), f"not finished: {line}"

    def showsyntaxerror(self, *args, **options):
        raise

    def showtraceback(self):
        raise


class Reader(Prompt):
    """A prompt that runs nothing."""

    def runcode(self, code):
        pass


def snippets(page, languages="python|py"):
    """The blocks of Python of a page; `py` marks those that need PyTorch."""
    return re.findall(rf"^```(?:{languages})\n(.*?)^```$", page.read_text(encoding="utf-8"), re.S | re.M)


def test_a_prompt_is_stricter_than_a_file():
    Reader().paste("for i in range(3):\n    pass\n\nprint(i)\nif i:\n    pass")
    for wrong in ("for i in range(3):\n    pass\nprint(i)", "if True:\n    i = 1\n\n    j = 2"):
        with pytest.raises(SyntaxError):
            Reader().paste(wrong)
    with pytest.raises(AssertionError, match="not finished"):
        Reader().paste("x = (1,")
    with pytest.raises(ZeroDivisionError):
        Prompt().paste("1 / 0")


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_snippet_can_be_pasted(page):
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"^ *```(.+)$", text, re.M)) <= {"sh", "python", "py", "mermaid"}
    for block in snippets(page):
        Reader().paste(block)


@pytest.fixture(params=["pasted", "a file"])
def run(request, tmp_path, monkeypatch):
    """A function that runs blocks in either way, in an empty folder, and returns their names."""
    monkeypatch.chdir(tmp_path)

    def run(blocks):
        if request.param == "a file":
            Path("page.py").write_text("\n\n".join(blocks), encoding="utf-8")
            return runpy.run_path("page.py", run_name="__main__")
        prompt = Prompt()
        for block in blocks:
            prompt.paste(block)
        return prompt.locals

    return run


@compiled
def test_the_snippets_run_and_do_what_they_promise(run, capsys):
    names = run(snippets(README, "python"))
    assert "gradients agree" in capsys.readouterr().out
    assert names["wrong"] < 20
    song = names["song"][:20, 0]
    after = dict(zip(song, np.roll(song, -1), strict=True))
    heard = names["tokens"][:, 0]
    assert np.mean([after[a] == b for a, b in zip(heard[:-1], heard[1:], strict=True)]) > 0.9


@compiled
def test_the_snippets_of_other_pages_run(run):
    for page in PAGES:
        if page != README:
            run(snippets(page, "python"))


@pytest.mark.torch
def test_the_weights_travel(run):
    pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    train, (travel,) = snippets(README)[0], snippets(README, "py")
    names = run([train.replace("range(60)", "range(2)"), "before = model.state_dict()\n", travel])
    for name, param in names["model"].params.items():
        np.testing.assert_array_equal(param, names["before"][name])


def test_pictures_and_recordings_come_first_and_are_small():
    text = README.read_text(encoding="utf-8")
    shown = set(re.findall(r"\]\(docs/([a-z]+\.(?:png|svg|mp3))\)", text[: text.index("```sh")]))
    files = {path.name: path.stat().st_size for path in (ROOT / "docs").iterdir() if path.suffix != ".md"}
    assert shown == set(files)
    assert sum(files.values()) < 2e6
    assert all(size < 200_000 for name, size in files.items() if not name.endswith(".mp3"))
    made = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert all(f"({name})" in made for name in files)


def test_no_blank_is_left():
    for page in PAGES:
        assert "@@" not in page.read_text(encoding="utf-8")


def test_every_extra_exists():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    named = re.findall(r"scratchnet\[([a-z,]+)\]", " ".join(extras.values()))
    named += re.findall(r"\.\[([a-z,]+)\]", README.read_text(encoding="utf-8"))
    assert {extra for names in named for extra in names.split(",")} <= set(extras)


def test_every_extra_is_explained():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    rows = re.findall(r"^\| (`[a-z]+`(?:, `[a-z]+`)*) \|", README.read_text(encoding="utf-8"), re.M)
    assert set(re.findall("[a-z]+", " ".join(rows))) == set(setup["options.extras_require"])
