"""A model is for one thread at a time.

A layer keeps working memory, and what `forward` leaves for `backward`. Two threads that call one model at
once, or alternate within a pass, would read each other's numbers. Refused are therefore

    - a call while a call from another thread is running, whatever the two do;
    - `backward` in a thread other than that of the last `forward`.

A model may move from thread to thread, and every thread may have a model of its own: construct it in the same
way, and copy the weights with `load_state_dict(other.state_dict())`. Not detected: threads that share arrays
of weights, or an optimizer, but not the model; threads that take turns on one stream (`learn_online`).

A team of threads (kernels/team.py) works inside one call, and counts as one thread here.
"""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from threading import get_ident
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


class InUse(RuntimeError):
    """Another thread is using the model."""


def alone(function: Function) -> Function:
    """Decorate a method of a layer, or a function of a model: it has the model to itself while it runs.

    Raises
    ------
    InUse
        If another thread is in such a call.
    """
    first = next(iter(signature(function).parameters))

    @wraps(function)
    def call(*args, **kwargs):
        model = args[0] if args else kwargs.get(first)
        held_by, me = getattr(model, "_held_by", None), get_ident()
        if held_by is None or held_by.get("thread") == me:  # no layer of ours, or within such a call
            return function(*args, **kwargs)
        if held_by.setdefault("thread", me) != me:  # setdefault is atomic
            raise InUse(f"another thread is using this {type(model).__name__}: give each a model of its own")
        try:
            return function(*args, **kwargs)
        finally:
            held_by.clear()

    return call  # type: ignore[return-value]


def alone_with(attribute: str) -> Callable[[Function], Function]:
    """Decorate a method of an object that holds a model in `attribute`: it has that model to itself."""

    def decorate(method):
        held = alone(lambda model, self, *args, **kwargs: method(self, *args, **kwargs))

        @wraps(method)
        def call(self, *args, **kwargs):
            return held(getattr(self, attribute), self, *args, **kwargs)

        return call

    return decorate


def forward_alone(forward: Function) -> Function:
    """`forward` of a layer: alone, and its thread is remembered."""

    @wraps(forward)
    def call(layer, *args, **kwargs):
        layer._forward_thread = get_ident()
        return forward(layer, *args, **kwargs)

    return alone(call)


def backward_alone(backward: Function) -> Function:
    """`backward` of a layer: alone, and in the thread of the last forward pass."""

    @wraps(backward)
    def call(layer, *args, **kwargs):
        if layer._forward_thread not in (None, get_ident()):
            raise InUse(
                f"expected backward of this {type(layer).__name__} in the thread of its last forward pass"
            )
        return backward(layer, *args, **kwargs)

    return alone(call)
