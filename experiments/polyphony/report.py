"""Our numbers beside those of others, for the terminal and for a README."""

from experiments.common.progress import Progress
from experiments.polyphony.anchors import PUBLISHED, SCORED, anchors
from experiments.polyphony.data import SPLITS
from experiments.polyphony.training import AT_ONCE, nll


def judge(network, music, quiet=True):
    """Nats per frame of all parts."""
    groups = sum(-(-len(getattr(music, split)) // AT_ONCE) for split in SPLITS)
    with Progress(groups, "evaluation", "group", quiet, passing=True) as bar:
        return {split: nll(network, getattr(music, split), bar.update) for split in SPLITS}


def standing(set_name, music, ours, quiet=True):
    """Rows (model, weights, train, valid, test, source) from the worst test to the best; train and valid may
    be None.

    ours : list of (label, weights, dict of nats per frame by part)
    quiet : no progress bar
    Returns rows : list of tuples; levels : dict, as of `anchors`.
    """
    levels = anchors(music, quiet)
    rows = [(name, None, *(row[split] for split in SPLITS), "here") for name, row in levels.items()]
    rows += [(label, weights, *(row[split] for split in SPLITS), "here") for label, weights, row in ours]
    rows += [
        (row.model, None, None, None, row.nll[set_name], row.source)
        for row in PUBLISHED
        if set_name in row.nll
    ]
    return sorted(rows, key=lambda row: -row[4]), levels


def as_text(title, rows):
    """Rows of `standing` for the terminal; `*` marks what was trained here."""
    lines = [
        f"{title}, {SCORED}",
        f"  {'model':34} {'weights':>9} {'train':>7} {'valid':>7} {'test':>7}  source",
    ]
    for model, weights, *nats, source in rows:
        count = f"{weights:,}" if weights else ""
        numbers = " ".join(f"{value:7.2f}" if value is not None else " " * 7 for value in nats)
        lines.append(f"{'*' if weights else ' '} {model:34} {count:>9} {numbers}  {source}")
    return "\n".join(lines)
