"""The plan of a training: where it is cut, which examples pass what, and what is chosen before the first step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.config import Compute, Phase, Reading
from tlkit.errors import InputError
from tlkit.features import auto_choices, extraction, feature_sets, frontier, mixed_precision
from tlkit.features.auto_choices import Choices
from tlkit.models import cache_keys
from tlkit.models.classifier import pieces
from tlkit.models.freezing import unfrozen
from tlkit.training import loop, options, solved_head, steps
from tlkit.training.checkpoint import Keeper
from tlkit.utils.progress import ProgressReporter

if TYPE_CHECKING:
    import os

    import keras

HEAD = 2  # the piece of a classifier above its backbone
CONVERGED = 1000  # steps after which a head that is not linear has converged
TRIED = 16  # examples in a step that is measured
Sources = tuple[feature_sets.Source, feature_sets.Source]  # of the training and of the validation split


@dataclass(frozen=True)
class Request:
    """Group what `fit` was asked for, checked and resolved.

    Args:
        phases: the schedule.
        augment: None, an `Augment` or a callable.
        views: numbers of stored augmented versions that will do, the best first.
        compute: how it is computed.
        loop: what every phase needs.
        telling: prints progress, or passes it on.
        tensorboard: a directory for TensorBoard, or None.
        refit: whether a solved head is fitted to train and val in the end.
    """

    phases: tuple[Phase, ...]
    augment: Any
    views: Sequence[int]
    compute: Compute
    loop: loop.Options
    telling: ProgressReporter
    tensorboard: str | os.PathLike | None = None
    refit: bool = False

    def settings(self) -> dict[str, Any]:
        """Write down every option as it was resolved, in plain values."""
        return options.settings(self.phases, self.augment, self.loop)

    def depths(self) -> list[int | str]:
        """Return how much is unfrozen in each phase or was before it: what was once trained is not frozen any more."""
        opened = [phase.unfreeze for phase in self.phases]
        return [max(opened[: number + 1], key=_depth) for number in range(len(opened))]


def _depth(unfreeze: int | str) -> float:
    return float("inf") if unfreeze == "all" else unfreeze


@dataclass(frozen=True, eq=False)
class Stage:
    """Say what some phases have in common: where their frozen part ends, and the model that they train.

    Args:
        depth: how much is unfrozen.
        cut: the end of what is frozen then.
        tail: the model from the cut to the answer, on the classifier's own layers.
    """

    depth: int | str
    cut: frontier.Cut
    tail: keras.Model


@dataclass(frozen=True, eq=False)
class Plan:
    """Hold what `fit` does, as it was decided before the first step.

    Args:
        request: what was asked for.
        stages: from the lowest cut to the highest.
        job: the pass through the frozen part.
        choices: precision, and how features are stored.
        resumed: whether the choices are those of an earlier process whose training goes on.
    """

    request: Request
    stages: tuple[Stage, ...]
    job: extraction.Job
    choices: Choices
    resumed: bool

    def phases(self) -> Iterator[tuple[Phase, Stage]]:
        """Return each phase with its stage, in the order of the schedule."""
        stages = {stage.depth: stage for stage in self.stages}
        return zip(self.request.phases, (stages[depth] for depth in self.request.depths()), strict=True)

    @property
    def least(self) -> int | str:
        """How much is unfrozen at the highest cut; all that any cut calls frozen is frozen then."""
        return self.stages[-1].depth


def plan(clf: keras.Model, data: Any, request: Request, keeper: Keeper) -> Plan:
    """Decide all that `fit` does; the classifier is left as it was.

    Args:
        clf: a classifier of tlkit.
        data: what a reader returned.
        request: what was asked for.
        keeper: opens the checkpoint of an interrupted training, whose choices then hold.

    Raises:
        InputError: a phase with nothing to train.
        RunError: the checkpoint is of another training, or damaged.
    """
    stages = _stages(clf, request)
    request = dataclasses.replace(request, phases=_resolved(request, stages, len(data.train) + len(data.val)))
    of_splits = sources(clf, data, request.augment, request.loop.seed)
    with unfrozen(clf, stages[-1].depth):
        resumed = keeper.directory is not None and keeper.open(_identity(clf, data, request, stages[0]))
        if resumed:
            chosen = Choices.of(keeper.progress.choices, [stage.depth for stage in stages])
        else:
            chosen = _choose(clf, stages, of_splits, request)
    return Plan(request, stages, extraction_job(stages, of_splits, chosen), chosen, resumed)


def _stages(clf: keras.Model, request: Request) -> tuple[Stage, ...]:
    """Find the cuts of all phases, the lowest first: the more is unfrozen, the lower the cut."""
    cuts = {}
    for depth in sorted(set(request.depths()), key=_depth, reverse=True):
        with unfrozen(clf, depth):
            if not clf.trainable_variables:
                raise InputError(
                    f"a phase with unfreeze={depth!r} leaves nothing to train: the head of {clf.name} has no weights "
                    f"of its own; give unfreeze=1 or more"
                )
            cuts[depth] = frontier.find(clf)
    return tuple(Stage(depth, cut, frontier.segment(clf, cut, None)) for depth, cut in cuts.items())


def _resolved(request: Request, stages: Sequence[Stage], examples: int) -> tuple[Phase, ...]:
    """Resolve the phases that are to be solved: a head that cannot be takes as many steps as it needs."""
    tails, phases = {stage.depth: stage.tail for stage in stages}, []
    for phase, depth in zip(request.phases, request.depths(), strict=True):
        if (
            phase.solve
            and depth == 0
            and solved_head.solvable(tails[0], request.loop.target, examples, request.views[0])
        ):
            phase = dataclasses.replace(phase, epochs=1)
        elif phase.solve:
            epochs = -(-CONVERGED // -(-examples // request.loop.batch_size))
            phase = dataclasses.replace(phase, solve=False, epochs=max(phase.epochs, epochs))
        phases.append(phase)
    return tuple(phases)


def sources(clf: keras.Model, data: Any, how: Any, seed: int) -> Sources:
    """Return the examples of train, augmented, and of val, each in the order in which they are stored."""
    pre, about = pieces(clf)[0], clf.spec

    def source(split: Any, augment: Any) -> feature_sets.Source:
        reading = Reading(extraction.BATCH, about.resize, augment, seed)
        found = _with(split, about.target.truths(clf, split))
        return feature_sets.source(clf, found, reading, about.input.lengths(pre, split.items))

    return source(data.train, how), source(data.val, None)


def _with(split: Any, labels: np.ndarray) -> Any:
    return split if labels is split.labels else dataclasses.replace(split, labels=labels)


def _identity(clf: keras.Model, data: Any, request: Request, lowest: Stage) -> dict[str, Any]:
    """Tell one training from another: by its settings, its data, its frozen part and how it is computed.

    The weights above the frozen part change by themselves, so their shapes alone count.
    """
    return request.settings() | {
        "data": data.fingerprint(),
        "frozen part": cache_keys.functions(frontier.parts(clf, None, lowest.cut)),
        "shapes after it": [list(variable.shape) for variable in lowest.tail.variables],
        "views": list(request.views),
        "precision": request.compute.precision,
        "deterministic": request.compute.deterministic,
    }


def extraction_job(stages: Sequence[Stage], sources: Sources, chosen: Choices) -> extraction.Job:
    """State what has to be computed of the frozen part."""
    kept = [chosen.stores[stage.depth] for stage in stages]
    counted = tuple(zip(sources, (chosen.views, 1), strict=True))
    cuts = [stage.cut for stage in stages]
    return extraction.Job(counted, cuts, kept, chosen.precision, chosen.budget, chosen.bytes)


# === Choices ===


def _choose(clf: keras.Model, stages: Sequence[Stage], sources: Sources, request: Request) -> Choices:
    """Choose the precision, of the frozen part and of the steps, and how features are kept."""
    training, validation = sources
    limit = auto_choices.budget(request.compute)
    sizes = {stage.depth: auto_choices.example_bytes(stage.cut, training.lengths) for stage in stages}
    count, kept, needed = auto_choices.stores(sizes, (len(training.order), len(validation.order)), request.views, limit)

    def batch() -> Any:
        return next(training.batches(training.order[: extraction.BATCH], 0, extraction.BATCH))

    numbers = auto_choices.numeric(request.compute, clf, stages[-1].cut, batch)
    planned = _steps(request, stages, -(-len(training.order) // request.loop.batch_size))
    by_depth = {stage.depth: stage for stage in stages}
    trained = auto_choices.tails(request.compute, planned, lambda depth: _faster(clf, by_depth[depth], training))
    return Choices(numbers, trained, count, kept, limit, needed)


def _steps(request: Request, stages: Sequence[Stage], each: int) -> dict[int | str, int]:
    """Count for each cut the planned steps that pass layers of the backbone; `each` are in an epoch."""
    cuts = {stage.depth: stage.cut for stage in stages}
    planned = dict.fromkeys(cuts, 0)
    for phase, depth in zip(request.phases, request.depths(), strict=True):
        if cuts[depth].piece < HEAD:
            planned[depth] += phase.epochs * each
    return planned


def _faster(clf: keras.Model, stage: Stage, training: feature_sets.Source) -> str:
    """Measure in which precision the steps after a cut are faster, on made-up features of a usual length."""
    features, length = made_up(stage.cut, training, TRIED)
    about = {"steps": cache_keys.functions(frontier.parts(clf, stage.cut, None), values=False), "length": length}

    def measured() -> str:
        with unfrozen(clf, stage.depth):
            return mixed_precision.measure(clf, lambda _: steps.gradients(stage.tail, clf.spec.target), features)

    return auto_choices.remembered(about, measured)


def made_up(cut: frontier.Cut, training: feature_sets.Source, count: int) -> tuple[list[np.ndarray], int]:
    """Make up features of so many examples, of a usual length, to measure steps on; return the length, too."""
    rng = np.random.default_rng(0)
    length = 1 if training.lengths is None else int(np.mean(training.lengths))

    def made(tensor: Any) -> np.ndarray:
        shape = [count, *(length if side is None else side for side in tensor.shape[1:])]
        return (rng.normal(size=shape) if "float" in tensor.dtype else np.ones(shape)).astype(tensor.dtype)

    return [made(tensor) for tensor in cut.tensors], length
