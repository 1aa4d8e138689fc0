"""A progress bar with rate, time left and loss: redrawn on a terminal, a line now and then elsewhere."""

import sys
import time

from experiments.common.errors import import_extra

SECONDS_OF_SILENCE = 2.0  # after which people ask whether it hangs
SECONDS_BETWEEN_LINES = 10.0  # in a log file a bar that is redrawn ten times a second is thousands of lines


class Progress:
    """Show how far a long job is, on standard error.

        with Progress(epochs, "training", unit="epoch") as progress:
            for _ in range(epochs):
                progress.update(1, loss=train_one_epoch())

    total : int or None, how many units there are, or None if nobody knows
    description : str
    unit : str
    quiet : bool, show nothing
    file : text stream, optional, standard error by default
    initial : int, units that were done before, and do not count for the rate
    passing : bool, show it only if it takes more than two seconds, and leave nothing behind
    Raises ImportError if tqdm is not installed (and `quiet` is not asked for).
    """

    def __init__(self, total, description="", unit="step", quiet=False, file=None, initial=0, passing=False):
        self.bar, self.figures = None, {}
        if quiet:
            return
        file = sys.stderr if file is None else file
        options = {"total": total, "desc": description, "unit": unit, "miniters": 1, "initial": initial}
        if passing:
            options.update(delay=SECONDS_OF_SILENCE, leave=False)
        if file.isatty():
            options.update(file=file, mininterval=0.1, dynamic_ncols=True, unit=f" {unit}")
        else:
            counted = "{n_fmt}" if total is None else "{n_fmt}/{total_fmt}"
            left = "" if total is None else ", {remaining} left"
            layout = f"{{desc}}: {counted} {unit}, {{elapsed}} gone{left}, {{rate_fmt}}{{postfix}}"
            options.update(file=_Lines(file), mininterval=SECONDS_BETWEEN_LINES, bar_format=layout)
        self.bar = import_extra("tqdm").tqdm(**options)

    def update(self, n=1, **figures):
        """Report `n` more units done and the current figures, e.g. `loss=0.52`; numbers take four digits.

        A figure stays until it is reported anew; None takes it away.
        """
        self._note(figures)
        if self.bar is not None:
            self.bar.update(n)

    def tell(self, **figures):
        """Change some of the current figures within a unit, so that it is seen that something goes on."""
        self._note(figures)
        if self.bar is not None and time.time() - self.bar.last_print_t >= self.bar.mininterval:
            self.bar.refresh()
            self.bar.last_print_t = time.time()  # as tqdm counts

    def _note(self, figures):
        self.figures |= {name: f"{v:.4g}" if isinstance(v, float) else v for name, v in figures.items()}
        self.figures = {name: v for name, v in self.figures.items() if v is not None}
        if figures and self.bar is not None:
            self.bar.set_postfix(self.figures, refresh=False)

    def close(self):
        """Leave the final state on display."""
        if self.bar is not None:
            self.bar.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def shown(items, description, unit, quiet=False):
    """Yield the items of a list, and show how many are done if it takes more than two seconds."""
    with Progress(len(items), description, unit, quiet, passing=True) as bar:
        for item in items:
            yield item
            bar.update(1)


class _Lines:
    """A stream that turns tqdm's redrawing of one line into lines, without repeating the last."""

    def __init__(self, file):
        self.file = file
        self.last = None

    def write(self, text):
        text = text.strip()  # carriage returns, and blanks over what stood there before
        if text and text != self.last:
            self.file.write(text + "\n")
            self.last = text

    def flush(self):
        self.file.flush()
