"""The pieces of a test: read from the run folders, copied into the folder of the test, registered there."""

import hashlib
import math
from pathlib import Path

from experiments.common.errors import UserError
from experiments.common.progress import Progress
from experiments.common.samples import read_runs
from experiments.listen.analysis import Kind
from experiments.listen.sound import take_in
from experiments.listen.storage import NAME, Study
from scratchnet.messages import cut

AUDIO = "audio"
MOST_NAME = 80  # characters of the names of runs, in the name of a folder


def default_folder(config):
    """Where the test of these runs is: the same for the same runs, in whatever order."""
    folders = [*config.runs, *([config.human] if config.human else [])]
    name = "-".join(sorted(folder.resolve().name for folder in folders))
    if len(name) > MOST_NAME:
        name = f"{name[:MOST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return Path("runs", f"listen-{name}")


def prepare(config, say):
    """The pieces copied and registered; says what there is.

    config : Serve
    say : function of a text
    Returns study : Study; kinds : dict Kind -> list of sample ids; seconds : float, mean length of a piece.
    Raises UserError if a piece cannot be taken, or the test is there already and has other pieces.
    """
    out = config.out or default_folder(config)
    samples, audio = read_runs(config.runs, config.human), out / AUDIO
    is_there = (out / NAME).is_file()
    if is_there:
        had = Study(out / NAME).samples()
        if had and not config.change_runs:
            refuse_others(out, had, samples, copy(samples, None, config.level))
    try:
        audio.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{audio}: cannot make this folder ({error.strerror})") from None
    study = Study(out / NAME, create=True)  # before anything is copied: it may be another's file
    taken = list(zip(samples, copy(samples, audio, config.level), strict=True))
    rows = [(h.digest, s.source, s.primed, s.title, s.primer_seconds, h.seconds) for s, h in taken]
    study.add_samples(rows)  # all or none
    kinds = {
        kind: study.add_samples(row for row in rows if row[1:3] == kind)
        for kind in sorted({Kind(sample.source, sample.primed) for sample in samples})
    }
    say_kinds(kinds, taken, say)
    return study, kinds, sum(heard.seconds for _, heard in taken) / len(taken)


def copy(samples, folder, level):
    """What each sample sounds like, after copying it into a folder, if one is given: list of Heard."""
    found = []
    with Progress(len(samples), "pieces", "piece", quiet=len(samples) < 20) as bar:
        for sample in samples:
            found.append(take_in(sample.path, folder, level))
            bar.update(1)
    return found


def refuse_others(out, had, samples, heard):
    """A UserError if the pieces are not those that the test in `out` had: set of (digest, source, primed)."""
    given = {(h.digest, s.source, s.primed) for s, h in zip(samples, heard, strict=True)}
    if given == had:
        return
    before, now = (cut(", ".join(sorted({source for _, source, _ in rows}))) for rows in (had, given))
    if before != now:
        what = f"plays {before}, and the runs given have {now}"
    else:
        same = f"{len(had & given)} of the {len(given)} given now are among its {len(had)}"
        what = f"plays other pieces of {now}: {same}"
    raise UserError(
        f"{out}: the study in this folder {what}; name another folder with --out, or say --change-runs "
        "if new listeners are to hear the pieces given now"
    )


def say_kinds(kinds, taken, say):
    """A line for each kind: how many pieces, how long, how loud they were."""
    width = max(6, *(len(str(kind)) for kind in kinds))
    say(f"{'':{width}}  pieces  seconds       loudness before levelling")
    for kind, ids in kinds.items():
        rows = [heard for sample, heard in taken if (sample.source, sample.primed) == kind]
        lengths = [heard.seconds for heard in rows]
        power = sum(10 ** (heard.loudness / 10) for heard in rows) / len(rows)
        loudness = f"{10 * math.log10(power):.0f} dB" if power else "silent"
        span = f"{min(lengths):.1f} to {max(lengths):.1f}"
        say(f"{kind!s:{width}}  {len(ids):6}  {span:12}  {loudness}")
