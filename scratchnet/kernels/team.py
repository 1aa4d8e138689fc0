"""Several cores on one kernel: a team of threads, and the barrier that synchronises its workers.

    @kernel
    def job(p, P, x, y, count):         worker p of P computes its slice of the rows ...
        lo, hi = worker_slice(p, P, len(x))
        ...
        barrier(count, P, 1)            ... waits in the first barrier round for all others, ...
        ...                             ... and may now read what they wrote.

    team.run(job, x, y, team.counter())

P is the number of workers, here and in every kernel; p is the number of one of them.

A recurrent layer has to wait at every time step for all its units. Waking a sleeping thread takes longer than
such a step, so the workers stay awake for the whole sequence and spin on a counter in memory: each adds one,
and waits until the sum is P times the number of rounds. A worker that has spun for a while yields its core,
so that a busy machine, or more workers than cores, makes the team slow but does not stop it.

Kernels release the GIL, so ordinary threads run them in parallel. Between two runs the threads sleep. Inside
a team nothing may raise: the others would wait forever.

The number of workers is that of the cores this process may use, or SCRATCHNET_THREADS. Without compilation it
is 1.
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from scratchnet.arguments import shown, whole
from scratchnet.kernels.jit import kernel

MOST_WORKERS = 1024
PATIENCE = 20000  # spins before a worker yields its core: some ten microseconds
ROWS_TOGETHER = 8  # a slice starts at a multiple of this many rows, the height of a tile (microkernel.py)

_state = {"size": None, "pool": None, "threads": 0}
_lock = threading.Lock()  # one run at a time: two would wait for each other's threads


def size() -> int:
    """The number of workers of a run. See `set_size`."""
    if numba.config.DISABLE_JIT:
        return 1
    if _state["size"] is None:
        asked = os.environ.get("SCRATCHNET_THREADS", "")
        if asked and not (asked.isdecimal() and len(asked) < 5 and 0 < int(asked) <= MOST_WORKERS):
            raise ValueError(f"expected SCRATCHNET_THREADS to be a number of threads, got {shown(asked)}")
        _state["size"] = int(asked) if asked else _cores()
    return _state["size"]


def set_size(workers: int | None) -> None:
    """Let runs use this many workers from now on; None for the default.

    Raises
    ------
    ValueError
        If it is not a positive whole number.
    """
    _state["size"] = None if workers is None else whole(workers, "workers", most=MOST_WORKERS)


def workers_for(work, parallel_from):
    """How many workers so much work is worth: 1 if it is less than `parallel_from`, otherwise `size()`.

    Waking a second thread takes some 30 us. From how much work on it pays was measured for each kind of
    kernel, in the unit that its module names: PARALLEL_FROM.
    """
    return 1 if work < parallel_from else size()


def run(job, *args, workers=None):
    """Call job(p, P, *args) for p = 0 .. P - 1 in parallel, and return when all are done.

    Parameters
    ----------
    job : kernel; its workers divide the work between them, and write to different memory
    args : arguments of the kernel
    workers : P; `size()` if None. One worker costs no more than an ordinary call, each further one some 30 us
    """
    P = size() if workers is None or numba.config.DISABLE_JIT else workers
    if P == 1:
        job(0, 1, *args)
        return
    with _lock:
        pool = _pool(P - 1)
        others = [pool.submit(job, p, P, *args) for p in range(1, P)]
        try:
            job(0, P, *args)
        finally:  # also after Ctrl-C: no worker may be left writing to the arrays
            wait(others)
    for other in others:
        other.result()


def counter():
    """The counter of `barrier`: a new one for every run."""
    return np.zeros(1, np.int64)


@kernel
def worker_slice(p, P, n):
    """The rows lo .. hi - 1, of 0 .. n - 1, that belong to worker p of P."""
    lo = p * n // P // ROWS_TOGETHER * ROWS_TOGETHER
    hi = n if p == P - 1 else (p + 1) * n // P // ROWS_TOGETHER * ROWS_TOGETHER
    return lo, hi


@kernel
def barrier(count, P, rounds):
    """Wait until all P workers are here; `rounds` is 1 in the first round of a run, then 2, 3, ..."""
    if P == 1:
        return
    add(count, 1)
    spins = 0
    while load(count) < P * rounds:
        spins += 1
        if spins > PATIENCE:
            yield_core()


def add(count, n):
    """Add n to count[0] atomically; return the value before."""
    before = count[0]
    count[0] += n
    return before


def load(count):
    """count[0], loaded atomically."""
    return count[0]


def yield_core():
    """Let the operating system run another thread on this core."""


@overload(add)
def _add(count, n):
    return lambda count, n: _atomic_add(count, n)


@overload(load)
def _load(count):
    return lambda count: _atomic_load(count)


@overload(yield_core)
def _yield_core():
    return lambda: _yield()


@intrinsic
def _atomic_add(typing, count, n):
    def generate(context, builder, signature, args):
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0])
        n = context.cast(builder, args[1], signature.args[1], types.int64)
        return builder.atomic_rmw("add", array.data, n, "seq_cst")

    return types.int64(count, n), generate


@intrinsic
def _atomic_load(typing, count):
    def generate(context, builder, signature, args):
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0])
        return builder.load_atomic(array.data, "acquire", 8)

    return types.int64(count), generate


YIELD = next((s for s in ("sched_yield", "SwitchToThread") if llvmlite.binding.address_of_symbol(s)), None)


@intrinsic
def _yield(typing):
    def generate(context, builder, signature, args):
        if YIELD:
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, YIELD), [])
        return context.get_dummy_value()

    return types.void(), generate


def _cores():
    """The number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pool(threads):
    """A pool of sleeping threads. Threads do not outlive a fork: a child process makes new ones."""
    if _state["pool"] is None or _state["threads"] < threads:
        if _state["pool"] is not None:
            _state["pool"].shutdown()
        _state["pool"], _state["threads"] = ThreadPoolExecutor(threads, "scratchnet"), threads
    return _state["pool"]


def _forget_threads():
    global _lock
    _state["pool"], _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
