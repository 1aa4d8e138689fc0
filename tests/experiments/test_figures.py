import subprocess
import sys
import xml.etree.ElementTree

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs the extra 'experiments'")
from matplotlib.image import imread

import experiments.common.figures
from experiments.common.errors import UserError
from experiments.common.figures import draw_activity, draw_curve

X = np.arange(1, 50)
SERIES = {"training": (X, 1 / X), "held out": (X[::7], 1.2 / X[::7])}
T = 96
CELLS = np.random.default_rng(0).normal(size=(4, T))
GATES = 1 / (1 + np.exp(-CELLS))


def text_of(path):
    """The words of an SVG, which Matplotlib keeps as comments beside the outlines of their letters."""
    xml.etree.ElementTree.parse(path)  # well formed
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_curves_are_drawn(tmp_path, suffix):
    path = tmp_path / f"curve{suffix}"
    draw_curve(path, SERIES, {"exact floor": 0.01}, "chorus", "loss", "Learning", logx=True, logy=True)
    assert list(tmp_path.iterdir()) == [path]
    if suffix == ".png":
        picture = imread(path)
        assert picture.shape[0] > 400 and picture.shape[1] > 800
        assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 20
    else:
        text = text_of(path)
        for word in ("training", "held out", "exact floor", "0.01", "chorus", "loss", "Learning"):
            assert f"<!-- {word}" in text or f"{word} -->" in text


def test_the_data_decides_the_picture(tmp_path):
    draw_curve(tmp_path / "a.svg", {"a": (X, X)})
    draw_curve(tmp_path / "b.svg", {"a": (X, X**2)})
    assert (tmp_path / "a.svg").read_bytes() != (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_equal_figures_are_equal_files(tmp_path, suffix):
    for name in "ab":
        draw_curve(tmp_path / f"{name}{suffix}", SERIES, title="t")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("y", [[], [3.0], [np.nan] * 3, [0.0, -1.0, 2.0], [1.0, np.nan, np.inf]])
def test_awkward_curves(tmp_path, y):
    draw_curve(tmp_path / "a.png", {"y": (np.arange(len(y)), y)}, {"floor": 0.5}, logx=True, logy=True)
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_curves_of_different_lengths(tmp_path):
    with pytest.raises(
        ValueError, match=r"loss: expected x and y \(N,\) of one length, got \(3,\) and \(2,\)"
    ):
        draw_curve(tmp_path / "a.png", {"loss": ([1, 2, 3], [1, 2])})
    assert list(tmp_path.iterdir()) == []


def test_activity_is_drawn_with_bars_and_labels(tmp_path):
    chords = [f"chord{i}" for i in range(12)]
    panels = [("Input gates", GATES, (0, 1)), ("Cell states", CELLS, None)]
    rows = {"Cell states": ["east", "west", "north", "south"]}
    draw_activity(tmp_path / "a.svg", panels, 8, chords, rows, title="One chorus")
    text = text_of(tmp_path / "a.svg")
    extreme = f"{abs(CELLS).max():.3g}"
    for word in [
        "One chorus",
        "Input gates",
        "Cell states",
        "bar",
        "12",
        *chords,
        *rows["Cell states"],
        extreme,
    ]:
        assert f"<!-- {word} -->" in text
    draw_activity(tmp_path / "b.png", panels, 8)
    assert imread(tmp_path / "b.png").std() > 0.05


def test_signed_panels_have_white_zero_and_two_colours(tmp_path):
    values = np.array([[-2.0, -2.0, 0.0, 0.0, 2.0, 2.0]])
    draw_activity(tmp_path / "a.png", [("c", values, (-2, 2))])
    picture = imread(tmp_path / "a.png")[..., :3]
    row = picture[picture.shape[0] // 2]  # through the middle of the only panel
    blue, red = row[200], row[-350]
    assert blue[2] > blue[0] + 0.2 and red[0] > red[2] + 0.2
    assert row[len(row) // 2 - 60].min() > 0.9


@pytest.mark.parametrize(
    "values", [np.zeros((1, 1)), np.full((3, 5), np.nan), np.ones((200, 7)), -np.ones((2, 9))]
)
def test_awkward_panels(tmp_path, values):
    draw_activity(tmp_path / "a.png", [("x", values, None)], bar_length=4, bar_labels=["I"])
    assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.parametrize(
    "panels",
    [
        [],
        [("a", np.zeros(5), None)],
        [("a", np.zeros((0, 5)), None)],
        [("a", np.zeros((2, 5)), None), ("b", np.zeros((2, 6)), None)],
    ],
)
def test_panels_that_do_not_fit(tmp_path, panels):
    with pytest.raises(ValueError, match="expected panels .H, T. with a common T"):
        draw_activity(tmp_path / "a.png", panels)


def test_other_formats_are_refused_by_name(tmp_path):
    for name in ("figure", "figure.jpeg", ".png"):
        with pytest.raises(UserError, match=r"\.png or \.svg"):
            draw_curve(tmp_path / name, SERIES)


def test_a_failure_leaves_the_old_figure(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def broken(*arguments, **options):
        raise OSError("disk full")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", broken)
    with pytest.raises(OSError, match="disk full"):
        draw_curve(path, SERIES)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_matplotlib_is_left_as_it_was(tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    draw_curve(tmp_path / "a.png", SERIES)
    assert dict(matplotlib.rcParams) == before
    code = "import sys, experiments.common.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_without_matplotlib(tmp_path, monkeypatch):
    def missing(name, *arguments, **options):
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
        return real(name, *arguments, **options)

    real = experiments.common.errors.importlib.import_module
    monkeypatch.setattr(experiments.common.errors.importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r'pip install "scratchnet\[experiments\]"'):
        draw_curve(tmp_path / "a.png", SERIES)
    assert list(tmp_path.iterdir()) == []
