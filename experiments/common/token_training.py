"""Training a network of tokens in a run folder: progress, log, checkpoints, Ctrl-C, and going on.

    checkpoint.safetensors          all that going on needs, as it was after some step
    checkpoint-STEP.safetensors     the last few of these, if asked for
    best.safetensors                the weights that were best on held-out music, with the settings and the
                                    vocabulary: all that composing needs

A killed process loses the steps since the last checkpoint, nothing else; what it does again is bit for bit
what it did.
"""

import contextlib
import json
import math
import os
import shlex
import time
from pathlib import Path

from experiments.common.errors import UserError
from experiments.common.interrupts import deferred_interrupt
from experiments.common.json_files import is_number
from experiments.common.progress import Progress
from experiments.common.run_folder import BEST, NUMBERED
from scratchnet.messages import brief, cut
from scratchnet.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from scratchnet.training.trainer import Diverged

HINT = "try a lower --lr or --clip"
PARTS = ("best/", "mean/", "last/")  # of a checkpoint: what is to compose, the first that is there


class BrokenOff(Exception):
    """A judgement, by Ctrl-C."""


class Session:
    """One training, from its first step or from a checkpoint.

    Parameters
    ----------
    trainer : Trainer
    run : RunFolder
    about : dict that JSON can hold, stored in all files: what the network is made of, its vocabulary
    held_out : HeldOut, or a list of Batch, by which it is judged
    steps : how many in all
    judge_every, save_every, log_every : steps
    patience : stop after so many judgements without a better one; 0 never
    keep : how many of the last checkpoints stay under names of their own
    command : the command line that goes on with this run, but for its folder

    Attributes
    ----------
    again : the whole command line, for the message after Ctrl-C
    due : whether a judgement was broken off after the last step
    seconds, judging : that `learn` took, and judgements of these
    """

    def __init__(
        self, trainer, run, about, held_out, steps, judge_every, save_every, patience=0, keep=0, log_every=10,
        command="",
    ):  # fmt: skip
        self.trainer, self.run, self.held_out = trainer, run, held_out
        self.about = as_stored(about)
        self.steps, self.judge_every, self.save_every = steps, judge_every, save_every
        self.patience, self.keep, self.log_every = patience, keep, log_every
        self.again = go_on_with(command, run.folder)
        self.recent = []  # losses since the last row of the log
        self.saved, self.due = None, False
        self.seconds = self.judging = 0.0

    def resume(self):
        """Go on from the run's checkpoint: what the log and best.safetensors say of later steps is dropped.

        Raises
        ------
        UserError, CheckpointError
            As `restore`.
        """
        self.restore()
        self.run.keep_rows("step", self.trainer.steps, "held_out" if self.due else None)
        if self.trainer.best:
            self._save_best()

    def restore(self):
        """Be as the run's checkpoint says; nothing is written.

        Raises
        ------
        UserError, CheckpointError
            If there is none, or it is damaged, of another network, another vocabulary or other data.
        """
        path = self.run.require_checkpoint()
        tensors, metadata = load_checkpoint(path)
        check_about(path, metadata, self.about)
        try:
            self.trainer.load_state(tensors, metadata["trainer"])
            self.recent = [float(loss) for loss in metadata["recent"]]
            if not all(map(math.isfinite, self.recent)):
                raise ValueError("expected finite losses")
            self.due = metadata.get("due", False) is True
        except (KeyError, ValueError, TypeError, ArithmeticError) as error:
            raise does_not_fit(path, error) from None
        self.saved = self.trainer.steps

    @property
    def over(self):
        """Whether all steps are done, or patience is over."""
        trainer = self.trainer
        return trainer.steps >= self.steps or bool(self.patience and trainer.waited >= self.patience)

    def learn(self, quiet=False):
        """Train to the end.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C, with what was done saved; it says how to go on.
        Diverged
            With the place, what is kept, and a hint.
        """
        trainer = self.trainer
        with (
            Progress(self.steps, "training", "step", quiet, initial=trainer.steps) as bar,
            deferred_interrupt() as interrupt,
        ):
            began = time.perf_counter()
            try:
                self._learn(bar, interrupt, quiet)
            except Diverged as error:
                kept = f"{self.run.checkpoint} holds step {self.saved}"
                if trainer.best and self.best.is_file():
                    kept += f", {self.best.name} the best, of step {trainer.best['step']}"
                raise Diverged(f"{error}; {kept}; {HINT}") from None
            self.seconds = time.perf_counter() - began

    def _learn(self, bar, interrupt, quiet):
        trainer, tokens, began = self.trainer, 0, time.perf_counter()
        if self.saved is None:
            self.save()
        bar.tell(now="compiling")
        while self.due or not self.over:
            if not self.due:
                step = trainer.step()
                self.recent.append(step.loss)
                tokens += step.tokens
                speed = tokens / (time.perf_counter() - began)
                if step.step % self.log_every == 0:
                    loss = math.fsum(self.recent) / len(self.recent)
                    self.run.log(step=step.step, loss=loss, norm=step.norm, lr=step.lr, tokens_per_s=speed)
                    self.recent, tokens, began = [], 0, time.perf_counter()
                self.due = step.step % self.judge_every == 0 or step.step == self.steps
                figures = {"loss": step.loss, "norm": step.norm, "tokens/s": f"{speed:,.0f}"}
                bar.update(1, **self._best_so_far(), **figures, now=None)
            if self.due and not interrupt.is_set():
                paused = time.perf_counter()
                self._judge(interrupt, quiet)
                began += time.perf_counter() - paused
                self.judging += time.perf_counter() - paused
                bar.tell(**self._best_so_far())
            if interrupt.is_set() or trainer.steps % self.save_every == 0 or self.over:
                self.save()
            if interrupt.is_set():
                where = f"step {trainer.steps} of {self.steps} is saved in {self.run.checkpoint}"
                raise KeyboardInterrupt(f"{where}; go on with: {self.again}")

    def _judge(self, interrupt, quiet):
        """Log a judgement and keep the best weights; if it is broken off, it stays due."""
        trainer, count = self.trainer, len(getattr(self.held_out, "batches", self.held_out))
        with Progress(count, "judging", "batch", quiet, passing=True) as bar:

            def progress():
                bar.update(1)
                if interrupt.is_set():
                    raise BrokenOff

            try:
                nats = trainer.judge(self.held_out, progress)
            except BrokenOff:
                return
        self.due = False
        error = {"error": trainer.error} if trainer.error else {}
        self.run.log(step=trainer.steps, held_out=nats, **error)
        if trainer.best["step"] == trainer.steps:
            self._save_best()

    def _best_so_far(self):
        return {"held-out": self.trainer.best["nats"]} if self.trainer.best else {}

    def _save_best(self):
        trainer = self.trainer
        save_checkpoint(self.best, trainer.best_weights, self.about | {"best": trainer.best})

    def save(self):
        """Write the checkpoint; the log reaches the disk before it."""
        trainer = self.trainer
        tensors, metadata = trainer.state()
        self.run.sync_log()
        about = self.about | {"trainer": metadata, "recent": self.recent, "due": self.due}
        save_checkpoint(self.run.checkpoint, tensors, about)
        if self.keep:
            self._keep(tensors, about)
        self.saved = trainer.steps

    def _keep(self, tensors, about):
        """Give the checkpoint a name of its own, and remove the oldest of these."""
        path = self.run.folder / NUMBERED.replace("*", str(self.trainer.steps))
        path.unlink(missing_ok=True)
        try:
            os.link(self.run.checkpoint, path)  # a second name, no second file
        except OSError:  # a file system without such names
            save_checkpoint(path, tensors, about)
        for old in earlier(self.run)[: -self.keep]:
            old.unlink()

    @property
    def best(self):
        """Path of the best weights."""
        return self.run.folder / BEST


