"""What the commands do."""

from dataclasses import replace
from functools import partial

import numpy as np

from encoders.score import Score, Track
from experiments.common.compositions import HOW, how_made, write_how
from experiments.common.errors import UserError
from experiments.common.figures import held_out_curve
from experiments.common.midi_pieces import PARTS
from experiments.common.ngram_baseline import best_ngram, ranking
from experiments.common.progress import shown
from experiments.common.run_folder import RunFolder
from experiments.common.runner import (
    afterwards,
    begin_or_go_on,
    begin_or_resume,
    expect_sound,
    go_on_with,
    learn,
    with_data,
)
from experiments.common.settings import expect_resumed
from experiments.common.streams import say
from experiments.common.trained import composition, network_folders
from experiments.common.writing import write_piece
from experiments.piano import composing, figures, measured, report, runs
from experiments.piano.data import load
from experiments.piano.settings import Run, complete
from scratchnet.files import atomic_open

LEARNING = "validation pieces", "token"  # what is said of it
HUMAN = 4  # excerpts of test pieces, to be heard beside what networks compose
SAMPLES = "samples.json"  # what `python -m experiments.listen` plays


def run_all(config):
    """`python -m experiments.piano`."""
    if config.resume:
        expect_resumed(config)
        run, quiet = RunFolder.resume(config.resume), config.quiet
        config, go_on = complete(run.config(Run)), True
        expect_sound(run.folder / name for name in runs.networks_of(config))
    else:
        run, quiet, go_on = None, config.quiet, False
        config = complete(config)
    corpus = load(config, config.stretch)
    if run is None:
        run = RunFolder.create(config.out, "piano", config, config.overwrite)
    say(corpus.describe())
    judged, curves, samples, steps = {}, {}, [], {}
    again = go_on_with("python -m experiments.piano --resume", run.folder)
    for name, settings in runs.networks_of(config).items():
        say(f"\n{name}:")
        make = partial(runs.make_session, settings, corpus, again)
        session = begin_or_go_on(make, run.path(name), settings, go_on)
        learn(session, quiet, *LEARNING)
        network, encoder, _ = runs.load_network(session.run.folder)
        curves.setdefault(settings.model, []).append(held_out_curve(session.run.rows()))
        with afterwards(session):
            judged.setdefault(settings.model, []).append(judge_network(session.run, network, corpus, quiet))
            if settings.seed == config.seed:
                steps[settings.model] = session.trainer.best["step"]
                samples += compose_samples(run, network, encoder, corpus, config, settings.model)
    with afterwards(session):
        samples += human_samples(run, corpus, config)
        run.write_json(SAMPLES, samples)
        write_how(run.path(f"samples/{HOW}"), how_made("piano", run.folder, {"steps": steps}, config))
        rows = report.baselines(corpus, quiet)
        tell(run, judged, rows)
    ngram, nats = best_ngram(rows)
    figures.draw_learning(run.path("learning.png"), curves, {f"{ngram},\ntest": nats})
    say(f"\nEverything is in {run.folder}. Listen: {run.folder / 'samples'}")


def run_train(config):
    """`train`."""
    session, corpus, config = begin_or_resume(config, runs, lambda c: load(c, c.stretch))
    run = session.run
    say(corpus.describe())
    learn(session, config.quiet, *LEARNING)
    network, _, _ = runs.load_network(run.folder)
    with afterwards(session):
        found = judge_network(run, network, corpus, config.quiet)
        tell(run, {config.model: [found]}, report.baselines(corpus, config.quiet))
    say(f"\nThe run is in {run.folder}. Compose: python -m experiments.piano compose {run.folder}")


def judge_network(run, network, corpus, quiet):
    """Figures on the parts, all validation pieces among them; kept in the run's metrics."""
    found = {part: report.judge(network, corpus, part, quiet) for part in PARTS}
    run.write_metrics({"weights": network.parameter_count, **found})
    return found


def tell(run, judged, rows):
    """Print, draw, write the table."""
    text = report.table(judged, rows) + "\n\n" + ranking(judged, rows)
    with atomic_open(run.path("table.md")) as file:
        file.write(text + "\n")
    run.write_metrics({"networks": judged, "baselines": rows})
    figures.draw_scores(run.path("scores.png"), judged)
    say("\n" + text)


