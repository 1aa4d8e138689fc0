"""ABC tunes written more plainly in one respect, to find out why two programs play them differently."""

import re

from encoders.abc_bars import sections_of
from encoders.abc_events import Sound
from encoders.abc_keys import parse_key
from encoders.abc_lines import scan


def plainer(text, tune, names):
    """(text, more options for abc2midi) of a tune written as these of WAYS say."""
    options = ()
    for name in names:
        change = WAYS[name]
        if isinstance(change, tuple):
            options += change
        else:
            text = change(text, tune)
    return text, options


def changed(text, change):
    """The text with `change(token)` for each token, None to keep it."""
    lines = text.split("\n")
    for token in reversed(list(scan(lines))):
        new = change(token)
        if new is not None:
            line, begin = lines[token.line - 1], token.column - 1
            lines[token.line - 1] = line[:begin] + new + line[begin + len(token.text) :]
    return "\n".join(lines)


def without(*kinds):
    return lambda text, tune: changed(text, lambda token: "" if token.kind in kinds else None)


def even(text, tune):
    """Without the field R:, by which abc2midi plays hornpipes unevenly."""
    return re.sub(r"^R:.*\n", "", text, flags=re.MULTILINE)


def begun(text, tune):
    """With |: where our reader begins a repeat for which no beginning is written."""
    lines, places = text.split("\n"), []
    for section in sections_of(tune.events):
        first = next((event for event in section.parts[0][2] if type(event) is Sound), None)
        if first and not section.explicit and max([section.times, *section.numbers()]) > 1:
            places.append((first.line - tune.first_line, first.column - 1))
    for line, column in reversed(places):
        lines[line] = lines[line][:column] + "|:" + lines[line][column:]
    return "\n".join(lines)


def simple_tuplets(text, tune):
    """With q written where the meter is in three but not compound: (5:2."""
    meters = re.findall(r"M:\s*([0-9]+)/", text)
    if set(meters) != {"3"}:
        return text
    return changed(text, lambda token: f"{token.text}:2" if re.fullmatch(r"\([579]", token.text) else None)


def without_empty_lines(text, tune):
    return re.sub(r"\n\s*\n", "\n", text)


def together(text, tune):
    """With colons and numbers of endings that stand apart from their bar lines at their sides."""
    text = re.sub(r"(\|)[ \t]*\\?\n[ \t]*:(?!\|)", r"\1:", text)
    return re.sub(r"(\|)[ \t]*\\?\n?[ \t]*([1-9](?=[ (A-Ga-g\"]))", r"\1\2 ", text)


def plain_keys(text, tune):
    """With keys that are written in a way of their own by their tonics."""

    def plain(found):
        try:
            parse_key(found[1])
        except ValueError:
            try:
                return "K:" + parse_key(found[1], liberal=True).name
            except ValueError:
                pass
        return found[0]

    return re.sub(r"^K:(.*)$", plain, text, flags=re.MULTILINE)


def bracketed(text, tune):
    """With fields in the midst of music in brackets."""
    head, key, body = text.partition("\nK:")
    body = re.sub(r"^([KLM]:\s*\S+)[ \t]+(?=\S)", r"[\1] ", body, flags=re.MULTILINE)
    return head + key + re.sub(r"(?<=[ |!])([KLMQ]:\S+)", r"[\1]", body)


WAYS = {
    "even notes of hornpipes": even,
    "ornaments and staccato": without("ornament", "decoration"),
    "hornpipes with ornaments": lambda text, tune: even(WAYS["ornaments and staccato"](text, tune), tune),
    "repeats without a beginning": begun,
    "chords of the old kind": ("-OCC",),
    "accidentals of grace notes": without("grace"),
    "tuplets in simple meters of three": simple_tuplets,
    "music after an empty line": without_empty_lines,
    "line breaks of the old kind": without("break"),
    "colons and numbers apart from bar lines": together,
    "keys in other languages": plain_keys,
    "fields in the midst of music": bracketed,
}
