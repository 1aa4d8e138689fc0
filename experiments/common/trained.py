"""Trained networks out of run folders, and what commands tell of them."""

import json
from pathlib import Path
from statistics import mean, stdev

from experiments.common.compositions import home_of, how_made, new_folder
from experiments.common.deprecated import current_keys
from experiments.common.errors import UserError
from experiments.common.json_files import is_number
from experiments.common.run_folder import BEST, RunFolder
from scratchnet.messages import brief, cut
from scratchnet.training.checkpoint import CheckpointError, load_checkpoint

PARTS = ("best/", "mean/", "last/")  # of a checkpoint: what is to compose, the first that is there


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

    path : a run folder, its best.safetensors, or one of its checkpoints (then of those up to it)
    needed : names that the metadata must have
    Returns weights : dict of arrays by name; metadata : dict; with "best", a dict of step and nats, or None
        if the network was not evaluated yet.
    Raises UserError or CheckpointError if there is none, or it is damaged or of another kind.
    """
    path = Path(path)
    if path.is_dir():
        path = path / BEST
        if not path.is_file():
            raise UserError(f"{path.parent}: expected a trained run, but there is no {BEST} in it")
    tensors, metadata = load_checkpoint(path)
    if "config" in metadata:
        metadata["config"] = current_keys(metadata["config"])
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

    path, needed : see `load_best`
    make : function of the metadata that makes such a network
    least : function of the metadata: so many weights such a network has at least. It is asked first, so that
        a file cannot have a network made that is larger than the file
    Raises UserError or CheckpointError if there is none, or it is damaged or of another kind.
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


def network_folders(path):
    """The folders of trained networks in a run: itself, or those below it.

    Raises UserError if there is none.
    """
    run = RunFolder.open(path)
    if (run.folder / BEST).is_file():
        return [run.folder]
    found = sorted(path.parent for path in run.folder.glob(f"*/{BEST}"))
    if not found:
        raise UserError(f"{path}: expected a trained run, but there is no {BEST} in it")
    return found


def composition(experiment, config, metadata):
    """Where `compose` writes, and what is told of it: see `compositions.new_folder`.

    config : Compose
    metadata : of the network
    """
    reached = {"step": metadata["best"]["step"]} if metadata["best"] else {}
    how = how_made(experiment, config.run, reached, config)
    return new_folder(config.out, home_of(config.run), config.overwrite, how)


def percent(share, digits=0):
    """A share in percent; a dash where there is none, of nothing."""
    return "–" if share is None or share != share else f"{share:.{digits}%}"


def spread(values, digits=3):
    """A figure over seeds: its mean, and with more than one value the standard deviation."""
    text = f"{mean(values):.{digits}f}"
    return f"{text} ± {stdev(values):.{digits}f}" if len(values) > 1 else text
