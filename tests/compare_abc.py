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
import shutil
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

from encoders.abc_collection import files_of, text_of
from encoders.abc_notation import AbcError, file_header, read_tune, split_tunes
from encoders.midi import MidiError, read_midi
from tests.plainer_abc import WAYS, plainer

CLOSE = 0.02  # of a quarter note; abc2midi rounds to 1/480
OPTIONS = ("-quiet", "-silent", "-NGRA", "-NGUI", "-NFER")
SECONDS = 20  # for a tune


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
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "tune.abc"), Path(folder, "tune.mid")
        source.write_text("\n".join([first, "%%MIDI chordattack 0", header, rest, ""]), encoding="utf-8")
        command = ["abc2midi", source, "-o", target, *options]
        try:
            subprocess.run(command, capture_output=True, check=False, timeout=SECONDS)
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
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        found = pool.imap(reason, [job for _, job in jobs], 20)
        for (path, (_, line, _)), kind in zip(jobs, found, strict=True):
            if kind:
                kinds[kind].append(f"{path}:{line}")
    differ = sum(map(len, kinds.values()))
    print(f"{len(jobs)} tunes, {len(jobs) - differ} the same ({1 - differ / max(1, len(jobs)):.2%})")
    for kind, where in sorted(kinds.items(), key=lambda row: -len(row[1])):
        print(f"{len(where):6}  {kind}")
        for place in where[: options.show]:
            print(f"            {place}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
