"""How much memory training takes on top of the network itself: peak minus what was there before.

In a process of its own: import, build the network, one tiny step (which makes gradients, the optimizer's
memory, and all that libraries make on first use), note the resident memory, three steps, note the peak.
"""

import contextlib
import ctypes
import gc
import re

CLEAR = "/proc/self/clear_refs"
TINY = {"T": 2, "B": 2}
STEPS = 3


def resident():
    """Resident memory of this process and its peak, in bytes (Linux)."""
    with open("/proc/self/status", encoding="ascii") as file:
        status = file.read()
    return tuple(1024 * int(re.search(rf"{name}:\s*(\d+) kB", status)[1]) for name in ("VmRSS", "VmHWM"))


def measure(model, case):
    """Megabytes (10^6 bytes) by which some steps raise the peak; None where the system does not tell.

    Parameters
    ----------
    model : the network of the case, of any side, fresh
    case : Case
    """
    model.take(*case.data(**TINY))
    start = case.data()[0][0]
    step = (lambda: model.sample(start, case.T)) if case.sampling else model.step
    if case.sampling:
        model.sample(start, TINY["T"])
    else:
        model.step()
    model.take(*case.data())
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):  # not the GNU library
        ctypes.CDLL(None).malloc_trim(0)  # what was freed before shall not be used again unseen
    try:
        with open(CLEAR, "w", encoding="ascii") as file:
            file.write("5")  # the peak begins anew
        before, _ = resident()
    except OSError:
        return None
    for _ in range(STEPS):
        step()
    return (resident()[1] - before) / 1e6
