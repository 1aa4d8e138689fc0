"""The speed comparison: tiny networks, our side alone; with PyTorch where it is installed."""

import dataclasses
import json
import sys

import numpy as np
import pytest

from benchmarks import compare, contest, table, workers
from benchmarks.cases import CASES, Case
from benchmarks.contest import Contest, differences
from benchmarks.memory import measure
from benchmarks.sgemm import rate
from benchmarks.workers import Failed, Missing, Process, Side, Ways
from scratchnet.kernels import team

TINY = Case("tiny", V=6, D=6, H=5, B=3, T=4, frames=True)
KEYS = {"case", "ours_ms", "torch_ms", "jax_ms", "keras_ms", "ratio_torch", "sgemm_share"}
KEYS |= {"torch_tuned_ms", "ratio_torch_tuned", "peak_mb_ours", "peak_mb_torch"}


def shrink(case):
    """The same network, small."""
    sizes = {"V": 7, "H": 8, "B": 3, "T": 5, "E": case.E and 6, "D": case.D and (7 if case.frames else 4)}
    sizes |= {"C": case.C and 6, "H": case.H and 8}
    return dataclasses.replace(case, **sizes)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Short turns, small products; afterwards the library has its own number of threads again."""
    monkeypatch.setattr(workers, "TURN", 0.0)
    monkeypatch.setattr(contest, "PAUSE", 0.0)
    monkeypatch.setattr(compare, "PAUSE", 0.0)
    monkeypatch.setattr(workers, "rate", lambda multiply: rate(multiply, ((8, 9, 10),)))
    yield
    team.set_size(None)


class Other(Side):
    """Our side under another's name, perhaps with an error in it."""

    spoil = None

    def __init__(self):
        super().__init__("ours", 1)

    def check(self, case, mode):
        found = super().check(case, mode)
        if self.spoil:
            found[self.spoil] = found[self.spoil] * 1.01
        return found


def test_a_row(capsys):
    sides = {"ours": Side("ours", 1), "jax": Other()}
    row, wrong = compare.compare(TINY, sides, rounds=2, memory=lambda side, case, mode: 1.5)
    assert not wrong and row["case"] == "tiny"
    assert row["ours_ms"] > 0 and row["ratio_jax"] == row["jax_ms"] / row["ours_ms"]
    assert row["torch_ms"] is row["ratio_torch"] is row["torch_mode"] is row["peak_mb_torch"] is None
    assert row["peak_mb_ours"] == 1.5 and row["jax_mode"] == "team"
    assert row["tokens_per_s"] == pytest.approx(TINY.T * TINY.B / row["ours_ms"] * 1e3)


@pytest.mark.parametrize("spoil", ["logits", "losses", "d 0.weight_hh_l0"])
def test_who_computes_something_else_is_out(capsys, spoil):
    other = Other()
    other.spoil = spoil
    row, wrong = compare.compare(TINY, {"ours": Side("ours", 1), "torch": other}, rounds=1)
    assert wrong and row["torch_ms"] is None and row["ours_ms"] > 0
    assert f"torch (team) against ours: {spoil} differs by 1.0e-02" in capsys.readouterr().err


def test_who_fails_is_out(capsys):
    class Broken(Other):
        def turn(self):
            raise Failed("out of order")

    row, wrong = compare.compare(TINY, {"ours": Side("ours", 1), "keras": Broken()}, rounds=1)
    assert wrong and row["keras_ms"] is None and row["ours_ms"] > 0
    assert "keras failed:\nout of order" in capsys.readouterr().err


def test_the_fastest_mode_counts():
    class Modes(Other):
        def open(self, case):
            super().open(case)
            return "slow", "fast"

        def turn(self):
            return {"slow": 2.0, "fast": 1.0}[self.mode], 0.0

    race = Contest(TINY, {"torch": Modes()})
    race.check()
    race.choose()
    assert race.mode == {"torch": "fast"} and race.time(3) == {"torch": [1000.0] * 3}


def test_who_does_not_rest_is_named():
    class Restless(Other):
        def turn(self):
            return 0.0, 1e9

    race = Contest(TINY, {"jax": Restless()})
    race.check()
    race.choose()
    race.time(2)
    assert list(race.restless()) == ["jax"]


def test_differences():
    one = {"tokens": np.arange(20)}
    assert differences(one, one) == []
    assert differences({"tokens": np.zeros(20)}, one) == ["only 5% of the tokens are equal"]
    assert differences({"tokens": np.arange(3)}, one) == ["tokens of shape (3,) instead of (20,)"]
    assert differences({}, one) == ["has [] instead of ['tokens']"]
    assert differences({"logits": np.array([1.0, np.nan])}, {"logits": np.ones(2)}) != []


@pytest.mark.parametrize("case", [shrink(case) for case in CASES.values()], ids=lambda case: case.name)
def test_every_case_runs(case):
    side = Side("ours", 1)
    found = side.check(case, *side.open(case))
    assert all(np.isfinite(array).all() for array in found.values())
    side.open(case)
    side.step()