def go_on_with(command, folder):
    """A command line that ends in a folder, ready to be copied."""
    return f"{command} {shlex.quote(str(folder))}"


def earlier(run):
    """Paths of the checkpoints with a step in their name, the oldest first."""
    found = []
    for path in run.folder.glob(NUMBERED):
        with contextlib.suppress(ValueError):
            found.append((int(path.stem.partition("-")[2]), path))
    return [path for _, path in sorted(found)]


def as_stored(about):
    """A dict as a checkpoint gives it back: lists for tuples."""
    return json.loads(json.dumps(about))


def check_about(path, metadata, about):
    """A CheckpointError that names the first thing in which a file differs from the settings."""
    for name, wanted in as_stored(about).items():
        found = metadata.get(name)
        if found == wanted:
            continue
        if isinstance(wanted, dict) and isinstance(found, dict):
            key = next(k for k in (*wanted, *found) if wanted.get(k) != found.get(k))
            name, found, wanted = f"{name} {key}", found.get(key), wanted.get(key)
        raise CheckpointError(f"{path}: expected {cut(name)} {brief(wanted)}, found {brief(found)}")


def does_not_fit(path, error):
    """The CheckpointError for a file that is not of the settings of its run."""
    return CheckpointError(f"{path}: does not fit the settings of the run ({cut(error, 200)})")


