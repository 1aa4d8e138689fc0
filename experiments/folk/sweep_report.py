"""What a sweep found: a figure for each setting, one table."""

import math

from experiments.folk.figures import draw_sweep
from experiments.folk.sweep import name_of, paper_choice, values_of
from scratchnet.files import atomic_open

NAMES = {
    "optimizer": "optimizer",
    "hidden": "units",
    "lr": "learning rate",
    "length": "length of a sequence",
    "batch": "sequences in a batch",
}


def write_report(config, trials, say):
    """Figures sweep-AXIS.png and sweep.md in the folder of the sweep.

    config : Sweep
    trials : dict (axis, value) -> finished Optuna trial
    say : function of a text
    """
    lines = [
        f"{config.steps} steps each, {config.hidden or 1024} units where they are not what varies; nats a "
        "character. In bold what the paper settled on, by training loss; its figures show that only.",
        "",
        "| setting | value | training, last steps | held-out, last | held-out, best | at step |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for axis in config.axes:
        found = [(value, trials[axis, value]) for value in values_of(axis, config) if (axis, value) in trials]
        lines += [row(axis, value, trial, value == paper_choice(axis, config)) for value, trial in found]
        draw(config, axis, found)
    missing = [
        name_of({"axis": axis, "value": value})
        for axis in config.axes
        for value in values_of(axis, config)
        if (axis, value) not in trials
    ]
    if missing:
        lines += ["", f"Not yet done: {', '.join(missing)}."]
    with atomic_open(config.out / "sweep.md") as file:
        file.write("\n".join(lines) + "\n")
    say("\n".join(lines))
    say(f"\nThe table and figures are in {config.out}.")


def row(axis, value, trial, chosen):
    """One line of the table."""
    curves = trial.user_attrs.get("curves", {"loss": [], "held_out": []})
    losses = [loss for _, loss in curves["loss"][-5:]]
    held_out = curves["held_out"]
    best = min(((nats, step) for step, nats in held_out), default=(math.nan, 0))
    label = f"**{value}**" if chosen else f"{value}"
    if not held_out:
        return f"| {NAMES[axis]} | {label} | diverged | | | |"
    training = f"{sum(losses) / len(losses):.3f}" if losses else "–"  # a run too short for a row of the log
    pruned = ", stopped early" if trial.state.name == "PRUNED" else ""
    return (
        f"| {NAMES[axis]} | {label}{pruned} | {training} | {held_out[-1][1]:.3f} | "
        f"{best[0]:.3f} | {best[1]} |"
    )


def draw(config, axis, found):
    """The figure of one setting."""
    curves = {}
    for value, trial in found:
        mark = " (the paper's)" if value == paper_choice(axis, config) else ""
        if "curves" in trial.user_attrs:
            curves[f"{value}{mark}"] = trial.user_attrs["curves"]
    if curves:
        draw_sweep(config.out / f"sweep-{axis}.png", curves, NAMES[axis])
