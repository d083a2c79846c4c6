"""The tasks that tlkit knows: by its name, the class that holds what differs by task."""

from __future__ import annotations

from tlkit.tasks.targets import Target
from tlkit.utils.lazy import resolve

TARGETS = {
    "label": "tlkit.tasks.targets:Label",
    "tags": "tlkit.tasks.targets:Tags",
    "value": "tlkit.tasks.targets:Value",
    "entities": "tlkit.tasks.entities:Entities",
    "reply": "tlkit.tasks.next_token:Reply",
    "summary": "tlkit.tasks.next_token:Summary",
}


def target(name: str) -> type[Target]:
    """Return the target class of a task."""
    return resolve(TARGETS[name])


def writes(name: str) -> bool:
    """Say whether a model of this task writes text; one of an unknown task does not."""
    return name in TARGETS and target(name).writes
