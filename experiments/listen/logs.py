"""What the host of a test sees on the terminal: that something is wrong, not how often somebody met it."""

import logging

SECONDS = 60


def say_seldom(logger):
    """Give a logger one `Seldom`, a new one."""
    logger.filters = [found for found in logger.filters if not isinstance(found, Seldom)] + [Seldom()]


class Seldom(logging.Filter):
    """Passes one message of a kind (its text before arguments are filled in) in SECONDS; the next one says
    how many were left out.
    """

    def __init__(self):
        super().__init__()
        self.last, self.left_out = {}, {}

    def filter(self, record):
        kind = str(record.msg)
        if record.created - self.last.get(kind, -SECONDS) < SECONDS:
            self.left_out[kind] = self.left_out.get(kind, 0) + 1
            return False
        self.last[kind] = record.created
        if count := self.left_out.pop(kind, 0):
            record.msg, record.args = f"{record.getMessage()} ({count} more like it before)", ()
        return True
