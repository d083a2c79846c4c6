"""The phases that a quality stands for, from the schedule of a backbone and the number of examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tlkit.config import Phase
from tlkit.errors import unknown

QUALITIES = ("fast", "good")
MIN_STEPS = 150  # of a phase that trains blocks
PATIENT_STEPS = 24  # without a lower validation loss before a phase ends, at least
# validation examples: fewer show no gain of a second phase over a solved head, so none is tried
MIN_JUDGES = 30


def check(quality: str | None) -> bool:
    """Return True; raise InputError for a quality that is not known."""
    if quality not in (None, *QUALITIES):
        raise unknown("quality", quality, QUALITIES)
    return True


def adapts(phases: Sequence[Phase]) -> bool:
    """Return whether the schedule of a backbone begins with its head alone; a model that writes has none."""
    return phases[0].unfreeze == 0


def phases(own: Sequence[Phase], quality: str, epoch_steps: int, judges: int) -> tuple[Phase, ...]:
    """Return the phases of a quality.

    Args:
        own: the schedule of the backbone, the head first.
        quality: one of `QUALITIES`.
        epoch_steps: steps in an epoch.
        judges: examples in the validation split.
    """
    head = dataclasses.replace(own[0], solve=True)
    if quality == "fast" or judges < MIN_JUDGES:
        return (head,)
    least = -(-MIN_STEPS // epoch_steps)
    return (head, *(dataclasses.replace(phase, epochs=max(phase.epochs, least)) for phase in own[1:]))


def patience(epochs: int, epoch_steps: int) -> int:
    """Return the patience of a phase, in epochs: as asked for, or as many steps as a small data set needs."""
    return max(epochs, -(-PATIENT_STEPS // epoch_steps))
