"""Fit: compute the frozen part once, train the rest phase by phase, and prove that what was frozen did not move."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tlkit import frontier, loop, store
from tlkit.build import pieces
from tlkit.errors import InputError, unknown
from tlkit.freeze import audit, fingerprints, unfreeze
from tlkit.spec import LIGHT, STRONG, Augment, Phase, Reading

if TYPE_CHECKING:
    import keras

TRUNK_BATCH = 64  # examples the frozen part computes at a time
VIEWS = 4  # augmented versions stored of each picture, unless there are fewer epochs


@dataclass(frozen=True)
class History:
    """Tell how a training went.

    Args:
        epochs: a record per epoch (phase, epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds).
        phases: a record per phase (name, cut, trainable and frozen parameters, kept epoch, seconds).
        trunk_seconds: time spent in the frozen part, once for all phases.
        seconds: time in all.
        settings: every option of `fit` as it was resolved.
    """

    epochs: tuple[dict, ...]
    phases: tuple[dict, ...]
    trunk_seconds: float
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
    weight_decay: float = 1e-4,
    label_smoothing: float = 0.0,
    seed: int = 0,
    progress: bool = True,
) -> History:
    """Train a classifier in place and in phases: the head on the frozen base, then the unfrozen top blocks too.

    What is frozen and not random is computed once; only what comes after it is trained. Each phase warms up, decays
    its rate by a cosine, stops early, and ends with the weights of its lowest validation loss.

    Args:
        clf, data: a classifier of tlkit, and what a reader returned; `train` and `val` are used.
        phases: the schedule; the backbone's own by default.
        batch_size: examples per step.
        augment: "auto" (light for pictures), "none", "light", "strong", an `Augment`, or a callable on a float32
            batch of pixels (batch, size, size, 3), 0..255.
        views: augmented versions stored of each picture and cycled over the epochs; 4 by default.
        patience: epochs without a better validation loss that are waited for.
        class_weight, weight_decay: "balanced" or label -> weight; decoupled decay of the kernels.
        label_smoothing: share of each target spread over all classes, 0 <= share < 1.
        seed: of the order, dropout and augmentation.
        progress: show a bar for the frozen pass and a line per epoch.

    Raises:
        InputError: an option or data that do not suit the classifier.
        FreezeError: a frozen weight moved.
    """
    started = time.perf_counter()
    _check(clf.spec, data, batch_size, patience, label_smoothing)
    phases = tuple(phases or clf.spec.backbone.phases)
    how = _augmentation(augment, clf.spec.input.kind, data.flip)
    views = _views(views, how, phases)
    weights = _class_weights(class_weight, data)
    options = loop.Options(batch_size, patience, weights, weight_decay, label_smoothing, seed)
    stores = _stores(clf, phases, data, (how, None), views, options, progress)
    trunk = time.perf_counter() - started
    done = [_phase(clf, phase, pair, options, progress) for phase, pair in zip(phases, stores, strict=True)]
    epochs = tuple(record for records, _ in done for record in records)
    seconds = {"trunk_seconds": trunk, "seconds": time.perf_counter() - started}
    return History(epochs, tuple(told for _, told in done), settings=_settings(phases, how, views, options), **seconds)


def _settings(phases: Sequence[Phase], how: Any, views: int, options: loop.Options) -> dict[str, Any]:
    """Write down every option as it was resolved, in plain values."""
    settings = {**dataclasses.asdict(options), "class_weight": options.class_weight.tolist(), "views": views}
    return settings | {"phases": [dataclasses.asdict(phase) for phase in phases], "augment": _name(how)}


def _views(views: int | None, how: Any, phases: Sequence[Phase]) -> int:
    if views is not None and (not isinstance(views, int) or views < 1):
        raise InputError(f"views={views!r}: give the number of augmented versions to store, 1 or more")
    if how is None:
        return 1
    return views or min(VIEWS, max(phase.epochs for phase in phases))


def _check(spec: Any, data: Any, batch_size: int, patience: int, label_smoothing: float) -> None:
    if data.kind != spec.input.kind:
        raise InputError(f"{spec.backbone.name} takes {spec.input.kind}s, but the data are {data.kind}s")
    if tuple(data.labels) != spec.labels and len(data.labels) != len(spec.labels):
        raise InputError(f"the classifier has {len(spec.labels)} labels, the data {len(data.labels)}: {data.labels}")
    if batch_size < 1 or patience < 0 or not 0 <= label_smoothing < 1:
        raise InputError(
            f"batch_size={batch_size}, patience={patience}, label_smoothing={label_smoothing}: give a batch size of 1 "
            f"or more, a patience of 0 or more, and 0 <= label_smoothing < 1"
        )


def _augmentation(augment: Any, kind: str, flip: bool) -> Augment | Callable | None:
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


def _class_weights(wanted: Any, data: Any) -> np.ndarray:
    """Resolve `class_weight` to one weight per class, of mean 1 over the training examples where balanced."""
    classes = len(data.labels)
    if wanted is None:
        return np.ones(classes, np.float32)
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


def _stores(
    clf: keras.Model,
    phases: Sequence[Phase],
    data: Any,
    augment: tuple[Any, Any],
    views: int,
    options: loop.Options,
    progress: bool,
) -> list[tuple[store.Store, store.Store]]:
    """Plan the cuts of all phases, then fill every phase's stores in one pass over each split."""
    cuts: dict[float, frontier.Cut] = {}
    for phase in phases:
        unfreeze(clf, phase.unfreeze)
        cuts[_depth(phase)] = frontier.find(clf)
    depths = sorted(cuts, reverse=True)  # the more is unfrozen, the lower the cut
    passes = ((data.train, augment[0], views), (data.val, augment[1], 1))
    filled = []
    with _bar(views * len(data.train) + len(data.val), progress) as bar:
        for split, how, count in passes:
            reading = Reading(TRUNK_BATCH, clf.spec.resize, how, options.seed)
            ordered = [cuts[depth] for depth in depths]
            filled.append(store.fill(clf, ordered, split, reading, views=count, bar=bar))
    return [tuple(stores[depths.index(_depth(phase))] for stores in filled) for phase in phases]


