"""A network's run: its trainer, its files, the trained network out of them."""

from dataclasses import asdict, fields

import numpy as np

from encoders.tokens.note_chords import NoteChords
from encoders.tokens.vocabulary import SymbolVocabulary
from experiments.classical.builds import BUILDS
from experiments.classical.networks import NETWORK, least_weights, make_network
from experiments.classical.settings import ClassicalRecipe, Train, complete, counted
from experiments.common import token_learning, token_training
from experiments.common.errors import UserError
from experiments.common.settings import expect_allowed
from scratchnet.evaluation.held_out import HeldOut
from scratchnet.generation.windows import Windows, judged_windows
from scratchnet.messages import brief

RESUME = "python -m experiments.classical train --resume"
BATCH = 128  # windows that are judged side by side


def expect_builds(names):
    """A UserError that lists the builds if one of the names is none."""
    for name in names:
        if name not in BUILDS:
            raise UserError(f"no build {brief(name)}; expected one of {', '.join(BUILDS)}")


def held_out(corpus, part, most=None):
    """A HeldOut of the windows of a part, all or so many; targets that nobody could know do not count.

    Raises
    ------
    UserError
        If none of them is known.
    """
    unknown = corpus.vocabulary.unknown
    try:
        batches = judged_windows(corpus.sequences(part), corpus.window, BATCH, most, unknown)
    except ValueError as error:
        raise UserError(f"no window of the {part} pieces can be judged by: {error}") from None
    every, taken = corpus.windows(part), sum(batch.y.shape[1] for batch in batches)
    return HeldOut(batches, taken, every, taken, every)


def network_of(config, corpus):
    """The fresh network of complete settings."""
    settings = {name: getattr(config, name) for name in NETWORK}
    rng = np.random.default_rng([config.seed, 0])
    try:
        return make_network(settings, corpus.encoder, corpus.vocabulary, rng)
    except ValueError as error:
        raise UserError(f"--window: {error}") from None


def make_session(config, corpus, run, network=None, frozen=()):
    """The Session of complete settings.

    Parameters
    ----------
    config : Train, complete
    corpus : Corpus
    run : RunFolder
    network : a network to go on with; None for a fresh one
    frozen : names of parameters that stay as they are
    """
    network = network or network_of(config, corpus)
    config = counted(config, corpus.windows("train"))
    rng = np.random.default_rng([config.seed, 1])
    try:
        batches = Windows(
            corpus.epoch(config.transpose), config.window, config.batch, rng, config.noise,
            len(corpus.vocabulary), first=1,
        )  # fmt: skip
    except ValueError as error:
        raise UserError(f"too little music for --window and --batch: {error}") from None
    names = [field.name for field in fields(ClassicalRecipe)]
    about = {
        "experiment": "classical",
        "config": {name: getattr(config, name) for name in dict.fromkeys((*NETWORK, *names))},
        "encoder": corpus.encoder.settings(),
        "vocabulary": list(corpus.vocabulary.names[1:]),
        "frozen": sorted(frozen),
    }
    held, learned = held_out(corpus, "valid", config.judged), Thawed(network, frozen)
    return token_learning.make_session(config, network, batches, run, about, held, RESUME, learned)


class Thawed:
    """The params and grads of a network that an optimizer may change."""

    def __init__(self, network, frozen=()):
        self.params = {name: w for name, w in network.params.items() if name not in frozen}
        self.grads = {name: network.grads[name] for name in self.params}


def train_settings(config, **changes):
    """The Train settings of one network of a Run or a Search."""
    shared = {field.name for field in fields(Train)} - {"build", "out", "resume"}
    values = {name: value for name, value in asdict(config).items() if name in shared}
    return Train(**values | changes)


def settings_of(run):
    """The complete settings of a network's run; UserError if they are damaged."""
    config = complete(run.config(Train))
    expect_builds([config.build])
    return config


def load_network(path):
    """The best network of a run folder or best.safetensors, ready to compose.

    Returns
    -------
    network : Sequential
    encoder : NoteChords
    vocabulary : SymbolVocabulary
    metadata : dict

    Raises
    ------
    UserError, CheckpointError
        If there is none, or it is damaged or of another kind.
    """

    def least(metadata):
        expect_allowed(metadata["config"], Train, NETWORK)
        return least_weights(metadata["config"], len(SymbolVocabulary(metadata["vocabulary"])))

    def make(metadata):
        return make_network(metadata["config"], *writing_of(metadata), np.random.default_rng(0))

    needed = "config", "encoder", "vocabulary", "best"
    network, metadata = token_training.load_network(path, needed, make, least)
    return network, *writing_of(metadata), metadata


def writing_of(metadata):
    """(NoteChords, SymbolVocabulary) of a run's metadata; ValueError if a symbol is none."""
    encoder = NoteChords.from_settings(metadata["encoder"])
    vocabulary = SymbolVocabulary(metadata["vocabulary"])
    for name in vocabulary.names:
        encoder.parse(name)
    return encoder, vocabulary
