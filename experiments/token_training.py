"""Training a network of tokens in a run folder: progress, log, checkpoints, Ctrl-C, and going on.

    checkpoint.safetensors          all that going on needs, as it was after some step
    checkpoint-STEP.safetensors     earlier ones, if asked for
    best.safetensors                the weights that were best on held-out music, with the settings and the
                                    vocabulary: all that composing needs

A killed process loses the steps since the last checkpoint, nothing else; what it does again is bit for bit what
it did.
"""

import math
import shlex
import time

from experiments.errors import UserError
from experiments.interrupts import deferred_interrupt
from experiments.progress import Progress
from scratchnet.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from scratchnet.training import Diverged

BEST = "best.safetensors"
HINT = "try a lower --lr or --clip"


class Session:
    """One training, from its first step or from a checkpoint.

    Parameters
    ----------
    trainer : Trainer
    run : RunFolder
    about : dict that JSON can hold, stored in both files: what the network is made of, its vocabulary
    held_out : list of Batch, by which it is judged
    steps : how many in all
    judge_every, save_every, log_every : steps
    patience : stop after so many judgements without a better one; 0 never
    keep : how many earlier checkpoints stay
    command : the command line that goes on with this run, for the message after Ctrl-C
    """

    def __init__(
        self, trainer, run, about, held_out, steps, judge_every, save_every, patience=0, keep=0, log_every=10,
        command="",
    ):  # fmt: skip
        self.trainer, self.run, self.about, self.held_out = trainer, run, about, held_out
        self.steps, self.judge_every, self.save_every = steps, judge_every, save_every
        self.patience, self.keep, self.log_every, self.command = patience, keep, log_every, command
        self.saved = None

    def resume(self):
        """Go on from the run's checkpoint.

        Raises
        ------
        CheckpointError
            If it is damaged or of another network.
        """
        path = self.run.require_checkpoint()
        tensors, metadata = load_checkpoint(path)
        check_about(path, metadata, self.about)
        try:
            self.trainer.load_state(tensors, metadata["trainer"])
        except (KeyError, ValueError, TypeError) as error:
            raise CheckpointError(f"{path}: does not fit the settings of the run ({error})") from None
        self.run.keep_rows(lambda row: row.get("step", 0) <= self.trainer.steps)
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
        recent, tokens, began = [], 0, time.perf_counter()
        with Progress(self.steps, "training", "step", quiet) as bar, deferred_interrupt() as interrupt:
            bar.update(trainer.steps)
            while not self.over:
                try:
                    step = trainer.step()
                    recent.append(step.loss)
                    tokens += step.tokens
                    if step.step % self.log_every == 0:
                        loss, rate = math.fsum(recent) / len(recent), tokens / (time.perf_counter() - began)
                        self.run.log(step=step.step, loss=loss, norm=step.norm, lr=step.lr, tokens_per_s=rate)
                        recent, tokens, began = [], 0, time.perf_counter()
                    if step.step % self.judge_every == 0 or step.step == self.steps:
                        paused = time.perf_counter()
                        self.run.log(step=step.step, held_out=trainer.judge(self.held_out))
                        began += time.perf_counter() - paused
                except Diverged as error:
                    kept = "nothing was saved before"
                    if self.saved is not None:
                        kept = f"{self.run.checkpoint} holds step {self.saved}"
                    raise Diverged(f"{error}; {kept}; {HINT}") from None
                figures = {"held-out": trainer.best["nats"]} if trainer.best else {}
                bar.update(1, loss=step.loss, norm=step.norm, **figures)
                if interrupt.is_set() or step.step % self.save_every == 0 or self.over:
                    self.save()
                if interrupt.is_set():
                    where = f"step {trainer.steps} of {self.steps} is saved in {self.run.checkpoint}"
                    raise KeyboardInterrupt(
                        f"{where}; go on with: {self.command} {shlex.quote(str(self.run.folder))}"
                    )

    def save(self):
        """Write the checkpoint, and the best weights if they are new."""
        trainer = self.trainer
        tensors, metadata = trainer.state()
        save_checkpoint(self.run.checkpoint, tensors, self.about | {"trainer": metadata})
        if self.keep:
            save_checkpoint(self.run.path(f"checkpoint-{trainer.steps}.safetensors"), tensors,
                            self.about | {"trainer": metadata})  # fmt: skip
            for path in earlier(self.run)[: -self.keep]:
                path.unlink()
        if trainer.best and (
            self.saved is None or trainer.best["step"] > self.saved or not self.best.is_file()
        ):
            save_checkpoint(self.best, trainer.best_weights, self.about | {"best": trainer.best})
        self.saved = trainer.steps

    @property
    def best(self):
        return self.run.folder / BEST


def earlier(run):
    """Paths of the checkpoints with a step in their name, the oldest first."""
    paths = run.folder.glob("checkpoint-*.safetensors")
    numbered = [(path.stem.partition("-")[2], path) for path in paths]
    return [path for _, path in sorted((int(n), path) for n, path in numbered if n.isdecimal())]


def check_about(path, metadata, about):
    """A CheckpointError that names the first thing in which a file differs from the settings."""
    for name, wanted in about.items():
        found = metadata.get(name)
        if found == wanted:
            continue
        if isinstance(wanted, dict) and isinstance(found, dict):
            key = next(k for k in (*wanted, *found) if wanted.get(k) != found.get(k))
            name, found, wanted = f"{name} {key}", found.get(key), wanted.get(key)
        raise CheckpointError(f"{path}: expected {name} {_short(wanted)}, found {_short(found)}")


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def load_best(path, needed):
    """The weights and the metadata of a best.safetensors, or of a run folder that has one.

    Parameters
    ----------
    path : Path of the file or folder
    needed : names that the metadata must have

    Raises
    ------
    UserError, CheckpointError
        If there is none, or it is damaged or of another kind.
    """
    if path.is_dir():
        path = path / BEST
        if not path.is_file():
            raise UserError(f"{path.parent}: expected a trained run, but there is no {BEST} in it")
    tensors, metadata = load_checkpoint(path)
    missing = [name for name in needed if name not in metadata]
    if missing:
        raise CheckpointError(f"{path}: expected the weights of a trained network, found no {missing[0]}")
    return tensors, metadata
