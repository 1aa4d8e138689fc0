"""From a trained network to tunes: beginnings, drawing, what is valid, the files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from encoders.abc import AbcError, Tune, read_tune
from encoders.tokens.characters import END
from experiments.common.errors import UserError
from experiments.common.progress import Progress
from scratchnet.generation.generate import generate
from scratchnet.messages import cut

TOGETHER = 32  # tunes that are drawn side by side
PATIENCE = 10  # so many times more tunes than asked for are drawn before it is given up


@dataclass(frozen=True)
class Composed:
    """One tune: its text; the Tune, or None if it is not valid; why not."""

    text: str
    tune: Tune | None
    reason: str = ""


def primer(config):
    """The beginning of each tune: --prime, or a header with --title, --meter and --key, or "X:".

    Raises UserError if both are given, or a file cannot be read.
    """
    header = config.title or config.meter or config.key
    if config.prime is not None and header:
        raise UserError("expected --prime, or --title, --meter and --key; got both")
    if config.prime is not None:
        text = config.prime.replace("\\n", "\n")
        if len(text) < 256 and "\n" not in text and Path(text).is_file():
            try:
                text = Path(text).read_text(encoding="utf-8").rstrip("\n") + "\n"
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(f"--prime {config.prime}: cannot be read ({error})") from None
        if not text:
            raise UserError("--prime: expected a text of at least one character")
        return text
    if not header:
        return "X:"
    fields = {"X": "1", "T": config.title or "New", "M": config.meter or "C", "L": "1/8", "K": config.key}
    return "".join(f"{letter}:{value}\n" for letter, value in fields.items() if value)


def draw(network, characters, begin, count, rng, settings, quiet=True):
    """Draw `count` tunes that begin so.

    network : Sequential
    characters : Characters
    begin : str
    settings : Drawing: temperature, top_k, top_p, length
    Returns list of Composed.
    Raises UserError if the beginning has characters that were not learned; they are named.
    """
    try:
        heard = characters.encode(END + begin)
    except ValueError as error:
        raise UserError(f"the beginning of the tunes: {error}") from None
    top_k = settings.top_k and min(settings.top_k, len(characters))
    tunes = []
    with Progress(count, "composing", "tune", quiet, passing=True) as bar:
        while len(tunes) < count:
            many = min(TOGETHER, count - len(tunes))
            pieces = generate(
                network, [heard] * many, settings.length, rng, stop=characters.encode(END),
                temperature=settings.temperature, top_k=top_k, top_p=settings.top_p,
            )  # fmt: skip
            tunes += [judge(begin + characters.decode(piece)) for piece in pieces]
            bar.update(many)
    return tunes


def judge(text):
    """A drawn text as Composed: valid if it came to its end and has no error (encoders/abc/tune.py)."""
    if not text.endswith(END):
        return Composed(text, None, "does not end")
    text = text.strip("\n")
    try:
        tune = read_tune(text)
        tune.score()
    except AbcError as error:
        return Composed(text, None, str(error))
    errors = [problem for problem in tune.problems if problem.severity == "error"]
    return Composed(text, None, str(errors[0])) if errors else Composed(text, tune)


def compose(network, characters, begin, count, rng, settings, raw=False, quiet=True):
    """Tunes to keep, and all that were drawn.

    Returns kept : list of Composed, `count` of them: valid ones, or with `raw` as they came; fewer, or none,
        if hardly anything that is drawn is valid; drawn : list of Composed.
    """
    drawn = draw(network, characters, begin, count, rng, settings, quiet)
    while not raw and (missing := count - sum(tune.tune is not None for tune in drawn)):
        if len(drawn) > PATIENCE * max(count, 10):
            break
        drawn += draw(network, characters, begin, missing, rng, settings, quiet)
    kept = drawn if raw else [tune for tune in drawn if tune.tune is not None]
    return kept[:count], drawn


def too_few(kept, drawn, count):
    """What is said where fewer valid tunes are kept than asked for."""
    bad = next(tune.reason for tune in reversed(drawn) if tune.tune is None)
    return (
        f"of {len(drawn)} tunes that were drawn {len(kept)} are valid, fewer than the {count} asked for; "
        f"the last error: {cut(bad, 200)}; train longer, or lower --temperature, or keep them all with --raw"
    )


def generator(seed):
    return np.random.default_rng([seed, 2])
