"""Fit: compute the frozen part once, train the rest phase by phase, and prove that what was frozen did not move."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tlkit import frontier, loop, options, store
from tlkit.build import pieces
from tlkit.freeze import audit, fingerprints, unfreeze
from tlkit.spec import Augment, Phase, Reading

if TYPE_CHECKING:
    import keras

TRUNK_BATCH = 64  # examples the frozen part computes at a time


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
        seed: of order, dropout and augmentation (the head's first weights: `keras.utils.set_random_seed`).
        progress: show a bar for the frozen pass and a line per epoch.

    Raises:
        InputError: an option or data that do not suit the classifier.
        FreezeError: a frozen weight moved.
    """
    started = time.perf_counter()
    options.check(clf.spec, data, batch_size, patience, label_smoothing)
    phases = tuple(phases or clf.spec.backbone.phases)
    how = options.augmentation(augment, clf.spec.input.kind, data.flip)
    views = options.views(views, how, phases)
    weights = options.class_weights(class_weight, data)
    asked = loop.Options(batch_size, patience, weights, weight_decay, label_smoothing, seed)
    stores = _stores(clf, phases, data, (how, None), views, asked, progress)
    trunk = time.perf_counter() - started
    done = [_phase(clf, phase, pair, asked, progress) for phase, pair in zip(phases, stores, strict=True)]
    epochs = tuple(record for records, _ in done for record in records)
    settings = options.settings(phases, how, views, asked)
    return History(epochs, tuple(told for _, told in done), trunk, time.perf_counter() - started, settings)


def _stores(
    clf: keras.Model,
    phases: Sequence[Phase],
    data: Any,
    augment: tuple[Any, Any],
    views: int,
    asked: loop.Options,
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
    started, examples = time.perf_counter(), views * len(data.train) + len(data.val)
    with _bar(examples, progress) as bar:
        for split, how, count in passes:
            reading = Reading(TRUNK_BATCH, clf.spec.resize, how, asked.seed)
            ordered = [cuts[depth] for depth in depths]
            filled.append(store.fill(clf, ordered, split, reading, views=count, bar=bar))
    if progress:
        print(f"frozen base: {examples} examples, computed once in {time.perf_counter() - started:.1f} s")
    return [tuple(stores[depths.index(_depth(phase))] for stores in filled) for phase in phases]


def _depth(phase: Phase) -> float:
    return float("inf") if phase.unfreeze == "all" else phase.unfreeze


def _bar(total: int, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(
        total=total, desc="frozen base", unit="ex", leave=False, disable=not progress or not sys.stderr.isatty()
    )


def _phase(
    clf: keras.Model, phase: Phase, stores: tuple[store.Store, store.Store], asked: loop.Options, progress: bool
) -> tuple[list[dict], dict]:
    """Train one phase and prove that what was frozen did not move."""
    started = time.perf_counter()
    unfreeze(clf, phase.unfreeze)
    backbone = pieces(clf)[1]
    before = fingerprints(backbone)
    cut = frontier.find(clf)
    tail = frontier.segment(clf, cut, None)
    tell = (lambda record: print(_line(record, phase))) if progress else (lambda record: None)
    records, best = loop.train(tail, phase, stores, asked, tell)
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
