"""Fit: compute the frozen part once, train the rest phase by phase, and prove that what was frozen did not move."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tlkit import choices, filling, frontier, loop, options, precision, store
from tlkit.build import pieces
from tlkit.choices import Choices
from tlkit.freeze import audit, fingerprints, unfreeze
from tlkit.spec import Augment, Compute, Phase, Reading

if TYPE_CHECKING:
    import keras

HEAD = 2  # the piece of a classifier above its backbone
Features = tuple[store.Features, store.Features]  # of the training and of the validation split


@dataclass(frozen=True)
class History:
    """Tell how a training went.

    Args:
        epochs: a record per epoch (phase, epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds).
        phases: a record per phase (name, cut, trainable and frozen parameters, kept epoch, seconds).
        trunk_seconds: time before the first phase: planning, the frozen part, opening what is stored.
        trunk_examples: how many examples passed the frozen part; none where all was stored by an earlier run.
        seconds: time in all.
        settings: every option of `fit` as it was resolved.
    """

    epochs: tuple[dict, ...]
    phases: tuple[dict, ...]
    trunk_seconds: float
    trunk_examples: int
    seconds: float
    settings: dict[str, Any]


def fit(
    clf: keras.Model,
    data: Any,
    *,
    phases: Sequence[Phase] | None = None,
    batch_size: int = 32,
    augment: str | Augment | Callable | None = "auto",
    views: int | None = None,
    patience: int = 3,
    class_weight: Literal["balanced"] | Mapping[str, float] | None = None,
    sampling: Literal["all", "balanced"] = "all",
    weight_decay: float = 1e-4,
    label_smoothing: float = 0.0,
    seed: int = 0,
    compute: Compute | None = None,
    record: Callable[[dict], None] | None = None,
    progress: bool = True,
) -> History:
    """Train a classifier in place and in phases: the head on the frozen base, then the unfrozen top blocks too.

    What is frozen and not random is computed once, and kept for later trainings. Each phase warms up, decays its rate
    by a cosine, stops early, and ends with the weights of its lowest validation loss.

    Args:
        clf, data: a classifier of tlkit, and what a reader returned.
        phases: the schedule; the backbone's own by default.
        batch_size: examples per step.
        augment: "auto" (light for pictures), "none", "light", "strong", an `Augment`, or a callable on float32 pixels
            (batch, size, size, 3), 0..255.
        views: augmented versions stored of each picture, cycled over the epochs; 4, or as many as fit, by default.
        patience: epochs without a better validation loss that are waited for.
        class_weight, sampling: "balanced" or label -> weight in the loss; "balanced" draws classes equally often.
        weight_decay, label_smoothing: of the kernels, decoupled; share of each target spread over all classes, < 1.
        seed: of order, dropout and augmentation (the head's first weights: `keras.utils.set_random_seed`).
        compute: precision, room on disk, determinism; `Compute()` by default.
        record: called once, before the first step, with what was chosen by measurement or by free space.
        progress: show a bar for the frozen pass and a line per epoch.

    Raises:
        InputError: an option or data that do not suit the classifier.
        FreezeError: a frozen weight moved.
        RunError: the disk is full.
    """
    choices.check(compute := compute or Compute())
    options.check(clf.spec, data, batch_size, patience, label_smoothing)
    phases = tuple(phases or clf.spec.backbone.phases)
    how = options.augmentation(augment, clf.spec.input.kind, data.flip)
    weights, even = options.class_weights(class_weight, data), options.balanced(sampling, class_weight)
    asked = loop.Options(batch_size, patience, weights, weight_decay, label_smoothing, seed, even)
    return _train(clf, data, _Plan(phases, how, options.views(views, how, phases), compute, progress), asked, record)


@dataclass(frozen=True)
class _Plan:
    """Group what `fit` resolved: phases, augmentation, numbers of views that will do, and how it is computed."""

    phases: tuple[Phase, ...]
    augment: Any
    views: Sequence[int]
    compute: Compute
    progress: bool


def _train(
    clf: keras.Model, data: Any, plan: _Plan, asked: loop.Options, record: Callable[[dict], None] | None
) -> History:
    started = time.perf_counter()
    if plan.compute.deterministic:
        _ordered_operations()
    depths = _depths(plan.phases)
    cuts = _cuts(clf, depths)
    sources = _sources(clf, data, plan.augment, asked.seed)
    chosen = _choose(clf, cuts, sources, plan, _steps(plan, cuts, depths, len(data.train), asked.batch_size))
    if record is not None:
        record(dataclasses.asdict(chosen))
    with precision.computing(clf, chosen.precision):
        features, passed = _features(cuts, sources, chosen, plan.progress)
    trunk = time.perf_counter() - started
    done = []
    for phase, depth in zip(plan.phases, depths, strict=True):
        with precision.computing(clf, chosen.tails[depth]):
            done.append(_phase(clf, phase, cuts[depth], features[depth], asked, progress=plan.progress))
    epochs = tuple(record for records, _ in done for record in records)
    settings = options.settings(plan.phases, plan.augment, chosen, asked)
    return History(epochs, tuple(told for _, told in done), trunk, passed, time.perf_counter() - started, settings)


def _ordered_operations() -> None:
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


# === The frozen part ===


def _depths(phases: Sequence[Phase]) -> list[int | str]:
    """Return how much is unfrozen in each phase or was before it: what was once trained is not frozen any more."""
    return [max((earlier.unfreeze for earlier in phases[: n + 1]), key=_depth) for n in range(len(phases))]


def _depth(unfreeze: int | str) -> float:
    return float("inf") if unfreeze == "all" else unfreeze


def _cuts(clf: keras.Model, depths: Sequence[int | str]) -> dict[int | str, frontier.Cut]:
    """Plan the cuts of all phases, the lowest first: the more is unfrozen, the lower the cut."""
    cuts = {}
    for depth in sorted(set(depths), key=_depth, reverse=True):
        unfreeze(clf, depth)
        cuts[depth] = frontier.find(clf)
    return cuts


def _sources(clf: keras.Model, data: Any, how: Any, seed: int) -> tuple[store.Source, store.Source]:
    pre, given = pieces(clf)[0], clf.spec.input
    return tuple(
        store.source(
            clf, split, Reading(filling.BATCH, clf.spec.resize, augment, seed), given.lengths(pre, split.items)
        )
        for split, augment in ((data.train, how), (data.val, None))
    )


def _choose(
    clf: keras.Model,
    cuts: Mapping[int | str, frontier.Cut],
    sources: tuple[store.Source, store.Source],
    plan: _Plan,
    steps: Mapping[int | str, int],
) -> Choices:
    """Choose the precision, of the frozen part and of `steps` through the backbone, and how features are kept."""
    training, validation = sources
    limit = choices.budget(plan.compute)
    sizes = {depth: choices.example_bytes(cut, training.lengths) for depth, cut in cuts.items()}
    count, kept, needed = choices.stores(sizes, (len(training.order), len(validation.order)), plan.views, limit)

    def batch() -> Any:
        return next(training.batches(training.order[: filling.BATCH], 0, filling.BATCH))

    numbers = choices.numeric(plan.compute, clf, list(cuts.values())[-1], batch)
    trained = choices.tails(plan.compute, numbers, steps, lambda depth: _faster(clf, depth, cuts[depth], training))
    return Choices(numbers, trained, count, kept, limit, needed)


def _steps(
    plan: _Plan, cuts: Mapping[int | str, frontier.Cut], depths: Sequence[int | str], examples: int, batch_size: int
) -> dict[int | str, int]:
    """Count for each cut the planned steps that pass layers of the backbone."""
    steps = dict.fromkeys(cuts, 0)
    for phase, depth in zip(plan.phases, depths, strict=True):
        if cuts[depth].piece < HEAD:
            steps[depth] += phase.epochs * -(-examples // batch_size)
    return steps


def _faster(clf: keras.Model, depth: int | str, cut: frontier.Cut, training: store.Source) -> str:
    """Measure in which precision the steps after a cut are faster, on made-up features of a usual length."""
    rng = np.random.default_rng(0)
    length = 1 if training.lengths is None else int(np.mean(training.lengths))

    def made(tensor: Any) -> np.ndarray:
        shape = [filling.BATCH, *(length if side is None else side for side in tensor.shape[1:])]
        return (rng.normal(size=shape) if "float" in tensor.dtype else np.ones(shape)).astype(tensor.dtype)

    unfreeze(clf, depth)
    features = [made(tensor) for tensor in cut.tensors]
    return precision.measure(clf, lambda: loop.gradients(frontier.segment(clf, cut, None)), features)


def _features(
    cuts: Mapping[int | str, frontier.Cut],
    sources: tuple[store.Source, store.Source],
    chosen: Choices,
    progress: bool,
) -> tuple[dict[int | str, Features], int]:
    """Fill every phase's stores in one pass over each split; return the features by depth and the examples that
    passed."""
    started = time.perf_counter()
    kept = [chosen.stores[depth] for depth in cuts]
    given = tuple(zip(sources, (chosen.views, 1), strict=True))
    job = filling.Job(given, list(cuts.values()), kept, chosen.precision, chosen.budget, chosen.bytes)
    with filling.bar(sum(views * len(source.order) for source, views in given), progress) as bar:
        filled, passed = filling.fill(job, bar)
    if progress:
        print(_told(cuts, chosen, passed, time.perf_counter() - started))
    return dict(zip(cuts, zip(*filled, strict=True), strict=True)), passed


def _told(cuts: Mapping[int | str, frontier.Cut], chosen: Choices, passed: int, seconds: float) -> str:
    """Say in a line or two what became of the frozen part."""
    done = f"{passed} examples, computed once in" if passed else "stored by an earlier run, opened in"
    stored = any(how != "stream" for how in chosen.stores.values())
    lines = [f"frozen base: {done} {seconds:.1f} s"] if stored else []
    for depth in cuts:
        if chosen.stores[depth] == "stream":
            lines.append(
                f"features for unfreeze={depth} do not fit the cache budget of {chosen.budget / 1e9:.1f} GB: they are "
                f"computed anew in every epoch"
            )
    return "\n".join(lines)


# === The phases ===


def _phase(
    clf: keras.Model, phase: Phase, cut: frontier.Cut, features: Features, asked: loop.Options, *, progress: bool
) -> tuple[list[dict], dict]:
    """Train one phase and prove that what was frozen did not move."""
    started = time.perf_counter()
    unfreeze(clf, phase.unfreeze)
    backbone = pieces(clf)[1]
    before = fingerprints(backbone)
    tail = frontier.segment(clf, cut, None)
    tell = (lambda record: print(_line(record, phase))) if progress else (lambda record: None)
    records, best = loop.train(tail, phase, features, asked, tell)
    audit(backbone, before, phase.name)
    trained = sum(int(np.prod(variable.shape)) for variable in clf.trainable_variables)
    summary = {"name": phase.name, "cut": list(cut.after), "unfreeze": phase.unfreeze, "trainable": trained}
    summary |= {"frozen": clf.count_params() - trained, "stored_bytes": sum(part.nbytes for part in features)}
    return records, summary | {"best_epoch": best, "seconds": time.perf_counter() - started}


def _line(record: dict, phase: Phase) -> str:
    return (
        f"{phase.name:>6} {record['epoch']:>3}/{phase.epochs}  loss {record['loss']:.4f}  "
        f"accuracy {record['accuracy']:.4f}  val_loss {record['val_loss']:.4f}  "
        f"val_accuracy {record['val_accuracy']:.4f}  {record['seconds']:.1f} s"
    )
