"""A session: one training in a run folder, with progress, log, checkpoints, Ctrl-C, and going on.

    checkpoint.safetensors          all that going on needs, as it was after some step
    checkpoint-STEP.safetensors     the last few of these, if asked for
    best.safetensors                the weights that were best on held-out music, with the settings and the
                                    vocabulary: all that composing needs (trained.py reads it)

A killed process loses the steps since the last checkpoint, nothing else; what it does again is bit for bit
what it did.
"""

import contextlib
import math
import os
import shlex
import time
from dataclasses import replace
from pathlib import Path

from experiments.common.deprecated import current_keys
from experiments.common.errors import UserError
from experiments.common.interrupts import deferred_interrupt
from experiments.common.progress import Progress
from experiments.common.run_folder import BEST, CHECKPOINT, NUMBERED, RunFolder
from experiments.common.settings import expect_resumed
from experiments.common.streams import say
from experiments.common.trained import as_stored, check_about, does_not_fit
from scratchnet.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from scratchnet.training.trainer import Diverged

HINT = "try a lower --lr or --clip"
SECONDS = 15  # between checkpoints, where no number of steps is asked for


class BrokenOff(Exception):
    """An evaluation, by Ctrl-C."""


class Session:
    """One training, from its first step or from a checkpoint. `create` or `resume` gives it a run folder.

    trainer : Trainer
    about : dict that JSON can hold, stored in all files: the name of the experiment, what the network is made
        of, its vocabulary
    held_out : HeldOut, or another function for `Trainer.evaluate`. With an attribute `batches`, a bar shows
        how many of these are done
    pace : Pace (recipe.py)
    again : the command line that goes on with the run; None for the experiment's `train --resume FOLDER`
    on_evaluation : function (step, loss), called after each evaluation: whether to stop there
    hint : what to try if it diverges
    Attributes:
    run : RunFolder
    due : whether an evaluation was broken off after the last step
    stopped : whether `on_evaluation` has ended it
    seconds, evaluating : that `learn` took, and evaluations of these
    """

    def __init__(self, trainer, about, held_out, pace, again=None, on_evaluation=None, hint=HINT):
        self.trainer, self.about, self.held_out, self.pace = trainer, as_stored(about), held_out, pace
        self.again, self.on_evaluation, self.hint = again, on_evaluation, hint
        self.run = None
        self.recent = []  # losses since the last row of the log
        self.saved, self.saved_at, self.due, self.stopped = None, -math.inf, False, False
        self.seconds = self.evaluating = 0.0

    # ------------------------------------------------------------------------------------- its run folder

    def create(self, path, config, overwrite=False):
        """Begin in a new folder; returns this session. Parameters and errors: see `RunFolder.create`."""
        return self.within(RunFolder.create(path, self.about["experiment"], config, overwrite))

    def within(self, run):
        """This session, in a RunFolder."""
        self.run = run
        self.again = self.again or go_on_with(
            f"python -m experiments.{self.about['experiment']} train --resume", run.folder
        )
        return self

    def resume(self, run):
        """Go on from a run's checkpoint: what the log and best.safetensors say of later steps is dropped.

        Returns this session.

        Raises UserError or CheckpointError as `restore`.
        """
        self.restore(run)
        self.run.keep_rows("step", self.trainer.steps, "held_out" if self.due else None)
        if self.trainer.best:
            self._save_best()
        return self

    def restore(self, run):
        """Be as a run's checkpoint says; nothing is written.

        Raises UserError or CheckpointError if there is none, or it is damaged, of another network, another
            vocabulary or other data.
        """
        path = self.within(run).run.require_checkpoint()
        tensors, metadata = load_checkpoint(path)
        if "trainer" not in metadata:
            raise CheckpointError(
                f"{path}: of an earlier version, or of something else: cannot go on with it"
            )
        check_about(path, metadata | {"config": current_keys(metadata.get("config"))}, self.about)
        try:
            self.trainer.load_state(tensors, metadata["trainer"])
            self.recent = [float(loss) for loss in metadata["recent"]]
            if not all(map(math.isfinite, self.recent)):
                raise ValueError("expected finite losses")
            self.due = metadata.get("due", False) is True
        except (KeyError, ValueError, TypeError, ArithmeticError) as error:
            raise does_not_fit(path, error) from None
        self.saved = self.trainer.steps

    # ------------------------------------------------------------------------------------------ training

    @property
    def done(self):
        """How much is done, in the unit of the pace."""
        return self.trainer.steps if self.pace.unit == "step" else self.trainer.batches.done

    @property
    def over(self):
        """Whether all is done, patience is over, or `on_evaluation` has stopped it."""
        patience = self.pace.patience
        waited = bool(patience and self.trainer.waited >= patience)
        return self.stopped or waited or self.done >= self.pace.total

    def learn(self, quiet=False):
        """Train to the end.

        Raises KeyboardInterrupt after Ctrl-C, with what was done saved; it says how to go on; Diverged with
            the place, what is kept, and a hint.
        """
        pace = self.pace
        with (
            Progress(pace.total, "training", pace.unit, quiet, initial=min(self.done, pace.total)) as bar,
            deferred_interrupt() as interrupt,
        ):
            began = time.perf_counter()
            try:
                self._learn(bar, interrupt, quiet)
            except Diverged as error:
                raise Diverged(f"{error}; {self._kept()}; {self.hint}") from None
            self.seconds = time.perf_counter() - began

    def _kept(self):
        """What a training that has diverged leaves behind."""
        best = self.trainer.best
        kept = f"{self.run.checkpoint} holds step {self.saved}"
        if best and self.best.is_file():
            kept += f", {self.best.name} the best, of step {best['step']}"
        return kept

    def _learn(self, bar, interrupt, quiet):
        trainer, pace, targets, began = self.trainer, self.pace, 0, time.perf_counter()
        if self.saved is None:
            self.save()
        bar.tell(now="compiling")
        while self.due or not self.over:
            evaluated = False
            if not self.due:
                before = self.done
                step = trainer.step()
                now, total = self.done, pace.total
                self.recent.append(step.loss)
                targets += step.targets
                speed = targets / (time.perf_counter() - began)
                if pace.log_every and step.step % pace.log_every == 0:
                    self.run.log(
                        step=step.step, **self._mean(), norm=step.norm, lr=step.lr, tokens_per_s=speed
                    )
                    targets, began = 0, time.perf_counter()
                self.due = before // pace.eval_every != now // pace.eval_every or now >= total
                figures = {"loss": step.loss, "norm": step.norm, "tokens/s": f"{speed:,.0f}"}
                bar.update(min(now, total) - before, **self._best_so_far(), **figures, now=None)
            if self.due and not interrupt.is_set():
                paused = time.perf_counter()
                evaluated = self._evaluate(interrupt, quiet)
                began += time.perf_counter() - paused
                self.evaluating += time.perf_counter() - paused
                bar.tell(**self._best_so_far())
            if interrupt.is_set() or self.over or self._save_is_due(evaluated):
                self.save()
            if interrupt.is_set():
                where = f"{pace.unit} {self.done} of {pace.total} is saved in {self.run.checkpoint}"
                raise KeyboardInterrupt(f"{where}; go on with: {self.again}")

    def _evaluate(self, interrupt, quiet):
        """Log an evaluation and keep the best weights. False if it is broken off: then it stays due."""
        trainer = self.trainer
        batches = getattr(self.held_out, "batches", None)
        with Progress(batches and len(batches), "evaluation", "batch", quiet, passing=True) as bar:

            def progress():
                bar.update(1)
                if interrupt.is_set():
                    raise BrokenOff

            try:
                nats = trainer.evaluate(self.held_out, progress)
            except BrokenOff:
                return False
        self.due = False
        with_loss = {} if self.pace.log_every else self._mean() | {"lr": trainer.optimizer.lr}
        error = {"error": trainer.error} if trainer.error else {}
        self.run.log(step=trainer.steps, held_out=nats, **error, **with_loss, **trainer.figures)
        if trainer.best["step"] == trainer.steps:
            self._save_best()
        if self.on_evaluation:
            self.stopped = bool(self.on_evaluation(trainer.steps, nats))
        return True

    def _mean(self):
        """The mean of the losses since it was last asked for."""
        loss = math.fsum(self.recent) / len(self.recent) if self.recent else math.nan
        self.recent = []
        return {"loss": loss}

    def _best_so_far(self):
        return {"held-out": self.trainer.best["nats"]} if self.trainer.best else {}

    # ---------------------------------------------------------------------------------------------- files

    def _save_is_due(self, evaluated):
        if self.pace.save_every:
            return self.trainer.steps % self.pace.save_every == 0
        return evaluated or time.monotonic() - self.saved_at > SECONDS

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
        if self.pace.keep:
            self._keep(tensors, about)
        self.saved, self.saved_at = trainer.steps, time.monotonic()

    def _keep(self, tensors, about):
        """Give the checkpoint a name of its own, and remove the oldest of these."""
        path = self.run.folder / NUMBERED.replace("*", str(self.trainer.steps))
        path.unlink(missing_ok=True)
        try:
            os.link(self.run.checkpoint, path)  # a second name, no second file
        except OSError:  # a file system without such names
            save_checkpoint(path, tensors, about)
        for old in earlier(self.run)[: -self.pace.keep]:
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


