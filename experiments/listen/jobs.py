"""What the commands do."""

import math
import socket
from pathlib import Path

from experiments.errors import UserError, import_extra
from experiments.listen import analysis, dealing
from experiments.listen.pages import make_app
from experiments.listen.report import as_text, plural, write_csv
from experiments.listen.samples import read_runs
from experiments.listen.sound import take_in
from experiments.listen.storage import NAME, Study

AUDIO = "audio"
ANSWER_SECONDS = 6  # to think, rate and go on
THREADS = 8
MOST_BODY_BYTES = 65536


def say(text=""):
    print(text, flush=True)


def run_serve(config):
    """`serve`."""
    for package in ("flask", "waitress"):  # before anything is copied
        import_extra(package, "listen")
    study, kinds, seconds = prepare(config)
    number = config.per_listener or dealing.default_number(kinds)
    number = min(number, sum(map(len, kinds.values())))
    if number < len(kinds):
        say(f"note: each listener hears {number} pieces of {len(kinds)} kinds, so not every kind")
    minutes = max(1, math.ceil(number * (seconds + ANSWER_SECONDS) / 60))
    app = make_app(study, config.out / AUDIO, kinds, number, minutes, config.seed)
    server, port = make_server(app, config.host, config.port)
    say(f"{number} pieces for each listener, about {plural(minutes, 'minute')}")
    say(f"\nListen: {address(config.host, port)}   (Ctrl-C stops)")
    if config.host not in ("127.0.0.1", "localhost", "::1"):
        say("Whoever can reach this machine can take part.")
    try:
        server.run()
    finally:
        server.close()
        began, finished, answers = study.counts()
        say(f"\n{plural(began, 'listener')}, {finished} finished, {plural(answers, 'answer')}")
        say(f"Results: python -m experiments.listen report {config.out}")


def prepare(config):
    """The pieces copied and registered; says what there is.

    Returns
    -------
    study : Study
    kinds : dict Kind -> list of sample ids
    seconds : float, mean length of a piece
    """
    samples = read_runs(config.runs, config.human)
    audio = config.out / AUDIO
    try:
        audio.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{audio}: cannot make this folder ({error.strerror})") from None
    study = Study(config.out / NAME, create=True)
    taken = [(sample, take_in(sample.path, audio, config.level)) for sample in samples]
    kinds = {}
    for kind in sorted({analysis.Kind(sample.source, sample.primed) for sample in samples}):
        rows = [(s, h) for s, h in taken if (s.source, s.primed) == kind]
        kinds[kind] = study.add_samples(
            (h.digest, s.source, s.primed, s.title, s.primer_seconds, h.seconds) for s, h in rows
        )
    say_kinds(kinds, taken)
    return study, kinds, sum(heard.seconds for _, heard in taken) / len(taken)


def say_kinds(kinds, taken):
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


def make_server(app, host, port):
    """A waitress server that has its socket already, and the port. Raises UserError if it cannot have it."""
    waitress = import_extra("waitress", "listen")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no such address"
        raise UserError(
            f"cannot listen on {host}, port {port} ({reason}); try other --host or --port"
        ) from None
    limits = {"threads": THREADS, "max_request_body_size": MOST_BODY_BYTES}
    return waitress.create_server(app, sockets=[bound], ident=None, **limits), bound.getsockname()[1]


def address(host, port):
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}/"


def run_report(config):
    """`report`."""
    path = Path(config.study)
    study = Study(path / NAME if path.is_dir() else path)
    out = config.out or study.path.parent
    ratings = study.ratings()
    means, comparisons = analysis.means(ratings), analysis.comparisons(ratings)
    say(as_text(ratings, means, comparisons, study.counts()))
    if not ratings:
        return
    from experiments.listen.figures import draw_means

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out}: cannot make this folder ({error.strerror})") from None
    write_csv(out, ratings, means, comparisons)
    draw_means(out / "ratings.png", means, analysis.by_listener(ratings))
    say(f"\nThe figure (ratings.png) and CSV files are in {out}")
