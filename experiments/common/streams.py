"""Standard streams of a command: warnings as lines, streams that are closed or cannot say a letter."""

import contextlib
import os
import sys
import warnings

from scratchnet.messages import cut

LINE = 2000  # characters of a message, at most: two of the longest paths that people have


class WarningLines:
    """What Python calls to show a warning: one line on standard error, each distinct text once.

        blues train: warning: overflow encountered in exp

    label : str, whose warnings they are
    shown : texts that another process has shown before
    """

    def __init__(self, label, shown=()):
        self.label, self.shown = label, set(shown)

    def __call__(self, message, category, filename, lineno, file=None, line=None):
        text = " ".join(str(message).split())
        if text in self.shown:
            return
        self.shown.add(text)
        write_line(f"{self.label}: warning: {text}", file)


@contextlib.contextmanager
def warnings_as_lines(label):
    """Within the block, warnings are shown by `WarningLines`."""
    before = warnings.showwarning
    warnings.showwarning = WarningLines(label)
    try:
        yield
    finally:
        warnings.showwarning = before


def how_warnings_are_shown():
    """What `show_warnings_alike` needs in a new process; None unless they are shown as lines."""
    lines = warnings.showwarning
    return (lines.label, sorted(lines.shown)) if isinstance(lines, WarningLines) else None


def show_warnings_alike(how):
    """Show warnings in this process as in the one that began it."""
    if how is not None:
        warnings.showwarning = WarningLines(*how)


def write_line(text, file=None):
    """A line on standard error, above a progress bar; nothing where nobody can read it."""
    file = sys.stderr if file is None else file
    if file is None:
        return
    tqdm = sys.modules.get("tqdm")
    bars_aside = tqdm.tqdm.external_write_mode(file) if tqdm else contextlib.nullcontext()
    with contextlib.suppress(OSError), bars_aside:
        file.write(printable(cut(text, LINE)) + "\n")


def say(text=""):
    """Print lines at once, without what would control a terminal."""
    print("\n".join(map(printable, text.split("\n"))), flush=True)


def printable(text):
    """Text without what would control a terminal: escaped as in Python."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def mend_streams():
    """Let standard streams that are closed lead nowhere, and write what the encoding has not as escapes.

    A closed one would give its number to the next file that is opened, and that file whatever a library
    prints.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            _occupy(number)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))
    if getattr(sys.stdout, "errors", None) == "strict" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def _occupy(number):
    """See to it that a descriptor is open, also in processes that begin later."""
    try:
        os.fstat(number)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, number)  # to be inherited, even where the two are the same
        if nowhere != number:
            os.close(nowhere)
        os.set_inheritable(number, True)


def discard_broken_output():
    """If a standard stream cannot be written, send the rest nowhere: Python would complain again at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
