"""Processes that take turns: one per framework, each waiting at a pipe while another works.

    worker = launch("torch", threads=2)             a child process: thread pools do not compete
    worker("open", case)                            build the network of a case
    worker("turn")                                  train for a moment; seconds per step
    worker.close()

`Side` is what the child does; it can be called in the same way without a process.
"""

import contextlib
import importlib
import multiprocessing
import os
import signal
import time
import traceback

import numpy as np

from benchmarks.memory import measure
from benchmarks.sgemm import rate

# The frameworks and the modules that they need.
FRAMEWORKS = {
    "torch": {"torch"},
    "torch_tuned": {"torch"},
    "jax": {"jax", "jaxlib"},
    "keras": {"keras", "tensorflow"},
}
SIDES = ("ours", *FRAMEWORKS)
# OpenMP's threads spin while they wait for each other. Where another program takes a core from one of them,
# the others spin for nothing, and a step can take ten times as long. Sleeping costs time at every barrier.
WAYS = {"torch": {"": {}, ", sleeping": {"OMP_WAIT_POLICY": "PASSIVE"}}}
MULTIPLIERS = ("numpy", "torch", "ours")  # the sides whose product of matrices is measured
TURN = 0.3  # seconds: quick steps are repeated for so long
CHECKED_TIME, CHECKED_STEPS = 24, 3  # of the comparison before any timing


class Missing(Exception):
    """A framework is not installed."""


class Failed(Exception):
    """A side raised; the text is its traceback."""


def environment(threads):
    """Environment variables that make every library that reads one use this many threads."""
    n = str(threads)
    xla = f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()} intra_op_parallelism_threads={n}"
    names = (
        "OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS SCRATCHNET_THREADS NUMBA_NUM_THREADS "
        "TF_NUM_INTRAOP_THREADS TF_NUM_INTEROP_THREADS NPROC"  # the last is read by XLA
    )
    return {
        **dict.fromkeys(names.split(), n),
        "XLA_FLAGS": xla,
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "-1",
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def _import(side):
    try:
        return importlib.import_module(f"benchmarks.side_{side}")
    except ModuleNotFoundError as error:
        if error.name in FRAMEWORKS.get(side, ()):
            raise Missing(f"{error.name} is not installed") from None
        raise


class Side:
    """One framework, ready to take turns.

    Parameters
    ----------
    name : one of SIDES
    threads : how many cores it may use
    """

    def __init__(self, name, threads):
        self.name, self.threads = name, threads
        self.module = _import(name)
        self.model, self.rested = None, None

    def __call__(self, method, *args):
        return getattr(self, method)(*args)

    def about(self):
        """Name and version of the framework."""
        return self.module.NAME, self.module.VERSION

    def open(self, case):
        """Build the case; return its modes, of which the fastest counts."""
        self.case, self.model = case, None  # the last case's memory is free before this one's is taken
        self.model = self.module.Model(case, case.weights(), self.threads)
        self.data = case.data()
        self.model.take(*self.data)
        self.calls = {}
        self.use(self.model.modes[0])
        return self.model.modes

    def use(self, mode):
        """Take the next turns in this mode."""
        self.model.use(mode)
        self.mode = mode

    def check(self, case, mode):
        """What must be equal on all sides, from a new network: dict of arrays.

        All sequences, but only some of their time steps. "losses" are those of the first training steps.
        Sampling is compared at a temperature close to zero, where nothing is left to chance.
        """
        self.open(case)
        self.use(mode)
        if case.sampling:
            return {"tokens": np.asarray(self.model.sample(self.data[0][0], min(case.T, CHECKED_TIME), 1e-5))}
        self.model.take(*case.data(T=min(case.T, CHECKED_TIME)))
        found = {"logits": np.array(self.model.logits())}  # copies: buffers are used again
        loss, grads = self.model.gradients()
        found |= {f"d {name}": np.array(grad) for name, grad in grads.items()}
        found["losses"] = np.array([loss, *(self.model.step() for _ in range(CHECKED_STEPS))])
        return found

    def memory(self, case, mode):
        """Megabytes that the case takes, for a process that has done nothing else."""
        self.open(case)
        self.use(mode)
        return measure(self.model, case)

    def step(self):
        """One step of training, which returns the loss, or one round of sampling."""
        if not self.case.sampling:
            return self.model.step()
        self.model.sample(self.data[0][0], self.case.T)
        return None

    def turn(self):
        """Work for a moment.

        Returns
        -------
        seconds : of one step, the mean if there was time for several
        idle : seconds of processor time that this process took since its last turn, doing nothing
        """
        idle = 0.0 if self.rested is None else time.process_time() - self.rested
        if self.mode not in self.calls:  # compiles; then how many steps fill a turn
            self.step()
            self.calls[self.mode] = max(1, int(TURN / self._seconds(1)))
        calls = self.calls[self.mode]
        if calls > 1:
            self.step()  # caches and threads wake up
        seconds = self._seconds(calls)
        self.rested = time.process_time()
        return seconds, idle

    def _seconds(self, calls):
        began = time.perf_counter()
        for _ in range(calls):
            self.step()
        return (time.perf_counter() - began) / calls

    def rate(self):
        """GFLOP/s of this side's product of large matrices, at its best."""
        return rate(self.module.multiply)


def _serve(connection, side, threads):
    """The child process: call what comes through the pipe until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    if hasattr(os, "sched_setaffinity"):  # nobody takes more cores than the others
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    worker = None
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            method, args = connection.recv()
            try:
                worker = worker or Side(side, threads)
                answer = "done", worker(method, *args)
            except Missing as error:
                answer = "missing", str(error)
            except Exception:
                answer = "failed", traceback.format_exc()
            connection.send(answer)


class Process:
    """A `Side` in a child process. Calling it may raise Missing or Failed."""

    def __init__(self, side, threads, variables=()):
        self.side = side
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, side, threads), daemon=True)
        before = dict(os.environ)
        # libraries read it when they are imported
        os.environ.update(environment(threads) | dict(variables))
        try:
            self.process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        theirs.close()

    def __call__(self, method, *args):
        try:
            self.connection.send((method, args))
            how, answer = self.connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise Failed(f"the process of {self.side} has died") from None
        if how == "done":
            return answer
        raise (Missing if how == "missing" else Failed)(answer)

    def close(self):
        """End the child."""
        self.connection.close()
        self.process.join(2)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join()


class Ways:
    """Processes of one side in different environments, as one: the end of a mode's name tells which works."""

    def __init__(self, side, threads, ways):
        self.processes = {end: Process(side, threads, variables) for end, variables in ways.items()}
        self.works = self.processes[""]

    def __call__(self, method, *args):
        if method == "open":
            modes = {end: process("open", *args) for end, process in self.processes.items()}
            self.works = self.processes[""]
            return tuple(mode + end for end in modes for mode in modes[end])
        if method in ("use", "check", "memory"):
            *args, mode = args
            end = max((end for end in self.processes if mode.endswith(end)), key=len)
            self.works = self.processes[end]
            args = *args, mode.removesuffix(end)
        return self.works(method, *args)

    def close(self):
        """End the children."""
        for process in self.processes.values():
            process.close()


def launch(side, threads):
    """A process for a side, or as many as it has ways to wait."""
    return Ways(side, threads, WAYS[side]) if side in WAYS else Process(side, threads)
