"""The tunes of an ABC file: where each begins and ends, in files of all kinds.

Source: the ABC music standard 2.1, section 2.
"""

import re

from encoders.abc_lines import text_blocks

_LINE_END = re.compile(r"\r+\n|\r")
_FIELD = re.compile(r"[A-Za-z]:")


def lines_of(text):
    """The lines of a text, whose ends may be LF, CR LF or CR."""
    return _LINE_END.sub("\n", text).split("\n")


def split_tunes(text):
    """The tunes of a file: a tune begins with a line X: and ends before the next one.

    What stands before the first one belongs to no tune. A file without any such line, but with keys, is taken
    as tunes that empty lines part, as folk-rnn and other networks write them.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of (line, text) : number of the first line, counted from 1; the tune without blank lines at its end
    """
    lines = lines_of(text)
    begins = _begins(lines) or _begins_without_numbers(lines)
    ends = [*begins[1:], len(lines)]
    return [
        (begin + 1, "\n".join(lines[begin:end]).rstrip()) for begin, end in zip(begins, ends, strict=True)
    ]


def file_header(text):
    """What stands before the first tune of a file, up to the first blank line: fields that hold for all."""
    lines = lines_of(text)
    begins = _begins(lines)
    before = "\n".join(lines[: begins[0]] if begins else []).lstrip("\n")
    return re.split(r"\n[ \t]*(?:\n|$)", before)[0]


def _begins(lines):
    """The places of the lines X: that stand in no block of text."""
    found = [place for place, line in enumerate(lines) if line.startswith("X:")]
    blocks = text_blocks(lines) if found else ()
    return [place for place in found if place not in blocks]


def _begins_without_numbers(lines):
    """The places where blocks of lines begin that have a key; blocks without one go on with the tune before."""
    found, begin = [], 0
    for place, line in enumerate([*lines, ""]):
        if not line.strip():
            block = lines[begin:place]
            if block and _FIELD.match(block[0]) and any(row.startswith("K:") for row in block):
                found.append(begin)
            begin = place + 1
    return found