# ------------------------------------------------------------------------------- what commands do with it


def begin_or_resume(config, runs, load):
    """A Session as `train` begins it: a new one, or one to go on with.

    config : the settings of the command; with `resume`, those of the run count, but for where the music is
    runs : the experiment's module with complete, settings_of and make_session
    load : function of complete settings that gives the corpus
    Returns session : Session; corpus : what `load` gave; config : the complete settings.
    """
    if config.resume:
        expect_resumed(config)
        run = RunFolder.resume(config.resume)
        config = with_data(replace(runs.settings_of(run), quiet=config.quiet), config.data)
        session = runs.make_session(config, corpus := load(config)).resume(run)
    else:
        config = runs.complete(config)
        corpus = load(config)
        session = runs.make_session(config, corpus).create(config.out, config, config.overwrite)
    return session, corpus, config


def with_data(config, data):
    """Settings with the music from somewhere else, if that is given."""
    return replace(config, data=data) if data else config


def begin_or_go_on(make, path, config, go_on=True, wait=False):
    """The Session in a folder: a new one or, to `go_on`, the one that was begun there.

    make : function without arguments that makes a Session
    path : the folder; a new session replaces what is there
    config : what a new folder says of itself
    wait : until no other process works there; and what is damaged there is begun anew
    """
    if go_on and (wait or (Path(path) / CHECKPOINT).is_file()):
        try:
            return make().resume(RunFolder.resume(path, wait))
        except (UserError, CheckpointError):
            if not wait:
                raise
    return make().create(path, config, overwrite=True)


