"""Names of settings that have changed: the old ones are still read, with a warning of one line.

They stand in command lines, in YAML files, in run folders and in checkpoints.
"""

import warnings

RENAMED = {
    "judge_every": "eval_every",
    "judged": "eval_size",
    "average": "ema_decay",
    "streams": "stateful",
    "build": "architecture",
    "builds": "architectures",
}


def current(name, known):
    """The name that a setting has now: of `known` names, or as it was given."""
    new = RENAMED.get(name)
    return new if name not in known and new in known else name


def current_flag(name, known, spelling):
    """The same for a flag, with a warning; `spelling` is a function of a name."""
    new = current(name, known)
    if new != name:
        warn([spelling(name)], [spelling(new)])
    return new


def current_keys(settings):
    """A dict of settings out of a checkpoint, under the names that they have now; nothing else is changed."""
    return {RENAMED.get(k, k): v for k, v in settings.items()} if isinstance(settings, dict) else settings


def current_settings(settings, known, path):
    """A dict of settings out of a file, under the names that they have now, with a warning."""
    old = [name for name in settings if current(name, known) != name]
    if old:
        warn(old, [current(name, known) for name in old], f"{path}: ")
    return {current(name, known): value for name, value in settings.items()}


def warn(old, new, where=""):
    """One line that tells of names that have changed."""
    verb = "is" if len(old) == 1 else "are"
    warnings.warn(f"{where}{', '.join(old)} {verb} now called {', '.join(new)}", stacklevel=3)