def test_weights_and_data_are_the_same_every_time():
    for case in map(shrink, CASES.values()):
        for one, other in zip(case.weights().values(), case.weights().values(), strict=True):
            np.testing.assert_array_equal(one, other)
        for one, other in zip(case.data(), case.data(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_necessary_arithmetic():
    H, V, steps = 512, 300, 128 * 64
    assert CASES["piano LSTM"].arithmetic == 6 * steps * (4 * H * H + H * V)
    assert CASES["piano LSTM + attention"].arithmetic == 6 * steps * (4 * H * H + 2 * H * V)
    assert CASES["sampling 512"].arithmetic == 2 * 1000 * (4 * H * H + H * V)
    H, D, steps = 200, 88, 128 * 16
    assert CASES["frames"].arithmetic == steps * (6 * 4 * H * H + 4 * 4 * H * D + 6 * H * D)
    H = 256
    steps = 98 * 64
    assert CASES["classical conv"].arithmetic == steps * (4 * 3 * 256 * 256 + 6 * 256 * 16)
    assert CASES["batch norm"].arithmetic == 6400 * 6 * 256 * 16
    numbers = 3 * (3 * 256 * (128 + 3 * 256) + 256 * 300)  # tokens: the convolution multiplies nothing
    assert CASES["classical conv + GRU"].arithmetic == 2 * steps * numbers
    assert CASES["classical baseline"].arithmetic == 6 * 6400 * (4 * (H * H + 3 * 2 * H * H) + H * V)


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(CASES, "tiny", TINY)
    monkeypatch.setattr(compare, "launch", InProcess)
    path = tmp_path / "speed.json"
    assert compare.main(["--json", str(path), "--cases", "tiny", "--rounds", "1", "--threads", "1"]) == 0
    printed = capsys.readouterr().out
    (row,) = json.loads(path.read_text())
    assert row.keys() >= KEYS and row["torch_ms"] is None and row["ours_ms"] > 0 and row["sgemm_share"] > 0
    assert row["threads"] == 1 and row["versions"]["ours"].startswith("scratchnet")
    table.main([str(path)])
    assert capsys.readouterr().out == printed and "| tiny | " in printed


class InProcess(Side):
    """What `Process` is, without one, on a machine without other frameworks."""

    def __init__(self, side, threads):
        if side in workers.FRAMEWORKS:
            side = "missing"
        self.side, self.threads = side, threads
        if side != "missing":
            super().__init__(side, threads)

    def __call__(self, method, *args):
        if self.side == "missing":
            raise Missing("it is not installed")
        return super().__call__(method, *args)

    def close(self):
        pass


@pytest.mark.parametrize("arguments", [["--cases", "none"], ["--rounds", "0"], ["--threads", "0"]])
def test_wrong_arguments(arguments, capsys):
    with pytest.raises(SystemExit):
        compare.main(arguments)
    assert "error: " in capsys.readouterr().err


def test_the_table():
    row = dict.fromkeys(KEYS) | {"case": "small", "ours_ms": 0.8123, "torch_ms": 1234.5, "sgemm_share": 0.834}
    row |= {"ratio_torch": 2.5, "tokens_per_s": 1234567.0, "per": "token"}
    assert table.format_table([row]).splitlines()[2] == (
        "| small, per token | 0.812 | 1,234 |  |  |  | 2.50 |  | 1,234,567 | 83% |  |  |"
    )


def test_a_framework_that_is_not_installed_is_missing(monkeypatch):
    monkeypatch.delitem(sys.modules, "benchmarks.side_torch", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(Missing, match="torch is not installed"):
        Side("torch", 1)


def test_memory_is_measured_where_the_system_tells():
    side = Side("ours", 1)
    side.open(TINY)
    megabytes = measure(side.model, TINY)
    assert megabytes is None or 0 <= megabytes < 1000


def test_a_process():
    worker = Process("ours", 1)
    try:
        assert worker("open", TINY) == ("team",)
        seconds, idle = worker("turn")
        assert seconds > 0 and idle == 0
        with pytest.raises(Failed, match="(?s)Traceback.*no_such_method"):
            worker("no_such_method")
        assert worker("use", "team") is None  # and lives on
        worker.process.terminate()
        worker.process.join()
        with pytest.raises(Failed, match="the process of ours has died"):
            worker("turn")
    finally:
        worker.close()
    assert not worker.process.is_alive()


@pytest.mark.slow
def test_ways_of_one_side():
    both = Ways("ours", 1, {"": {}, ", sleeping": {"OMP_WAIT_POLICY": "PASSIVE"}})
    try:
        awake, sleeping = both.processes.values()
        assert both("open", TINY) == ("team", "team, sleeping") and both.works is awake
        assert both("use", "team, sleeping") is None and both.works is sleeping
        assert both("turn")[0] > 0
        assert both("check", TINY, "team").keys() == sleeping("check", TINY, "team").keys()
        assert both.works is awake
    finally:
        both.close()
    assert not awake.process.is_alive() and not sleeping.process.is_alive()


@pytest.mark.torch
@pytest.mark.parametrize("name", CASES)
def test_agreement_with_pytorch(name, monkeypatch):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", torch.backends.mkldnn.enabled)
    threads, case = torch.get_num_threads(), shrink(CASES[name])
    try:
        race = Contest(case, {side: Side(side, 2) for side in ("ours", "torch", "torch_tuned")})
        race.check()
    finally:
        torch.set_num_threads(threads)
    assert not race.wrong and set(race.modes) == {"ours", "torch", "torch_tuned"}
    modes = 3 if case.C else 2
    assert len(race.modes["torch"]) == modes
    assert len(race.modes["torch_tuned"]) == modes + 2 * case.sampling
