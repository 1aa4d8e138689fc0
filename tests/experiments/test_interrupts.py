"""Ctrl-C between two steps of a job."""

import signal
import threading

import pytest

from experiments.common.interrupts import deferred_interrupt


@pytest.fixture(autouse=True)
def handler():
    """Python's own answer to Ctrl-C, KeyboardInterrupt; afterwards it must be back."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    after = signal.signal(signal.SIGINT, before)
    assert after is signal.default_int_handler


def press():
    signal.raise_signal(signal.SIGINT)


def test_the_first_press_only_sets_the_event():
    with deferred_interrupt() as pressed:
        assert not pressed.is_set()
        press()
        assert pressed.is_set()


def test_the_second_press_interrupts_at_once():
    with pytest.raises(KeyboardInterrupt), deferred_interrupt() as pressed:
        press()
        press()
    assert pressed.is_set()


def test_afterwards_the_first_press_interrupts_again():
    with deferred_interrupt():
        pass
    with pytest.raises(KeyboardInterrupt):
        press()


def test_an_exception_passes_and_the_handler_is_back(handler):
    with pytest.raises(ZeroDivisionError), deferred_interrupt():
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGINT) is handler


def test_in_another_thread_it_does_nothing(handler):
    """Only the main thread may set handlers."""
    seen = []

    def job():
        with deferred_interrupt() as pressed:
            seen.append((pressed.is_set(), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=job)
    thread.start()
    thread.join()
    assert seen == [(False, handler)]
