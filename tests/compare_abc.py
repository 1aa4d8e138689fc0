"""Plays tunes with abc2midi and by our reader, and says where and why the notes differ; a contributor's tool.

    python -m tests.compare_abc FOLDER_OR_FILE ... [--show 3] [--processes 2]

Two tunes are the same if their notes have the same pitches, and the same onsets and durations but for 0.02 of
a quarter note; grace notes, whose time nobody has laid down, are left out of both. Where they differ, both
play the tune once more, written more plainly in one respect: if that makes them the same, it was the reason.
A tune that one respect does not explain is tried with all of them.

Needs abc2midi (Debian: abcmidi); without it nothing is compared, and the exit status is 0.
"""

import argparse
import multiprocessing
import re
import shutil
import subprocess
import tempfile
import warnings
from collections import defaultdict
from pathlib import Path

from encoders.abc import AbcError, file_header, read_tune, split_tunes
from encoders.abc.bars import sections_of
from encoders.abc.collection import files_of, text_of
from encoders.abc.events import Sound
from encoders.abc.keys import parse_key
from encoders.abc.lines import scan
from encoders.midi import MidiError, MidiWarning, read_midi
from experiments.common.progress import Progress

CLOSE = 0.02  # of a quarter note; abc2midi rounds to 1/480
OPTIONS = ("-quiet", "-silent", "-NGRA", "-NGUI", "-NFER")
SECONDS = 20  # for a tune


# ---------------------------------------------------------------------- both ways to play


def ours(text, line=1, header=""):
    """[(onset, duration, pitch)] in quarter notes by our reader; empty where it refuses."""
    try:
        score = read_tune(text, line, header).score(graces=False)
    except AbcError:
        return []
    return notes_of(score.tracks[0], score.ticks_per_beat)


def theirs(text, header="", options=OPTIONS):
    """The same by abc2midi: a list for each voice."""
    first, _, rest = text.partition("\n") if text.startswith("X:") else ("X:1", "", text)
    lines = [first, "%%MIDI chordattack 0", *([header] if header else []), rest, ""]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "tune.abc"), Path(folder, "tune.mid")
        source.write_text("\n".join(lines), encoding="utf-8")
        command = ["abc2midi", source, "-o", target, *options]
        try:
            subprocess.run(command, capture_output=True, check=False, timeout=SECONDS)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", MidiWarning)  # of two notes in unison it ends one
                score = read_midi(target)
        except (MidiError, OSError, subprocess.TimeoutExpired):
            return []
    return [notes_of(track, score.ticks_per_beat) for track in score.tracks if track.notes]


def notes_of(track, ticks):
    notes = {(note.start / ticks, note.duration / ticks, note.pitch) for note in track.notes}
    return sorted(notes, key=lambda note: (round(note[0], 2), note[2]))


def alike(mine, other):
    """Whether two lists of notes are the same as far as abc2midi's ticks can tell."""
    return len(mine) == len(other) and all(
        a[2] == b[2] and abs(a[0] - b[0]) < CLOSE and abs(a[1] - b[1]) < CLOSE
        for a, b in zip(mine, other, strict=True)
    )


def reason(job):
    """None where both play the same, else the name of the way to write it that explains the difference.

    Parameters
    ----------
    job : (text, line, header)
    """
    text, line, header = job
    mine = ours(text, line, header)
    if same(mine, theirs(text, header)):
        return None
    tune = read_or_none(text, line, header)
    if tune is None:
        return "refused by us" if theirs(text, header) else None
    for names in [[name] for name in WAYS] + [list(WAYS)]:
        plain, options = plainer(text, tune, names)
        if same(ours(plain, line, header), theirs(plain, header, OPTIONS + options)):
            return names[0] if len(names) == 1 else "several of these"
    return "not explained"


def same(mine, voices):
    return any(alike(mine, voice) for voice in voices or [[]])


def read_or_none(text, line, header):
    try:
        return read_tune(text, line, header)
    except AbcError:
        return None


# ------------------------------------------------------------------ the same, more plainly


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
    tune = read_or_none(text, 1, tune.header) or tune  # other ways may have moved its lines
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


# -------------------------------------------------------------------------------- the command


def jobs_of(paths):
    """[(path, (text, line, header))] of all tunes."""
    found = []
    for path in files_of(paths):
        try:
            text = text_of(path)
        except ValueError:
            continue
        header = "\n".join(line for line in file_header(text).split("\n") if line[:2] in ("L:", "M:"))
        found += [(path, (tune, line, header)) for line, tune in split_tunes(text)]
    return found


def main(argv=None):
    """Compare, count, show."""
    parser = argparse.ArgumentParser(prog="python -m tests.compare_abc", description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="+", metavar="FOLDER_OR_FILE")
    parser.add_argument("--show", type=int, default=3, help="tunes named of each kind")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(argv)
    if shutil.which("abc2midi") is None:
        print("abc2midi is not on this machine: nothing is compared")
        return 0
    jobs, kinds = jobs_of(options.paths), defaultdict(list)
    context = multiprocessing.get_context("spawn")
    with context.Pool(options.processes) as pool, Progress(len(jobs), "comparing", "tune") as bar:
        found = pool.imap(reason, [job for _, job in jobs], 20)
        for (path, (_, line, _)), kind in zip(jobs, found, strict=True):
            if kind:
                kinds[kind].append(f"{path}:{line}")
            bar.update(1)
    differ = sum(map(len, kinds.values()))
    print(f"{len(jobs)} tunes, {len(jobs) - differ} the same ({1 - differ / max(1, len(jobs)):.2%})")
    for kind, where in sorted(kinds.items(), key=lambda row: -len(row[1])):
        print(f"{len(where):6}  {kind}")
        for place in where[: options.show]:
            print(f"            {place}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
