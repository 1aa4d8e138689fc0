"""Jobs in worker processes, where one that hangs or kills its process is a failure among the results.

    for place, result, failure in in_workers(function, jobs, time_limit=60):
        ...

The standard library's pools break altogether when a process dies, and cannot stop a running job. Here a
process has one job at a time, so that it is known which job failed.
"""

import contextlib
import multiprocessing
import os
import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable
from multiprocessing.connection import wait
from typing import Any

START_LIMIT = 120.0  # seconds for a process to import what it needs


def in_workers(
    function: Callable[[Any], Any],
    jobs: Iterable[Any],
    workers: int | None = None,
    time_limit: float = 60.0,
) -> Generator[tuple[int, Any, str | None], None, None]:
    """Yield the outcome of every job, in the order in which they finish.

    Processes are spawned, not forked, and all end with the generator. An exception counts as a failure.
    Warnings that a job issues are issued here, too.

    Parameters
    ----------
    function : picklable function of one argument
    jobs : iterable of arguments
    workers : int, number of processes; the number of cores if None; 0 to do the jobs in this process, without
        a time limit, and without surviving a job that kills it
    time_limit : float, in seconds, for each job

    Yields
    ------
    place : int, index of the job in `jobs`
    result : what the function returned, or None
    failure : str, why there is no result, or None

    Raises
    ------
    RuntimeError
        If processes cannot be started.
    """
    if workers == 0:
        for place, job in enumerate(jobs):
            yield place, *_attempt(function, job)
        return
    waiting = deque(enumerate(jobs))
    staff = [_Worker(function) for _ in range(min(workers or os.cpu_count() or 1, len(waiting)))]
    try:
        while any(worker.deadline for worker in staff):
            for worker in _ready(staff):
                place, answer = worker.place, worker.answer()
                if worker.pipe.closed and waiting:
                    staff[staff.index(worker)] = _Worker(function)
                elif waiting:
                    worker.give(*waiting.popleft(), time_limit)
                if place is not None:
                    yield place, *answer
    finally:
        for worker in staff:
            worker.end()


def _ready(staff):
    """The workers that have answered, have died, or have run out of time."""
    busy = [worker for worker in staff if worker.deadline]
    first = min(worker.deadline for worker in busy)
    speaking = wait([worker.pipe for worker in busy], max(0.0, first - time.monotonic()))
    now = time.monotonic()
    return [worker for worker in busy if worker.pipe in speaking or worker.deadline <= now]


class _Worker:
    """A process and its current job."""

    def __init__(self, function):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(function, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.place = None  # of its job; None while it starts
        self.time_limit = START_LIMIT
        self.deadline = time.monotonic() + START_LIMIT  # None while it has no job

    def give(self, place, job, time_limit):
        self.place, self.time_limit = place, time_limit
        self.deadline = time.monotonic() + time_limit
        with contextlib.suppress(OSError):  # it has just died, as `answer` will notice
            self.pipe.send(job)

    def answer(self):
        """(result, failure) of its job; None from a process that has just started.

        A process that has died or run out of time is ended, and its pipe closed.
        """
        starting, self.place, self.deadline = self.place is None, None, None
        try:
            if self.pipe.poll():
                received = self.pipe.recv()
                if starting:
                    return None
                result, failure, warned = received
                for text, category in warned:
                    warnings.warn(text, category, stacklevel=3)
                return result, failure
            failure = f"not done in {self.time_limit:g} seconds"
            self.end()
        except (EOFError, OSError):
            self.end()
            failure = f"its process died ({_how(self.process.exitcode)})"
        if starting:
            raise RuntimeError(
                f"cannot start a process: {failure}; a script that calls this must do so below "
                'if __name__ == "__main__"'
            )
        return None, failure

    def end(self):
        if not self.pipe.closed:
            self.pipe.close()
            self.process.join(0.05)  # an idle one ends by itself
            self.process.kill()
            self.process.join()


def _how(code):
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def _work(function, pipe):
    """The loop of a process: jobs, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends all workers
    with contextlib.suppress(EOFError, OSError):
        pipe.send(None)  # ready
        while True:
            job = pipe.recv()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("default")
                result, failure = _attempt(function, job)
            warned = [(str(warning.message), warning.category) for warning in caught]
            try:
                pipe.send((result, failure, warned))
            except OSError:
                raise  # the parent is gone
            except Exception as error:
                pipe.send((None, f"its result cannot be handed over: {error}", []))


def _attempt(function, job):
    """(result, failure) of a job."""
    try:
        return function(job), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"
