"""Teams of threads: they meet, they end, whatever else the machine is doing."""

import faulthandler
import multiprocessing
import os
import subprocess
import sys
import threading
import time

import numba
import numpy as np
import pytest

from scratchnet.kernels import team
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.team import barrier, worker_slice

COMPILED = not numba.config.DISABLE_JIT
TIMEOUT = 120  # seconds: a team that hangs fails its test


@pytest.fixture(autouse=True)
def no_test_hangs(capfd):
    """A team that waits for ever cannot be interrupted: Python is ended, with a traceback on the terminal."""
    with capfd.disabled():
        terminal = os.dup(2)
    faulthandler.dump_traceback_later(5 * TIMEOUT, exit=True, file=terminal)
    yield
    faulthandler.cancel_dump_traceback_later()
    os.close(terminal)


@pytest.fixture(autouse=True)
def default_size():
    yield
    team.set_size(None)


@kernel
def relay(p, P, x, meetings, count):
    """Each worker adds what its left neighbour had after the last round: wrong unless all wait for all."""
    for t in range(meetings):
        x[t + 1, p] = x[t, p] + x[t, (p - 1) % P]
        barrier(count, P, t + 1)


def run_relay(P, meetings):
    x = np.zeros((meetings + 1, P))
    x[0] = np.arange(P) + 1
    team.run(relay, x, meetings, team.counter(), workers=P)
    return x


def expected_relay(P, meetings):
    x = np.zeros((meetings + 1, P))
    x[0] = np.arange(P) + 1
    for t in range(meetings):
        x[t + 1] = x[t] + np.roll(x[t], 1)
    return x


@pytest.mark.skipif(not COMPILED, reason="a team of one")
@pytest.mark.parametrize("P", [1, 2, 3, 4, 9])  # more than there are cores, too
def test_all_wait_for_all(P):
    np.testing.assert_array_equal(run_relay(P, 500), expected_relay(P, 500))


def test_one_worker_is_an_ordinary_call():
    calls = []
    team.run(lambda *arguments: calls.append((threading.current_thread(), *arguments)), 7, workers=1)
    assert calls == [(threading.current_thread(), 0, 1, 7)]


def spin():
    end = time.monotonic() + 10 * TIMEOUT  # should nobody be left to end it
    while time.monotonic() < end:
        pass


@pytest.mark.skipif(not COMPILED, reason="a team of one")
def test_busy_neighbours_do_not_stop_a_team():
    context = multiprocessing.get_context("spawn")
    neighbours = [context.Process(target=spin, daemon=True) for _ in range(os.cpu_count() or 1)]
    for neighbour in neighbours:
        neighbour.start()
    try:
        np.testing.assert_array_equal(run_relay(4, 300), expected_relay(4, 300))
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.join()


@pytest.mark.skipif(not COMPILED, reason="a team of one")
def test_two_callers_do_not_wait_for_each_others_threads():
    results = []

    def call():
        for _ in range(20):
            results.append(run_relay(3, 50))

    callers = [threading.Thread(target=call, daemon=True) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(TIMEOUT)
        assert not caller.is_alive()
    assert len(results) == 40
    for result in results:
        np.testing.assert_array_equal(result, expected_relay(3, 50))


@pytest.mark.skipif(not COMPILED, reason="a team of one")
def test_exceptions_reach_the_caller():
    def job(p, P):
        if p == P - 1:
            raise RuntimeError("worker 1")

    with pytest.raises(RuntimeError, match="worker 1"):
        team.run(job, workers=2)
    np.testing.assert_array_equal(run_relay(2, 5), expected_relay(2, 5))  # and the next run is as ever


@pytest.mark.skipif(not COMPILED, reason="a team of one")
def test_the_others_are_waited_for_if_one_fails():
    ended = []

    def job(p, P):
        if p == 0:
            raise ZeroDivisionError
        time.sleep(0.05)
        ended.append(p)

    with pytest.raises(ZeroDivisionError):
        team.run(job, workers=4)
    assert sorted(ended) == [1, 2, 3]


@pytest.mark.skipif(not COMPILED, reason="a team of one")
def test_a_team_grows_and_shrinks():
    for P in (2, 5, 1, 3):
        seen = []
        team.run(lambda p, P, seen=seen: seen.append((p, P)), workers=P)
        assert sorted(seen) == [(p, P) for p in range(P)]


def test_shares_cover_all_rows_once():
    for P in range(1, 7):
        for n in (*range(40), 512, 1023):
            rows = [row for p in range(P) for row in range(*worker_slice(p, P, n))]
            assert rows == list(range(n))


def test_sizes():
    team.set_size(3)
    assert team.size() == (3 if COMPILED else 1)
    for wrong in (0, -1, 1.5, "2", True, 10**9):
        with pytest.raises(ValueError, match="expected workers"):
            team.set_size(wrong)


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True,
        timeout=TIMEOUT,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not COMPILED, reason="a team of one")
def test_the_environment_sets_the_size():
    code = "from scratchnet.kernels import team; print(team.size())"
    assert python(code, SCRATCHNET_THREADS="3").stdout == "3\n"
    assert int(python(code, SCRATCHNET_THREADS="").stdout) == len(os.sched_getaffinity(0))
    for wrong in ("0", "two", "-1"):
        done = python(code, SCRATCHNET_THREADS=wrong)
        assert "expected SCRATCHNET_THREADS to be a number of threads" in done.stderr


FORK = """
import os, signal
import numpy as np
from scratchnet.kernels import matmul, team
team.set_size(2)
def multiply():
    y = np.empty((8, 64, 64))
    matmul.apply(np.eye(64), np.ones((8, 64, 64)), np.zeros(64), y)
    return y.sum()
matmul.PARALLEL_FROM = 0
before = multiply()
child = os.fork()
if child == 0:
    signal.alarm(100)  # ends it if it hangs
    os._exit(0 if multiply() == before else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_makes_threads_of_its_own():
    done = python(FORK)
    assert done.stdout == "0\n", done.stderr