def run_evaluate(config):
    """`evaluate`."""
    folders = [folder for path in config.runs for folder in network_folders(path)]
    first = runs.settings_of(RunFolder.open(folders[0]))
    corpus = load(with_data(first, config.data))
    say(corpus.describe())
    judged, networks = {}, {}
    for folder in folders:
        run = RunFolder.open(folder)
        if not same_music(runs.settings_of(run), first):
            raise UserError(f"{folder}: learned from other music than {folders[0]}")
        network, encoder, metadata = runs.load_network(folder)
        model = metadata["config"]["model"]
        networks.setdefault(model, (network, encoder))  # of several seeds, the first one composes
        judged.setdefault(model, []).append(judge_network(run, network, corpus, config.quiet))
    out = RunFolder(config.out or config.runs[0])
    tell(out, judged, report.baselines(corpus, config.quiet))
    if config.n:
        measured.measure(out, networks, corpus, config, say)


def same_music(settings, others):
    """Whether two settings name the same music, shared out in the same way."""
    names = ("data", "limit", "split", "pedal", "grid_bpm")
    limited = settings.data is not None or (settings.preset == "quick") == (others.preset == "quick")
    return limited and all(getattr(settings, name) == getattr(others, name) for name in names)


def run_compose(config):
    """`compose`."""
    network, encoder, metadata = runs.load_network(config.run)
    begin = beginning(encoder, config)
    rng = np.random.default_rng([config.seed, 2])
    with composition("piano", config, metadata) as folder:
        pieces = composing.draw(network, encoder, begin, config.n, rng, config)
        for number, tokens in enumerate(pieces, 1):
            score = composing.as_score(encoder, tokens, len(begin), config.bpm)
            write_piece(folder, f"{number:02}", score, config.wav and config.engine)
            with atomic_open(folder / f"{number:02}.txt") as file:
                file.write(encoder.text(tokens) + "\n")
            figures.draw_attention(
                folder / f"{number:02}-attention.png", network, encoder, tokens, f"What {number:02} looked at"
            )
    say(f"{len(pieces)} pieces of {config.bars} bars are in {folder}")


def beginning(encoder, config):
    """The tokens to begin with: those of --prime, or none but the start."""
    if config.prime is None:
        return composing.beginning(encoder)
    return composing.primer(encoder, config.prime, config.prime_bars)


def compose_samples(run, network, encoder, corpus, config, model):
    """Pieces with and without a primer, as files; rows for samples.json."""
    rng = np.random.default_rng([config.seed, 2])
    primers = [beginning(encoder, config)] if config.prime else []
    if not primers:
        test = [corpus.pieces[k] for k in corpus.parts["test"]]
        primers = [excerpt_tokens(encoder, piece, config.prime_bars) for piece in test[: config.n]]
    rows = []
    starts = [composing.beginning(encoder)] * config.n
    both = ((False, starts), (True, primers))
    plan = [(primed, *pair) for primed, begins in both for pair in enumerate(begins, 1)]
    for primed, number, begin in shown(plan, "composing", "piece", config.quiet):
        tokens = composing.draw(network, encoder, begin, 1, rng, config)[0]
        name = f"samples/{model}-{'primed' if primed else 'free'}-{number}"
        score = composing.as_score(encoder, tokens, len(begin), config.bpm)
        write_piece(run.folder, name, score, config.engine)
        row = {"file": f"{name}.wav", "source": model, "primed": primed}
        if primed:
            row["primer_seconds"] = composing.seconds_of(encoder, begin, score)
        rows.append(row)
        picture = run.path(f"{name}-attention.png")
        figures.draw_attention(picture, network, encoder, tokens, f"What {model} looked at")
    return rows


def human_samples(run, corpus, config):
    """The beginnings of test pieces, as they are written down, as files; rows for samples.json."""
    rows = []
    test = shown(corpus.parts["test"][:HUMAN], "excerpts of test pieces", "piece", config.quiet)
    for number, k in enumerate(test, 1):
        tokens = excerpt_tokens(corpus.encoder, corpus.pieces[k], config.prime_bars + config.bars)
        name = f"samples/human-{number}"
        score = composing.as_score(corpus.encoder, tokens, 0, config.bpm)
        write_piece(run.folder, name, score, config.engine)
        row = {"file": f"{name}.wav", "source": "human", "primed": False}
        rows.append({**row, "title": corpus.pieces[k].title})
    return rows


def excerpt_tokens(encoder, piece, bars):
    """The first bars of a piece, without silence before the first note."""
    score = encoder.decode(piece.tokens)
    first = min(note.start for note in score.notes())
    unit = score.ticks_per_beat * 4
    notes = [replace(note, start=note.start - first // unit * unit) for note in score.notes()]
    return composing.first_bars(encoder, Score(score.ticks_per_beat, [Track("piano", notes)]), bars)