def load_best(path, needed):
    """The best weights of a training, and the metadata.

    Parameters
    ----------
    path : a run folder, its best.safetensors, or one of its checkpoints (then of those up to it)
    needed : names that the metadata must have

    Returns
    -------
    weights : dict of arrays by name
    metadata : dict; with "best", a dict of step and nats, or None if the network was not judged yet

    Raises
    ------
    UserError, CheckpointError
        If there is none, or it is damaged or of another kind.
    """
    path = Path(path)
    if path.is_dir():
        path = path / BEST
        if not path.is_file():
            raise UserError(f"{path.parent}: expected a trained run, but there is no {BEST} in it")
    tensors, metadata = load_checkpoint(path)
    if isinstance(metadata.get("trainer"), dict):
        metadata["best"] = metadata["trainer"].get("best")
        parts = ({n[len(p) :]: w for n, w in tensors.items() if n.startswith(p)} for p in PARTS)
        tensors = next(filter(None, parts), tensors)
    best = metadata.get("best")
    if best is not None and not (
        isinstance(best, dict) and all(is_number(best.get(k)) for k in ("step", "nats"))
    ):
        raise CheckpointError(f"{path}: expected the step and loss of the best weights, found {brief(best)}")
    missing = [name for name in needed if name not in metadata]
    if missing:
        raise CheckpointError(f"{path}: expected the weights of a trained network, found no {missing[0]}")
    return tensors, metadata


def load_network(path, needed, make, least=lambda metadata: 0):
    """The best network of a training, ready to compose, and the metadata.

    Parameters
    ----------
    path, needed : see `load_best`
    make : function of the metadata that makes such a network
    least : function of the metadata: so many weights such a network has at least. It is asked first, so that
        a file cannot have a network made that is larger than the file

    Raises
    ------
    UserError, CheckpointError
        If there is none, or it is damaged or of another kind.
    """
    weights, metadata = load_best(path, needed)
    try:
        expect_weights(least(metadata), weights)
        network = make(metadata)
        network.load_state_dict(weights)
    except (KeyError, ValueError, TypeError, AttributeError, ArithmeticError, IndexError) as error:
        reason = f"{type(error).__name__}: {cut(error, 200)}"
        raise CheckpointError(f"{path}: its weights and its settings do not fit ({reason})") from None
    network.eval()
    return network, metadata


def expect_weights(least, weights):
    """A ValueError if there are fewer numbers in a dict of arrays than settings need."""
    found = sum(array.size for array in weights.values())
    if least > found:
        raise ValueError(f"expected {brief(least)} weights or more by the settings, found {found}")
