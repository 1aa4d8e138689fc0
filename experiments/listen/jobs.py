"""What the commands do."""

import math
import sys
from pathlib import Path

from experiments.common.errors import UserError, import_extra
from experiments.common.streams import say
from experiments.listen import analysis, dealing
from experiments.listen.names import lan_address, machine_names
from experiments.listen.pages import make_app
from experiments.listen.pieces import AUDIO, prepare
from experiments.listen.report import as_text, plural, write_csv
from experiments.listen.storage import NAME, Study

ANSWER_SECONDS = 6  # to think, rate and go on
SWITCH_SECONDS = (
    0.0005  # between threads: at Python's 0.005 the loop that reads waits behind those that compute
)


def run_serve(config):
    """`serve`."""
    expect_packages()  # before anything is copied
    from experiments.listen import server

    study, kinds, seconds = prepare(config, say)
    number = config.per_listener or dealing.default_number(kinds)
    number = min(number, sum(map(len, kinds.values())))
    if number < len(kinds):
        say(f"note: each listener hears {number} pieces of {len(kinds)} kinds, so not every kind")
    minutes = max(1, math.ceil(number * (seconds + ANSWER_SECONDS) / 60))
    names = [*machine_names(), config.host, *config.name]
    app = make_app(study, study.path.parent / AUDIO, kinds, number, minutes, config.seed, names)
    serving, port = server.make_server(app, config.host, config.port)
    say(f"{number} pieces for each listener, about {plural(minutes, 'minute')}")
    say(f"\nListen: {address(config.host, port)}   (Ctrl-C stops)")
    if config.host not in ("127.0.0.1", "localhost", "::1"):
        if config.host == "0.0.0.0" and (here := lan_address()):
            say(f"From other machines: {address(here, port)}")
        say("Whoever can reach this machine can take part.")
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        serving.run()
    finally:
        serving.close()
        began, finished, answers = study.counts()
        say(f"\n{plural(began, 'listener')}, {finished} finished, {plural(answers, 'answer')}")
        say(f"Results: python -m experiments.listen report {study.path.parent}")


def run_load(config):
    """`load`."""
    expect_packages()
    from experiments.listen.load import try_load

    try_load(config, say)


def expect_packages():
    for package in ("flask", "waitress"):
        import_extra(package, "listen")


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
