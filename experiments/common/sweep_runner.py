"""Many runs of one experiment, shared by processes and machines, never done twice.

All runs are trials of one Optuna study, in a journal file or a database that any number of processes, on any
number of machines, share: each takes the next run that nobody has begun. A run whose process has been silent
for a while is given to another, which goes on from its checkpoint where that is at hand.

A run is a dict with a value for each name of the plan's `choices`. An experiment says by a `Plan` which runs
there are, and by a function `learn(run, trial)` what one of them does.
"""

import math
import multiprocessing
import re
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from experiments.common.errors import UserError, import_extra
from experiments.common.json_files import points
from experiments.common.processes import begin_process
from experiments.common.streams import how_warnings_are_shown
from scratchnet.training.trainer import Diverged

PAUSES = (1.0, 2.0, 0.0)  # seconds, between attempts to open a study
BEAT, LOST = 10.0, 90.0  # seconds: a run tells that it lives; a run that has been silent is lost
SEEN, WHO = "seen", "worker"  # what it tells, among a trial's attributes


@dataclass(frozen=True)
class Plan:
    """Which runs there are, and where it is written down who does them.

    name : of the study
    out : Path, the folder of the sweep
    storage : URL of a database, or None for a journal file in `out`
    grid : list of runs
    choices : dict of name -> all values that runs may have, in an order that never changes
    settings : dict that JSON can hold: what all runs share, and no later command may change
    warm_up : with pruning, steps of a run that is left alone; None for no pruning
    """

    name: str
    out: Path
    storage: str | None
    grid: list
    choices: dict
    settings: dict
    warm_up: int | None = None

    def key(self, run):
        """The values of a run in the order of `choices`."""
        return tuple(run[name] for name in self.choices)


# ------------------------------------------------------------------------------------------- the study


def open_study(plan):
    """The Optuna study, with every run of the grid in it.

    Raises UserError if the storage cannot be opened, or holds a sweep of other settings.
    """
    for wait in PAUSES:  # where two begin an empty database at once, one of them fails, and finds it made
        try:
            study = _open(plan)
            break
        except ImportError:
            raise
        except Exception as error:  # SQLAlchemy's, the driver's, the system's: all mean the same to the user
            reason = " ".join(str(error).split())[:200]
            message = f"{place(plan)}: cannot open the study ({without_password(reason)})"
        time.sleep(wait)
    else:
        raise UserError(message)
    wanted = plan.settings
    found = study.user_attrs.get("settings", wanted)
    if found != wanted:
        name = next(key for key in wanted if wanted[key] != found.get(key))
        raise UserError(f"the study has {name} {found.get(name)}, not {wanted[name]}; choose another --out")
    study.set_user_attr("settings", wanted)
    for run in plan.grid:  # Optuna leaves out what is in the study already
        study.enqueue_trial(run, skip_if_exists=True)
    return study


def place(plan):
    """Where the study is, to be shown."""
    return without_password(plan.storage) if plan.storage else plan.out


def without_password(text):
    return re.sub(r"(//[^:/@\s]+):[^@\s]*@", r"\1:...@", text)


def _open(plan):
    optuna = import_extra("optuna", "sweep")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storages = optuna.storages
    if plan.storage:
        storage = storages.RDBStorage(plan.storage)
    else:
        plan.out.mkdir(parents=True, exist_ok=True)
        journal = plan.out / "journal.log"
        lock = storages.journal.JournalFileOpenLock(str(journal))
        storage = storages.JournalStorage(storages.journal.JournalFileBackend(str(journal), lock))
    prune = plan.warm_up is not None
    pruner = optuna.pruners.MedianPruner(n_warmup_steps=plan.warm_up) if prune else None
    return optuna.create_study(
        storage=storage, study_name=plan.name, load_if_exists=True, direction="minimize",
        sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner or optuna.pruners.NopPruner(),
    )  # fmt: skip


