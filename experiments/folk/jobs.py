"""What the commands do."""

from encoders.abc.collection import read_collection
from encoders.audio import render_midi
from encoders.midi import write_midi
from encoders.tokens.characters import Characters
from experiments.common.compositions import HOW, expect_free, how_made, write_how
from experiments.common.errors import UserError
from experiments.common.ngram_baseline import best_ngram
from experiments.common.progress import Progress, shown
from experiments.common.run_folder import RunFolder
from experiments.common.runner import afterwards, begin_or_resume, learn
from experiments.common.streams import say
from experiments.common.trained import composition
from experiments.folk import composing, figures, report, runs
from experiments.folk.data import load
from experiments.folk.settings import complete
from scratchnet.files import atomic_open

LEARNING = "validation tunes", "character"  # what is said of it
LONGEST = 3600  # seconds; what is longer is no tune, but a slip in its tempo or its lengths
JUDGED = 50  # tunes that the default run draws to be judged


def run_all(config):
    """`python -m experiments.folk`."""
    config = complete(config)
    beginning = composing.primer(config)
    corpus = load(config.data, config.quiet)
    check_primer(beginning, corpus.characters)
    session = runs.make_session(config, corpus).create(config.out, config, config.overwrite)
    run = session.run
    tell_reading(run, corpus)
    learn(session, config.quiet, *LEARNING)
    network, characters, metadata = runs.load_network(run.folder)
    rng = composing.generator(config.seed)
    kept, drawn = composing.compose(
        network, characters, beginning, config.n, rng, as_drawing(config), config.raw
    )
    if len(drawn) < JUDGED:
        drawn += composing.draw(network, characters, beginning, JUDGED - len(drawn), rng, as_drawing(config))
    folder = run.path("tunes/tunes.abc").parent
    write_tunes(folder, kept, config, beginning)
    write_how(folder / HOW, how_made("folk", run.folder, {"step": metadata["best"]["step"]}, config))
    with afterwards(session):
        tell(run, corpus, network, drawn, config.quiet)
    if len(kept) < config.n:
        say("\n" + composing.too_few(kept, drawn, config.n))
    say(f"\nEverything is in {run.folder}. Listen: {folder}")


def run_train(config):
    """`train`."""
    session, corpus, config = begin_or_resume(config, runs, lambda c: load(c.data, c.quiet))
    run = session.run
    tell_reading(run, corpus)
    learn(session, config.quiet, *LEARNING)
    network, _, _ = runs.load_network(run.folder)
    with afterwards(session):
        tell(run, corpus, network, None, config.quiet)
    say(f"\nThe run is in {run.folder}. Compose: python -m experiments.folk compose {run.folder}")


def tell_reading(run, corpus):
    """What was read, in short; every line about what was dropped or changed is in reading.txt."""
    say(corpus.describe())
    told = corpus.collection.told()
    if told:
        with atomic_open(run.path("reading.txt")) as file:
            file.write("\n".join([*told, "", corpus.collection.table(), ""]))


def tell(run, corpus, network, drawn, quiet):
    """Judge, print, draw, write metrics.json."""
    rows = report.nats_table(corpus, network, quiet)
    say("\n" + report.as_text(rows))
    run.write_metrics({"nats": rows, "weights": network.parameter_count})
    name, nats = best_ngram(rows)
    figures.draw_learning(run.path("learning.png"), run.rows(), {f"{name},\ntest tunes": nats}, "Irish tunes")
    if drawn is not None:
        judged = report.judge_tunes(corpus, drawn, quiet)
        run.write_metrics({"tunes": judged})
        say("\n" + report.tunes_text(judged))


def run_evaluate(config):
    """`evaluate`."""
    run = RunFolder.open(config.run)
    network, characters, _ = runs.load_network(run.folder)
    corpus = load(config.data or runs.settings_of(run).data, config.quiet)
    if corpus.characters.characters != characters.characters:
        raise UserError(f"--data: other characters than those that {config.run} has learned")
    rng = composing.generator(config.seed)
    drawn = composing.draw(network, characters, "X:", config.n, rng, config, config.quiet)
    tell(run, corpus, network, drawn, config.quiet)


