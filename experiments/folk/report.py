"""How good: nats per character beside simple models; valid tunes, full bars, copies."""

import math
from typing import NamedTuple

from encoders.melody import PARTS, Copies, melody
from experiments.common import recipe
from experiments.common.ngram_baseline import best_ngram
from experiments.common.progress import Progress, shown
from experiments.common.recipe import as_large
from experiments.common.trained import percent
from experiments.folk.baselines import baselines

BATCH = 32
EVALUATED = {"test": "network", "valid": "network, validation tunes", "train": "network, training tunes"}
LONG = (2, 4)  # bars: copies longer than these are counted
SHOWN = 10  # composed tunes that are told of one by one


def held_out(corpus, part, most=None, windows=False):
    """A HeldOut: each tune of a part from its first character to its end, or `most` characters of them."""
    return recipe.held_out(corpus.sequences(part), BATCH, most, windows)


def nats_table(corpus, network, quiet=True):
    """Nats per character on the test tunes: dict of name -> nats, the network's under "network".

    Beside them the network's on all validation tunes, and on training tunes, as many characters.
    """
    rows = baselines(corpus.stream("train"), corpus.stream("test"), corpus.characters, quiet)
    for part, name in EVALUATED.items():
        most = as_large(corpus, "test") if part == "train" else None
        held = held_out(corpus, part, most, part == "valid")
        with Progress(len(held.batches), f"judging, {part} tunes", "batch", quiet, passing=True) as bar:
            rows[name], _ = held(network, bar.update)
    return rows


def as_text(rows):
    """The rows as a table, the best model last."""
    name, nats = best_ngram(rows)
    lines = [f"{'nats':>8} {'bits':>7}   a character of the test tunes"]
    ranked = sorted(rows.items(), key=lambda row: -row[1])
    lines += [f"{value:8.3f} {value / math.log(2):7.3f}   {label}" for label, value in ranked]
    gain = nats - rows["network"]
    words = "below" if gain > 0 else "above"
    return "\n".join([*lines, f"The network is {abs(gain):.3f} nats {words} the best n-gram ({name})."])


class Copying(NamedTuple):
    """The longest run of notes that a tune shares with a training tune, in any key.

    notes, bars : its length; title : of the training tune; share : of the tune's own notes
    """

    notes: int
    bars: float
    title: str
    share: float


class Memory:
    """Finds copies of the training tunes."""

    def __init__(self, corpus, quiet=True):
        self.numbers = corpus.parts["train"]
        self.titles = [corpus.tunes[k].title for k in self.numbers]
        melodies = [corpus.melodies[k] for k in self.numbers]
        self.copies = Copies(shown(melodies, "tunes to compare with", "tune", quiet))

    def look(self, tune):
        """The Copying of a Tune."""
        score = tune.score(repeats=False, graces=False)
        pairs = melody(score)
        copy = self.copies.longest(pairs)
        if copy.tune is None:
            return Copying(0, 0.0, "", 0.0)
        quarters = sum(parts for _, parts in pairs[copy.start : copy.start + copy.notes - 1]) / PARTS
        _, numerator, denominator = score.meters[0]
        bars = quarters / (4 * numerator / denominator)
        return Copying(copy.notes, bars, self.titles[copy.tune], copy.notes / (len(pairs) + 1))


def copying_of(memory, tunes, quiet=True):
    """Figures of many tunes, for metrics.json: the median and longest copy, the share of long ones, and of
    which tune the longest is.
    """
    found = [memory.look(tune) for tune in shown(tunes, "looking for copies", "tune", quiet)]
    if not found:
        return {"tunes": 0}
    by_length = sorted(found, key=lambda copying: copying.bars)
    longest = by_length[-1]
    figures = {
        "tunes": len(found),
        "median notes": sorted(copying.notes for copying in found)[len(found) // 2],
        "median bars": by_length[len(found) // 2].bars,
        "longest notes": longest.notes,
        "longest bars": longest.bars,
        "longest is of": longest.title,
    }
    for bars in LONG:
        figures[f"share over {bars} bars"] = sum(c.bars > bars for c in found) / len(found)
    return figures


def bars_filled(tunes):
    """The share of bars that fill their meter (encoders/abc/bars.py), of all bars of these tunes."""
    bars = [bar for tune in tunes for bar in tune.bars if bar.expected]
    return sum(bar.fills for bar in bars) / len(bars) if bars else math.nan


def one_tune(memory, tune):
    """What a tune has in common with the nearest training tune: a dict, for metrics.json."""
    copying = memory.look(tune)
    return {
        "title": tune.title,
        "bars": len(tune.bars),
        "copied bars": copying.bars,
        "copied share of notes": copying.share,
        "nearest training tune": copying.title,
    }


def judge_tunes(corpus, drawn, quiet=True):
    """Figures of composed tunes beside those of the test tunes, for metrics.json.

    drawn : list of Composed
    quiet : no progress bar
    """
    memory = Memory(corpus, quiet)
    composed = [row.tune for row in drawn if row.tune is not None]
    human = [corpus.tunes[k].read() for k in corpus.parts["test"]]
    return {
        "drawn": len(drawn),
        "valid": len(composed) / len(drawn) if drawn else math.nan,
        "reasons": [row.reason for row in drawn if row.tune is None][:10],
        "tunes": [one_tune(memory, tune) for tune in composed[:SHOWN]],
        "bars filled": {"composed": bars_filled(composed), "test tunes": bars_filled(human)},
        "copies": {
            "composed": copying_of(memory, composed, quiet),
            "test tunes": copying_of(memory, human, quiet),
        },
    }


def tunes_text(figures):
    """`judge_tunes` in words."""
    bars, copies = figures["bars filled"], figures["copies"]
    lines = [f"{'bars':>5} {'copied':>7}   composed tune, and the training tune nearest to it"]
    lines += [
        f"{row['bars']:5} {row['copied bars']:7.1f}   {row['title']} ({row['nearest training tune']})"
        for row in figures["tunes"]
    ]
    lines += [
        f"valid ABC: {percent(figures['valid'])} of {figures['drawn']} tunes drawn",
        f"bars that fill their meter: {percent(bars['composed'], 1)} "
        f"(test tunes: {percent(bars['test tunes'], 1)})",
        "longest run of notes shared with a training tune, in any key:",
    ]
    for who, row in copies.items():
        if row["tunes"]:
            over = ", ".join(f"over {bars} bars {row[f'share over {bars} bars']:.0%}" for bars in LONG)
            lines.append(
                f"  {who}: median {row['median notes']} notes, {row['median bars']:.1f} bars; {over}; "
                f"longest {row['longest notes']} notes, {row['longest bars']:.1f} bars "
                f"({row['longest is of']})"
            )
    return "\n".join(lines)
