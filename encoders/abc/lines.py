"""The lines of an ABC tune: which are fields, which are music, and which are neither.

Collections hold all kinds of text: prose between tunes, blocks of it between directives, sources, verses. By
the standard an empty line ends a tune; but in many tunes music goes on after one, and must not be lost.

Source: the ABC music standard 2.1, sections 2.2, 3 and 11.4.
"""

import re
from bisect import bisect
from collections.abc import Iterator, Sequence, Set

from .scanner import TOKEN, Token, scan_music

BODY_FIELDS = frozenset("IKLMNPQRTUVWmrsw+")  # that may stand in a tune's body, each on a line of its own
DEFINED = frozenset(".~HJLMOPRSTuvk")  # ornaments that have a meaning without a U: field

_FIELD = re.compile(r"([A-Za-z+]):(.*)", re.DOTALL)
_COMMENT = re.compile(r"(?<!\\)%.*", re.DOTALL)
_BLOCK = re.compile(r"%%(begin|end)([a-z]{1,9})\b", re.ASCII)
_SIGNS = re.compile(r"[0-9|:^_=/<>\[\]{}]")
_QUOTED = re.compile(r'"[^"]*"|![^!\s]*!|\+[^+\s]*\+')


def scan(lines: Sequence[str], first_line: int = 1) -> Iterator[Token]:
    """Tokens of the lines of a tune.

    Parameters
    ----------
    lines : list of str, without line ends
    first_line : number of the first one

    Yields
    ------
    Token
        Of the kinds in scanner.py, and "line", a field on a line of its own such as "K:D"; "directive",
        without its %%; "stray", "words" and "prose", text in the header, in the music and after an empty
        line; "gap", before music that follows an empty line; "end", at the end of a line of music.
    """
    header, gap, sounded = True, False, False
    ornaments = set(DEFINED)
    blocks = text_blocks(lines)
    for place, line in enumerate(lines):
        number = first_line + place
        if place in blocks:
            continue
        if line.startswith("%%"):
            yield Token("directive", line[2:], number, 1)
            continue
        text = _COMMENT.sub("", line)
        field = field_of(text, header)
        if field:
            header = header and field[0] != "K"
            if field[0] == "U":
                ornaments.update(field[1].strip()[:1])
            yield Token("line", text, number, 1)
        elif not text.strip():
            gap = gap or not (header or line.strip())
        elif header:
            yield Token("stray", text, number, 1)
        elif is_prose(text, gap, sounded, ornaments):
            yield Token("prose" if gap else "words", text, number, 1)
        else:
            if gap and sounded:
                yield Token("gap", text, number, 1)
            gap, sounded = False, True
            yield from scan_music(text, number)
            yield Token("end", "", number, len(text) + 1)


def field_of(line: str, header: bool = False) -> tuple[str, str] | None:
    """(letter, value) of a line that is an information field, else None.

    In the body, a line that begins with a note or a rest before a colon, as in "d:|", is music.
    """
    found = _FIELD.match(line)
    if not found:
        return None
    letter, value = found.groups()
    if header or letter in BODY_FIELDS:
        return letter, value
    music = letter.islower() or value.lstrip()[:1] in ("|", ":", "]")
    return None if music else (letter, value)


def text_blocks(lines: Sequence[str]) -> set[int]:
    """The indices of lines that lie between %%begintext and %%endtext, or others of that kind.

    A block without an end is ignored: better some strange notes than a lost tune.
    """
    ends: dict[str, list[int]] = {}
    begins, inside = [], set()
    for place, line in enumerate(lines):
        found = line.startswith("%%") and _BLOCK.match(line)
        if found and found[1] == "end":
            ends.setdefault(found[2], []).append(place)
        elif found:
            begins.append((place, found[2]))
    for place, name in begins:
        after = ends.get(name, [])
        following = bisect(after, place)
        if place not in inside and following < len(after):
            inside.update(range(place, after[following] + 1))
    return inside


def is_prose(line: str, gap: bool, sounded: bool, ornaments: Set[str] = DEFINED) -> bool:
    """Whether a line of a tune's body, without its comment, is text rather than music.

    Parameters
    ----------
    line : str
    gap : bool, whether an empty line precedes it
    sounded : bool, whether music precedes that
    ornaments : set of letters that may stand before notes
    """
    if not gap and "|" in line:
        return False
    bare = _QUOTED.sub(" ", line)
    words = [word for word in bare.split() if any(map(str.isalpha, word))]
    strange = sum(_is_strange(word, ornaments) for word in words)
    if not gap:
        return strange >= 2 and 2 * strange > len(words)
    if "|" in bare:
        return 2 * strange > len(words)
    if not words:
        return True
    return strange > 0 or sounded and not _SIGNS.search(bare)


def _is_strange(word, ornaments):
    """Whether a word has letters that music does not have."""
    place, ornament = 0, False
    while place < len(word):
        found = TOKEN.match(word, place)
        kind = found.lastgroup
        if kind == "other" and found[0].isalpha() or kind == "ornament" and found[0] not in ornaments:
            return True
        ornament = kind == "ornament" and found[0].isalpha()
        place = found.end()
    return ornament and len(word) > 1
