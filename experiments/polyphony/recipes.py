"""The settings that won, for each set and cell."""

from dataclasses import asdict, dataclass, fields, replace

CELLS = ("lstm", "gru", "rnn")


@dataclass(frozen=True)
class Recipe:
    """What `settings.Training` leaves open; the same names."""

    hidden: int
    lr: float
    dropout: float = 0.5
    input_scale: float = 0.4
    input_dropout: float = 0.0
    layers: int = 1
    weight_decay: float = 0.01
    batch: int = 4
    window: int = 0
    epochs: int = 100
    patience: int = 12
    transpose: int = 0
    clip: float = 1.0
    ema_decay: float = 0.99


RECIPES = {
    ("jsb", "lstm"): Recipe(300, 3e-3, input_dropout=0.1, epochs=60),
    ("jsb", "gru"): Recipe(
        400, 3e-3, dropout=0.6, input_dropout=0.1, weight_decay=0.03, epochs=80, ema_decay=0.995
    ),
    ("jsb", "rnn"): Recipe(200, 5e-4, dropout=0.3, input_scale=0.3, batch=2, epochs=60),
    ("nottingham", "lstm"): Recipe(400, 3e-3, dropout=0.4, epochs=50),
    ("nottingham", "gru"): Recipe(300, 1e-3, dropout=0.3, input_scale=0.5, layers=2, epochs=40),
    ("nottingham", "rnn"): Recipe(300, 7e-4, dropout=0.15, epochs=20),
}


def recipe_of(set_name, cell):
    """The recipe of a set and a cell. MuseData and Piano-midi.de have not been tuned for: they take
    Nottingham's.
    """
    return RECIPES.get((set_name, cell)) or RECIPES["nottingham", cell]


def complete(config):
    """Settings with the recipe's values wherever none is given."""
    recipe = asdict(recipe_of(config.set, config.cell))
    return replace(config, **{k: v for k, v in recipe.items() if getattr(config, k) is None})


NAMES = tuple(field.name for field in fields(Recipe))
