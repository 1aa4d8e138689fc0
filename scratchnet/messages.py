"""Values in messages, cut to a length that can be read: they may be a stranger's."""

import reprlib

MOST = 80  # characters


def cut(text, most=MOST):
    """Text in one line and of so many characters at most; what is left out stands as "..."."""
    text = text if isinstance(text, str) else str(text)
    if len(text) > 4 * most:  # before it is looked at letter by letter
        text = text[: 2 * most] + text[-2 * most :]
    if not text.isprintable():  # line ends; but two blanks in a path stay two
        text = " ".join(text.split())
    if len(text) <= most:
        return text
    tail = (most - 3) // 3
    return f"{text[: most - 3 - tail]}...{text[len(text) - tail :]}"


def brief(value, most=MOST):
    """`repr` of a value, cut; also of one that holds itself, or is larger than memory when written out."""
    return cut(_Brief().repr(value), most)


class _Brief(reprlib.Repr):
    def __init__(self):
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxdict = 3, 200, 200, 6

    def repr_int(self, value, level):
        if value.bit_length() > 256:  # Python refuses to write out more than 4300 digits
            return f"an integer of {value.bit_length()} bits"
        return repr(value)
