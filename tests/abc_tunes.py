"""Made-up tunes for tests: simple, so that a small network learns to write such."""

import numpy as np


def make_tunes(count, seed=0):
    """Texts of valid tunes, all different."""
    rng = np.random.default_rng(seed)
    tunes = []
    for number in range(1, count + 1):
        bars = ["".join(rng.choice(list("EFGABcdefg"), 8)) for _ in range(7)]
        bars.append("C,CDEabc'b")  # so that the alphabet has what other keys need
        rows = "|!\n".join("|".join(bars[k : k + 4]) for k in (0, 4))
        tunes.append(
            f"X:{number}\nT:Tune {number}\nM:C\nL:1/8\nK:{rng.choice(['D', 'G', 'Ador'])}\n{rows}|]!\n"
        )
    return tunes


def write_tunes(path, count=40, seed=0):
    """A file of them."""
    path.write_text("\n\n".join(make_tunes(count, seed)), encoding="utf-8")
    return path
