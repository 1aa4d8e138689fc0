"""What the commands do."""

import numpy as np

from encoders.audio import render_midi
from encoders.midi import write_midi
from experiments.common.compositions import HOW, expect_free_names, how_made, new_piece, write_how
from experiments.common.errors import UserError
from experiments.common.run_folder import RunFolder
from experiments.common.runner import begin_or_resume, go_on_with, run_to_end
from experiments.common.streams import say
from experiments.polyphony import figures, runs
from experiments.polyphony.composing import compose, to_score
from experiments.polyphony.data import SOURCES, load
from experiments.polyphony.recipes import complete
from experiments.polyphony.report import as_text, judge, standing


def run_all(config):
    """`python -m experiments.polyphony`."""
    config = complete(config)
    music = load(config.set, config.data, config.quiet)
    prime = prime_of(config, music)
    session = runs.make_session(config, music).create(config.out, config, config.overwrite)
    run, network = session.run, train(config, music, session, config.quiet)
    rng = np.random.default_rng([config.seed, 2])
    write_composition(config, run.path("composed.mid"), network, prime, rng, config.set, True)
    reached = {"epoch": runs.load_network(run, config)[1]["epoch"]}
    write_how(run.path(HOW), how_made("polyphony", run.folder, reached, config))
    report(run, config, network, music, config.quiet)
    say(f"\nEverything is in {run.folder}. Listen: {run.folder / 'composed.wav'}")


def run_train(config):
    """`train`."""
    session, music, config = begin_or_resume(config, runs, lambda c: load(c.set, c.data, c.quiet))
    run, network = session.run, train(config, music, session, config.quiet)
    report(run, config, network, music, config.quiet)
    compose = go_on_with("python -m experiments.polyphony compose", run.folder)
    say(f"\nThe run is in {run.folder}. Compose: {compose}")


def train(config, music, session, quiet):
    """Learn, say how it went; the best network."""
    say(music.describe())
    say(runs.describe(config, session.trainer.model))
    run_to_end(session, quiet)
    network, best = runs.load_network(session.run, config)
    say(f"stopped after epoch {session.done}; the best on validation pieces is that of epoch {best['epoch']}")
    return network


def report(run, config, network, music, quiet):
    """Judge the network, print the table, draw the figures, write metrics.json."""
    row, (_, best) = judge(network, music, quiet), runs.load_network(run, config)
    label = f"{config.cell.upper()}, {config.layers} x {config.hidden}, epoch {best['epoch']}"
    rows, levels = standing(config.set, music, [(label, network.parameter_count, row)], quiet)
    source = SOURCES[config.set]
    title = source.title
    figures.draw_learning(
        run.path("learning.png"), run.rows("epoch"), f"{title}: {config.cell.upper()}", levels
    )
    picture = f"{title}: the beginning of the first test piece"
    figures.draw_prediction(run.path("prediction.png"), network, music.test[0], source, picture)
    run.write_metrics({"nll": row, "epoch": best["epoch"], "weights": network.parameter_count})
    run.write_metrics({"anchors": levels})
    say("\n" + as_text(title, rows))


def run_evaluate(config):
    """`evaluate`."""
    run = RunFolder.open(config.run)
    settings = runs.settings_of(run)
    network, _ = runs.load_network(run, settings)
    music = load(settings.set, config.data or settings.data, config.quiet)
    report(run, settings, network, music, config.quiet)


def run_compose(config):
    """`compose`."""
    run = RunFolder.open(config.run)
    settings = runs.settings_of(run)
    network, best = runs.load_network(run, settings)
    suffixes = (".wav", ".png") if config.wav else (".png",)
    if config.out is not None:
        expect_free_names(config.out, suffixes, config.overwrite)  # before the music is read
    prime = prime_of(config, load(settings.set, config.data or settings.data, config.quiet))
    rng = np.random.default_rng([config.seed, 2])
    how = how_made("polyphony", config.run, {"epoch": best["epoch"]}, config)
    with new_piece(config.out, run.folder, suffixes, config.overwrite, how) as path:
        write_composition(config, path, network, prime, rng, settings.set, config.wav)


def prime_of(config, music):
    """The frames that are heard first."""
    if config.prime > len(music.test):
        raise UserError(f"--prime: expected a test piece 1..{len(music.test)}, got {config.prime}")
    return music.test[config.prime - 1][: config.prime_frames]


def write_composition(config, path, network, prime, rng, set_name, wav):
    """Compose; MIDI, WAV if asked for, and a picture; says what was written."""
    source = SOURCES[set_name]
    frames = compose(network, prime, config.frames, rng, config.temperature)
    score = to_score(frames, source, config.bpm)
    write_midi(score, path)
    title = f"Composed after {source.title}; shaded: what was given"
    figures.draw_composition(path.with_suffix(".png"), frames, len(prime), source, config.bpm, title)
    sound = ""
    if wav:
        try:
            engine = render_midi(path, path.with_suffix(".wav"), config.engine)
        except ValueError as error:
            raise UserError(f"--engine: {error}") from None
        sound = f", {path.with_suffix('.wav').name} (sound: {engine})"
    say(f"{len(frames)} frames, {score.seconds(score.end):.0f} s: {path}{sound}")


def run_table(config):
    """`table`."""
    from experiments.polyphony.table import make_table

    make_table(config, say)
