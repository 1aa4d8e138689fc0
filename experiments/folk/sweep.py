"""The sweep of the paper: five settings, one at a time, the others as the paper chose them.

All runs are trials of one Optuna study, in a journal file or a database that any number of processes, on any
number of machines, share: each takes the next run that nobody has begun. A run whose process has been silent
for a while is given to another, which goes on from its checkpoint where that is at hand.
"""

import math
import multiprocessing
import socket
import threading
import time
from dataclasses import replace

from experiments.errors import UserError, import_extra
from experiments.folk import runs
from experiments.folk.data import load
from experiments.folk.settings import PRESETS, Train, complete
from experiments.processes import begin_process
from experiments.run_folder import RunFolder
from scratchnet.checkpoint import CheckpointError
from scratchnet.training import Diverged

STUDY = "folk"
AXES = {
    "optimizer": ("sgd", "momentum", "adagrad", "rmsprop", "adam"),
    "hidden": (128, 256, 512, 1024, 2048),
    "lr": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    "length": (50, 100, 200, 400, 800),
    "batch": (4, 8, 16, 32, 64),
}
RATES = {"sgd": 1.0, "momentum": 0.1, "adagrad": 1e-2, "rmsprop": 1e-3, "adam": 1e-3}  # usual ones
BEAT, LOST = 10.0, 90.0  # seconds: a run tells that it lives; a run that has been silent is lost
SEEN, WHO = "seen", "worker"  # what it tells, among a trial's attributes


def grid(config):
    """All runs: list of dicts {"axis", "value"}."""
    return [{"axis": axis, "value": value} for axis in config.axes for value in values_of(axis, config)]


def values_of(axis, config):
    """The values of an axis; with fewer units than the paper's, the axis of units ends at twice as many."""
    if axis == "hidden" and config.hidden:
        return tuple(value for value in AXES[axis] if value <= 2 * config.hidden)
    return AXES[axis]


def settings_of(config, run):
    """The complete settings of one run."""
    base = complete(Train(preset="paper", data=config.data, seed=config.seed, quiet=True, steps=config.steps,
                          hidden=config.hidden, judge_every=max(1, config.steps // 10)))  # fmt: skip
    settings = replace(base, **{run["axis"]: run["value"]}, out=config.out / name_of(run))
    if run["axis"] == "optimizer":
        settings = replace(settings, lr=RATES[run["value"]])
    return settings


def name_of(run):
    return f"{run['axis']}-{run['value']}"


def paper_choice(axis, config):
    """The value that the paper settled on."""
    return config.hidden if axis == "hidden" and config.hidden else getattr(PRESETS["paper"], axis)


# ------------------------------------------------------------------------------------------- the study


def open_study(config):
    """The Optuna study, with every run of the grid in it once.

    Raises
    ------
    UserError
        If the storage cannot be opened, or holds a sweep of other settings.
    """
    optuna = import_extra("optuna", "sweep")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storages = optuna.storages
    try:
        if config.storage:
            storage = storages.RDBStorage(config.storage)
        else:
            config.out.mkdir(parents=True, exist_ok=True)
            journal = config.out / "journal.log"
            lock = storages.journal.JournalFileOpenLock(str(journal))
            storage = storages.JournalStorage(storages.journal.JournalFileBackend(str(journal), lock))
        pruner = optuna.pruners.MedianPruner(n_warmup_steps=config.steps // 4) if config.prune else None
        study = optuna.create_study(
            storage=storage, study_name=STUDY, load_if_exists=True, direction="minimize",
            sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner or optuna.pruners.NopPruner(),
        )  # fmt: skip
    except (ImportError, UserError):
        raise
    except Exception as error:  # SQLAlchemy's, the driver's, the system's: all mean the same to the user
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{config.storage or config.out}: cannot open the study ({reason})") from None
    wanted = {"steps": config.steps, "hidden": config.hidden, "seed": config.seed}
    found = study.user_attrs.get("settings", wanted)
    if found != wanted:
        name = next(key for key in wanted if wanted[key] != found.get(key))
        raise UserError(f"the study has {name} {found.get(name)}, not {wanted[name]}; choose another --out")
    study.set_user_attr("settings", wanted)
    for run in grid(config):  # Optuna leaves out what is in the study already
        study.enqueue_trial(run, skip_if_exists=True)
    return study


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


def finished(study):
    """The finished trials by (axis, value), the last one of each."""
    import optuna

    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    trials = study.get_trials(deepcopy=False, states=states)
    return {(trial.params["axis"], trial.params["value"]): trial for trial in trials}


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


def work(config):
    """Take runs until none is left; how many were done. One worker, one thread."""
    from scratchnet import team

    team.set_size(1)
    study, corpus = open_study(config), load(config.data, quiet=True)
    values = [value for axis in AXES for value in AXES[axis]]

    def objective(trial):
        run = {
            "axis": trial.suggest_categorical("axis", list(AXES)),
            "value": trial.suggest_categorical("value", values),
        }
        trial.set_user_attr(WHO, socket.gethostname())
        with Heartbeat(trial):
            return learn(config, run, corpus, trial)

    done = 0
    while True:
        give_back_lost_runs(study)
        if waiting(study):
            study.optimize(objective, n_trials=1, catch=())
            done += 1
        elif running(study):  # another's, which may yet be lost
            time.sleep(1.0)
        else:
            return done


def learn(config, run, corpus, trial):
    """One run, from its checkpoint if there is one; the held-out loss at its end."""
    import optuna

    settings = settings_of(config, run)
    try:
        folder = RunFolder.open(settings.out)
        session = runs.make_session(settings, corpus, folder)
        session.resume()
    except (UserError, CheckpointError):
        folder = RunFolder.create(settings.out, "folk", settings, overwrite=True)
        session = runs.make_session(settings, corpus, folder)
    judge = session.trainer.judge
    reported = {row["step"] for row in folder.rows() if "held_out" in row}

    def judge_and_report(batches):
        nats = judge(batches)
        step = session.trainer.steps
        if step not in reported:
            trial.report(nats, step)
        if config.prune and trial.should_prune():
            session.steps = step  # the last one
        return nats

    session.trainer.judge = judge_and_report
    try:
        session.learn(quiet=True)
    except Diverged:
        return math.inf
    trial.set_user_attr("curves", curves(folder))  # so that a study tells all, wherever it was run
    if session.steps < config.steps:
        raise optuna.TrialPruned
    return session.trainer.best["nats"]


def curves(folder):
    """Training and held-out loss of a run: {"loss": [[step, nats], ...], "held_out": [...]}."""
    rows = folder.rows()
    losses = [[row["step"], row["loss"]] for row in rows if row.get("loss") is not None]
    every = max(1, len(losses) // 100)
    return {
        "loss": losses[every - 1 :: every],
        "held_out": [[row["step"], row["held_out"]] for row in rows if row.get("held_out") is not None],
    }


def sweep(config, say):
    """`sweep`: all runs, on as many processes as asked for; then figures and a table."""
    from experiments.folk.sweep_report import write_report

    study = open_study(config)
    total, already = len(grid(config)), len(finished(study))
    place = config.storage or config.out
    say(f"{total} runs of {config.steps} steps, {already} of them done before; in {place}")
    if already < total:
        in_parallel(config, say)
    write_report(config, finished(study), say)


def in_parallel(config, say):
    """Workers in processes of their own; one that is killed does not stop the others."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=work_quietly, args=(config,)) for _ in range(config.workers)]
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


def work_quietly(config):
    """`work`, in a process whose Ctrl-C is the parent's to handle."""
    begin_process()
    work(config)
