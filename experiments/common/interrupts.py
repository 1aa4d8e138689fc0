"""Ctrl-C between two steps of a long job, not in the middle of one."""

import contextlib
import signal
import threading


@contextlib.contextmanager
def deferred_interrupt():
    """Within the block the first Ctrl-C only sets the event that is yielded; a second one interrupts at once.

    The job looks at the event when its state is whole, saves it, and raises KeyboardInterrupt itself.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield pressed
        return

    def handler(number, frame):
        pressed.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
