"""Several cores on one kernel: a team of threads, and the barrier where its workers meet.

    @kernel
    def job(p, P, x, y, count):         worker p of P does its share of the rows ...
        lo, hi = share(p, P, len(x))
        ...
        barrier(count, P, 1)            ... waits until all have come here, for the first time, ...
        ...                             ... and may now read what the others wrote.

    team.run(job, x, y, team.counter())

A recurrent layer has to wait at every time step for all its units. Waking a sleeping thread takes longer than
such a step; the workers therefore stay awake for the whole sequence and meet at a counter in memory: each
adds one, and looks until the sum is P times the number of meetings. One who has looked in vain for a while
offers its core to whoever needs it, so that a busy machine, or more workers than cores, makes the team slow
but does not stop it.

Kernels release the GIL, so ordinary threads run them side by side. Between two runs the threads sleep.
Inside a team nothing may raise: the others would wait for ever.

The number of workers is that of the cores this process may use, or SCRATCHNET_THREADS. Not compiled, it is 1.
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
PATIENCE = 20000  # looks at the counter before the core is offered to others: some ten microseconds
ROWS_TOGETHER = 8  # a share of rows starts at a multiple of this: products take so many at once (matmul.py)

_state = {"size": None, "pool": None, "threads": 0}
_lock = threading.Lock()  # one run at a time: two would wait for each other's threads


def size():
    """The number of workers of a run. See `set_size`."""
    if numba.config.DISABLE_JIT:
        return 1
    if _state["size"] is None:
        asked = os.environ.get("SCRATCHNET_THREADS", "")
        if asked and not (asked.isdecimal() and len(asked) < 5 and 0 < int(asked) <= MOST_WORKERS):
            raise ValueError(f"expected SCRATCHNET_THREADS to be a number of threads, got {shown(asked)}")
        _state["size"] = int(asked) if asked else _cores()
    return _state["size"]


def set_size(workers):
    """Let runs use this many workers from now on; None for the default.

    Raises
    ------
    ValueError
        If it is not a positive whole number.
    """
    _state["size"] = None if workers is None else whole(workers, "workers", most=MOST_WORKERS)


def run(job, *args, workers=None):
    """Call job(p, P, *args) for p = 0 .. P - 1 at once, and return when all are done.

    Parameters
    ----------
    job : kernel; its workers divide the work between them, and write to different places
    args : what `kernel`s take
    workers : P if not `size()`; one worker costs no more than an ordinary call, each further one some 30 us
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
        finally:  # also after Ctrl-C: nobody may be left working on the arrays
            wait(others)
    for other in others:
        other.result()


def counter():
    """What `barrier` counts with: a new one for every run."""
    return np.zeros(1, np.int64)


@kernel
def share(p, P, n):
    """First and last + 1 of the rows 0 .. n - 1 that are worker p's."""
    lo = p * n // P // ROWS_TOGETHER * ROWS_TOGETHER
    hi = n if p == P - 1 else (p + 1) * n // P // ROWS_TOGETHER * ROWS_TOGETHER
    return lo, hi


@kernel
def barrier(count, P, meeting):
    """Wait until all P workers have come here; `meeting` is 1 the first time, then 2, 3, ..."""
    if P == 1:
        return
    add(count, 1)
    looks = 0
    while look(count) < P * meeting:
        looks += 1
        if looks > PATIENCE:
            offer_core()


def add(count, n):
    """Add n to count[0] in one indivisible step; return what was there."""
    before = count[0]
    count[0] += n
    return before


def look(count):
    """count[0], as the other cores left it."""
    return count[0]


def offer_core():
    """Let the system run another thread on this core."""


@overload(add)
def _add(count, n):
    return lambda count, n: _atomic_add(count, n)


@overload(look)
def _look(count):
    return lambda count: _atomic_look(count)


@overload(offer_core)
def _offer_core():
    return lambda: _yield()


@intrinsic
def _atomic_add(typing, count, n):
    def generate(context, builder, signature, args):
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0])
        n = context.cast(builder, args[1], signature.args[1], types.int64)
        return builder.atomic_rmw("add", array.data, n, "seq_cst")

    return types.int64(count, n), generate


@intrinsic
def _atomic_look(typing, count):
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
