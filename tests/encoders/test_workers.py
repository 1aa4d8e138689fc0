"""Jobs in processes of their own, some of which end badly."""

import math
import multiprocessing
import os
import signal
import time
import warnings

import pytest

from encoders.workers import in_workers


def work(job):
    if job == "hang":
        time.sleep(600)
    if job == "die":
        os._exit(3)
    if job == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "raise":
        raise ArithmeticError("one\ntwo")
    if job == "warn":
        warnings.warn("careful", RuntimeWarning, stacklevel=1)
    if job == "cannot be pickled":
        return lambda: 0
    return job * 2


def results(jobs, **options):
    found = list(in_workers(work, jobs, **options))
    assert sorted(place for place, _, _ in found) == list(range(len(jobs)))
    return [(result, failure) for _, result, failure in sorted(found, key=lambda row: row[0])]


@pytest.mark.slow
def test_one_bad_job_does_not_harm_the_others():
    jobs = [1, "die", 2, "hang", 3, "raise", "killed", 4, "cannot be pickled", 5]
    found = results(jobs, workers=2, time_limit=3)
    assert [found[k] for k in (0, 2, 4, 7, 9)] == [(n * 2, None) for n in (1, 2, 3, 4, 5)]
    assert found[1] == (None, "its process died (exit code 3)")
    assert found[3] == (None, "not done in 3 seconds")
    assert found[5] == (None, "ArithmeticError: one\ntwo")
    assert found[6] == (None, "its process died (SIGKILL)")
    assert found[8][0] is None and "cannot be handed over" in found[8][1]
    assert multiprocessing.active_children() == []


def test_without_processes():
    assert results([1, "raise", 2], workers=0) == [(2, None), (None, "ArithmeticError: one\ntwo"), (4, None)]
    assert results([], workers=0) == results([]) == []


def test_who_stops_asking_leaves_no_process_behind():
    jobs = in_workers(work, ["hang", 1, 2], workers=2)
    assert next(jobs) == (1, 2, None)
    jobs.close()
    assert multiprocessing.active_children() == []


def test_large_results_come_whole():
    found = dict((place, len(result)) for place, result, _ in in_workers(bytes, [10**7, 5, 10**7], workers=2))
    assert found == {0: 10**7, 1: 5, 2: 10**7}


def test_what_cannot_start_is_an_error(monkeypatch):
    monkeypatch.setattr("encoders.workers._work", math.sqrt)  # which knows no pipes
    with pytest.raises(RuntimeError, match="cannot start a process.*__main__"):
        list(in_workers(work, [1], workers=1))
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_job_warns_of_is_heard(workers):
    with pytest.warns(RuntimeWarning, match="^careful$") as caught:
        assert results([1, "warn"], workers=workers) == [(2, None), ("warnwarn", None)]
    assert len(caught) == 1
