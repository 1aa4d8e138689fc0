"""A network's run: its trainer, its files, the trained network out of them."""

from dataclasses import asdict, fields

import numpy as np

from encoders.tokens.note_chords import NoteChords
from encoders.tokens.vocabulary import SymbolVocabulary
from experiments.classical.builds import BUILDS
from experiments.classical.networks import NETWORK, least_weights, make_network
from experiments.classical.settings import PRESETS, Train, complete, counted
from experiments.common import trained
from experiments.common.errors import UserError, settings_refused
from experiments.common.recipe import make_optimizer, make_schedule, pace_of
from experiments.common.runner import Session
from experiments.common.settings import expect_allowed
from scratchnet.evaluation.held_out import HeldOut
from scratchnet.generation.windows import Windows, evaluation_windows
from scratchnet.messages import brief
from scratchnet.training.trainer import Trainer

BATCH = 128  # windows that are evaluated side by side


def expect_architectures(names):
    """A UserError that lists the architectures if one of the names is none."""
    for name in names:
        if name not in BUILDS:
            raise UserError(f"no architecture {brief(name)}; expected one of {', '.join(BUILDS)}")


def held_out(corpus, part, most=None):
    """A HeldOut of the windows of a part, all or so many; targets that nobody could know do not count.

    Raises UserError if none of them is known.
    """
    unknown = corpus.vocabulary.unknown
    try:
        batches = evaluation_windows(corpus.sequences(part), corpus.window, BATCH, most, unknown)
    except ValueError as error:
        raise UserError(f"no window of the {part} pieces can be evaluated on: {error}") from None
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


def make_session(config, corpus, again=None, network=None, frozen=()):
    """The Session of complete settings, before its first step.

    config : Train, complete
    corpus : Corpus
    again : as of Session
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
    about = {
        "experiment": "classical",
        "config": {name: getattr(config, name) for name in dict.fromkeys((*NETWORK, *PRESETS["quick"]))},
        "encoder": corpus.encoder.settings(),
        "vocabulary": list(corpus.vocabulary.names[1:]),
        "frozen": sorted(frozen),
    }
    with settings_refused():
        trainer = Trainer(
            network,
            batches,
            make_optimizer(config, Thawed(network, frozen)),
            clip=config.clip,
            schedule=make_schedule(config),
            ema_decay=config.ema_decay,
        )
    return Session(trainer, about, held_out(corpus, "valid", config.eval_size), pace_of(config), again)


class Thawed:
    """The params and grads of a network that an optimizer may change."""

    def __init__(self, network, frozen=()):
        self.params = {name: w for name, w in network.params.items() if name not in frozen}
        self.grads = {name: network.grads[name] for name in self.params}


def train_settings(config, **changes):
    """The Train settings of one network of a Run or a Search."""
    shared = {field.name for field in fields(Train)} - {"architecture", "out", "resume"}
    values = {name: value for name, value in asdict(config).items() if name in shared}
    return Train(**values | changes)


def settings_of(run):
    """The complete settings of a network's run; UserError if they are damaged."""
    config = complete(run.config(Train))
    expect_architectures([config.architecture])
    return config


def load_network(path):
    """The best network of a run folder or best.safetensors, ready to compose.

    Returns network : Sequential; encoder : NoteChords; vocabulary : SymbolVocabulary; metadata : dict.
    Raises UserError or CheckpointError if there is none, or it is damaged or of another kind.
    """

    def least(metadata):
        expect_allowed(metadata["config"], Train, NETWORK)
        return least_weights(metadata["config"], len(SymbolVocabulary(metadata["vocabulary"])))

    def make(metadata):
        return make_network(metadata["config"], *writing_of(metadata), np.random.default_rng(0))

    needed = "config", "encoder", "vocabulary", "best"
    network, metadata = trained.load_network(path, needed, make, least)
    return network, *writing_of(metadata), metadata


def writing_of(metadata):
    """(NoteChords, SymbolVocabulary) of a run's metadata; ValueError if a symbol is none."""
    encoder = NoteChords.from_settings(metadata["encoder"])
    vocabulary = SymbolVocabulary(metadata["vocabulary"])
    for name in vocabulary.names:
        encoder.parse(name)
    return encoder, vocabulary
