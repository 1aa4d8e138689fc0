"""A model is for one thread at a time.

A layer keeps buffers, and what `forward` leaves for `backward`. Two threads that call one model at once, or
in turns within a pass, would read each other's numbers. That is refused:

    - a call while a call of another thread runs, whatever the two do;
    - `backward` in another thread than the last `forward`.

A model may pass from thread to thread, and every thread may have a model of its own: make it in the same way,
and copy the weights with `load_state_dict(other.state_dict())`. Not seen: threads that share arrays of
weights, or an optimizer, beside the model; a stream (`learn_online`) that threads go on with by turns.

A team of threads (kernels/team.py) works inside of one call, and is one thread here.
"""

from functools import wraps
from inspect import signature
from threading import get_ident


class InUse(RuntimeError):
    """Another thread is using the model."""


def alone(function):
    """A method of a layer, or a function of a model, that has it to itself while it runs.

    Raises
    ------
    InUse
        If another thread is in such a call.
    """

    first = next(iter(signature(function).parameters))

    @wraps(function)
    def call(*args, **kwargs):
        model = args[0] if args else kwargs.get(first)
        running, me = getattr(model, "_running", None), get_ident()
        if running is None or running.get("thread") == me:  # no layer of ours, or within such a call
            return function(*args, **kwargs)
        if running.setdefault("thread", me) != me:  # one indivisible step
            raise InUse(f"another thread is using this {type(model).__name__}: give each a model of its own")
        try:
            return function(*args, **kwargs)
        finally:
            running.clear()

    return call


def alone_with(attribute):
    """A method that has the model which is an attribute to itself while it runs; see `alone`."""

    def decorate(method):
        held = alone(lambda model, self, *args, **kwargs: method(self, *args, **kwargs))

        @wraps(method)
        def call(self, *args, **kwargs):
            return held(getattr(self, attribute), self, *args, **kwargs)

        return call

    return decorate


def forward_alone(forward):
    """`forward` of a layer: alone, and its thread is remembered."""

    @wraps(forward)
    def call(layer, *args, **kwargs):
        layer._heard_in = get_ident()
        return forward(layer, *args, **kwargs)

    return alone(call)


def backward_alone(backward):
    """`backward` of a layer: alone, and in the thread of the last forward pass."""

    @wraps(backward)
    def call(layer, *args, **kwargs):
        if layer._heard_in not in (None, get_ident()):
            raise InUse(
                f"expected backward of this {type(layer).__name__} in the thread of its last forward pass"
            )
        return backward(layer, *args, **kwargs)

    return alone(call)
