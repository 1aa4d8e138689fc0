"""What the commands do."""

from functools import partial

import numpy as np

from experiments.classical import composing, figures, report, runs
from experiments.classical.data import load
from experiments.classical.repetition import in_words, repetition, summary
from experiments.classical.settings import Run, complete
from experiments.common.compositions import HOW, home_of, how_made, write_how
from experiments.common.errors import UserError
from experiments.common.figures import held_out_curve
from experiments.common.ngram_baseline import best_ngram
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
from scratchnet.files import atomic_open

LEARNING = "validation pieces", "symbol"  # what is said of it
HUMAN = 2  # excerpts of test pieces, to be heard beside what networks compose
JUDGED_PIECES = 50  # of as many symbols as are composed, by people, for the figures of repetition
SAMPLES = "samples.json"  # what `python -m experiments.listen` plays


def run_all(config):
    """`python -m experiments.classical`."""
    resume = config.resume is not None
    if resume:
        expect_resumed(config)
        run, quiet = RunFolder.resume(config.resume), config.quiet
        config = complete(run.config(Run))
    else:
        run, quiet = None, config.quiet
        config = complete(config)
    runs.expect_architectures(config.architectures)
    if resume:
        expect_sound(run.folder / build for build in config.architectures)
    corpus = load(config)
    if run is None:
        run = RunFolder.create(config.out, "classical", config, config.overwrite)
    say(corpus.describe())
    judged, curves, samples, repeated = {}, {}, [], {}
    again = go_on_with("python -m experiments.classical --resume", run.folder)
    for build in config.architectures:
        say(f"\n{build}:")
        settings = runs.train_settings(config, architecture=build)
        make = partial(runs.make_session, settings, corpus, again)
        session = begin_or_go_on(make, run.path(build), settings, resume)
        learn(session, quiet, *LEARNING)
        network, _, _, _ = runs.load_network(session.run.folder)
        with afterwards(session):
            judged[build] = [report.judge_run(session, network, corpus, quiet=quiet)]
        picture_of_embedding(session.run, network, corpus)
        curves[build] = [held_out_curve(session.run.rows())]
        rows, repeated[build] = compose_samples(run, network, corpus, config, build, quiet)
        samples += rows
    rows, repeated["human"] = human_samples(run, corpus, config)
    run.write_json(SAMPLES, samples + rows)
    steps = {build: found["best_step"] for build, (found,) in judged.items()}
    write_how(run.path(f"samples/{HOW}"), how_made("classical", run.folder, {"steps": steps}, config))
    run.write_metrics({"repetition": repeated})
    tell(run, judged, curves, corpus, quiet)
    say(f"\nEverything is in {run.folder}. Listen: {run.folder / 'samples'}")


def run_train(config):
    """`train`."""
    runs.expect_architectures([config.architecture])
    session, corpus, config = begin_or_resume(config, runs, load)
    run = session.run
    say(corpus.describe())
    learn(session, config.quiet, *LEARNING)
    network, _, _, _ = runs.load_network(run.folder)
    with afterwards(session):
        found = report.judge_run(session, network, corpus, quiet=config.quiet)
        curves = {config.architecture: [held_out_curve(run.rows())]}
        tell(run, {config.architecture: [found]}, curves, corpus, config.quiet)
    picture_of_embedding(run, network, corpus)
    say(f"\nThe run is in {run.folder}. Compose: python -m experiments.classical compose {run.folder}")


def tell(run, judged, curves, corpus, quiet):
    """Print, draw, write the table."""
    rows = report.baselines(corpus, quiet=quiet)
    text = report.table(judged, rows) + "\n\n" + report.verdict(judged, rows)
    with atomic_open(run.path("table.md")) as file:
        file.write(text + "\n")
    run.write_metrics({"builds": judged, "baselines": rows})
    ngram = best_ngram(report.baselines(corpus, "valid", quiet))
    figures.draw_learning(run.path("learning.png"), curves, *ngram)
    say("\n" + text)


def picture_of_embedding(run, network, corpus):
    """embedding.png, and how alike the vectors of notes by interval; nothing without an embedding."""
    if "0.weight" not in network.params or type(network.layers[0]).__name__ != "Embedding":
        return
    pitches, vectors = note_vectors(network, corpus.encoder, corpus.vocabulary)
    if len(pitches) < 3:
        return
    figures.draw_embedding(run.path("embedding.png"), pitches, vectors, "single notes")
    alike = figures.similarity_by_interval(pitches, vectors)
    run.write_metrics({"similarity by semitones": alike})
    say("\nsimilarity of notes so many semitones apart: ")
    say(", ".join(f"{d}: {value:+.2f}" for d, value in alike.items() if d <= 14 or d == 24))


def note_vectors(network, encoder, vocabulary):
    """Rising pitches (N,) and the mean vector (N, E) of each pitch's single-note symbols of all lengths."""
    found = {}
    for token, name in enumerate(vocabulary.names):
        pitches, _ = encoder.parse(name)
        if len(pitches) == 1:
            found.setdefault(pitches[0], []).append(network.params["0.weight"][token])
    pitches = sorted(found)
    return np.array(pitches), np.array([np.mean(found[pitch], axis=0) for pitch in pitches]).reshape(
        len(pitches), -1
    )


