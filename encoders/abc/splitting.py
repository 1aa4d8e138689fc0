"""The text of an ABC file, and where its tunes begin and end, in files of all kinds.

Source: the ABC music standard 2.1, section 2.
"""

import re
from itertools import pairwise

from .lines import text_blocks

_LINE_END = re.compile(r"\r+\n|\r")
_FIELD = re.compile(r"[A-Za-z]:")
_MAILED = re.compile(r"=3D|=20$", re.MULTILINE)
_SOFT_END = re.compile(r"(?:=20)?=?$", re.MULTILINE)


def lines_of(text: str) -> list[str]:
    """The lines of a text, ended by LF, CR LF or CR."""
    return _LINE_END.sub("\n", text).split("\n")


def unmailed(text: str) -> str:
    """The text without the encoding of mail, "quoted-printable", that some tunes still have: =3D for =, =20.

    Only what cannot be music is decoded; lines stay lines.
    """
    if not _MAILED.search(text):
        return text
    return _SOFT_END.sub("", text).replace("=3D", "=")


def split_tunes(text: str) -> list[tuple[int, str]]:
    """The tunes of a file: a tune begins with an X: line and ends before the next one.

    What precedes the first one belongs to no tune. A file without such lines, but with keys, is read as tunes
    separated by empty lines, as folk-rnn and other networks write them.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of (line, text) : number of the first line, counted from 1; the tune without trailing blank lines
    """
    lines = lines_of(text)
    begins = _begins(lines) or _begins_without_numbers(lines)
    borders = pairwise([*begins, len(lines)])
    return [(begin + 1, "\n".join(lines[begin:end]).rstrip()) for begin, end in borders]


def file_header(text: str) -> str:
    """The lines before the first tune of a file, up to the first blank one: fields for all of its tunes."""
    lines = lines_of(text)
    begins = _begins(lines)
    before = "\n".join(lines[: begins[0]] if begins else []).lstrip("\n")
    return re.split(r"\n[ \t]*(?:\n|$)", before)[0]


def _begins(lines):
    """The indices of the X: lines that are not in a block of text."""
    found = [place for place, line in enumerate(lines) if line.startswith("X:")]
    blocks = text_blocks(lines) if found else ()
    return [place for place in found if place not in blocks]


def _begins_without_numbers(lines):
    """The indices where blocks of lines with a key begin; a block without one continues the tune before."""
    found, begin = [], 0
    for place, line in enumerate([*lines, ""]):
        if not line.strip():
            block = lines[begin:place]
            if block and _FIELD.match(block[0]) and any(row.startswith("K:") for row in block):
                found.append(begin)
            begin = place + 1
    return found


def decode(content: bytes) -> str:
    """The text of a file: UTF-8, UTF-16 with or without a mark, or else Latin-1, as in old ABC files.

    Raises
    ------
    ValueError
        If it is not text.
    """
    encoding = _encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise ValueError("not a text file") from None
        text = content.decode("latin-1")
    if "\0" in text:
        raise ValueError("not a text file")
    return text.lstrip("\ufeff")  # the mark, which some programs write twice


def _encoding(content):
    """UTF-16 shows by its mark, or because every other byte of most texts is 0."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    first, second = content[::2].count(0), content[1::2].count(0)
    if not first and 4 * second > len(content):
        return "utf-16-le"
    return "utf-16-be" if not second and 4 * first > len(content) else "utf-8"
