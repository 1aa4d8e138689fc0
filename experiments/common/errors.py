"""Failures that a user can put right: bad input, and packages that are not installed."""

import contextlib
import importlib


class UserError(Exception):
    """Something the user can put right; the message is one line: which file or flag, what was expected."""


@contextlib.contextmanager
def settings_refused():
    """A ValueError with which scratchnet refuses to make a network or an optimizer, as a UserError."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"these settings: {error}") from None


def import_extra(module, extra="experiments"):
    """Import a module of an optional package.

    Raises ImportError if it is not installed; one line with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # the package is there, but broken
        raise ImportError(f'{package} is not installed; try: pip install "scratchnet[{extra}]"') from None
