"""A tiny training in a run folder, also as a script: python tests/tiny_session.py FOLDER STEPS."""

import sys
from pathlib import Path

import numpy as np

from experiments.common.run_folder import CONFIG, RunFolder
from experiments.common.token_training import Session
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.sequential import Sequential
from scratchnet.training.batches import Streams, judged
from scratchnet.training.optimizers import Adam
from scratchnet.training.schedules import Cosine
from scratchnet.training.trainer import Trainer

VOCABULARY = "abcdefg"
STEPS, BATCH, HELD_OUT = 60, 3, [(np.arange(23) * 2) % 7, (np.arange(11) + 4) % 7]


def tunes(rng):
    """Scales of seven notes, each epoch in other keys."""
    return [(np.arange(size) * step + rng.integers(7)) % 7 for size, step in ((40, 1), (31, 2), (25, 3))]


def make_network(metadata, rng=None):
    """Dropout between and above the layers, from the network's own generator."""
    rng, V, H = rng or np.random.default_rng(0), len(metadata["vocabulary"]), metadata["network"]["hidden"]
    lstm = LSTM(4, H, rng, num_layers=2, dropout=0.2)
    return Sequential([Embedding(V, 4, rng), lstm, Dropout(0.2, rng), Linear(H, V, rng)])


def make_session(run, steps=STEPS, hidden=5, vocabulary=VOCABULARY, lr=0.02, **options):
    about = {"network": {"hidden": hidden, "keys": (1, 2)}, "vocabulary": vocabulary}
    model = make_network(about, np.random.default_rng(1))
    batches = Streams(tunes, 5, BATCH, np.random.default_rng(2))
    adam, schedule = Adam(model.params, model.grads, lr), Cosine(STEPS, final=0.1)
    trainer = Trainer(model, batches, adam, clip=1.0, schedule=schedule, average=0.9)
    options = {"judge_every": 5, "save_every": 4, "keep": 3, "log_every": 3} | options
    return Session(trainer, run, about, judged(HELD_OUT, 2), steps, command="python again", **options)


def begin_or_go_on(folder, **options):
    """The Session of a new run, or of the one that is in the folder."""
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).touch()
    session = make_session(RunFolder.resume(folder), **options)
    if session.run.checkpoint.exists():
        session.resume()
    return session


if __name__ == "__main__":
    begin_or_go_on(Path(sys.argv[1]), steps=int(sys.argv[2])).learn(quiet=True)
