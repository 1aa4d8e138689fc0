"""The results as text and as CSV files."""

import csv
import re
from collections import Counter

from experiments.listen.storage import EXPERIENCES
from scratchnet.files import atomic_open

HASTY = 3.0  # seconds
# What begins a formula in a spreadsheet, also wide or small; what may separate cells in one that is set to
# another language, and what may come between.
SIGNS = r"[=+\-@\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20]"
FORMULA = re.compile(rf"(^|[;\t\r\n])([\s\"\x00-\x1f]*)(?={SIGNS})")
UNKNOWN = "-"
NOTES = """Means over listeners of each one's mean, with Student's 95 % interval; p by Wilcoxon's signed ranks
of each listener's difference, with Holm's correction over all pairs."""


def as_text(ratings, means, comparisons, counts):
    """The report for the terminal.

    ratings : list of Rating
    means : list of Mean
    comparisons : list of Comparison
    counts : (began, finished, answers)
    """
    began, finished, answers = counts
    lines = [f"{plural(began, 'listener')} began, {finished} finished; {plural(answers, 'answer')}"]
    experiences = Counter(dict((row.listener, row.experience) for row in ratings).values())
    lines += [f"  {number:4}  {EXPERIENCES.get(key, key)}" for key, number in experiences.most_common()]
    hasty = sum(row.heard < HASTY for row in ratings)
    if hasty:
        lines.append(
            f"{plural(hasty, 'answer')} after less than {HASTY:.0f} s of listening (see answers.csv)"
        )
    if not means:
        return "\n".join([*lines, "Nothing has been rated yet."])
    return "\n".join([*lines, "", *mean_table(means), "", *pair_table(comparisons), "", NOTES])


def mean_table(means):
    """Source by without and with a primer, as the paper's Figure 6; lines."""
    cells = {row.kind: row for row in means}
    sources = list(dict.fromkeys(row.kind.source for row in means))
    width = max(6, *map(len, sources))
    heading = f"{'mean':>5}  {'95 %':<12} {'listeners':>9} {'pieces':>6}"
    lines = [f"{'':{width}}   {'without primer':<{len(heading)}}   {'with primer'}"]
    lines.append(f"{'source':{width}}   {heading}   {heading}")
    for source in sources:
        row = [cell_text(cells.get((source, primed)), len(heading)) for primed in (False, True)]
        lines.append(f"{source:{width}}   {row[0]}   {row[1]}".rstrip())
    return lines


def cell_text(cell, width):
    if cell is None:
        return f"{UNKNOWN:>5}".ljust(width)
    return f"{cell.mean:5.2f}  {interval(cell.low, cell.high):<12} {cell.listeners:>9} {cell.pieces:>6}"


def pair_table(comparisons):
    """Differences between kinds; lines."""
    if not comparisons:
        return ["No pairs to compare: one kind only."]
    names = [f"{row.a} - {row.b}" for row in comparisons]
    width = max(map(len, names))
    lines = [f"{'':{width}}  {'difference':>10}  {'95 %':<14} {'listeners':>9} {'p':>7} {'Holm':>7}"]
    for name, row in zip(names, comparisons, strict=True):
        difference = UNKNOWN if row.difference is None else f"{row.difference:+.2f}"
        lines.append(
            f"{name:{width}}  {difference:>10}  {interval(row.low, row.high, '+'):<14} "
            f"{row.listeners:>9} {p_text(row.p):>7} {p_text(row.p_holm):>7}"
        )
    return lines


def interval(low, high, sign=""):
    return UNKNOWN if low is None else f"{low:{sign}.2f} to {high:{sign}.2f}"


def p_text(p):
    if p is None:
        return UNKNOWN
    return "< .001" if p < 0.001 else f"{p:.3f}"


def plural(number, noun):
    return f"{number} {noun}" + ("" if number == 1 else "s")


def write_csv(folder, ratings, means, comparisons):
    """answers.csv, means.csv and comparisons.csv."""
    heading = "listener experience position source primed title sample score seconds_heard given_utc".split()
    write_table(folder / "answers.csv", heading, ratings)
    heading = "source primed listeners answers pieces mean low high".split()
    write_table(folder / "means.csv", heading, [(*row.kind, *row[1:]) for row in means])
    heading = "a a_primed b b_primed listeners difference low high p p_holm".split()
    write_table(folder / "comparisons.csv", heading, [(*row.a, *row.b, *row[2:]) for row in comparisons])


def write_table(path, heading, rows):
    with atomic_open(path, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(heading)
        writer.writerows([as_cell(value) for value in row] for row in rows)


def as_cell(value):
    """A value for CSV. What a spreadsheet would take for a formula in a text gets an apostrophe in front."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        value, first = FORMULA.sub(r"\1\2'", value), value[:1]
        return f"'{value}" if first.isspace() or not first.isprintable() else value
    if isinstance(value, float):
        return round(value, 6)
    return "" if value is None else value
