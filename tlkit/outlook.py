"""What a run is about to do, before the first step: as facts for machines and as lines for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.freeze import unfreeze
from tlkit.outcome import blocks
from tlkit.spec import Phase


def plan(clf: Any, phases: Sequence[Phase], data: Any) -> dict[str, Any]:
    """Return what is about to be trained, as plain JSON values.

    Args:
        clf: a classifier of tlkit; what of it is trainable is left as in the last phase.
        phases: the schedule.
        data: what a reader returned.

    Returns:
        backbone, head, size (pixels of a side, or tokens), weights, kind, target, labels (how many), examples (by
        split), parameters (all), phases (name, epochs, learning_rate, unfreeze, blocks, trainable parameters).

    Raises:
        InputError: a phase unfreezes more blocks than there are.
    """
    about, told = clf.spec, []
    for phase in phases:
        unfreeze(clf, phase.unfreeze)
        trainable = sum(int(np.prod(variable.shape)) for variable in clf.trainable_variables)
        facts = {"name": phase.name, "epochs": phase.epochs, "learning_rate": phase.learning_rate}
        facts |= {"unfreeze": phase.unfreeze, "blocks": len(about.backbone.blocks), "trainable": trainable}
        told.append(facts)
    facts = {"backbone": about.backbone.name, "head": about.head, "size": about.input.size, "weights": about.weights}
    facts |= {"kind": data.kind, "target": data.target.name, "labels": len(data.labels)}
    facts |= {"examples": {name: len(split) for name, split in data.splits().items()}}
    return facts | {"parameters": clf.count_params(), "phases": told}


def told(plan: Mapping[str, Any]) -> str:
    """Write a plan in a few lines."""
    lines = [f"{plan['backbone']} + {plan['head']}, size {plan['size']}, weights: {plan['weights']}"]
    for phase in plan["phases"]:
        opened = "all blocks" if phase["unfreeze"] == "all" else f"{phase['unfreeze']} of {blocks(phase['blocks'])}"
        lines.append(
            f"  phase {phase['name']}: epochs {phase['epochs']}, learning rate {phase['learning_rate']:g}, unfrozen "
            f"{opened}, trained parameters {phase['trainable']:,} of {plan['parameters']:,}"
        )
    return "\n".join(lines)


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
            print(text)

    def plan(self, plan: Mapping[str, Any]) -> None:
        """Tell what is about to be done."""
        self.say(told(plan))
        if callable(self.progress):
            self.progress({"event": "plan", **plan})

    @property
    def epochs(self) -> bool | Callable[[dict], Any]:
        """What `tlkit.fit` takes as `progress`."""
        tell = self.progress
        return (lambda record: tell({"event": "epoch", **record})) if callable(tell) else tell