def _depth(phase: Phase) -> float:
    return float("inf") if phase.unfreeze == "all" else phase.unfreeze


def _bar(total: int, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(
        total=total, desc="frozen base", unit="ex", leave=False, disable=not progress or not sys.stderr.isatty()
    )


def _phase(
    clf: keras.Model, phase: Phase, stores: tuple[store.Store, store.Store], options: loop.Options, progress: bool
) -> tuple[list[dict], dict]:
    """Train one phase and prove that what was frozen did not move."""
    started = time.perf_counter()
    unfreeze(clf, phase.unfreeze)
    backbone = pieces(clf)[1]
    before = fingerprints(backbone)
    cut = frontier.find(clf)
    tail = frontier.segment(clf, cut, None)
    tell = (lambda record: print(_line(record, phase))) if progress else (lambda record: None)
    records, best = loop.train(tail, phase, stores, options, tell)
    audit(backbone, before, phase.name)
    trained = sum(int(np.prod(variable.shape)) for variable in clf.trainable_variables)
    summary = {"name": phase.name, "cut": list(cut.after), "unfreeze": phase.unfreeze, "trainable": trained}
    summary |= {"frozen": clf.count_params() - trained, "stored_bytes": sum(part.nbytes for part in stores)}
    return records, summary | {"best_epoch": best, "seconds": time.perf_counter() - started}


def _line(record: dict, phase: Phase) -> str:
    return (
        f"{phase.name:>6} {record['epoch']:>3}/{phase.epochs}  loss {record['loss']:.4f}  "
        f"accuracy {record['accuracy']:.4f}  val_loss {record['val_loss']:.4f}  "
        f"val_accuracy {record['val_accuracy']:.4f}  {record['seconds']:.1f} s"
    )
