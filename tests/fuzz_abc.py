"""Damages ABC tunes and reads them, with limits of time and memory; not a test, but where tests come from.

    python -m tests.fuzz_abc FOLDER ... [--files 20000] [--first 0]

Damaged text number n is always the same, given the same folders. What is neither read nor refused with the
documented error, in time, is printed with its number and kept in the folder `fuzzed`.
"""

import contextlib

import numpy as np

from encoders.abc import AbcError, file_header, read_tune, split_tunes, write_tune
from encoders.abc.collection import MOST_CHARACTERS, files_of, text_of
from encoders.abc.splitting import decode
from encoders.abc.transposition import transpose_tune
from encoders.melody import melody
from encoders.tokens.characters import normal

MOST = 4000  # characters of a tune to damage
TELLING = (
    *"|1-2-3 [1-2-3 |: :| :: [|]:| |]:| ||:| [| |] [1 |2 [ ] + & && (& &) (3 (10:6:4 (999:99:9".split(),
    *"> < <<< - ( ) { } {/g} !D.C.! $ * \\ % z4 Z9 X99 Z9999 ^/c _3/4d ^9999c ^^ __ = A0 A/0 A////".split(),
    *"A9999 /7 2 3/ , ' [K:G] [K:H] [M:3/4] [L:1/512] [Q:9999] [V:2] [P:B] K:Dmix=c M:0/0 ~ T u y y9".split(),
    *('"', "!", " : ", " 1 ", "é", "\0", "\r", "\n", "\n\n", "\nA bad cabbage\n"),
)
LINES = (
    *"V:2 P:A P:((AB)9C)99 K:C K:none X:2 %%begintext %%endtext L:1/512 M:255/1 M:none I:x w:la".split(),
    *("V:1 clef=treble-8", "%%MIDI transpose -99", "Z: by me", "Q:1/4=0", "+:more"),
)


def sources(folders):
    """Tunes in the ABC files of folders, as text with the header of their file."""
    found = []
    for path in files_of(folders):
        with contextlib.suppress(ValueError):
            text = text_of(path)
            found += [f"{file_header(text)}\n{tune}"[:MOST] for _, tune in split_tunes(text)]
    return found


def damaged(originals, number):
    """Damaged text `number`, as bytes."""
    rng = np.random.default_rng([number, 7])
    text = originals[rng.integers(len(originals))]
    for _ in range(rng.integers(1, 9)):
        at = int(rng.integers(len(text) + 1))
        until = at + int(rng.integers(1, 30))
        kind = rng.integers(8)
        if kind == 0:
            text = text[:at] + text[until:]
        elif kind == 1:
            text = text[:until] + text[at:until] * int(rng.integers(1, 40)) + text[until:]
        elif kind == 2:
            other = originals[rng.integers(len(originals))]
            begin = int(rng.integers(len(other) + 1))
            text = text[:at] + other[begin : begin + 60] + text[at:]
        elif kind == 3:
            text = text[:at] + chr(rng.integers(32, 127)) + text[at + 1 :]
        elif kind == 4:
            text = text[:at] + "\n" + LINES[rng.integers(len(LINES))] + "\n" + text[at:]
        else:
            text = text[:at] + TELLING[rng.integers(len(TELLING))] * int(rng.integers(1, 4)) + text[at:]
    return text.encode()


def examine(data):
    """What became of the tunes of a file: words; whatever is raised but the documented error is a fault."""
    try:
        text = decode(data)
    except ValueError as error:
        return one_line(error)
    header, words = file_header(text), []
    for line, tune in split_tunes(text):
        if len(tune) > MOST_CHARACTERS:
            continue
        try:
            words.append(examine_tune(read_tune(tune, line, header)))
        except AbcError as error:
            words.append(one_line(error).partition(": ")[2])
    return words[0] if words else "no tune"


def examine_tune(tune):
    """Play it, move it, write it; what comes back must be the same."""
    for problem in tune.problems:
        one_line(problem)
        if problem.line < 1 or problem.column < 1:
            raise AssertionError(f"no such place: {problem}")
    score = tune.score()
    written = tune.score(repeats=False, graces=False)
    if not score.notes() or not written.notes():
        raise AssertionError("nothing sounds")
    melody(written)
    with contextlib.suppress(AbcError):
        read_tune(normal(tune.text), header=tune.header).score(repeats=False)
    with contextlib.suppress(ValueError):
        read_tune(transpose_tune(normal(tune.text), 3), header=tune.header)
    try:
        text = write_tune(written)
    except ValueError:  # lengths or tempos that ABC cannot write
        return "read"
    again = read_tune(text).score(ticks_per_beat=written.ticks_per_beat)
    if [(n.start, n.duration, n.pitch) for n in again.notes()] != [
        (n.start, n.duration, n.pitch) for n in written.notes()
    ]:
        raise AssertionError("what was written does not come back")
    return "read"


def one_line(message):
    message = str(message)
    if len(message.splitlines()) != 1 or len(message) > 300:
        raise AssertionError(f"expected one short line: {message!r:.400}")
    return message


if __name__ == "__main__":
    from tests.fuzzing import run

    raise SystemExit(run("tests.fuzz_abc", __doc__.splitlines()[0]))