def run_compose(config):
    """`compose`."""
    network, characters, metadata = runs.load_network(config.run)
    begin = composing.primer(config)
    check_primer(begin, characters)
    rng = composing.generator(config.seed)
    with composition("folk", config, metadata) as folder:
        kept, drawn = composing.compose(
            network, characters, begin, config.n, rng, config, config.raw, config.quiet
        )
        if not kept:
            raise UserError(composing.too_few(kept, drawn, config.n))
        write_tunes(folder, kept, config, begin, config.wav)
    if len(kept) < config.n:
        say(composing.too_few(kept, drawn, config.n))
    valid = sum(tune.tune is not None for tune in drawn)
    say(f"{valid} of {len(drawn)} tunes drawn are valid ABC; {len(kept)} are in {folder}")


def run_render(config):
    """`render`."""
    expect_free(config.out, config.overwrite)
    collection = read_collection(config.abc)
    for line in collection.told():
        say(line)
    if not collection.kept:
        raise UserError("no tune that can be played")
    played = {}
    with Progress(len(collection.kept), "rendering", "tune", config.quiet) as bar:
        for number, (path, line, tune, _) in enumerate(collection.kept, 1):
            name, where = f"{number:02}", f"{path}, line {line}"
            if play(config.out, name, tune, config.wav, config.engine, where):
                played[name] = tune
            bar.update(1)
    figures.draw_tunes(config.out, played, config.quiet)
    say(collection.table())
    say(f"{len(played)} tunes are in {config.out}")


def run_sweep(config):
    """`sweep`."""
    from experiments.folk.sweep import sweep

    sweep(config, say)


def as_drawing(config):
    """The settings of `Drawing` from those of a Run, where `length` is that of training."""
    from experiments.folk.settings import Drawing

    return Drawing(temperature=config.temperature, top_k=config.top_k, top_p=config.top_p)


def check_primer(begin, characters):
    """A UserError that names the characters of the beginning that were not learned."""
    try:
        Characters.encode(characters, begin)
    except ValueError as error:
        raise UserError(f"the beginning of the tunes: {error}") from None


def write_tunes(folder, kept, config, begin, wav=True):
    """tunes.abc with all, and of each valid one MIDI, sound and a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    skip = 0 if config.include_primer else len(begin)
    with atomic_open(folder / "tunes.abc") as file:
        file.write("\n\n".join(row.text[skip:] for row in kept) + "\n")
    rows = shown(kept, "writing tunes", "tune", config.quiet)
    played = {}
    for number, row in enumerate(rows, 1):
        name, where = f"{number:02}", f"tune {number}"
        if row.tune is not None and play(folder, name, row.tune, wav, config.engine, where, config.bpm):
            played[name] = row.tune
    figures.draw_tunes(folder, played, config.quiet)


def play(folder, name, tune, wav, engine, where, bpm=None):
    """One tune as MIDI and WAV; whether it can be played. `bpm` counts where it says no tempo."""
    from dataclasses import replace

    folder.mkdir(parents=True, exist_ok=True)
    score = tune.score()
    if bpm and "Q" not in tune.fields:
        score = replace(score, tempos=((0, bpm),))
    score = replace(score, tracks=[replace(score.tracks[0], program=21)])  # an accordion
    midi = folder / f"{name}.mid"
    try:
        if score.seconds(score.end) > LONGEST:
            raise ValueError(f"it lasts longer than {LONGEST / 60:.0f} minutes")
        write_midi(score, midi)
    except ValueError as error:  # a tempo that MIDI cannot hold, for instance
        say(f"{where}: left out: {error}")
        return False
    if wav:
        render_midi(midi, folder / f"{name}.wav", engine)
    return True
