"""One case on all sides: first they are compared, then they take turns and are timed."""

import math
import sys
import time

import numpy as np

from benchmarks.workers import Failed, Missing

TRIALS = 3  # turns of each mode, before the fastest is chosen
HOPELESS = 2.5  # times the least time of another mode
PAUSE = 0.05  # seconds between turns, in which threads that still spin fall asleep
MOST_IDLE = 0.05  # cores that a process may use while others have their turn
# Largest difference, relative to the largest number: float32, sums in another order. Adam turns tiny
# gradients into steps of full size, and Keras has one bias for two: the losses after the first drift apart.
TOLERANCE = {"logits": 1e-4, "loss": 1e-4, "losses": 3e-3, "gradient": 2e-3}
SMALL = 0.01  # of the largest gradient: what is less may be a sum of large terms that cancel
EQUAL_TOKENS = 0.9  # share of draws; where two logits are almost equal, rounding decides


def say(text):
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def differences(found, reference):
    """Lines that say where two results of `Side.check` differ by more than rounding."""
    lines = []
    if found.keys() != reference.keys():
        return [f"has {sorted(found)} instead of {sorted(reference)}"]
    largest = max(
        (np.abs(want).max() for name, want in reference.items() if name.startswith("d ")), default=0
    )
    for name, want in reference.items():
        got = found[name]
        if got.shape != want.shape:
            lines.append(f"{name} of shape {got.shape} instead of {want.shape}")
        elif name == "tokens":
            equal = np.mean(got == want)
            if equal < EQUAL_TOKENS:
                lines.append(f"only {equal:.0%} of the tokens are equal")
        else:
            scale = max(np.abs(want).max(), SMALL * largest if name.startswith("d ") else 0)
            most = float(np.abs(got - want).max() / scale)
            if not most <= TOLERANCE.get(name, TOLERANCE["gradient"]):
                lines.append(f"{name} differs by {most:.1e} of its largest number")
    return lines


class Contest:
    """One case on all sides.

    Parameters
    ----------
    case : Case
    workers : dict of `Process` or `Side` by side, in the order of their turns

    Attributes
    ----------
    modes : dict of the modes of each side that can do the case, and does it right
    wrong : whether a side failed or differed
    """

    def __init__(self, case, workers):
        self.case, self.workers = case, workers
        self.modes, self.mode, self.wrong, self.idle = {}, {}, False, {}

    def attempt(self, side, job):
        """job(), or None if the side fails or lacks it, which takes it out of the contest."""
        try:
            return job()
        except Missing as error:
            say(f"  {side}: {error}")
        except Failed as error:
            self.wrong = True
            say(f"  {side} failed:\n{error}")
        self.modes.pop(side, None)
        return None

    def check(self):
        """Compare every mode of every side with the first."""
        reference = first_loss = None
        for side, worker in self.workers.items():
            self.modes[side] = modes = self.attempt(side, lambda worker=worker: worker("open", self.case))
            for mode in modes or ():
                found = self.attempt(side, lambda w=worker, mode=mode: w("check", self.case, mode))
                if found is None:
                    break
                reference = reference or (side, found)
                self._refuse(side, mode, differences(found, reference[1]), reference[0])
            if self.modes.get(side):  # a fresh network, all time steps: what is timed
                loss = self.attempt(side, lambda w=worker: (w("open", self.case), w("step"))[1])
                if loss is not None:
                    first_loss = loss if first_loss is None else first_loss
                    if not math.isclose(loss, first_loss, rel_tol=TOLERANCE["loss"]):
                        self._refuse(
                            side, None, [f"the loss is {loss} instead of {first_loss}"], reference[0]
                        )
        self.modes = {side: modes for side, modes in self.modes.items() if modes}

    def _refuse(self, side, mode, lines, reference):
        for line in lines:
            say(f"  {side} ({mode}) against {reference}: {line}" if mode else f"  {side}: {line}")
        if lines:
            self.wrong = True
            self.modes[side] = tuple(m for m in self.modes[side] if mode and m != mode)

    def _turn(self, side):
        time.sleep(PAUSE)
        answer = self.attempt(side, lambda: self.workers[side]("turn"))
        if answer is None:
            return math.nan
        seconds, idle = answer
        now = time.perf_counter()
        if side in self.idle:
            used, waited, last = self.idle[side]
            self.idle[side] = used + idle, waited + now - last - seconds, now
        else:
            self.idle[side] = 0.0, 0.0, now
        return seconds

    def choose(self):
        """Find the fastest mode of each side by its least time; one far behind is not tried again."""
        least = {}
        for _ in range(TRIALS):
            for side in list(self.modes):
                for mode in self.modes[side] if len(self.modes[side]) > 1 else ():
                    best = min((least[key] for key in least if key[0] == side), default=math.inf)
                    if side in self.modes and least.get((side, mode), 0) <= HOPELESS * best:
                        self.attempt(side, lambda side=side, mode=mode: self.workers[side]("use", mode))
                        least[side, mode] = min(least.get((side, mode), math.inf), self._turn(side))
        for side, modes in self.modes.items():
            self.mode[side] = min(modes, key=lambda mode: least.get((side, mode), math.inf))
            self.workers[side]("use", self.mode[side])

    def time(self, rounds):
        """Milliseconds of one step, or token, of every round: {side: [...]}."""
        self.idle = {}
        for side in list(self.modes):
            self._turn(side)
        times = {side: [] for side in self.modes}
        for _ in range(rounds):
            for side in list(self.modes):
                times[side].append(self._turn(side) * 1e3 / self.case.units)
        return {side: times[side] for side in self.modes}

    def restless(self):
        """Sides that used the processor while others had their turn: {side: cores}."""
        shares = {side: used / max(waited, 1e-9) for side, (used, waited, _) in self.idle.items()}
        return {side: share for side, share in shares.items() if share > MOST_IDLE}
