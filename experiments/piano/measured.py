"""What networks compose, measured beside pieces that none has learned from (experiments/measures)."""

from dataclasses import replace

import numpy as np

from encoders.score import Score, Track
from experiments.common.errors import UserError
from experiments.common.progress import Progress
from experiments.measures.figures import draw_overlap
from experiments.measures.report import FEWEST, compare
from experiments.measures.tables import as_text, markdown
from experiments.piano import composing
from scratchnet.files import atomic_open

AT_ONCE = 16  # pieces that are composed side by side
EXCERPTS = 5  # of one piece, at most


def measure(out, networks, corpus, config, say):
    """Compose `config.n` pieces with each network, compare, write measures.md and measures.png.

    out : RunFolder
    networks : dict of name -> (network, NoteDuration)
    corpus : Corpus
    config : Evaluate
    say : function of a text
    Raises UserError if there are too few test pieces to compare with.
    """
    human = [
        excerpt
        for k in corpus.parts["test"]
        for excerpt in excerpts(corpus.encoder.decode(corpus.pieces[k].tokens), config.bars)
    ]
    if len(human) < FEWEST:
        raise UserError(
            f"expected at least {FEWEST} excerpts of {config.bars} bars of test pieces, got {len(human)}"
        )
    sets = {}
    for name, (network, encoder) in networks.items():
        rng, pieces = np.random.default_rng([config.seed, 3]), []
        with Progress(config.n, f"composing, {name}", "piece", config.quiet, passing=True) as bar:
            while len(pieces) < config.n:
                count = min(AT_ONCE, config.n - len(pieces))
                begin = composing.beginning(encoder)
                pieces += composing.draw(network, encoder, begin, count, rng, config)
                bar.update(count)
        sets[name] = [composing.as_score(encoder, tokens) for tokens in pieces]
        say(f"{name}: {config.n} pieces composed")
    found = compare(
        sets, human, np.random.default_rng([config.seed, 4]), bars=config.bars, quiet=config.quiet
    )
    with atomic_open(out.path("measures.md")) as file:
        file.write(markdown(found))
    out.write_metrics({"measures": found})
    draw_overlap(out.path("measures.png"), found)
    say("\n" + as_text(found))


def excerpts(score, bars):
    """Stretches of so many bars, one after the other, all over a piece but at most EXCERPTS; those with few
    notes are left out.
    """
    length = bars * composing.BEATS_PER_BAR * score.ticks_per_beat
    count = score.end // length
    chosen = np.unique(np.linspace(0, count - 1, min(count, EXCERPTS)).astype(int)) if count else []
    found = []
    for k in chosen:
        notes = [
            replace(note, start=note.start - k * length)
            for note in score.notes()
            if k * length <= note.start < (k + 1) * length
        ]
        if len(notes) >= 2 * bars:
            found.append(Score(score.ticks_per_beat, [Track("piano", notes)], score.tempos))
    return found
