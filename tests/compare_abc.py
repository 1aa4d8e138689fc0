"""Plays tunes with abc2midi and with our reader, and says where they differ.

    python -m tests.compare_abc FOLDER_OR_FILE ... [--show 5]
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from encoders.abc_collection import _files, _text
from encoders.abc_notation import AbcError, file_header, read_tune, split_tunes
from encoders.midi import MidiError, read_midi


def theirs(text, folder):
    source, target = Path(folder, "tune.abc"), Path(folder, "tune.mid")
    target.unlink(missing_ok=True)
    source.write_text(re.sub("(?m)^(X:.*\n)", "\\1%%MIDI chordattack 0\n", text, count=1) + "\n", encoding="utf-8")
    try:
        subprocess.run(["abc2midi", source, "-o", target, "-quiet", "-silent", "-NGRA", "-NGUI", "-NFER"], capture_output=True, check=False, timeout=20)
        score = read_midi(target)
    except subprocess.TimeoutExpired:
        return "hangs"
    except (MidiError, OSError):
        return []
    tracks = [t for t in score.tracks if t.notes]
    if not tracks: return []
    b = score.ticks_per_beat
    return sorted({(n.start / b, n.duration / b, n.pitch) for n in tracks[0].notes}, key=lambda n: (n[0], n[2]))


def ours(text, line=1, header=""):
    try:
        score = read_tune(text, line, header).score(graces=False)
    except AbcError as error:
        return str(error)
    b = score.ticks_per_beat
    return [(n.start / b, n.duration / b, n.pitch) for n in score.tracks[0].notes]


def same(a, b, tol=0.02):
    return len(a) == len(b) and not isinstance(a, str) and not isinstance(b, str) and all(x[2] == y[2] and abs(x[0] - y[0]) < tol and abs(x[1] - y[1]) < tol for x, y in zip(a, b))


def one(job):
    path, line, text, header = job
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        t = theirs(header + "\n" + text if header else text, folder)
    o = ours(text, line, header)
    if same(o, t):
        return None
    return str(path), line, text, header, o, t


def main():
    import multiprocessing
    jobs = []
    for p in sys.argv[2:]:
        for f in _files(Path(p)):
            try:
                c = _text(f)
            except ValueError:
                continue
            h = file_header(c)
            h = "\n".join(l for l in h.splitlines() if l[:2] in ("L:", "M:"))
            jobs += [(f, line, text, h) for line, text in split_tunes(c)]
    out = open(sys.argv[1], "w")
    n = 0
    per = Counter()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for r in pool.imap(one, jobs, 50):
            if r:
                n += 1
                per[Path(r[0]).parent.name] += 1
                out.write(json.dumps(r) + "\n")
    print(len(jobs), "tunes", n, "differ", per)

if __name__ == "__main__":
    main()
