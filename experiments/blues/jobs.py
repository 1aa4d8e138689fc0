"""What the commands do."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from encoders.audio import render_midi, sampled_engine
from encoders.tokens.blues import PIECES
from experiments.blues import composing, figures, runs
from experiments.blues.evaluation import evaluate
from experiments.blues.recipes import RECIPES
from experiments.blues.settings import Chords
from experiments.common.compositions import HOW, how_made, new_piece, write_how
from experiments.common.errors import UserError, import_extra
from experiments.common.progress import Progress
from experiments.common.run_folder import RunFolder
from experiments.common.runner import go_on_with
from experiments.common.settings import expect_resumed
from experiments.common.streams import say
from scratchnet.messages import cut

DRAWN = 4  # choruses in a picture, at most
SAMPLED_SECONDS = 1200


def run_all(config):
    """`python -m experiments.blues`."""
    engine = choose_engine(config, config.choruses)
    run, network, pieces, reached = train_and_draw(config)
    rng = np.random.default_rng([config.seed, 3])
    prime = composing.prime_from_piece(int(rng.choice(pieces.fresh)), 1, pieces.form)
    write_composition(config, run.path("composed.mid"), network, pieces, prime, rng, config.choruses, engine)
    write_how(run.path(HOW), how_made("blues", run.folder, reached, config))
    report(run, network, pieces, config.seed)
    say(f"\nEverything is in {run.folder}. Listen: {run.folder / 'composed.wav'}")


def run_train(config):
    """`train`."""
    run, network, pieces, _ = train_and_draw(config)
    report(run, network, pieces, config.seed)
    compose = go_on_with("python -m experiments.blues compose", run.folder)
    say(f"\nThe run is in {run.folder}. Compose: {compose}")


def train_and_draw(config):
    """Learn as the settings say, and draw the curve and the gates."""
    if getattr(config, "resume", None):
        expect_resumed(config)
        run = RunFolder.resume(config.resume)
        settings = runs.settings_of(run)
        session = runs.make_session(settings).resume(run)
    else:
        settings, session = config, runs.make_session(config)
        run = session.create(config.out, config, config.overwrite).run
    network, pieces = session.trainer.model, session.trainer.batches.pieces
    total, recipe = session.pace.total, RECIPES[settings.recipe]
    if session.over:
        say(f"{run.folder}: already learned from all {total} choruses")
    way = "online, truncated gradient" if recipe.online else "full BPTT, Adam"
    way += ", Kalman filter" if recipe.kalman else ""
    say(f"{network.parameter_count} weights, {total} choruses, recipe {settings.recipe}: {way}")
    if row := runs.learn_chords_first(session, settings, config.quiet):
        say(f"chords first: {'learned' if row['success'] else 'not learned'} from {row['choruses']} choruses")
        run.write_metrics({"chords first": row})
    best = runs.learn(session, config.quiet)
    say(f"best network: after {best['choruses']} choruses")
    run.write_metrics({"learning": best, "weights": network.parameter_count})
    figures.draw_training(run.path("learning.png"), run.rows("choruses"), pieces.form)
    bits = pieces.stream(pieces.fresh[:1, None])[:, :, 0]
    figures.draw_gates(
        run.path("gates.png"), network, pieces, bits, "Gates and cell states over a fresh chorus"
    )
    return run, network, pieces, {"choruses": best["choruses"]}


def choose_engine(config, count):
    """What will render the WAV; tells what cannot be done before the work begins, not after."""
    engine, length = config.engine, composing.seconds(count, config.bpm)
    most = composing.most_choruses(config.bpm)
    if count > most:
        hint = "; try --no-wav" if hasattr(config, "wav") else ""
        raise UserError(
            f"--choruses: a WAV file holds {most} choruses at {config.bpm:g} bpm, got {count}{hint}"
        )
    if engine == "built-in":
        return engine
    if engine == "symusic":
        import_extra("symusic", "audio")
    if engine == "fluidsynth" and shutil.which("fluidsynth") is None:
        raise UserError("--engine: there is no program fluidsynth on the PATH: apt-get install fluidsynth")
    try:
        found = sampled_engine()
    except ValueError as error:
        raise UserError(f"$SCRATCHNET_SOUNDFONT: {error}") from None
    if engine == "auto":  # a sampled piano renders a whole file at once: only for short ones
        return found[0] if found and length < SAMPLED_SECONDS else "built-in"
    if found is None:
        raise UserError(
            f"--engine: {engine} needs a soundfont: name one in $SCRATCHNET_SOUNDFONT, "
            'or pip install "scratchnet[audio]"'
        )
    if engine == "fluidsynth" and composing.wav_rate(count, config.bpm) != 44100:
        raise UserError(
            f"--engine: fluidsynth plays {length / 3600:.1f} hours into no WAV file; try built-in"
        )
    if engine == "symusic" and length > SAMPLED_SECONDS:
        raise UserError(
            f"--engine: symusic plays {SAMPLED_SECONDS // 60} minutes at most, got {length / 60:.0f}"
        )
    return engine


def write_composition(config, midi_path, network, pieces, prime, rng, count, engine):
    """MIDI, WAV (unless engine is None) and a picture of the first choruses; says what was written."""
    form, wav_path, length = pieces.form, midi_path.with_suffix(".wav"), composing.seconds(count, config.bpm)
    built_in = wav_path if engine == "built-in" else None
    stream = composing.choruses(network, pieces, prime, count, rng, config.temperature)
    shown = []
    with Progress(count, "composing", "chorus", config.quiet or count < 50) as progress:
        rate = composing.wav_rate(count, config.bpm)
        for bits in composing.perform(stream, form, config.bpm, midi_path, built_in, rate):
            shown += [bits] if len(shown) < DRAWN else []
            progress.update(1)
    part = "" if count <= DRAWN else f", the first {DRAWN} of {count} choruses"
    title = f"Composed blues{part}; shaded: what was given"
    figures.draw_choruses(midi_path.with_suffix(".png"), shown, form, config.bpm, title, len(prime))
    if engine and not built_in:
        try:
            render_midi(midi_path, wav_path, engine)
        except ValueError as error:
            if config.engine != "auto":
                raise UserError(f"--engine: {error}") from None
            say(f"{error}; the built-in instrument plays instead")
            engine = render_midi(midi_path, wav_path, "built-in")
    plural = "chorus" if count == 1 else "choruses"
    say(
        f"{count} {plural}, {length:.0f} s: {midi_path}"
        + (f", {wav_path.name} (sound: {engine})" if engine else "")
    )


def report(run, network, pieces, seed, choruses=1000):
    """Evaluate, print the figures and write them to metrics.json."""
    result = evaluate(network, pieces, np.random.default_rng([seed, 4]), choruses)
    run.write_metrics(result)
    fresh, free = result["fresh pieces"], result["free composition"]
    copies, held_out = result["composed melodies"], result["held-out melodies"]
    say("\nfresh pieces (held out)")
    above = f"exact floor {fresh['melody_floor']:.4f}: {100 * fresh['above_floor']:.1f} % above"
    say(f"  melody loss     {fresh['melody_loss']:.4f} nats per step; {above}")
    say(f"  chord loss      {fresh['chord_loss']:.6f} nats per step; {fresh['chord_errors']} units wrong")
    say("free composition")
    wrong = "" if free["first_wrong_step"] is None else f"; first wrong step: {free['first_wrong_step']}"
    say(f"  chords right    {free['perfect_choruses']} of {free['choruses']} choruses{wrong}")
    known = 100 * len(pieces.training) / PIECES
    say(f"composed melodies          composed   held out   (a perfect pupil: {known:.1f} % choruses known)")
    for name, label in (
        ("bars_in_training", "bars known at their place"),
        ("choruses_in_training", "choruses known"),
        ("choruses_in_grammar", "choruses in the grammar"),
        ("distinct_choruses", "choruses unlike each other"),
        ("notes_in_scale", "notes in the scale"),
    ):
        say(f"  {label:26} {100 * copies[name]:6.1f} %   {100 * held_out[name]:6.1f} %")


def run_compose(config):
    """`compose`."""
    run = RunFolder.open(config.run)
    network, pieces, reached = runs.load_network(run, runs.settings_of(run))
    engine = choose_engine(config, config.choruses) if config.wav else None
    rng = np.random.default_rng([config.seed, 3])
    prime = read_prime(config, pieces, rng)
    suffixes = (".wav", ".png") if config.wav else (".png",)
    how = how_made("blues", config.run, reached, config)
    with new_piece(config.out, run.folder, suffixes, config.overwrite, how) as midi_path:
        write_composition(config, midi_path, network, pieces, prime, rng, config.choruses, engine)


def read_prime(config, pieces, rng):
    """The bits that are heard first."""
    if config.prime is None:
        return composing.prime_from_piece(int(rng.choice(pieces.fresh)), 1, pieces.form)
    if config.prime.isdecimal():
        if len(config.prime) > 9 or int(config.prime) > 4095:
            raise UserError(f"--prime: expected a piece 0..4095 or a MIDI file, got {cut(config.prime)}")
        return composing.prime_from_piece(int(config.prime), config.prime_notes, pieces.form)
    if not Path(config.prime).is_file():
        raise UserError(
            f"--prime: expected a piece 0..4095 or a MIDI file, and there is no file {config.prime}"
        )
    return composing.prime_from_midi(config.prime, pieces.form)


def run_evaluate(config):
    """`evaluate`."""
    run = RunFolder.open(config.run)
    network, pieces, _ = runs.load_network(run, runs.settings_of(run))
    report(run, network, pieces, config.seed, config.choruses)


def run_chords(config):
    """`chords`."""
    from experiments.blues.chord_runs import run_seeds

    if config.resume:
        expect_resumed(config)
        run = RunFolder.resume(config.resume)
        settings = replace(run.config(Chords), quiet=config.quiet)
    else:
        run, settings = RunFolder.create(config.out, "blues-chords", config, config.overwrite), config
    run_seeds(settings, run, say)


def run_compare(config):
    """`compare`."""
    from experiments.blues.comparison import check_names, run_comparison

    check_names(config.only)
    run_comparison(config, RunFolder.create(config.out, "blues-compare", config, config.overwrite), say)


def run_repeat(config):
    """`repeat`."""
    from experiments.blues.repetition import run_repetition

    run_repetition(config, RunFolder.create(config.out, "blues-repeat", config, config.overwrite), say)
