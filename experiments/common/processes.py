"""Independent jobs in processes of their own."""

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed

from experiments.common.streams import how_warnings_are_shown, mend_streams, show_warnings_alike


def begin_process(warnings=None):
    """What each process does first. Ctrl-C is for the parent, which ends them all.

    warnings : `how_warnings_are_shown` of the parent
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    mend_streams()
    show_warnings_alike(warnings)


def in_processes(function, jobs, workers=None):
    """Yield `function(*job)` for every job, in the order in which they end.

    Processes are spawned, for a forked child shares locks with threads that it has not. If the caller stops
    asking, or a job fails, or on Ctrl-C, all of them are ended at once.

    function : a function of a module (it is found by its name in the new process)
    jobs : list of tuples
    workers : number of processes; the number of cores if None
    """
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    context = multiprocessing.get_context("spawn")
    about = (how_warnings_are_shown(),)
    with ProcessPoolExecutor(workers, context, initializer=begin_process, initargs=about) as pool:
        try:
            for done in as_completed([pool.submit(function, *job) for job in jobs]):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise
