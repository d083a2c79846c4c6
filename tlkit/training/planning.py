"""The plan of a training: where it is cut, which examples pass what, and what is chosen before the first step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.config import Compute, Phase, Reading
from tlkit.errors import InputError
from tlkit.features import auto_choices, extraction, feature_sets, frontier, mixed_precision
from tlkit.features.auto_choices import Choices
from tlkit.models import cache_keys
from tlkit.models.classifier import pieces
from tlkit.models.freezing import unfreeze
from tlkit.training import steps
from tlkit.utils.progress import ProgressReporter

if TYPE_CHECKING:
    import os

    import keras

HEAD = 2  # the piece of a classifier above its backbone
TRIED = 16  # examples in a step that is measured
Cuts = Mapping[int | str, frontier.Cut]  # by how much is unfrozen, the lowest first


@dataclass(frozen=True)
class Plan:
    """Group what `fit` resolved.

    Args:
        phases: the schedule.
        augment: None, an `Augment` or a callable.
        views: numbers of stored augmented versions that will do, the best first.
        compute: how it is computed.
        telling: who is told of it.
        tensorboard: a directory for TensorBoard, or None.
    """

    phases: tuple[Phase, ...]
    augment: Any
    views: Sequence[int]
    compute: Compute
    telling: ProgressReporter
    tensorboard: str | os.PathLike | None = None

    @cached_property
    def depths(self) -> list[int | str]:
        """How much is unfrozen in each phase or was before it: what was once trained is not frozen any more."""
        opened = [phase.unfreeze for phase in self.phases]
        return [max(opened[: number + 1], key=_depth) for number in range(len(opened))]


def _depth(unfreeze: int | str) -> float:
    return float("inf") if unfreeze == "all" else unfreeze


def cuts(clf: keras.Model, plan: Plan) -> Cuts:
    """Find the cuts of all phases, the lowest first: the more is unfrozen, the lower the cut."""
    found = {}
    for depth in sorted(set(plan.depths), key=_depth, reverse=True):
        unfreeze(clf, depth)
        if not clf.trainable_variables:
            raise InputError(
                f"a phase with unfreeze={depth!r} leaves nothing to train: the head of {clf.name} has no weights of "
                f"its own; give unfreeze=1 or more"
            )
        found[depth] = frontier.find(clf)
    return found


def sources(clf: keras.Model, data: Any, how: Any, seed: int) -> tuple[feature_sets.Source, feature_sets.Source]:
    """Return the examples of train, augmented, and of val, each in the order in which they are stored."""
    pre, about = pieces(clf)[0], clf.spec

    def source(split: Any, augment: Any) -> feature_sets.Source:
        reading = Reading(extraction.BATCH, about.resize, augment, seed)
        found = _with(split, about.target.truths(clf, split))
        return feature_sets.source(clf, found, reading, about.input.lengths(pre, split.items))

    return source(data.train, how), source(data.val, None)


def _with(split: Any, labels: np.ndarray) -> Any:
    return split if labels is split.labels else dataclasses.replace(split, labels=labels)


def identity(clf: keras.Model, data: Any, plan: Plan, cuts: Cuts) -> dict[str, Any]:
    """Tell one training from another beside its settings: by its data, its frozen part and how it is computed.

    The weights above the frozen part change by themselves, so their shapes alone count.
    """
    lowest = next(iter(cuts.values()))
    return {
        "data": data.fingerprint(),
        "frozen part": cache_keys.functions(frontier.parts(clf, None, lowest)),
        "shapes after it": [list(variable.shape) for variable in frontier.segment(clf, lowest, None).variables],
        "views": list(plan.views),
        "precision": plan.compute.precision,
        "deterministic": plan.compute.deterministic,
    }


# === Choices ===


def choose(
    clf: keras.Model, cuts: Cuts, sources: tuple[feature_sets.Source, feature_sets.Source], plan: Plan, batch_size: int
) -> Choices:
    """Choose the precision, of the frozen part and of the steps, and how features are kept."""
    training, validation = sources
    limit = auto_choices.budget(plan.compute)
    sizes = {depth: auto_choices.example_bytes(cut, training.lengths) for depth, cut in cuts.items()}
    count, kept, needed = auto_choices.stores(sizes, (len(training.order), len(validation.order)), plan.views, limit)

    def batch() -> Any:
        return next(training.batches(training.order[: extraction.BATCH], 0, extraction.BATCH))

    numbers = auto_choices.numeric(plan.compute, clf, list(cuts.values())[-1], batch)
    planned = _steps(plan, cuts, -(-len(training.order) // batch_size))
    trained = auto_choices.tails(plan.compute, planned, lambda depth: _faster(clf, depth, cuts[depth], training))
    return Choices(numbers, trained, count, kept, limit, needed)


def _steps(plan: Plan, cuts: Cuts, each: int) -> dict[int | str, int]:
    """Count for each cut the planned steps that pass layers of the backbone; `each` are in an epoch."""
    planned = dict.fromkeys(cuts, 0)
    for phase, depth in zip(plan.phases, plan.depths, strict=True):
        if cuts[depth].piece < HEAD:
            planned[depth] += phase.epochs * each
    return planned


def _faster(clf: keras.Model, depth: int | str, cut: frontier.Cut, training: feature_sets.Source) -> str:
    """Measure in which precision the steps after a cut are faster, on made-up features of a usual length."""
    unfreeze(clf, depth)
    features, length = made_up(cut, training, TRIED)
    about = {"steps": cache_keys.functions(frontier.parts(clf, cut, None), values=False), "length": length}

    def measured() -> str:
        return mixed_precision.measure(
            clf, lambda _: steps.gradients(frontier.segment(clf, cut, None), clf.spec.target), features
        )

    return auto_choices.remembered(about, measured)


def made_up(cut: frontier.Cut, training: feature_sets.Source, count: int) -> tuple[list[np.ndarray], int]:
    """Make up features of so many examples, of a usual length, to measure steps on; return the length, too."""
    rng = np.random.default_rng(0)
    length = 1 if training.lengths is None else int(np.mean(training.lengths))

    def made(tensor: Any) -> np.ndarray:
        shape = [count, *(length if side is None else side for side in tensor.shape[1:])]
        return (rng.normal(size=shape) if "float" in tensor.dtype else np.ones(shape)).astype(tensor.dtype)

    return [made(tensor) for tensor in cut.tensors], length
