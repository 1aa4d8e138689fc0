"""The settings that won, for each set and cell."""

from experiments.common.recipe import filled

CELLS = ("lstm", "gru", "rnn")


# What `settings.Training` leaves open, unless a set and cell have a value of their own.
BASE = {
    "hidden": 300, "lr": 3e-3, "dropout": 0.5, "input_scale": 0.4, "input_dropout": 0.0, "layers": 1,
    "weight_decay": 0.01, "batch": 4, "window": 0, "epochs": 100, "patience": 12, "transpose": 0, "clip": 1.0,
    "ema_decay": 0.99,
}  # fmt: skip
NAMES = tuple(BASE)
OWN = {
    ("jsb", "lstm"): dict(input_dropout=0.1, epochs=60),
    ("jsb", "gru"): dict(
        hidden=400, dropout=0.6, input_dropout=0.1, weight_decay=0.03, epochs=80, ema_decay=0.995
    ),
    ("jsb", "rnn"): dict(hidden=200, lr=5e-4, dropout=0.3, input_scale=0.3, batch=2, epochs=60),
    ("nottingham", "lstm"): dict(hidden=400, dropout=0.4, epochs=50),
    ("nottingham", "gru"): dict(lr=1e-3, dropout=0.3, input_scale=0.5, layers=2, epochs=40),
    ("nottingham", "rnn"): dict(lr=7e-4, dropout=0.15, epochs=20),
}
RECIPES = {key: BASE | own for key, own in OWN.items()}


def recipe_of(set_name, cell):
    """The recipe of a set and a cell. MuseData and Piano-midi.de have not been tuned for: they take
    Nottingham's.
    """
    return RECIPES.get((set_name, cell)) or RECIPES["nottingham", cell]


def complete(config):
    """Settings with the recipe's values wherever none is given."""
    return filled(config, recipe_of(config.set, config.cell))
