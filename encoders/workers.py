"""Jobs in processes of their own, where one that hangs or kills its process is a failure among results.

    for place, result, failure in in_workers(function, jobs, time_limit=60):
        ...

The pools of the standard library give up altogether when a process dies, and cannot end a job that runs. Here
a process has one job at a time, so that it is known whose job went wrong.
"""

import contextlib
import multiprocessing
import os
import signal
import time
import warnings
from collections import deque
from multiprocessing.connection import wait

START_LIMIT = 120.0  # seconds for a process to import what it needs


def in_workers(function, jobs, workers=None, time_limit=60.0):
    """Yield what comes of every job, in the order in which they end.

    Processes are spawned, not forked, and all end with the generator. An exception is a failure, too.

    Parameters
    ----------
    function : function of one argument, of a module or otherwise such that it can be pickled
    jobs : list of arguments
    workers : int, number of processes; the number of cores if None; 0 to do the jobs in this process, where
        there is no limit of time and none survives the death of the process
    time_limit : float, in seconds, for each job

    Warnings that a job issues are issued here, too.

    Yields
    ------
    place : int, of the job in `jobs`
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
    """Those who have something to say, have died, or have had their time."""
    busy = [worker for worker in staff if worker.deadline]
    first = min(worker.deadline for worker in busy)
    speaking = wait([worker.pipe for worker in busy], max(0.0, first - time.monotonic()))
    now = time.monotonic()
    return [worker for worker in busy if worker.pipe in speaking or worker.deadline <= now]


class _Worker:
    """A process, and the job that it has."""

    def __init__(self, function):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(function, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.place = None  # of its job; None while it starts
        self.time_limit = START_LIMIT
        self.deadline = time.monotonic() + START_LIMIT  # None while there is nothing to wait for

    def give(self, place, job, time_limit):
        self.place, self.time_limit = place, time_limit
        self.deadline = time.monotonic() + time_limit
        with contextlib.suppress(OSError):  # it has just died: `answer` will tell
            self.pipe.send(job)

    def answer(self):
        """(result, failure) of its job, None from a process that has just started.

        One that has died or had its time is ended, and its pipe closed.
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
            self.process.join(0.05)  # which one that has nothing to do does of itself
            self.process.kill()
            self.process.join()


def _how(code):
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def _work(function, pipe):
    """What a process does: jobs, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends them all
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
                raise  # nobody listens
            except Exception as error:
                pipe.send((None, f"its result cannot be handed over: {error}", []))


def _attempt(function, job):
    """(result, failure) of a job."""
    try:
        return function(job), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"
