"""Values quoted in messages, cut to a readable length: they may come from anywhere."""

import reprlib
from typing import Any

MOST = 80  # characters


def cut(text: Any, most: int = MOST) -> str:
    """Text on one line, of at most so many characters; "..." replaces what is left out."""
    text = text if isinstance(text, str) else str(text)
    if len(text) > 4 * most:  # before each character is examined
        text = text[: 2 * most] + text[-2 * most :]
    if not text.isprintable():  # line ends; but two spaces in a path stay two
        text = " ".join(text.split())
    if len(text) <= most:
        return text
    tail = (most - 3) // 3
    return f"{text[: most - 3 - tail]}...{text[len(text) - tail :]}"


def brief(value: Any, most: int = MOST) -> str:
    """`repr` of a value, cut; also of one that contains itself, or whose `repr` would not fit in memory."""
    return cut(_Brief().repr(value), most)


class _Brief(reprlib.Repr):
    def __init__(self):
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxdict = 3, 200, 200, 6

    def repr_int(self, value, level):
        if value.bit_length() > 256:  # Python refuses to write out more than 4300 digits
            return f"an integer of {value.bit_length()} bits"
        return repr(value)
