"""Tunes as scores, by verovio.

Verovio is native code, in which strange tunes can crash, or never end (thousands of ties in one bar). So it
works in a process of its own, and a tune of which it makes no score costs no other tune anything.
"""

import contextlib
import importlib.util

from encoders.workers import in_workers

TIME_LIMIT = 20.0  # seconds a tune; a page of music takes a tenth of one
MISSING = "verovio is not installed"


def engrave_all(texts):
    """Scores of ABC texts, in the order in which they are done.

    Yields place : int, of the text in `texts`; svg : str, or None; failure : str, why there is no score, or
        None.
    """
    if importlib.util.find_spec("verovio") is None:
        yield from ((place, None, MISSING) for place in range(len(texts)))
        return
    with contextlib.closing(in_workers(engrave, texts, 1, TIME_LIMIT)) as results:
        yield from results


def engrave(text):
    """One tune as SVG.

    Raises ValueError if verovio makes nothing of it.
    """
    import verovio

    verovio.enableLog(verovio.LOG_OFF)
    engraver = verovio.toolkit()
    options = {"inputFrom": "abc", "pageHeight": 60000, "adjustPageHeight": True, "footer": "none"}
    engraver.setOptions({**options, "xmlIdSeed": 1})  # the same tune, the same bytes
    # The line breaks of old would be decorations today.
    engraver.loadData(text.replace("!\n", "\n").removesuffix("!"))
    svg = engraver.renderToSVG(1)
    if not svg:
        raise ValueError("verovio draws nothing")
    paper = '>\n   <rect width="100%" height="100%" fill="white"/>'  # notes are black, and a page may be dark
    return svg.replace(">", paper, 1)
