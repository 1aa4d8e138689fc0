"""A tiny training in a run folder, also as a script: python tests/tiny_session.py FOLDER STEPS."""

import shlex
import sys
from pathlib import Path

import numpy as np

from experiments.common.recipe import Pace
from experiments.common.run_folder import CONFIG, RunFolder
from experiments.common.runner import Session
from scratchnet.evaluation.held_out import HeldOut
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.embedding import Embedding
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.sequential import Sequential
from scratchnet.training.batches import Streams, evaluation_batches
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


def make_session(folder, steps=STEPS, hidden=5, vocabulary=VOCABULARY, lr=0.02, **options):
    about = {"experiment": "tiny", "network": {"hidden": hidden, "keys": (1, 2)}, "vocabulary": vocabulary}
    model = make_network(about, np.random.default_rng(1))
    batches = Streams(tunes, 5, BATCH, np.random.default_rng(2))
    adam, schedule = Adam(model.params, model.grads, lr), Cosine(STEPS, final=0.1)
    trainer = Trainer(model, batches, adam, clip=1.0, schedule=schedule, ema_decay=0.9)
    pace = Pace(steps, **{"eval_every": 5, "save_every": 4, "keep": 3, "log_every": 3} | options)
    part = HeldOut.of_batches(evaluation_batches(HELD_OUT, 2))
    return Session(trainer, about, part, pace, again=f"python again {shlex.quote(str(folder))}")


def begin_or_go_on(folder, **options):
    """The Session of a new run, or of the one that is in the folder."""
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).touch()
    session, run = make_session(folder, **options), RunFolder.resume(folder)
    return session.resume(run) if run.checkpoint.exists() else session.within(run)


if __name__ == "__main__":
    begin_or_go_on(Path(sys.argv[1]), steps=int(sys.argv[2])).learn(quiet=True)