def expect_sound(folders):
    """Look at the runs in these folders, as far as they are begun: what is wrong with the last is said before
    the first goes on.

    Raises UserError or CheckpointError if one is damaged, or another process works in it.
    """
    for folder in folders:
        if (folder / CHECKPOINT).is_file():
            load_checkpoint(RunFolder.resume(folder).checkpoint)


def run_to_end(session, quiet):
    """Train a Session to the end. If it diverges: SystemExit, status 1, and one line."""
    try:
        session.learn(quiet)
    except Diverged as error:
        raise SystemExit(f"{session.about['experiment']}: error: {error}") from None


def learn(session, quiet, pieces, unit):
    """The same for a network of tokens; say with what, and how it went.

    quiet : no progress bar
    pieces, unit : what it is evaluated on, and in nats per what: "validation tunes", "character"
    """
    trainer, held_out, pace = session.trainer, session.held_out, session.pace
    say(f"{trainer.model.parameter_count:,} weights, {pace.total} {pace.unit}s")
    say(f"evaluated every {pace.eval_every} {pace.unit}s on {held_out} of the {pieces}")
    run_to_end(session, quiet)
    best = trainer.best
    error = f" ± {best['error']:.3f}, the standard error of the sample" if "error" in best else ""
    say(
        f"stopped after step {trainer.steps}; the best on {pieces}: step {best['step']}, {best['nats']:.3f} "
        f"nats per {unit}{error}; evaluation took {session.evaluating / session.seconds:.0%} of the time"
    )
    session.run.write_metrics({"chosen by": held_out.counts() | best})


@contextlib.contextmanager
def afterwards(session):
    """What comes after training: Ctrl-C ends it, and is told that the network is kept, and how to go on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        kept = f"the trained network is kept in {session.run.folder}"
        raise KeyboardInterrupt(str(stop) or f"{kept}; for the rest: {session.again}") from None