def run_evaluate(config):
    """`evaluate`."""
    folders = [folder for path in config.runs for folder in network_folders(path)]
    judged, curves, first = {}, {}, None
    for folder in folders:
        run = RunFolder.open(folder)
        settings = runs.settings_of(run)
        network, encoder, vocabulary, _ = runs.load_network(folder)
        own = load(settings, vocabulary, encoder)
        corpus = load(with_data(settings, config.data), vocabulary, encoder) if config.data else own
        if first is None:
            first = corpus
            say(corpus.describe())
        elif vocabulary.names != first.vocabulary.names:
            raise UserError(f"{folder}: learned from other music than {folders[0]}")
        session = runs.make_session(settings, own)
        session.restore(run)
        found = report.judge_run(session, network, corpus, not config.data, config.quiet)
        judged.setdefault(settings.architecture, []).append(found)
        curves.setdefault(settings.architecture, []).append(held_out_curve(run.rows()))
    tell(RunFolder(config.out or config.runs[0]), judged, curves, first, config.quiet)


def run_compose(config):
    """`compose`."""
    network, encoder, vocabulary, metadata = runs.load_network(config.run)
    rng, window = np.random.default_rng([config.seed, 2]), metadata["config"]["window"]
    if config.prime:
        tokens, unknown = composing.primer(encoder, vocabulary, config.prime, window)
        if unknown:
            say(f"{unknown} of the {window} symbols of {config.prime} are not known to the network")
        primers = [tokens] * config.n
    else:
        settings = runs.settings_of(RunFolder.open(home_of(config.run)))
        corpus = load(with_data(settings, config.data), vocabulary, encoder)
        primers = composing.test_windows(corpus, config.n, rng)
    with composition("classical", config, metadata) as folder:
        drawn = composing.draw(network, vocabulary, primers, rng, config, config.quiet)
        for number, (given, tokens) in enumerate(zip(primers, drawn.T, strict=True), 1):
            symbols = vocabulary.decode(tokens)
            write_composition(
                folder, f"{number:02}", encoder, vocabulary.decode(given), symbols, config, config.wav
            )
            say(f"{number:02}: {in_words(repetition(encoder, symbols))}")
    say(f"{config.n} pieces of {config.length} symbols are in {folder}")


def run_search(config):
    """`search`."""
    from experiments.classical.search import search

    search(config, say)


def run_transfer(config):
    """`transfer`."""
    from experiments.classical.transfer import run_transfer

    run_transfer(config, say)


def compose_samples(run, network, corpus, config, build, quiet):
    """Pieces that begin with windows of test pieces, as files; rows for samples.json, Repetition."""
    rng = np.random.default_rng([config.seed, 2])
    if config.prime:
        primers = [composing.primer(corpus.encoder, corpus.vocabulary, config.prime, config.window)[0]]
        primers *= config.n
    else:
        primers = composing.test_windows(corpus, config.n, rng)
    drawn = composing.draw(network, corpus.vocabulary, primers, rng, config, quiet)
    rows, found = [], []
    for number, (given, tokens) in enumerate(zip(primers, drawn.T, strict=True), 1):
        name, symbols = f"samples/{build}-{number}", corpus.vocabulary.decode(tokens)
        given = corpus.vocabulary.decode(given)
        seconds = write_composition(run.folder, name, corpus.encoder, given, symbols, config)
        row = {"file": f"{name}.wav", "source": build, "primed": True, "primer_seconds": seconds}
        rows.append(row)
        found.append(repetition(corpus.encoder, symbols))
        say(f"composed {name}: {in_words(found[-1])}")
    return rows, summary(found)


def human_samples(run, corpus, config):
    """Excerpts of test pieces, as they are written down, as files; rows for samples.json, figures of
    repetition of many.
    """
    rng = np.random.default_rng([config.seed, 3])
    pieces, found, rows = [corpus.pieces[k] for k in corpus.parts["test"]], [], []
    for number in range(1, JUDGED_PIECES + 1):
        piece = pieces[rng.integers(len(pieces))]
        start = int(rng.integers(max(1, len(piece.symbols) - config.length)))
        symbols = piece.symbols[start : start + config.length]
        found.append(repetition(corpus.encoder, symbols))
        if number <= HUMAN:
            name = f"samples/human-{number}"
            write_composition(run.folder, name, corpus.encoder, [], symbols, config)
            rows.append({"file": f"{name}.wav", "source": "human", "primed": False, "title": piece.title})
    every = summary(found)
    say(
        f"\n{len(found)} excerpts of pieces by people, {config.length} symbols each: {every['stuck']:.0%} "
        f"are stuck; the same pitches {every['median run']:.0f} times in a row in the median, at most "
        f"{every['longest run']}; one pattern of four fills {every['median share of one pattern']:.0%}, "
        f"{every['different']:.0%} of the symbols different"
    )
    return rows, every


def write_composition(folder, name, encoder, given, composed, config, wav=True):
    """A piece as symbols, MIDI, sound and piano roll; seconds of what was given in it."""
    given = given[-composing.WRITTEN :]
    score, seconds = composing.as_score(encoder, given, composed, config.bpm)
    midi = write_piece(folder, name, score, wav and config.engine)
    with atomic_open(midi.with_suffix(".txt")) as file:
        file.write(" ".join(composed) + "\n")
    return seconds
