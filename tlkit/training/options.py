"""What `fit` was asked for: checked, and resolved against the classifier and the data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tlkit.config import LIGHT, STRONG, Augment, Phase
from tlkit.errors import InputError, unknown
from tlkit.features.auto_choices import VIEWS
from tlkit.tasks.targets import Target
from tlkit.training import loop

WEIGHED = ("label", "tags")  # what class weights and smoothing are for


def settings(phases: Sequence[Phase], how: Any, options: loop.Options) -> dict[str, Any]:
    """Write down every option as it was resolved, in plain values."""
    settings = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    settings |= {"target": options.target.name, "class_weight": options.class_weight.tolist()}
    settings |= {"phases": [dataclasses.asdict(phase) for phase in phases], "augment": _name(how)}
    for facts, name in ((settings, "interpolate"), *((phase, "solve") for phase in settings["phases"])):
        if not facts[name]:  # checkpoints of tlkit 0.1 do not know it
            del facts[name]
    return settings


def views(wanted: int | None, how: Any, phases: Sequence[Phase]) -> list[int]:
    """Resolve how many augmented versions of each picture may be stored, the best number first.

    As many as there are epochs is ordinary augmentation; by default there are fewer, and fewer still where they do not
    fit the cache budget.
    """
    if wanted is not None and (not isinstance(wanted, int) or wanted < 1):
        raise InputError(f"views={wanted!r}: give the number of augmented versions to store, 1 or more")
    if how is None:
        return [1]
    return [wanted] if wanted else list(range(min(VIEWS, max(_passes(phase) for phase in phases)), 0, -1))


def _passes(phase: Phase) -> int:
    """Return how many views of an example a phase takes."""
    return VIEWS if phase.solve else phase.epochs


def check(spec: Any, data: Any, batch_size: int, patience: int, label_smoothing: float) -> None:
    """Refuse data and numbers that do not suit the classifier."""
    if data.kind != spec.input.kind:
        raise InputError(f"{spec.backbone.name} takes {spec.input.kind}s, but the data are {data.kind}s")
    if spec.target.name != data.target.name:
        raise InputError(
            f"the classifier learns {spec.target.noun}, but the data hold {data.target.noun}; build it "
            f"with data.target{', or by tlkit.generator or tlkit.summarizer' * data.target.writes}"
        )
    numbered = tuple(str(number) for number in range(len(data.labels)))  # built from a number of classes
    if spec.labels not in (tuple(data.labels), numbered):
        raise InputError(
            f"the classifier has {len(spec.labels)} labels {_few(spec.labels)}, the data {len(data.labels)} "
            f"{_few(data.labels)}; build it with data.labels"
        )
    if data.kind == "table" and data.columns != spec.input.table:
        raise InputError(
            f"the columns of the data are not those of the classifier, or their categories are others; read them with "
            f"like=clf.spec.input.table, or pretrain on them anew (the classifier's: {_few(spec.input.columns)})"
        )
    if batch_size < 1 or patience < 0 or not 0 <= label_smoothing < 1:
        raise InputError(
            f"batch_size={batch_size}, patience={patience}, label_smoothing={label_smoothing}: give a batch size of 1 "
            f"or more, a patience of 0 or more, and 0 <= label_smoothing < 1"
        )
    if label_smoothing and spec.target.name not in WEIGHED:
        raise InputError(
            f"label_smoothing={label_smoothing} is for labels and tags; leave it out for {spec.target.noun}"
        )


def _few(labels: Sequence[str]) -> str:
    return f"({', '.join(labels[:5])}{', ...' if len(labels) > 5 else ''})"


def augmentation(augment: Any, kind: str, flip: bool) -> Augment | Callable | None:
    """Resolve the `augment` option; pictures that must not be mirrored are not."""
    named = {"auto": LIGHT if kind == "image" else None, "none": None, "light": LIGHT, "strong": STRONG}
    if isinstance(augment, str):
        if augment not in named:
            raise unknown("augment", augment, named)
        augment = named[augment]
    if augment is not None and kind != "image":
        raise InputError("augment is for pictures; leave it out for texts")
    if isinstance(augment, Augment) and not flip:
        return dataclasses.replace(augment, flip=False)
    return augment


def _name(augment: Any) -> Any:
    if isinstance(augment, Augment):
        return dataclasses.asdict(augment)
    return getattr(augment, "__qualname__", None) if augment is not None else None


def balanced(sampling: str, class_weight: Any, target: Target) -> bool:
    """Resolve the `sampling` option; to weigh rare classes up and to draw them more often is too much of it."""
    if sampling not in ("all", "balanced"):
        raise unknown("sampling", sampling, ("all", "balanced"))
    if sampling == "balanced" and class_weight == "balanced":
        raise InputError("sampling and class_weight are both balanced, which weighs rare classes twice; give one")
    if sampling == "balanced" and target.name != "label":
        raise InputError(f"sampling='balanced' is for one label each; leave it out for {target.noun}")
    return sampling == "balanced"


def class_weights(wanted: Any, data: Any) -> np.ndarray:
    """Resolve `class_weight` to one weight per class or tag, of mean 1 over the training examples where balanced."""
    classes, kind = len(data.labels), data.target.name
    if wanted is None:
        return np.ones(classes, np.float32)
    if kind not in WEIGHED or (wanted == "balanced" and kind != "label"):
        raise InputError(f"class_weight={wanted!r} is not for {data.target.noun}; leave it out")
    if wanted == "balanced":
        counts = np.bincount(data.train.labels, minlength=classes)
        return (len(data.train.labels) / (classes * np.maximum(counts, 1))).astype(np.float32)
    if not isinstance(wanted, Mapping):
        raise InputError(f"class_weight {wanted!r}: give 'balanced' or a mapping of label to weight")
    strange = [str(label) for label in wanted if str(label) not in data.labels]
    if strange:
        raise unknown("label in class_weight", strange[0], data.labels)
    by_name = {str(label): weight for label, weight in wanted.items()}
    return np.array([by_name.get(label, 1.0) for label in data.labels], np.float32)


def uncalibrated(target: Target) -> Target:
    """Return the target of a model that is about to be trained, which puts an end to what calibration did."""
    return dataclasses.replace(target, temperature=1.0) if target.name == "label" else target
