"""Going on, on other music: from a network that has learned one corpus to one that knows another.

The new network has the symbols of the new training pieces. What the old one knows of those that both have
goes over: the numbers of a symbol wherever a weight has one for each symbol, and all other weights as they
are. Symbols that are new begin as in a fresh network.
"""

from dataclasses import replace

import numpy as np

from experiments.classical import report, runs
from experiments.classical.data import load
from experiments.classical.jobs import LEARNING
from experiments.classical.networks import NETWORK, make_network
from experiments.classical.settings import PRESETS, complete
from experiments.common.errors import UserError
from experiments.common.run_folder import RunFolder
from experiments.common.runner import learn
from scratchnet.files import atomic_open


def run_transfer(config, say):
    """`transfer`."""
    old, encoder, vocabulary, metadata = runs.load_network(config.run)
    home = config.run if config.run.is_dir() else config.run.parent
    settings = settings_of(config, runs.settings_of(RunFolder.open(home)))
    if settings.input == "number":
        raise UserError("--input number: a symbol's number is another in other music, nothing can go over")
    corpus = load(settings, encoder=encoder)
    say(corpus.describe())
    run = RunFolder.create(config.out, "classical", config, config.overwrite)
    known = set(vocabulary.names) & set(corpus.vocabulary.names[1:])
    say(f"{len(known):,} of {len(corpus.vocabulary) - 1:,} symbols are known from {config.run}")
    frozen = frozen_names(old, config.freeze)
    kinds = {"continued": frozen} | ({"from nothing": ()} if config.scratch else {})
    rows = {}
    for kind, kept in kinds.items():
        fresh = runs.network_of(settings, corpus)
        network = fresh
        if kind == "continued":
            network = carried_over(old, vocabulary, metadata, fresh, corpus, settings)
            network.eval()
            quiet = config.quiet
            rows["before"] = {p: report.judge(network, corpus, p, quiet=quiet) for p in ("valid", "test")}
        say(f"\n{kind}:")
        folder = run.path(kind.replace(" ", "-"))
        session = runs.make_session(settings, corpus, network=network, frozen=kept)
        session.create(folder, settings, overwrite=True)
        learn(session, config.quiet, *LEARNING)
        best, _, _, _ = runs.load_network(folder)
        rows[kind] = report.judge_run(session, best, corpus, quiet=config.quiet)
    text = table(rows, config.freeze)
    with atomic_open(run.path("table.md")) as file:
        file.write(text + "\n")
    run.write_metrics({"transfer": rows, "baselines": report.baselines(corpus, quiet=config.quiet)})
    say("\n" + text)
    say(f"\nEverything is in {run.folder}.")


def settings_of(config, base):
    """The complete settings of the new runs: those of the old one, with what the command line changes."""
    base = replace(base, data=config.data, limit=config.limit, quiet=config.quiet)
    names = {name for name in PRESETS["quick"] if hasattr(config, name)}
    given = {name: getattr(config, name) for name in (*names, "epochs", "steps", "eval_every")}
    changed = {name: value for name, value in given.items() if value is not None}
    if "epochs" in changed:
        changed.setdefault("steps", None)
    return complete(
        replace(base, **changed, seed=config.seed, save_every=config.save_every, keep=config.keep)
    )


def frozen_names(network, count):
    """Names of the parameters of the `count` lowest layers that have any; UserError if none is left."""
    layers = list(dict.fromkeys(name.partition(".")[0] for name in network.params))
    if count >= len(layers):
        raise UserError(f"--freeze: the network has {len(layers)} layers with weights, leave one to learn")
    return tuple(name for name in network.params if name.partition(".")[0] in layers[:count])


def carried_over(old, vocabulary, metadata, fresh, corpus, settings):
    """The fresh network with what the old one knows.

    old, fresh : Sequential
    vocabulary : SymbolVocabulary of the old network
    metadata : of the old run
    corpus : Corpus of the new music
    settings : Train, complete, of the new network
    Raises UserError if the two are not of one build.
    """
    described = {name: metadata["config"][name] for name in NETWORK}
    if described != {name: getattr(settings, name) for name in NETWORK}:
        raise UserError("expected a network of the same build and settings")
    new = corpus.vocabulary
    both = [name for name in new.names if name in vocabulary.tokens]
    there = np.array([new.tokens[name] for name in both])
    here = np.array([vocabulary.tokens[name] for name in both])
    axes = symbol_axes(described, corpus.encoder, new)
    state, theirs = fresh.state_dict(), old.state_dict()
    for name, values in theirs.items():
        if name not in axes:
            state[name] = values
            continue
        axis = axes[name]
        mine, yours = np.moveaxis(state[name], axis, 0), np.moveaxis(values, axis, 0)
        mine[there] = yours[here]
        beyond = len(yours) - len(vocabulary)  # features beside one-hot
        if beyond:
            mine[len(new) :] = yours[len(vocabulary) :]
    fresh.load_state_dict(state)
    return fresh


def symbol_axes(described, encoder, vocabulary):
    """dict of parameter -> its axis with a number for each symbol: where one more symbol makes it longer."""
    larger = type(vocabulary)([*vocabulary.names[1:], one_more(encoder, vocabulary)])
    networks = [
        make_network(described, encoder, names, np.random.default_rng(0)) for names in (vocabulary, larger)
    ]
    shapes = [{name: w.shape for name, w in network.params.items()} for network in networks]
    return {
        name: next(axis for axis, (a, b) in enumerate(zip(shape, shapes[1][name], strict=True)) if a != b)
        for name, shape in shapes[0].items()
        if shape != shapes[1][name]
    }


def one_more(encoder, vocabulary):
    """Some symbol that is not in the vocabulary."""
    for name in vocabulary.names[1:]:
        for semitones in range(1, 128):
            other = encoder.transpose(name, semitones)
            if other and other not in vocabulary.tokens:
                return other
    raise UserError("the music has every symbol there is")


def table(rows, freeze):
    """The losses with and without the old network in Markdown."""
    names = {
        "before": "the old network, nothing learned yet",
        "continued": "continued" + (f", {freeze} layers frozen" if freeze else ""),
        "from nothing": "from nothing",
    }
    lines = ["| | validation pieces | test | test accuracy | best at step |", "|---|---:|---:|---:|---:|"]
    for kind, row in rows.items():
        step = f"{row['best_step']} of {row['steps']}" if "steps" in row else ""
        lines.append(
            f"| {names[kind]} | {row['valid']['nats']:.3f} | {row['test']['nats']:.3f} | "
            f"{row['test']['accuracy']:.1%} | {step} |"
        )
    return "\n".join(lines)
