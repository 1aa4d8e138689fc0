"""Jobs in processes of their own."""

import math

import pytest
import threadpoolctl

from experiments.common.processes import in_processes
from scratchnet.kernels.blas import one_blas_thread
from scratchnet.layers.layer import Layer


def blas_threads():
    Layer()
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]


def test_every_job_is_done_once():
    assert sorted(in_processes(math.gcd, [(12, 8), (9, 6), (7, 5)])) == [1, 3, 4]


def test_a_job_that_fails_is_heard_of():
    with pytest.raises(ValueError):
        list(in_processes(math.sqrt, [(-1.0,), (4.0,)], workers=1))


def test_a_process_that_makes_a_layer_has_one_thread_for_linear_algebra():
    (threads,) = in_processes(blas_threads, [()])
    assert threads and set(threads) == {1}


def test_one_blas_thread_limits_all_that_there_are():
    one_blas_thread()
    assert set(blas_threads()) == {1}