def give_back_lost_runs(study):
    """Runs that nobody has been heard of for a while fail, and wait again."""
    import optuna

    states, now = optuna.trial.TrialState, time.time()
    for trial in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
        seen = trial.user_attrs.get(SEEN)
        if seen is None:
            seen = trial.datetime_start.timestamp() if trial.datetime_start else now
        if now - seen < LOST:
            continue
        try:  # only one process can end a trial: who comes second is refused
            ended = study._storage.set_trial_state_values(trial._trial_id, states.FAIL)
        except Exception:
            continue
        if ended is not False:
            study.enqueue_trial(dict(trial.system_attrs.get("fixed_params", trial.params)))


def waiting(study):
    import optuna

    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,))


def running(study):
    import optuna

    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))


class Taken(Exception):
    """Another process has this run, or had it."""


def is_taken(study, number, run):
    """Whether an earlier trial is, or was, this run."""
    import optuna

    states = optuna.trial.TrialState
    trials = study.get_trials(deepcopy=False, states=(states.RUNNING, states.COMPLETE, states.PRUNED))
    return any(trial.number < number and trial.params == run for trial in trials)


def finished(study, names):
    """The finished trials by their values of these names, in a tuple; the last one of each."""
    import optuna

    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    trials = study.get_trials(deepcopy=False, states=states)
    return {tuple(trial.params[name] for name in names): trial for trial in trials}


# ------------------------------------------------------------------------------------------- a worker


class Heartbeat:
    """Tells, while a run lasts, that its process lives."""

    def __init__(self, trial):
        self.trial, self.over = trial, threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)

    def _beat(self):
        while True:
            self.trial.set_user_attr(SEEN, time.time())
            if self.over.wait(BEAT):
                return

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *exception):
        self.over.set()
        self.thread.join()


def run_of(trial, plan):
    """The run that a trial is."""
    return {name: trial.suggest_categorical(name, list(values)) for name, values in plan.choices.items()}


def work(plan, learn):
    """Take runs until none is left; how many were done. One worker, one thread.

    plan : Plan
    learn : function (run, trial) that gives the value of a run, the lower the better
    """
    from scratchnet.kernels import team

    team.set_size(1)
    study = open_study(plan)

    def objective(trial):
        run = run_of(trial, plan)
        if is_taken(study, trial.number, run):  # two processes that began together put it in twice
            raise Taken
        trial.set_user_attr(WHO, socket.gethostname())
        with Heartbeat(trial):
            return learn(run, trial)

    done = 0
    while True:
        give_back_lost_runs(study)
        if waiting(study):
            study.optimize(objective, n_trials=1, catch=(Taken,))
            done += 1
        elif running(study):  # another's, which may yet be lost
            time.sleep(1.0)
        else:
            return done


def learn_session(session, trial, prune=False):
    """Train a Session to its end as a trial; its best held-out loss, infinity if it diverged.

    The trial's attribute "curves" is what `curves` says, so that a study tells all, wherever it was run.
    """
    import optuna

    reported = {row["step"] for row in session.run.rows("step", "held_out")}

    def report(step, nats):
        if step not in reported:
            trial.report(nats, step)
        return prune and trial.should_prune()

    session.on_evaluation = report
    try:
        session.learn(quiet=True)
    except Diverged:
        return math.inf
    trial.set_user_attr("curves", curves(session.run))
    if session.stopped and session.done < session.pace.total:
        raise optuna.TrialPruned
    return session.trainer.best["nats"]


def curves(folder):
    """Training and held-out loss of a run: {"loss": [[step, nats], ...], "held_out": [...]}."""
    rows = folder.rows()
    losses = points(rows, "step", "loss")
    every = max(1, len(losses) // 100)
    return {"loss": losses[every - 1 :: every], "held_out": points(rows, "step", "held_out")}


# ------------------------------------------------------------------------------------------- all of them


def run_workers(work, config, workers, say):
    """Call `work(config)` in processes of their own; one that is killed does not stop the others."""
    context = multiprocessing.get_context("spawn")
    about = work, config, how_warnings_are_shown()
    processes = [context.Process(target=work_quietly, args=about) for _ in range(workers)]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    lost = sum(process.exitcode != 0 for process in processes)
    if lost:
        say(f"{lost} of {len(processes)} workers ended before their time; the same command goes on")


def work_quietly(work, config, warnings=None):
    """`work(config)`, in a process whose Ctrl-C is the parent's to handle; see `begin_process`."""
    begin_process(warnings)
    work(config)
