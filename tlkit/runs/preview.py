"""What a run is about to do, before the first step: as facts for machines and as lines for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.config import Phase
from tlkit.models.freezing import unfrozen
from tlkit.utils.escaping import line
from tlkit.utils.progress import say
from tlkit.utils.text_format import blocks

FLOAT = 4  # bytes
COPIES = 4  # of what trains: its gradient, two averages of the optimizer, and the weights of the best epoch


def plan(clf: Any, phases: Sequence[Phase], data: Any) -> dict[str, Any]:
    """Return what is about to be trained, as plain JSON values.

    Args:
        clf: a classifier of tlkit.
        phases: the schedule.
        data: what a reader returned.

    Returns:
        backbone, head, size (pixels of a side, or tokens), weights, kind, target, labels (how many), examples (by
        split), parameters (all), memory (bytes of weights, gradients and optimizer, about), phases (name, epochs,
        learning_rate, unfreeze, blocks, trainable parameters).

    Raises:
        InputError: a phase unfreezes more blocks than there are.
    """
    about, told = clf.spec, []
    for phase in phases:
        with unfrozen(clf, phase.unfreeze):
            trainable = sum(int(np.prod(variable.shape)) for variable in clf.trainable_variables)
        facts = {"name": phase.name, "epochs": phase.epochs, "learning_rate": phase.learning_rate}
        facts |= {"unfreeze": phase.unfreeze, "blocks": len(about.backbone.blocks), "trainable": trainable}
        told.append(facts | ({"solve": True} if phase.solve else {}))
    facts = {"backbone": about.backbone.name, "head": about.head, "size": about.input.size, "weights": about.weights}
    facts |= {"kind": data.kind, "target": data.target.name, "labels": len(data.labels)}
    facts |= {"examples": {name: len(split) for name, split in data.splits().items()}}
    count = clf.count_params()
    memory = FLOAT * (count + COPIES * max((phase["trainable"] for phase in told), default=0))
    return facts | {"parameters": count, "memory": memory, "phases": told}


def told(plan: Mapping[str, Any]) -> str:
    """Write a plan in a few lines."""
    lines = [f"{plan['backbone']} + {plan['head']}, size {plan['size']}, weights: {plan['weights']}"]
    for phase in plan["phases"]:
        opened = "all blocks" if phase["unfreeze"] == "all" else f"{phase['unfreeze']} of {blocks(phase['blocks'])}"
        how = f"epochs {phase['epochs']}, learning rate {phase['learning_rate']:g}"
        how = "solved exactly if it is linear, else until it has converged" if phase.get("solve") else how
        lines.append(
            f"  phase {phase['name']}: {how}, unfrozen {opened}, "
            f"trained parameters {phase['trainable']:,} of {plan['parameters']:,}"
        )
    lines.append(
        f"  memory of weights, gradients and optimizer: about {plan['memory'] / 1e6:,.0f} MB, plus activations"
    )
    return "\n".join(map(line, lines))


def summary(history: Mapping[str, Any]) -> str:
    """Write what a training took, phase by phase, as a table; `history` is that of a ledger."""
    heads = ("phase", "epochs", "best", "trained parameters", "seconds")
    rows = [heads]
    for phase in history["phases"]:
        epochs = sum(row["phase"] == phase["name"] for row in history["epochs"])
        facts = (phase["best_epoch"], f"{phase['trainable']:,}", f"{phase['seconds']:.1f}")
        rows.append((phase["name"], *map(str, (epochs, *facts))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{value:>{width}}" for value, width in zip(row, widths, strict=True)) for row in rows]
    before = f"{history['trunk_seconds']:.1f} s of them before the first phase, {history['trunk_examples']:,} examples"
    return "\n".join([*map(line, lines), f"{history['seconds']:.1f} s in all, {before} through the frozen part"])


@dataclass(frozen=True)
class Watch:
    """Tell people or a program how a run goes.

    Args:
        progress: whether to print, or what is called with an "event" instead.
        tensorboard: a directory to write each epoch's figures to, or None.
    """

    progress: bool | Callable[[dict], Any]
    tensorboard: str | Path | None

    def say(self, text: Any) -> None:
        """Print for people."""
        if self.progress is True:
            say(text)

    def plan(self, plan: Mapping[str, Any]) -> None:
        """Tell what is about to be done."""
        self.say(told(plan))
        if callable(self.progress):
            self.progress({"event": "plan", **plan})
